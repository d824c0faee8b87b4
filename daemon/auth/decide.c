/*
 * decide - what a request comes to when nothing is in doubt any more. What it
 * will do is written into the open transaction; it is done after the commit.
 */
#include <string.h>

#include "clock.h"
#include "errors.h"
#include "inside.h"
#include "secret.h"

static int refuse(struct job *j, enum verdict v, const char *reason)
{
	j->kind = JOB_REPLY;
	job_say(j, v, reason);
	return 0;
}

/* The attempt goes into the client's record, with "unknown" as its result until there is one. */
static void record_attempt(struct job *j, struct client_record *r)
{
	struct attempt *a = client_record_push(r, j->key.id);
	struct reply p = {.verdict = VERDICT_RESULT_UNKNOWN, .attempt = j->key.id};
	int len = reply_encode(&p, a->reply, sizeof(a->reply));

	a->reply_len = (uint16_t)(len < 0 ? 0 : len);
	j->acted = true;
}

static struct session_record wanted_record(
    const struct core *c, const struct job *j, const struct want *w)
{
	const struct service *s = &c->realm->config.service[w->service];
	struct session_record r = {.proto = s->proto,
	    .port = s->port,
	    .admit = w->admit,
	    .narrowing = w->narrowing,
	    .end_ms = c->w.boot_ms(c->w.arg) + (uint64_t)w->hold_s * 1000};

	memcpy(r.cid, j->key.cid, CID_BYTES);
	memcpy(r.service, s->name, sizeof(r.service));
	return r;
}

uint64_t session_new_id(struct core *c)
{
	uint64_t id = 0;

	while (id == 0 || sessions_find(c->sessions, id))
		secret_random(&id, sizeof(id));
	return id;
}

enum { ANY_SERVICE = -1 };

/* How many sessions of a service a job will add. */
static size_t fresh_of(const struct job *j, int service)
{
	size_t n = 0;

	for (unsigned i = 0; i < j->steps; i++)
		n += j->step[i].fresh && (service == ANY_SERVICE || j->step[i].service == service);
	return n;
}

/* The same of this turn's other jobs. */
static size_t promised(const struct core *c, int service)
{
	size_t n = 0;

	for (const struct job *j = c->turn_jobs; j; j = j->next)
		n += j->kind == JOB_OPEN ? fresh_of(j, service) : 0;
	return n;
}

/* Returns false when the service has no port left for it. */
static bool plan_step(struct core *c, struct job *j, const struct want *w)
{
	struct step *st = &j->step[j->steps];
	const struct session *s;

	st->r = wanted_record(c, j, w);
	st->service = (int)w->service;
	st->hold_s = w->hold_s;
	st->latest_s = w->latest_s;
	if (!draw_port(c, j, st))
		return false;
	j->steps++;
	s = sessions_match(c->sessions, &st->r);
	st->fresh = !s;
	st->session = s ? s->id : session_new_id(c);
	st->old_end_ms = s ? s->r.end_ms : 0;
	/* A door that is asked for again is never shortened. */
	if (st->old_end_ms > st->r.end_ms)
		st->r.end_ms = st->old_end_ms;
	return true;
}

static bool fits_service(const struct core *c, const struct job *j, int service)
{
	const size_t most = c->realm->config.service[service].doors_max;
	const size_t fresh = fresh_of(j, service);

	return most == 0 || fresh == 0 ||
	       sessions_of_service(c->sessions, (unsigned)service) + promised(c, service) + fresh <=
		   most;
}

/* NULL when it fits; else what is full. */
static const char *over_quota(struct core *c, const struct job *j, const struct client *cl)
{
	const size_t most = cl->doors_max > 0 ? cl->doors_max : SESSIONS_PER_CLIENT;
	const size_t fresh = fresh_of(j, ANY_SERVICE);
	size_t of_client;

	sessions_of(c->sessions, j->key.cid, &of_client);
	if (fresh > 0 && of_client + fresh > most)
		return "this client may have no more doors at once";
	for (unsigned i = 0; i < j->steps; i++)
		if (!fits_service(c, j, j->step[i].service)) {
			sessions_look_at_service(c, j->step[i].service);
			return "the service may have no more doors at once";
		}
	return sessions_count(c->sessions) + promised(c, ANY_SERVICE) + fresh <=
		       c->realm->config.sessions_max
		   ? NULL
		   : "the server may have no more doors at once";
}

const char *decide_over_quota(struct core *c, const struct job *j)
{
	const struct client *cl = clients_by_cid(c->realm->clients, j->key.cid);

	return cl ? over_quota(c, j, cl) : "the client is gone";
}

/* NULL, or what is full. */
static const char *plan_steps(struct core *c, struct job *j, const struct ruling *ruling)
{
	for (unsigned i = 0; i < ruling->wants; i++) {
		if (plan_step(c, j, &ruling->want[i]))
			continue;
		sessions_look_at_service(c, (int)ruling->want[i].service);
		return "the service has a door at each of its ports";
	}
	return NULL;
}

static int plan_open(
    struct core *c, struct job *j, const struct policy_case *p, struct client_record *r)
{
	struct ruling ruling = policy_open(p);
	const char *full, *busy;

	if (ruling.verdict != VERDICT_OK)
		return refuse(j, ruling.verdict, ruling.reason);
	full = plan_steps(c, j, &ruling);
	if (!full)
		full = over_quota(c, j, p->client);
	if (full) {
		j->steps = 0;
		sessions_look(c, j->key.cid); /* perhaps the next attempt fits */
		return refuse(j, VERDICT_QUOTA, full);
	}
	busy = approve_plan(c, j);
	if (busy) {
		j->steps = 0;
		return refuse(j, VERDICT_BUSY, busy);
	}
	j->kind = JOB_OPEN;
	record_attempt(j, r);
	for (unsigned i = 0; i < j->steps; i++)
		if (keep_session(c, j->step[i].session, &j->step[i].r) < 0)
			return -1;
	return 0;
}

static void add_step(struct job *j, const struct session *s)
{
	if (j->steps < DOORS_MAX)
		j->step[j->steps++].session = s->id;
}

/* Which services a close means, as a set. Returns 0, or -1 when one of them is not this client's to close. */
static int services_meant(const struct policy_case *p, uint64_t set[static CLIENT_SERVICE_WORDS])
{
	const struct request *q = p->request;

	memset(set, 0, CLIENT_SERVICE_WORDS * sizeof(*set));
	for (unsigned i = 0; i < q->services; i++) {
		int service = config_service(&p->realm->config, q->service[i]);

		if (service < 0 || !client_has_service(p->client, (unsigned)service))
			return -1;
		set[service / 64] |= UINT64_C(1) << (service % 64);
	}
	return 0;
}

/*
 * Connections are known by their address, which others may have, too: so it is
 * a permission, but for doors that were for the client's own port alone.
 */
static bool may_cut(const struct core *c, const struct job *j, const struct client *cl)
{
	for (unsigned i = 0; i < j->steps && !cl->cut; i++) {
		const struct session *s = sessions_find(c->sessions, j->step[i].session);

		if (s && s->r.narrowing.source_port == 0)
			return false;
	}
	return true;
}

static int plan_close(
    struct core *c, struct job *j, const struct policy_case *p, struct client_record *r)
{
	const struct request *q = p->request;
	struct session *s = sessions_of(c->sessions, j->key.cid, NULL);
	uint64_t meant[CLIENT_SERVICE_WORDS];

	if (services_meant(p, meant) < 0)
		return refuse(j, VERDICT_DENIED, NULL);
	for (; s; s = s->owner_next)
		if (q->has_session
			? s->id == q->session
			: s->service >= 0 && meant[s->service / 64] >> (s->service % 64) & 1)
			add_step(j, s);
	if (q->has_session && j->steps == 0)
		return refuse(j, VERDICT_DENIED, NULL);
	j->cut = (q->flags & REQUEST_CUT) != 0;
	if (j->cut && !may_cut(c, j, p->client)) {
		j->steps = 0;
		return refuse(j, VERDICT_DENIED, "this client may end no connections");
	}
	j->kind = JOB_CLOSE;
	record_attempt(j, r);
	return 0;
}

static int plan_list(struct core *c, struct job *j)
{
	for (struct session *s = sessions_of(c->sessions, j->key.cid, NULL); s; s = s->owner_next)
		add_step(j, s);
	j->kind = JOB_LIST;
	return 0;
}

static bool runs_enough(const struct core *c, const uint8_t *cid)
{
	unsigned n = 0;

	for (const struct job *j = c->jobs; j; j = j->hh.next)
		n += j->kind == JOB_RUN && memcmp(j->key.cid, cid, CID_BYTES) == 0;
	return n >= RUNS_PER_CLIENT;
}

static int plan_run(
    const struct core *c, struct job *j, const struct policy_case *p, struct client_record *r)
{
	uint32_t command;
	struct ruling ruling = policy_run(p, &command);

	if (ruling.verdict != VERDICT_OK)
		return refuse(j, ruling.verdict, ruling.reason);
	if (runs_enough(c, j->key.cid))
		return refuse(j, VERDICT_BUSY, "this client has its number of commands");
	j->kind = JOB_RUN;
	j->run = run_order(c, j, p->request, command);
	record_attempt(j, r);
	return 0;
}

/* An attempt that was acted on is answered again, and nothing is done twice. a: NULL while it is under way. */
static int known(struct core *c, struct job *j, const struct attempt *a)
{
	struct reply old;

	count(&c->counters, COUNT_KNOWN);
	j->kind = JOB_KNOWN;
	if (a && reply_decode(&old, a->reply, a->reply_len) == 0)
		j->reply = old;
	else
		j->reply.verdict = VERDICT_RESULT_UNKNOWN;
	j->reply.attempt = j->key.id;
	return 0;
}

static int by_verb(
    struct core *c, struct job *j, const struct policy_case *p, struct client_record *r)
{
	switch (p->request->verb) {
	case VERB_OPEN:
		return plan_open(c, j, p, r);
	case VERB_CLOSE:
		return plan_close(c, j, p, r);
	case VERB_RUN:
		return plan_run(c, j, p, r);
	case VERB_PING:
		return refuse(j, VERDICT_OK, NULL);
	case VERB_LIST:
		return plan_list(c, j);
	}
	return refuse(j, VERDICT_MALFORMED, NULL);
}

/*
 * Is it the client's user who asks? A code that was right is used, whatever else is wrong: so that
 * PINs cannot be tried with it one after the other.
 */
static bool user_is_there(struct core *c, const struct policy_case *p, struct client_record *r)
{
	const struct request *q = p->request;
	const uint8_t asked = policy_asked(p);
	bool right = true;

	if (asked == 0 || (c->w.dry_run && (q->flags & REQUEST_REPLY) != 0))
		return true; /* a dry run asks nobody */
	if ((asked & ASKED_CODE) != 0)
		right = code_right(&p->client->code, q->code, p->now_ns / NS_PER_S, &r->code_step);
	if ((asked & ASKED_PIN) != 0) {
		c->pins++;
		right = q->pin_len > 0 && pin_right(&p->client->pin, q->pin, q->pin_len) && right;
	}
	return right;
}

/* What is not this client's, or not there: not what is merely asked for in the wrong way. */
static bool is_forbidden(const struct job *j)
{
	return (j->verb == VERB_OPEN || j->verb == VERB_RUN) && j->kind == JOB_REPLY &&
	       j->reply.verdict == VERDICT_DENIED && j->reply.reason[0] == '\0';
}

int decide(struct core *c, struct job *j, const struct client *cl, const struct request *q,
    struct client_record *r)
{
	const struct attempt *a = client_record_find(r, q->attempt);
	struct policy_case p = {.realm = c->realm,
	    .client = cl,
	    .request = q,
	    .source = &j->x.route.client,
	    .server = &j->x.route.server,
	    .relayed = j->x.route.carrier == CARRIER_HTTP,
	    .now_ns = c->w.real_ns(c->w.arg)};
	struct ruling ruling = policy_client(&p);

	if (ruling.verdict != VERDICT_OK)
		return refuse(j, ruling.verdict, ruling.reason);
	if (strike_is_out(c, r))
		return refuse(j, VERDICT_EXPIRED, "suspended for a time");
	/* One under way counts, too, even when four newer ones pushed it out of the record. */
	if (a || job_find(c, &j->key))
		return known(c, j, a);
	if (HASH_COUNT(c->jobs) >= JOBS_MAX) {
		count(&c->counters, COUNT_BUSY);
		return refuse(j, VERDICT_BUSY, NULL);
	}
	if (!user_is_there(c, &p, r)) {
		if (!strike_is_known(c, j, q))
			strike(c, j, cl, r, "code-or-pin");
		return refuse(j, VERDICT_CODE_OR_PIN, NULL);
	}
	if (by_verb(c, j, &p, r) < 0)
		return -1;
	if (is_forbidden(j) && !strike_is_known(c, j, q))
		strike(c, j, cl, r, "forbidden");
	return 0;
}
