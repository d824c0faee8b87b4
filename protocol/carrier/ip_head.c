#include "ip_head.h"

enum {
	V4_HEAD_BYTES = 20,
	V4_VERSION_IHL = 0x45,
	V4_DONT_FRAGMENT = 0x4000,
	V6_VERSION = 0x60000000,
	HOPS = 64, /* what Linux sends unless told otherwise */
};

static void write_v4(struct writer *w, const struct route *r, uint8_t proto, uint16_t payload_len)
{
	write_u8(w, V4_VERSION_IHL);
	write_u8(w, 0); /* type of service */
	write_u16(w, (uint16_t)(V4_HEAD_BYTES + payload_len));
	write_u16(w, 0); /* identification: Linux leaves it 0 where nothing may be fragmented */
	write_u16(w, V4_DONT_FRAGMENT);
	write_u8(w, HOPS);
	write_u8(w, proto);
	write_u16(w, 0); /* checksum: the kernel's */
	write_bytes(w, r->server.b + ADDRESS_BYTES - 4, 4);
	write_bytes(w, r->client.b + ADDRESS_BYTES - 4, 4);
}

static void write_v6(struct writer *w, const struct route *r, uint8_t proto, uint16_t payload_len)
{
	write_u32(w, V6_VERSION);
	write_u16(w, payload_len);
	write_u8(w, proto);
	write_u8(w, HOPS);
	write_bytes(w, r->server.b, ADDRESS_BYTES);
	write_bytes(w, r->client.b, ADDRESS_BYTES);
}

void ip_head(struct writer *w, const struct route *r, uint8_t proto, size_t payload_len)
{
	if (payload_len > UINT16_MAX - V4_HEAD_BYTES)
		w->failed = true;
	else if (address_is_v4(&r->client))
		write_v4(w, r, proto, (uint16_t)payload_len);
	else
		write_v6(w, r, proto, (uint16_t)payload_len);
}
