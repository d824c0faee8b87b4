/*
 * segment - a bare TCP segment: no options, no payload, and so no longer than
 * any that it can answer.
 */
#ifndef POSTERN_CARRIER_SEGMENT_H
#define POSTERN_CARRIER_SEGMENT_H

#include <stdint.h>

#include "carrier.h"

enum { SEGMENT_MAX = 40 + 20 }; /* an IPv6 header and TCP's */

enum segment_flags {
	SEGMENT_FIN = 0x01,
	SEGMENT_SYN = 0x02,
	SEGMENT_RST = 0x04,
	SEGMENT_ACK = 0x10,
	SEGMENT_OF_STATE = SEGMENT_FIN | SEGMENT_SYN | SEGMENT_RST | SEGMENT_ACK,
};

struct segment {
	uint32_t seq, ack;
	uint16_t window;
	uint8_t flags;
};

/*
 * From r's server to r's client, headers and checksums complete but for IPv4's
 * own, which the kernel fills. Returns its length; -E_FORMAT: two families.
 */
int segment_craft(const struct route *r, const struct segment *s, uint8_t out[static SEGMENT_MAX]);

#endif
