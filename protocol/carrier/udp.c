#include "carrier.h"

#include <stdio.h>

#include "checksum.h"
#include "cursor.h"
#include "errors.h"
#include "ip_head.h"

enum { PROTO_UDP = 17, UDP_HEAD_BYTES = 8, CHECKSUM_AT = 6 };

static bool recognise(const struct carrier_ports *ports, const struct packet *p, struct route *r,
    const uint8_t **bytes, size_t *len)
{
	if (ports->udp == 0 || p->proto != PROTO_UDP || p->dport != ports->udp ||
	    p->payload_len > UINT16_MAX)
		return false;
	*r = (struct route){
	    .carrier = CARRIER_UDP,
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

static void write_segment(struct writer *w, const struct route *r, const uint8_t *bytes, size_t len)
{
	struct pseudo_header pseudo = {.src = &r->server, .dst = &r->client, .proto = PROTO_UDP};
	size_t at = w->len;

	write_u16(w, r->server_port);
	write_u16(w, r->client_port);
	write_u16(w, (uint16_t)(UDP_HEAD_BYTES + len));
	write_u16(w, 0);
	write_bytes(w, bytes, len);
	if (w->failed)
		return;
	uint16_t sum = checksum_segment(&pseudo, w->start + at, w->len - at);
	struct writer field = writer_of(w->start + at + CHECKSUM_AT, sizeof(sum));
	write_u16(&field, sum == 0 ? 0xffff : sum); /* 0 would say that there is none */
}

static int craft(
    const struct route *r, const uint8_t *bytes, size_t len, uint8_t out[static CRAFT_MAX])
{
	struct writer w = writer_of(out, CRAFT_MAX);

	if (len > VEIL_ROOM)
		return -E_SHORT;
	if (address_is_v4(&r->client) != address_is_v4(&r->server))
		return -E_FORMAT;
	ip_head(&w, r, PROTO_UDP, UDP_HEAD_BYTES + len);
	write_segment(&w, r, bytes, len);
	return w.failed ? -E_SHORT : (int)w.len;
}

static int filter(const struct carrier_ports *ports, char *out, size_t cap)
{
	int len = ports->udp == 0 ? snprintf(out, cap, "%s", "")
				  : snprintf(out, cap, "udp dst port %u", (unsigned)ports->udp);

	return len >= 0 && (size_t)len < cap ? len : -E_SHORT;
}

const struct carrier carrier_udp = {
    .name = "udp",
    .id = CARRIER_UDP,
    .room = VEIL_ROOM,
    .has_reply = true,
    .recognise = recognise,
    .craft = craft,
    .filter = filter,
};
