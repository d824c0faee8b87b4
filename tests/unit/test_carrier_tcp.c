#include "unit.h"

#include <pcap/pcap.h>

#include "carrier.h"
#include "carrier_lab.h"
#include "errors.h"

enum { PORT = 62202, SYN = 0x02, HEAD = 20, OPTIONS = 20 };

static const struct carrier_ports ports = {.tcp = PORT};

static struct packet a_syn(const uint8_t *payload, size_t len)
{
	struct packet p = {.proto = 6,
	    .ttl = 60,
	    .sport = 40000,
	    .dport = PORT,
	    .tcp_flags = SYN,
	    .tcp_head = HEAD + OPTIONS,
	    .tcp_seq = 0x01020304,
	    .tcp_tsval = 0xa1a2a3a4,
	    .payload = payload,
	    .payload_len = len};

	assert_int_equal(address_parse("10.88.0.2", &p.src), 0);
	assert_int_equal(address_parse("10.88.0.1", &p.dst), 0);
	return p;
}

static bool recognise(const struct packet *p, struct route *r)
{
	const uint8_t *bytes = NULL;
	size_t len = 0;

	if (!carrier_tcp.recognise(&ports, p, r, &bytes, &len))
		return false;
	assert_ptr_equal(bytes, p->payload);
	assert_int_equal(len, p->payload_len);
	return true;
}

static void recognises_a_syn(void **state)
{
	(void)state;
	static const uint8_t payload[400];
	struct packet p = a_syn(payload, sizeof(payload));
	struct route r;

	assert_true(recognise(&p, &r));
	assert_int_equal(r.carrier, CARRIER_TCP);
	assert_true(address_equal(&r.client, &p.src) && address_equal(&r.server, &p.dst));
	assert_int_equal(r.client_port, 40000);
	assert_int_equal(r.server_port, PORT);
	assert_int_equal(r.request_len, 400);
	assert_int_equal(r.tcp_seq, 0x01020304);
	assert_int_equal(r.tcp_tsval, 0xa1a2a3a4);
	p.tcp_flags = SYN | 0xc0; /* congestion is announced */
	assert_true(recognise(&p, &r));
}

/* An answer with options to a SYN with fewer would be longer than what it answers. */
static void takes_up_usual_options_alone(void **state)
{
	(void)state;
	static const uint8_t payload[400];
	struct packet p = a_syn(payload, sizeof(payload));
	struct route r;

	p.tcp_head = HEAD + OPTIONS - 4;
	assert_true(recognise(&p, &r));
	assert_int_equal(r.tcp_tsval, 0);
}

static void leaves_others_alone(void **state)
{
	(void)state;
	static const uint8_t payload[400];
	static const uint8_t flags[] = {0, 0x01, 0x03, 0x04, 0x06, 0x0a, 0x10, 0x12, 0x18, 0x22};
	struct packet p = a_syn(payload, sizeof(payload));
	struct route r = {.client_port = 9};

	p.proto = 17;
	assert_false(recognise(&p, &r));
	p = a_syn(payload, sizeof(payload));
	p.dport++;
	assert_false(recognise(&p, &r));
	for (size_t i = 0; i < COUNT_OF(flags); i++) {
		p = a_syn(payload, sizeof(payload));
		p.tcp_flags = flags[i];
		assert_false(recognise(&p, &r));
	}
	p = a_syn(payload, 65536);
	assert_false(recognise(&p, &r));
	assert_int_equal(r.client_port, 9);
}

static struct route a_route(const char *client, const char *server, uint32_t tsval)
{
	struct route r = {.carrier = CARRIER_TCP,
	    .client_port = 40000,
	    .server_port = PORT,
	    .tcp_seq = 0xffffff00,
	    .tcp_tsval = tsval,
	    .request_len = VEIL_ROOM};

	assert_int_equal(address_parse(client, &r.client), 0);
	assert_int_equal(address_parse(server, &r.server), 0);
	return r;
}

/* All but what is random, which is returned. */
static uint32_t check_segment(const uint8_t *tcp, size_t len, const struct route *r, bool v4)
{
	uint8_t head[HEAD + OPTIONS];
	size_t head_len = r->tcp_tsval ? HEAD + OPTIONS : HEAD;
	uint32_t random =
	    (uint32_t)tcp[4] << 24 | (uint32_t)tcp[5] << 16 | (uint32_t)tcp[6] << 8 | tcp[7];

	/* ports, sequence, 0xffffff00 + 1 + 1200, flags, window, sum, urgent */
	unhex(head, sizeof(head),
	    "f2fa9c4000000000000003b1a012fe8800000000"
	    "020405b40402080a00000000a1a2a3a401030307");
	if (!v4) {
		memcpy(head + 14, "\xfb\x04", 2);
		memcpy(head + 20, "\x02\x04\x05\xa0", 4);
	}
	if (head_len == HEAD)
		head[12] = 0x50;
	memcpy(head + 4, tcp + 4, 4);
	memcpy(head + 16, tcp + 16, 2);
	if (head_len > HEAD)
		memcpy(head + 28, tcp + 28, 4);
	assert_true(len >= head_len);
	assert_memory_equal(tcp, head, head_len);
	return random;
}

static void crafts_a_syn_ack(void **state)
{
	(void)state;
	uint8_t payload[VEIL_ROOM], out[CRAFT_MAX], pseudo[40];
	uint32_t before = 0;

	count_up(payload, sizeof(payload), 3);
	for (unsigned i = 0; i < 4; i++) {
		bool v4 = i < 2;
		struct route r = a_route(v4 ? "10.88.0.2" : "fd88::2", v4 ? "10.88.0.1" : "fd88::1",
		    i % 2 ? 0xa1a2a3a4 : 0);
		size_t ip = v4 ? 20 : 40, head = i % 2 ? 40 : 20;
		for (size_t len = 51; len <= VEIL_ROOM; len += 7) {
			assert_int_equal(carrier_tcp.craft(&r, payload, len, out), ip + head + len);
			uint32_t random = check_segment(out + ip, head + len, &r, v4);
			assert_true(random != before);
			before = random;
			assert_memory_equal(out + ip + head, payload, len);
			size_t n = pseudo_header(pseudo, &r, 6, head + len);
			assert_int_equal(receivers_sum(pseudo, n, out + ip, head + len), 0xffff);
		}
	}
}

static void crafts_no_more_than_it_can(void **state)
{
	(void)state;
	uint8_t payload[VEIL_ROOM + 1] = {0}, out[CRAFT_MAX];
	struct route r = a_route("fd88::2", "fd88::1", 1);

	assert_int_equal(carrier_tcp.craft(&r, payload, VEIL_ROOM, out), 40 + 40 + VEIL_ROOM);
	assert_int_equal(carrier_tcp.craft(&r, payload, VEIL_ROOM + 1, out), -E_SHORT);
	r = a_route("10.88.0.2", "fd88::1", 1);
	assert_int_equal(carrier_tcp.craft(&r, payload, 100, out), -E_FORMAT);
}

static void filters_what_it_recognises(void **state)
{
	(void)state;
	static const struct {
		const char *hex;
		bool takes;
	} table[] = {
#define TO(port, flags) "9c40" port "0102030400000000a0" flags "fe8800000000"
	    {MACS V4_HEAD "06" V4_ADDRESSES TO("f2fa", "02"), true},
	    {MACS V4_HEAD "06" V4_ADDRESSES TO("f2fa", "c2"), true},
	    {MACS V4_HEAD "06" V4_ADDRESSES TO("f2fa", "12"), false},
	    {MACS V4_HEAD "06" V4_ADDRESSES TO("f2fa", "10"), false},
	    {MACS V4_HEAD "06" V4_ADDRESSES TO("f2fb", "02"), false},
	    {MACS V4_HEAD "11" V4_ADDRESSES TO("f2fa", "02"), false},
	    {MACS V6_HEAD "06" V6_ADDRESSES TO("f2fa", "02"), true},
	    {MACS V6_HEAD "06" V6_ADDRESSES TO("f2fa", "12"), false},
	    {MACS V6_HEAD "06" V6_ADDRESSES TO("f2fb", "02"), false},
	    {MACS V6_HEAD "11" V6_ADDRESSES TO("f2fa", "02"), false},
	};
	char filter[CARRIER_FILTER_MAX];

	assert_true(carrier_tcp.filter(&ports, filter, sizeof(filter)) > 0);
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		if (filter_takes(filter, table[i].hex) != table[i].takes)
			fail_msg("%zu %s", i, table[i].hex);
	}
	assert_int_equal(carrier_tcp.filter(&(struct carrier_ports){0}, filter, sizeof(filter)), 0);
	assert_int_equal(carrier_tcp.filter(&ports, filter, 10), -E_SHORT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(recognises_a_syn),
	    cmocka_unit_test(takes_up_usual_options_alone),
	    cmocka_unit_test(leaves_others_alone),
	    cmocka_unit_test(crafts_a_syn_ack),
	    cmocka_unit_test(crafts_no_more_than_it_can),
	    cmocka_unit_test(filters_what_it_recognises),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
