/* job - what a message came to, after the commit: replies, challenges, and attempts whose doors are under way. */
#include <stdlib.h>
#include <string.h>

#include "inside.h"
#include "secret.h"

struct job *job_new(struct core *c, const struct knock *k, const struct client *cl)
{
	const struct realm_keys *keys = c->realm->keys;
	struct job *j = calloc(1, sizeof(*j));

	if (!j)
		abort();
	j->serial = ++c->next_serial;
	j->t = j->answer_t = k->veiled.label.t;
	memcpy(j->key.cid, cl->cid, CID_BYTES);
	memcpy(j->client, cl->name, sizeof(j->client));
	memcpy(j->x.cid, cl->cid, CID_BYTES);
	j->x.route = k->route;
	j->x.veil = keys->door[k->door_key].to_client;
	j->x.old_door_key = k->door_key > 0;
	j->x.envelope = envelope_by_kind(k->veiled.kind);
	return j;
}

void job_free(struct core *c, struct job *j)
{
	if (job_find(c, &j->key) == j) {
		/* The analyzer takes the table for the element. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		HASH_DELETE(hh, c->jobs, j);
		HASH_DELETE(by_attempt, c->jobs_by_attempt, j);
	}
	free(j->run);
	secret_wipe(j, sizeof(*j));
	free(j);
}

struct job *job_find(struct core *c, const struct attempt_key *k)
{
	struct job *j = NULL;

	HASH_FIND(by_attempt, c->jobs_by_attempt, k, sizeof(*k), j);
	return j;
}

static void register_job(struct core *c, struct job *j)
{
	if (job_find(c, &j->key))
		abort(); /* a known attempt never starts again */
	HASH_ADD(hh, c->jobs, serial, sizeof(j->serial), j);
	HASH_ADD(by_attempt, c->jobs_by_attempt, key, sizeof(j->key), j);
}

static void log_challenged(const struct job *j)
{
	char from[ADDRESS_TEXT];

	log_info("challenged", "client=%s from=%s why=%s attempt=%016llx", j->client,
	    address_text(&j->x.route.client, from), j->why, (unsigned long long)j->key.id);
}

/* Doors that were opened have a line each already. */
static void log_answered(const struct core *c, const struct job *j)
{
	char from[ADDRESS_TEXT], along[ALONG_BYTES], said[LOG_QUOTE_MAX],
	    exit_status[sizeof(" exit=255")] = "";

	if (j->kind == JOB_OPEN && j->reply.doors > 0)
		return;
	if (j->reply.has_exit_status)
		snprintf(exit_status, sizeof(exit_status), " exit=%u", j->reply.exit_status);
	log_info("answered",
	    "client=%s from=%s verb=%s verdict=%s reason=%s attempt=%016llx what=%s%s%s%s",
	    j->client, address_text(&j->x.route.client, from),
	    j->verb == 0 ? "-" : verb_word(j->verb), verdict_word(j->reply.verdict),
	    log_quote(said, j->reply.reason, strlen(j->reply.reason)),
	    (unsigned long long)j->key.id, j->what[0] ? j->what : "-", exit_status,
	    audit_along(c, &j->x.route, along), j->kind == JOB_KNOWN ? " again=yes" : "");
}

static void complete_reply(struct core *c, struct job *j)
{
	const struct realm_keys *keys = c->realm->keys;

	j->reply.server_time = c->w.real_ns(c->w.arg);
	j->reply.has_address_seen = true;
	j->reply.address_seen = j->x.route.client;
	/* A challenge is no place for it: who answers may yet be refused. */
	j->reply.has_door_key = j->x.old_door_key && j->reply.verdict != VERDICT_CHALLENGE;
	if (j->reply.has_door_key)
		memcpy(j->reply.door_key, keys->door_key[0], KEY_BYTES);
}

void job_say(struct job *j, enum verdict v, const char *reason)
{
	size_t len = reason ? strnlen(reason, REASON_MAX) : 0;

	j->reply.verdict = v;
	if (reason) {
		memcpy(j->reply.reason, reason, len);
		j->reply.reason[len] = '\0';
	}
}

void job_tell(struct core *c, struct job *j, enum verdict v, const char *reason)
{
	struct reply *kept = malloc(sizeof(*kept));

	if (!kept)
		abort();
	*kept = j->reply;
	job_say(j, v, reason);
	complete_reply(c, j);
	answer_send(c, &j->x, &j->reply);
	j->x.wanted = false; /* each message has one answer */
	j->reply = *kept;
	secret_wipe(kept, sizeof(*kept));
	free(kept);
}

void job_finish(struct core *c, struct job *j, enum verdict v, const char *reason)
{
	job_say(j, v, reason);
	complete_reply(c, j);
	count_verdict(&c->counters, v);
	/* A door's was lifted before it opened. */
	if (v == VERDICT_OK && j->kind != JOB_OPEN && j->kind != JOB_KNOWN)
		ban_lift(c, j);
	if (j->acted)
		keep_result_later(c, &j->key, &j->reply);
	log_answered(c, j);
	audit_job(c, j);
	answer_send(c, &j->x, &j->reply);
	job_free(c, j);
}

static void remember_challenge(struct challenge *ch, const struct job *j)
{
	ch->t = ch->answer_t = j->t;
	ch->attempt = j->key.id;
	ch->seen = j->x.route.client;
	ch->carrier = j->x.route.carrier;
	ch->envelope = j->x.envelope;
	ch->state = j->x.state;
	ch->plain_len = j->plain_len;
	memcpy(ch->plain, j->plain, j->plain_len);
}

static void run_challenge(struct core *c, struct job *j)
{
	struct challenge *ch;

	if (!j->x.wanted) {
		count(&c->counters, COUNT_DOUBT);
		job_free(c, j);
		return;
	}
	ch = challenge_new(c, j->key.cid);
	if (!ch) {
		count(&c->counters, COUNT_CHALLENGES_FULL);
		j->kind = JOB_REPLY;
		job_finish(c, j, VERDICT_BUSY, NULL);
		return;
	}
	count(&c->counters, COUNT_CHALLENGED);
	count_verdict(&c->counters, VERDICT_CHALLENGE);
	j->reply.verdict = VERDICT_CHALLENGE;
	j->reply.has_asked = true;
	j->reply.has_wait = true;
	j->reply.wait_s = CHALLENGE_MS / 1000;
	complete_reply(c, j);
	log_challenged(j);
	audit_challenge(c, j);
	if (answer_challenge(c, &j->x, &j->reply) < 0)
		challenge_drop(c, ch);
	else
		remember_challenge(ch, j); /* M3 opens under what sealing it left */
	job_free(c, j);
}

/* The doors of a reply that is given again: what is left of them by now. */
static void freshen_doors(struct core *c, struct reply *p)
{
	uint64_t now = c->w.boot_ms(c->w.arg);

	for (unsigned i = 0; i < p->doors; i++) {
		const struct session *s = sessions_find(c->sessions, p->door[i].session);
		uint32_t rest = s ? session_rest_s(s, now) : 0;

		if (p->door[i].seconds > rest)
			p->door[i].seconds = rest;
	}
}

static void run_known(struct core *c, struct job *j)
{
	struct job *running = job_find(c, &j->key);

	if (running) {
		/* Its end answers the newest message that asked for it. */
		secret_wipe(&running->x, sizeof(running->x));
		running->x = j->x;
		job_free(c, j);
		return;
	}
	freshen_doors(c, &j->reply);
	job_finish(c, j, j->reply.verdict, NULL);
}

static void run_again(struct core *c, struct job *j)
{
	struct challenge *ch = challenge_find(c, j->key.cid);

	if (ch && ch->accepted && ch->t == j->t) {
		ch->answer_t = j->answer_t;
		if (ch->result_len > 0)
			answer_again(c, &j->x, ch->result, ch->result_len);
	}
	job_free(c, j);
}

/* A newer message was authentic: an older challenge of the client must not be answered any more. */
static void outdate_challenge(struct core *c, const struct job *j)
{
	struct challenge *ch = challenge_find(c, j->key.cid);

	if (ch && !ch->accepted)
		challenge_drop(c, ch);
}

static void accept_challenge(struct core *c, const struct job *j)
{
	struct challenge *ch = challenge_find(c, j->key.cid);

	if (!ch)
		return;
	ch->accepted = true;
	ch->answer_t = j->answer_t;
	memcpy(ch->answer_hash, j->answer_hash, sizeof(ch->answer_hash));
	secret_wipe(&ch->state, sizeof(ch->state));
	secret_wipe(ch->plain, sizeof(ch->plain));
	challenge_prolong(c, ch);
}

void job_run(struct core *c, struct job *j)
{
	strike_tell(c, j);
	/* What is forged is no word of the client's. */
	if (!j->proves && j->kind != JOB_FORGED)
		outdate_challenge(c, j);
	if (j->proves && j->kind != JOB_AGAIN)
		accept_challenge(c, j);
	switch (j->kind) {
	case JOB_NOTHING:
	case JOB_FORGED:
		job_free(c, j);
		break;
	case JOB_REPLY:
		job_finish(c, j, j->reply.verdict, NULL);
		break;
	case JOB_CHALLENGE:
		run_challenge(c, j);
		break;
	case JOB_KNOWN:
		run_known(c, j);
		break;
	case JOB_AGAIN:
		run_again(c, j);
		break;
	case JOB_OPEN:
		register_job(c, j);
		approve_start(c, j);
		break;
	case JOB_CLOSE:
	case JOB_LIST:
		register_job(c, j);
		doors_start(c, j);
		break;
	case JOB_RUN:
		register_job(c, j);
		run_start(c, j);
		break;
	}
}

void jobs_free(struct core *c)
{
	struct job *j, *next;

	HASH_ITER(hh, c->jobs, j, next)
		job_free(c, j);
}
