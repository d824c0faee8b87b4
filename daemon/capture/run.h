/*
 * run - the loop of the capture process: frames in, knocks to auth, keys and
 * questions from it.
 */
#ifndef POSTERN_CAPTURE_RUN_H
#define POSTERN_CAPTURE_RUN_H

#include "capture.h"
#include "loop.h"
#include "sieve.h"
#include "sift.h"

/* All borrowed. */
struct run {
	const char *interface; /* for messages */
	const struct capture_method *method;
	void *source; /* open */
	struct sift *sift;
	const struct sieve *sieve; /* NULL: all frames pass */
	struct loop *loop;
	bool trap;   /* it hears no knocks, but what comes to traps: sift is not asked */
	int peer;    /* auth */
	int signals; /* readable when it is time to end */
};

/*
 * Tell auth that frames are being seen, and serve until auth, the source or a
 * signal ends it; auth gets the last counters. Until the keys come, frames
 * wait in the ring, but for a trap's, which needs none. Returns the process's exit status, of enum capture_exit.
 */
int run_capture(const struct run *r);

#endif
