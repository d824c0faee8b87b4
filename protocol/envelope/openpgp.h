/*
 * openpgp - the formats inside the envelope `openpgp`: what is signed and
 * encrypted, and what needs no OpenPGP at all (answer, result, reply).
 *
 * The OpenPGP operations themselves are passed in: here is no I/O. Signing and
 * deciphering may take a server's time, so for it both halves of a challenge
 * stand apart: openpgp_challenge_begin(), the operation, openpgp_challenge_end().
 */
#ifndef POSTERN_ENVELOPE_OPENPGP_H
#define POSTERN_ENVELOPE_OPENPGP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bind.h"
#include "keys.h"

enum {
	PGP_LITERAL_MAX = 2048, /* no more is taken out of a message */
	PGP_HASH_BYTES = 32,
	PGP_REQUEST_HEAD = 71,	       /* what is signed, less the request */
	PGP_CHALLENGE_HEAD = 128,      /* the same, less the reply */
	PGP_SEALED_OVERHEAD = 24 + 16, /* of answer, result, reply: nonce, tag */
};

/*
 * The keys are the caller's affair: which is ours, and which one the peer's
 * fingerprint is pinned to. Both return a length, or a negative error of
 * errors.h: -E_FORGED (not by the pinned key, or not by it alone), -E_SHORT.
 */
struct pgp_ops {
	/* Sign with our key, then encrypt to the peer's. */
	int (*sign_encrypt)(void *arg, const uint8_t *plain, size_t len, uint8_t *out, size_t cap);
	/* What stands in a message for us that the peer, and nobody else, signed. */
	int (*decrypt_verify)(
	    void *arg, const uint8_t *message, size_t len, uint8_t *out, size_t cap);
	void *arg;
};

enum openpgp_stage { PGP_FRESH, PGP_REQUESTED, PGP_CHALLENGED };

struct openpgp {
	enum openpgp_stage stage;
	bool has_reply_key;
	uint64_t attempt;
	uint8_t reply_key[KEY_BYTES];
	uint8_t request[PGP_HASH_BYTES];   /* BLAKE2b-256 of what was signed */
	uint8_t secret[KEY_BYTES];	   /* the challenge's */
	uint8_t challenge[PGP_HASH_BYTES]; /* BLAKE2b-256 of its ciphertext */
};

struct envelope_state;

/*
 * Server: draw a challenge's secret and write what is to be signed and
 * encrypted. Returns its length, -E_SHORT, or -E_STATE when s has no request.
 */
int openpgp_challenge_begin(struct envelope_state *s, const uint8_t server_key[static KEY_BYTES],
    const uint8_t *reply, size_t len, uint8_t *out, size_t cap) __attribute__((warn_unused_result));
/* The ciphertext that came of it: answers are bound to it from now on. */
void openpgp_challenge_end(struct envelope_state *s, const uint8_t *body, size_t len);

#endif
