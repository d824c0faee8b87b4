/*
 * take - the cheap checks, in the order of their cost: form, client, label,
 * mark, bucket. Who passes waits for costly work; a holder of the door key
 * alone gets no further than his label.
 */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "errors.h"
#include "fault.h"
#include "freshness.h"
#include "inside.h"
#include "secret.h"

_Static_assert((int)KNOCK_PLAIN_MAX == (int)VEIL_PLAIN_MAX, "message.h and veil.h agree");

bool core_has_room(const struct core *c)
{
	return c->free != NULL;
}

static struct route route_of(const struct msg_knock *m)
{
	return (struct route){.carrier = (enum carrier_id)m->carrier,
	    .client = address_v6(m->client),
	    .server = address_v6(m->server),
	    .client_port = m->client_port,
	    .server_port = m->server_port,
	    .is_tcp = m->is_tcp != 0,
	    .tcp_seq = m->tcp_seq,
	    .tcp_tsval = m->tcp_tsval,
	    .request_len = m->request_len,
	    .ifindex = m->ifindex,
	    .along = m->along};
}

void drop(struct core *c, enum auth_counter why, const struct route *r)
{
	char from[ADDRESS_TEXT];
	uint64_t missed = 0;

	count(&c->counters, why);
	if (log_allowed(&c->junk_log, c->w.boot_ms(c->w.arg), &missed))
		log_info("dropped", "why=%s from=%s missed=%llu", counter_name(why),
		    address_text(&r->client, from), (unsigned long long)missed);
}

static void store_failed(struct core *c)
{
	count(&c->counters, COUNT_STORE_FAILED);
	keep_abort(c);
}

/* The same message may come several times before it is worked on: that must cost its client nothing. */
static bool has_place(struct core *c, const struct knock *k, bool answer)
{
	switch (peers_queue(c->peers, k->client, k->veiled.label.t, answer)) {
	case PEERS_QUEUED:
		return true;
	case PEERS_REPEAT:
		count(&c->counters, COUNT_REPEAT);
		break;
	case PEERS_MANY:
		drop(c, COUNT_RATE, &k->route);
		break;
	}
	return false;
}

/* A first message is newer than all before it, and its client has tokens left. */
static bool first_passes(struct core *c, const struct knock *k)
{
	uint64_t mark;

	if (keep_mark(c, k->veiled.label.cid, &mark) < 0) {
		store_failed(c);
		return false;
	}
	if (!freshness_newer(mark, k->veiled.label.t)) {
		drop(c, COUNT_REPLAY, &k->route);
		return false;
	}
	if (k->veiled.kind == KIND_PGP_REQUEST && !pgp_has_place(c, k)) {
		count(&c->counters, COUNT_PGP_BUSY);
		return false;
	}
	if (!has_place(c, k, false))
		return false;
	if (!peers_allow(c->peers, k->client, c->w.boot_ms(c->w.arg))) {
		peers_unqueue(c->peers, k->client);
		drop(c, COUNT_RATE, &k->route);
		return false;
	}
	return true;
}

/*
 * An answer costs no Diffie-Hellman, so all of it is checked here; and it takes
 * no token, or whoever repeats it could use up its sender's.
 */
static bool answer_passes(struct core *c, const struct knock *k)
{
	struct proof found = {0};
	enum auth_counter verdict =
	    answer_judge(c, challenge_find(c, k->veiled.label.cid), k, &found);

	secret_wipe(&found, sizeof(found));
	if (verdict == COUNT_ANSWER_RIGHT || verdict == COUNT_ANSWER_AGAIN)
		return has_place(c, k, true);
	drop(c, verdict, &k->route);
	return false;
}

/* What a second capture saw as well is neither news nor a replay. */
static bool is_copy(struct core *c, const struct msg_knock *m, uint32_t capture)
{
	if (!copies_has(&c->copies, m, capture))
		return false;
	count(&c->counters, COUNT_DUPLICATE);
	return true;
}

/*
 * A client's own message, along a sequence that is not its own: silence, as
 * for a stranger. Nothing is spent, since who copies packets could have sent
 * them there. Whoever gave the client another is told, of what is new and at
 * a limited rate, or copies could fill the journal.
 */
static void go_astray(struct core *c, const struct knock *k, const struct client *cl)
{
	char names[SEQUENCE_NAMES_BYTES], why[REASON_MAX + 1], from[ADDRESS_TEXT];
	uint64_t mark, missed = 0;

	count(&c->counters, COUNT_SEQUENCE);
	if (keep_mark(c, k->veiled.label.cid, &mark) < 0) {
		store_failed(c);
		return;
	}
	if (!freshness_newer(mark, k->veiled.label.t) ||
	    !log_allowed(&c->stray_log, c->w.boot_ms(c->w.arg), &missed))
		return;
	sequence_names(&c->realm->config, k->route.along, names);
	log_info("dropped", "why=sequence client=%s from=%s sequence=%s missed=%llu", cl->name,
	    address_text(&k->route.client, from), names, (unsigned long long)missed);
	snprintf(why, sizeof(why), "along a sequence that is not its own: %.100s", names);
	audit_address(c, &k->route.client, cl->name, JOURNAL_DROPPED, why);
}

static bool passes(struct core *c, struct knock *k, const struct msg_knock *m, uint32_t capture)
{
	const struct envelope *e;
	const struct client *cl;
	const struct client_keys *keys;

	if (veil_parse(k->plain, m->plain_len, &k->veiled) < 0 ||
	    !kind_from_client(k->veiled.kind) || !(e = envelope_by_kind(k->veiled.kind))) {
		drop(c, COUNT_FORM, &k->route);
		return false;
	}
	cl = clients_by_cid(c->realm->clients, k->veiled.label.cid);
	if (!cl) {
		drop(c, COUNT_CLIENT, &k->route);
		return false;
	}
	k->client = clients_index(c->realm->clients, cl);
	keys = peers_keys(c->peers, k->client, cl);
	if (!label_ok(&k->veiled.label, keys->label, k->veiled.kind, k->route.carrier,
		k->veiled.body, k->veiled.body_len)) {
		drop(c, COUNT_LABEL, &k->route);
		return false;
	}
	if (!client_may_use(cl, e == &envelope_openpgp)) {
		drop(c, COUNT_ENVELOPE, &k->route);
		return false;
	}
	if (!client_may_knock_by(cl, k->route.carrier)) {
		drop(c, COUNT_CARRIER, &k->route);
		return false;
	}
	if (is_copy(c, m, capture))
		return false;
	if (k->route.carrier == CARRIER_SEQUENCE && !client_may_knock_along(cl, k->route.along)) {
		go_astray(c, k, cl);
		return false;
	}
	return k->veiled.kind == e->request ? first_passes(c, k) : answer_passes(c, k);
}

/* What even a message full of junk keeps to, unless the capture that sends it was taken. */
static bool is_honest(const struct core *c, const struct msg_knock *m)
{
	return m->plain_len <= KNOCK_PLAIN_MAX && m->door_key < c->realm->keys->doors &&
	       carrier_by_id((enum carrier_id)m->carrier) != NULL;
}

/* Into the queue, or to gpg first. */
static void let_in(struct core *c, struct knock *k)
{
	DL_DELETE(c->free, k);
	if (k->veiled.kind != KIND_PGP_REQUEST) {
		DL_APPEND(c->queue, k);
		c->queued++;
	} else if (!pgp_open(c, k)) {
		drop(c, COUNT_PGP_DOWN, &k->route);
		DL_APPEND(c->free, k);
		peers_unqueue(c->peers, k->client);
	}
}

int core_receive(struct core *c, const struct msg_knock *m, uint32_t capture)
{
	struct knock *k = c->free;

	count(&c->counters, COUNT_RECEIVED);
	FAULT("auth.received");
	/* After a change of door keys a capture may still speak of one that is gone. */
	if (m->plain_len > KNOCK_PLAIN_MAX || m->door_key >= DOOR_KEYS_MAX)
		return -E_FORMAT;
	if (!is_honest(c, m)) {
		count(&c->counters, COUNT_FORM);
		return 0;
	}
	if (!k) {
		count(&c->counters, COUNT_QUEUE);
		return 0;
	}
	k->route = route_of(m);
	k->door_key = m->door_key;
	memcpy(k->plain, m->plain, m->plain_len);
	if (passes(c, k, m, capture))
		let_in(c, k);
	return 0;
}
