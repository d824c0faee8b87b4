/*
 * sources - the capture processes: one for each interface that the
 * configuration names, started, started again, replaced by a reload.
 * Process: monitor.
 */
#ifndef POSTERN_MONITOR_SOURCES_H
#define POSTERN_MONITOR_SOURCES_H

#include <stdbool.h>
#include <stdint.h>

#include "backoff.h"
#include "child.h"
#include "config.h"

enum {
	SOURCES_SLOTS =
	    3 * CONFIG_SOURCES_MAX, /* new ones, the ones they replace, and those that are dying */
};

enum source_state {
	SOURCE_FREE,
	SOURCE_WAITING, /* for its turn, its interface, or the end of a pause */
	SOURCE_STARTING,
	SOURCE_READY,  /* auth says that it sees packets */
	SOURCE_ENDING, /* told to end */
};

struct sources;

struct source {
	enum source_state state;
	struct child child;
	struct backoff backoff;
	uint32_t index, generation;
	char name[CONFIG_NAME_MAX + 1], interface[CONFIG_INTERFACE_MAX];
	bool reads_input; /* what comes in by our standard input is what it captures */
	bool tried;	  /* was ready or failed once: nobody waits for it any more */
	bool retired;	  /* replaced: ends when those that replace it are there */
	bool was_up;	  /* its interface, as we last heard */
	bool told;	  /* that we wait for it */
	struct sources *all;
};

/* What the sources need of the rest. */
struct sources_ops {
	/* Hand a new capture's socket to auth. Returns 0; -1 when there is no auth. */
	int (*introduce)(void *arg, const struct source *s, int sock);
	/* Descriptor of the configuration for one child, given; -1 with errno. */
	int (*config)(void *arg);
	/* Some source came or went: time to look at sources_settled() and sources_idle(). */
	void (*changed)(void *arg);
};

struct sources {
	struct source slot[SOURCES_SLOTS];
	struct loop *loop;
	const struct child_args *args;
	int root;
	bool running;	     /* auth is there */
	uint32_t generation; /* of the current ones */
	const struct sources_ops *ops;
	void *arg;
};

void sources_init(struct sources *all, struct loop *loop, const struct child_args *args, int root,
    const struct sources_ops *ops, void *arg);

/*
 * The sources of this configuration from now on. Those that are there already
 * end when all of the new are ready or have failed once.
 */
void sources_set(struct sources *all, const struct config *c, uint32_t generation);
/* Would a change from one configuration to the other need new captures? */
bool sources_differ(const struct config *a, const struct config *b);

void sources_run(struct sources *all);	 /* auth is ready: start them */
void sources_pause(struct sources *all); /* auth is gone: end them until sources_run() */
/* auth says so. Returns 0; -1 when there is no such source and never was. */
int sources_ready(struct sources *all, uint32_t index, uint32_t generation);
/* Auth says that it must have been taken: it is killed, and started anew like any that dies. Returns as sources_ready(). */
int sources_bad(struct sources *all, uint32_t index, uint32_t generation);
/* An interface changed; NULL: any may have. */
void sources_link(struct sources *all, const char *interface, bool up);
void sources_kill(struct sources *all);

bool sources_settled(const struct sources *all); /* each is ready, or has failed once */
bool sources_idle(const struct sources *all);	 /* no process is left */
/* How many are ready, of how many. */
unsigned sources_count(const struct sources *all, unsigned *of);

#endif
