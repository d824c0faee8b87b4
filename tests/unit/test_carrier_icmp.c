#include "unit.h"

#include "carrier.h"
#include "carrier_lab.h"
#include "errors.h"

static const struct carrier_ports ports = {.icmp = true};
static const uint8_t payload[VEIL_ROOM];

static struct packet a_ping(bool v4, size_t len)
{
	struct packet p = {.proto = v4 ? 1 : 58,
	    .icmp_type = v4 ? 8 : 128,
	    .sport = 0x1234,
	    .dport = 7,
	    .payload = payload,
	    .payload_len = len};

	assert_int_equal(address_parse(v4 ? "10.88.0.2" : "fd88::2", &p.src), 0);
	assert_int_equal(address_parse(v4 ? "10.88.0.1" : "fd88::1", &p.dst), 0);
	return p;
}

static bool recognise(const struct carrier_ports *c, const struct packet *p, struct route *r)
{
	const uint8_t *bytes = NULL;
	size_t len = 0;

	if (!carrier_icmp.recognise(c, p, r, &bytes, &len))
		return false;
	assert_ptr_equal(bytes, p->payload);
	assert_int_equal(len, p->payload_len);
	return true;
}

static void recognises_an_echo_request(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct packet p = a_ping(i == 0, 384);
		struct route r;
		assert_true(recognise(&ports, &p, &r));
		assert_int_equal(r.carrier, CARRIER_ICMP);
		assert_true(address_equal(&r.client, &p.src) && address_equal(&r.server, &p.dst));
		assert_int_equal(r.client_port, 0x1234);
		assert_int_equal(r.server_port, 7);
		assert_int_equal(r.request_len, 384);
	}
}

static void leaves_others_alone(void **state)
{
	(void)state;
	struct route r = {.client_port = 9};

	for (unsigned v4 = 0; v4 < 2; v4++) {
		struct packet p = a_ping(v4, 384);
		assert_false(recognise(&(struct carrier_ports){0}, &p, &r));
		for (unsigned type = 0; type < 256; type++) {
			p.icmp_type = (uint8_t)type;
			assert_int_equal(recognise(&ports, &p, &r), type == (v4 ? 8 : 128));
		}
		p = a_ping(v4, 383); /* the pings of others are shorter */
		assert_false(recognise(&ports, &p, &r));
		p = a_ping(v4, 65536);
		assert_false(recognise(&ports, &p, &r));
		p = a_ping(v4, 384);
		p.proto = v4 ? 58 : 1;
		assert_false(recognise(&ports, &p, &r));
	}
}

static void crafts_an_echo_reply(void **state)
{
	(void)state;
	uint8_t bytes[VEIL_ROOM], out[CRAFT_MAX], pseudo[40];

	count_up(bytes, sizeof(bytes), 3);
	for (unsigned v4 = 0; v4 < 2; v4++) {
		struct packet p = a_ping(v4, 384);
		size_t ip = v4 ? 20 : 40;
		struct route r;
		assert_true(recognise(&ports, &p, &r));
		for (size_t len = 51; len <= VEIL_ROOM; len++) {
			assert_int_equal(carrier_icmp.craft(&r, bytes, len, out), ip + 8 + len);
			assert_int_equal(out[v4 ? 9 : 6], v4 ? 1 : 58);
			assert_int_equal(out[ip], v4 ? 0 : 129);
			assert_int_equal(out[ip + 1], 0);
			assert_memory_equal(out + ip + 4, "\x12\x34\x00\x07", 4);
			assert_memory_equal(out + ip + 8, bytes, len);
			size_t n = v4 ? 0 : pseudo_header(pseudo, &r, 58, 8 + len);
			assert_int_equal(receivers_sum(pseudo, n, out + ip, 8 + len), 0xffff);
		}
		assert_int_equal(carrier_icmp.craft(&r, bytes, VEIL_ROOM + 1, out), -E_SHORT);
		r.server = r.client;
		assert_int_equal(address_parse(v4 ? "fd88::1" : "10.88.0.1", &r.server), 0);
		assert_int_equal(carrier_icmp.craft(&r, bytes, 100, out), -E_FORMAT);
	}
}

static void filters_what_it_recognises(void **state)
{
	(void)state;
	static const struct {
		const char *hex;
		bool takes;
	} table[] = {
	    {MACS "08004500019c0000400040"
		  "01" V4_ADDRESSES "0800000012340007",
		true},
	    {MACS "08004500019b0000400040"
		  "01" V4_ADDRESSES "0800000012340007",
		false},
	    {MACS "08004500019c0000400040"
		  "01" V4_ADDRESSES "0000000012340007",
		false},
	    {MACS "08004500019c0000400040"
		  "11" V4_ADDRESSES "0800000012340007",
		false},
	    {MACS "86dd600000000188"
		  "3a" V6_ADDRESSES "8000000012340007",
		true},
	    {MACS "86dd600000000187"
		  "3a" V6_ADDRESSES "8000000012340007",
		false},
	    {MACS "86dd600000000188"
		  "3a" V6_ADDRESSES "8100000012340007",
		false},
	    {MACS "86dd600000000188"
		  "11" V6_ADDRESSES "8000000012340007",
		false},
	};
	char filter[CARRIER_FILTER_MAX];

	assert_true(carrier_icmp.filter(&ports, filter, sizeof(filter)) > 0);
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		if (filter_takes(filter, table[i].hex) != table[i].takes)
			fail_msg("%zu %s", i, table[i].hex);
	}
	assert_int_equal(
	    carrier_icmp.filter(&(struct carrier_ports){0}, filter, sizeof(filter)), 0);
	assert_int_equal(carrier_icmp.filter(&ports, filter, 10), -E_SHORT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(recognises_an_echo_request),
	    cmocka_unit_test(leaves_others_alone),
	    cmocka_unit_test(crafts_an_echo_reply),
	    cmocka_unit_test(filters_what_it_recognises),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
