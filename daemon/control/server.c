/* server - see server.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "control.h"
#include "log.h"
#include "noise.h"
#include "page.h"
#include "server.h"

enum {
	CONNECTIONS_MAX = 8,
	WINDOW = 32, /* sessions that the kernel is asked for at once */
};

/* One that waits for room in its socket. */
struct message {
	struct message *prev, *next;
	union {
		struct ipc_head head;
		struct control_session session;
		struct control_source source;
		struct control_counter counter;
		struct control_record record;
		struct control_page page;
		struct control_done done;
	} u;
};

struct connection {
	struct control *control;
	int fd;		/* -1: free */
	uint64_t since; /* which came first */
	bool busy, wants_stats, wants_reload, filling;
	uint32_t wants_switch; /* 0: none; else which */
	uint64_t *ids;	       /* of sessions to be told */
	size_t ids_len, next;
	unsigned in_flight;
	struct message *out;
	size_t out_len;
};

struct control {
	struct control_env env;
	uint64_t accepted;
	uint32_t switches; /* asked for so far */
	struct connection connection[CONNECTIONS_MAX];
};

/* Cut to fit, always ended. */
static void copy_text(char *out, size_t cap, const char *in)
{
	size_t n = strnlen(in, cap - 1);

	memcpy(out, in, n);
	out[n] = '\0';
}

static void hang_up(struct connection *cn)
{
	struct message *m, *next;

	if (cn->fd < 0)
		return;
	loop_unwatch(cn->control->env.loop, cn->fd);
	close(cn->fd);
	core_view_forget(cn->control->env.core, cn);
	DL_FOREACH_SAFE(cn->out, m, next)
		free(m);
	free(cn->ids);
	*cn = (struct connection){.control = cn->control, .fd = -1};
}

static void writable(void *arg);

static void flush(struct connection *cn)
{
	while (cn->out) {
		struct message *m = cn->out;

		if (ipc_send(cn->fd, &m->u, NULL, 0) < 0) {
			if (errno == EAGAIN)
				loop_want_write(cn->control->env.loop, cn->fd, writable, cn);
			else
				hang_up(cn);
			return;
		}
		DL_DELETE(cn->out, m);
		cn->out_len--;
		free(m);
	}
	loop_no_write(cn->control->env.loop, cn->fd);
}

static struct message *new_message(struct connection *cn, enum control_type type, size_t len)
{
	struct message *m = calloc(1, sizeof(*m));

	if (!m)
		abort();
	m->u.head.type = type;
	m->u.head.len = (uint32_t)len;
	DL_APPEND(cn->out, m);
	cn->out_len++;
	return m;
}

static void finish(struct connection *cn, int status, const char *text)
{
	struct message *m = new_message(cn, CONTROL_DONE, sizeof(struct control_done));

	m->u.done.status = status;
	copy_text(m->u.done.text, CONTROL_TEXT_MAX, text);
	cn->busy = false;
	flush(cn);
}

/* --- sessions --- */

static void tell_sessions(struct connection *cn);

static void tell_session(void *arg, const struct session_view *v)
{
	struct connection *cn = arg;

	cn->in_flight--;
	if (v)
		page_session(v,
		    &new_message(cn, CONTROL_SESSION, sizeof(struct control_session))->u.session);
	if (!cn->filling)
		tell_sessions(cn);
}

static void tell_sessions(struct connection *cn)
{
	cn->filling = true;
	while (cn->next < cn->ids_len && cn->in_flight + cn->out_len < WINDOW) {
		cn->in_flight++;
		core_view(cn->control->env.core, cn->ids[cn->next++], tell_session, cn);
	}
	core_pump(cn->control->env.core);
	cn->filling = false;
	if (cn->next == cn->ids_len && cn->in_flight == 0 && cn->busy)
		finish(cn, 0, "");
	else
		flush(cn);
}

/* There is room again: also for more than what waited for it. */
static void writable(void *arg)
{
	struct connection *cn = arg;

	flush(cn);
	if (cn->next < cn->ids_len)
		tell_sessions(cn);
}

static void serve_sessions(struct connection *cn)
{
	free(cn->ids);
	cn->ids = core_sessions(cn->control->env.core, &cn->ids_len);
	cn->next = 0;
	tell_sessions(cn);
}

/* --- close, resume --- */

static const char unknown_client[] = "there is no such client; posternctl client list names them";
static const char store_fails[] = "the store cannot be used; the log says why";

static void serve_close(struct connection *cn, const struct control_request *q)
{
	if (core_close(cn->control->env.core, q->session) > 0)
		finish(cn, 0, "");
	else
		finish(cn, ENOENT, "there is no such session; posternctl sessions lists them");
}

static void serve_close_client(struct connection *cn, const struct control_request *q)
{
	char text[CONTROL_TEXT_MAX];
	bool known;
	unsigned n = core_close_client(cn->control->env.core, q->name, &known);

	if (!known) {
		finish(cn, ENOENT, unknown_client);
		return;
	}
	snprintf(text, sizeof(text), "%u closed", n);
	finish(cn, 0, text);
}

static void serve_resume(struct connection *cn, const struct control_request *q)
{
	switch ((enum resume_result)core_resume(cn->control->env.core, q->name)) {
	case RESUME_DONE:
		finish(cn, 0, "let in again");
		break;
	case RESUME_NOTHING:
		finish(cn, 0, "was not suspended");
		break;
	case RESUME_UNKNOWN:
		finish(cn, ENOENT, unknown_client);
		break;
	case RESUME_FAILED:
		finish(cn, EIO, store_fails);
		break;
	}
}

/* --- unban --- */

static void tell_unbanned(void *arg, enum door_status status)
{
	if (status == DOOR_OK)
		finish(arg, 0, "let in again");
	else if (status == DOOR_NOT_THERE)
		finish(arg, 0, "was not banned");
	else
		finish(arg, EIO, "the kernel does not do it; the log says why");
}

static void serve_unban(struct connection *cn, const struct control_request *q)
{
	struct address from;

	if (strcmp(q->name, CONTROL_ALL) == 0)
		core_unban(cn->control->env.core, NULL, tell_unbanned, cn);
	else if (address_parse(q->name, &from) == 0 && address_is_admissible(&from))
		core_unban(cn->control->env.core, &from, tell_unbanned, cn);
	else
		finish(cn, EINVAL, "that is no address that can be banned");
}

/* --- stats --- */

static void tell_counter(struct connection *cn, const char *name, uint64_t value)
{
	struct control_counter *k =
	    &new_message(cn, CONTROL_COUNTER, sizeof(struct control_counter))->u.counter;

	copy_text(k->name, CONTROL_NAME_MAX, name);
	k->value = value;
}

static void tell_capture(struct connection *cn, const struct source_stats *s)
{
	char name[CONTROL_NAME_MAX];

	for (enum capture_counter i = 0; i < CAPTURE_COUNTERS; i++) {
		snprintf(name, sizeof(name), "capture.%s.%s", s->name, capture_counter_word(i));
		tell_counter(cn, name, s->counter[i]);
	}
}

static void tell_stats(struct connection *cn)
{
	const struct msg_source_state *state;
	const struct counters *auth = core_counters(cn->control->env.core);
	struct source_stats s;
	char name[CONTROL_NAME_MAX];

	cn->wants_stats = false;
	for (unsigned i = 0; (state = sources_state(cn->control->env.sources, i)); i++)
		page_source(state,
		    &new_message(cn, CONTROL_SOURCE, sizeof(struct control_source))->u.source);
	for (unsigned i = 0; sources_stats(cn->control->env.sources, i, &s); i++)
		tell_capture(cn, &s);
	for (enum auth_counter i = 0; i < AUTH_COUNTERS; i++) {
		snprintf(name, sizeof(name), "auth.%s", counter_name(i));
		tell_counter(cn, name, auth->n[i]);
	}
	tell_counter(cn, "auth.dh", noise_dh_count());
	finish(cn, 0, "");
}

void control_stats(struct control *c)
{
	for (unsigned i = 0; i < CONNECTIONS_MAX; i++)
		if (c->connection[i].fd >= 0 && c->connection[i].wants_stats)
			tell_stats(&c->connection[i]);
}

void control_reloaded(struct control *c, bool ok, const char *text)
{
	for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
		struct connection *cn = &c->connection[i];

		if (cn->fd < 0 || !cn->wants_reload)
			continue;
		cn->wants_reload = false;
		finish(cn, ok ? 0 : EINVAL, text);
	}
}

/* --- switch --- */

static void serve_switch(struct connection *cn, const struct control_request *q)
{
	struct control *c = cn->control;
	const char *why = c->env.switch_to(c->env.arg, ++c->switches, q->name, q->word);

	if (why)
		finish(cn, EINVAL, why);
	else
		cn->wants_switch = c->switches;
}

void control_switched(struct control *c, uint32_t id, bool ok, const char *text)
{
	for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
		struct connection *cn = &c->connection[i];

		if (cn->fd < 0 || cn->wants_switch != id)
			continue;
		cn->wants_switch = 0;
		finish(cn, ok ? 0 : EINVAL, text);
	}
}

/* --- log --- */

static void tell_record(void *arg, const struct journal_record *r)
{
	page_record(r, &new_message(arg, CONTROL_RECORD, sizeof(struct control_record))->u.record);
}

static void serve_log(struct connection *cn, const struct control_request *q)
{
	struct core *core = cn->control->env.core;
	struct journal_query query;
	uint64_t next;

	if (page_query(q, &query) < 0) {
		finish(cn, EINVAL, "there is no such verdict; posternctl(8) names them");
		return;
	}
	if (core_journal(core, &query, tell_record, cn, &next) < 0) {
		finish(cn, EIO, store_fails);
		return;
	}
	page_end(core, &query, next,
	    &new_message(cn, CONTROL_PAGE, sizeof(struct control_page))->u.page);
	finish(cn, 0, "");
}

/* --- requests --- */

static void serve(struct connection *cn, const struct control_request *q)
{
	cn->busy = true;
	switch ((enum control_type)q->head.type) {
	case CONTROL_SESSIONS:
		serve_sessions(cn);
		break;
	case CONTROL_CLOSE:
		serve_close(cn, q);
		break;
	case CONTROL_CLOSE_CLIENT:
		serve_close_client(cn, q);
		break;
	case CONTROL_STATS:
		cn->wants_stats = true;
		sources_query(cn->control->env.sources);
		break;
	case CONTROL_RELOAD:
		cn->wants_reload = true;
		cn->control->env.reload(cn->control->env.arg);
		break;
	case CONTROL_SWITCH:
		serve_switch(cn, q);
		break;
	case CONTROL_RESUME:
		serve_resume(cn, q);
		break;
	case CONTROL_UNBAN:
		serve_unban(cn, q);
		break;
	case CONTROL_LOG:
		serve_log(cn, q);
		break;
	case CONTROL_SESSION:
	case CONTROL_COUNTER:
	case CONTROL_SOURCE:
	case CONTROL_RECORD:
	case CONTROL_PAGE:
	case CONTROL_DONE:
		hang_up(cn);
		break;
	}
}

static void readable(void *arg)
{
	struct connection *cn = arg;
	struct control_request q;
	int n = ipc_recv(cn->fd, &q, sizeof(q), NULL, 0, NULL);

	if (n < 0 && errno == EAGAIN)
		return;
	/* One request at a time, or they are not the ones we know. */
	if (n <= 0 || cn->busy || !page_request_ok(&q, (size_t)n))
		hang_up(cn);
	else
		serve(cn, &q);
}

static bool is_root(int fd)
{
	struct ucred who;
	socklen_t len = sizeof(who);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 && who.uid == 0;
}

/* A free place, or that of the one who has been here longest. */
static struct connection *place_for_one(struct control *c)
{
	struct connection *oldest = &c->connection[0];

	for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
		struct connection *cn = &c->connection[i];

		if (cn->fd < 0)
			return cn;
		if (cn->since < oldest->since)
			oldest = cn;
	}
	hang_up(oldest);
	return oldest;
}

static void acceptable(void *arg)
{
	struct control *c = arg;
	int fd = accept4(c->env.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct connection *cn;

	if (fd < 0)
		return;
	if (!is_root(fd)) {
		close(fd);
		return;
	}
	cn = place_for_one(c);
	if (loop_watch(c->env.loop, fd, readable, cn) < 0) {
		close(fd);
		return;
	}
	cn->fd = fd;
	cn->since = ++c->accepted;
}

struct control *control_new(const struct control_env *env)
{
	struct control *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	c->env = *env;
	for (unsigned i = 0; i < CONNECTIONS_MAX; i++)
		c->connection[i] = (struct connection){.control = c, .fd = -1};
	if (loop_watch(env->loop, env->listener, acceptable, c) < 0)
		abort();
	return c;
}

void control_free(struct control *c)
{
	if (!c)
		return;
	for (unsigned i = 0; i < CONNECTIONS_MAX; i++)
		hang_up(&c->connection[i]);
	loop_unwatch(c->env.loop, c->env.listener);
	free(c);
}
