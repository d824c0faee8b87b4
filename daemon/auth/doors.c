/*
 * doors - the verbs that need the monitor: open, close, list. An attempt ends
 * when the last of its doors was answered for.
 */
#include <string.h>

#include "inside.h"

static struct job *job_of(struct core *c, const struct ask *a)
{
	struct job *j = NULL;

	HASH_FIND(hh, c->jobs, &a->owner, sizeof(a->owner), j);
	return j;
}

static struct ask *owned(struct ask *a, const struct job *j, unsigned step, ask_done *done)
{
	a->owner = j->serial;
	a->step = step;
	a->done = done;
	return a;
}

static void add_door(struct core *c, struct job *j, const struct session *s, uint32_t seconds)
{
	uint32_t rest = session_rest_s(s, c->w.boot_ms(c->w.arg));
	const uint32_t idle = s->r.narrowing.idle_s;

	if (j->reply.doors == DOORS_MAX)
		return;
	/* Where others share the door the kernel may have more time on it than this session. */
	j->reply.door[j->reply.doors++] = (struct door){
	    .port = {.proto = s->r.proto, .number = s->r.port},
	    .seconds = seconds < rest ? seconds : rest,
	    .session = s->id,
	};
	if (idle != 0 && (j->reply.idle_s == 0 || idle < j->reply.idle_s))
		j->reply.idle_s = idle;
}

/* --- open --- */

static void open_next(struct core *c, struct job *j);

/* Closed, or about to be: revoked, withdrawn, closed by another knock. */
static bool is_closed(const struct session *s)
{
	return !s || s->closing;
}

static void undone(struct core *c, const struct ask *a, enum door_status status, uint32_t seconds)
{
	struct session *s = sessions_find(c->sessions, a->session);

	(void)status;
	(void)seconds;
	if (s && s->closing)
		session_forget(c, s);
}

/* All or none: what this attempt newly opened is closed, what it moved stays or goes back. */
static void undo_step(struct core *c, const struct job *j, unsigned i)
{
	const struct step *st = &j->step[i];
	struct session *s = sessions_find(c->sessions, st->session);

	if (is_closed(s))
		return;
	if (st->fresh && s->opened_by == j->serial) {
		if (i < j->at)
			session_close_alone(c, s);
		else if (s->unasked)
			session_forget(c, s);
		else /* another may have left the door to it, since it was asked for */
			session_close(c, s)->done = undone;
	} else if (i >= j->at && s->r.end_ms == st->r.end_ms && st->old_end_ms > 0) {
		s->r.end_ms = st->old_end_ms;
		keep_session_later(c, s->id);
	}
}

static void open_failed(struct core *c, struct job *j, enum verdict v, const char *reason)
{
	for (unsigned i = 0; i < j->steps; i++)
		undo_step(c, j, i);
	j->reply.doors = 0;
	j->reply.idle_s = 0;
	job_finish(c, j, v, reason);
}

static void log_granted(
    const struct core *c, const struct job *j, const struct step *st, uint32_t seconds)
{
	char from[ADDRESS_TEXT], admit[PREFIX_TEXT], along[ALONG_BYTES];

	log_info("granted",
	    "client=%s service=%s port=%u address=%s from=%s hold_s=%u session=%016llx again=%s "
	    "attempt=%016llx%s",
	    j->client, st->r.service, st->r.port, prefix_text(&st->r.admit, admit),
	    address_text(&j->x.route.client, from), seconds, (unsigned long long)st->session,
	    st->fresh ? "no" : "yes", (unsigned long long)j->key.id,
	    audit_along(c, &j->x.route, along));
}

/* s, whose door had a yes, was looked for and is closed: there must be another one. */
static void closed_since(struct core *c, struct job *j, struct session *s)
{
	if (s)
		session_is_over(c, s);
	if (j->steps == 1 && approve_again(c, j))
		return;
	open_failed(c, j, VERDICT_BUSY, "a door has closed: knock again, to have somebody asked");
}

static void opened(struct core *c, const struct ask *a, enum door_status status, uint32_t seconds)
{
	struct job *j = job_of(c, a);
	struct session *s = sessions_find(c->sessions, a->session);

	if (!j)
		return;
	if (status == DOOR_OWN) {
		open_failed(c, j, VERDICT_ADDRESS, "that is an address of the server itself");
		return;
	}
	if (status == DOOR_NOT_THERE) {
		closed_since(c, j, s);
		return;
	}
	if (status != DOOR_OK) {
		open_failed(
		    c, j, VERDICT_FIREWALL, status == DOOR_FULL ? "no room for more doors" : NULL);
		return;
	}
	if (is_closed(s)) {
		open_failed(c, j, VERDICT_FIREWALL, "closed meanwhile");
		return;
	}
	add_door(c, j, s, seconds);
	log_granted(c, j, &j->step[a->step], j->reply.door[j->reply.doors - 1].seconds);
	count(&c->counters, j->step[a->step].fresh ? COUNT_OPENED : COUNT_EXTENDED);
	j->at++;
	open_next(c, j);
}

/*
 * A yes was for one door: when the kernel has closed that, behind its
 * connection say, it is not opened by the same yes again.
 */
static struct ask *ask_to_open(struct core *c, const struct step *st, struct session *s)
{
	const uint32_t rest_s = session_door_rest_s(c, s);

	if (approve_has_been(c, st))
		return ask_door(c, MSG_DOOR_QUERY, s, 0);
	s->unasked = false;
	return ask_door(c, MSG_DOOR_OPEN, s, rest_s > 0 ? rest_s : 1);
}

static void open_next(struct core *c, struct job *j)
{
	struct session *s;
	bool any_fresh = false;

	for (unsigned i = 0; i < j->steps; i++)
		any_fresh = any_fresh || j->step[i].fresh;
	if (j->at == j->steps) {
		job_finish(c, j, any_fresh ? VERDICT_OK : VERDICT_REFRESHED, NULL);
		return;
	}
	s = sessions_find(c->sessions, j->step[j->at].session);
	/* To open it now would be behind the close, which is on its way. */
	if (is_closed(s)) {
		open_failed(c, j, VERDICT_FIREWALL, "closed meanwhile");
		return;
	}
	owned(ask_to_open(c, &j->step[j->at], s), j, j->at, opened);
}

static void start_open(struct core *c, struct job *j)
{
	ban_lift(c, j);
	for (unsigned i = 0; i < j->steps; i++) {
		const struct step *st = &j->step[i];
		struct session *s = sessions_find(c->sessions, st->session);

		if (!s) {
			s = sessions_add(c->sessions, st->session, &st->r, st->service);
			s->opened_by = j->serial;
			s->unasked = true;
			continue;
		}
		s->r = st->r;
		s->opened_by = 0;
		s->closing = false;
		s->renewed++;
	}
	open_next(c, j);
}

/* --- close --- */

static void one_less(struct core *c, struct job *j)
{
	if (--j->waiting > 0)
		return;
	if (j->kind == JOB_CLOSE && j->at > 0)
		job_finish(c, j, VERDICT_FIREWALL, NULL);
	else
		job_finish(c, j, VERDICT_OK, NULL);
}

static void closed(struct core *c, const struct ask *a, enum door_status status, uint32_t seconds)
{
	struct job *j = job_of(c, a);

	(void)seconds;
	if (!session_closed(c, a, status, "asked") && j)
		j->at++; /* how many failed */
	if (j)
		one_less(c, j);
}

static void start_close(struct core *c, struct job *j)
{
	j->waiting = 1;
	for (unsigned i = 0; i < j->steps; i++) {
		struct session *s = sessions_find(c->sessions, j->step[i].session);

		if (!s)
			continue;
		j->waiting++;
		owned(j->cut || session_is_cut(c, s) ? session_cut(c, s) : session_close(c, s), j,
		    i, closed);
	}
	one_less(c, j);
}

/* --- list --- */

static void listed(struct core *c, const struct ask *a, enum door_status status, uint32_t seconds)
{
	struct job *j = job_of(c, a);
	const struct session *s = sessions_find(c->sessions, a->session);

	if (j && s && status == DOOR_OK)
		add_door(c, j, s, seconds);
	session_queried(c, a, status);
	if (j)
		one_less(c, j);
}

static void start_list(struct core *c, struct job *j)
{
	j->waiting = 1;
	for (unsigned i = 0; i < j->steps; i++) {
		const struct session *s = sessions_find(c->sessions, j->step[i].session);

		if (!s)
			continue;
		j->waiting++;
		owned(ask_door(c, MSG_DOOR_QUERY, s, 0), j, i, listed);
	}
	one_less(c, j);
}

void doors_start(struct core *c, struct job *j)
{
	switch (j->kind) {
	case JOB_OPEN:
		start_open(c, j);
		break;
	case JOB_CLOSE:
		start_close(c, j);
		break;
	case JOB_LIST:
		start_list(c, j);
		break;
	case JOB_NOTHING:
	case JOB_REPLY:
	case JOB_CHALLENGE:
	case JOB_KNOWN:
	case JOB_AGAIN:
	case JOB_FORGED:
	case JOB_RUN:
		break;
	}
}
