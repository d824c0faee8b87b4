/*
 * veil - the outer symmetric layer: gate, nonce, AEAD; under it every packet
 * is uniform random bytes, and a stranger's packet costs one SipHash.
 *
 *   gate[8] || nonce[24] || XChaCha20-Poly1305-IETF(kind || body_len || [label] || body || zeros)
 */
#ifndef POSTERN_CRYPTO_VEIL_H
#define POSTERN_CRYPTO_VEIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keys.h"

enum carrier_id {
	CARRIER_UDP = 1,
	CARRIER_TCP = 2,
	CARRIER_ICMP = 3,
	CARRIER_HTTP = 4,
	CARRIER_SEQUENCE = 5,
};

/* Odd kinds come from the client and carry a label. */
enum kind {
	KIND_M1 = 1,
	KIND_M2 = 2,
	KIND_M3 = 3,
	KIND_M4 = 4,
	KIND_PGP_REQUEST = 5,
	KIND_PGP_CHALLENGE = 6,
	KIND_PGP_ANSWER = 7,
	KIND_PGP_RESULT = 8,
};

enum {
	VEIL_GATE_BYTES = 8,
	VEIL_NONCE_BYTES = 24,
	VEIL_TAG_BYTES = 16,
	VEIL_HEAD_BYTES = 3, /* kind, body_len */
	LABEL_BYTES = 24,
	VEIL_OVERHEAD_CLIENT = 75, /* a client's packet less its body */
	VEIL_OVERHEAD_SERVER = 51,
	VEIL_MIN_CLIENT = 384, /* a client pads to at least this */
	VEIL_ROOM = 1200,      /* longest veil over udp, icmp, tcp, sequence */
	VEIL_ROOM_HTTP = 900,  /* 1,200 characters of base64url: with its head one segment */
	VEIL_PLAIN_MAX = VEIL_ROOM - VEIL_GATE_BYTES - VEIL_NONCE_BYTES - VEIL_TAG_BYTES,
	BODY_MAX = VEIL_ROOM - VEIL_OVERHEAD_SERVER,
};

/* What a client's message says of itself before the envelope is opened. */
struct label {
	uint8_t cid[CID_BYTES];
	uint64_t t; /* the client's time, ns since 1970, never twice */
	uint8_t mac[8];
};

/* An opened veil. body points into the caller's plaintext. */
struct veiled {
	enum kind kind;
	struct label label; /* client kinds only, else zeros */
	const uint8_t *body;
	uint16_t body_len;
};

bool kind_from_client(enum kind k);

/* One SipHash: can this be a packet under these keys at all? Constant-time. */
bool veil_gate_ok(const struct veil_keys *k, const uint8_t *packet, size_t len);

/*
 * Open a packet whose gate holds.
 *   plain   borrowed, VEIL_PLAIN_MAX bytes; filled with the plaintext
 * Returns the plaintext's length and fills *out; -E_SHORT (not the length of a veil),
 * -E_FORGED, or -E_FORMAT (unknown kind, body_len beyond the end, padding that is not
 * zero). Whether the kind is one of this direction is the caller's to ask.
 */
int veil_open(const struct veil_keys *k, enum carrier_id carrier, const uint8_t *packet, size_t len,
    uint8_t plain[static VEIL_PLAIN_MAX], struct veiled *out) __attribute__((warn_unused_result));

/*
 * The second half of veil_open alone: read an opened plaintext again (as auth does with
 * what capture hands over).
 */
int veil_parse(const uint8_t *plain, size_t len, struct veiled *out)
    __attribute__((warn_unused_result));

/*
 * Wrap v into a packet of exactly total bytes.
 * total must be at least veil_need() and at most VEIL_ROOM (aborts otherwise).
 */
void veil_seal(const struct veil_keys *k, enum carrier_id carrier, const struct veiled *v,
    uint8_t *packet, size_t total);

/* The shortest packet for a body of so many bytes. */
size_t veil_need(enum kind k, size_t body_len);
/* The length a client's packet shall have: uniform in [max(need, 384), room]. */
size_t veil_length_client(size_t need, size_t room);
/*
 * The length a server's packet shall have: uniform in [need, answered]; need must not be
 * greater.
 */
size_t veil_length_server(size_t need, size_t answered);

/* label.mac over kind, carrier, cid, t and the body. */
void label_sign(struct label *l, const uint8_t label_key[static SHORT_KEY_BYTES], enum kind kind,
    enum carrier_id carrier, const uint8_t *body, size_t body_len);
/* Constant-time. */
bool label_ok(const struct label *l, const uint8_t label_key[static SHORT_KEY_BYTES],
    enum kind kind, enum carrier_id carrier, const uint8_t *body, size_t body_len);

#endif
