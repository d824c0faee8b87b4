#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <pcap/pcap.h>

#include "frames.h"
#include "layers.h"

static const char payload[] = "what a knock carries";

/* Every link type plain, then tags, options, extension headers, padding. */
static const struct shape good[] = {
    {.link = LINK_ETHERNET}, {.link = LINK_ETHERNET, .v6 = true}, {.link = LINK_SLL},
    {.link = LINK_SLL, .v6 = true}, {.link = LINK_SLL2}, {.link = LINK_SLL2, .v6 = true},
    {.link = LINK_RAW}, {.link = LINK_RAW, .v6 = true}, {.link = LINK_IPV4},
    {.link = LINK_IPV6, .v6 = true}, {.link = LINK_NULL}, {.link = LINK_NULL, .family = 0x02000000},
    {.link = LINK_NULL, .v6 = true}, {.link = LINK_NULL, .v6 = true, .family = 10},
    {.link = LINK_NULL, .v6 = true, .family = 28}, {.link = LINK_NULL, .v6 = true, .family = 30},
    {.link = LINK_NULL, .v6 = true, .family = 0x1e000000}, {.link = LINK_LOOP},
    {.link = LINK_LOOP, .v6 = true}, {.link = LINK_ETHERNET, .tags = 1, .tag = {0x8100}},
    {.link = LINK_ETHERNET, .tags = 1, .tag = {0x88a8}, .v6 = true},
    {.link = LINK_ETHERNET, .tags = 2, .tag = {0x88a8, 0x8100}},
    {.link = LINK_ETHERNET, .tags = 2, .tag = {0x9100, 0x8100}, .v6 = true},
    {.link = LINK_ETHERNET, .tags = 4, .tag = {0x88a8, 0x88a8, 0x8100, 0x8100}},
    /* As libpcap puts a tag back into cooked frames: */
    {.link = LINK_SLL, .tags = 1, .tag = {0x8100}}, {.link = LINK_ETHERNET, .option_bytes = 4},
    {.link = LINK_ETHERNET, .option_bytes = 40},
    {.link = LINK_ETHERNET, .tags = 1, .tag = {0x8100}, .option_bytes = 40},
    {.link = LINK_ETHERNET, .padding = 18}, {.link = LINK_ETHERNET, .v6 = true, .padding = 18},
    {.link = LINK_ETHERNET, .v6 = true, .extensions = 1, .extension = {0}},
    {.link = LINK_ETHERNET, .v6 = true, .extensions = 1, .extension = {60}},
    {.link = LINK_ETHERNET, .v6 = true, .extensions = 1, .extension = {43}},
    {.link = LINK_ETHERNET, .v6 = true, .extensions = 1, .extension = {51}},
    {.link = LINK_ETHERNET, .v6 = true, .extensions = 5, .extension = {0, 60, 43, 51, 60}},
    {.link = LINK_ETHERNET,
	.v6 = true,
	.extensions = 8,
	.extension = {0, 60, 60, 60, 60, 60, 60, 60}},
    {.link = LINK_ETHERNET,
	.tags = 1,
	.tag = {0x8100},
	.v6 = true,
	.extensions = 1,
	.extension = {60}},
    {.link = LINK_ETHERNET, .fragment = 0x4000}, /* "don't" is no fragment */
};

static struct frame make(struct shape s)
{
	struct frame f;

	if (s.payload == NULL) {
		s.payload = payload;
		s.payload_len = sizeof(payload);
	}
	frame_make(&f, &s);
	return f;
}

/*
 * In a block of its own of exactly that length, so that the sanitizer (and,
 * without it, often the allocator) catches a read beyond it.
 */
static enum layers_result parse_exactly(
    const uint8_t *bytes, size_t len, enum link_type link, struct packet *out, uint32_t *ifindex)
{
	uint8_t *copy = malloc(len + 1);
	size_t offset = 0;

	assert_non_null(copy);
	uint8_t *block = realloc(copy, len > 0 ? len : 1);
	assert_non_null(block);
	memcpy(block, bytes, len);
	enum layers_result result = layers_parse(block, len, link, out, ifindex);
	if (result == LAYERS_OK) {
		assert_true(out->payload >= block && out->payload <= block + len);
		offset = (size_t)(out->payload - block);
		assert_true(out->payload_len <= len - offset);
		out->payload = bytes + offset;
	}
	free(block);
	return result;
}

static enum layers_result parse(const struct frame *f, enum link_type link, struct packet *out)
{
	uint32_t ifindex = 0;

	return parse_exactly(f->bytes, f->len, link, out, &ifindex);
}

static void reads_every_shape(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		struct frame f = make(good[i]);
		struct packet p;
		uint32_t ifindex = 3;
		struct address client =
		    good[i].v6 ? address_v6(frame_client6) : address_v4(frame_client4);
		struct address server =
		    good[i].v6 ? address_v6(frame_server6) : address_v4(frame_server4);

		assert_int_equal(
		    parse_exactly(f.bytes, f.len, good[i].link, &p, &ifindex), LAYERS_OK);
		assert_true(address_equal(&p.src, &client));
		assert_true(address_equal(&p.dst, &server));
		assert_int_equal(p.proto, 17);
		assert_int_equal(p.ttl, 64);
		assert_int_equal(p.sport, FRAME_CLIENT_PORT);
		assert_int_equal(p.dport, FRAME_PORT);
		assert_int_equal(p.payload_len, sizeof(payload));
		assert_memory_equal(p.payload, payload, sizeof(payload));
		assert_int_equal(ifindex, good[i].link == LINK_SLL2 ? FRAME_IFINDEX : 3);
	}
}

/* A frame cut anywhere has lengths that lie; none of them is a packet. */
static void refuses_every_truncation(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		struct frame f = make(good[i]);
		size_t whole = f.len - good[i].padding;

		for (size_t len = 0; len < f.len; len++) {
			struct packet p;
			uint32_t ifindex = 0;
			enum layers_result result =
			    parse_exactly(f.bytes, len, good[i].link, &p, &ifindex);
			assert_int_equal(result, len < whole ? LAYERS_MALFORMED : LAYERS_OK);
		}
	}
}

struct lie {
	const char *what;
	struct shape shape;
	enum { AT_START, AT_IP, AT_L4 } from;
	size_t offset;
	uint8_t value;
	enum layers_result result;
};

static const struct lie lies[] = {
    {"IP version 5", {.link = LINK_ETHERNET}, AT_IP, 0, 0x55, LAYERS_MALFORMED},
    {"version 6 under IPv4's type", {.link = LINK_ETHERNET}, AT_IP, 0, 0x65, LAYERS_MALFORMED},
    {"version 4 under IPv6's type", {.link = LINK_ETHERNET, .v6 = true}, AT_IP, 0, 0x40,
	LAYERS_MALFORMED},
    {"raw, version 5", {.link = LINK_RAW}, AT_IP, 0, 0x55, LAYERS_OTHER},
    {"head of 16 bytes", {.link = LINK_ETHERNET}, AT_IP, 0, 0x44, LAYERS_MALFORMED},
    {"head longer than the packet", {.link = LINK_ETHERNET}, AT_IP, 0, 0x4f, LAYERS_MALFORMED},
    {"total length beyond the frame", {.link = LINK_ETHERNET}, AT_IP, 2, 0x10, LAYERS_MALFORMED},
    {"total length one too long", {.link = LINK_ETHERNET}, AT_IP, 3, 20 + 8 + sizeof(payload) + 1,
	LAYERS_MALFORMED},
    {"total length one too short", {.link = LINK_ETHERNET}, AT_IP, 3, 20 + 8 + sizeof(payload) - 1,
	LAYERS_MALFORMED},
    {"total length less than the head", {.link = LINK_ETHERNET}, AT_IP, 3, 19, LAYERS_MALFORMED},
    {"IPv4, first fragment", {.link = LINK_ETHERNET}, AT_IP, 6, 0x20, LAYERS_FRAGMENT},
    {"IPv4, last fragment", {.link = LINK_ETHERNET}, AT_IP, 7, 0x01, LAYERS_FRAGMENT},
    {"IPv4, the reserved bit alone", {.link = LINK_ETHERNET}, AT_IP, 6, 0x80, LAYERS_OK},
    {"IPv6 length beyond the frame", {.link = LINK_ETHERNET, .v6 = true}, AT_IP, 4, 0x10,
	LAYERS_MALFORMED},
    {"IPv6 length 0, as a jumbogram has", {.link = LINK_ETHERNET, .v6 = true}, AT_IP, 5, 0,
	LAYERS_MALFORMED},
    {"UDP length below its head", {.link = LINK_ETHERNET}, AT_L4, 5, 7, LAYERS_MALFORMED},
    {"UDP length 0", {.link = LINK_ETHERNET}, AT_L4, 5, 0, LAYERS_MALFORMED},
    {"UDP length beyond the packet", {.link = LINK_ETHERNET, .padding = 9}, AT_L4, 5,
	8 + sizeof(payload) + 1, LAYERS_MALFORMED},
    {"ARP", {.link = LINK_ETHERNET}, AT_START, 13, 0x06, LAYERS_OTHER},
    {"an 802.3 length for a type", {.link = LINK_ETHERNET}, AT_START, 12, 0x00, LAYERS_OTHER},
    {"cooked, sent by us", {.link = LINK_SLL, .packet_type = 4}, AT_START, 0, 0, LAYERS_OTHER},
    {"cooked 2, sent by us", {.link = LINK_SLL2, .packet_type = 4}, AT_START, 2, 0, LAYERS_OTHER},
    {"loopback of another family", {.link = LINK_LOOP, .family = 7}, AT_START, 0, 0, LAYERS_OTHER},
    {"five tags",
	{.link = LINK_ETHERNET, .tags = 5, .tag = {0x8100, 0x8100, 0x8100, 0x8100, 0x8100}},
	AT_START, 0, 0, LAYERS_MALFORMED},
    {"IPv6 fragment", {.link = LINK_ETHERNET, .v6 = true, .extensions = 1, .extension = {44}},
	AT_START, 0, 0, LAYERS_FRAGMENT},
    {"IPv6 fragment behind options",
	{.link = LINK_ETHERNET, .v6 = true, .extensions = 2, .extension = {60, 44}}, AT_START, 0, 0,
	LAYERS_FRAGMENT},
    {"hop-by-hop options not first",
	{.link = LINK_ETHERNET, .v6 = true, .extensions = 2, .extension = {60, 0}}, AT_START, 0, 0,
	LAYERS_MALFORMED},
    {"nine extension headers",
	{.link = LINK_ETHERNET,
	    .v6 = true,
	    .extensions = 9,
	    .extension = {60, 60, 60, 60, 60, 60, 60, 60, 60}},
	AT_START, 0, 0, LAYERS_MALFORMED},
    {"extension beyond the packet",
	{.link = LINK_ETHERNET, .v6 = true, .extensions = 1, .extension = {60}}, AT_IP, 41, 0xff,
	LAYERS_MALFORMED},
    {"authentication header beyond the packet",
	{.link = LINK_ETHERNET, .v6 = true, .extensions = 1, .extension = {51}}, AT_IP, 41, 0xff,
	LAYERS_MALFORMED},
    {"routing with a way left",
	{.link = LINK_ETHERNET, .v6 = true, .extensions = 1, .extension = {43}}, AT_IP, 43, 1,
	LAYERS_OTHER},
    {"no next header", {.link = LINK_ETHERNET, .v6 = true, .proto = 59}, AT_START, 0, 0,
	LAYERS_OTHER},
    {"ESP", {.link = LINK_ETHERNET, .v6 = true, .proto = 50}, AT_START, 0, 0, LAYERS_OTHER},
    {"ICMPv6 in IPv4", {.link = LINK_ETHERNET, .proto = 58}, AT_START, 0, 0, LAYERS_OTHER},
    {"ICMP in IPv6", {.link = LINK_ETHERNET, .v6 = true, .proto = 1}, AT_START, 0, 0, LAYERS_OTHER},
    {"IP in IP", {.link = LINK_ETHERNET, .proto = 4}, AT_START, 0, 0, LAYERS_OTHER},
};

static void refuses_lies(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(lies); i++) {
		const struct lie *lie = &lies[i];
		struct frame f = make(lie->shape);
		struct packet p;
		size_t base = lie->from == AT_IP ? f.ip : lie->from == AT_L4 ? f.l4 : 0;

		f.bytes[base + lie->offset] = lie->value;
		enum layers_result result = parse(&f, lie->shape.link, &p);
		if (result != lie->result)
			fail_msg("%s: %d instead of %d", lie->what, result, lie->result);
	}
}

/* On the wire such an address would pass for IPv4 in all that follows. */
static void refuses_mapped_addresses_in_ipv6(void **state)
{
	(void)state;
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	static const size_t at[] = {8, 24};

	for (size_t i = 0; i < COUNT_OF(at); i++) {
		struct frame f = make((struct shape){.link = LINK_ETHERNET, .v6 = true});
		struct packet p;

		memcpy(f.bytes + f.ip + at[i], mapped, sizeof(mapped));
		assert_int_equal(parse(&f, LINK_ETHERNET, &p), LAYERS_MALFORMED);
	}
}

static void reads_unknown_links_as_nothing(void **state)
{
	(void)state;
	struct frame f = make((struct shape){.link = LINK_ETHERNET});
	struct packet p;

	assert_int_equal(parse(&f, (enum link_type)105, &p), LAYERS_OTHER);
}

/* An IPv4 packet with this transport header and the payload behind it. */
static struct frame transport(uint8_t proto, bool v6, const char *head)
{
	uint8_t bytes[256];
	size_t len = unhex(bytes, sizeof(bytes), head);
	struct frame f;

	memcpy(bytes + len, payload, sizeof(payload));
	len += sizeof(payload);
	/* The shape writes a UDP head of eight bytes: ours takes its place. */
	frame_make(&f, &(struct shape){.link = LINK_RAW,
			   .v6 = v6,
			   .proto = proto,
			   .payload = bytes,
			   .payload_len = len - 8});
	memcpy(f.bytes + f.l4, bytes, len);
	return f;
}

static void reads_tcp(void **state)
{
	(void)state;
	/* ports, seq, ack, head of 32 bytes, SYN; nop nop timestamp */
	struct frame f = transport(6, false,
	    "9c40f2f9deadbeef01020304"
	    "8002ffff00000000"
	    "0101080acafe000100000000");
	struct packet p;

	assert_int_equal(parse(&f, LINK_RAW, &p), LAYERS_OK);
	assert_int_equal(p.proto, 6);
	assert_int_equal(p.sport, FRAME_CLIENT_PORT);
	assert_int_equal(p.dport, 0xf2f9);
	assert_int_equal(p.tcp_seq, 0xdeadbeef);
	assert_int_equal(p.tcp_ack, 0x01020304);
	assert_int_equal(p.tcp_flags, 2);
	assert_int_equal(p.tcp_tsval, 0xcafe0001);
	assert_int_equal(p.payload_len, sizeof(payload));
	assert_memory_equal(p.payload, payload, sizeof(payload));
}

static void refuses_tcp_that_lies(void **state)
{
	(void)state;
	static const char *const heads[] = {
	    /* head of 16 bytes; of 60 that are not there; options that run out, of length 0 and 1 */
	    "9c40f2f9deadbeef01020304"
	    "4002ffff00000000",
	    "9c40f2f9deadbeef01020304"
	    "f002ffff00000000",
	    "9c40f2f9deadbeef01020304"
	    "6002ffff00000000"
	    "0101080a",
	    "9c40f2f9deadbeef01020304"
	    "6002ffff00000000"
	    "08000000",
	    "9c40f2f9deadbeef01020304"
	    "6002ffff00000000"
	    "08010000",
	    "9c40f2f9deadbeef01020304"
	    "6002ffff00000000"
	    "01010108",
	};

	for (size_t i = 0; i < COUNT_OF(heads); i++) {
		struct frame f = transport(6, true, heads[i]);
		struct packet p;

		assert_int_equal(parse(&f, LINK_RAW, &p), LAYERS_MALFORMED);
	}
}

static void ends_tcp_options_where_they_say(void **state)
{
	(void)state;
	struct frame f = transport(6, true,
	    "9c40f2f9deadbeef01020304"
	    "6002ffff00000000"
	    "00080000");
	struct packet p;

	assert_int_equal(parse(&f, LINK_RAW, &p), LAYERS_OK);
	assert_int_equal(p.tcp_tsval, 0);
}

static void reads_icmp(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct frame f =
		    transport(v6 ? 58 : 1, v6, v6 ? "8000000012340007" : "0800000012340007");
		struct packet p;

		assert_int_equal(parse(&f, LINK_RAW, &p), LAYERS_OK);
		assert_int_equal(p.icmp_type, v6 ? 128 : 8);
		assert_int_equal(p.sport, 0x1234);
		assert_int_equal(p.dport, 7);
		assert_int_equal(p.payload_len, sizeof(payload));
	}
}

/* xorshift: the same every time. */
static uint32_t dice(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

static bool is_live(enum link_type link)
{
	return link == LINK_ETHERNET || link == LINK_SLL || link == LINK_SLL2 || link == LINK_RAW;
}

/*
 * Against a second opinion: what we find in a frame with one or two bytes
 * changed the kernel's filter must have let through, or a knock would be
 * lost before we see it.
 */
static void finds_nothing_that_the_filter_would_drop(void **state)
{
	(void)state;
	static const char carriers[] =
	    "udp dst port 62201 or (ip6 and (ip6[6] == 0 or ip6[6] == 43 "
	    "or ip6[6] == 44 or ip6[6] == 51 or ip6[6] == 60))";
	uint32_t seed = 0x9e3779b9;
	unsigned found = 0;

	for (size_t i = 0; i < COUNT_OF(good); i++) {
		char text[CAPTURE_FILTER_MAX];
		struct bpf_program program;
		pcap_t *dead = pcap_open_dead((int)good[i].link, FRAME_MAX);

		/* Live captures have no other links, and the kernel takes the outer tag off. */
		if (!is_live(good[i].link) ||
		    good[i].tags > (good[i].link == LINK_ETHERNET ? 2 : 0)) {
			pcap_close(dead);
			continue;
		}
		assert_true(capture_filter(good[i].link, carriers, text, sizeof(text)) > 0);
		assert_int_equal(pcap_compile(dead, &program, text, 1, PCAP_NETMASK_UNKNOWN), 0);
		for (int n = 0; n < 20000; n++) {
			struct frame f = make(good[i]);
			struct packet p;

			for (unsigned k = dice(&seed) % 3; k > 0; k--)
				f.bytes[dice(&seed) % f.len] = (uint8_t)dice(&seed);
			if (parse(&f, good[i].link, &p) != LAYERS_OK || p.proto != 17 ||
			    p.dport != FRAME_PORT)
				continue;
			struct pcap_pkthdr head = {
			    .caplen = (bpf_u_int32)f.len, .len = (bpf_u_int32)f.len};
			if (pcap_offline_filter(&program, &head, f.bytes) == 0)
				fail_msg("shape %zu, round %d: found in a dropped frame", i, n);
			found++;
		}
		pcap_freecode(&program);
		pcap_close(dead);
	}
	assert_true(found > 100000);
}

/* Any bytes at all: bounded, and nothing found outside of them. */
static void survives_noise(void **state)
{
	(void)state;
	static const enum link_type links[] = {LINK_NULL, LINK_ETHERNET, LINK_RAW, LINK_LOOP,
	    LINK_SLL, LINK_SLL2, LINK_IPV4, LINK_IPV6};
	uint32_t seed = 0x2545f491;

	for (int n = 0; n < 100000; n++) {
		uint8_t bytes[200];
		size_t len = dice(&seed) % sizeof(bytes);
		struct packet p;
		uint32_t ifindex;

		for (size_t i = 0; i < len; i++)
			bytes[i] = (uint8_t)dice(&seed);
		if (len > 0 && n % 2 == 0)
			bytes[0] = n % 4 == 0 ? 0x45 : 0x60;
		(void)parse_exactly(bytes, len, links[n % (int)COUNT_OF(links)], &p, &ifindex);
	}
}

/* A line as tshark prints it for one frame. */
static void expect_line(const char *line, const struct shape *s)
{

	char want[200];

	(void)snprintf(want, sizeof(want), "%s\t%d\t%d\t%zu\n",
	    s->v6 ? "\t2001:db8::7" : "192.0.2.7\t", FRAME_CLIENT_PORT, FRAME_PORT,
	    8 + sizeof(payload));
	assert_string_equal(line, want);
}

/* tshark reads all of one link type's shapes as we do. */
static void agree_on(enum link_type link)
{
	char path[] = "/tmp/postern-layers-XXXXXX";
	char command[200], line[200];
	int fd = mkstemp(path);
	pcap_t *dead = pcap_open_dead((int)link, FRAME_MAX);

	assert_true(fd >= 0);
	pcap_dumper_t *dump = pcap_dump_fopen(dead, fdopen(fd, "wb"));
	assert_non_null(dump);
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		struct frame f = make(good[i]);
		struct pcap_pkthdr head = {.caplen = (bpf_u_int32)f.len, .len = (bpf_u_int32)f.len};

		if (good[i].link == link)
			pcap_dump((u_char *)dump, &head, f.bytes);
	}
	pcap_dump_close(dump);
	pcap_close(dead);
	(void)snprintf(command, sizeof(command),
	    "tshark -r %s -T fields -e ip.src -e ipv6.src -e udp.srcport -e udp.dstport "
	    "-e udp.length 2>/dev/null",
	    path);
	FILE *out = popen(command, "r");
	assert_non_null(out);
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		if (good[i].link != link)
			continue;
		assert_non_null(fgets(line, sizeof(line), out));
		expect_line(line, &good[i]);
	}
	assert_null(fgets(line, sizeof(line), out));
	assert_int_equal(pclose(out), 0);
	unlink(path);
}

static void agrees_with_tshark(void **state)
{
	(void)state;
	if (system("command -v tshark >/dev/null") != 0)
		skip();
	agree_on(LINK_ETHERNET);
	agree_on(LINK_SLL);
	agree_on(LINK_SLL2);
	agree_on(LINK_RAW);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_every_shape),
	    cmocka_unit_test(refuses_every_truncation),
	    cmocka_unit_test(refuses_lies),
	    cmocka_unit_test(refuses_mapped_addresses_in_ipv6),
	    cmocka_unit_test(reads_unknown_links_as_nothing),
	    cmocka_unit_test(reads_tcp),
	    cmocka_unit_test(refuses_tcp_that_lies),
	    cmocka_unit_test(ends_tcp_options_where_they_say),
	    cmocka_unit_test(reads_icmp),
	    cmocka_unit_test(finds_nothing_that_the_filter_would_drop),
	    cmocka_unit_test(survives_noise),
	    cmocka_unit_test(agrees_with_tshark),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
