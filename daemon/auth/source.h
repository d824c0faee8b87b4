/*
 * source - the captures that knocks come from. Everything from them is
 * hostile: the exact message, or the socket is closed.
 */
#ifndef POSTERN_AUTH_SOURCE_H
#define POSTERN_AUTH_SOURCE_H

#include <stdbool.h>

#include "core.h"
#include "loop.h"
#include "message.h"

/* Counters of one source, those of captures that are gone included. */
struct source_stats {
	char name[SOURCE_NAME_BYTES];
	uint64_t counter[CAPTURE_COUNTERS];
};

struct source_ops {
	/* A word about a capture for the monitor: it sees packets, or it must have been taken. */
	void (*tell)(void *arg, const struct msg_source_ready *m);
	/* All captures answered sources_query(), or the time for it is over. */
	void (*stats)(void *arg);
};

struct sources;

/* ops, loop and core are borrowed. Aborts when there is no memory. */
struct sources *sources_new(
    struct loop *l, struct core *c, const struct source_ops *ops, void *arg);
/* Closes all sockets. NULL is fine. */
void sources_free(struct sources *ss);
/* Takes sock, and gives the capture behind it its keys. */
void sources_add(struct sources *ss, int sock, const struct msg_source *m);
/* The keys are new. */
void sources_send_keys(struct sources *ss);
/* Ask all for their counters; ops->stats is called when they came, at once when there is nobody to ask. */
void sources_query(struct sources *ss);
/* The monitor says how a source is doing. Returns 0; -1 when the monitor cannot say that. */
int sources_take_state(struct sources *ss, const struct msg_source_state *m)
    __attribute__((warn_unused_result));
/* How the i-th source of the configuration is doing, borrowed; NULL when there are no more. */
const struct msg_source_state *sources_state(const struct sources *ss, unsigned i);
/* The i-th source's counters, or NULL when there are no more. */
const struct source_stats *sources_stats(struct sources *ss, unsigned i, struct source_stats *out);

#endif
