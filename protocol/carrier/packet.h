/*
 * packet - one IP packet after its headers were read, whoever captured it.
 */
#ifndef POSTERN_CARRIER_PACKET_H
#define POSTERN_CARRIER_PACKET_H

#include <stddef.h>
#include <stdint.h>

#include "address.h"

struct packet {
	struct address src, dst;
	uint8_t proto; /* IANA: 6, 17, 1, 58 */
	uint8_t ttl;
	uint16_t sport, dport; /* ICMP: identifier in sport, sequence in dport */
	uint8_t icmp_type;
	uint8_t tcp_flags;
	uint8_t tcp_head; /* bytes, options included */
	uint32_t tcp_seq, tcp_ack;
	uint32_t tcp_tsval;	/* 0 when absent */
	const uint8_t *payload; /* borrowed: points into the captured bytes */
	size_t payload_len;
};

#endif
