/* auth_link - see auth_link.h. */
#include "auth_link.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault.h"
#include "log.h"

enum {
	LINK_DEPTH = 512 * 1024,
	LINK_BATCH = 64, /* messages a turn */
	NUMBER_TEXT = 12,
	STATUS_TEXT = 64,
};

_Static_assert((int)LAW_FILES == (int)AUTH_FILES, "MSG_FILES carries the files of a law");
_Static_assert((int)FD_CONFIG + (int)LAW_DOOR_KEY == (int)FD_DOOR_KEY, "in the order of child_fd");

/* From now on nothing that it says counts. */
static void cut_off(struct auth_link *l)
{
	if (l->sock < 0)
		return;
	loop_unwatch(l->loop, l->sock);
	close(l->sock);
	l->sock = -1;
}

static void condemn(struct auth_link *l, const char *why)
{
	if (l->sock < 0)
		return;
	child_condemn(&l->child, why);
	cut_off(l);
}

static int serve_ready(struct auth_link *l, const void *msg)
{
	(void)msg;
	if (l->ready)
		return -1;
	l->ready = true;
	l->events->ready(l->arg);
	return 0;
}

static int serve_source_ready(struct auth_link *l, const void *msg)
{
	return l->ready ? l->events->source_ready(l->arg, msg) : -1;
}

static int serve_source_bad(struct auth_link *l, const void *msg)
{
	return l->ready ? l->events->source_bad(l->arg, msg) : -1;
}

static int serve_door(struct auth_link *l, const void *msg)
{
	struct msg_door_done done = {.head = {MSG_DOOR_DONE, sizeof(done)}};

	l->events->door(l->arg, msg, &done);
	if (auth_link_send(l, &done, NULL, 0) == 0)
		FAULT("monitor.answered");
	return 0;
}

static int serve_ban(struct auth_link *l, const void *msg)
{
	struct msg_door_done done = {.head = {MSG_DOOR_DONE, sizeof(done)}};

	l->events->ban(l->arg, msg, &done);
	(void)!auth_link_send(l, &done, NULL, 0);
	return 0;
}

static int serve_command(struct auth_link *l, const void *msg)
{
	l->events->command(l->arg, msg);
	return 0;
}

static int serve_event(struct auth_link *l, const void *msg)
{
	return l->events->event(l->arg, msg);
}

static int serve_reload_wanted(struct auth_link *l, const void *msg)
{
	(void)msg;
	l->events->reload_wanted(l->arg);
	return 0;
}

static int serve_pgp_wanted(struct auth_link *l, const void *msg)
{
	const struct msg_pgp_plain *m = msg;

	if (!l->ready || m->wanted > PGP_WANTED_OTHER)
		return -1;
	l->events->pgp_wanted(l->arg, (enum pgp_wanted)m->wanted);
	return 0;
}

static int serve_loaded(struct auth_link *l, const void *msg)
{
	return l->events->loaded(l->arg, msg);
}

static int serve_switch(struct auth_link *l, const void *msg)
{
	return l->ready ? l->events->switch_wanted(l->arg, msg) : -1;
}

struct verb {
	uint32_t type;
	uint32_t len;
	int (*serve)(struct auth_link *l, const void *msg);
};

static const struct verb verbs[] = {
    {MSG_AUTH_READY, sizeof(struct msg_plain), serve_ready},
    {MSG_SOURCE_READY, sizeof(struct msg_source_ready), serve_source_ready},
    {MSG_SOURCE_BAD, sizeof(struct msg_source_ready), serve_source_bad},
    {MSG_DOOR_OPEN, sizeof(struct msg_door), serve_door},
    {MSG_DOOR_CLOSE, sizeof(struct msg_door), serve_door},
    {MSG_DOOR_SHORTEN, sizeof(struct msg_door), serve_door},
    {MSG_DOOR_QUERY, sizeof(struct msg_door), serve_door},
    {MSG_BAN, sizeof(struct msg_ban), serve_ban},
    {MSG_UNBAN, sizeof(struct msg_ban), serve_ban},
    {MSG_COMMAND, sizeof(struct msg_command), serve_command},
    {MSG_EVENT, sizeof(struct msg_event), serve_event},
    {MSG_RELOAD_WANTED, sizeof(struct msg_plain), serve_reload_wanted},
    {MSG_LOADED, sizeof(struct msg_loaded), serve_loaded},
    {MSG_PGP_WANTED, sizeof(struct msg_pgp_plain), serve_pgp_wanted},
    {MSG_SWITCH, sizeof(struct msg_switch), serve_switch},
};

union message {
	struct ipc_head head;
	uint64_t align;
	uint8_t bytes[IPC_MESSAGE_MAX];
};

static int serve(struct auth_link *l, const union message *m)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (m->head.type == verbs[i].type && m->head.len == verbs[i].len)
			return verbs[i].serve(l, m);
	return -1;
}

/* Returns whether there may be more. */
static bool receive(struct auth_link *l)
{
	union message m;
	const int n = ipc_recv(l->sock, &m, sizeof(m), NULL, 0, NULL);

	if (n > 0) {
		if (serve(l, &m))
			condemn(l, "said what auth never says");
		return l->sock >= 0;
	}
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n < 0 && errno == EBADMSG) {
		condemn(l, "not a message");
		return false;
	}
	/* It hung up: without us it is good for nothing. */
	child_signal(&l->child, SIGKILL);
	cut_off(l);
	return false;
}

static void readable(void *arg)
{
	for (int i = 0; i < LINK_BATCH; i++)
		if (!receive(arg))
			break;
}

static void start_again(void *arg)
{
	struct auth_link *l = arg;

	if (!l->stopping)
		l->events->start(l->arg);
}

static void start_later(struct auth_link *l, uint64_t lived_ms)
{
	const uint32_t wait_ms = backoff_after(&l->backoff, lived_ms);

	if (loop_timer(l->loop, wait_ms, start_again, l))
		log_error("timers_full", "auth is not started again: restart posternd");
	else
		log_info("start_later", "process=auth after_ms=%u", wait_ms);
}

static void died(void *arg, int status, uint64_t lived_ms)
{
	struct auth_link *l = arg;
	const bool was_ready = l->ready;
	char text[STATUS_TEXT];

	cut_off(l);
	l->ready = false;
	if (!l->stopping)
		log_error(
		    "child_died", "process=auth %s", child_status_text(text, sizeof(text), status));
	l->events->gone(l->arg, status, was_ready);
	if (!l->stopping)
		start_later(l, lived_ms);
}

void auth_link_init(
    struct auth_link *l, struct loop *loop, const struct auth_events *events, void *arg)
{
	*l = (struct auth_link){.loop = loop, .sock = -1, .events = events, .arg = arg};
	child_init(&l->child, loop, died, l);
	(void)snprintf(l->child.tag, sizeof(l->child.tag), "auth");
}

static int start(
    struct auth_link *l, const struct child_args *args, uint32_t generation, struct child_start *s)
{
	char number[NUMBER_TEXT];
	const char *const argv[] = {"posternd: auth", "--role", "auth", "--config",
	    args->config_path, "--generation", number, args->dry_run ? "--dry-run" : NULL, NULL};

	(void)snprintf(number, sizeof(number), "%u", generation);
	s->argv = argv;
	return child_start(&l->child, s);
}

void auth_link_start(struct auth_link *l, const struct child_args *args, const struct law *law,
    uint32_t generation, int control, int root)
{
	struct child_start s = {.root = root};
	int pair[2], files[LAW_FILES];

	if (law_reopen(law, files) || ipc_pair(pair, LINK_DEPTH)) {
		log_error("start_failed", "process=auth error=\"%s\"", strerror(errno));
		start_later(l, 0);
		return;
	}
	s.fd[FD_PEER] = pair[1];
	for (int i = 0; i < LAW_FILES; i++)
		s.fd[FD_CONFIG + i] = files[i];
	s.fd[FD_CONTROL] = control;
	l->sock = pair[0];
	if (loop_watch(l->loop, l->sock, readable, l) || start(l, args, generation, &s)) {
		cut_off(l);
		start_later(l, 0);
	}
	close(pair[1]);
	for (int i = 0; i < LAW_FILES; i++)
		close(files[i]);
}

int auth_link_send(struct auth_link *l, const void *msg, const int *fds, size_t nfds)
{
	if (l->sock < 0)
		return -1;
	if (ipc_send(l->sock, msg, fds, nfds) == 0)
		return 0;
	if (errno == EPIPE || errno == ECONNRESET)
		return -1; /* its end is being noticed */
	condemn(l, "does not read what we say");
	return -1;
}

void auth_link_stop(struct auth_link *l)
{
	l->stopping = true;
	loop_cancel(l->loop, start_again, l);
	child_signal(&l->child, SIGTERM);
}
