/*
 * gpg_link - auth's end of the socket to openpgp, which may have been taken by
 * what a client sent: the exact message, or it is cut off and killed.
 */
#ifndef POSTERN_AUTH_GPG_LINK_H
#define POSTERN_AUTH_GPG_LINK_H

#include "core.h"
#include "loop.h"

struct gpg_link {
	struct loop *loop;
	struct core *core;
	int sock; /* -1: none */
	/* Tell the monitor what is wanted now. */
	void (*tell)(void *arg, const struct msg_pgp_plain *m);
	void *arg;
};

/* There is a new process: takes sock. */
void gpg_link_take(struct gpg_link *l, int sock);
/* Returns 0, or -1: it is not there, or does not listen. */
int gpg_link_send(struct gpg_link *l, const struct msg_pgp *m);
/* The realm is new: does it need gpg? */
void gpg_link_want(struct gpg_link *l);
void gpg_link_close(struct gpg_link *l);

#endif
