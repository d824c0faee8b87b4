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

static void hash_body(const struct knock *k, uint8_t out[static ANSWER_HASH_BYTES])
{
	crypto_generichash(out, ANSWER_HASH_BYTES, k->veiled.body, k->veiled.body_len, NULL, 0);
}

static bool is_same_body(const struct challenge *ch, const struct knock *k)
{
	uint8_t hash[ANSWER_HASH_BYTES];

	hash_body(k, hash);
	return secret_equal(hash, ch->answer_hash, sizeof(hash));
}

static enum auth_counter open_answer(
    const struct challenge *ch, const struct knock *k, struct proof *found)
{
	uint8_t plain[ENVELOPE_PLAIN_MAX];
	const struct answer *a = &found->said;
	enum auth_counter verdict = COUNT_ANSWER_RIGHT;
	int len;

	found->state = ch->state;
	len = ch->envelope->open_answer(
	    &found->state, k->veiled.body, k->veiled.body_len, plain, sizeof(plain));
	if (len < 0)
		verdict = COUNT_ANSWER_FORGED;
	else if (answer_decode(&found->said, plain, (size_t)len) < 0 || a->attempt != ch->attempt ||
		 a->t != ch->t || !address_equal(&a->seen, &ch->seen))
		verdict = COUNT_ANSWER_WRONG;
	secret_wipe(plain, sizeof(plain));
	return verdict;
}

enum auth_counter answer_judge(
    const struct core *c, const struct challenge *ch, const struct knock *k, struct proof *found)
{
	if (!ch || ch->until_ms <= c->w.boot_ms(c->w.arg))
		return COUNT_ANSWER_NONE;
	if (!freshness_newer(ch->answer_t, k->veiled.label.t))
		return COUNT_ANSWER_OLD;
	if (!is_same_place(ch, &k->route))
		return COUNT_ANSWER_PLACE;
	if (k->veiled.kind != ch->envelope->answer)
		return COUNT_ANSWER_FORGED;
	if (ch->accepted)
		return is_same_body(ch, k) ? COUNT_ANSWER_AGAIN : COUNT_ANSWER_WRONG;
	return open_answer(ch, k, found);
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

/* As if M1 had had them; what it may have had without being asked does not count. */
static void take_secrets(struct request *q, const struct answer *a)
{
	memcpy(q->code, a->code, sizeof(q->code));
	memcpy(q->pin, a->pin, sizeof(q->pin));
	q->pin_len = a->pin_len;
}

static int accept(struct core *c, const struct knock *k, const struct client *cl,
    const struct challenge *ch, struct client_record *rec, const struct proof *found)
{
	struct job *j = job_of(c, k, cl, ch);
	struct request q;
	uint8_t unknown;
	int r = -1;

	j->x.state = found->state;
	hash_body(k, j->answer_hash);
	rec->proven = true;
	/* It was read before the challenge went out. */
	if (request_decode(&q, ch->plain, ch->plain_len, &unknown) == 0) {
		audit_asked(j, &q);
		take_secrets(&q, &found->said);
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

static int prove(struct core *c, const struct knock *k, const struct client *cl,
    const struct challenge *ch, const struct proof *found)
{
	struct client_record rec;

	if (keep_load(c, cl->cid, &rec) < 0)
		return -1;
	/* A newer message of the client was reacted to: this one's time is over. */
	if (rec.mark != ch->t) {
		drop(c, COUNT_ANSWER_NONE, &k->route);
		return 0;
	}
	count(&c->counters, COUNT_ANSWER_RIGHT);
	return accept(c, k, cl, ch, &rec, found);
}

int knock_answer(struct core *c, const struct knock *k, const struct client *cl)
{
	const struct challenge *ch = challenge_find(c, cl->cid);
	struct proof found = {0};
	/* Once more: the message before it in this queue may have been the one. */
	enum auth_counter verdict = answer_judge(c, ch, k, &found);
	int r = 0;

	if (verdict == COUNT_ANSWER_RIGHT) {
		r = prove(c, k, cl, ch, &found);
	} else if (verdict == COUNT_ANSWER_AGAIN) {
		struct job *j = job_of(c, k, cl, ch);

		count(&c->counters, verdict);
		j->kind = JOB_AGAIN;
		LL_APPEND(c->turn_jobs, j);
	} else {
		drop(c, verdict, &k->route);
	}
	secret_wipe(&found, sizeof(found));
	return r;
}
