/* close - the end of a session, whoever wants it. */
#include "clock.h"
#include "inside.h"

static uint32_t rest_s(uint64_t end_ms, uint64_t now_ms)
{
	uint64_t rest = end_ms > now_ms ? end_ms - now_ms : 0;

	rest = (rest + MS_PER_S - 1) / MS_PER_S;
	return rest > UINT32_MAX ? UINT32_MAX : (uint32_t)rest;
}

uint32_t session_rest_s(const struct session *s, uint64_t now_ms)
{
	return rest_s(s->r.end_ms, now_ms);
}

uint32_t session_door_rest_s(struct core *c, const struct session *s)
{
	const uint64_t others = sessions_door_end(c->sessions, s);

	return rest_s(others > s->r.end_ms ? others : s->r.end_ms, c->w.boot_ms(c->w.arg));
}

/*
 * A door that others rest on stays for the longest of them, if it is there:
 * what the kernel has closed already, behind a connection say, nobody opens by
 * leaving.
 */
struct ask *session_close(struct core *c, struct session *s)
{
	const uint32_t others_s = rest_s(sessions_door_end(c->sessions, s), c->w.boot_ms(c->w.arg));

	s->closing = true;
	if (others_s > 0)
		return ask_door(c, MSG_DOOR_SHORTEN, s, others_s);
	return ask_door(c, MSG_DOOR_CLOSE, s, 0);
}

struct ask *session_cut(struct core *c, struct session *s)
{
	struct ask *a = session_close(c, s);

	if (a->m.head.type == MSG_DOOR_CLOSE)
		a->m.cut = 1;
	return a;
}

bool session_is_cut(const struct core *c, const struct session *s)
{
	const int service = session_service_now(c, s);

	return service >= 0 && c->realm->config.service[service].cut;
}

/* It is over, with a line in the log. */
static void session_end(
    struct core *c, struct session *s, enum journal_event event, const char *why)
{
	const char *client = session_client(c, s);
	char admit[PREFIX_TEXT];

	log_info(journal_event_word(event),
	    "client=%s service=%s address=%s session=%016llx why=%s", client[0] ? client : "-",
	    s->r.service, prefix_text(&s->r.admit, admit), (unsigned long long)s->id, why);
	audit_session(c, s, event, why);
	session_forget(c, s);
}

static void cut_at_its_end(
    struct core *c, const struct ask *a, enum door_status status, uint32_t seconds)
{
	struct session *s = sessions_find(c->sessions, a->session);

	(void)status;
	(void)seconds;
	if (s && s->closing)
		session_end(c, s, JOURNAL_ENDED, "time");
}

void session_time_is_over(struct core *c, struct session *s)
{
	if (session_is_cut(c, s))
		session_cut(c, s)->done = cut_at_its_end;
	else
		session_end(c, s, JOURNAL_ENDED, "time");
}

/* A door that closes by more than its time says so to nobody. */
static bool closes_early(const struct session *s)
{
	return s->r.narrowing.once || s->r.narrowing.idle_s != 0;
}

static bool is_asked_for(const struct core *c, uint64_t session)
{
	for (const struct ask *a = c->asks; a; a = a->next)
		if (a->session == session && a->m.head.type == MSG_DOOR_OPEN)
			return true;
	return false;
}

static const char *why_early(const struct session *s)
{
	if (s->r.narrowing.once)
		return "used";
	return s->r.narrowing.idle_s != 0 ? "idle" : "gone";
}

static void is_over(struct core *c, struct session *s, const char *why)
{
	count(&c->counters, COUNT_ENDED);
	session_end(c, s, JOURNAL_ENDED, why);
}

void session_is_over(struct core *c, struct session *s)
{
	is_over(c, s, why_early(s));
}

enum { END_IS_NEAR_MS = 2000 }; /* then it is by its time that the kernel has closed it */

/* Has the kernel closed it, before its time and for good? NULL: no. */
static struct session *found_closed(struct core *c, const struct ask *a, enum door_status status)
{
	struct session *s = sessions_find(c->sessions, a->session);

	if (status != DOOR_NOT_THERE || !s || s->closing || is_asked_for(c, s->id) ||
	    session_is_cut(c, s))
		return NULL;
	return closes_early(s) || s->r.end_ms > c->w.boot_ms(c->w.arg) + END_IS_NEAR_MS ? s : NULL;
}

void session_queried(struct core *c, const struct ask *a, enum door_status status)
{
	struct session *s = found_closed(c, a, status);

	if (s)
		session_is_over(c, s);
}

void session_looked(struct core *c, const struct ask *a, enum door_status status, uint32_t seconds)
{
	(void)seconds;
	session_queried(c, a, status);
}

enum { LOOKS_MAX = 256 }; /* at once */

void sessions_look(struct core *c, const uint8_t *cid)
{
	for (const struct session *s = sessions_of(c->sessions, cid, NULL); s; s = s->owner_next)
		if (closes_early(s))
			ask_door(c, MSG_DOOR_QUERY, s, 0)->done = session_looked;
}

void sessions_look_at_service(struct core *c, int service)
{
	struct session *s = sessions_find(c->sessions, c->looked_at);
	unsigned n = 0;

	for (size_t left = sessions_count(c->sessions); left > 0 && n < LOOKS_MAX; left--) {
		s = s ? sessions_next(s) : NULL;
		if (!s)
			s = sessions_first(c->sessions);
		if (s->service != service || !closes_early(s))
			continue;
		ask_door(c, MSG_DOOR_QUERY, s, 0)->done = session_looked;
		c->looked_at = s->id;
		n++;
	}
}

bool session_was_lost(struct core *c, const struct ask *a)
{
	struct session *s = found_closed(c, a, DOOR_NOT_THERE);

	if (s)
		is_over(c, s, "gone");
	return s != NULL;
}

void session_forget(struct core *c, struct session *s)
{
	keep_session_later(c, s->id);
	sessions_remove(c->sessions, s);
}

bool session_closed(struct core *c, const struct ask *a, enum door_status status, const char *why)
{
	struct session *s = sessions_find(c->sessions, a->session);

	if (!s || !s->closing)
		return true;
	if (status != DOOR_OK && status != DOOR_NOT_THERE) {
		s->closing = false;
		log_error("close-failed", "session=%016llx service=%s: the monitor says why",
		    (unsigned long long)s->id, s->r.service);
		return false;
	}
	count(&c->counters, COUNT_CLOSED);
	session_end(c, s, JOURNAL_CLOSED, why);
	return true;
}

static void closed_alone(
    struct core *c, const struct ask *a, enum door_status status, uint32_t seconds)
{
	(void)seconds;
	(void)session_closed(c, a, status, "withdrawn");
}

/* Of a service that is no longer guarded there is nothing left to close. */
void session_close_alone(struct core *c, struct session *s)
{
	if (session_service_now(c, s) >= 0) {
		struct ask *a = session_is_cut(c, s) ? session_cut(c, s) : session_close(c, s);

		a->done = closed_alone;
		return;
	}
	count(&c->counters, COUNT_CLOSED);
	session_end(c, s, JOURNAL_CLOSED, "service-gone");
}
