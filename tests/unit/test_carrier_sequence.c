#include "unit.h"

#include <stdlib.h>

#include <pcap/pcap.h>

#include "carrier.h"
#include "carrier_lab.h"
#include "errors.h"

enum { SYN = 0x02, FIRST = 7001, HEAD = 20 };

static const struct carrier_ports listed = {.sequences = 1,
    .sequence = {{.pieces = SEQUENCE_UDP | SEQUENCE_TCP | SEQUENCE_CLEAN,
	.ports = 5,
	.port = {FIRST, 9, 65535, 62202, 4242}}}};

static struct packet a_piece(uint8_t proto, uint16_t port)
{
	static const uint8_t payload[66];
	struct packet p = {.proto = proto,
	    .sport = 40000,
	    .dport = port,
	    .tcp_flags = proto == 6 ? SYN : 0,
	    .tcp_seq = 0xfffffff0,
	    .payload = payload,
	    .payload_len = sizeof(payload)};

	assert_int_equal(address_parse("10.88.0.2", &p.src), 0);
	assert_int_equal(address_parse("10.88.0.1", &p.dst), 0);
	return p;
}

static bool recognise(const struct carrier_ports *ports, const struct packet *p, struct route *r)
{
	const uint8_t *bytes = NULL;
	size_t len = 0;

	if (!carrier_sequence.recognise(ports, p, r, &bytes, &len))
		return false;
	assert_ptr_equal(bytes, p->payload);
	assert_int_equal(len, p->payload_len);
	return true;
}

static void recognises_pieces_at_their_ports(void **state)
{
	(void)state;
	struct route r;

	for (unsigned i = 0; i < listed.sequence[0].ports; i++) {
		struct packet p = a_piece(17, listed.sequence[0].port[i]);
		assert_true(recognise(&listed, &p, &r));
		assert_int_equal(r.carrier, CARRIER_SEQUENCE);
		assert_false(r.is_tcp);
		assert_int_equal(r.server_port, listed.sequence[0].port[i]);
		assert_int_equal(r.client_port, 40000);
		assert_int_equal(r.request_len, 66);
		p = a_piece(6, listed.sequence[0].port[i]);
		assert_true(recognise(&listed, &p, &r));
		assert_true(r.is_tcp);
		assert_int_equal(r.tcp_seq, 0xfffffff0 + 1 + 66); /* wraps */
		p.dport++;
		assert_false(recognise(&listed, &p, &r));
	}
}

static void hears_what_is_in_use_alone(void **state)
{
	(void)state;
	static const uint8_t flags[] = {0, 0x01, 0x03, 0x04, 0x06, 0x0a, 0x10, 0x12, 0x18, 0x22};
	struct carrier_ports ports = listed;
	struct packet udp = a_piece(17, FIRST), tcp = a_piece(6, FIRST);
	struct route r;

	ports.sequence[0].pieces = SEQUENCE_UDP;
	assert_true(recognise(&ports, &udp, &r));
	assert_false(recognise(&ports, &tcp, &r));
	ports.sequence[0].pieces = SEQUENCE_CLEAN;
	assert_false(recognise(&ports, &udp, &r));
	assert_true(recognise(&ports, &tcp, &r));
	for (size_t i = 0; i < COUNT_OF(flags); i++) {
		tcp.tcp_flags = flags[i];
		assert_false(recognise(&ports, &tcp, &r));
	}
	udp.payload_len = 0;
	assert_false(recognise(&listed, &udp, &r));
	udp = a_piece(1, FIRST);
	assert_false(recognise(&listed, &udp, &r));
	udp = a_piece(17, FIRST);
	assert_false(recognise(&(struct carrier_ports){.udp = FIRST}, &udp, &r));
	ports.sequence[0] =
	    (struct carrier_sequence){.pieces = SEQUENCE_UDP, .ports = 8, .lo = 100, .hi = 200};
	for (unsigned port = 1; port <= UINT16_MAX; port++) {
		udp.dport = (uint16_t)port;
		assert_int_equal(recognise(&ports, &udp, &r), port >= 100 && port <= 200);
	}
}

static struct route a_route(const char *client, const char *server, bool is_tcp)
{
	struct route r = {.carrier = CARRIER_SEQUENCE,
	    .is_tcp = is_tcp,
	    .client_port = 40000,
	    .server_port = 62202,
	    .tcp_seq = 0x01020304,
	    .request_len = VEIL_ROOM};

	assert_int_equal(address_parse(client, &r.client), 0);
	assert_int_equal(address_parse(server, &r.server), 0);
	return r;
}

/* As Linux answers at a closed port: no sequence number, no window, no options; but for the payload. */
static void crafts_a_reset(void **state)
{
	(void)state;
	uint8_t payload[VEIL_ROOM], out[CRAFT_MAX], pseudo[40], head[HEAD];

	count_up(payload, sizeof(payload), 3);
	for (unsigned v4 = 0; v4 < 2; v4++) {
		struct route r =
		    a_route(v4 ? "10.88.0.2" : "fd88::2", v4 ? "10.88.0.1" : "fd88::1", true);
		size_t ip = v4 ? 20 : 40;
		for (size_t len = 51; len <= VEIL_ROOM; len += 7) {
			assert_int_equal(
			    carrier_sequence.craft(&r, payload, len, out), ip + HEAD + len);
			unhex(head, sizeof(head),
			    "f2fa9c400000000001020304501400000000"
			    "0000");
			memcpy(head + 16, out + ip + 16, 2);
			assert_memory_equal(out + ip, head, HEAD);
			assert_memory_equal(out + ip + HEAD, payload, len);
			size_t n = pseudo_header(pseudo, &r, 6, HEAD + len);
			assert_int_equal(receivers_sum(pseudo, n, out + ip, HEAD + len), 0xffff);
		}
		assert_int_equal(carrier_sequence.craft(&r, payload, VEIL_ROOM + 1, out), -E_SHORT);
	}
	struct route mixed = a_route("10.88.0.2", "fd88::1", true);
	assert_int_equal(carrier_sequence.craft(&mixed, payload, 60, out), -E_FORMAT);
}

static void crafts_a_datagram_as_udp_does(void **state)
{
	(void)state;
	uint8_t payload[VEIL_ROOM], one[CRAFT_MAX], two[CRAFT_MAX];
	struct route r = a_route("10.88.0.2", "10.88.0.1", false);

	count_up(payload, sizeof(payload), 3);
	int len = carrier_sequence.craft(&r, payload, VEIL_ROOM, one);
	assert_int_equal(len, 28 + VEIL_ROOM);
	assert_int_equal(carrier_udp.craft(&r, payload, VEIL_ROOM, two), len);
	assert_memory_equal(one, two, (size_t)len);
}

#define UDP(port) "9c40" port "004a0000"
#define TCP(port, flags) "9c40" port "0102030400000000a0" flags "fe8800000000"

static void check_filter(const struct carrier_ports *ports, bool udp, bool tcp)
{
	const struct {
		const char *hex;
		bool takes;
	} table[] = {
	    {MACS V4_HEAD "11" V4_ADDRESSES UDP("1b59"), udp},
	    {MACS V4_HEAD "11" V4_ADDRESSES UDP("1b58"), false},
	    {MACS V6_HEAD "11" V6_ADDRESSES UDP("1b59"), udp},
	    {MACS V6_HEAD "11" V6_ADDRESSES UDP("1b58"), false},
	    {MACS V4_HEAD "06" V4_ADDRESSES TCP("1b59", "02"), tcp},
	    {MACS V4_HEAD "06" V4_ADDRESSES TCP("1b59", "12"), false},
	    {MACS V4_HEAD "06" V4_ADDRESSES TCP("1b58", "02"), false},
	    {MACS V6_HEAD "06" V6_ADDRESSES TCP("1b59", "02"), tcp},
	    {MACS V6_HEAD "06" V6_ADDRESSES TCP("1b59", "10"), false},
	    {MACS V6_HEAD "06" V6_ADDRESSES TCP("1b58", "02"), false},
	};
	char filter[CARRIER_FILTER_MAX];

	assert_true(carrier_sequence.filter(ports, filter, sizeof(filter)) > 0);
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		if (filter_takes(filter, table[i].hex) != table[i].takes)
			fail_msg("%s: %zu %s", filter, i, table[i].hex);
	}
}

static void filters_what_it_recognises(void **state)
{
	(void)state;
	struct carrier_ports ports = listed;
	char filter[CARRIER_FILTER_MAX];

	check_filter(&ports, true, true);
	ports.sequence[0].pieces = SEQUENCE_UDP;
	check_filter(&ports, true, false);
	ports.sequence[0].pieces = SEQUENCE_CLEAN;
	check_filter(&ports, false, true);
	ports.sequence[0] = (struct carrier_sequence){
	    .pieces = SEQUENCE_UDP | SEQUENCE_TCP, .ports = 8, .lo = FIRST, .hi = 8000};
	check_filter(&ports, true, true);
	assert_int_equal(carrier_sequence.filter(&ports, filter, 10), -E_SHORT);
	ports.sequences = 0;
	assert_int_equal(carrier_sequence.filter(&ports, filter, sizeof(filter)), 0);
}

/* The longest list has room, too. */
static void filters_the_longest_list(void **state)
{
	(void)state;
	struct carrier_ports ports = {.sequences = 1,
	    .sequence = {{.pieces = SEQUENCE_UDP | SEQUENCE_TCP, .ports = SEQUENCE_PORTS_MAX}}};
	char filter[CARRIER_FILTER_MAX];

	for (unsigned i = 0; i < SEQUENCE_PORTS_MAX; i++)
		ports.sequence[0].port[i] = (uint16_t)(65535 - i);
	ports.sequence[0].port[31] = FIRST;
	check_filter(&ports, true, true);
	assert_true(carrier_sequence.filter(&ports, filter, sizeof(filter)) > 0);
}

/* Several, which do not all hear the same. */
static void hears_each_by_its_own(void **state)
{
	(void)state;
	struct carrier_ports ports = {.sequences = 3,
	    .sequence = {{.pieces = SEQUENCE_UDP, .ports = 5, .port = {7001, 2, 3, 4, 5}},
		{.id = 1, .pieces = SEQUENCE_CLEAN, .ports = 5, .port = {7002, 12, 13, 14, 15}},
		{.id = 63, .pieces = SEQUENCE_TCP, .ports = 5, .lo = 7003, .hi = 7100}}};
	const struct {
		uint16_t port;
		bool udp, tcp;
	} table[] = {{7001, true, false}, {5, true, false}, {7002, false, true}, {15, false, true},
	    {7003, false, true}, {7100, false, true}, {7101, false, false}, {7000, false, false},
	    {16, false, false}};
	char filter[CARRIER_FILTER_MAX];
	struct route r;

	for (size_t i = 0; i < COUNT_OF(table); i++) {
		struct packet udp = a_piece(17, table[i].port), tcp = a_piece(6, table[i].port);
		assert_int_equal(recognise(&ports, &udp, &r), table[i].udp);
		assert_int_equal(recognise(&ports, &tcp, &r), table[i].tcp);
	}
	check_filter(&ports, true, false);
	ports.sequence[0].pieces = SEQUENCE_TCP;
	check_filter(&ports, false, true);
	ports.sequence[1] = ports.sequence[0];
	ports.sequence[1].pieces = SEQUENCE_UDP;
	check_filter(&ports, true, true);
	for (size_t cap = 0; cap < 150; cap++)
		assert_int_equal(carrier_sequence.filter(&ports, filter, cap), -E_SHORT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(recognises_pieces_at_their_ports),
	    cmocka_unit_test(hears_what_is_in_use_alone),
	    cmocka_unit_test(crafts_a_reset),
	    cmocka_unit_test(crafts_a_datagram_as_udp_does),
	    cmocka_unit_test(filters_what_it_recognises),
	    cmocka_unit_test(filters_the_longest_list),
	    cmocka_unit_test(hears_each_by_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
