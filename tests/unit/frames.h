/*
 * frames - frames made by hand, for the tests of capture: any link type, VLAN
 * tags, IPv4 with options, IPv6 with extension headers, UDP inside.
 *
 * Lengths and the IPv4 checksum are right; a test that wants them wrong
 * changes the bytes afterwards (frame.ip and frame.l4 say where).
 */
#ifndef POSTERN_TESTS_FRAMES_H
#define POSTERN_TESTS_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "capture.h"
#include "cursor.h"

enum {
	FRAME_MAX = 4096,
	FRAME_PORT = 62201,
	FRAME_CLIENT_PORT = 40000,
	FRAME_IFINDEX = 7,
};

struct shape {
	enum link_type link;
	unsigned tags;
	uint16_t tag[6]; /* their ethertypes, outermost first */
	bool v6;
	unsigned option_bytes; /* IPv4, a multiple of 4 */
	unsigned extensions;   /* IPv6 */
	uint8_t extension[12]; /* their numbers */
	uint8_t proto;	       /* 0: UDP */
	uint16_t fragment;     /* IPv4's flags and offset */
	uint8_t packet_type;   /* cooked: 0 to us, 4 from us */
	uint16_t port;	       /* 0: FRAME_PORT */
	uint32_t family;       /* NULL and LOOP; 0: the usual one */
	unsigned padding;      /* after the IP packet */
	const void *payload;
	size_t payload_len;
	const uint8_t *mac; /* Ethernet destination; NULL: zeros */
};

struct frame {
	uint8_t bytes[FRAME_MAX];
	size_t len;
	size_t ip, l4; /* where these headers begin */
};

static const uint8_t frame_client4[4] = {192, 0, 2, 7}, frame_server4[4] = {198, 51, 100, 1};
static const uint8_t frame_client6[16] = {0x20, 1, 0xd, 0xb8, [15] = 7};
static const uint8_t frame_server6[16] = {0x20, 1, 0xd, 0xb8, [14] = 1, [15] = 1};

static inline void frame_tags(struct writer *w, const struct shape *s)
{
	for (unsigned i = 1; i < s->tags; i++) {
		write_u16(w, (uint16_t)(100 + i));
		write_u16(w, s->tag[i]);
	}
	if (s->tags > 0) {
		write_u16(w, 5);
		write_u16(w, s->v6 ? 0x86dd : 0x0800);
	}
}

static inline void frame_link(struct writer *w, const struct shape *s)
{
	uint16_t type = s->v6 ? 0x86dd : 0x0800;
	static const uint8_t to_nobody[6];
	static const uint8_t from[6] = {2, 0, 0, 0, 0, 2};

	if (s->tags > 0)
		type = s->tag[0];
	switch (s->link) {
	case LINK_ETHERNET:
		write_bytes(w, s->mac != NULL ? s->mac : to_nobody, 6);
		write_bytes(w, from, sizeof(from));
		write_u16(w, type);
		break;
	case LINK_SLL:
		write_u16(w, s->packet_type);
		write_u16(w, 1);
		write_u16(w, 6);
		write_bytes(w, from, sizeof(from));
		write_u16(w, 0);
		write_u16(w, type);
		break;
	case LINK_SLL2:
		write_u16(w, type);
		write_u16(w, 0);
		write_u32(w, FRAME_IFINDEX);
		write_u16(w, 1);
		write_u8(w, s->packet_type);
		write_u8(w, 6);
		write_bytes(w, from, sizeof(from));
		write_u16(w, 0);
		break;
	case LINK_NULL:
	case LINK_LOOP:
		write_u32(w, s->family != 0 ? s->family : s->v6 ? 24 : 2);
		return;
	case LINK_RAW:
	case LINK_IPV4:
	case LINK_IPV6:
		return;
	}
	frame_tags(w, s);
}

static inline uint16_t frame_ipv4_sum(const uint8_t *head, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i += 2)
		sum += (uint32_t)(head[i] << 8 | head[i + 1]);
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static inline void frame_ipv4(struct writer *w, const struct shape *s, size_t inner)
{
	size_t at = w->len, head = 20 + s->option_bytes;

	write_u8(w, (uint8_t)(0x40 | head / 4));
	write_u8(w, 0);
	write_u16(w, (uint16_t)(head + inner));
	write_u16(w, 1);
	write_u16(w, s->fragment);
	write_u8(w, 64);
	write_u8(w, s->proto != 0 ? s->proto : 17);
	write_u16(w, 0);
	write_bytes(w, frame_client4, 4);
	write_bytes(w, frame_server4, 4);
	for (unsigned i = 0; i < s->option_bytes; i++)
		write_u8(w, 1); /* no operation */
	uint16_t sum = frame_ipv4_sum(w->start + at, head);
	w->start[at + 10] = (uint8_t)(sum >> 8);
	w->start[at + 11] = (uint8_t)sum;
}

static inline void frame_ipv6(struct writer *w, const struct shape *s, size_t inner)
{
	size_t extensions = 0;

	for (unsigned i = 0; i < s->extensions; i++)
		extensions += s->extension[i] == 51 ? 12 : 8;
	write_u32(w, 0x60000000);
	write_u16(w, (uint16_t)(extensions + inner));
	write_u8(w, s->extensions > 0 ? s->extension[0] : s->proto != 0 ? s->proto : 17);
	write_u8(w, 64);
	write_bytes(w, frame_client6, 16);
	write_bytes(w, frame_server6, 16);
	for (unsigned i = 0; i < s->extensions; i++) {
		write_u8(w, i + 1 < s->extensions ? s->extension[i + 1]
			    : s->proto != 0	  ? s->proto
						  : 17);
		switch (s->extension[i]) {
		case 51: /* authentication: counts in other units */
			write_u8(w, 1);
			write_zeros(w, 10);
			break;
		case 43: /* routing: the type for experiments, nothing left of the way */
			write_u8(w, 0);
			write_u8(w, 253);
			write_zeros(w, 5);
			break;
		case 44: /* fragment: the first of several */
			write_u8(w, 0);
			write_u16(w, 1);
			write_u32(w, 0x1234);
			break;
		default: /* options: padding */
			write_u8(w, 0);
			write_u8(w, 1);
			write_u8(w, 4);
			write_zeros(w, 4);
			break;
		}
	}
}

static inline void frame_make(struct frame *f, const struct shape *s)
{
	struct writer w = writer_of(f->bytes, sizeof(f->bytes));
	size_t inner = 8 + s->payload_len;

	frame_link(&w, s);
	f->ip = w.len;
	if (s->v6)
		frame_ipv6(&w, s, inner);
	else
		frame_ipv4(&w, s, inner);
	f->l4 = w.len;
	write_u16(&w, FRAME_CLIENT_PORT);
	write_u16(&w, s->port != 0 ? s->port : FRAME_PORT);
	write_u16(&w, (uint16_t)inner);
	write_u16(&w, 0xdead); /* partial, as an offloading sender leaves it */
	write_bytes(&w, s->payload, s->payload_len);
	write_zeros(&w, s->padding);
	assert_false(w.failed);
	f->len = w.len;
}

#endif
