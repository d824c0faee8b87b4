/* exchange_take - what came back for an exchange: replies, challenges, results. */
#include "errors.h"
#include "exchange_inside.h"
#include "secret.h"

/* What came, and over which carrier. */
struct packet_in {
	const struct sender *from;
	const uint8_t *bytes;
	size_t len;
};

/* An answer wears no cover. Returns which door key opened it, or -1. */
static int unwrap(const struct exchange *x, const struct packet_in *in,
    uint8_t plain[static VEIL_PLAIN_MAX], struct veiled *v)
{
	const struct postern_profile *p = x->profile;

	for (int key = 0; key <= (p->has_former_key ? DOOR_KEY_FORMER : DOOR_KEY_CURRENT); key++) {
		const struct veil_keys *door = &p->secrets->door[key].to_client;
		if (veil_gate_ok(door, in->bytes, in->len) &&
		    veil_open(door, in->from->id, in->bytes, in->len, plain, v) >= 0)
			return key;
	}
	return -1;
}

/* The server's word on this attempt, which must be a reply to it and nothing else. */
static bool decode(
    const struct exchange *x, struct reply *out, const uint8_t *plain, int len, bool may_challenge)
{
	if (len < 0 || reply_decode(out, plain, (size_t)len) < 0)
		return false;
	return out->attempt == x->request.attempt &&
	       (may_challenge || out->verdict != VERDICT_CHALLENGE);
}

/* Works on a copy: what does not open leaves the state as it was. */
static bool open_reply(
    const struct exchange *x, struct exchange_try *try, const struct veiled *v, struct reply *out)
{
	struct envelope_keys keys = exchange_keys(x);
	struct envelope_state state = try->envelope;
	uint8_t plain[ENVELOPE_PLAIN_MAX];

	const struct envelope *e = x->profile->envelope;
	int len = (v->kind == e->challenge ? e->open_challenge : e->open_reply)(
	    &state, &keys, v->body, v->body_len, plain, sizeof(plain));
	bool ours = decode(x, out, plain, len, v->kind == e->challenge) &&
		    (out->verdict == VERDICT_CHALLENGE || v->kind == e->reply);
	if (ours) {
		try->envelope = state;
		try->answered = true;
	}
	secret_wipe(&state, sizeof(state));
	secret_wipe(plain, sizeof(plain));
	return ours;
}

static bool open_result(const struct exchange *x, const struct exchange_try *try,
    const struct veiled *v, struct reply *out)
{
	struct envelope_state state = try->envelope;
	uint8_t plain[ENVELOPE_PLAIN_MAX];

	int len =
	    x->profile->envelope->open_result(&state, v->body, v->body_len, plain, sizeof(plain));
	bool ours = decode(x, out, plain, len, false);
	secret_wipe(&state, sizeof(state));
	secret_wipe(plain, sizeof(plain));
	return ours;
}

static void learn_clock(
    struct exchange *x, struct moment now, struct moment sent, uint64_t server_ns)
{
	x->round_trip_ns = now.mono_ns - sent.mono_ns;
	x->clock_ahead_ns =
	    (int64_t)(server_ns - (sent.real_ns + x->round_trip_ns / 2)); /* wraps as it should */
}

static void finish(struct exchange *x, const struct reply *r, unsigned key)
{
	x->reply = *r;
	x->reply_key = key;
	exchange_stop(x, EXCHANGE_REPLIED, 0);
}

/* Is the server talking to us, and not to one who stands between? */
static bool is_strange(const struct exchange *x, const struct reply *r)
{
	return (x->request.flags & REQUEST_STRICT) && x->request.has_own_address &&
	       !address_equal(&r->address_seen, &x->request.own_address);
}

enum { ASIDE_MS = 2000, MS_NS = 1000000 };

/* Does the challenge wait no longer, after the time that its answer took? */
static bool is_late(const struct reply *r, uint64_t took_ns)
{
	return took_ns / MS_NS + ASIDE_MS > r->wait_s * UINT64_C(1000);
}

static void answer_challenge(
    struct exchange *x, unsigned i, const struct reply *r, struct moment now)
{
	struct exchange_try *try = &x->try[i];
	struct answer a = {.attempt = r->attempt, .t = try->t, .seen = r->address_seen};
	uint8_t plain[BODY_MAX];
	uint64_t took_ns = 0;

	if (is_strange(x, r)) {
		x->reply = *r;
		exchange_stop(x, EXCHANGE_STRANGE, 0);
		return;
	}
	if (r->asked != 0 &&
	    (!x->user.give || x->user.give(x->user.arg, r->asked, &a, &took_ns) < 0)) {
		x->reply = *r;
		exchange_stop(x, EXCHANGE_ASKED, 0);
		return;
	}
	int len = answer_encode(&a, plain, sizeof(plain));
	secret_wipe(&a, sizeof(a));
	if (len > 0)
		len = x->profile->envelope->seal_answer(
		    &try->envelope, plain, (size_t)len, x->answer, sizeof(x->answer));
	secret_wipe(plain, sizeof(plain));
	if (len <= 0)
		return;
	try->challenged = true;
	x->answer_len = (size_t)len;
	x->challenged = true;
	x->challenged_by = i;
	exchange_begin(x, EXCHANGE_ANSWERING, now.mono_ns + took_ns);
	if (is_late(r, took_ns)) /* it is asked anew, and the answer is known then */
		exchange_again(x, now.mono_ns + took_ns);
}

static bool take_reply(struct exchange *x, struct moment now, const struct sender *from,
    const struct veiled *v, unsigned key)
{
	struct reply r;

	for (unsigned i = x->tries; i-- > 0;) {
		struct exchange_try *try = &x->try[i];
		if (try->sender != from || try->answered || !open_reply(x, try, v, &r))
			continue;
		/* If it cannot be written, the next draw says so. */
		(void)x->memory.learn(x->memory.arg, r.server_time, now.real_ns);
		learn_clock(x, now, try->sent, r.server_time);
		if (r.verdict != VERDICT_CHALLENGE) {
			finish(x, &r, key);
		} else if (!x->challenged || try->t > x->try[x->challenged_by].t) {
			x->challenge_key = key;
			answer_challenge(x, i, &r, now);
		}
		secret_wipe(&r, sizeof(r));
		return true;
	}
	return false;
}

static bool take_result(struct exchange *x, struct moment now, const struct sender *from,
    const struct veiled *v, unsigned key)
{
	struct reply r;

	for (unsigned i = x->tries; i-- > 0;) {
		if (x->try[i].sender != from || !x->try[i].challenged ||
		    !open_result(x, &x->try[i], v, &r))
			continue;
		(void)x->memory.learn(x->memory.arg, r.server_time, now.real_ns);
		finish(x, &r, key);
		secret_wipe(&r, sizeof(r));
		return true;
	}
	return false;
}

bool exchange_receive(struct exchange *x, struct moment now, const struct sender *from,
    const uint8_t *packet, size_t len)
{
	struct packet_in in = {from, packet, len};
	uint8_t plain[VEIL_PLAIN_MAX];
	struct veiled v;

	if (x->phase == EXCHANGE_ASLEEP || x->phase == EXCHANGE_DONE)
		return false;
	int key = unwrap(x, &in, plain, &v);
	if (key < 0)
		return false;
	const struct envelope *e = x->profile->envelope;
	if ((v.kind == e->challenge || v.kind == e->reply) &&
	    take_reply(x, now, from, &v, (unsigned)key))
		return true;
	return v.kind == e->result && take_result(x, now, from, &v, (unsigned)key);
}
