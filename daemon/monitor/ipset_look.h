/*
 * ipset_look - what iptables has, read now and then without waiting for it: a
 * tool that takes its time, or hangs, holds nobody up. One look is two runs of
 * iptables-save, one after the other; each is killed after TOOL_PATIENCE_MS.
 * After a look that failed the next one is later, a minute at most.
 * Process: monitor.
 */
#ifndef POSTERN_MONITOR_IPSET_LOOK_H
#define POSTERN_MONITOR_IPSET_LOOK_H

#include <stdbool.h>

#include "xt_tool.h"

enum { LOOK_LEAST_S = 3, LOOK_MOST_S = 60 };

struct ipset_look {
	int events, timer; /* an epoll of the timer and the tool */
	unsigned pause_s;
	unsigned family; /* whose tool runs, or is next */
	struct tool tool;
	char *saved[XT_FAMILIES];
};

/* Returns 0, the first look in a while; or -1 with errno. ipset_look_close() in any case. */
int ipset_look_open(struct ipset_look *l) __attribute__((warn_unused_result));
void ipset_look_close(struct ipset_look *l);
/* Readable when there is something to do. */
int ipset_look_fd(const struct ipset_look *l);

enum ipset_looked {
	IPSET_LOOK_GOES_ON,
	IPSET_LOOK_BEGINS,  /* also the moment for what else there is to look at */
	IPSET_LOOK_IS_DONE, /* saved has what both families have, until the next call */
	IPSET_LOOK_FAILED,  /* and that was logged */
};

/* Do what there is to do. */
enum ipset_looked ipset_look_turn(struct ipset_look *l, struct xt_tools *t);
/*
 * Somebody has just put there what the next look shall find, well or not: one
 * that is under way has seen what was before, and is begun anew in a while.
 */
void ipset_look_again(struct ipset_look *l, bool well);

#endif
