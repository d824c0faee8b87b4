#include "noise.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "cursor.h"
#include "errors.h"
#include "secret.h"

enum {
	HMAC_BLOCK_BYTES = 128, /* BLAKE2b's */
	AEAD_NONCE_BYTES = crypto_aead_chacha20poly1305_ietf_NPUBBYTES,
};

enum { STEP_NEW = 0, STEP_M1 = 1, STEP_SPLIT = 2 };

static_assert(NOISE_TAG_BYTES == crypto_aead_chacha20poly1305_ietf_ABYTES, "tag");
static_assert(KEY_BYTES == crypto_aead_chacha20poly1305_ietf_KEYBYTES, "cipher key");
static_assert(KEY_BYTES == crypto_scalarmult_curve25519_BYTES, "point");
static_assert(NOISE_HASH_BYTES == crypto_generichash_BYTES_MAX, "hash");

/*
 * The one mutable variable of protocol/. It changes no result; it lets a test
 * of the whole daemon prove how much public-key work a stranger can buy, which
 * a counter passed in by callers could not: a caller may forget it.
 */
static uint64_t dh_done;

uint64_t noise_dh_count(void)
{
	return dh_done;
}

/* Returns 0 or -E_KEY: libsodium refuses a result of zeros, which only points of low order give. */
static int dh(uint8_t out[static KEY_BYTES], const uint8_t *secret, const uint8_t *public)
{
	dh_done++;
	return crypto_scalarmult_curve25519(out, secret, public) == 0 ? 0 : -E_KEY;
}

int noise_static_static(
    uint8_t out[static KEY_BYTES], const struct keypair *s, const uint8_t rs[static KEY_BYTES])
{
	return dh(out, s->secret, rs);
}

/* The hash of two pieces, either of which may be empty. */
static void hash2(uint8_t out[static NOISE_HASH_BYTES], const uint8_t *a, size_t a_len,
    const uint8_t *b, size_t b_len)
{
	crypto_generichash_state st;

	crypto_generichash_init(&st, NULL, 0, NOISE_HASH_BYTES);
	crypto_generichash_update(&st, a, a_len);
	if (b_len > 0)
		crypto_generichash_update(&st, b, b_len);
	crypto_generichash_final(&st, out, NOISE_HASH_BYTES);
	secret_wipe(&st, sizeof(st));
}

/* RFC 2104 over unkeyed BLAKE2b, as Noise demands; BLAKE2b's own keyed mode is something else. */
static void hmac(uint8_t out[static NOISE_HASH_BYTES], const uint8_t key[static NOISE_HASH_BYTES],
    const uint8_t *data, size_t len)
{
	uint8_t inner[HMAC_BLOCK_BYTES];
	uint8_t outer[HMAC_BLOCK_BYTES];
	uint8_t digest[NOISE_HASH_BYTES];

	memset(inner, 0x36, sizeof(inner));
	memset(outer, 0x5c, sizeof(outer));
	for (size_t i = 0; i < NOISE_HASH_BYTES; i++) {
		inner[i] ^= key[i];
		outer[i] ^= key[i];
	}
	hash2(digest, inner, sizeof(inner), data, len);
	hash2(out, outer, sizeof(outer), digest, sizeof(digest));
	secret_wipe(inner, sizeof(inner));
	secret_wipe(outer, sizeof(outer));
	secret_wipe(digest, sizeof(digest));
}

/* Noise's HKDF: as many outputs as are asked for, each fed into the next. */
static void hkdf(uint8_t out[][NOISE_HASH_BYTES], size_t outputs, const uint8_t *ck,
    const uint8_t *ikm, size_t ikm_len)
{
	uint8_t key[NOISE_HASH_BYTES];
	uint8_t block[NOISE_HASH_BYTES + 1];
	size_t before = 0; /* bytes of the output before, none at first */

	hmac(key, ck, ikm, ikm_len);
	for (size_t i = 0; i < outputs; i++) {
		block[before] = (uint8_t)(i + 1);
		hmac(out[i], key, block, before + 1);
		memcpy(block, out[i], NOISE_HASH_BYTES);
		before = NOISE_HASH_BYTES;
	}
	secret_wipe(key, sizeof(key));
	secret_wipe(block, sizeof(block));
}

static void mix_hash(struct noise *n, const uint8_t *data, size_t len)
{
	hash2(n->h, n->h, sizeof(n->h), data, len);
}

static void set_key(struct noise *n, const uint8_t *key)
{
	memcpy(n->k, key, KEY_BYTES);
	n->n = 0;
	n->has_key = true;
}

static void mix_key(struct noise *n, const uint8_t ikm[static KEY_BYTES])
{
	uint8_t out[2][NOISE_HASH_BYTES];

	hkdf(out, 2, n->ck, ikm, KEY_BYTES);
	memcpy(n->ck, out[0], sizeof(n->ck));
	set_key(n, out[1]);
	secret_wipe(out, sizeof(out));
}

static void mix_key_and_hash(struct noise *n, const uint8_t psk[static KEY_BYTES])
{
	uint8_t out[3][NOISE_HASH_BYTES];

	hkdf(out, 3, n->ck, psk, KEY_BYTES);
	memcpy(n->ck, out[0], sizeof(n->ck));
	mix_hash(n, out[1], NOISE_HASH_BYTES);
	set_key(n, out[2]);
	secret_wipe(out, sizeof(out));
}

static int mix_dh(struct noise *n, const uint8_t *secret, const uint8_t *public)
{
	uint8_t shared[KEY_BYTES];
	int err = dh(shared, secret, public);

	if (err == 0)
		mix_key(n, shared);
	secret_wipe(shared, sizeof(shared));
	return err;
}

static void aead_nonce(uint8_t nonce[static AEAD_NONCE_BYTES], uint64_t n)
{
	memset(nonce, 0, AEAD_NONCE_BYTES);
	for (size_t i = 0; i < sizeof(n); i++) /* little-endian, by Noise's rule */
		nonce[4 + i] = (uint8_t)(n >> 8 * i & 0xff);
}

static void encrypt_and_hash(struct noise *n, struct writer *w, const uint8_t *plain, size_t len)
{
	uint8_t nonce[AEAD_NONCE_BYTES];
	uint8_t *out = write_gap(w, len + NOISE_TAG_BYTES);

	if (!out || !n->has_key)
		abort(); /* in IK each encryption follows a DH, and callers give room */
	aead_nonce(nonce, n->n++);
	crypto_aead_chacha20poly1305_ietf_encrypt(
	    out, NULL, plain, len, n->h, sizeof(n->h), NULL, nonce, n->k);
	mix_hash(n, out, len + NOISE_TAG_BYTES);
}

/* Reads a ciphertext of len bytes, tag included. Returns 0, -E_SHORT, -E_FORGED. */
static int decrypt_and_hash(struct noise *n, struct reader *r, size_t len, uint8_t *plain)
{
	uint8_t nonce[AEAD_NONCE_BYTES];
	const uint8_t *in = read_view(r, len);

	if (!in || len < NOISE_TAG_BYTES)
		return -E_SHORT;
	aead_nonce(nonce, n->n++);
	if (crypto_aead_chacha20poly1305_ietf_decrypt(
		plain, NULL, NULL, in, len, n->h, sizeof(n->h), nonce, n->k) != 0)
		return -E_FORGED;
	mix_hash(n, in, len);
	return 0;
}

void noise_start(struct noise *n, bool initiator, bool psk, const struct noise_static *st,
    const uint8_t *prologue, size_t prologue_len)
{
	static const char with_psk[] = "Noise_IKpsk1_25519_ChaChaPoly_BLAKE2b";
	static const char without[] = "Noise_IK_25519_ChaChaPoly_BLAKE2b";
	static_assert(sizeof(with_psk) - 1 <= NOISE_HASH_BYTES, "a longer name would be hashed");

	if (psk != (st->psk != NULL) || (initiator && !st->rs))
		abort();
	*n = (struct noise){.initiator = initiator, .psk = psk, .step = STEP_NEW};
	memcpy(n->h, psk ? with_psk : without, psk ? sizeof(with_psk) - 1 : sizeof(without) - 1);
	memcpy(n->ck, n->h, sizeof(n->ck));
	mix_hash(n, prologue, prologue_len);
	if (initiator)
		memcpy(n->rs, st->rs, KEY_BYTES);
	mix_hash(n, initiator ? st->rs : st->s->public, KEY_BYTES);
}

void noise_set_ephemeral(struct noise *n, const uint8_t secret[static KEY_BYTES])
{
	keypair_from_secret(&n->e, secret);
	n->fixed_e = true;
}

/* The token "e". With a psk the ephemeral also goes into the chaining key (revision 34,
 * section 9.2). */
static void mix_ephemeral(struct noise *n, const uint8_t *public)
{
	mix_hash(n, public, KEY_BYTES);
	if (n->psk)
		mix_key(n, public);
}

static void write_ephemeral(struct noise *n, struct writer *w)
{
	if (!n->fixed_e)
		keypair_generate(&n->e);
	write_bytes(w, n->e.public, KEY_BYTES);
	mix_ephemeral(n, n->e.public);
}

static int read_ephemeral(struct noise *n, struct reader *r)
{
	read_bytes(r, n->re, KEY_BYTES);
	if (r->failed)
		return -E_SHORT;
	mix_ephemeral(n, n->re);
	return 0;
}

/* The token "ss", from the cache when the caller has it. */
static int mix_static_static(struct noise *n, const struct noise_static *st)
{
	if (!st->ss)
		return mix_dh(n, st->s->secret, n->rs);
	mix_key(n, st->ss);
	return 0;
}

/* -> e, es, s, ss, psk, payload */
static int m1_out(struct noise *n, const struct noise_static *st, const uint8_t *payload,
    size_t len, struct writer *w)
{
	int err;

	write_ephemeral(n, w);
	if ((err = mix_dh(n, n->e.secret, n->rs)) < 0)
		return err;
	encrypt_and_hash(n, w, st->s->public, KEY_BYTES);
	if ((err = mix_static_static(n, st)) < 0)
		return err;
	if (n->psk)
		mix_key_and_hash(n, st->psk);
	encrypt_and_hash(n, w, payload, len);
	return 0;
}

static int m1_in(struct noise *n, const struct noise_static *st, struct reader *r, uint8_t *payload)
{
	int err;

	if ((err = read_ephemeral(n, r)) < 0)
		return err;
	if ((err = mix_dh(n, st->s->secret, n->re)) < 0)
		return err;
	if ((err = decrypt_and_hash(n, r, KEY_BYTES + NOISE_TAG_BYTES, n->rs)) < 0)
		return err;
	if (st->rs && !secret_equal(n->rs, st->rs, KEY_BYTES))
		return -E_KEY;
	if ((err = mix_static_static(n, st)) < 0)
		return err;
	if (n->psk)
		mix_key_and_hash(n, st->psk);
	return decrypt_and_hash(n, r, r->left, payload);
}

/* The end of the handshake: transport keys in, what made them out. */
static void split(struct noise *n)
{
	uint8_t out[2][NOISE_HASH_BYTES];

	hkdf(out, 2, n->ck, NULL, 0);
	memcpy(n->k1, out[0], KEY_BYTES);
	memcpy(n->k2, out[1], KEY_BYTES);
	secret_wipe(out, sizeof(out));
	secret_wipe(n->ck, sizeof(n->ck));
	secret_wipe(n->k, sizeof(n->k));
	secret_wipe(&n->e, sizeof(n->e));
	n->has_key = false;
}

/* <- e, ee, se, payload */
static int m2_out(struct noise *n, const uint8_t *payload, size_t len, struct writer *w)
{
	int err;

	write_ephemeral(n, w);
	if ((err = mix_dh(n, n->e.secret, n->re)) < 0)
		return err;
	if ((err = mix_dh(n, n->e.secret, n->rs)) < 0)
		return err;
	encrypt_and_hash(n, w, payload, len);
	split(n);
	return 0;
}

static int m2_in(struct noise *n, const struct noise_static *st, struct reader *r, uint8_t *payload)
{
	int err;

	if ((err = read_ephemeral(n, r)) < 0)
		return err;
	if ((err = mix_dh(n, n->e.secret, n->re)) < 0)
		return err;
	if ((err = mix_dh(n, st->s->secret, n->re)) < 0)
		return err;
	if ((err = decrypt_and_hash(n, r, r->left, payload)) < 0)
		return err;
	split(n);
	return 0;
}

/* Work is done on a copy, which becomes the state only when all of it went well. */
static int settle(struct noise *n, struct noise *copy, uint8_t step, int err, size_t len)
{
	if (err == 0) {
		*n = *copy;
		n->step = step;
	}
	secret_wipe(copy, sizeof(*copy));
	return err < 0 ? err : (int)len;
}

int noise_write_m1(struct noise *n, const struct noise_static *st, const uint8_t *payload,
    size_t len, uint8_t *out)
{
	if (!n->initiator || n->step != STEP_NEW)
		return -E_STATE;
	struct noise copy = *n;
	struct writer w = writer_of(out, len + NOISE_M1_OVERHEAD);
	int err = m1_out(&copy, st, payload, len, &w);
	return settle(n, &copy, STEP_M1, err, w.len);
}

int noise_read_m1(struct noise *n, const struct noise_static *st, const uint8_t *msg, size_t len,
    uint8_t *payload)
{
	if (n->initiator || n->step != STEP_NEW)
		return -E_STATE;
	if (len < NOISE_M1_OVERHEAD)
		return -E_SHORT;
	struct noise copy = *n;
	struct reader r = reader_of(msg, len);
	int err = m1_in(&copy, st, &r, payload);
	return settle(n, &copy, STEP_M1, err, len - NOISE_M1_OVERHEAD);
}

int noise_write_m2(struct noise *n, const struct noise_static *st, const uint8_t *payload,
    size_t len, uint8_t *out)
{
	(void)st; /* of the long-term keys only the peer's is needed, which M1 brought */
	if (n->initiator || n->step != STEP_M1)
		return -E_STATE;
	struct noise copy = *n;
	struct writer w = writer_of(out, len + NOISE_M2_OVERHEAD);
	int err = m2_out(&copy, payload, len, &w);
	return settle(n, &copy, STEP_SPLIT, err, w.len);
}

int noise_read_m2(struct noise *n, const struct noise_static *st, const uint8_t *msg, size_t len,
    uint8_t *payload)
{
	if (!n->initiator || n->step != STEP_M1)
		return -E_STATE;
	if (len < NOISE_M2_OVERHEAD)
		return -E_SHORT;
	struct noise copy = *n;
	struct reader r = reader_of(msg, len);
	int err = m2_in(&copy, st, &r, payload);
	return settle(n, &copy, STEP_SPLIT, err, len - NOISE_M2_OVERHEAD);
}

int noise_encrypt(struct noise *n, const uint8_t *payload, size_t len, uint8_t *out)
{
	uint64_t *count = n->initiator ? &n->n1 : &n->n2;
	uint8_t nonce[AEAD_NONCE_BYTES];

	/* Noise keeps the last nonce back; nobody sends so many, and nobody wraps. */
	if (n->step != STEP_SPLIT || *count == UINT64_MAX)
		return -E_STATE;
	aead_nonce(nonce, *count);
	crypto_aead_chacha20poly1305_ietf_encrypt(
	    out, NULL, payload, len, NULL, 0, NULL, nonce, n->initiator ? n->k1 : n->k2);
	++*count;
	return (int)(len + NOISE_TAG_BYTES);
}

int noise_decrypt(struct noise *n, const uint8_t *msg, size_t len, uint8_t *payload)
{
	uint64_t *count = n->initiator ? &n->n2 : &n->n1;
	uint8_t nonce[AEAD_NONCE_BYTES];

	if (n->step != STEP_SPLIT || *count == UINT64_MAX)
		return -E_STATE;
	if (len < NOISE_TAG_BYTES)
		return -E_SHORT;
	aead_nonce(nonce, *count);
	if (crypto_aead_chacha20poly1305_ietf_decrypt(
		payload, NULL, NULL, msg, len, NULL, 0, nonce, n->initiator ? n->k2 : n->k1) != 0)
		return -E_FORGED;
	++*count;
	return (int)(len - NOISE_TAG_BYTES);
}
