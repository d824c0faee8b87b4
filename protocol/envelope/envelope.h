/*
 * envelope - who may read a request and who wrote it.
 *
 * One table of functions an envelope, both sides of it. The state of one
 * attempt is a struct without pointers that the caller keeps, copies and wipes.
 * Plaintexts go in and come out encoded (request.h). Nothing here blocks.
 */
#ifndef POSTERN_ENVELOPE_ENVELOPE_H
#define POSTERN_ENVELOPE_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bind.h"
#include "noise.h"
#include "openpgp.h"
#include "veil.h"

enum { ENVELOPE_PLAIN_MAX = BODY_MAX }; /* no envelope makes its content shorter */

/* Long-term keys of one side for one peer, borrowed for one call. */
struct envelope_keys {
	const struct keypair *own;
	const uint8_t *peer;	   /* KEY_BYTES: the peer's static public key */
	const uint8_t *psk;	   /* KEY_BYTES, of client_keys */
	const uint8_t *shared;	   /* KEY_BYTES: cached static-static result, or NULL */
	const struct pgp_ops *pgp; /* openpgp alone */
};

struct envelope_state {
	struct envelope_bind bind;
	union {
		struct noise noise;
		struct openpgp openpgp;
	} u;
};

struct envelope {
	const char *name;
	/* M1 to M4 and their likes; a challenge and any other reply may be of two kinds or of one. */
	enum kind request, challenge, reply, answer, result;
	/* For openpgp what its keys add to request and challenge is left out. */
	size_t request_overhead, challenge_overhead, reply_overhead, answer_overhead,
	    result_overhead;
	bool has_reply_key; /* each request that wants a reply brings a key for it */

	/*
	 * Client: plain request to body. All return the body's (or plaintext's) length or an error
	 * of errors.h.
	 */
	int (*seal_request)(struct envelope_state *s, const struct envelope_bind *b,
	    const struct envelope_keys *k, const uint8_t *plain, size_t len, uint8_t *body,
	    size_t cap);
	int (*open_challenge)(struct envelope_state *s, const struct envelope_keys *k,
	    const uint8_t *body, size_t len, uint8_t *plain, size_t cap);
	int (*open_reply)(struct envelope_state *s, const struct envelope_keys *k,
	    const uint8_t *body, size_t len, uint8_t *plain, size_t cap);
	int (*seal_answer)(
	    struct envelope_state *s, const uint8_t *plain, size_t len, uint8_t *body, size_t cap);
	int (*open_result)(
	    struct envelope_state *s, const uint8_t *body, size_t len, uint8_t *plain, size_t cap);

	/* Server. A call that fails leaves the state as it was. */
	int (*open_request)(struct envelope_state *s, const struct envelope_bind *b,
	    const struct envelope_keys *k, const uint8_t *body, size_t len, uint8_t *plain,
	    size_t cap);
	int (*seal_challenge)(struct envelope_state *s, const struct envelope_keys *k,
	    const uint8_t *plain, size_t len, uint8_t *body, size_t cap);
	int (*seal_reply)(struct envelope_state *s, const struct envelope_keys *k,
	    const uint8_t *plain, size_t len, uint8_t *body, size_t cap);
	int (*open_answer)(
	    struct envelope_state *s, const uint8_t *body, size_t len, uint8_t *plain, size_t cap);
	int (*seal_result)(
	    struct envelope_state *s, const uint8_t *plain, size_t len, uint8_t *body, size_t cap);
};

extern const struct envelope envelope_noise;
extern const struct envelope envelope_openpgp;

/* By name ("noise", "openpgp"), or by any of its kinds; NULL when there is none. */
const struct envelope *envelope_by_name(const char *name);
const struct envelope *envelope_by_kind(enum kind k);

#endif
