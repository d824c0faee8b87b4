/*
 * pair - the exchanges of one knock, one a family, and who of them may send.
 *
 * Both are the same client's, and the server keeps one challenge a client: an
 * M1 of the one makes it forget a challenge of the other. So while one answers
 * a challenge the other holds its M1s back, and one that lost its challenge so
 * knocks again when the other is through.
 */
#ifndef LIBPOSTERN_PAIR_H
#define LIBPOSTERN_PAIR_H

#include "exchange.h"

enum {
	PAIR_MAX = 2,
	PAIR_DELAY_MS = 50,	 /* the second family begins so much later */
	PAIR_DELAY_ANY_MS = 300, /* or so, where one family is enough */
	PAIR_WAIT_MS = 450,	 /* its first wait: see pair_begin() */
	PAIR_GRACE_MS =
	    3500, /* how long a mute family is waited for once the other was granted, or a third of its door's rest */
};

struct pair {
	unsigned sides;
	struct exchange *side[PAIR_MAX]; /* borrowed */
	bool any;			 /* one granted is enough */
	uint64_t lasts_ns;		 /* how long the first family's message is on its way out */
	uint64_t begun_ns[PAIR_MAX];
	bool settled[PAIR_MAX];	     /* its end was noticed ... */
	uint64_t ended_ns[PAIR_MAX]; /* ... then */
	uint64_t newest_t;
};

/* sides, side, any and lasts_ns are set. */
void pair_begin(struct pair *p, struct moment now);
/* Draw the consequences of what came or was sent; call it after each. */
void pair_settle(struct pair *p, struct moment now);
/* The side that shall exchange_send() now, or -1. */
int pair_next(const struct pair *p, struct moment now);
/*
 * Monotonic: when to call pair_settle() and pair_next() again at the latest. UINT64_MAX when all is
 * done.
 */
uint64_t pair_due(const struct pair *p);
bool pair_done(const struct pair *p);
/* Side i may send nothing now, not even the rest of what it has begun. */
bool pair_holds(const struct pair *p, unsigned i);

#endif
