/*
 * checksum - the Internet checksum of a UDP, TCP or ICMPv6 segment with its
 * pseudo header, and of an ICMP message without.
 */
#ifndef POSTERN_CARRIER_CHECKSUM_H
#define POSTERN_CARRIER_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

#include "address.h"

/* What a segment's checksum covers beside the segment. Both addresses are of one family. */
struct pseudo_header {
	const struct address *src, *dst;
	uint8_t proto;
};

/*
 * The checksum as it stands in the header, host order, for a segment whose own
 * checksum field is 0. (UDP must write 0xffff where this is 0; udp.c does.)
 */
uint16_t checksum_segment(const struct pseudo_header *h, const uint8_t *segment, size_t len);

/* The same without a pseudo header, as ICMP of IPv4 has it. */
uint16_t checksum_bytes(const uint8_t *bytes, size_t len);

#endif
