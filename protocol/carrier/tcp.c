/*
 * tcp - one SYN that bears the covered bytes, as TCP Fast Open sends it, and
 * one SYN-ACK that bears the answer. There is no connection on this side: the
 * client takes the answer and resets its own.
 */
#include "carrier.h"

#include <stdio.h>

#include "checksum.h"
#include "cursor.h"
#include "errors.h"
#include "ip_head.h"
#include "secret.h"

enum {
	PROTO_TCP = 6,
	HEAD_BYTES = 20,
	OPTION_BYTES = 20,
	WORDS_SHIFT = 12, /* where the header's length in words stands */
	FLAG_SYN = 0x02,
	FLAG_ACK = 0x10,
	FLAGS_OF_STATE = 0x3f, /* all but those of congestion */
	CHECKSUM_AT = 16,

	/* What Linux says on a link of 1,500 bytes. */
	SEGMENT_V4 = 1460,
	SEGMENT_V6 = 1440,
	WINDOW_V4 = 65160,
	WINDOW_V6 = 64260,
	WINDOW_SCALE = 7,

	OPTION_NOP = 1,
	OPTION_SEGMENT = 2,
	OPTION_SCALE = 3,
	OPTION_SACK = 4,
	OPTION_TIME = 8,
};

/*
 * A SYN with as many options as Linux sends, the time among them, is answered
 * with those that Linux would answer with. Any other gets none: an answer is
 * no longer than what it answers.
 */
static bool has_usual_options(const struct packet *p)
{
	return p->tcp_head >= HEAD_BYTES + OPTION_BYTES && p->tcp_tsval != 0;
}

static bool recognise(const struct carrier_ports *ports, const struct packet *p, struct route *r,
    const uint8_t **bytes, size_t *len)
{
	if (ports->tcp == 0 || p->proto != PROTO_TCP || p->dport != ports->tcp ||
	    (p->tcp_flags & FLAGS_OF_STATE) != FLAG_SYN || p->payload_len > UINT16_MAX)
		return false;
	*r = (struct route){
	    .carrier = CARRIER_TCP,
	    .client = p->src,
	    .server = p->dst,
	    .client_port = p->sport,
	    .server_port = p->dport,
	    .tcp_seq = p->tcp_seq,
	    .tcp_tsval = has_usual_options(p) ? p->tcp_tsval : 0,
	    .request_len = (uint16_t)p->payload_len,
	};
	*bytes = p->payload;
	*len = p->payload_len;
	return true;
}

static void write_option(struct writer *w, uint8_t kind, uint8_t value_bytes)
{
	write_u8(w, kind);
	write_u8(w, (uint8_t)(2 + value_bytes));
}

/* In the order that Linux has. Its clock begins anywhere, for each pair of addresses. */
static void write_options(struct writer *w, const struct route *r)
{
	uint32_t time;

	secret_random(&time, sizeof(time));
	write_option(w, OPTION_SEGMENT, sizeof(uint16_t));
	write_u16(w, address_is_v4(&r->client) ? SEGMENT_V4 : SEGMENT_V6);
	write_option(w, OPTION_SACK, 0);
	write_option(w, OPTION_TIME, 2 * sizeof(uint32_t));
	write_u32(w, time);
	write_u32(w, r->tcp_tsval);
	write_u8(w, OPTION_NOP);
	write_option(w, OPTION_SCALE, sizeof(uint8_t));
	write_u8(w, WINDOW_SCALE);
}

static void write_segment(struct writer *w, const struct route *r, const uint8_t *bytes, size_t len)
{
	struct pseudo_header pseudo = {.src = &r->server, .dst = &r->client, .proto = PROTO_TCP};
	unsigned head = HEAD_BYTES + (r->tcp_tsval != 0 ? OPTION_BYTES : 0);
	uint32_t sequence;
	size_t at = w->len;

	secret_random(&sequence, sizeof(sequence));
	write_u16(w, r->server_port);
	write_u16(w, r->client_port);
	write_u32(w, sequence);
	write_u32(w, r->tcp_seq + 1 + r->request_len); /* the SYN counts for one */
	write_u16(w, (uint16_t)(head / 4 << WORDS_SHIFT | FLAG_SYN | FLAG_ACK));
	write_u16(w, address_is_v4(&r->client) ? WINDOW_V4 : WINDOW_V6);
	write_u16(w, 0); /* checksum */
	write_u16(w, 0); /* urgent pointer */
	if (r->tcp_tsval != 0)
		write_options(w, r);
	write_bytes(w, bytes, len);
	if (w->failed)
		return;
	struct writer field = writer_of(w->start + at + CHECKSUM_AT, sizeof(uint16_t));
	write_u16(&field, checksum_segment(&pseudo, w->start + at, w->len - at));
}

static int craft(
    const struct route *r, const uint8_t *bytes, size_t len, uint8_t out[static CRAFT_MAX])
{
	struct writer w = writer_of(out, CRAFT_MAX);
	size_t head = HEAD_BYTES + (r->tcp_tsval != 0 ? OPTION_BYTES : 0);

	if (len > VEIL_ROOM)
		return -E_SHORT;
	if (address_is_v4(&r->client) != address_is_v4(&r->server))
		return -E_FORMAT;
	ip_head(&w, r, PROTO_TCP, head + len);
	write_segment(&w, r, bytes, len);
	return w.failed ? -E_SHORT : (int)w.len;
}

/* pcap's tcp[...] reads IPv4 alone, so IPv6 counts from its own header. */
static int filter(const struct carrier_ports *ports, char *out, size_t cap)
{
	static const char form[] = "tcp dst port %u and ((ip and tcp[13] & 0x3f == 2) or "
				   "(ip6 and ip6[53] & 0x3f == 2))";
	int len = ports->tcp == 0 ? snprintf(out, cap, "%s", "")
				  : snprintf(out, cap, form, (unsigned)ports->tcp);

	return len >= 0 && (size_t)len < cap ? len : -E_SHORT;
}

const struct carrier carrier_tcp = {
    .name = "tcp",
    .id = CARRIER_TCP,
    .room = VEIL_ROOM,
    .has_reply = true,
    .recognise = recognise,
    .craft = craft,
    .filter = filter,
};
