#include "fakeserver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "secret.h"

enum { SERVICE_PORT = 22, WAIT_S = 10 };

void fake_server_start(struct fake_server *f)
{
	*f = (struct fake_server){.hold_s = 60, .proven = true};
	keypair_generate(&f->own);
	keypair_generate(&f->client);
	secret_random(f->client_secret, sizeof(f->client_secret));
	secret_random(f->cid, sizeof(f->cid));
	secret_random(f->door_key, sizeof(f->door_key));
}

/* What came, and what an answer to it needs. */
struct incoming {
	struct fake_server *f;
	uint64_t now_ns; /* the server's */
	struct address from;
	size_t packet_len;
	unsigned key;
	struct door_keys door;
	struct client_keys keys;
	struct veiled v;
	uint8_t *out;
};

static struct envelope_keys envelope_keys(const struct incoming *in)
{
	return (struct envelope_keys){
	    .own = &in->f->own, .peer = in->f->client.public, .psk = in->keys.psk};
}

static size_t send_body(struct incoming *in, enum kind kind, const uint8_t *body, size_t len)
{
	struct veiled v = {.kind = kind, .body = body, .body_len = (uint16_t)len};
	size_t need = veil_need(kind, len);

	if (need > in->packet_len || in->f->mute)
		return 0;
	if (in->f->lose_replies > 0) {
		in->f->lose_replies--;
		return 0;
	}
	size_t total = veil_length_server(need, in->packet_len);
	veil_seal(&in->door.to_client, CARRIER_UDP, &v, in->out, total);
	return total;
}

static struct reply reply_to(const struct incoming *in, const struct request *q)
{
	struct reply r = {.server_time = in->now_ns,
	    .attempt = in->f->wrong_attempt ? ~q->attempt : q->attempt,
	    .has_address_seen = true,
	    .address_seen = in->from};

	if (in->f->wrong_address)
		r.address_seen = address_v4((const uint8_t[]){203, 0, 113, 9});
	return r;
}

static bool is_known(const struct fake_server *f, uint64_t id)
{
	for (unsigned i = 0; i < FAKE_ATTEMPTS; i++) {
		if (f->attempt[i].used && f->attempt[i].id == id)
			return true;
	}
	return false;
}

static struct reply act(struct incoming *in, const struct request *q)
{
	struct fake_server *f = in->f;
	struct reply r = reply_to(in, q);

	if (!is_known(f, q->attempt)) {
		f->attempt[f->attempts++ % FAKE_ATTEMPTS] = (struct fake_attempt){q->attempt, true};
		f->acted++;
		f->last = *q;
	}
	r.verdict = f->gone && q->verb == VERB_CLOSE ? VERDICT_DENIED : f->verdict;
	(void)snprintf(r.reason, sizeof(r.reason), "%s", f->reason);
	if (q->verb != VERB_PING && q->verb != VERB_CLOSE && f->verdict <= VERDICT_REFRESHED) {
		r.doors = 1;
		r.door[0] = (struct door){
		    {6, SERVICE_PORT}, q->has_hold ? q->hold_s : f->hold_s, 0xabcdef12};
	}
	if (in->key == 1) {
		r.has_door_key = true;
		memcpy(r.door_key, f->door_key[0], KEY_BYTES);
	}
	return r;
}

static size_t send_reply(struct incoming *in, struct envelope_state *s, const struct reply *r)
{
	struct envelope_keys keys = envelope_keys(in);
	uint8_t plain[ENVELOPE_PLAIN_MAX];
	uint8_t body[BODY_MAX];
	size_t room = in->packet_len - VEIL_OVERHEAD_SERVER - NOISE_M2_OVERHEAD;

	int len = reply_encode(r, plain, room < sizeof(plain) ? room : sizeof(plain));
	if (len < 0)
		abort();
	len = envelope_noise.seal_reply(s, &keys, plain, (size_t)len, body, sizeof(body));
	if (len < 0)
		abort();
	return send_body(in, KIND_M2, body, (size_t)len);
}

static size_t send_challenge(struct incoming *in, struct envelope_state *s, const struct request *q)
{
	struct fake_challenge *c = &in->f->challenge;
	struct reply r = reply_to(in, q);

	r.verdict = VERDICT_CHALLENGE;
	r.has_asked = true;
	r.has_wait = true;
	r.wait_s = WAIT_S;
	in->f->challenged++;
	size_t len = send_reply(in, s, &r);
	*c = (struct fake_challenge){
	    .waits = true, .t = in->v.label.t, .request = *q, .seen = r.address_seen, .state = *s};
	return len;
}

static bool is_in_doubt(const struct incoming *in, const struct request *q)
{
	uint64_t t = in->v.label.t;
	uint64_t apart = t > in->now_ns ? t - in->now_ns : in->now_ns - t;

	return in->f->challenges || !in->f->proven || (q->flags & REQUEST_CHALLENGE) ||
	       apart > (uint64_t)FAKE_WINDOW_S * 1000000000;
}

static size_t take_request(struct incoming *in)
{
	struct fake_server *f = in->f;
	struct envelope_keys keys = envelope_keys(in);
	struct envelope_bind bind = {.carrier = CARRIER_UDP, .t = in->v.label.t};
	struct envelope_state state;
	struct request q;
	uint8_t plain[ENVELOPE_PLAIN_MAX];
	uint8_t unknown;

	if (in->v.label.t <= f->mark)
		return 0;
	memcpy(bind.cid, f->cid, CID_BYTES);
	int len = envelope_noise.open_request(
	    &state, &bind, &keys, in->v.body, in->v.body_len, plain, sizeof(plain));
	if (len < 0 || request_decode(&q, plain, (size_t)len, &unknown) < 0)
		return 0;
	f->mark = in->v.label.t;
	f->authentic++;
	f->opened_with[in->key]++;
	if (is_in_doubt(in, &q))
		return send_challenge(in, &state, &q);
	struct reply r = act(in, &q);
	return send_reply(in, &state, &r);
}

static size_t repeat_result(struct incoming *in)
{
	in->f->repeats++;
	return send_body(in, KIND_M4, in->f->challenge.result, in->f->challenge.result_len);
}

/* Is it the answer to the challenge that waits? Leaves the state as it was when not. */
static bool is_met(struct incoming *in, struct envelope_state *s)
{
	const struct fake_challenge *c = &in->f->challenge;
	uint8_t plain[ENVELOPE_PLAIN_MAX];
	struct answer a;

	int len = envelope_noise.open_answer(s, in->v.body, in->v.body_len, plain, sizeof(plain));
	return len >= 0 && answer_decode(&a, plain, (size_t)len) == 0 &&
	       a.attempt == c->request.attempt && a.t == c->t && address_equal(&a.seen, &c->seen);
}

static size_t take_answer(struct incoming *in)
{
	struct fake_challenge *c = &in->f->challenge;
	struct envelope_state state = c->state;
	uint8_t plain[ENVELOPE_PLAIN_MAX];

	in->f->answers++;
	if (c->met && in->v.body_len == c->answer_len &&
	    memcmp(in->v.body, c->answer, c->answer_len) == 0)
		return repeat_result(in);
	if (!c->waits || !is_met(in, &state))
		return 0;
	c->waits = false;
	c->met = true;
	in->f->proven = true;
	memcpy(c->answer, in->v.body, in->v.body_len);
	c->answer_len = in->v.body_len;
	struct reply r = act(in, &c->request);
	int len = reply_encode(&r, plain, 300);
	if (len < 0)
		abort();
	len = envelope_noise.seal_result(&state, plain, (size_t)len, c->result, sizeof(c->result));
	if (len < 0)
		abort();
	c->result_len = (size_t)len;
	return send_body(in, KIND_M4, c->result, c->result_len);
}

static bool unveil(
    struct incoming *in, const uint8_t *packet, size_t len, uint8_t plain[static VEIL_PLAIN_MAX])
{
	for (in->key = 0; in->key < (in->f->has_previous ? 2u : 1u); in->key++) {
		door_keys_derive(&in->door, in->f->door_key[in->key]);
		if (veil_gate_ok(&in->door.to_server, packet, len))
			return veil_open(&in->door.to_server, CARRIER_UDP, packet, len, plain,
				   &in->v) >= 0;
	}
	return false;
}

size_t fake_server_take(struct fake_server *f, uint64_t world_ns, const struct address *from,
    const uint8_t *packet, size_t len, uint8_t out[static VEIL_ROOM])
{
	struct incoming in = {.f = f,
	    .now_ns = world_ns + (uint64_t)f->ahead_ns,
	    .from = *from,
	    .packet_len = len,
	    .out = out};
	uint8_t plain[VEIL_PLAIN_MAX];

	f->packets++;
	if (!unveil(&in, packet, len, plain))
		return 0;
	client_keys_derive(&in.keys, f->client_secret);
	if (memcmp(in.v.label.cid, f->cid, CID_BYTES) != 0 ||
	    !label_ok(&in.v.label, in.keys.label, in.v.kind, CARRIER_UDP, in.v.body, in.v.body_len))
		return 0;
	if (in.v.kind == KIND_M1)
		return take_request(&in);
	return in.v.kind == KIND_M3 ? take_answer(&in) : 0;
}

static size_t put_line(char *out, size_t at, const char *key, const uint8_t *bytes, size_t len)
{
	char text[BASE64_32];

	base64_encode(text, sizeof(text), bytes, len);
	return at + (size_t)snprintf(out + at, FAKE_PROFILE_MAX - at, "%s = %s\n", key, text);
}

void fake_server_profile(const struct fake_server *f, const char *servers, uint16_t port,
    char out[static FAKE_PROFILE_MAX])
{
	size_t at = (size_t)snprintf(out, FAKE_PROFILE_MAX,
	    "# postern profile\n# made by a test\nversion = 1\nname = alice\n%sport = %u\n"
	    "service = ssh tcp %d\n",
	    servers, (unsigned)port, SERVICE_PORT);

	at = put_line(out, at, "server-key", f->own.public, KEY_BYTES);
	at = put_line(out, at, "door-key", f->door_key[0], KEY_BYTES);
	at = put_line(out, at, "cid", f->cid, CID_BYTES);
	at = put_line(out, at, "private-key", f->client.secret, KEY_BYTES);
	at = put_line(out, at, "secret", f->client_secret, KEY_BYTES);
	(void)snprintf(out + at, FAKE_PROFILE_MAX - at,
	    "carrier = udp\nenvelope = noise\ncover = none\nconfirm = reply\n");
}
