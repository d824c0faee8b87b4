#include "layers.h"

#include <stdbool.h>

#include "cursor.h"

enum {
	TYPE_IPV4 = 0x0800,
	TYPE_IPV6 = 0x86dd,
	TYPE_VLAN = 0x8100,
	TYPE_QINQ = 0x88a8,
	TYPE_QINQ_OLD = 0x9100, /* what some switches sent before there was a standard */

	PROTO_HOPOPTS = 0,
	PROTO_ICMP = 1,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_ROUTING = 43,
	PROTO_FRAGMENT = 44,
	PROTO_AUTH = 51,
	PROTO_ICMPV6 = 58,
	PROTO_DSTOPTS = 60,

	MAC_PAIR_BYTES = 12,
	SLL_ADDRESS_BYTES = 8,
	SENT_BY_US = 4, /* the cooked headers' packet type: outgoing */

	IPV4_HEAD_BYTES = 20,
	IPV4_MORE_OR_OFFSET = 0x3fff, /* "more fragments" and the offset */
	UDP_HEAD_BYTES = 8,
	TCP_HEAD_BYTES = 20,
	TCP_OPTION_END = 0,
	TCP_OPTION_NOP = 1,
	TCP_OPTION_TIME = 8,
	TCP_OPTION_TIME_BYTES = 10,
};

/*
 * Checksums are not looked at. A packet from a sender on the same machine (a
 * container's veth, a virtual machine's virtio) is captured before anybody
 * filled them in: the field holds the pseudo-header's part alone. And what is
 * inside proves itself by a MAC.
 */
static enum layers_result parse_udp(struct reader *r, struct packet *out)
{
	out->sport = read_u16(r);
	out->dport = read_u16(r);
	uint16_t len = read_u16(r);
	read_u16(r);
	if (r->failed || len < UDP_HEAD_BYTES)
		return LAYERS_MALFORMED;
	out->payload_len = len - UDP_HEAD_BYTES;
	out->payload = read_view(r, out->payload_len);
	return r->failed ? LAYERS_MALFORMED : LAYERS_OK;
}

/* Of the options only the timestamp matters to a carrier. */
static enum layers_result parse_tcp_options(struct reader r, struct packet *out)
{
	while (r.left > 0) {
		uint8_t kind = read_u8(&r);
		if (kind == TCP_OPTION_END)
			break;
		if (kind == TCP_OPTION_NOP)
			continue;
		uint8_t len = read_u8(&r);
		if (len < 2)
			return LAYERS_MALFORMED;
		struct reader value = read_sub(&r, len - 2U);
		if (kind == TCP_OPTION_TIME && len == TCP_OPTION_TIME_BYTES)
			out->tcp_tsval = read_u32(&value);
	}
	return r.failed ? LAYERS_MALFORMED : LAYERS_OK;
}

static enum layers_result parse_tcp(struct reader *r, struct packet *out)
{
	out->sport = read_u16(r);
	out->dport = read_u16(r);
	out->tcp_seq = read_u32(r);
	out->tcp_ack = read_u32(r);
	size_t head = (size_t)(read_u8(r) >> 4) * 4;
	out->tcp_flags = read_u8(r);
	read_view(r, 6); /* window, checksum, urgent pointer */
	if (r->failed || head < TCP_HEAD_BYTES)
		return LAYERS_MALFORMED;
	struct reader options = read_sub(r, head - TCP_HEAD_BYTES);
	if (r->failed)
		return LAYERS_MALFORMED;
	out->tcp_head = (uint8_t)head;
	out->payload_len = r->left;
	out->payload = read_view(r, r->left);
	return parse_tcp_options(options, out);
}

static enum layers_result parse_icmp(struct reader *r, struct packet *out)
{
	out->icmp_type = read_u8(r);
	read_view(r, 3); /* code, checksum */
	out->sport = read_u16(r);
	out->dport = read_u16(r);
	if (r->failed)
		return LAYERS_MALFORMED;
	out->payload_len = r->left;
	out->payload = read_view(r, r->left);
	return LAYERS_OK;
}

static enum layers_result parse_transport(struct reader *r, uint8_t proto, struct packet *out)
{
	out->proto = proto;
	switch (proto) {
	case PROTO_UDP:
		return parse_udp(r, out);
	case PROTO_TCP:
		return parse_tcp(r, out);
	case PROTO_ICMP:
		return address_is_v4(&out->src) ? parse_icmp(r, out) : LAYERS_OTHER;
	case PROTO_ICMPV6:
		return address_is_v4(&out->src) ? LAYERS_OTHER : parse_icmp(r, out);
	default:
		return LAYERS_OTHER;
	}
}

static enum layers_result parse_ipv4(struct reader *r, struct packet *out)
{
	size_t available = r->left;
	uint8_t src[4], dst[4];

	uint8_t version_head = read_u8(r);
	read_u8(r); /* type of service */
	uint16_t total = read_u16(r);
	read_u16(r); /* identification */
	uint16_t fragment = read_u16(r);
	out->ttl = read_u8(r);
	uint8_t proto = read_u8(r);
	read_u16(r); /* checksum, see above */
	read_bytes(r, src, sizeof(src));
	read_bytes(r, dst, sizeof(dst));
	size_t head = (size_t)(version_head & 0xf) * 4;
	if (r->failed || version_head >> 4 != 4 || head < IPV4_HEAD_BYTES || total < head ||
	    total > available)
		return LAYERS_MALFORMED;
	out->src = address_v4(src);
	out->dst = address_v4(dst);
	if ((fragment & IPV4_MORE_OR_OFFSET) != 0)
		return LAYERS_FRAGMENT;
	read_view(r, head - IPV4_HEAD_BYTES);
	/* What comes after the total length is the link's padding. */
	struct reader body = read_sub(r, total - head);
	return parse_transport(&body, proto, out);
}

/* One extension header; *next becomes what follows it. */
static enum layers_result parse_extension(struct reader *r, uint8_t *next)
{
	uint8_t self = *next;

	*next = read_u8(r);
	size_t units = read_u8(r);
	if (self == PROTO_AUTH) {
		read_view(r, (units + 2) * 4 - 2);
	} else if (self == PROTO_ROUTING) {
		read_u8(r); /* type */
		uint8_t segments_left = read_u8(r);
		read_view(r, (units + 1) * 8 - 4);
		if (segments_left != 0)
			return LAYERS_OTHER; /* we are a stop on its way, not its end */
	} else {
		read_view(r, (units + 1) * 8 - 2);
	}
	return r->failed ? LAYERS_MALFORMED : LAYERS_OK;
}

static bool is_extension(uint8_t proto)
{
	return proto == PROTO_HOPOPTS || proto == PROTO_ROUTING || proto == PROTO_DSTOPTS ||
	       proto == PROTO_AUTH;
}

static enum layers_result parse_extensions(struct reader *r, uint8_t next, struct packet *out)
{
	unsigned n;

	for (n = 0; is_extension(next); n++) {
		/* Hop-by-hop options stand first or nowhere, and the kernel, too, drops the rest. */
		if (n == LAYERS_EXTENSIONS_MAX || (next == PROTO_HOPOPTS && n > 0))
			return LAYERS_MALFORMED;
		enum layers_result result = parse_extension(r, &next);
		if (result != LAYERS_OK)
			return result;
	}
	return next == PROTO_FRAGMENT ? LAYERS_FRAGMENT : parse_transport(r, next, out);
}

static enum layers_result parse_ipv6(struct reader *r, struct packet *out)
{
	uint8_t src[16], dst[16];

	uint32_t version_flow = read_u32(r);
	uint16_t len = read_u16(r);
	uint8_t next = read_u8(r);
	out->ttl = read_u8(r);
	read_bytes(r, src, sizeof(src));
	read_bytes(r, dst, sizeof(dst));
	if (r->failed || version_flow >> 28 != 6 || len > r->left)
		return LAYERS_MALFORMED;
	struct address from = address_v6(src);
	struct address to = address_v6(dst);
	/* On the wire ::ffff:a.b.c.d is a lie: it would pass for IPv4 further on. */
	if (address_is_v4(&from) || address_is_v4(&to))
		return LAYERS_MALFORMED;
	out->src = from;
	out->dst = to;
	struct reader body = read_sub(r, len);
	return parse_extensions(&body, next, out);
}

static enum layers_result parse_type(struct reader *r, uint16_t type, struct packet *out)
{
	unsigned tags;

	for (tags = 0; type == TYPE_VLAN || type == TYPE_QINQ || type == TYPE_QINQ_OLD; tags++) {
		if (tags == LAYERS_TAGS_MAX)
			return LAYERS_MALFORMED;
		read_u16(r); /* priority and VLAN */
		type = read_u16(r);
	}
	if (r->failed)
		return LAYERS_MALFORMED;
	if (type == TYPE_IPV4)
		return parse_ipv4(r, out);
	if (type == TYPE_IPV6)
		return parse_ipv6(r, out);
	return LAYERS_OTHER;
}

static enum layers_result parse_ethernet(struct reader *r, struct packet *out)
{
	read_view(r, MAC_PAIR_BYTES);
	return parse_type(r, read_u16(r), out);
}

static enum layers_result parse_sll(struct reader *r, struct packet *out)
{
	uint16_t packet_type = read_u16(r);
	read_view(r, 4 + SLL_ADDRESS_BYTES); /* kind of device, address length, address */
	uint16_t type = read_u16(r);
	return packet_type == SENT_BY_US ? LAYERS_OTHER : parse_type(r, type, out);
}

static enum layers_result parse_sll2(struct reader *r, struct packet *out, uint32_t *ifindex)
{
	uint16_t type = read_u16(r);
	read_u16(r);
	uint32_t index = read_u32(r);
	read_u16(r); /* kind of device */
	uint8_t packet_type = read_u8(r);
	read_view(r, 1 + SLL_ADDRESS_BYTES);
	if (r->failed)
		return LAYERS_MALFORMED;
	*ifindex = index;
	return packet_type == SENT_BY_US ? LAYERS_OTHER : parse_type(r, type, out);
}

static enum layers_result parse_raw(struct reader *r, struct packet *out)
{
	struct reader ahead = *r;
	uint8_t version = read_u8(&ahead) >> 4;

	if (ahead.failed)
		return LAYERS_MALFORMED;
	if (version == 4)
		return parse_ipv4(r, out);
	return version == 6 ? parse_ipv6(r, out) : LAYERS_OTHER;
}

/*
 * The family's number is the writer's, in the writer's byte order: families
 * are small, so the order shows; and the systems agree on IPv4 alone.
 */
static enum layers_result parse_null(struct reader *r, struct packet *out)
{
	uint32_t family = read_u32(r);

	if (family > 0xffff)
		family = __builtin_bswap32(family);
	if (r->failed)
		return LAYERS_MALFORMED;
	switch (family) {
	case 2:
		return parse_ipv4(r, out);
	case 10: /* Linux */
	case 24: /* NetBSD, OpenBSD */
	case 28: /* FreeBSD */
	case 30: /* macOS */
		return parse_ipv6(r, out);
	default:
		return LAYERS_OTHER;
	}
}

enum layers_result layers_parse(
    const uint8_t *bytes, size_t len, enum link_type link, struct packet *out, uint32_t *ifindex)
{
	struct reader r = reader_of(bytes, len);

	*out = (struct packet){0};
	switch (link) {
	case LINK_ETHERNET:
		return parse_ethernet(&r, out);
	case LINK_SLL:
		return parse_sll(&r, out);
	case LINK_SLL2:
		return parse_sll2(&r, out, ifindex);
	case LINK_RAW:
		return parse_raw(&r, out);
	case LINK_IPV4:
		return parse_ipv4(&r, out);
	case LINK_IPV6:
		return parse_ipv6(&r, out);
	case LINK_NULL:
	case LINK_LOOP:
		return parse_null(&r, out);
	}
	return LAYERS_OTHER;
}
