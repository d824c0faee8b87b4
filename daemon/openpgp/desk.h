/*
 * desk - the requests of auth that are being worked on: a process each, at
 * most PGP_WAITING_MAX, each with its own time to live; and the agent that
 * they all ask.
 */
#ifndef POSTERN_OPENPGP_DESK_H
#define POSTERN_OPENPGP_DESK_H

#include "gpg_work.h"
#include "loop.h"
#include "pgp_message.h"

enum { DESK_PATIENCE_MS = 2000 };

struct desk;

/* Says what became of a request; m is borrowed. */
typedef void desk_done(void *arg, const struct msg_pgp *m);

/*
 * home is borrowed. Starts the agent. Returns the desk, given; NULL and logged.
 */
struct desk *desk_new(struct loop *loop, const char *home, desk_done *done, void *arg);
/* Kills all that is under way, and the agent. */
void desk_free(struct desk *d);

/* Begin with a request that pgp_message_ok() has passed. Returns 0; -1: there are too many. */
int desk_take(struct desk *d, const struct msg_pgp *m) __attribute__((warn_unused_result));
/* Some child has ended. */
void desk_reap(struct desk *d);

#endif
