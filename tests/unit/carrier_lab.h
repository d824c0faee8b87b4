/*
 * carrier_lab - what the tests of the carriers share: the sum that a receiver
 * makes, written apart from checksum.c, and a kernel's judgement by a filter.
 */
#ifndef POSTERN_TESTS_CARRIER_LAB_H
#define POSTERN_TESTS_CARRIER_LAB_H

#include <pcap/pcap.h>

#include "carrier.h"
#include "unit.h"

#define MACS "020000000001020000000002"
#define V4_HEAD "0800450000240000400040"
#define V4_ADDRESSES "00000a5800020a580001"
#define V6_HEAD "86dd600000000010"
#define V6_ADDRESSES "40fd880000000000000000000000000002fd880000000000000000000000000001"

/* All ones when the sum in the segment is right. */
static inline unsigned receivers_sum(
    const uint8_t *pseudo, size_t pseudo_len, const uint8_t *segment, size_t len)
{
	uint8_t all[2048] = {0};
	unsigned sum = 0;

	if (pseudo_len > 0)
		memcpy(all, pseudo, pseudo_len);
	memcpy(all + pseudo_len, segment, len);
	for (size_t i = 0; i < pseudo_len + len; i += 2) {
		sum += (unsigned)all[i] * 256 + all[i + 1];
		sum = sum > 0xffff ? sum - 0xffff : sum;
	}
	return sum;
}

/* Of a segment from r's server to r's client; returns its length. */
static inline size_t pseudo_header(
    uint8_t out[static 40], const struct route *r, uint8_t proto, size_t len)
{
	bool v4 = address_is_v4(&r->client);
	size_t each = v4 ? 4 : 16, end = v4 ? 12 : 40;

	memset(out, 0, 40);
	memcpy(out, r->server.b + 16 - each, each);
	memcpy(out + each, r->client.b + 16 - each, each);
	out[v4 ? 9 : 39] = proto;
	out[v4 ? 10 : 34] = (uint8_t)(len >> 8);
	out[v4 ? 11 : 35] = (uint8_t)(len & 0xff);
	return end;
}

/* One Ethernet frame against the filter, as the kernel would judge it. */
static inline bool filter_takes(const char *filter, const char *hex)
{
	uint8_t frame[256] = {0};
	struct bpf_program program;
	size_t len = unhex(frame, sizeof(frame), hex);
	pcap_t *p = pcap_open_dead(DLT_EN10MB, 2048);

	assert_non_null(p);
	if (pcap_compile(p, &program, filter, 1, PCAP_NETMASK_UNKNOWN) != 0)
		fail_msg("%s: %s", filter, pcap_geterr(p));
	const struct pcap_pkthdr head = {.caplen = (bpf_u_int32)len, .len = (bpf_u_int32)len};
	bool takes = pcap_offline_filter(&program, &head, frame) != 0;
	pcap_freecode(&program);
	pcap_close(p);
	return takes;
}

#endif
