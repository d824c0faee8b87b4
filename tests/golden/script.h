/*
 * script - "randomness" that is written down beforehand.
 */
#ifndef POSTERN_TESTS_SCRIPT_H
#define POSTERN_TESTS_SCRIPT_H

#include <stddef.h>
#include <stdint.h>

/* From now on libsodium hands out what script_add() puts in, and aborts when there is nothing. */
void script_start(void);
/* The next len random bytes will be n, n + 1, n + 2 and so on. Returns them. */
const uint8_t *script_add(uint8_t n, size_t len);
/* Aborts when some were not used: then the examples would tell something else than they show. */
void script_end(void);

#endif
