/*
 * cutter - cuts the connections of a door beside the loop: to go through all
 * of conntrack takes time, and each connection some more (9,000 of TCP 150 ms,
 * 10,000 of UDP 65 ms where this was measured), in which the monitor would
 * hear nobody. So a fork of it does that. Mostly there is little to do: then it
 * is done when cutter_begin() returns.
 * Process: monitor.
 */
#ifndef POSTERN_MONITOR_CUTTER_H
#define POSTERN_MONITOR_CUTTER_H

#include <sys/types.h>

#include "firewall.h"
#include "loop.h"

enum {
	CUTTERS_MAX = 8,	 /* at a time; what is more is done at once */
	CUTTER_PATIENCE_MS = 20, /* how long it is waited for */
};

struct cutter;

struct cutter_run {
	struct cutter *all;
	pid_t pid; /* 0: free */
	int said;
	struct prefix from;
	char service[CONFIG_NAME_MAX + 1];
};

struct cutter {
	struct loop *loop;
	struct firewall *firewall;
	struct cutter_run run[CUTTERS_MAX];
};

/* Both are borrowed. */
void cutter_open(struct cutter *c, struct loop *loop, struct firewall *f);
/* The door is closed already. What cannot be cut is logged. */
void cutter_begin(struct cutter *c, const struct service *s, const struct firewall_pass *pass);
/* Wait for those that concern whom a door is to be opened for, or what comes through it were cut, too. */
void cutter_settle(struct cutter *c, const struct prefix *from);
/* Leaves alone those that still run: they end by themselves. */
void cutter_close(struct cutter *c);

#endif
