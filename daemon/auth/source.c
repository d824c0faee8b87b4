/* source - see source.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "secret.h"
#include "source.h"

enum {
	SOURCES = 3 * CONFIG_CAPTURES_MAX, /* replaced captures live on for a while */
	NAMES = 4 * CONFIG_SOURCES_MAX,	   /* of sources that were captured since we started */
	DRAIN_MAX = 1024,		   /* messages of one capture a turn */
	TRAP_DRAIN_MAX = 32,		   /* of a trap's: knocks come first */
	STATS_PATIENCE_MS = 200,
};

struct source {
	struct sources *all;
	int sock; /* -1: free */
	uint32_t id;
	char name[SOURCE_NAME_BYTES];
	bool trap;  /* it hears no knocks, and has no keys */
	bool ready; /* it said so */
	bool asked; /* owes us its counters */
	uint64_t last[CAPTURE_COUNTERS];
};

struct sources {
	struct loop *loop;
	struct core *core;
	const struct source_ops *ops;
	void *arg;
	bool querying;
	struct source source[SOURCES];
	struct source_stats gone[NAMES]; /* of captures that ended; a free one has no name */
	struct msg_source_state state[CONFIG_SOURCES_MAX];
	unsigned states;
};

struct sources *sources_new(struct loop *l, struct core *c, const struct source_ops *ops, void *arg)
{
	struct sources *ss = calloc(1, sizeof(*ss));

	if (!ss)
		abort();
	*ss = (struct sources){.loop = l, .core = c, .ops = ops, .arg = arg};
	for (unsigned i = 0; i < SOURCES; i++) {
		ss->source[i].all = ss;
		ss->source[i].sock = -1;
	}
	return ss;
}

static void add_counters(struct source_stats *to, const uint64_t *counter)
{
	for (unsigned i = 0; i < CAPTURE_COUNTERS; i++)
		to->counter[i] += counter[i];
}

/* What it counted stays part of its source's sum. */
static void keep_counters(struct sources *ss, const struct source *s)
{
	for (unsigned i = 0; i < NAMES; i++) {
		struct source_stats *g = &ss->gone[i];

		if (g->name[0] != '\0' && strcmp(g->name, s->name) != 0)
			continue;
		memcpy(g->name, s->name, sizeof(g->name));
		add_counters(g, s->last);
		return;
	}
}

static void check_query(struct sources *ss);
static void query_over(void *arg);

static void close_source(struct source *s)
{
	loop_unwatch(s->all->loop, s->sock);
	close(s->sock);
	s->sock = -1;
	s->asked = false;
	keep_counters(s->all, s);
	check_query(s->all);
}

static void tell(const struct source *s, enum message_type type)
{
	const struct msg_source_ready m = {.head = {.type = type, .len = sizeof(m)}, .id = s->id};

	s->all->ops->tell(s->all->arg, &m);
}

/* It ends then, and the monitor starts another. One that was taken would stay: the monitor kills it. */
static void expel(struct source *s, const char *why)
{
	log_error("capture-expelled", "source=%s why=%s", s->name, why);
	close_source(s);
	tell(s, MSG_SOURCE_BAD);
}

void sources_free(struct sources *ss)
{
	if (!ss)
		return;
	ss->querying = false;
	loop_cancel(ss->loop, query_over, ss);
	for (unsigned i = 0; i < SOURCES; i++)
		if (ss->source[i].sock >= 0)
			close_source(&ss->source[i]);
	free(ss);
}

/* Once: the monitor hears of each, and one who says it again and again would fill its socket. */
static const char *take_ready(struct source *s)
{
	if (s->ready)
		return "ready twice";
	s->ready = true;
	tell(s, MSG_SOURCE_READY);
	return NULL;
}

static void take_stats(struct source *s, const struct msg_capture_stats *m)
{
	memcpy(s->last, m->counter, sizeof(s->last));
	s->asked = false;
	check_query(s->all);
}

union capture_message {
	struct ipc_head head;
	struct msg_knock knock;
	struct msg_trapped trapped;
	struct msg_plain plain;
	struct msg_capture_stats stats;
};

/* Returns NULL, or why the capture must have been taken. */
static const char *take(struct source *s, const union capture_message *m, size_t len)
{
	if (m->head.type == MSG_TRAPPED && len == sizeof(m->trapped) && s->trap)
		return core_trapped(s->all->core, &m->trapped) == 0 ? NULL
								    : "segment out of bounds";
	if (m->head.type == MSG_KNOCK && len == sizeof(m->knock) && !s->trap)
		return core_receive(s->all->core, &m->knock, s->id) == 0 ? NULL
									 : "knock out of bounds";
	if (m->head.type == MSG_CAPTURE_READY && len == sizeof(m->plain))
		return take_ready(s);
	if (m->head.type != MSG_CAPTURE_STATS || len != sizeof(m->stats))
		return "unknown message";
	take_stats(s, &m->stats);
	return NULL;
}

static void readable(void *arg)
{
	struct source *s = arg;
	union capture_message m;
	const char *bad = NULL;
	const unsigned most = s->trap ? TRAP_DRAIN_MAX : DRAIN_MAX;
	int n = 1;

	for (unsigned i = 0; i < most && s->sock >= 0 && core_has_room(s->all->core); i++) {
		n = ipc_recv(s->sock, &m, sizeof(m), NULL, 0, NULL);
		if (n <= 0)
			break;
		bad = take(s, &m, (size_t)n);
		if (bad)
			break;
	}
	if (bad)
		expel(s, bad);
	else if (n < 0 && errno == EBADMSG)
		expel(s, "not a message");
	else if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		close_source(s);
}

static void send_keys(struct source *s)
{
	const struct realm *r = core_realm(s->all->core);
	struct msg_keys m = {.head = {.type = MSG_KEYS, .len = sizeof(m)}, .count = r->keys->doors};

	for (unsigned i = 0; i < r->keys->doors; i++) {
		memcpy(m.key[i].veil, r->keys->door[i].to_server.veil, sizeof(m.key[i].veil));
		memcpy(m.key[i].gate, r->keys->door[i].to_server.gate, sizeof(m.key[i].gate));
		memcpy(m.key[i].tag, r->keys->door[i].sequence_tag, sizeof(m.key[i].tag));
		memcpy(m.key[i].mask, r->keys->door[i].sequence_mask, sizeof(m.key[i].mask));
		memcpy(m.key[i].picture, r->keys->door[i].picture, sizeof(m.key[i].picture));
		memcpy(m.key[i].ports, r->keys->door[i].ports, sizeof(m.key[i].ports));
	}
	if (ipc_send(s->sock, &m, NULL, 0) < 0)
		expel(s, "does not take its keys");
	secret_wipe(&m, sizeof(m));
}

void sources_add(struct sources *ss, int sock, const struct msg_source *m)
{
	struct source *s = NULL;

	for (unsigned i = 0; i < SOURCES && !s; i++)
		if (ss->source[i].sock < 0)
			s = &ss->source[i];
	if (!s || loop_watch(ss->loop, sock, readable, s) < 0) {
		log_error("capture-refused", "source=%.39s: too many at once", m->name);
		close(sock);
		return;
	}
	s->sock = sock;
	s->id = m->id;
	s->trap = m->trap == 1;
	s->ready = false;
	s->asked = false;
	memset(s->last, 0, sizeof(s->last));
	memcpy(s->name, m->name, sizeof(s->name));
	s->name[sizeof(s->name) - 1] = '\0';
	if (!s->trap)
		send_keys(s);
}

void sources_send_keys(struct sources *ss)
{
	for (unsigned i = 0; i < SOURCES; i++)
		if (ss->source[i].sock >= 0 && !ss->source[i].trap)
			send_keys(&ss->source[i]);
}

static void query_over(void *arg)
{
	struct sources *ss = arg;

	loop_cancel(ss->loop, query_over, ss);
	ss->querying = false;
	ss->ops->stats(ss->arg);
}

static void check_query(struct sources *ss)
{
	bool waiting = false;

	for (unsigned i = 0; i < SOURCES; i++)
		waiting = waiting || ss->source[i].asked;
	if (ss->querying && !waiting)
		query_over(ss);
}

void sources_query(struct sources *ss)
{
	struct msg_plain m = {.head = {.type = MSG_STATS_QUERY, .len = sizeof(m)}};

	for (unsigned i = 0; i < SOURCES; i++)
		if (ss->source[i].sock >= 0 && !ss->source[i].asked)
			ss->source[i].asked = ipc_send(ss->source[i].sock, &m, NULL, 0) == 0;
	if (!ss->querying)
		(void)loop_timer(ss->loop, STATS_PATIENCE_MS, query_over, ss);
	ss->querying = true;
	check_query(ss);
}

/* Is this the first place that the name is at? */
static bool is_first(const struct sources *ss, unsigned at, const char *name)
{
	for (unsigned i = 0; i < at && i < SOURCES; i++)
		if (ss->source[i].sock >= 0 && strcmp(ss->source[i].name, name) == 0)
			return false;
	for (unsigned i = SOURCES; i < at; i++)
		if (strcmp(ss->gone[i - SOURCES].name, name) == 0)
			return false;
	return true;
}

static const char *name_at(const struct sources *ss, unsigned at)
{
	if (at < SOURCES)
		return ss->source[at].sock >= 0 ? ss->source[at].name : "";
	return ss->gone[at - SOURCES].name;
}

const struct source_stats *sources_stats(struct sources *ss, unsigned i, struct source_stats *out)
{
	const char *name = NULL;

	for (unsigned at = 0; at < SOURCES + NAMES && !name; at++) {
		const char *here = name_at(ss, at);

		if (here[0] != '\0' && is_first(ss, at, here) && i-- == 0)
			name = here;
	}
	if (!name)
		return NULL;
	memset(out, 0, sizeof(*out));
	memcpy(out->name, name, strnlen(name, sizeof(out->name) - 1));
	for (unsigned at = 0; at < SOURCES; at++)
		if (ss->source[at].sock >= 0 && strcmp(ss->source[at].name, name) == 0)
			add_counters(out, ss->source[at].last);
	for (unsigned at = 0; at < NAMES; at++)
		if (strcmp(ss->gone[at].name, name) == 0)
			add_counters(out, ss->gone[at].counter);
	return out;
}

int sources_take_state(struct sources *ss, const struct msg_source_state *m)
{
	if (m->sources > CONFIG_SOURCES_MAX || m->index >= m->sources ||
	    !config_capture_name(m->method))
		return -1;
	ss->state[m->index] = *m;
	ss->states = m->sources;
	return 0;
}

const struct msg_source_state *sources_state(const struct sources *ss, unsigned i)
{
	return i < ss->states && ss->state[i].name[0] != '\0' ? &ss->state[i] : NULL;
}
