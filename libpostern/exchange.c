#include "exchange.h"

#include <errno.h>
#include <string.h>

#include "errors.h"
#include "secret.h"

enum { NS_PER_MS = 1000000, ROUNDS_MAX = 3, FORMER_KEY_EACH = 3 };

/* ---- the life of one ---- */

struct exchange *exchange_new(const struct postern_profile *p, const struct memory *m)
{
	struct exchange *x = secret_new(sizeof(*x));

	x->profile = p;
	x->memory = *m;
	x->room = p->sender->room;
	x->least_wait_ms = EXCHANGE_FIRST_WAIT_MS;
	x->request.flags = REQUEST_REPLY;
	secret_random(&x->request.attempt, sizeof(x->request.attempt));
	return x;
}

void exchange_free(struct exchange *x)
{
	secret_free(x);
}

void exchange_stop(struct exchange *x, enum exchange_outcome why, int error)
{
	if (x->phase == EXCHANGE_DONE)
		return;
	x->phase = EXCHANGE_DONE;
	x->outcome = why;
	x->error = error;
}

static void begin_phase(struct exchange *x, enum exchange_phase phase, uint64_t at_ns)
{
	uint64_t two_trips_ms = 2 * x->round_trip_ns / NS_PER_MS;

	x->phase = phase;
	x->sends = 0;
	x->due_ns = at_ns;
	/*
	 * Once it is known how long the way is, do not repeat what cannot have been answered yet.
	 */
	x->first_wait_ms = two_trips_ms > x->least_wait_ms ? two_trips_ms : x->least_wait_ms;
}

void exchange_wake(struct exchange *x, uint64_t at_ns)
{
	if (x->phase != EXCHANGE_ASLEEP)
		return;
	x->rounds = 1;
	begin_phase(x, EXCHANGE_KNOCKING, at_ns);
}

void exchange_again(struct exchange *x, uint64_t at_ns)
{
	if (x->phase != EXCHANGE_ANSWERING || x->rounds == ROUNDS_MAX)
		return;
	x->rounds++;
	begin_phase(x, EXCHANGE_KNOCKING, at_ns);
}

void exchange_narrow(struct exchange *x, uint64_t at_ns)
{
	if (x->phase == EXCHANGE_DONE || x->room == VEIL_MIN_CLIENT)
		return;
	x->room = VEIL_MIN_CLIENT;
	x->due_ns = at_ns;
}

uint64_t exchange_challenge_t(const struct exchange *x)
{
	return x->phase == EXCHANGE_ANSWERING ? x->try[x->challenged_by].t : 0;
}

uint64_t exchange_newest_t(const struct exchange *x)
{
	return x->tries > 0 ? x->try[x->tries - 1].t : 0;
}

bool exchange_granted(const struct exchange *x)
{
	return x->outcome == EXCHANGE_REPLIED &&
	       (x->reply.verdict == VERDICT_OK || x->reply.verdict == VERDICT_REFRESHED);
}

static struct envelope_keys keys_of(const struct exchange *x)
{
	const struct profile_secrets *s = x->profile->secrets;

	return (struct envelope_keys){
	    .own = &s->own, .peer = x->profile->server_key, .psk = s->client.psk};
}

/* ---- sending ---- */

struct message {
	enum kind kind;
	unsigned key; /* enum profile_door_key */
	uint64_t t;
	const uint8_t *body;
	size_t len;
};

static size_t wrap(
    const struct exchange *x, const struct message *m, uint8_t packet[static VEIL_ROOM])
{
	const struct postern_profile *p = x->profile;
	const struct door_keys *door = &p->secrets->door[m->key];
	struct cover_args args = {.picture_key = door->picture};
	struct veiled v = {.kind = m->kind, .body = m->body, .body_len = (uint16_t)m->len};
	uint8_t veil[VEIL_ROOM];

	memcpy(v.label.cid, p->cid, CID_BYTES);
	v.label.t = m->t;
	label_sign(&v.label, p->secrets->client.label, m->kind, p->sender->id, m->body, m->len);
	size_t need = veil_need(m->kind, m->len);
	size_t total = veil_length_client(need, need > x->room ? need : x->room);
	veil_seal(&door->to_server, p->sender->id, &v, veil, total);
	int len = p->cover->wrap(&args, veil, total, packet, VEIL_ROOM);
	return len > 0 ? (size_t)len : 0;
}

static int draw(struct exchange *x, struct moment now, uint64_t *t)
{
	if (x->memory.draw(x->memory.arg, now.real_ns, t) == 0)
		return 0;
	exchange_stop(x, EXCHANGE_FAILED, errno);
	return -1;
}

/* Now and then under the former key, while the server was not yet seen to take the current one. */
static unsigned key_for_try(const struct exchange *x, unsigned i)
{
	bool former = x->profile->has_former_key && i % FORMER_KEY_EACH == FORMER_KEY_EACH - 1;

	return former ? DOOR_KEY_FORMER : DOOR_KEY_CURRENT;
}

static size_t send_request(struct exchange *x, struct moment now, uint8_t *packet)
{
	const struct postern_profile *p = x->profile;
	struct exchange_try *try = &x->try[x->tries];
	struct envelope_keys keys = keys_of(x);
	struct envelope_bind bind = {.carrier = p->sender->id};
	uint8_t plain[REQUEST_MAX];
	uint8_t body[BODY_MAX];

	if (draw(x, now, &bind.t) < 0)
		return 0;
	memcpy(bind.cid, p->cid, CID_BYTES);
	int len = request_encode(&x->request, plain, sizeof(plain));
	if (len > 0)
		len = p->envelope->seal_request(
		    &try->envelope, &bind, &keys, plain, (size_t)len, body, sizeof(body));
	secret_wipe(plain, sizeof(plain));
	if (len < 0) {
		exchange_stop(x, EXCHANGE_FAILED, len == -E_KEY ? EKEYREJECTED : EMSGSIZE);
		return 0;
	}
	try->t = bind.t;
	try->sent = now;
	x->tries++;
	if (x->newest_t && *x->newest_t < bind.t)
		*x->newest_t = bind.t;
	struct message m = {
	    p->envelope->request, key_for_try(x, x->tries - 1), bind.t, body, (size_t)len};
	return wrap(x, &m, packet);
}

/* The same body each time, in a new veil with a t of its own. */
static size_t send_answer(struct exchange *x, struct moment now, uint8_t *packet)
{
	struct message m = {.kind = x->profile->envelope->answer,
	    .key = x->challenge_key,
	    .body = x->answer,
	    .len = x->answer_len};

	if (draw(x, now, &m.t) < 0)
		return 0;
	return wrap(x, &m, packet);
}

/*
 * A newer M1 of this client, whichever family it went over, makes the server forget the challenge.
 */
static bool may_be_forgotten(const struct exchange *x)
{
	return x->newest_t && *x->newest_t > exchange_challenge_t(x);
}

static void set_next_due(struct exchange *x, uint64_t now_ns)
{
	uint64_t longest_ms =
	    x->first_wait_ms > EXCHANGE_WAIT_MAX_MS ? x->first_wait_ms : EXCHANGE_WAIT_MAX_MS;
	uint64_t wait_ms = x->first_wait_ms;

	for (unsigned i = 1; i < x->sends && wait_ms < longest_ms; i++)
		wait_ms *= 2;
	if (wait_ms > longest_ms)
		wait_ms = longest_ms;
	if (x->sends > x->retries) /* that was the last one */
		wait_ms = x->first_wait_ms > EXCHANGE_LAST_WAIT_MS ? x->first_wait_ms
								   : EXCHANGE_LAST_WAIT_MS;
	x->due_ns = now_ns + wait_ms * NS_PER_MS;
}

size_t exchange_send(struct exchange *x, struct moment now, uint8_t packet[static VEIL_ROOM])
{
	size_t len = 0;

	if (x->phase == EXCHANGE_ASLEEP || x->phase == EXCHANGE_DONE || now.mono_ns < x->due_ns)
		return 0;
	if (x->phase == EXCHANGE_ANSWERING && x->sends >= EXCHANGE_PATIENCE && may_be_forgotten(x))
		exchange_again(x, now.mono_ns);
	if (x->sends > x->retries || x->tries == EXCHANGE_TRIES_MAX) {
		exchange_stop(x, EXCHANGE_SILENCE, 0);
		return 0;
	}
	if (x->phase == EXCHANGE_KNOCKING)
		len = send_request(x, now, packet);
	else
		len = send_answer(x, now, packet);
	x->sends++;
	x->sent++;
	set_next_due(x, now.mono_ns);
	return len;
}

void exchange_sent(struct exchange *x, struct moment now)
{
	if (x->phase == EXCHANGE_KNOCKING && x->tries > 0)
		x->try[x->tries - 1].sent = now;
}

/* ---- receiving ---- */

/* Returns which door key opened it, or -1. */
static int unwrap(const struct exchange *x, const uint8_t *packet, size_t len,
    uint8_t plain[static VEIL_PLAIN_MAX], struct veiled *v)
{
	const struct postern_profile *p = x->profile;
	uint8_t veil[VEIL_ROOM];

	for (int key = 0; key <= (p->has_former_key ? DOOR_KEY_FORMER : DOOR_KEY_CURRENT); key++) {
		const struct door_keys *door = &p->secrets->door[key];
		struct cover_args args = {.picture_key = door->picture};
		int got = p->cover->unwrap(&args, packet, len, veil, sizeof(veil));
		if (got <= 0 || !veil_gate_ok(&door->to_client, veil, (size_t)got))
			continue;
		if (veil_open(&door->to_client, p->sender->id, veil, (size_t)got, plain, v) >= 0)
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
	struct envelope_keys keys = keys_of(x);
	struct envelope_state state = try->envelope;
	uint8_t plain[ENVELOPE_PLAIN_MAX];

	int len = x->profile->envelope->open_reply(
	    &state, &keys, v->body, v->body_len, plain, sizeof(plain));
	bool ours = decode(x, out, plain, len, true);
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

static void answer_challenge(
    struct exchange *x, unsigned i, const struct reply *r, struct moment now)
{
	struct exchange_try *try = &x->try[i];
	struct answer a = {.attempt = r->attempt, .t = try->t, .seen = r->address_seen};
	uint8_t plain[BODY_MAX];

	if (is_strange(x, r)) {
		x->reply = *r;
		exchange_stop(x, EXCHANGE_STRANGE, 0);
		return;
	}
	int len = answer_encode(&a, plain, sizeof(plain));
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
	begin_phase(x, EXCHANGE_ANSWERING, now.mono_ns);
}

static bool take_reply(struct exchange *x, struct moment now, const struct veiled *v, unsigned key)
{
	struct reply r;

	for (unsigned i = x->tries; i-- > 0;) {
		struct exchange_try *try = &x->try[i];
		if (try->answered || !open_reply(x, try, v, &r))
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

static bool take_result(struct exchange *x, struct moment now, const struct veiled *v, unsigned key)
{
	struct reply r;

	for (unsigned i = x->tries; i-- > 0;) {
		if (!x->try[i].challenged || !open_result(x, &x->try[i], v, &r))
			continue;
		(void)x->memory.learn(x->memory.arg, r.server_time, now.real_ns);
		finish(x, &r, key);
		secret_wipe(&r, sizeof(r));
		return true;
	}
	return false;
}

bool exchange_receive(struct exchange *x, struct moment now, const uint8_t *packet, size_t len)
{
	uint8_t plain[VEIL_PLAIN_MAX];
	struct veiled v;

	if (x->phase == EXCHANGE_ASLEEP || x->phase == EXCHANGE_DONE)
		return false;
	int key = unwrap(x, packet, len, plain, &v);
	if (key < 0)
		return false;
	if (v.kind == x->profile->envelope->reply)
		return take_reply(x, now, &v, (unsigned)key);
	return v.kind == x->profile->envelope->result && take_result(x, now, &v, (unsigned)key);
}
