/*
 * knock - one message's costly part: envelope, mark, request. Nothing but the
 * open transaction changes here; what shall happen is put down as a job, for
 * after the commit.
 */
#include <string.h>
#include <utlist.h>

#include "clock.h"
#include "errors.h"
#include "freshness.h"
#include "inside.h"
#include "secret.h"

int knock_work(struct core *c, const struct knock *k)
{
	const struct envelope *e = envelope_by_kind(k->veiled.kind);
	const struct client *cl = clients_at(c->realm->clients, k->client);

	return k->veiled.kind == e->request ? knock_first(c, k, cl) : knock_answer(c, k, cl);
}

/* Opens the envelope into j. Returns the request's length, or a negative error. */
static int open_request(struct core *c, const struct knock *k, struct job *j)
{
	struct envelope_bind bind = {.carrier = k->route.carrier, .t = k->veiled.label.t};
	const struct pgp_ops ops = {.decrypt_verify = pgp_take_opened, .arg = (void *)(uintptr_t)k};
	struct envelope_keys keys = {.own = &c->realm->keys->server, .pgp = &ops};
	uint8_t plain[ENVELOPE_PLAIN_MAX];
	size_t client;
	int len;

	memcpy(bind.cid, k->veiled.label.cid, CID_BYTES);
	if (j->x.envelope == &envelope_noise && answer_keys(c, bind.cid, &keys, &client) < 0)
		return -E_KEY;
	len = j->x.envelope->open_request(
	    &j->x.state, &bind, &keys, k->veiled.body, k->veiled.body_len, plain, sizeof(plain));
	if (len > REQUEST_MAX)
		len = REQUEST_MAX + 1; /* malformed, whatever it says */
	if (len > 0) {
		j->plain_len = (uint16_t)(len > REQUEST_MAX ? REQUEST_MAX : len);
		memcpy(j->plain, plain, j->plain_len);
	}
	secret_wipe(plain, sizeof(plain));
	return len;
}

/* A request that cannot be read draws its verdict at once: there is nothing in it to act on. */
static void unreadable(struct job *j, int error, uint8_t unknown)
{
	char reason[sizeof("unknown field 255")];

	j->kind = JOB_REPLY;
	if (error != -E_UNKNOWN) {
		job_say(j, VERDICT_MALFORMED, NULL);
		return;
	}
	snprintf(reason, sizeof(reason), "unknown field %u", unknown);
	job_say(j, VERDICT_UNKNOWN_FIELD, reason);
}

static const char *doubt_word(
    const struct core *c, const struct client_record *before, uint64_t t, bool must)
{
	if (must)
		return "policy";
	if (!before->proven)
		return before->mark == 0 ? "unknown" : "unproven";
	return t > c->w.real_ns(c->w.arg) ? "ahead" : "behind";
}

/*
 * A dry run answers nobody and remembers no mark, so that each knock would end in
 * a challenge: it goes on as if that had been answered, and says so.
 */
static int decide_unproven(struct core *c, struct job *j, const struct client *cl,
    const struct request *q, struct client_record *now)
{
	char from[ADDRESS_TEXT];

	log_info("challenged", "client=%s from=%s why=%s attempt=%016llx dry_run=yes", j->client,
	    address_text(&j->x.route.client, from), j->why, (unsigned long long)j->key.id);
	return decide(c, j, cl, q, now);
}

/* The envelope opened and the mark moved: what now? */
static int judge(struct core *c, struct job *j, const struct client *cl, struct client_record *now,
    const struct client_record *before, int len)
{
	struct request q;
	uint8_t unknown;
	int error = request_decode(&q, j->plain, j->plain_len, &unknown), r = 0;
	struct policy_case p = {.realm = c->realm,
	    .client = cl,
	    .request = &q,
	    .source = &j->x.route.client,
	    .server = &j->x.route.server,
	    .now_ns = c->w.real_ns(c->w.arg)};
	bool must;

	j->x.wanted = (q.flags & REQUEST_REPLY) != 0;
	j->key.id = j->reply.attempt = q.attempt;
	if (error == 0 &&
	    (len > REQUEST_MAX || q.has_reply_key != (j->x.envelope->has_reply_key && j->x.wanted)))
		error = -E_FORMAT;
	if (error < 0) {
		unreadable(j, error, unknown);
		goto out;
	}
	audit_asked(j, &q);
	must = policy_must_prove(&p);
	switch (freshness_judge(
	    before, j->t, p.now_ns, c->realm->config.window_s * (uint64_t)NS_PER_S, must)) {
	case FRESH_OLD:
		break;
	case FRESH_SURE:
		r = decide(c, j, cl, &q, now);
		break;
	case FRESH_DOUBT:
		j->why = doubt_word(c, before, j->t, must);
		if (c->w.dry_run)
			r = decide_unproven(c, j, cl, &q, now);
		else
			j->kind = JOB_CHALLENGE;
		j->reply.asked = policy_asked(&p);
		break;
	}
out:
	secret_wipe(&q, sizeof(q));
	return r;
}

/*
 * Whoever made the label has the client's secret, but not its private key. A
 * strike for each such message: sent again, it is none, though it spends no mark.
 */
static int forged(struct core *c, const struct knock *k, struct job *j, const struct client *cl,
    const struct client_record *before)
{
	struct client_record now = *before;

	drop(c, COUNT_FORGED, &k->route);
	j->kind = JOB_FORGED;
	if (j->x.envelope != &envelope_noise || k->veiled.label.t <= before->forged_t)
		return 0;
	now.forged_t = k->veiled.label.t;
	strike(c, j, cl, &now, "key");
	return keep_save(c, cl->cid, &now);
}

int knock_first(struct core *c, const struct knock *k, const struct client *cl)
{
	struct client_record before, now;
	struct job *j = NULL;
	int len, r = -1;

	if (keep_load(c, cl->cid, &before) < 0)
		goto out;
	r = 0;
	if (!freshness_newer(before.mark, k->veiled.label.t)) {
		drop(c, COUNT_REPLAY, &k->route);
		goto out;
	}
	j = job_new(c, k, cl);
	len = open_request(c, k, j);
	if (len < 0) {
		r = forged(c, k, j, cl, &before);
		goto kept;
	}
	now = before;
	now.mark = k->veiled.label.t;
	if (len < REQUEST_HEAD_BYTES)
		drop(c, COUNT_SHORT, &k->route);
	else
		r = judge(c, j, cl, &now, &before, len);
	if (r == 0)
		r = keep_save(c, cl->cid, &now);
kept:
	if (r == 0) {
		LL_APPEND(c->turn_jobs, j);
		j = NULL;
	}
out:
	if (j)
		job_free(c, j);
	return r;
}
