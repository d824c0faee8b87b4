#include "exchange.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "errors.h"
#include "exchange_inside.h"
#include "secret.h"

enum { ROUNDS_MAX = 3, FORMER_KEY_EACH = 3, PICTURES_TRIED = 4 };

/* ---- the life of one ---- */

struct exchange *exchange_new(const struct postern_profile *p, const struct memory *m)
{
	struct exchange *x = secret_new(sizeof(*x));

	x->profile = p;
	x->memory = *m;
	exchange_carrier(x, p->carrier[0], p->cover);
	x->least_wait_ms = EXCHANGE_FIRST_WAIT_MS;
	x->request.flags = REQUEST_REPLY;
	secret_random(&x->request.attempt, sizeof(x->request.attempt));
	return x;
}

void exchange_free(struct exchange *x)
{
	if (x)
		free(x->covered);
	secret_free(x);
}

void exchange_carrier(struct exchange *x, const struct sender *sender, const struct cover *cover)
{
	size_t cap = cover->has_picture ? COVER_MAX : VEIL_ROOM;

	if (cap > x->covered_cap) {
		free(x->covered);
		x->covered = malloc(cap);
		if (!x->covered)
			abort();
		x->covered_cap = cap;
	}
	x->sender = sender;
	x->cover = cover;
	x->narrow = false;
}

void exchange_stop(struct exchange *x, enum exchange_outcome why, int error)
{
	if (x->phase == EXCHANGE_DONE)
		return;
	x->phase = EXCHANGE_DONE;
	x->outcome = why;
	x->error = error;
}

void exchange_begin(struct exchange *x, enum exchange_phase phase, uint64_t at_ns)
{
	uint64_t two_trips_ms = 2 * x->round_trip_ns / NS_PER_MS;

	x->phase = phase;
	x->sends = 0;
	exchange_hurry(x, at_ns);
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
	exchange_begin(x, EXCHANGE_KNOCKING, at_ns);
}

void exchange_again(struct exchange *x, uint64_t at_ns)
{
	if (x->phase != EXCHANGE_ANSWERING || x->rounds == ROUNDS_MAX)
		return;
	x->rounds++;
	exchange_begin(x, EXCHANGE_KNOCKING, at_ns);
}

void exchange_narrow(struct exchange *x, uint64_t at_ns)
{
	if (x->phase == EXCHANGE_DONE || x->narrow)
		return;
	x->narrow = true;
	exchange_hurry(x, at_ns);
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
	if (x->outcome == EXCHANGE_TESTED)
		return true;
	return x->outcome == EXCHANGE_REPLIED &&
	       (x->reply.verdict == VERDICT_OK || x->reply.verdict == VERDICT_REFRESHED);
}

bool exchange_is_final(const struct exchange *x)
{
	if (x->outcome == EXCHANGE_ASKED)
		return true;
	if (x->outcome != EXCHANGE_REPLIED)
		return false;
	switch (x->reply.verdict) {
	case VERDICT_MALFORMED:
	case VERDICT_UNKNOWN_FIELD:
	case VERDICT_CODE_OR_PIN:
	case VERDICT_EXPIRED:
		return true;
	case VERDICT_DENIED: /* with a reason it may be this family that is not served */
		return x->reply.reason[0] == '\0';
	case VERDICT_OK:
	case VERDICT_REFRESHED:
	case VERDICT_CHALLENGE:
	case VERDICT_ADDRESS:
	case VERDICT_QUOTA:
	case VERDICT_BUSY:
	case VERDICT_RESULT_UNKNOWN:
	case VERDICT_FIREWALL:
	case VERDICT_COMMAND:
		return false;
	}
	return false;
}

uint64_t exchange_answered_t(const struct exchange *x)
{
	for (unsigned i = x->tries; i-- > 0;) {
		if (x->try[i].answered)
			return x->try[i].t;
	}
	return 0;
}

struct envelope_keys exchange_keys(const struct exchange *x)
{
	const struct profile_secrets *s = x->profile->secrets;

	return (struct envelope_keys){.own = &s->own,
	    .peer = x->profile->server_key,
	    .psk = s->client.psk,
	    .pgp = &x->profile->openpgp.ops};
}

/* ---- sending ---- */

void exchange_hurry(struct exchange *x, uint64_t at_ns)
{
	x->held = false;
	x->due_ns = at_ns;
}

void exchange_hold(struct exchange *x)
{
	if (x->phase == EXCHANGE_DONE)
		return;
	x->held = true;
	x->due_ns = UINT64_MAX;
}

struct message {
	const struct sender *sender;
	enum kind kind;
	unsigned key; /* enum profile_door_key */
	uint64_t t;
	const uint8_t *body;
	size_t len;
};

/* No answer may be longer than what it answers: so M1 may need more than its body does. */
static size_t need_of(const struct exchange *x, const struct message *m)
{
	size_t need = veil_need(m->kind, m->len);

	return need < x->least && x->least <= m->sender->room ? x->least : need;
}

/* The whole length; 0 when there is none that fits. */
static size_t length_of(const struct exchange *x, const struct message *m, size_t fixed)
{
	size_t room = x->narrow ? VEIL_MIN_CLIENT : m->sender->room;
	size_t need = need_of(x, m);

	if (fixed > 0)
		return fixed >= need && fixed <= m->sender->room ? fixed : 0;
	return veil_length_client(need, need > room ? need : room);
}

/* Returns the covered length, or an error of errors.h. */
static int seal(struct exchange *x, const struct message *m, const struct cover *cover,
    const struct cover_args *args)
{
	const struct postern_profile *p = x->profile;
	const struct door_keys *door = &p->secrets->door[m->key];
	struct veiled v = {.kind = m->kind, .body = m->body, .body_len = (uint16_t)m->len};
	uint8_t veil[VEIL_ROOM];
	size_t total = length_of(x, m, cover->veil_len(args));

	if (total == 0)
		return -E_SHORT;
	memcpy(v.label.cid, p->cid, CID_BYTES);
	v.label.t = m->t;
	label_sign(&v.label, p->secrets->client.label, m->kind, m->sender->id, m->body, m->len);
	veil_seal(&door->to_server, m->sender->id, &v, veil, total);
	return cover->wrap(args, veil, total, x->covered, x->covered_cap);
}

/* A picture may turn out to take more bytes than there are: then the next. */
static int hide(struct exchange *x, const struct message *m, struct cover_args *args)
{
	size_t longest = sender_covered_max(m->sender, &x->profile->settings);
	struct picture picture;
	int len = -E_SHORT;

	for (int i = 0; i < PICTURES_TRIED && len == -E_SHORT; i++) {
		errno = ENODATA;
		if (!x->pictures.take ||
		    x->pictures.take(x->pictures.arg, need_of(x, m), longest, &picture) < 0)
			return -E_FORMAT;
		args->picture = &picture;
		len = seal(x, m, x->cover, args);
		if (len > 0 && (size_t)len > longest)
			len = -E_SHORT;
		errno = EMSGSIZE;
	}
	return len;
}

/* M1 wears the cover; what follows goes as it is. */
static bool wrap(
    struct exchange *x, const struct message *m, struct moment now, struct exchange_packet *out)
{
	const struct door_keys *door = &x->profile->secrets->door[m->key];
	struct cover_args args = {.picture_key = door->picture};
	bool first = m->kind == x->profile->envelope->request;
	bool is_picture = first && x->cover->has_picture;

	secret_random(&args.set_id, sizeof(args.set_id));
	errno = EMSGSIZE;
	int len = is_picture ? hide(x, m, &args) : seal(x, m, &cover_none, &args);
	if (len <= 0) {
		exchange_stop(x, EXCHANGE_FAILED, errno);
		return false;
	}
	out->sender = m->sender;
	out->message = (struct sender_message){.bytes = x->covered,
	    .len = (size_t)len,
	    .first = first,
	    .is_picture = is_picture,
	    .set_id = args.set_id,
	    .door = door,
	    .server_ns = x->memory.server_time(x->memory.arg, now.real_ns)};
	return true;
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

/* What is asked by this carrier: where no answer comes back, none is asked for. */
static struct request request_for(const struct exchange *x)
{
	struct request q = x->request;

	if (!x->sender->has_reply || x->profile->confirm == CONFIRM_NONE)
		q.flags &= (uint16_t) ~(REQUEST_REPLY | REQUEST_CHALLENGE);
	else if (x->profile->confirm == CONFIRM_CHALLENGE)
		q.flags |= REQUEST_CHALLENGE;
	q.has_reply_key = x->profile->envelope->has_reply_key && (q.flags & REQUEST_REPLY);
	if (q.has_reply_key)
		secret_random(q.reply_key, sizeof(q.reply_key));
	if (x->user.tell)
		x->user.tell(x->user.arg, &q);
	return q;
}

static bool send_request(struct exchange *x, struct moment now, struct exchange_packet *out)
{
	const struct postern_profile *p = x->profile;
	struct exchange_try *try = &x->try[x->tries];
	struct envelope_keys keys = exchange_keys(x);
	struct envelope_bind bind = {.carrier = x->sender->id};
	uint8_t plain[REQUEST_MAX];
	uint8_t body[BODY_MAX];

	if (draw(x, now, &bind.t) < 0)
		return false;
	memcpy(bind.cid, p->cid, CID_BYTES);
	struct request request = request_for(x);
	int len = request_encode(&request, plain, sizeof(plain));
	secret_wipe(&request, sizeof(request));
	if (len > 0)
		len = p->envelope->seal_request(&try->envelope, &bind, &keys, plain, (size_t)len,
		    body, x->sender->room - VEIL_OVERHEAD_CLIENT);
	secret_wipe(plain, sizeof(plain));
	if (len < 0) {
		exchange_stop(x, EXCHANGE_FAILED, len == -E_SHORT ? EMSGSIZE : EKEYREJECTED);
		return false;
	}
	try->sender = x->sender;
	try->t = bind.t;
	try->sent = now;
	x->tries++;
	if (x->newest_t && *x->newest_t < bind.t)
		*x->newest_t = bind.t;
	struct message m = {.sender = x->sender,
	    .kind = p->envelope->request,
	    .key = key_for_try(x, x->tries - 1),
	    .t = bind.t,
	    .body = body,
	    .len = (size_t)len};
	return wrap(x, &m, now, out);
}

/* The same body each time, in a new veil with a t of its own. */
static bool send_answer(struct exchange *x, struct moment now, struct exchange_packet *out)
{
	struct message m = {.sender = x->try[x->challenged_by].sender,
	    .kind = x->profile->envelope->answer,
	    .key = x->challenge_key,
	    .body = x->answer,
	    .len = x->answer_len};

	if (draw(x, now, &m.t) < 0)
		return false;
	return wrap(x, &m, now, out);
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
	exchange_hurry(x, now_ns + wait_ms * NS_PER_MS);
}

void exchange_release(struct exchange *x, uint64_t now_ns)
{
	if (x->held)
		set_next_due(x, now_ns);
}

bool exchange_is_spent(const struct exchange *x, struct moment now)
{
	return x->phase == EXCHANGE_KNOCKING && !x->held && now.mono_ns >= x->due_ns &&
	       (x->sends > x->retries || x->tries == EXCHANGE_TRIES_MAX);
}

void exchange_move(
    struct exchange *x, const struct sender *sender, unsigned retries, uint64_t at_ns)
{
	exchange_carrier(x, sender, x->cover);
	x->retries = retries;
	exchange_begin(x, EXCHANGE_KNOCKING, at_ns);
}

bool exchange_send(struct exchange *x, struct moment now, struct exchange_packet *out)
{
	bool made;

	if (x->phase == EXCHANGE_ASLEEP || x->phase == EXCHANGE_DONE || now.mono_ns < x->due_ns)
		return false;
	if (x->phase == EXCHANGE_ANSWERING && x->sends >= EXCHANGE_PATIENCE && may_be_forgotten(x))
		exchange_again(x, now.mono_ns);
	if (x->sends > x->retries || x->tries == EXCHANGE_TRIES_MAX) {
		exchange_stop(x, EXCHANGE_SILENCE, 0);
		return false;
	}
	if (x->phase == EXCHANGE_KNOCKING)
		made = send_request(x, now, out);
	else
		made = send_answer(x, now, out);
	x->sends++;
	x->sent++;
	set_next_due(x, now.mono_ns);
	return made;
}

void exchange_sent(struct exchange *x, struct moment now)
{
	if (x->phase == EXCHANGE_KNOCKING && x->tries > 0)
		x->try[x->tries - 1].sent = now;
}
