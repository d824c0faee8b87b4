/*
 * trial - one capture method at work in a process of its own, opened as root
 * and jailed as the daemon's capture processes are, that only counts: for the
 * comparison of methods. The other side is whoever started it.
 */
#ifndef POSTERN_CAPTURE_TRIAL_H
#define POSTERN_CAPTURE_TRIAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "capture.h"
#include "histogram.h"
#include "keys.h"

enum { TRIAL_WHY_MAX = 512 };

/* What to try, borrowed until trial_start() returns. */
struct trial_plan {
	const struct capture_method *method;
	struct capture_want want;
	uid_t uid; /* what it becomes; not root's */
	gid_t gid;
	int input;    /* becomes its standard input; -1: none */
	int verdicts; /* nfqueue: to whoever gives them; 0: none. The plan's want need not say it */
	/* For a method that checks the gate itself: under this key, at this port of UDP; NULL: none. */
	const struct veil_keys *key;
	uint16_t port;
};

/* What was counted between trial_begin() and trial_report(). */
struct trial_report {
	uint64_t frames;	     /* handed over, stamped within the window */
	uint64_t all;		     /* handed over, stamped at any time */
	struct capture_stats kernel; /* as the method says */
	struct histogram
	    latency; /* ns from the kernel's stamp to our callback, of those in the window */
};

struct trial;

/*
 * Start a method and wait until it reads or failed, at most some seconds.
 * Returns the trial, or NULL with why in one sentence's words.
 */
struct trial *trial_start(const struct trial_plan *p, char why[static TRIAL_WHY_MAX]);
pid_t trial_pid(const struct trial *t);

/*
 * Count anew, from now on: frames that the kernel stamped (CLOCK_REALTIME) in
 * this window. Returns 0, or -1 when the trial is dead; so does trial_report().
 */
int trial_begin(struct trial *t, uint64_t from_ns, uint64_t until_ns)
    __attribute__((warn_unused_result));
/* Frames so far, for a progress line. */
uint64_t trial_frames(const struct trial *t);
int trial_report(struct trial *t, struct trial_report *out) __attribute__((warn_unused_result));
/* What the method said when it failed; "" when it said nothing. */
void trial_why(struct trial *t, char why[static TRIAL_WHY_MAX]);

/* End the process and wait for its end. NULL is fine. */
void trial_end(struct trial *t);

#endif
