/*
 * population - many clients at once, for measuring: their keys in one binary
 * file, and the lines that the server's clients file has of them.
 */
#ifndef POSTERN_BENCH_POPULATION_H
#define POSTERN_BENCH_POPULATION_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "keys.h"

struct person {
	uint8_t cid[CID_BYTES];
	struct keypair pair;
	uint8_t secret[KEY_BYTES];
};

/* Make n people: records to keys, lines with these services to clients. Returns 0 or -1 (errno). */
int population_make(size_t n, const char *service, FILE *keys, FILE *clients);
/* All of the file; given to the caller, who frees. NULL with errno when it cannot be read. */
struct person *population_read(const char *path, size_t *n);

#endif
