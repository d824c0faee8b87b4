/*
 * verdicts - the monitor's part of a capture by nfqueue: on a duplicate of the
 * queue's socket it tells the kernel which packets go on (../verdict.h).
 * Process: monitor. It sees numbers, never a packet.
 *
 * What the capture says is hostile: a message of another form condemns it.
 * When it ends, whatever way, all that still waits goes on, and the queue is
 * given back: from then on the firewall's rule goes by it.
 */
#ifndef POSTERN_MONITOR_VERDICTS_H
#define POSTERN_MONITOR_VERDICTS_H

#include <stdint.h>

#include "loop.h"
#include "verdict.h"

struct verdicts {
	struct loop *loop;
	int peer;   /* the capture; -1: not in use */
	int socket; /* the queue's; -1: not heard of yet */
	uint16_t queue;
	void (*bad)(void *arg, const char *why); /* the capture said what none says */
	void *arg;
};

/* One that is not in use. */
void verdicts_init(struct verdicts *v);
/*
 * Give verdicts for this queue to the capture at the other end of peer, which
 * is taken also on failure. bad may be called from the loop, once, after
 * verdicts_end() was. Returns 0; -1 and logged.
 */
int verdicts_start(struct verdicts *v, struct loop *loop, int peer, uint16_t queue,
    void (*bad)(void *arg, const char *why), void *arg) __attribute__((warn_unused_result));
/* The capture is gone. Harmless when not in use. */
void verdicts_end(struct verdicts *v);

#endif
