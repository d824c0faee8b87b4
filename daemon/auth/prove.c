/*
 * prove - an M3: the answer to a challenge. It must open under the challenge's
 * keys, come from where the challenge went, and say what it was told. Anything
 * else is silence, and the challenge goes on waiting.
 */
#include <sodium.h>
#include <string.h>
#include <utlist.h>

#include "freshness.h"
#include "inside.h"
#include "secret.h"

static bool is_same_place(const struct challenge *ch, const struct route *r)
{
	return ch->carrier == r->carrier && address_equal(&ch->seen, &r->client);
}

/* Opens it on a copy of the state, which is the caller's to wipe: what does not hold must change nothing. */
static bool is_right(
    struct core *c, const struct challenge *ch, const struct knock *k, struct envelope_state *state)
{
	uint8_t plain[ENVELOPE_PLAIN_MAX];
	struct answer a = {0};
	enum auth_counter verdict = COUNT_ANSWER_RIGHT;
	int len;

	*state = ch->state;
	len = ch->envelope->open_answer(
	    state, k->veiled.body, k->veiled.body_len, plain, sizeof(plain));
	if (len < 0)
		verdict = COUNT_ANSWER_FORGED;
	else if (answer_decode(&a, plain, (size_t)len) < 0 || a.attempt != ch->attempt ||
		 a.t != ch->t || !address_equal(&a.seen, &ch->seen))
		verdict = COUNT_ANSWER_WRONG;
	if (verdict == COUNT_ANSWER_RIGHT)
		count(&c->counters, verdict);
	else
		drop(c, verdict, &k->route);
	secret_wipe(plain, sizeof(plain));
	secret_wipe(&a, sizeof(a));
	return verdict == COUNT_ANSWER_RIGHT;
}

static void hash_body(const struct knock *k, uint8_t out[static ANSWER_HASH_BYTES])
{
	crypto_generichash(out, ANSWER_HASH_BYTES, k->veiled.body, k->veiled.body_len, NULL, 0);
}

static struct job *job_of(
    struct core *c, const struct knock *k, const struct client *cl, const struct challenge *ch)
{
	struct job *j = job_new(c, k, cl);

	j->t = ch->t;
	j->key.id = j->reply.attempt = ch->attempt;
	j->proves = true;
	j->x.wanted = true;
	j->x.is_result = true;
	j->x.envelope = ch->envelope;
	return j;
}

/* An M3 after the one that was accepted. */
static void repeated(
    struct core *c, const struct knock *k, const struct client *cl, const struct challenge *ch)
{
	uint8_t hash[ANSWER_HASH_BYTES];
	struct job *j;

	hash_body(k, hash);
	if (!secret_equal(hash, ch->answer_hash, sizeof(hash))) {
		drop(c, COUNT_ANSWER_WRONG, &k->route);
		return;
	}
	count(&c->counters, COUNT_ANSWER_AGAIN);
	j = job_of(c, k, cl, ch);
	j->kind = JOB_AGAIN;
	LL_APPEND(c->turn_jobs, j);
}

static int accept(struct core *c, const struct knock *k, const struct client *cl,
    const struct challenge *ch, struct client_record *rec, const struct envelope_state *state)
{
	struct job *j = job_of(c, k, cl, ch);
	struct request q;
	uint8_t unknown;
	int r = -1;

	j->x.state = *state;
	hash_body(k, j->answer_hash);
	rec->proven = true;
	/* It was read before the challenge went out. */
	if (request_decode(&q, ch->plain, ch->plain_len, &unknown) == 0) {
		j->verb = q.verb;
		r = decide(c, j, cl, &q, rec);
	}
	secret_wipe(&q, sizeof(q));
	if (r == 0)
		r = keep_save(c, cl->cid, rec);
	if (r == 0)
		LL_APPEND(c->turn_jobs, j);
	else
		job_free(c, j);
	return r;
}

int knock_answer(struct core *c, const struct knock *k, const struct client *cl)
{
	const struct challenge *ch = challenge_find(c, cl->cid);
	struct envelope_state state;
	struct client_record rec;
	int r = 0;

	if (!ch || ch->until_ms <= c->w.boot_ms(c->w.arg)) {
		drop(c, COUNT_ANSWER_NONE, &k->route);
		return 0;
	}
	if (!freshness_newer(ch->answer_t, k->veiled.label.t)) {
		drop(c, COUNT_ANSWER_OLD, &k->route);
		return 0;
	}
	if (!is_same_place(ch, &k->route)) {
		drop(c, COUNT_ANSWER_PLACE, &k->route);
		return 0;
	}
	if (ch->accepted) {
		repeated(c, k, cl, ch);
		return 0;
	}
	if (is_right(c, ch, k, &state)) {
		r = keep_load(c, cl->cid, &rec);
		/* A newer message of the client was reacted to: this one's time is over. */
		if (r == 0 && rec.mark != ch->t)
			drop(c, COUNT_ANSWER_NONE, &k->route);
		else if (r == 0)
			r = accept(c, k, cl, ch, &rec, &state);
	}
	secret_wipe(&state, sizeof(state));
	return r;
}
