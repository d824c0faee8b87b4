/*
 * worker - one capture process: started, started again with back-off, ended.
 * A source has one, or several that share its packets; which there shall be
 * is for sources.h to say.
 * Process: monitor.
 */
#ifndef POSTERN_MONITOR_WORKER_H
#define POSTERN_MONITOR_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "backoff.h"
#include "child.h"
#include "config.h"
#include "message.h"
#include "verdicts.h"

enum worker_state {
	WORKER_FREE,
	WORKER_WAITING, /* for its turn, its interface, or the end of a pause */
	WORKER_STARTING,
	WORKER_READY,  /* auth says that it sees packets */
	WORKER_ENDING, /* told to end */
};

struct sources;

struct worker {
	enum worker_state state;
	struct child child;
	struct verdicts verdicts; /* that nfqueue asks for */
	struct backoff backoff;
	uint32_t id;		     /* of the process, another one at each start */
	uint32_t index;		     /* of its source in the configuration in force */
	unsigned number;	     /* which of its source's workers */
	uint16_t group;		     /* that they share the packets in */
	unsigned turn;		     /* where the kernel lets one alone read: which of two places */
	bool placed;		     /* it was started at that place */
	bool reads_input;	     /* what comes in by our standard input is what it captures */
	bool tried;		     /* was ready or failed once: nobody waits for it any more */
	bool retired;		     /* replaced: ends when those that replace it are there */
	bool trial;		     /* of a switch: takes over when all of them are ready */
	bool held;		     /* the place where it reads is still taken */
	bool was_up;		     /* its interface, as we last heard */
	bool told;		     /* that we wait for it */
	struct source_config source; /* as it is run: method, interface */
	enum source_condition condition;
	uint64_t since_s; /* when that began, CLOCK_REALTIME */
	char why[SOURCE_WHY_BYTES];
	struct sources *all;
};

/* A free one becomes number of source; it waits for worker_start(). */
void worker_init(struct worker *w, struct sources *all, const struct source_config *source,
    uint32_t index, unsigned number);
void worker_start(struct worker *w);
/* Politely, so that it can tell its counters; without patience if that does not help. */
void worker_end(struct worker *w);
void worker_ready(struct worker *w);
/* Its interface, or that of all, came or went. */
void worker_link(struct worker *w, bool up);

static inline bool worker_is_alive(const struct worker *w)
{
	return w->state != WORKER_FREE && w->child.pid > 0;
}

/* Neither replaced nor on trial. */
static inline bool worker_is_current(const struct worker *w)
{
	return w->state != WORKER_FREE && !w->retired && !w->trial;
}

#endif
