/*
 * copies - one packet that several captures saw counts once. Who saw it second
 * says so soon after, with the kernel's same time; what a stranger sends again
 * has another time, and is no copy.
 */
#ifndef POSTERN_AUTH_COPIES_H
#define POSTERN_AUTH_COPIES_H

#include <stdbool.h>
#include <stdint.h>

#include "message.h"

enum {
	COPIES = 256,	     /* a power of two: packets remembered */
	COPIES_CAPTURES = 8, /* that each of them may come from */
	COPIES_APART_MS = 100,
};

struct copy {
	uint64_t sum, seen_ns;
	uint32_t capture[COPIES_CAPTURES]; /* 0: free */
};

/* Zeros are a good beginning, but for the key. */
struct copies {
	uint8_t key[16]; /* random: whom a stranger's packets collide with he shall not choose */
	unsigned next;
	struct copy at[COPIES];
};

/*
 * Has another capture than this one shown the same packet? If not, it is
 * remembered as this one's; 0: unknown, it is not. O(COPIES), no allocation.
 */
bool copies_has(struct copies *cs, const struct msg_knock *m, uint32_t capture);

#endif
