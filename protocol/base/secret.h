/*
 * secret - memory for what must not leak: locked, guarded, left out of core
 * dumps, wiped when freed; and the base64 form that secrets have in files.
 */
#ifndef POSTERN_BASE_SECRET_H
#define POSTERN_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Starts libsodium; to be called once before anything else of protocol/. Returns 0 or -1. */
int secret_init(void) __attribute__((warn_unused_result));
/* Zeroed guarded memory, given to the caller; aborts when there is none. */
void *secret_new(size_t bytes);
/* Wipes and frees; NULL is fine. */
void secret_free(void *p);
void secret_wipe(void *p, size_t bytes);
/* Constant-time. */
bool secret_equal(const void *a, const void *b, size_t bytes);
void secret_random(void *out, size_t bytes);
/* Uniform in [0, bound). */
uint32_t secret_random_below(uint32_t bound);

enum { BASE64_32 = 45, BASE64_8 = 13 }; /* text sizes for 32 and 8 bytes, NUL included */
/* Standard base64 with padding. out_size must hold it (abort otherwise). */
void base64_encode(char *out, size_t out_size, const uint8_t *in, size_t len);
/* Decodes exactly len bytes from the whole of text. Returns 0 or -E_FORMAT. */
int base64_decode(uint8_t *out, size_t len, const char *text);

#endif
