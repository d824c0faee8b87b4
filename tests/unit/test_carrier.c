#include "unit.h"

#include "carrier.h"
#include "carrier_lab.h"
#include "errors.h"

enum { PORT = 62201 };

static const struct carrier_ports ports = {.udp = PORT};

static struct packet a_packet(const uint8_t *payload, size_t len)
{
	struct packet p = {.proto = 17,
	    .ttl = 60,
	    .sport = 40000,
	    .dport = PORT,
	    .payload = payload,
	    .payload_len = len};

	assert_int_equal(address_parse("10.88.0.2", &p.src), 0);
	assert_int_equal(address_parse("10.88.0.1", &p.dst), 0);
	return p;
}

static void recognises_its_own(void **state)
{
	(void)state;
	static const uint8_t payload[400];
	struct packet p = a_packet(payload, sizeof(payload));
	struct route r;
	const uint8_t *bytes = NULL;
	size_t len = 0;

	assert_true(carrier_udp.recognise(&ports, &p, &r, &bytes, &len));
	assert_ptr_equal(bytes, payload);
	assert_int_equal(len, 400);
	assert_int_equal(r.carrier, CARRIER_UDP);
	assert_true(address_equal(&r.client, &p.src) && address_equal(&r.server, &p.dst));
	assert_int_equal(r.client_port, 40000);
	assert_int_equal(r.server_port, PORT);
	assert_int_equal(r.request_len, 400);
}

static void leaves_others_alone(void **state)
{
	(void)state;
	static const uint8_t payload[400];
	struct route r = {.client_port = 9};
	const uint8_t *bytes = NULL;
	size_t len = 0;
	struct packet p = a_packet(payload, sizeof(payload));

	p.proto = 6;
	assert_false(carrier_udp.recognise(&ports, &p, &r, &bytes, &len));
	p = a_packet(payload, sizeof(payload));
	p.dport = PORT + 1;
	assert_false(carrier_udp.recognise(&ports, &p, &r, &bytes, &len));
	p.dport = 40000;
	p.sport = PORT;
	assert_false(carrier_udp.recognise(&ports, &p, &r, &bytes, &len));
	p = a_packet(payload, sizeof(payload));
	p.dport = 0;
	assert_false(carrier_udp.recognise(&(struct carrier_ports){0}, &p, &r, &bytes, &len));
	p = a_packet(payload, 65536);
	assert_false(carrier_udp.recognise(&ports, &p, &r, &bytes, &len));
	assert_int_equal(r.client_port, 9);
	assert_null(bytes);
}

static struct route a_route(const char *client, const char *server)
{
	struct route r = {.carrier = CARRIER_UDP, .client_port = 40000, .server_port = PORT};

	assert_int_equal(address_parse(client, &r.client), 0);
	assert_int_equal(address_parse(server, &r.server), 0);
	return r;
}

static void crafts_ipv4(void **state)
{
	(void)state;
	struct route r = a_route("10.88.0.2", "10.88.0.1");
	uint8_t payload[VEIL_ROOM];
	uint8_t out[CRAFT_MAX];

	count_up(payload, sizeof(payload), 3);
	for (size_t len = 0; len <= VEIL_ROOM; len++) {
		uint8_t head[28];
		uint8_t pseudo[12] = {10, 88, 0, 1, 10, 88, 0, 2, 0, 17};
		unhex(
		    head, sizeof(head), "45000000000040004011000000000000000000000000000000000000");
		assert_int_equal(carrier_udp.craft(&r, payload, len, out), 28 + len);
		head[2] = (uint8_t)((28 + len) >> 8);
		head[3] = (uint8_t)((28 + len) & 0xff);
		memcpy(head + 12, pseudo, 8); /* server, client */
		assert_memory_equal(out, head, 20);
		assert_memory_equal(out + 20, "\xf2\xf9\x9c\x40", 4);
		assert_int_equal(out[24] << 8 | out[25], 8 + len);
		assert_memory_equal(out + 28, payload, len);
		pseudo[10] = (uint8_t)((8 + len) >> 8);
		pseudo[11] = (uint8_t)((8 + len) & 0xff);
		assert_int_equal(receivers_sum(pseudo, 12, out + 20, 8 + len), 0xffff);
	}
	assert_int_equal(carrier_udp.craft(&r, payload, VEIL_ROOM + 1, out), -E_SHORT);
}

static void crafts_ipv6(void **state)
{
	(void)state;
	struct route r = a_route("fd88::2", "fd88::1");
	uint8_t payload[VEIL_ROOM];
	uint8_t out[CRAFT_MAX];

	count_up(payload, sizeof(payload), 3);
	for (size_t len = 0; len <= VEIL_ROOM; len++) {
		uint8_t head[40];
		uint8_t pseudo[40] = {0};
		unhex(head, sizeof(head),
		    "6000000000001140fd880000000000000000000000000001fd8800000000000000000000000000"
		    "02");
		assert_int_equal(carrier_udp.craft(&r, payload, len, out), 48 + len);
		head[4] = (uint8_t)((8 + len) >> 8);
		head[5] = (uint8_t)((8 + len) & 0xff);
		assert_memory_equal(out, head, 40);
		assert_memory_equal(out + 40, "\xf2\xf9\x9c\x40", 4);
		assert_memory_equal(out + 44, head + 4, 2);
		assert_memory_equal(out + 48, payload, len);
		memcpy(pseudo, head + 8, 32);
		memcpy(pseudo + 34, head + 4, 2);
		pseudo[39] = 17;
		assert_int_equal(receivers_sum(pseudo, 40, out + 40, 8 + len), 0xffff);
	}
}

/* A sum of zero is sent as ones: zero would say that nobody made a sum. */
static void never_sends_a_checksum_of_zero(void **state)
{
	(void)state;
	struct route r = a_route("10.88.0.2", "10.88.0.1");
	uint8_t out[CRAFT_MAX];
	unsigned ones = 0;

	for (unsigned v = 0; v <= 0xffff; v++) {
		const uint8_t payload[2] = {(uint8_t)(v >> 8), (uint8_t)(v & 0xff)};
		assert_int_equal(carrier_udp.craft(&r, payload, 2, out), 30);
		assert_true(out[26] != 0 || out[27] != 0);
		ones += out[26] == 0xff && out[27] == 0xff;
	}
	/* One of the 65,536 payloads has it; another spelling of the same sum (0 and 0xffff) may. */
	assert_true(ones >= 1 && ones <= 2);
}

static void mixes_no_families(void **state)
{
	(void)state;
	struct route r = a_route("10.88.0.2", "fd88::1");
	uint8_t out[CRAFT_MAX];

	assert_int_equal(carrier_udp.craft(&r, out, 0, out), -E_FORMAT);
}

#define PORTS "9c40f2f9"
#define OTHER_PORTS "9c40f2fa"
#define REST "001000000000000000000000"

static void filters_what_it_recognises(void **state)
{
	(void)state;
	static const struct {
		const char *hex;
		bool takes;
	} table[] = {
	    {MACS V4_HEAD "11" V4_ADDRESSES PORTS REST, true},
	    {MACS V4_HEAD "11" V4_ADDRESSES OTHER_PORTS REST, false},
	    {MACS V4_HEAD "06" V4_ADDRESSES PORTS REST, false},
	    {MACS V6_HEAD "11" V6_ADDRESSES PORTS REST, true},
	    {MACS V6_HEAD "11" V6_ADDRESSES OTHER_PORTS REST, false},
	    {MACS V6_HEAD "06" V6_ADDRESSES PORTS REST, false},
	    {MACS V6_HEAD "3a" V6_ADDRESSES PORTS REST, false},
	    {MACS V6_HEAD "00" V6_ADDRESSES "1100010400000000" PORTS REST, false},
	    {MACS V6_HEAD "2b" V6_ADDRESSES "1100000000000000" PORTS REST, false},
	    {MACS V6_HEAD "2c" V6_ADDRESSES "1100000000000001" PORTS REST, false},
	    {MACS V6_HEAD "3c" V6_ADDRESSES "1100010400000000" PORTS REST, false},
	};
	char filter[CARRIER_FILTER_MAX];
	int len = carrier_udp.filter(&ports, filter, sizeof(filter));

	assert_int_equal(len, strlen(filter));
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		if (filter_takes(filter, table[i].hex) != table[i].takes)
			fail_msg("%s", table[i].hex);
	}
}

/* The kinds of link that a capture may meet all know what the filter speaks of. */
static void filters_on_every_link(void **state)
{
	(void)state;
	static const int links[] = {
	    DLT_EN10MB, DLT_LINUX_SLL, DLT_LINUX_SLL2, DLT_RAW, DLT_NULL, DLT_LOOP};
	char filter[CARRIER_FILTER_MAX];
	char with_vlan[2 * CARRIER_FILTER_MAX + 32];

	assert_true(carrier_udp.filter(&ports, filter, sizeof(filter)) > 0);
	for (size_t i = 0; i < COUNT_OF(links); i++) {
		struct bpf_program program;
		pcap_t *p = pcap_open_dead(links[i], 2048);
		assert_non_null(p);
		assert_int_equal(pcap_compile(p, &program, filter, 1, PCAP_NETMASK_UNKNOWN), 0);
		pcap_freecode(&program);
		pcap_close(p);
	}
	snprintf(with_vlan, sizeof(with_vlan), "(%s) or (vlan and (%s))", filter, filter);
	assert_true(filter_takes(with_vlan, MACS "81000005" V4_HEAD "11" V4_ADDRESSES PORTS REST));
	assert_false(
	    filter_takes(with_vlan, MACS "81000005" V4_HEAD "11" V4_ADDRESSES OTHER_PORTS REST));
}

static void has_no_filter_for_no_port(void **state)
{
	(void)state;
	char filter[CARRIER_FILTER_MAX] = "x";

	assert_int_equal(carrier_udp.filter(&(struct carrier_ports){0}, filter, sizeof(filter)), 0);
	assert_string_equal(filter, "");
	assert_int_equal(carrier_udp.filter(&ports, filter, 10), -E_SHORT);
}

static void is_found_by_name_and_number(void **state)
{
	(void)state;
	assert_ptr_equal(carrier_by_name("udp"), &carrier_udp);
	assert_ptr_equal(carrier_by_name("tcp"), &carrier_tcp);
	assert_ptr_equal(carrier_by_name("icmp"), &carrier_icmp);
	assert_ptr_equal(carrier_by_name("http"), &carrier_http);
	assert_null(carrier_by_name("pigeon"));
	assert_ptr_equal(carrier_by_id(CARRIER_UDP), &carrier_udp);
	assert_null(carrier_by_id((enum carrier_id)6));
	for (const struct carrier *const *c = carrier_table(); *c; c++) {
		assert_ptr_equal(carrier_by_id((*c)->id), *c);
		assert_ptr_equal(carrier_by_name((*c)->name), *c);
	}
	assert_int_equal(carrier_udp.room, VEIL_ROOM);
	assert_true(carrier_udp.has_reply);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(recognises_its_own),
	    cmocka_unit_test(leaves_others_alone),
	    cmocka_unit_test(crafts_ipv4),
	    cmocka_unit_test(crafts_ipv6),
	    cmocka_unit_test(never_sends_a_checksum_of_zero),
	    cmocka_unit_test(mixes_no_families),
	    cmocka_unit_test(filters_what_it_recognises),
	    cmocka_unit_test(filters_on_every_link),
	    cmocka_unit_test(has_no_filter_for_no_port),
	    cmocka_unit_test(is_found_by_name_and_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
