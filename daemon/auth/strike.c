/*
 * strike - against who holds a client's keys and tries out the rest: PINs,
 * codes, services. Each try is a strike in the client's record, and the record
 * is written with the mark anyway; some slow the client down, too many suspend
 * it for a time. Time forgives one after the other.
 *
 * Only what was authentic counts, or at least has a label that holds, which
 * nobody makes without the client's secret; and no message counts twice. So
 * nobody else's packets suspend a client.
 */
#include <sodium.h>
#include <string.h>

#include "clock.h"
#include "factors.h"
#include "inside.h"
#include "secret.h"

enum {
	FREE_STRIKES = 5,
	SLOW_MS = 1000, /* for each strike beyond those */
	SLOW_MAX_MS = 8000,
	TWIN_MS = 10000, /* a knock over two families is over by then, retries and all */
	REPEATS_MAX = 16,
};

static uint64_t now_s(const struct core *c)
{
	return c->w.real_ns(c->w.arg) / NS_PER_S;
}

bool strike_is_out(const struct core *c, const struct client_record *r)
{
	const struct config *config = &c->realm->config;
	const uint64_t now = now_s(c);

	/* More rest than there can be: the clock was set back. */
	return config->suspend_after > 0 && r->suspended_until_s > now &&
	       r->suspended_until_s - now <= config->suspend_for_s;
}

static void slow_down(struct core *c, const struct client *cl, unsigned strikes)
{
	uint64_t ms = strikes > FREE_STRIKES ? (strikes - FREE_STRIKES) * (uint64_t)SLOW_MS : 0;

	if (ms > SLOW_MAX_MS)
		ms = SLOW_MAX_MS;
	if (ms > 0)
		peers_pause(
		    c->peers, clients_index(c->realm->clients, cl), c->w.boot_ms(c->w.arg) + ms);
}

/*
 * What is tried out, whoever it is for and whichever packet it came in. A code may be right in its
 * next step, so a step is a part of it. Returns 0, or -1: it cannot be told.
 */
static int hash_try(const struct core *c, const struct request *q, uint8_t out[static TRY_BYTES])
{
	struct request plain = *q;
	uint8_t bytes[REQUEST_MAX + sizeof(uint64_t)];
	const uint64_t step = q->code[0] != '\0' ? now_s(c) / CODE_STEP_S : 0;

	plain.attempt = 0;
	plain.flags = 0;
	plain.has_own_address = false;
	plain.has_reply_key = false;
	const int len = request_encode(&plain, bytes + sizeof(step), REQUEST_MAX);
	memcpy(bytes, &step, sizeof(step));
	if (len > 0)
		crypto_generichash(
		    out, TRY_BYTES, bytes, sizeof(step) + (size_t)len, c->try_key, KEY_BYTES);
	secret_wipe(&plain, sizeof(plain));
	secret_wipe(bytes, sizeof(bytes));
	return len > 0 ? 0 : -1;
}

static struct tried *last_try(struct core *c, const uint8_t *cid)
{
	for (unsigned i = 0; i < TRIES_REMEMBERED; i++) {
		if (memcmp(c->tried[i].cid, cid, CID_BYTES) == 0)
			return &c->tried[i];
	}
	return NULL;
}

/*
 * An attempt over the other family is the same try; and one that is made again, which a client
 * does that hears no answer, is no other. Each of them costs us the same work: so not for ever.
 */
static bool is_same_try(struct tried *t, const struct job *j)
{
	const bool v4 = address_is_v4(&j->x.route.client);

	if (j->key.id == t->attempt || (t->has_twin && j->key.id == t->twin))
		return t->repeats++ < REPEATS_MAX;
	if (t->has_twin || t->v4 == v4)
		return false;
	t->has_twin = true;
	t->twin = j->key.id;
	return true;
}

bool strike_is_known(struct core *c, const struct job *j, const struct request *q)
{
	const uint64_t now = c->w.boot_ms(c->w.arg);
	struct tried *t = last_try(c, j->key.cid);
	uint8_t hash[TRY_BYTES];

	if (hash_try(c, q, hash) < 0)
		return false;
	if (t && t->at_ms != 0 && now - t->at_ms < TWIN_MS &&
	    secret_equal(t->hash, hash, TRY_BYTES) && is_same_try(t, j))
		return true;
	if (!t) {
		t = &c->tried[c->tried_next];
		c->tried_next = (c->tried_next + 1) % TRIES_REMEMBERED;
	}
	*t = (struct tried){.at_ms = now > 0 ? now : 1,
	    .v4 = address_is_v4(&j->x.route.client),
	    .attempt = j->key.id};
	memcpy(t->cid, j->key.cid, CID_BYTES);
	memcpy(t->hash, hash, TRY_BYTES);
	return false;
}

void strike(struct core *c, struct job *j, const struct client *cl, struct client_record *r,
    const char *why)
{
	const struct config *config = &c->realm->config;
	const uint64_t now = now_s(c);
	const unsigned strikes = strikes_left(r->strikes, r->strike_s, now) + 1;

	count(&c->counters, COUNT_STRIKE);
	r->strikes = (uint8_t)(strikes > UINT8_MAX ? UINT8_MAX : strikes);
	r->strike_s = now;
	slow_down(c, cl, strikes);
	/* An address in X-Forwarded-For is somebody's word. */
	if (j->proves && j->x.route.carrier != CARRIER_HTTP)
		j->struck = why;
	if (config->suspend_after == 0 || strikes < config->suspend_after || strike_is_out(c, r))
		return;
	r->strikes = 0;
	r->suspended_until_s = now + config->suspend_for_s;
	j->suspended = why;
}

void strike_tell(struct core *c, const struct job *j)
{
	char from[ADDRESS_TEXT];

	if (j->struck)
		ban_strike(c, &j->x.route.client, j->client, j->struck);
	if (!j->suspended)
		return;
	count(&c->counters, COUNT_SUSPENDED);
	log_error("suspended",
	    "client=%s from=%s why=%s for_s=%u: look who has its keys; posternctl client resume %s "
	    "lets it in again",
	    j->client, address_text(&j->x.route.client, from), j->suspended,
	    c->realm->config.suspend_for_s, j->client);
	audit_event(c, j, JOURNAL_SUSPENDED, j->suspended);
}

int core_resume(struct core *c, const char *name)
{
	const struct client *cl = clients_by_name(c->realm->clients, name);
	struct client_record r;
	bool was_out;

	if (!cl)
		return RESUME_UNKNOWN;
	if (keep_begin(c) < 0 || keep_write_late(c) < 0 || keep_load(c, cl->cid, &r) < 0)
		goto failed;
	was_out = strike_is_out(c, &r);
	r.strikes = 0;
	r.suspended_until_s = 0;
	if (keep_save(c, cl->cid, &r) < 0 || keep_commit(c) < 0)
		goto failed;
	peers_pause(c->peers, clients_index(c->realm->clients, cl), 0);
	if (!was_out)
		return RESUME_NOTHING;
	log_info("resumed", "client=%s", cl->name);
	audit_client(c, cl, JOURNAL_RESUMED);
	return RESUME_DONE;
failed:
	keep_abort(c);
	return RESUME_FAILED;
}
