/*
 * pgp_link - the openpgp process: there as long as auth wants one, started
 * again when it dies. It talks to auth, which gets the socket; we never do.
 * Process: monitor.
 */
#ifndef POSTERN_MONITOR_PGP_LINK_H
#define POSTERN_MONITOR_PGP_LINK_H

#include <stdbool.h>

#include "backoff.h"
#include "child.h"

struct pgp_link_ops {
	/* Hand the socket to a new process to auth. Returns 0; -1 when there is no auth. */
	int (*introduce)(void *arg, int sock);
	/* Descriptor of the configuration for one child, given; -1 with errno. */
	int (*config)(void *arg);
	/* It is gone. */
	void (*gone)(void *arg);
};

struct pgp_link {
	struct child child;
	struct backoff backoff;
	struct loop *loop;
	const struct child_args *args;
	int root;
	bool wanted, stopping;
	const struct pgp_link_ops *ops;
	void *arg;
};

void pgp_link_init(struct pgp_link *l, struct loop *loop, const struct child_args *args, int root,
    const struct pgp_link_ops *ops, void *arg);
/* auth says whether it wants one; without auth nobody does. */
void pgp_link_want(struct pgp_link *l, bool wanted);
/* auth says that it must have been taken. */
void pgp_link_condemn(struct pgp_link *l);
/* SIGTERM, and no new start. */
void pgp_link_stop(struct pgp_link *l);
void pgp_link_kill(struct pgp_link *l);
bool pgp_link_idle(const struct pgp_link *l);

#endif
