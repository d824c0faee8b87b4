/*
 * sequence_plan - the packets that one message over a sequence takes: its
 * pieces and the dummies between them, in an order of chance, each to its
 * port. Pure but for chance; the sockets are in sender_sequence.c.
 */
#ifndef LIBPOSTERN_SEQUENCE_PLAN_H
#define LIBPOSTERN_SEQUENCE_PLAN_H

#include "sender.h"
#include "sequence.h"

enum {
	PLAN_DUMMIES_MAX = 64,
	PLAN_PACKETS_MAX = SEQUENCE_CLEAN_MAX + PLAN_DUMMIES_MAX,
	PLAN_GAP_MAX_MS = 1000,
	PLAN_ROUND_MAX_MS =
	    5000, /* a server forgets a set after 30 s: four rounds and the pauses fit */
	PLAN_ROUNDS = 4,
	PLAN_PAUSE_MS = 300, /* after a round; doubled after each */
};

/* One packet: what it bears lies in the plan's bytes. */
struct plan_packet {
	uint16_t port;
	uint32_t tcp_seq, tcp_tsval;
	size_t at, len;
};

struct plan {
	unsigned packets;
	struct plan_packet packet[PLAN_PACKETS_MAX];
	uint64_t gap_ns; /* from one to the next: between none and this */
	size_t used;
	uint8_t bytes[PLAN_PACKETS_MAX * (SEQUENCE_HEAD_BYTES + SEQUENCE_SLICE_MAX)];
};

/* Returns 0, or -E_SHORT when the message does not go into so many pieces. */
int plan_make(struct plan *p, const struct sequence_settings *s, const struct sender_message *m);

/* The longest message that goes into so many pieces. */
size_t plan_covered_max(const struct sequence_settings *s);

/* By the settings alone: how long a round lasts, about. */
uint64_t plan_lasts_ns(const struct sequence_settings *s);

#endif
