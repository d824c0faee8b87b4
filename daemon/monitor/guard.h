/*
 * guard - the firewall in the monitor's hands: doors for auth within the law,
 * and the guard put back when somebody else changed it.
 * Process: monitor.
 */
#ifndef POSTERN_MONITOR_GUARD_H
#define POSTERN_MONITOR_GUARD_H

#include <stdbool.h>

#include "backoff.h"
#include "cutter.h"
#include "doors.h"
#include "firewall.h"
#include "known.h"
#include "log.h"
#include "loop.h"

/* Somebody else was at the guard, which is there again; lost: it had been taken away. */
typedef void guard_mended_fn(void *arg, bool lost);

struct guard {
	struct firewall *firewall;
	struct loop *loop;
	struct config *config; /* in force; a copy, with what captures need now */
	bool repairing;	       /* a moment ago: the next repair waits */
	struct backoff pause;  /* so long */
	uint64_t repaired_ms;  /* CLOCK_MONOTONIC, the last one */
	bool again;	       /* and there is something to repair */
	bool lost;	       /* the guard of config could not be put up when it was tried last */
	struct backoff retry;  /* lost: when it is tried again */
	struct cutter cutter;
	struct known_doors known;
	guard_mended_fn *mended;
	void *mended_arg;
	uint64_t banned_until_ms;  /* CLOCK_MONOTONIC, as the kernel's: from then on nobody is */
	uint64_t full_until_ms[2]; /* the same: no room for bans of IPv6, of IPv4 */
	struct log_limit refusals;
};

/*
 * Open the backend and put the guard up, for captures that need nothing.
 * Returns 0; -1 and logged.
 */
int guard_open(struct guard *g, struct loop *loop, const struct config *config, bool dry_run)
    __attribute__((warn_unused_result));
/* Guard what another configuration says. Returns 0; -1 and logged, the old guard is put back or lost, and then tried again now and then. */
int guard_set(struct guard *g, const struct config *config) __attribute__((warn_unused_result));
/* What is in force could not be put back, and nothing since has put it up. */
bool guard_is_lost(const struct guard *g);
/* What captures need of it from now on: bits of enum capture_need. Returns as guard_set(). */
int guard_need(struct guard *g, unsigned needs) __attribute__((warn_unused_result));
/* Serve MSG_DOOR_*: fills the answer but for its head. */
void guard_serve(struct guard *g, const struct doors_law *law, const struct msg_door *m,
    struct msg_door_done *done);
/* The same for MSG_BAN and MSG_UNBAN. */
void guard_ban(struct guard *g, const struct msg_ban *m, struct msg_door_done *done);
/* fn hears of it from now on: doors may be gone. */
void guard_on_mended(struct guard *g, guard_mended_fn *fn, void *arg);
/* Guard and doors stay. */
void guard_close(struct guard *g);

#endif
