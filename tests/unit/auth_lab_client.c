/* The lab's clients: what they say, how it comes in, and what they make of the answers. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "auth_lab.h"
#include "auth_lab_inside.h"
#include "carrier.h"
#include "secret.h"

static const struct envelope *envelope_of(const struct lab *l)
{
	return l->pgp ? &envelope_openpgp : &envelope_noise;
}

struct request lab_request(enum verb v)
{
	struct request q = {.verb = v, .flags = REQUEST_REPLY};

	secret_random(&q.attempt, sizeof(q.attempt));
	return q;
}

struct request lab_open(const char *service)
{
	struct request q = lab_request(VERB_OPEN);

	q.services = 1;
	snprintf(q.service[0], sizeof(q.service[0]), "%s", service);
	return q;
}

static uint64_t next_t(struct lab *l, struct lab_client *c, uint64_t t)
{
	if (t == 0)
		t = l->real_ns > c->last_t ? l->real_ns : c->last_t + 1;
	if (t > c->last_t)
		c->last_t = t;
	return t;
}

static struct envelope_keys keys_of(const struct lab *l, const struct lab_client *c)
{
	return (struct envelope_keys){
	    .own = &c->keys, .peer = l->server.public, .psk = c->derived.psk, .pgp = &c->pgp};
}

static enum carrier_id carrier_of(const struct lab *l)
{
	return l->along != 0 ? CARRIER_SEQUENCE : CARRIER_UDP;
}

static void wrap(struct lab *l, struct lab_message *m, enum kind kind, uint64_t t,
    const uint8_t *body, size_t len)
{
	struct veiled v = {.kind = kind, .body = body, .body_len = (uint16_t)len};
	struct door_keys keys;

	memcpy(v.label.cid, m->client->cid, CID_BYTES);
	v.label.t = t;
	label_sign(&v.label, m->client->derived.label, kind, carrier_of(l), body, len);
	door_keys_derive(&keys, l->door_key[m->door_key]);
	m->len = (uint16_t)veil_length_client(veil_need(kind, len), VEIL_ROOM);
	veil_seal(&keys.to_server, carrier_of(l), &v, m->veil, m->len);
}

static struct lab_message m1_at(
    struct lab *l, struct lab_client *c, const uint8_t *plain, size_t plain_len, uint64_t t)
{
	struct lab_message m = {.client = c, .from = c->address, .port = c->port};
	struct envelope_bind bind = {.carrier = carrier_of(l)};
	struct envelope_keys keys = keys_of(l, c);
	uint8_t body[BODY_MAX];
	int len;

	m.t = bind.t = next_t(l, c, t);
	memcpy(bind.cid, c->cid, CID_BYTES);
	len = envelope_of(l)->seal_request(
	    &m.state, &bind, &keys, plain, plain_len, body, sizeof(body));
	assert_true(len > 0);
	wrap(l, &m, envelope_of(l)->request, m.t, body, (size_t)len);
	return m;
}

struct lab_message lab_m1_plain(
    struct lab *l, struct lab_client *c, const uint8_t *plain, size_t len)
{
	return m1_at(l, c, plain, len, 0);
}

struct lab_message lab_m1(struct lab *l, struct lab_client *c, const struct request *q, uint64_t t)
{
	uint8_t plain[REQUEST_MAX];
	struct request own = *q;
	struct lab_message m;
	int len;

	own.has_reply_key = l->pgp && (q->flags & REQUEST_REPLY);
	if (own.has_reply_key)
		secret_random(own.reply_key, sizeof(own.reply_key));
	len = request_encode(&own, plain, sizeof(plain));
	assert_true(len > 0);
	m = m1_at(l, c, plain, (size_t)len, t);
	m.attempt = q->attempt;
	return m;
}

static struct lab_message m3_at(struct lab *l, struct lab_client *c, struct lab_message *m1,
    const uint8_t *plain, size_t plain_len, uint64_t t)
{
	struct lab_message m = *m1;
	int len = envelope_of(l)->seal_answer(&m1->state, plain, plain_len, m.body, sizeof(m.body));

	assert_true(len > 0);
	m.state = m1->state;
	m.body_len = (uint16_t)len;
	wrap(l, &m, envelope_of(l)->answer, next_t(l, c, t), m.body, m.body_len);
	return m;
}

struct lab_message lab_m3_plain(
    struct lab *l, struct lab_client *c, struct lab_message *m1, const uint8_t *plain, size_t len)
{
	return m3_at(l, c, m1, plain, len, 0);
}

struct lab_message lab_m3(struct lab *l, struct lab_client *c, struct lab_message *m1,
    const struct reply *p, uint64_t t, const struct answer *a)
{
	struct answer truth = {.attempt = m1->attempt, .t = m1->t, .seen = p->address_seen};
	uint8_t plain[REQUEST_MAX];
	int len = answer_encode(a ? a : &truth, plain, sizeof(plain));

	assert_true(len > 0);
	return m3_at(l, c, m1, plain, (size_t)len, t);
}

struct lab_message lab_m3_again(struct lab *l, struct lab_client *c, const struct lab_message *m3)
{
	struct lab_message m = *m3;

	wrap(l, &m, envelope_of(l)->answer, next_t(l, c, 0), m.body, m.body_len);
	return m;
}

/* --- the way in --- */

/* The server's address of the client's family. */
static struct address server_address(const struct address *client)
{
	const uint8_t v4[4] = {192, 0, 2, 1}, v6[16] = {0x20, 1, 0xd, 0xb8, [7] = 1, [15] = 1};

	return address_is_v4(client) ? address_v4(v4) : address_v6(v6);
}

int lab_deliver(struct lab *l, const struct lab_message *m)
{
	struct msg_knock k = {.head = {.type = MSG_KNOCK, .len = sizeof(k)},
	    .seen_ns = l->real_ns,
	    .client_port = m->port,
	    .server_port = LAB_PORT,
	    .request_len = m->len,
	    .along = l->along,
	    .carrier = (uint8_t)carrier_of(l)};
	struct address server = server_address(&m->from);
	struct door_keys keys;
	struct veiled v;
	int len = -1;

	memcpy(k.client, m->from.b, ADDRESS_BYTES);
	memcpy(k.server, server.b, ADDRESS_BYTES);
	for (unsigned i = 0; i < l->door_keys && len < 0; i++) {
		door_keys_derive(&keys, l->door_key[i]);
		if (!veil_gate_ok(&keys.to_server, m->veil, m->len))
			continue;
		len = veil_open(&keys.to_server, carrier_of(l), m->veil, m->len, k.plain, &v);
		k.door_key = (uint8_t)i;
	}
	if (len < 0)
		return 0;
	k.plain_len = (uint16_t)len;
	return core_receive(l->core, &k, l->capture);
}

/* --- the way back --- */

bool lab_take(struct lab *l, struct lab_packet *out)
{
	if (l->sent == 0)
		return false;
	*out = l->packet[0];
	memmove(&l->packet[0], &l->packet[1], --l->sent * sizeof(l->packet[0]));
	return true;
}

bool lab_read(struct lab *l, struct lab_message *m, const struct lab_packet *p, struct reply *out)
{
	struct envelope_keys keys = keys_of(l, m->client);
	uint8_t plain[VEIL_PLAIN_MAX], reply[ENVELOPE_PLAIN_MAX];
	struct door_keys door;
	struct envelope_state trial = m->state;
	struct address server = server_address(&m->from);
	const struct envelope *e = envelope_of(l);
	struct veiled v;
	int len;

	door_keys_derive(&door, l->door_key[m->door_key]);
	if (!address_equal(&p->to, &m->from) || p->to_port != m->port)
		return false;
	/* From where the knock was sent to, or no NAT and no client takes it. */
	assert_true(address_equal(&p->from, &server) && p->from_port == LAB_PORT);
	if (veil_open(&door.to_client, carrier_of(l), p->veil, p->len, plain, &v) < 0)
		return false;
	if (v.kind == e->challenge)
		len = e->open_challenge(&trial, &keys, v.body, v.body_len, reply, sizeof(reply));
	else
		len = e->open_result(&trial, v.body, v.body_len, reply, sizeof(reply));
	if (len < 0 || reply_decode(out, reply, (size_t)len) < 0)
		return false;
	assert_true(p->len <= m->len);
	m->state = trial;
	return true;
}

bool lab_reply(struct lab *l, struct lab_message *m, struct reply *out)
{
	struct lab_packet p;

	return lab_take(l, &p) && lab_read(l, m, &p, out);
}

bool lab_prove(struct lab *l, struct lab_client *c)
{
	struct request q = lab_request(VERB_PING);
	struct lab_message m1 = lab_m1(l, c, &q, 0), m3;
	struct reply p;

	lab_knock(l, &m1);
	if (!lab_reply(l, &m1, &p) || p.verdict != VERDICT_CHALLENGE)
		return false;
	m3 = lab_m3(l, c, &m1, &p, 0, NULL);
	lab_knock(l, &m3);
	return lab_reply(l, &m3, &p) && p.verdict == VERDICT_OK;
}

int lab_ask(struct lab *l, struct lab_client *c, const struct request *q, struct reply *p)
{
	struct lab_message m = lab_m1(l, c, q, 0);
	struct reply own;

	lab_knock(l, &m);
	return lab_reply(l, &m, p ? p : &own) ? (int)(p ? p : &own)->verdict : -1;
}

int lab_open_service(struct lab *l, struct lab_client *c, const char *service, struct reply *p)
{
	struct request q = lab_open(service);

	return lab_ask(l, c, &q, p);
}
