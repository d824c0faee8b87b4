/*
 * explore_chance - what makes the explorer's histories the same for a seed, and
 * quick: drawn bytes, remembered Diffie-Hellman, and the bugs that the linker's
 * --wrap can plant in the core.
 */
#ifndef POSTERN_TEST_EXPLORE_CHANCE_H
#define POSTERN_TEST_EXPLORE_CHANCE_H

#include <stdbool.h>
#include <stdint.h>

enum bug {
	BUG_NONE,
	BUG_MARK_NOT_SPENT,   /* a message as old as the mark passes */
	BUG_TRUSTS_MISSING,   /* no mark: taken for proven */
	BUG_NO_WINDOW,	      /* clocks are never in doubt */
	BUG_FORGETS_ATTEMPTS, /* known ids are not known */
	BUG_COMMIT_AFTER,     /* what was committed is lost when the process dies */
};

void plant(enum bug b);
enum bug planted(void);

/* Before libsodium starts: it draws from us from now on. Aborts when there is no memory. */
void chance_install(void);
void chance_remove(void);
/* A history begins. */
void chance_start(uint64_t seed);
unsigned below(unsigned n);
bool percent(unsigned p);

#endif
