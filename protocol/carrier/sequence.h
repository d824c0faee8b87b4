/*
 * sequence - covered bytes in pieces along a secret sequence of ports: the
 * codec of the pieces and the order of the ports. Pure; what gathers the
 * pieces is assembly.h.
 *
 *   plain  UDP or TCP payload: tag[8] || masked(set id u64 || index u8 || count u8) || slice
 *   clean  TCP SYN: the slice as payload, tag and index in sequence number and timestamp
 */
#ifndef POSTERN_CARRIER_SEQUENCE_H
#define POSTERN_CARRIER_SEQUENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "carrier.h"
#include "keys.h"

enum {
	SEQUENCE_STEP_S = 60,	     /* of the tags; one either side is accepted */
	SEQUENCE_PORTS_STEP_S = 600, /* of rolling ports; the same */
	SEQUENCE_STEPS = 3,
	SEQUENCE_HEAD_BYTES = 18, /* of a plain piece */
	SEQUENCE_PLAIN_SLICE = 48,
	SEQUENCE_CLEAN_SLICE = 700,
	SEQUENCE_PLAIN_MAX = 32, /* pieces */
	SEQUENCE_CLEAN_MAX = 64,
	SEQUENCE_SLICE_MAX = 1382, /* so that no piece is fragmented on a link of 1,500 bytes */
	SEQUENCE_SET_MAX = 65536,  /* bytes */
	SEQUENCE_CLEAN_ID_BITS = 20,
};

/* Of one door key, borrowed. */
struct sequence_keys {
	const uint8_t *tag, *mask; /* SHORT_KEY_BYTES each */
};

struct piece {
	uint64_t set_id; /* clean: SEQUENCE_CLEAN_ID_BITS */
	uint8_t index, count;
	const uint8_t *slice; /* borrowed */
	size_t slice_len;
};

/* What a SYN bears beside the slice. */
struct piece_clean {
	uint32_t tcp_seq, tcp_tsval;
};

/*
 * Into how many pieces len bytes go, and how long all but the last are: the
 * usual slice, or longer ones when these would be too many. Returns 0, or
 * -E_SHORT when they do not go in at all.
 */
int sequence_cut(bool clean, size_t len, uint8_t *count, size_t *slice);

uint32_t sequence_step(uint64_t now_ns);

/* Returns the length, or -E_SHORT. */
int piece_seal_plain(
    const struct sequence_keys *k, uint32_t step, const struct piece *p, uint8_t *out, size_t cap);
struct piece_clean piece_seal_clean(
    const struct sequence_keys *k, uint32_t step, const struct piece *p);

/*
 * Is this a piece, of now's step or one either side? Fills *out; its slice is
 * borrowed from bytes. Returns 0, -E_SHORT or -E_FORGED. What a stranger sends
 * costs two SipHashes, and rarely more.
 */
int piece_open_plain(const struct sequence_keys *k, uint32_t step, const uint8_t *bytes, size_t len,
    struct piece *out);
int piece_open_clean(const struct sequence_keys *k, uint32_t step, const struct piece_clean *head,
    const uint8_t *payload, size_t len, struct piece *out);

/*
 * The ports in their order at now_ns + off steps: the list as it is, or those
 * that the key draws for this id. Fills the first s->ports of out.
 */
void sequence_ports(const struct carrier_sequence *s, const uint8_t key[static KEY_BYTES],
    uint64_t now_ns, int off, uint16_t out[static SEQUENCE_PORTS_MAX]);

bool sequence_is_rolling(const struct carrier_sequence *s);

/* May this packet be one of its: by its kind, and by its port, of rolling ones any that may be? */
bool sequence_may_be(const struct carrier_sequence *s, const struct packet *p);

#endif
