/*
 * pgp - what waits for gpg: first messages that are to be opened, challenges
 * that are to be sealed. At most one of a client and PGP_WAITING_MAX in all, so
 * that nobody waits for anybody else; all other work goes on meanwhile.
 */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "errors.h"
#include "inside.h"
#include "secret.h"

enum { PGP_PATIENCE_MS = 5000 }; /* longer than openpgp takes to give up by itself */

_Static_assert((int)PGP_DATA_MAX == (int)PGP_LITERAL_MAX, "pgp_message.h and openpgp.h agree");
_Static_assert((int)PGP_DATA_MAX >= (int)BODY_MAX, "a message has room");

/* A challenge on its way out. */
struct pgp_seal {
	struct pgp_seal *prev, *next;
	uint64_t id, until_ms;
	struct exchange x;
};

static bool is_waiting(const struct core *c, size_t client, const uint8_t *cid)
{
	const struct knock *k;
	const struct pgp_seal *s;

	DL_FOREACH(c->opening, k)
		if (k->client == client)
			return true;
	DL_FOREACH(c->queue, k)
		if (k->client == client && k->opened)
			return true;
	DL_FOREACH(c->sealing, s)
		if (memcmp(s->x.cid, cid, CID_BYTES) == 0)
			return true;
	return false;
}

bool pgp_has_place(const struct core *c, const struct knock *k)
{
	return c->pgp_waiting < PGP_WAITING_MAX && !is_waiting(c, k->client, k->veiled.label.cid);
}

/* Returns the request's number, or 0: nobody takes it. */
static uint64_t ask(
    struct core *c, struct msg_pgp *m, enum pgp_message_type type, const uint8_t *cid)
{
	const struct client *cl = clients_by_cid(c->realm->clients, cid);

	if (!cl || !cl->openpgp)
		return 0;
	m->head = (struct ipc_head){.type = type, .len = sizeof(*m)};
	m->id = ++c->next_pgp;
	memcpy(m->fingerprint, cl->openpgp, strlen(cl->openpgp));
	return c->w.pgp(c->w.arg, m) == 0 ? m->id : 0;
}

bool pgp_open(struct core *c, struct knock *k)
{
	struct msg_pgp m = {.len = k->veiled.body_len};

	if (k->veiled.body_len == 0)
		return false;
	memcpy(m.data, k->veiled.body, k->veiled.body_len);
	k->pgp_id = ask(c, &m, MSG_PGP_OPEN, k->veiled.label.cid);
	if (k->pgp_id == 0)
		return false;
	k->pgp_until_ms = c->w.boot_ms(c->w.arg) + PGP_PATIENCE_MS;
	c->pgp_waiting++;
	DL_APPEND(c->opening, k);
	return true;
}

void pgp_forget_opened(struct core *c, struct knock *k)
{
	if (!k->opened)
		return;
	secret_wipe(k->opened, k->opened_len);
	free(k->opened);
	k->opened = NULL;
	c->pgp_waiting--;
}

static void give_up_opening(struct core *c, struct knock *k, enum auth_counter why)
{
	drop(c, why, &k->route);
	DL_DELETE(c->opening, k);
	DL_APPEND(c->free, k);
	c->pgp_waiting--;
	peers_unqueue(c->peers, k->client);
}

static void opened(struct core *c, struct knock *k, const struct msg_pgp *m)
{
	if (m->status != PGP_OK) {
		give_up_opening(c, k, m->status == PGP_REFUSED ? COUNT_FORGED : COUNT_PGP_FAILED);
		return;
	}
	k->opened_len = m->len;
	k->opened = malloc(m->len + 1U);
	if (!k->opened)
		abort();
	memcpy(k->opened, m->data, m->len);
	DL_DELETE(c->opening, k);
	DL_APPEND(c->queue, k);
	c->queued++;
}

int pgp_take_opened(void *arg, const uint8_t *message, size_t len, uint8_t *out, size_t cap)
{
	const struct knock *k = arg;

	(void)message;
	(void)len;
	if (!k->opened || k->opened_len > cap)
		return -E_FORGED;
	memcpy(out, k->opened, k->opened_len);
	return k->opened_len;
}

/* --- challenges --- */

int pgp_challenge(struct core *c, struct exchange *x, const uint8_t *reply, size_t len)
{
	struct msg_pgp m = {.len = 0};
	struct pgp_seal *s;
	uint64_t id;
	int n = openpgp_challenge_begin(
	    &x->state, c->realm->keys->server.public, reply, len, m.data, sizeof(m.data));

	if (n < 0)
		return n;
	m.len = (uint16_t)n;
	id = ask(c, &m, MSG_PGP_SEAL, x->cid);
	secret_wipe(&m, sizeof(m));
	if (id == 0)
		return -E_FULL;
	s = calloc(1, sizeof(*s));
	if (!s)
		abort();
	s->id = id;
	s->until_ms = c->w.boot_ms(c->w.arg) + PGP_PATIENCE_MS;
	s->x = *x;
	c->pgp_waiting++;
	DL_APPEND(c->sealing, s);
	return 0;
}

static void seal_free(struct core *c, struct pgp_seal *s)
{
	DL_DELETE(c->sealing, s);
	c->pgp_waiting--;
	secret_wipe(s, sizeof(*s));
	free(s);
}

/* The challenge that it is, unless another took its place or its time is over. */
static struct challenge *challenge_of(struct core *c, const struct pgp_seal *s)
{
	struct challenge *ch = challenge_find(c, s->x.cid);

	return ch && !ch->accepted && ch->envelope == s->x.envelope && ch->t == s->x.state.bind.t
		   ? ch
		   : NULL;
}

static void sealed(struct core *c, struct pgp_seal *s, const struct msg_pgp *m)
{
	struct challenge *ch = challenge_of(c, s);

	if (ch && m->status == PGP_OK && m->len <= BODY_MAX) {
		openpgp_challenge_end(&ch->state, m->data, m->len);
		answer_deliver(c, &s->x, s->x.envelope->challenge, m->data, m->len);
	} else if (ch) {
		count(&c->counters, m->status == PGP_OK ? COUNT_NO_ROOM : COUNT_PGP_FAILED);
		challenge_drop(c, ch);
	}
	seal_free(c, s);
}

/* --- from outside --- */

void core_pgp_done(struct core *c, const struct msg_pgp *m)
{
	struct knock *k;
	struct pgp_seal *s;

	DL_FOREACH(c->opening, k) {
		if (k->pgp_id == m->id) {
			opened(c, k, m);
			return;
		}
	}
	DL_FOREACH(c->sealing, s) {
		if (s->id == m->id) {
			sealed(c, s, m);
			return;
		}
	}
	/* Nobody waits for it any more. */
	count(&c->counters, COUNT_PGP_LATE);
}

static void give_up_sealing(struct core *c, struct pgp_seal *s)
{
	const struct msg_pgp failed = {.status = PGP_FAILED};

	sealed(c, s, &failed);
}

void pgp_expire(struct core *c, uint64_t now_ms)
{
	struct knock *k, *next_knock;
	struct pgp_seal *s, *next_seal;

	DL_FOREACH_SAFE(c->opening, k, next_knock)
		if (k->pgp_until_ms <= now_ms)
			give_up_opening(c, k, COUNT_PGP_FAILED);
	DL_FOREACH_SAFE(c->sealing, s, next_seal)
		if (s->until_ms <= now_ms)
			give_up_sealing(c, s);
}

void core_pgp_gone(struct core *c)
{
	pgp_expire(c, UINT64_MAX);
}

bool pgp_is_idle(const struct core *c)
{
	return !c->opening && !c->sealing;
}

void pgp_free(struct core *c)
{
	struct knock *k;
	struct pgp_seal *s, *next;

	DL_FOREACH(c->queue, k)
		pgp_forget_opened(c, k);
	DL_FOREACH_SAFE(c->sealing, s, next)
		seal_free(c, s);
}
