/*
 * strikes - how often something was tried out, and what time forgives: for
 * clients (strike.c) and for addresses, of which this keeps a bounded table.
 */
#ifndef POSTERN_AUTH_STRIKES_H
#define POSTERN_AUTH_STRIKES_H

#include <stdbool.h>
#include <stdint.h>

#include "address.h"

enum {
	STRIKE_FORGIVEN_S = 60, /* one in so many seconds */
	STRIKES_ADDRESSES = 4096,
};

/* What is left of strikes of which the last was at last_s. */
static inline unsigned strikes_left(unsigned strikes, uint64_t last_s, uint64_t now_s)
{
	const uint64_t forgiven = now_s > last_s ? (now_s - last_s) / STRIKE_FORGIVEN_S : 0;

	return strikes > forgiven ? (unsigned)(strikes - forgiven) : 0;
}

struct strikes;

/* Aborts when there is no memory. */
struct strikes *strikes_new(void);
void strikes_free(struct strikes *s);

/*
 * One more of this address; returns how many it has then. now_s never goes
 * back. Where the table is full, who has fewest left, and of those who had his
 * last strike first, makes place: O(STRIKES_ADDRESSES).
 */
unsigned strikes_add(struct strikes *s, const struct address *a, uint64_t now_s);
void strikes_forget(struct strikes *s, const struct address *a);
unsigned strikes_count(const struct strikes *s);

#endif
