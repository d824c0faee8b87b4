#include "sequence.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "checksum.h"
#include "cursor.h"
#include "errors.h"
#include "ip_head.h"

enum {
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	NS_PER_S = 1000000000,
	TRIES_MAX = 256,
	DRAWN_BYTES = 32,
	TCP_HEAD_BYTES = 20,
	TCP_CHECKSUM_AT = 16,
	TCP_WORDS_AND_FLAGS = 0x5014, /* five words; RST and ACK */
	FLAG_SYN = 0x02,
	FLAGS_OF_STATE = 0x3f,
};

/* ---- the ports ---- */

bool sequence_is_rolling(const struct carrier_sequence *s)
{
	return s->lo != 0;
}

static bool has(const uint16_t *list, unsigned len, uint16_t port)
{
	for (unsigned i = 0; i < len; i++) {
		if (list[i] == port)
			return true;
	}
	return false;
}

/* lo + BLAKE2b-256(ports key, step || i || try || id) mod range; without the id where that is 0 */
static uint16_t draw_port(const struct carrier_sequence *s, const uint8_t key[static KEY_BYTES],
    uint64_t step, uint8_t i, uint8_t try)
{
	uint8_t in[sizeof(step) + 3], out[DRAWN_BYTES];
	struct writer w = writer_of(in, sizeof(in));
	uint64_t range = (uint64_t)(s->hi - s->lo) + 1;

	write_u64(&w, step);
	write_u8(&w, i);
	write_u8(&w, try);
	if (s->id != 0)
		write_u8(&w, s->id);
	crypto_generichash(out, sizeof(out), in, w.len, key, KEY_BYTES);
	struct reader r = reader_of(out, sizeof(out));
	return (uint16_t)(s->lo + read_u64(&r) % range);
}

void sequence_ports(const struct carrier_sequence *s, const uint8_t key[static KEY_BYTES],
    uint64_t now_ns, int off, uint16_t out[static SEQUENCE_PORTS_MAX])
{
	uint64_t step = now_ns / NS_PER_S / SEQUENCE_PORTS_STEP_S + (uint64_t)(int64_t)off;

	memcpy(out, s->port, sizeof(s->port));
	for (unsigned i = 0; sequence_is_rolling(s) && i < s->ports; i++) {
		for (unsigned try = 0; try < TRIES_MAX; try++) {
			out[i] = draw_port(s, key, step, (uint8_t)i, (uint8_t)try);
			if (!has(out, i, out[i]))
				break;
		}
	}
}

/* ---- the server's half ---- */

bool sequence_may_be(const struct carrier_sequence *s, const struct packet *p)
{
	unsigned syn = SEQUENCE_TCP | SEQUENCE_CLEAN;
	bool port = sequence_is_rolling(s) ? p->dport >= s->lo && p->dport <= s->hi
					   : has(s->port, s->ports, p->dport);

	if (s->ports == 0 || !port || p->payload_len == 0 || p->payload_len > UINT16_MAX)
		return false;
	if (p->proto == PROTO_UDP)
		return (s->pieces & SEQUENCE_UDP) != 0;
	return p->proto == PROTO_TCP && (s->pieces & syn) != 0 &&
	       (p->tcp_flags & FLAGS_OF_STATE) == FLAG_SYN;
}

/* A piece, or a whole message to the port of a piece; of rolling ports any that may be. */
static bool recognise(const struct carrier_ports *ports, const struct packet *p, struct route *r,
    const uint8_t **bytes, size_t *len)
{
	unsigned i = 0;

	while (i < ports->sequences && !sequence_may_be(&ports->sequence[i], p))
		i++;
	if (i == ports->sequences)
		return false;
	*r = (struct route){
	    .carrier = CARRIER_SEQUENCE,
	    .client = p->src,
	    .server = p->dst,
	    .client_port = p->sport,
	    .server_port = p->dport,
	    .is_tcp = p->proto == PROTO_TCP,
	    .request_len = (uint16_t)p->payload_len,
	};
	if (r->is_tcp) /* whatever it becomes a part of, this is what is acknowledged */
		r->tcp_seq = p->tcp_seq + 1 + (uint32_t)p->payload_len;
	*bytes = p->payload;
	*len = p->payload_len;
	return true;
}

/* What a closed port says: a reset, which acknowledges all that was sent. Its payload is the answer. */
static int craft_reset(
    const struct route *r, const uint8_t *bytes, size_t len, uint8_t out[static CRAFT_MAX])
{
	struct pseudo_header pseudo = {.src = &r->server, .dst = &r->client, .proto = PROTO_TCP};
	struct writer w = writer_of(out, CRAFT_MAX);

	ip_head(&w, r, PROTO_TCP, TCP_HEAD_BYTES + len);
	size_t at = w.len;
	write_u16(&w, r->server_port);
	write_u16(&w, r->client_port);
	write_u32(&w, 0);
	write_u32(&w, r->tcp_seq);
	write_u16(&w, TCP_WORDS_AND_FLAGS);
	write_zeros(&w, 3 * sizeof(uint16_t)); /* window, checksum, urgent pointer */
	write_bytes(&w, bytes, len);
	if (w.failed)
		return -E_SHORT;
	struct writer field = writer_of(out + at + TCP_CHECKSUM_AT, sizeof(uint16_t));
	write_u16(&field, checksum_segment(&pseudo, out + at, w.len - at));
	return (int)w.len;
}

static int craft(
    const struct route *r, const uint8_t *bytes, size_t len, uint8_t out[static CRAFT_MAX])
{
	if (!r->is_tcp)
		return carrier_udp.craft(r, bytes, len, out);
	if (len > VEIL_ROOM)
		return -E_SHORT;
	if (address_is_v4(&r->client) != address_is_v4(&r->server))
		return -E_FORMAT;
	return craft_reset(r, bytes, len, out);
}

/* ---- the filter ---- */

/* Text that is put together; what does not fit makes it failed. */
struct text {
	char *at;
	size_t left;
	bool failed;
};

static void put(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct text *t, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(t->at, t->left, format, args);
	va_end(args);
	if (len < 0 || (size_t)len >= t->left) {
		t->failed = true;
		return;
	}
	t->at += len;
	t->left -= (size_t)len;
}

enum { KIND_UDP = 1, KIND_SYN = 2, KINDS = 4 };

static unsigned kinds_of(const struct carrier_sequence *s)
{
	return ((s->pieces & SEQUENCE_UDP) != 0 ? KIND_UDP : 0U) |
	       ((s->pieces & (SEQUENCE_TCP | SEQUENCE_CLEAN)) != 0 ? KIND_SYN : 0U);
}

/* "dst portrange 20000-29999 or dst port (7001 or 7312)", of those that hear just these kinds. */
static void put_ports(struct text *t, const struct carrier_ports *ports, unsigned kinds)
{
	bool some = false, listed = false;

	for (unsigned i = 0; i < ports->sequences; i++) {
		const struct carrier_sequence *s = &ports->sequence[i];

		if (kinds_of(s) != kinds || !sequence_is_rolling(s))
			continue;
		put(t, "%sdst portrange %u-%u", some ? " or " : "(", (unsigned)s->lo,
		    (unsigned)s->hi);
		some = true;
	}
	for (unsigned i = 0; i < ports->sequences; i++) {
		const struct carrier_sequence *s = &ports->sequence[i];

		if (kinds_of(s) != kinds || sequence_is_rolling(s))
			continue;
		for (unsigned n = 0; n < s->ports; n++, listed = true)
			put(t, "%s%u",
			    listed ? " or "
			    : some ? " or dst port ("
				   : "(dst port (",
			    (unsigned)s->port[n]);
	}
	put(t, listed ? "))" : ")");
}

static bool has_kinds(const struct carrier_ports *ports, unsigned kinds)
{
	for (unsigned i = 0; i < ports->sequences; i++)
		if (kinds_of(&ports->sequence[i]) == kinds)
			return true;
	return false;
}

/* Of TCP, SYNs alone. pcap's tcp[...] reads IPv4 alone, so IPv6 counts from its own header. */
static int filter(const struct carrier_ports *ports, char *out, size_t cap)
{
	static const char syn[] = "(ip and tcp[13] & 0x3f == 2) or "
				  "(ip6 and ip6[6] == 6 and ip6[53] & 0x3f == 2)";
	struct text t = {out, cap, false};
	bool some = false;

	if (cap > 0)
		out[0] = '\0';
	for (unsigned kinds = KIND_UDP; kinds < KINDS; kinds++) {
		if (!has_kinds(ports, kinds))
			continue;
		put(&t, some ? " or (" : "(");
		put_ports(&t, ports, kinds);
		put(&t, " and (%s%s%s))", (kinds & KIND_UDP) != 0 ? "udp" : "",
		    kinds == (KIND_UDP | KIND_SYN) ? " or " : "",
		    (kinds & KIND_SYN) != 0 ? syn : "");
		some = true;
	}
	return t.failed ? -E_SHORT : (int)(t.at - out);
}

const struct carrier carrier_sequence = {
    .name = "sequence",
    .id = CARRIER_SEQUENCE,
    .room = VEIL_ROOM,
    .has_reply = true,
    .recognise = recognise,
    .craft = craft,
    .filter = filter,
};
