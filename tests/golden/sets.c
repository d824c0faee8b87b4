#include "sets.h"

#include <stdlib.h>

#include "sequence.h"

enum { COVERED = 100, ANSWER = 51, NAMED = 7 };

static const uint64_t at_ns = UINT64_C(1700000000000000000);

static void count_up(uint8_t *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)(1 + i);
}

static void tell_plain(struct emit *e, const struct sequence_keys *k, const uint8_t *covered)
{
	struct piece p = {.set_id = UINT64_C(0x5152535455565758)};
	uint8_t out[SEQUENCE_HEAD_BYTES + SEQUENCE_PLAIN_SLICE];
	size_t slice;

	if (sequence_cut(false, COVERED, &p.count, &slice) != 0)
		abort();
	emit_open(e, "plain", '{');
	emit_u64(e, "set_id", p.set_id);
	emit_open(e, "pieces", '[');
	for (; p.index < p.count; p.index++) {
		p.slice = covered + p.index * slice;
		p.slice_len = COVERED - p.index * slice < slice ? COVERED - p.index * slice : slice;
		int len = piece_seal_plain(k, sequence_step(at_ns), &p, out, sizeof(out));
		if (len < 0)
			abort();
		emit_hex(e, NULL, out, (size_t)len);
	}
	emit_close(e, ']');
	emit_close(e, '}');
}

static void tell_clean(struct emit *e, const struct sequence_keys *k, const uint8_t *covered)
{
	struct piece p = {
	    .set_id = 0xabcde, .index = 2, .count = 9, .slice = covered, .slice_len = COVERED};
	struct piece_clean head = piece_seal_clean(k, sequence_step(at_ns), &p);

	emit_open(e, "clean", '{');
	emit_u64(e, "set_id", p.set_id);
	emit_number(e, "index", p.index);
	emit_number(e, "count", p.count);
	emit_number(e, "tcp_seq", (long)head.tcp_seq);
	emit_number(e, "tcp_tsval", (long)head.tcp_tsval);
	emit_close(e, '}');
}

static void tell_rolling(struct emit *e, const char *name, uint8_t id, const struct door_keys *door)
{
	/* So narrow that some port is drawn twice. */
	const struct carrier_sequence s = {.id = id, .ports = 8, .lo = 20000, .hi = 20031};
	uint16_t port[SEQUENCE_PORTS_MAX];

	emit_open(e, name, '{');
	emit_number(e, "id", id);
	emit_number(e, "low", s.lo);
	emit_number(e, "high", s.hi);
	for (int off = -1; off <= 1; off++) {
		sequence_ports(&s, door->ports, at_ns, off, port);
		emit_open(e, off < 0 ? "before" : off == 0 ? "now" : "after", '[');
		for (unsigned i = 0; i < s.ports; i++)
			emit_number(e, NULL, port[i]);
		emit_close(e, ']');
	}
	emit_close(e, '}');
}

static void tell_reset(struct emit *e, const char *name, const char *server, const char *client)
{
	struct route r = {.carrier = CARRIER_SEQUENCE,
	    .is_tcp = true,
	    .server_port = 7001,
	    .client_port = 40000,
	    .tcp_seq = 0x01020304};
	uint8_t payload[ANSWER], out[CRAFT_MAX];

	count_up(payload, sizeof(payload));
	if (address_parse(server, &r.server) < 0 || address_parse(client, &r.client) < 0)
		abort();
	int len = carrier_sequence.craft(&r, payload, sizeof(payload), out);
	if (len < 0)
		abort();
	emit_hex(e, name, out, (size_t)len);
}

void tell_sets(struct emit *e, const struct door_keys *door)
{
	const struct sequence_keys k = {door->sequence_tag, door->sequence_mask};
	uint8_t covered[COVERED];

	count_up(covered, sizeof(covered));
	emit_open(e, "sequences", '{');
	emit_number(e, "time_s", (long)(at_ns / 1000000000));
	emit_hex(e, "covered", covered, sizeof(covered));
	tell_plain(e, &k, covered);
	tell_clean(e, &k, covered);
	tell_rolling(e, "rolling", 0, door);
	tell_rolling(e, "named", NAMED, door);
	tell_reset(e, "reset_v4", "192.0.2.1", "192.0.2.7");
	tell_reset(e, "reset_v6", "2001:db8::1", "2001:db8::7");
	emit_close(e, '}');
}
