#include "worked.h"

#include <stdlib.h>
#include <string.h>

#include "answers.h"
#include "emit.h"
#include "envelope.h"
#include "pieces.h"
#include "request.h"
#include "script.h"
#include "sets.h"

enum { PLAIN_MAX = 512, BODY_ROOM = PLAIN_MAX + 96 };

/* Everything that a knock rests on, and how far it has come. */
struct scene {
	struct emit e;
	struct keypair client, server;
	uint8_t cid[CID_BYTES];
	uint8_t client_secret[KEY_BYTES];
	uint8_t door_key[KEY_BYTES];
	struct door_keys door;
	struct client_keys shared;
	struct envelope_state c, s;
	struct envelope_bind bind;
	uint8_t chance; /* the next "random" bytes start with it */
};

/* A body under way, on whichever side. */
struct message {
	enum kind kind;
	uint64_t t; /* of the label */
	uint8_t plain[PLAIN_MAX];
	uint8_t body[BODY_ROOM];
	size_t plain_len, body_len;
	size_t padding; /* zeros beyond what is needed */
};

static size_t must(int len)
{
	if (len < 0)
		abort();
	return (size_t)len;
}

static void fill(uint8_t *out, size_t len, uint8_t n)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)(n + i);
}

static const uint8_t *chance(struct scene *s, size_t len)
{
	const uint8_t *bytes = script_add(s->chance, len);

	s->chance = (uint8_t)(s->chance + len);
	return bytes;
}

static struct address address_of(const char *text)
{
	struct address a;

	if (address_parse(text, &a) < 0)
		abort();
	return a;
}

/* --- keys --- */

static void make_keys(struct scene *s)
{
	uint8_t secret[KEY_BYTES];

	fill(secret, KEY_BYTES, 0x01);
	keypair_from_secret(&s->server, secret);
	fill(secret, KEY_BYTES, 0x21);
	keypair_from_secret(&s->client, secret);
	fill(s->client_secret, KEY_BYTES, 0x41);
	fill(s->door_key, KEY_BYTES, 0x61);
	fill(s->cid, CID_BYTES, 0xc1);
	door_keys_derive(&s->door, s->door_key);
	client_keys_derive(&s->shared, s->client_secret);
}

static void tell_keys(struct scene *s)
{
	struct emit *e = &s->e;

	emit_open(e, "keys", '{');
	emit_hex(e, "server_private", s->server.secret, KEY_BYTES);
	emit_hex(e, "server_public", s->server.public, KEY_BYTES);
	emit_hex(e, "client_private", s->client.secret, KEY_BYTES);
	emit_hex(e, "client_public", s->client.public, KEY_BYTES);
	emit_hex(e, "cid", s->cid, CID_BYTES);
	emit_hex(e, "client_secret", s->client_secret, KEY_BYTES);
	emit_hex(e, "psk", s->shared.psk, KEY_BYTES);
	emit_hex(e, "label_key", s->shared.label, SHORT_KEY_BYTES);
	emit_hex(e, "door_key", s->door_key, KEY_BYTES);
	emit_hex(e, "veil_to_server", s->door.to_server.veil, KEY_BYTES);
	emit_hex(e, "veil_to_client", s->door.to_client.veil, KEY_BYTES);
	emit_hex(e, "gate_to_server", s->door.to_server.gate, SHORT_KEY_BYTES);
	emit_hex(e, "gate_to_client", s->door.to_client.gate, SHORT_KEY_BYTES);
	emit_hex(e, "sequence_tag", s->door.sequence_tag, SHORT_KEY_BYTES);
	emit_hex(e, "sequence_mask", s->door.sequence_mask, SHORT_KEY_BYTES);
	emit_hex(e, "picture", s->door.picture, KEY_BYTES);
	emit_hex(e, "ports", s->door.ports, KEY_BYTES);
	emit_close(e, '}');
}

/* --- one message, from its plaintext to the packet --- */

static struct envelope_keys keys_of_client(const struct scene *s)
{
	return (struct envelope_keys){
	    .own = &s->client, .peer = s->server.public, .psk = s->shared.psk};
}

static struct envelope_keys keys_of_server(const struct scene *s)
{
	return (struct envelope_keys){
	    .own = &s->server, .peer = s->client.public, .psk = s->shared.psk};
}

/* Into the envelope by one side and out of it by the other. */
static void through_envelope(struct scene *s, struct message *m)
{
	const struct envelope *v = &envelope_noise;
	const struct envelope_keys client = keys_of_client(s);
	const struct envelope_keys server = keys_of_server(s);
	uint8_t seen[PLAIN_MAX];
	size_t len = 0;

	if (m->kind == KIND_M1) {
		m->body_len = must(v->seal_request(
		    &s->c, &s->bind, &client, m->plain, m->plain_len, m->body, BODY_ROOM));
		len = must(v->open_request(
		    &s->s, &s->bind, &server, m->body, m->body_len, seen, sizeof(seen)));
	} else if (m->kind == KIND_M2) {
		m->body_len =
		    must(v->seal_reply(&s->s, &server, m->plain, m->plain_len, m->body, BODY_ROOM));
		len = must(v->open_reply(&s->c, &client, m->body, m->body_len, seen, sizeof(seen)));
	} else if (m->kind == KIND_M3) {
		m->body_len =
		    must(v->seal_answer(&s->c, m->plain, m->plain_len, m->body, BODY_ROOM));
		len = must(v->open_answer(&s->s, m->body, m->body_len, seen, sizeof(seen)));
	} else {
		m->body_len =
		    must(v->seal_result(&s->s, m->plain, m->plain_len, m->body, BODY_ROOM));
		len = must(v->open_result(&s->c, m->body, m->body_len, seen, sizeof(seen)));
	}
	if (len != m->plain_len || memcmp(seen, m->plain, len) != 0)
		abort();
}

static void through_veil(struct scene *s, const struct message *m)
{
	struct emit *e = &s->e;
	bool up = kind_from_client(m->kind);
	const struct veil_keys *k = up ? &s->door.to_server : &s->door.to_client;
	struct veiled v = {.kind = m->kind, .body = m->body, .body_len = (uint16_t)m->body_len};
	uint8_t packet[VEIL_ROOM];
	uint8_t plain[VEIL_PLAIN_MAX];
	size_t total = veil_need(m->kind, m->body_len) + m->padding;

	if (up) {
		memcpy(v.label.cid, s->cid, CID_BYTES);
		v.label.t = m->t;
		label_sign(
		    &v.label, s->shared.label, m->kind, s->bind.carrier, m->body, m->body_len);
		emit_u64(e, "t", m->t);
		emit_hex(e, "label_mac", v.label.mac, sizeof(v.label.mac));
	}
	emit_hex(e, "nonce", chance(s, VEIL_NONCE_BYTES), VEIL_NONCE_BYTES);
	veil_seal(k, s->bind.carrier, &v, packet, total);
	if (!veil_gate_ok(k, packet, total))
		abort();
	size_t len = must(veil_open(k, s->bind.carrier, packet, total, plain, &v));
	emit_hex(e, "veil_plain", plain, len);
	emit_hex(e, "packet", packet, total);
}

static void send(struct scene *s, struct message *m)
{
	struct emit *e = &s->e;
	bool has_ephemeral = m->kind == KIND_M1 || m->kind == KIND_M2;

	emit_open(e, NULL, '{');
	emit_number(e, "kind", m->kind);
	emit_hex(e, "plain", m->plain, m->plain_len);
	if (has_ephemeral)
		emit_hex(e, "ephemeral", chance(s, KEY_BYTES), KEY_BYTES);
	through_envelope(s, m);
	emit_hex(e, "body", m->body, m->body_len);
	through_veil(s, m);
	emit_close(e, '}');
}

/* --- what is said --- */

static void begin_exchange(struct scene *s, const char *name, uint64_t t)
{
	s->bind = (struct envelope_bind){.carrier = CARRIER_UDP, .t = t};
	memcpy(s->bind.cid, s->cid, CID_BYTES);
	emit_open(&s->e, NULL, '{');
	emit_text(&s->e, "name", name);
	emit_number(&s->e, "carrier", CARRIER_UDP);
	emit_open(&s->e, "messages", '[');
}

static void end_exchange(struct scene *s)
{
	emit_close(&s->e, ']');
	emit_close(&s->e, '}');
}

static void send_request(struct scene *s, const struct request *q, size_t total)
{
	struct message m = {.kind = KIND_M1, .t = s->bind.t};

	m.plain_len = must(request_encode(q, m.plain, PLAIN_MAX));
	m.padding = total - veil_need(KIND_M1, m.plain_len + envelope_noise.request_overhead);
	send(s, &m);
}

static void send_reply(struct scene *s, enum kind kind, const struct reply *p, size_t padding)
{
	struct message m = {.kind = kind, .padding = padding};

	m.plain_len = must(reply_encode(p, m.plain, PLAIN_MAX));
	send(s, &m);
}

static const uint64_t first_t = UINT64_C(0x17979cfe362a0000); /* 2023-11-14 22:13:20 UTC */
static const uint64_t server_lag = 1500000;		      /* ns */

/* A knock as it goes most of the time: two messages. */
static void plain_open(struct scene *s)
{
	struct request q = {.verb = VERB_OPEN,
	    .flags = REQUEST_REPLY,
	    .attempt = UINT64_C(0xa1a2a3a4a5a6a7a8),
	    .services = 1,
	    .service = {"ssh"},
	    .admits = 1,
	    .has_hold = true,
	    .hold_s = 60};
	struct reply p = {.verdict = VERDICT_OK,
	    .server_time = first_t + server_lag,
	    .attempt = q.attempt,
	    .has_address_seen = true,
	    .address_seen = address_of("192.0.2.7"),
	    .doors = 1,
	    .door = {{{6, 22}, 60, UINT64_C(0x5152535455565758)}}};

	q.admit[0] = prefix_host(&p.address_seen);
	begin_exchange(s, "open", first_t);
	send_request(s, &q, VEIL_MIN_CLIENT);
	send_reply(s, KIND_M2, &p, 11);
	end_exchange(s);
}

/* One that must prove itself, with PIN and code, and is handed the new door key. */
static void challenged_open(struct scene *s)
{
	struct request q = {.verb = VERB_OPEN,
	    .flags = REQUEST_REPLY | REQUEST_CHALLENGE,
	    .attempt = UINT64_C(0xb1b2b3b4b5b6b7b8),
	    .services = 1,
	    .service = {"ssh"}};
	struct reply challenge = {.verdict = VERDICT_CHALLENGE,
	    .server_time = first_t + server_lag,
	    .attempt = q.attempt,
	    .has_address_seen = true,
	    .address_seen = address_of("192.0.2.7"),
	    .has_asked = true,
	    .asked = 3,
	    .has_wait = true,
	    .wait_s = 10};
	struct answer a = {.attempt = q.attempt,
	    .t = first_t + 1,
	    .seen = challenge.address_seen,
	    .code = "492039",
	    .pin = {'t', 'u', 'l', 'i', 'p'},
	    .pin_len = 5};
	struct reply p = {.verdict = VERDICT_OK,
	    .server_time = first_t + 2 * server_lag,
	    .attempt = q.attempt,
	    .has_address_seen = true,
	    .address_seen = challenge.address_seen,
	    .doors = 1,
	    .door = {{{6, 22}, 30, UINT64_C(0x6162636465666768)}},
	    .has_door_key = true};
	struct message m3 = {.kind = KIND_M3, .t = first_t + 2};

	fill(p.door_key, KEY_BYTES, 0xe0);
	begin_exchange(s, "challenge", first_t + 1);
	send_request(s, &q, 400);
	send_reply(s, KIND_M2, &challenge, 0);
	m3.plain_len = must(answer_encode(&a, m3.plain, PLAIN_MAX));
	m3.padding =
	    VEIL_MIN_CLIENT - veil_need(KIND_M3, m3.plain_len + envelope_noise.answer_overhead);
	send(s, &m3);
	send_reply(s, KIND_M4, &p, 5);
	end_exchange(s);
}

static void ping_over_v6(struct scene *s)
{
	struct request q = {
	    .verb = VERB_PING, .flags = REQUEST_REPLY, .attempt = UINT64_C(0xc1c2c3c4c5c6c7c8)};
	struct reply p = {.verdict = VERDICT_OK,
	    .server_time = first_t + server_lag,
	    .attempt = q.attempt,
	    .has_address_seen = true,
	    .address_seen = address_of("2001:db8::7")};

	begin_exchange(s, "ping", first_t + 3);
	send_request(s, &q, VEIL_MIN_CLIENT);
	send_reply(s, KIND_M2, &p, 0);
	end_exchange(s);
}

static void tell_exchanges(struct scene *s)
{
	emit_open(&s->e, "exchanges", '[');
	plain_open(s);
	challenged_open(s);
	ping_over_v6(s);
	emit_close(&s->e, ']');
}

void worked_examples(FILE *out)
{
	struct scene s = {.e = {.out = out}, .chance = 0x80};

	script_start();
	make_keys(&s);
	emit_open(&s.e, NULL, '{');
	emit_text(&s.e, "protocol", "postern 1");
	tell_keys(&s);
	tell_exchanges(&s);
	tell_pieces(&s.e);
	tell_answers(&s.e);
	tell_sets(&s.e, &s.door);
	emit_close(&s.e, '}');
	script_end();
}
