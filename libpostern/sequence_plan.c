#include "sequence_plan.h"

#include <string.h>

#include "errors.h"
#include "secret.h"

static bool is_clean(const struct sequence_settings *s)
{
	return s->ports.pieces == SEQUENCE_CLEAN;
}

static uint64_t gap_of(const struct sequence_settings *s, unsigned packets)
{
	uint64_t most = (uint64_t)PLAN_ROUND_MAX_MS * NS_PER_MS / (packets > 0 ? packets : 1);
	uint64_t gap = (uint64_t)s->gap_ms * NS_PER_MS;

	return gap < most ? gap : most;
}

size_t plan_covered_max(const struct sequence_settings *s)
{
	size_t pieces = is_clean(s) ? SEQUENCE_CLEAN_MAX : SEQUENCE_PLAIN_MAX;
	size_t all = pieces * SEQUENCE_SLICE_MAX;

	return all < SEQUENCE_SET_MAX ? all : SEQUENCE_SET_MAX;
}

uint64_t plan_lasts_ns(const struct sequence_settings *s)
{
	/* Clean ones are those of a picture, mostly. */
	unsigned pieces = is_clean(s) ? SEQUENCE_CLEAN_MAX : VEIL_ROOM / SEQUENCE_PLAIN_SLICE;
	unsigned packets = pieces + s->dummies_max;

	return gap_of(s, packets) * packets / 2;
}

static struct plan_packet *add(struct plan *p, uint16_t port)
{
	struct plan_packet *one = &p->packet[p->packets++];

	*one = (struct plan_packet){.port = port, .at = p->used};
	secret_random(&one->tcp_seq, sizeof(one->tcp_seq));
	secret_random(&one->tcp_tsval, sizeof(one->tcp_tsval));
	return one;
}

static void add_piece(struct plan *p, const struct sequence_settings *s,
    const struct sender_message *m, const struct piece *piece, uint16_t port)
{
	const struct sequence_keys k = {m->door->sequence_tag, m->door->sequence_mask};
	struct plan_packet *one = add(p, port);
	uint32_t step = sequence_step(m->server_ns);

	if (is_clean(s)) {
		struct piece_clean head = piece_seal_clean(&k, step, piece);
		one->tcp_seq = head.tcp_seq;
		one->tcp_tsval = head.tcp_tsval;
		memcpy(p->bytes + p->used, piece->slice, piece->slice_len);
		one->len = piece->slice_len;
	} else {
		int len = piece_seal_plain(
		    &k, step, piece, p->bytes + p->used, sizeof(p->bytes) - p->used);
		one->len = len > 0 ? (size_t)len : 0;
	}
	p->used += one->len;
}

/*
 * What its tag will not hold for: random bytes, or, where the pieces are those
 * of a picture, some part of the picture.
 */
static void add_dummy(struct plan *p, const struct sequence_settings *s,
    const struct sender_message *m, size_t slice, uint16_t port)
{
	struct plan_packet *one = add(p, port);

	one->len = slice + (is_clean(s) ? 0 : SEQUENCE_HEAD_BYTES);
	if (is_clean(s) && m->is_picture)
		memcpy(p->bytes + p->used,
		    m->bytes + secret_random_below((uint32_t)(m->len - slice) + 1), slice);
	else
		secret_random(p->bytes + p->used, one->len);
	p->used += one->len;
}

static void shuffle(struct plan *p)
{
	for (unsigned i = p->packets; i > 1; i--) {
		unsigned n = secret_random_below(i);
		struct plan_packet one = p->packet[i - 1];
		p->packet[i - 1] = p->packet[n];
		p->packet[n] = one;
	}
}

static unsigned count_dummies(const struct sequence_settings *s)
{
	unsigned span = (unsigned)(s->dummies_max - s->dummies_min);

	return s->dummies_min + (span > 0 ? secret_random_below(span + 1) : 0);
}

int plan_make(struct plan *p, const struct sequence_settings *s, const struct sender_message *m)
{
	const uint64_t id_mask =
	    is_clean(s) ? (UINT64_C(1) << SEQUENCE_CLEAN_ID_BITS) - 1 : UINT64_MAX;
	struct piece piece = {.set_id = m->set_id & id_mask};
	uint16_t port[SEQUENCE_PORTS_MAX];
	unsigned dummies = count_dummies(s);
	size_t slice;

	p->packets = 0;
	p->used = 0;
	if (sequence_cut(is_clean(s), m->len, &piece.count, &slice) < 0)
		return -E_SHORT;
	sequence_ports(&s->ports, m->door->ports, m->server_ns, 0, port);
	for (unsigned i = 0; i < piece.count; i++) {
		piece.index = (uint8_t)i;
		piece.slice = m->bytes + i * slice;
		piece.slice_len = m->len - i * slice < slice ? m->len - i * slice : slice;
		add_piece(p, s, m, &piece, port[i % s->ports.ports]);
	}
	if (slice > m->len)
		slice = m->len;
	for (unsigned i = 0; i < dummies; i++)
		add_dummy(p, s, m, slice, port[secret_random_below(s->ports.ports)]);
	shuffle(p);
	p->gap_ns = gap_of(s, p->packets);
	return 0;
}
