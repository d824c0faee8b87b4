/*
 * layers - from a captured frame to the packet inside: link, VLAN tags, IP
 * with its options and extension headers, UDP, TCP or ICMP.
 *
 * Pure, no allocation; its work is bounded by the bounds below and by len.
 */
#ifndef POSTERN_CAPTURE_LAYERS_H
#define POSTERN_CAPTURE_LAYERS_H

#include <stddef.h>
#include <stdint.h>

#include "capture.h"
#include "packet.h"

enum {
	LAYERS_TAGS_MAX = 4,	   /* VLAN tags in one frame */
	LAYERS_EXTENSIONS_MAX = 8, /* IPv6 extension headers */
};

enum layers_result {
	LAYERS_OK,
	LAYERS_MALFORMED, /* headers that do not fit: cut, or lengths that lie */
	LAYERS_FRAGMENT,  /* part of an IP packet, the first one included */
	LAYERS_OTHER,	  /* nothing that a carrier could travel by, or not sent to us */
};

/*
 * Read the headers of one frame.
 *   bytes    borrowed; out->payload points into it
 *   ifindex  changed only when the frame itself says where it came in
 * out is filled when LAYERS_OK comes back, and else to be left alone, but for
 * src and dst: they are zeros or what the IP header said, for a log line.
 */
enum layers_result layers_parse(const uint8_t *bytes, size_t len, enum link_type link,
    struct packet *out, uint32_t *ifindex) __attribute__((warn_unused_result));

#endif
