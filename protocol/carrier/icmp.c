/*
 * icmp - an echo request that bears the covered bytes, and an echo reply that
 * bears the answer. This host's kernel answers the request as any ping: the
 * client skips the echo of what it sent and takes ours.
 */
#include "carrier.h"

#include <stdio.h>

#include "checksum.h"
#include "cursor.h"
#include "errors.h"
#include "ip_head.h"

enum {
	PROTO_ICMP = 1,
	PROTO_ICMPV6 = 58,
	HEAD_BYTES = 8,
	CHECKSUM_AT = 2,
	ECHO_REQUEST = 8,
	ECHO_REPLY = 0,
	ECHO_REQUEST_V6 = 128,
	ECHO_REPLY_V6 = 129,
};

static bool is_request(const struct packet *p)
{
	return address_is_v4(&p->src) ? p->proto == PROTO_ICMP && p->icmp_type == ECHO_REQUEST
				      : p->proto == PROTO_ICMPV6 && p->icmp_type == ECHO_REQUEST_V6;
}

/* No port tells ours from other pings, but ours are longer. */
static bool recognise(const struct carrier_ports *ports, const struct packet *p, struct route *r,
    const uint8_t **bytes, size_t *len)
{
	if (!ports->icmp || !is_request(p) || p->payload_len < VEIL_MIN_CLIENT ||
	    p->payload_len > UINT16_MAX)
		return false;
	*r = (struct route){
	    .carrier = CARRIER_ICMP,
	    .client = p->src,
	    .server = p->dst,
	    .client_port = p->sport,
	    .server_port = p->dport,
	    .request_len = (uint16_t)p->payload_len,
	};
	*bytes = p->payload;
	*len = p->payload_len;
	return true;
}

static void write_message(struct writer *w, const struct route *r, const uint8_t *bytes, size_t len)
{
	struct pseudo_header pseudo = {.src = &r->server, .dst = &r->client, .proto = PROTO_ICMPV6};
	bool v4 = address_is_v4(&r->client);
	size_t at = w->len;

	write_u8(w, v4 ? ECHO_REPLY : ECHO_REPLY_V6);
	write_u8(w, 0);	 /* code */
	write_u16(w, 0); /* checksum */
	write_u16(w, r->client_port);
	write_u16(w, r->server_port);
	write_bytes(w, bytes, len);
	if (w->failed)
		return;
	const uint8_t *message = w->start + at;
	struct writer field = writer_of(w->start + at + CHECKSUM_AT, sizeof(uint16_t));
	write_u16(&field, v4 ? checksum_bytes(message, w->len - at)
			     : checksum_segment(&pseudo, message, w->len - at));
}

static int craft(
    const struct route *r, const uint8_t *bytes, size_t len, uint8_t out[static CRAFT_MAX])
{
	struct writer w = writer_of(out, CRAFT_MAX);

	if (len > VEIL_ROOM)
		return -E_SHORT;
	if (address_is_v4(&r->client) != address_is_v4(&r->server))
		return -E_FORMAT;
	ip_head(&w, r, address_is_v4(&r->client) ? PROTO_ICMP : PROTO_ICMPV6, HEAD_BYTES + len);
	write_message(&w, r, bytes, len);
	return w.failed ? -E_SHORT : (int)w.len;
}

/* By length, so that this host's ordinary pings cost us nothing. */
static int filter(const struct carrier_ports *ports, char *out, size_t cap)
{
	static const char form[] = "(icmp[0] == %d and ip[2:2] >= %d) or "
				   "(icmp6 and ip6[40] == %d and ip6[4:2] >= %d)";
	int least = HEAD_BYTES + VEIL_MIN_CLIENT;
	int len = ports->icmp
		      ? snprintf(out, cap, form, ECHO_REQUEST, 20 + least, ECHO_REQUEST_V6, least)
		      : snprintf(out, cap, "%s", "");

	return len >= 0 && (size_t)len < cap ? len : -E_SHORT;
}

const struct carrier carrier_icmp = {
    .name = "icmp",
    .id = CARRIER_ICMP,
    .room = VEIL_ROOM,
    .has_reply = true,
    .recognise = recognise,
    .craft = craft,
    .filter = filter,
};
