#include "openpgp.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "cursor.h"
#include "envelope.h"
#include "errors.h"
#include "request.h"
#include "secret.h"

/* With their NULs: neither is the beginning of the other. */
static const char request_words[] = "postern 1 pgp request";
static const char challenge_words[] = "postern 1 pgp challenge";

static const char kdf_context[crypto_kdf_CONTEXTBYTES + 1] = "postpgp1";

enum { KDF_ID = 1, ATTEMPT_BYTES = 8 };

_Static_assert(
    (int)PGP_REQUEST_HEAD == sizeof(request_words) + KEY_BYTES + 1 + CID_BYTES + 8, "its parts");
_Static_assert((int)PGP_CHALLENGE_HEAD ==
		   sizeof(challenge_words) + KEY_BYTES + CID_BYTES + PGP_HASH_BYTES + KEY_BYTES,
    "its parts");
_Static_assert((int)PGP_SEALED_OVERHEAD == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES +
					       crypto_aead_xchacha20poly1305_ietf_ABYTES,
    "its parts");

static void hash(uint8_t out[static PGP_HASH_BYTES], const uint8_t *bytes, size_t len)
{
	crypto_generichash(out, PGP_HASH_BYTES, bytes, len, NULL, 0);
}

static void derive(uint8_t out[static KEY_BYTES], const uint8_t key[static KEY_BYTES])
{
	if (crypto_kdf_derive_from_key(out, KEY_BYTES, KDF_ID, kdf_context, key) != 0)
		abort();
}

static const struct pgp_ops *ops_of(const struct envelope_keys *k)
{
	if (!k->pgp)
		abort();
	return k->pgp;
}

/* --- request --- */

static int write_request(const struct envelope_bind *b, const uint8_t *server_key,
    const uint8_t *plain, size_t len, struct writer *w)
{
	write_bytes(w, request_words, sizeof(request_words));
	write_bytes(w, server_key, KEY_BYTES);
	write_u8(w, (uint8_t)b->carrier);
	write_bytes(w, b->cid, CID_BYTES);
	write_u64(w, b->t);
	write_bytes(w, plain, len);
	return w->failed ? -E_SHORT : 0;
}

/*
 * What later messages need of the request. One that cannot be read has no
 * answer, unless its reply key came before, or after, what is wrong with it.
 */
static void keep_request(
    struct openpgp *p, const struct writer *is_signed, const uint8_t *plain, size_t len)
{
	struct request q;
	uint8_t unknown;

	(void)!request_decode(&q, plain, len, &unknown);
	*p = (struct openpgp){
	    .stage = PGP_REQUESTED, .has_reply_key = q.has_reply_key, .attempt = q.attempt};
	memcpy(p->reply_key, q.reply_key, KEY_BYTES);
	hash(p->request, is_signed->start, is_signed->len);
	secret_wipe(&q, sizeof(q));
}

static int seal_request(struct envelope_state *s, const struct envelope_bind *b,
    const struct envelope_keys *k, const uint8_t *plain, size_t len, uint8_t *body, size_t cap)
{
	const struct pgp_ops *ops = ops_of(k);
	uint8_t text[PGP_REQUEST_HEAD + REQUEST_MAX];
	struct writer w = writer_of(text, sizeof(text));
	int got = write_request(b, k->peer, plain, len, &w);

	if (got == 0)
		got = ops->sign_encrypt(ops->arg, text, w.len, body, cap);
	if (got >= 0) {
		s->bind = *b;
		keep_request(&s->u.openpgp, &w, plain, len);
	}
	secret_wipe(text, sizeof(text));
	return got;
}

static int open_request(struct envelope_state *s, const struct envelope_bind *b,
    const struct envelope_keys *k, const uint8_t *body, size_t len, uint8_t *plain, size_t cap)
{
	const struct pgp_ops *ops = ops_of(k);
	uint8_t text[PGP_LITERAL_MAX], head[PGP_REQUEST_HEAD];
	struct writer w = writer_of(head, sizeof(head)), is_signed = writer_of(text, sizeof(text));
	int got = ops->decrypt_verify(ops->arg, body, len, text, sizeof(text));

	(void)!write_request(b, k->own->public, NULL, 0, &w);
	if (got >= 0 && (got < PGP_REQUEST_HEAD || memcmp(text, head, sizeof(head)) != 0))
		got = -E_FORGED; /* signed, but for another server, time, carrier or purpose */
	if (got >= 0 && (size_t)got - sizeof(head) > cap)
		got = -E_SHORT;
	if (got >= 0) {
		is_signed.len = (size_t)got;
		got -= PGP_REQUEST_HEAD;
		memcpy(plain, text + PGP_REQUEST_HEAD, (size_t)got);
		s->bind = *b;
		keep_request(&s->u.openpgp, &is_signed, plain, (size_t)got);
	}
	secret_wipe(text, sizeof(text));
	return got;
}

/* --- challenge --- */

static void write_challenge(const struct envelope_state *s, const uint8_t *server_key,
    const uint8_t *secret, struct writer *w)
{
	write_bytes(w, challenge_words, sizeof(challenge_words));
	write_bytes(w, server_key, KEY_BYTES);
	write_bytes(w, s->bind.cid, CID_BYTES);
	write_bytes(w, s->u.openpgp.request, PGP_HASH_BYTES);
	if (secret)
		write_bytes(w, secret, KEY_BYTES);
}

int openpgp_challenge_begin(struct envelope_state *s, const uint8_t server_key[static KEY_BYTES],
    const uint8_t *reply, size_t len, uint8_t *out, size_t cap)
{
	struct openpgp *p = &s->u.openpgp;
	struct writer w = writer_of(out, cap);

	if (p->stage != PGP_REQUESTED || !p->has_reply_key)
		return -E_STATE;
	secret_random(p->secret, sizeof(p->secret));
	write_challenge(s, server_key, p->secret, &w);
	write_bytes(&w, reply, len);
	return w.failed ? -E_SHORT : (int)w.len;
}

void openpgp_challenge_end(struct envelope_state *s, const uint8_t *body, size_t len)
{
	hash(s->u.openpgp.challenge, body, len);
	s->u.openpgp.stage = PGP_CHALLENGED;
}

static int seal_challenge(struct envelope_state *s, const struct envelope_keys *k,
    const uint8_t *plain, size_t len, uint8_t *body, size_t cap)
{
	const struct pgp_ops *ops = ops_of(k);
	uint8_t text[PGP_LITERAL_MAX];
	int got = openpgp_challenge_begin(s, k->own->public, plain, len, text, sizeof(text));

	if (got >= 0)
		got = ops->sign_encrypt(ops->arg, text, (size_t)got, body, cap);
	if (got >= 0)
		openpgp_challenge_end(s, body, (size_t)got);
	secret_wipe(text, sizeof(text));
	return got;
}

static int open_challenge(struct envelope_state *s, const struct envelope_keys *k,
    const uint8_t *body, size_t len, uint8_t *plain, size_t cap)
{
	enum { SECRET_AT = PGP_CHALLENGE_HEAD - KEY_BYTES };
	const struct pgp_ops *ops = ops_of(k);
	uint8_t text[PGP_LITERAL_MAX], head[SECRET_AT];
	struct writer w = writer_of(head, sizeof(head));
	int got;

	if (s->u.openpgp.stage == PGP_FRESH)
		return -E_STATE;
	got = ops->decrypt_verify(ops->arg, body, len, text, sizeof(text));
	write_challenge(s, k->peer, NULL, &w);
	if (got >= 0 && (got < PGP_CHALLENGE_HEAD || memcmp(text, head, sizeof(head)) != 0))
		got = -E_FORGED; /* the server's, but for another request */
	if (got >= 0 && (size_t)got - PGP_CHALLENGE_HEAD > cap)
		got = -E_SHORT;
	if (got >= 0) {
		got -= PGP_CHALLENGE_HEAD;
		memcpy(s->u.openpgp.secret, text + SECRET_AT, KEY_BYTES);
		memcpy(plain, text + PGP_CHALLENGE_HEAD, (size_t)got);
		openpgp_challenge_end(s, body, len);
	}
	secret_wipe(text, sizeof(text));
	return got;
}

/* --- what needs no OpenPGP: answer, result, and a reply without challenge --- */

struct sealing {
	uint8_t key[KEY_BYTES];
	const uint8_t *ad;
	size_t ad_len;
};

static int seal(
    const struct sealing *s, const uint8_t *plain, size_t len, uint8_t *body, size_t cap)
{
	uint8_t *nonce = body, *sealed = body + crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;

	if (cap < PGP_SEALED_OVERHEAD || len > cap - PGP_SEALED_OVERHEAD)
		return -E_SHORT;
	memmove(sealed, plain, len);
	secret_random(nonce, crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
	crypto_aead_xchacha20poly1305_ietf_encrypt(
	    sealed, NULL, sealed, len, s->ad, s->ad_len, NULL, nonce, s->key);
	return (int)(len + PGP_SEALED_OVERHEAD);
}

static int unseal(
    const struct sealing *s, const uint8_t *body, size_t len, uint8_t *plain, size_t cap)
{
	const size_t nonce_len = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;

	if (len < PGP_SEALED_OVERHEAD || len - PGP_SEALED_OVERHEAD > cap)
		return -E_SHORT;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain, NULL, NULL, body + nonce_len,
		len - nonce_len, s->ad, s->ad_len, body, s->key) != 0)
		return -E_FORGED;
	return (int)(len - PGP_SEALED_OVERHEAD);
}

/* Under the challenge's secret, and for this ciphertext of it alone. */
static struct sealing sealing_of_answer(const struct openpgp *p)
{
	struct sealing s = {.ad = p->challenge, .ad_len = sizeof(p->challenge)};

	derive(s.key, p->secret);
	return s;
}

static int seal_answer(
    struct envelope_state *s, const uint8_t *plain, size_t len, uint8_t *body, size_t cap)
{
	struct sealing how;
	int got;

	if (s->u.openpgp.stage != PGP_CHALLENGED)
		return -E_STATE;
	how = sealing_of_answer(&s->u.openpgp);
	got = seal(&how, plain, len, body, cap);
	secret_wipe(&how, sizeof(how));
	return got;
}

static int open_answer(
    struct envelope_state *s, const uint8_t *body, size_t len, uint8_t *plain, size_t cap)
{
	struct sealing how;
	int got;

	if (s->u.openpgp.stage != PGP_CHALLENGED)
		return -E_STATE;
	how = sealing_of_answer(&s->u.openpgp);
	got = unseal(&how, body, len, plain, cap);
	secret_wipe(&how, sizeof(how));
	return got;
}

/* Under the request's reply key, for this attempt, whose bytes are put into ad. */
static struct sealing sealing_of_result(const struct openpgp *p, uint8_t ad[static ATTEMPT_BYTES])
{
	struct sealing s = {.ad = ad, .ad_len = ATTEMPT_BYTES};
	struct writer w = writer_of(ad, ATTEMPT_BYTES);

	write_u64(&w, p->attempt);
	derive(s.key, p->reply_key);
	return s;
}

static int seal_result(
    struct envelope_state *s, const uint8_t *plain, size_t len, uint8_t *body, size_t cap)
{
	const struct openpgp *p = &s->u.openpgp;
	uint8_t ad[ATTEMPT_BYTES];
	struct sealing how;
	int got;

	if (p->stage == PGP_FRESH || !p->has_reply_key)
		return -E_STATE;
	how = sealing_of_result(p, ad);
	got = seal(&how, plain, len, body, cap);
	secret_wipe(&how, sizeof(how));
	return got;
}

static int open_result(
    struct envelope_state *s, const uint8_t *body, size_t len, uint8_t *plain, size_t cap)
{
	const struct openpgp *p = &s->u.openpgp;
	uint8_t ad[ATTEMPT_BYTES];
	struct sealing how;
	int got;

	if (p->stage == PGP_FRESH || !p->has_reply_key)
		return -E_STATE;
	how = sealing_of_result(p, ad);
	got = unseal(&how, body, len, plain, cap);
	secret_wipe(&how, sizeof(how));
	return got;
}

static int seal_reply(struct envelope_state *s, const struct envelope_keys *k, const uint8_t *plain,
    size_t len, uint8_t *body, size_t cap)
{
	(void)k;
	return seal_result(s, plain, len, body, cap);
}

static int open_reply(struct envelope_state *s, const struct envelope_keys *k, const uint8_t *body,
    size_t len, uint8_t *plain, size_t cap)
{
	(void)k;
	return open_result(s, body, len, plain, cap);
}

const struct envelope envelope_openpgp = {
    .name = "openpgp",
    .request = KIND_PGP_REQUEST,
    .challenge = KIND_PGP_CHALLENGE,
    .reply = KIND_PGP_RESULT,
    .answer = KIND_PGP_ANSWER,
    .result = KIND_PGP_RESULT,
    .request_overhead = PGP_REQUEST_HEAD,
    .challenge_overhead = PGP_CHALLENGE_HEAD,
    .reply_overhead = PGP_SEALED_OVERHEAD,
    .answer_overhead = PGP_SEALED_OVERHEAD,
    .result_overhead = PGP_SEALED_OVERHEAD,
    .has_reply_key = true,
    .seal_request = seal_request,
    .open_challenge = open_challenge,
    .open_reply = open_reply,
    .seal_answer = seal_answer,
    .open_result = open_result,
    .open_request = open_request,
    .seal_challenge = seal_challenge,
    .seal_reply = seal_reply,
    .open_answer = open_answer,
    .seal_result = seal_result,
};
