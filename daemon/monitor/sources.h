/*
 * sources - what captures knocks: for each source of the configuration its
 * processes, replaced by a reload, or by a switch to another method.
 * Process: monitor.
 */
#ifndef POSTERN_MONITOR_SOURCES_H
#define POSTERN_MONITOR_SOURCES_H

#include <stdbool.h>
#include <stdint.h>

#include "worker.h"

enum {
	SOURCES_WORKERS =
	    3 * CONFIG_CAPTURES_MAX, /* new ones, the ones they replace, and those that are dying */
};

/* What the sources need of the rest. */
struct sources_ops {
	/* Hand a new capture's socket to auth. Returns 0; -1 when there is no auth. */
	int (*introduce)(void *arg, const struct worker *w, int sock);
	/* Descriptor of the configuration for one child, given; -1 with errno. */
	int (*config)(void *arg);
	/* Make the firewall such that captures with these needs hear: bits of enum capture_need. Returns 0; -1 and logged. */
	int (*needs)(void *arg, unsigned needs);
	/* How a source is doing has changed. */
	void (*state)(void *arg, const struct msg_source_state *m);
	/* A switch is over; a sentence in why when it is not ok, and then all is as it was. */
	void (*switched)(void *arg, bool ok, const char *why);
	/* Some source came or went: time to look at sources_settled() and sources_idle(). */
	void (*changed)(void *arg);
};

struct sources {
	struct worker worker[SOURCES_WORKERS];
	struct loop *loop;
	const struct child_args *args;
	int root;
	bool running;	  /* auth is there */
	bool busy;	  /* many change at once: what follows from it waits */
	bool overlapping; /* old ones are about to end */
	uint32_t last_id; /* of a process */
	uint16_t last_group;
	unsigned needs;					 /* of the firewall, as it is */
	struct config law;				 /* as the file has it */
	struct source_config source[CONFIG_SOURCES_MAX]; /* as they are run, law.sources of them */
	bool switching;
	struct source_config wanted[CONFIG_SOURCES_MAX];  /* by the switch under way */
	struct msg_source_state told[CONFIG_SOURCES_MAX]; /* what auth knows */
	const struct sources_ops *ops;
	void *arg;
};

void sources_init(struct sources *all, struct loop *loop, const struct child_args *args, int root,
    const struct sources_ops *ops, void *arg);

/*
 * The sources of this configuration from now on, as it has them: switches are
 * forgotten. What goes on as it was keeps its captures; the others end when
 * all of the new are ready or have failed once.
 */
void sources_set(struct sources *all, const struct config *c);
/*
 * Capture by another method from now on: index of a source, or
 * SWITCH_ALL_SOURCES. What is captured goes on until the new captures are
 * ready; when one fails, or they are not in time, it stays. ops->switched()
 * tells, maybe at once. Not to be called while all->switching.
 */
void sources_switch(struct sources *all, uint32_t index, const char *method);

void sources_run(struct sources *all);	 /* auth is ready: start them, tell it all */
void sources_pause(struct sources *all); /* auth is gone: end them until sources_run() */
/* auth says so of a process. Returns 0; -1 when there is none and never was. */
int sources_ready(struct sources *all, uint32_t id);
/* Auth says that it must have been taken: it is killed, and started anew like any that dies. Returns as sources_ready(). */
int sources_bad(struct sources *all, uint32_t id);
/* An interface changed; NULL: any may have. */
void sources_link(struct sources *all, const char *interface, bool up);
void sources_kill(struct sources *all);

bool sources_settled(const struct sources *all); /* each is ready, or has failed once */
bool sources_calm(const struct sources *all);	 /* settled, and what was replaced has ended */
bool sources_idle(const struct sources *all);	 /* no process is left */
/* How many are ready, of how many. */
unsigned sources_count(const struct sources *all, unsigned *of);

/* The firewall is told when captures need something else of it. Returns 0; -1 and logged. */
int sources_tell_needs(struct sources *all) __attribute__((warn_unused_result));
/* For worker.c: it has another state. */
void sources_worker_changed(struct sources *all);
/* For worker.c: a place where it can read, and the firewall's rules for it. Returns 0; -1 not now. */
int sources_place(struct sources *all, struct worker *w);

#endif
