#include "checksum.h"

/* Adds big-endian words; an odd last byte is the high half of one. */
static uint32_t add(uint32_t sum, const uint8_t *b, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? b[i] : (uint32_t)b[i] << 8;
	return sum;
}

/* No carry was lost: a segment has under 64 KiB, so the sum is under 2^32. */
static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)(~sum & 0xffff);
}

uint16_t checksum_bytes(const uint8_t *bytes, size_t len)
{
	return fold(add(0, bytes, len));
}

uint16_t checksum_segment(const struct pseudo_header *h, const uint8_t *segment, size_t len)
{
	size_t at = address_is_v4(h->src) ? ADDRESS_BYTES - 4 : 0;
	uint32_t sum = h->proto + (uint32_t)len;

	sum = add(sum, h->src->b + at, ADDRESS_BYTES - at);
	sum = add(sum, h->dst->b + at, ADDRESS_BYTES - at);
	return fold(add(sum, segment, len));
}
