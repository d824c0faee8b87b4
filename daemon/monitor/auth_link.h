/*
 * auth_link - the auth process and the socket to it: a closed set of verbs,
 * each of exact length, or the process is killed.
 * Process: monitor.
 */
#ifndef POSTERN_MONITOR_AUTH_LINK_H
#define POSTERN_MONITOR_AUTH_LINK_H

#include "backoff.h"
#include "child.h"
#include "files.h"
#include "message.h"
#include "pgp_message.h"

/* What auth says and what becomes of it. Returning -1: a sane auth would not have said so. */
struct auth_events {
	void (*ready)(void *arg);
	int (*source_ready)(void *arg, const struct msg_source_ready *m);
	int (*source_bad)(void *arg, const struct msg_source_ready *m);
	void (*door)(void *arg, const struct msg_door *m, struct msg_door_done *done);
	void (*ban)(void *arg, const struct msg_ban *m, struct msg_door_done *done);
	void (*command)(void *arg, const struct msg_command *m);
	int (*event)(void *arg, const struct msg_event *m);
	void (*reload_wanted)(void *arg);
	void (*pgp_wanted)(void *arg, enum pgp_wanted wanted);
	int (*loaded)(void *arg, const struct msg_loaded *m);
	int (*switch_wanted)(void *arg, const struct msg_switch *m);
	/* It is gone, and will be started again after a while unless auth_link_stop() is called now. */
	void (*gone)(void *arg, int status, bool was_ready);
	/* Time to start it again. */
	void (*start)(void *arg);
};

struct auth_link {
	struct child child;
	struct backoff backoff;
	struct loop *loop;
	int sock; /* -1: no auth, or one that is being ended */
	bool ready, stopping;
	const struct auth_events *events;
	void *arg;
};

void auth_link_init(
    struct auth_link *l, struct loop *loop, const struct auth_events *events, void *arg);

/*
 * Start auth under a law. control: the listening control socket; root: an
 * empty directory; both borrowed. On failure it is tried again after a while.
 */
void auth_link_start(struct auth_link *l, const struct child_args *args, const struct law *law,
    uint32_t generation, int control, int root);

/* Send a message of ours; an auth that does not read is killed. Returns 0, or -1: it is gone. */
int auth_link_send(struct auth_link *l, const void *msg, const int *fds, size_t nfds);

/* SIGTERM, and no new start. */
void auth_link_stop(struct auth_link *l);

#endif
