/*
 * noise - Noise_IKpsk1_25519_ChaChaPoly_BLAKE2b (Noise Protocol Framework,
 * revision 34), the handshake alone plus one transport message each way.
 * All primitives are libsodium's.
 */
#ifndef POSTERN_CRYPTO_NOISE_H
#define POSTERN_CRYPTO_NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keys.h"

enum {
	NOISE_HASH_BYTES = 64,
	NOISE_TAG_BYTES = 16,
	NOISE_M1_OVERHEAD = KEY_BYTES + KEY_BYTES + NOISE_TAG_BYTES + NOISE_TAG_BYTES,
	NOISE_M2_OVERHEAD = KEY_BYTES + NOISE_TAG_BYTES,
	NOISE_TRANSPORT_OVERHEAD = NOISE_TAG_BYTES,
};

/* Plain data without pointers: may be copied, kept and wiped. */
struct noise {
	uint8_t h[NOISE_HASH_BYTES];
	uint8_t ck[NOISE_HASH_BYTES];
	uint8_t k[KEY_BYTES];
	uint64_t n;
	bool has_key;
	bool initiator;
	bool psk;     /* IKpsk1; without it plain IK, for the vectors */
	uint8_t step; /* 0 new, 1 M1 done, 2 M2 done (split) */
	bool fixed_e; /* e was set by a test */
	struct keypair e;
	uint8_t re[KEY_BYTES];
	uint8_t rs[KEY_BYTES];
	uint8_t k1[KEY_BYTES]; /* initiator to responder, after the split */
	uint8_t k2[KEY_BYTES];
	uint64_t n1, n2;
};

/* Noise's own view of our long-term secrets, borrowed for one call. */
struct noise_static {
	const struct keypair *s;
	const uint8_t *rs;  /* peer's static key; responder: the one it must be, or NULL for any */
	const uint8_t *psk; /* KEY_BYTES, or NULL for IK */
	const uint8_t *ss;  /* cached DH(s, rs), KEY_BYTES, or NULL to compute it */
};

void noise_start(struct noise *n, bool initiator, bool psk, const struct noise_static *st,
    const uint8_t *prologue, size_t prologue_len);
/* Tests only: the ephemeral to use instead of a random one. */
void noise_set_ephemeral(struct noise *n, const uint8_t secret[static KEY_BYTES]);

/*
 * All of these return -E_STATE when it is not their turn, and a call that fails leaves
 * the state as it was.
 */

/* M1. out has room for len + NOISE_M1_OVERHEAD. Returns the length or -E_KEY. */
int noise_write_m1(struct noise *n, const struct noise_static *st, const uint8_t *payload,
    size_t len, uint8_t *out) __attribute__((warn_unused_result));
/*
 * M1 at the responder. payload has room for len - NOISE_M1_OVERHEAD.
 * Returns the payload's length; -E_SHORT, -E_FORGED, -E_KEY (low order, or the
 * static key is not st->rs). One Diffie-Hellman when st->ss is given, and none
 * before the static key's ciphertext authenticated but that one.
 */
int noise_read_m1(struct noise *n, const struct noise_static *st, const uint8_t *msg, size_t len,
    uint8_t *payload) __attribute__((warn_unused_result));
int noise_write_m2(struct noise *n, const struct noise_static *st, const uint8_t *payload,
    size_t len, uint8_t *out) __attribute__((warn_unused_result));
int noise_read_m2(struct noise *n, const struct noise_static *st, const uint8_t *msg, size_t len,
    uint8_t *payload) __attribute__((warn_unused_result));

/* Transport messages, after M2, each in its sender's direction, counting nonces from 0. */
int noise_encrypt(struct noise *n, const uint8_t *payload, size_t len, uint8_t *out)
    __attribute__((warn_unused_result));
/* A message that fails leaves the nonce where it was. */
int noise_decrypt(struct noise *n, const uint8_t *msg, size_t len, uint8_t *payload)
    __attribute__((warn_unused_result));

/* DH(s, rs) for the cache. Returns 0 or -E_KEY (low order). Counted like any other. */
int noise_static_static(uint8_t out[static KEY_BYTES], const struct keypair *s,
    const uint8_t rs[static KEY_BYTES]) __attribute__((warn_unused_result));

/* Diffie-Hellman operations done by this process so far: the proof that strangers buy none. */
uint64_t noise_dh_count(void);

#endif
