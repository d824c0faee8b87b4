#include "envelope.h"

#include <stdlib.h>

#include "cursor.h"
#include "errors.h"
#include "secret.h"

static const uint8_t prologue_words[] = {'p', 'o', 's', 't', 'e', 'r', 'n', ' ', '1'};

enum { PROLOGUE_BYTES = sizeof(prologue_words) + 1 + CID_BYTES + 8 };

static struct noise_static static_of(const struct envelope_keys *k)
{
	/* Without them Noise would run as another protocol, or with anybody. */
	if (!k->peer || !k->psk)
		abort();
	return (struct noise_static){.s = k->own, .rs = k->peer, .psk = k->psk, .ss = k->shared};
}

/* The message is bound to the label that it came with: another label's message does not open. */
static void start(struct envelope_state *s, bool initiator, const struct envelope_bind *b,
    const struct noise_static *st)
{
	uint8_t prologue[PROLOGUE_BYTES];
	struct writer w = writer_of(prologue, sizeof(prologue));

	write_bytes(&w, prologue_words, sizeof(prologue_words));
	write_u8(&w, (uint8_t)b->carrier);
	write_bytes(&w, b->cid, CID_BYTES);
	write_u64(&w, b->t);
	s->bind = *b;
	noise_start(&s->u.noise, initiator, true, st, prologue, w.len);
}

static bool fits_sealed(size_t len, size_t overhead, size_t cap)
{
	return cap >= overhead && len <= cap - overhead;
}

static bool fits_opened(size_t len, size_t overhead, size_t cap)
{
	return len >= overhead && len - overhead <= cap;
}

static int seal_request(struct envelope_state *s, const struct envelope_bind *b,
    const struct envelope_keys *k, const uint8_t *plain, size_t len, uint8_t *body, size_t cap)
{
	struct noise_static st = static_of(k);

	if (!fits_sealed(len, NOISE_M1_OVERHEAD, cap))
		return -E_SHORT;
	start(s, true, b, &st);
	return noise_write_m1(&s->u.noise, &st, plain, len, body);
}

static int open_request(struct envelope_state *s, const struct envelope_bind *b,
    const struct envelope_keys *k, const uint8_t *body, size_t len, uint8_t *plain, size_t cap)
{
	struct noise_static st = static_of(k);
	struct envelope_state fresh;

	if (!fits_opened(len, NOISE_M1_OVERHEAD, cap))
		return -E_SHORT;
	start(&fresh, false, b, &st);
	int got = noise_read_m1(&fresh.u.noise, &st, body, len, plain);
	if (got >= 0)
		*s = fresh;
	secret_wipe(&fresh, sizeof(fresh));
	return got;
}

static int seal_reply(struct envelope_state *s, const struct envelope_keys *k, const uint8_t *plain,
    size_t len, uint8_t *body, size_t cap)
{
	struct noise_static st = static_of(k);

	if (!fits_sealed(len, NOISE_M2_OVERHEAD, cap))
		return -E_SHORT;
	return noise_write_m2(&s->u.noise, &st, plain, len, body);
}

static int open_reply(struct envelope_state *s, const struct envelope_keys *k, const uint8_t *body,
    size_t len, uint8_t *plain, size_t cap)
{
	struct noise_static st = static_of(k);

	if (!fits_opened(len, NOISE_M2_OVERHEAD, cap))
		return -E_SHORT;
	return noise_read_m2(&s->u.noise, &st, body, len, plain);
}

/* M3 and M4 differ in nothing but their direction, which the state knows. */
static int seal_transport(
    struct envelope_state *s, const uint8_t *plain, size_t len, uint8_t *body, size_t cap)
{
	if (!fits_sealed(len, NOISE_TRANSPORT_OVERHEAD, cap))
		return -E_SHORT;
	return noise_encrypt(&s->u.noise, plain, len, body);
}

static int open_transport(
    struct envelope_state *s, const uint8_t *body, size_t len, uint8_t *plain, size_t cap)
{
	if (!fits_opened(len, NOISE_TRANSPORT_OVERHEAD, cap))
		return -E_SHORT;
	return noise_decrypt(&s->u.noise, body, len, plain);
}

const struct envelope envelope_noise = {
    .name = "noise",
    .request = KIND_M1,
    .challenge = KIND_M2,
    .reply = KIND_M2,
    .answer = KIND_M3,
    .result = KIND_M4,
    .request_overhead = NOISE_M1_OVERHEAD,
    .challenge_overhead = NOISE_M2_OVERHEAD,
    .reply_overhead = NOISE_M2_OVERHEAD,
    .answer_overhead = NOISE_TRANSPORT_OVERHEAD,
    .result_overhead = NOISE_TRANSPORT_OVERHEAD,
    .seal_request = seal_request,
    .open_challenge = open_reply, /* M2, either way */
    .open_reply = open_reply,
    .seal_answer = seal_transport,
    .open_result = open_transport,
    .open_request = open_request,
    .seal_challenge = seal_reply,
    .seal_reply = seal_reply,
    .open_answer = open_transport,
    .seal_result = seal_transport,
};
