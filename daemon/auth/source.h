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

enum { SOURCE_NAME_MAX = 16 };

/* Counters of one interface, those of captures that are gone included. */
struct source_stats {
	char interface[SOURCE_NAME_MAX + 1];
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
/* The i-th interface's counters, or NULL when there are no more. */
const struct source_stats *sources_stats(struct sources *ss, unsigned i, struct source_stats *out);

#endif
