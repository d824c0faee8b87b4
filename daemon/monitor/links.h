/*
 * links - what the kernel tells of interfaces that come, go, go up or down.
 * Process: monitor. The kernel made every byte of it.
 */
#ifndef POSTERN_MONITOR_LINKS_H
#define POSTERN_MONITOR_LINKS_H

#include <stdbool.h>

#include "loop.h"

/* interface NULL: messages were lost, any may have changed. */
typedef void links_fn(void *arg, const char *interface, bool up);

struct links {
	struct mnl_socket *socket;
	struct loop *loop;
	links_fn *fn;
	void *arg;
};

/* Listen from now on, and tell fn. Returns 0; -1 and logged: then waiting is by time alone. */
int links_open(struct links *l, struct loop *loop, links_fn *fn, void *arg)
    __attribute__((warn_unused_result));
void links_close(struct links *l);

#endif
