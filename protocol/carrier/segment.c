/* segment - see segment.h. */
#include "segment.h"

#include "checksum.h"
#include "cursor.h"
#include "errors.h"
#include "ip_head.h"

enum { PROTO_TCP = 6, HEAD_BYTES = 20, HEAD_WORDS = 5, WORDS_SHIFT = 12, CHECKSUM_AT = 16 };

int segment_craft(const struct route *r, const struct segment *s, uint8_t out[static SEGMENT_MAX])
{
	const struct pseudo_header pseudo = {
	    .src = &r->server, .dst = &r->client, .proto = PROTO_TCP};
	struct writer w = writer_of(out, SEGMENT_MAX), field;
	size_t at;

	if (address_is_v4(&r->client) != address_is_v4(&r->server))
		return -E_FORMAT;
	ip_head(&w, r, PROTO_TCP, HEAD_BYTES);
	at = w.len;
	write_u16(&w, r->server_port);
	write_u16(&w, r->client_port);
	write_u32(&w, s->seq);
	write_u32(&w, s->ack);
	write_u16(&w, (uint16_t)(HEAD_WORDS << WORDS_SHIFT | s->flags));
	write_u16(&w, s->window);
	write_u16(&w, 0); /* checksum */
	write_u16(&w, 0); /* urgent pointer */
	if (w.failed)
		return -E_FORMAT;
	field = writer_of(out + at + CHECKSUM_AT, sizeof(uint16_t));
	write_u16(&field, checksum_segment(&pseudo, out + at, HEAD_BYTES));
	return (int)w.len;
}
