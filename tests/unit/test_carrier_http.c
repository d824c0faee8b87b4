#include "unit.h"

#include <stdio.h>

#include "carrier.h"
#include "carrier_lab.h"
#include "errors.h"

enum { PORT = 80, ACK = 0x10, PUSH = 0x08, TOKEN = 512 };

static struct carrier_ports a_server(void)
{
	struct carrier_ports p = {.http = {.port = PORT, .cookie = "sid", .path = "/a/"}};

	p.http.proxies = 2;
	assert_int_equal(prefix_parse("10.88.0.4", &p.http.proxy[0]), 0);
	assert_int_equal(prefix_parse("fd88:1::/32", &p.http.proxy[1]), 0);
	return p;
}

static struct packet a_segment(const char *text, size_t len)
{
	struct packet p = {.proto = 6,
	    .sport = 40000,
	    .dport = PORT,
	    .tcp_flags = ACK | PUSH,
	    .tcp_head = 32,
	    .payload = (const uint8_t *)text,
	    .payload_len = len};

	assert_int_equal(address_parse("10.88.0.2", &p.src), 0);
	assert_int_equal(address_parse("10.88.0.1", &p.dst), 0);
	return p;
}

/* The text with each '$' in its place as a token of so many characters. */
static size_t with_tokens(char *out, size_t cap, const char *text, size_t token)
{
	size_t len = 0;

	for (; *text; text++) {
		size_t n = *text == '$' ? token : 1;
		assert_true(len + n <= cap);
		memset(out + len, *text == '$' ? 'Q' : *text, n);
		len += n;
	}
	return len;
}

/* Where the token was found in the text; -1 for nowhere. */
static long find(const char *text, size_t token, struct route *r)
{
	const struct carrier_ports ports = a_server();
	static char segment[8192];
	size_t len = with_tokens(segment, sizeof(segment), text, token);
	struct packet p = a_segment(segment, len);
	const uint8_t *at = NULL;
	size_t n = 0;

	if (!carrier_http.recognise(&ports, &p, r, &at, &n))
		return -1;
	assert_int_equal(n, token);
	return (const char *)at - segment;
}

#define GET "GET / HTTP/1.1\r\nHost: h\r\n"

static void finds_the_token(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		long at;
	} table[] = {
	    {GET "Cookie: sid=$\r\n\r\n", 37},
	    {"GET / HTTP/1.1\nCookie: sid=$\n\n", 27},
	    {GET "cookie:sid=$\r\n\r\n", 36},
	    {GET "COOKIE: a=b; sid=$; c=d\r\n\r\n", 42},
	    {GET "Cookie: sid=short; sid=$\r\n\r\n", 48},
	    {GET "Cookie: sid=short\r\nCookie: sid=$\r\n\r\n", 56},
	    {"Cookie: sid=$\r\n\r\n", 12}, /* a proxy cut it off the rest */
	    {"Via: 1.1 x\r\nCookie: sid=$\r\n\r\n", 24},
	    {"GET /a/$ HTTP/1.1\r\n\r\n", 7},
	    {"GET /a/$?x=y HTTP/1.1\r\n\r\n", 7},
	    {"GET /a/$", 7},
	    {GET "Cookie: sidx=$\r\n\r\n", -1},
	    {GET "Cookie: xsid=$\r\n\r\n", -1},
	    {GET "Cookie: SID=$\r\n\r\n", -1},
	    {GET "Cookie: sid $\r\n\r\n", -1},
	    {GET "Cookies: sid=$\r\n\r\n", -1},
	    {GET "X: Cookie: sid=$\r\n\r\n", -1},
	    {"GET /b/$ HTTP/1.1\r\n\r\n", -1},
	    {"GET /a$ HTTP/1.1\r\n\r\n", -1},
	    {"HEAD /a/$ HTTP/1.1\r\n\r\n", -1},
	    {"POST /a/$ HTTP/1.1\r\n\r\n", -1},
	    {"$", -1},
	    {GET "Cookie: sid=!$\r\n\r\n", -1},
	    {GET "\r\nCookie: sid=$\r\n\r\n", -1},
	};

	for (size_t i = 0; i < COUNT_OF(table); i++) {
		struct route r;
		long at = find(table[i].text, TOKEN, &r);
		if (at != table[i].at)
			fail_msg("%s: %ld, not %ld", table[i].text, at, table[i].at);
	}
}

static void takes_what_has_the_length_of_a_veil(void **state)
{
	(void)state;
	struct route r;

	assert_int_equal(find("Cookie: sid=$\r\n", 511, &r), -1);
	assert_int_equal(find("Cookie: sid=$\r\n", 512, &r), 12);
	assert_int_equal(find("Cookie: sid=$\r\n", 1200, &r), 12);
	assert_int_equal(find("Cookie: sid=$\r\n", 1201, &r), -1);
	assert_int_equal(find("Cookie: a=$; sid=$\r\n", 1200, &r), 1200 + 16);
	assert_int_equal(find("Cookie: a=$$$; sid=$\r\n", 1100, &r), -1); /* over 4 KiB */
	assert_int_equal(find("", 1, &r), -1);
}

static void looks_at_segments_of_a_connection_alone(void **state)
{
	(void)state;
	struct carrier_ports ports = a_server();
	static char text[2048];
	size_t len = with_tokens(text, sizeof(text), "Cookie: sid=$\r\n", TOKEN);
	const uint8_t *at;
	size_t n;
	struct route r;

	for (unsigned flags = 0; flags < 64; flags++) {
		struct packet p = a_segment(text, len);
		p.tcp_flags = (uint8_t)flags;
		bool is_data = (flags & 0x16) == ACK;
		assert_int_equal(carrier_http.recognise(&ports, &p, &r, &at, &n), is_data);
	}
	struct packet p = a_segment(text, len);
	p.dport = PORT + 1;
	assert_false(carrier_http.recognise(&ports, &p, &r, &at, &n));
	p = a_segment(text, len);
	p.proto = 17;
	assert_false(carrier_http.recognise(&ports, &p, &r, &at, &n));
	p = a_segment(text, len);
	ports.http.cookie[0] = '\0';
	assert_false(carrier_http.recognise(&ports, &p, &r, &at, &n));
	ports.http.port = 0;
	p.dport = 0;
	assert_false(carrier_http.recognise(&ports, &p, &r, &at, &n));
}

/* Proxies pass on what they do not look at. */
#define BODY "X-Forwarded-For: 203.0.113.9\r\n\r\n"

/* Whom a segment that a proxy passes on counts for. */
static void believes_named_proxies(void **state)
{
	(void)state;
	static const struct {
		const char *from, *head, *client;
	} table[] = {
	    {"10.88.0.2", "X-Forwarded-For: 192.0.2.7\r\n", "10.88.0.2"},
	    {"10.88.0.4", "", "10.88.0.4"},
	    {"10.88.0.4", "X-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7"},
	    {"10.88.0.4", "x-forwarded-for:192.0.2.7\r\n", "192.0.2.7"},
	    {"10.88.0.4", "X-Forwarded-For: 198.51.100.1, 192.0.2.7\r\n", "192.0.2.7"},
	    {"10.88.0.4", "X-Forwarded-For: 192.0.2.7, 10.88.0.4\r\n", "192.0.2.7"},
	    {"10.88.0.4", "X-Forwarded-For: 192.0.2.7 ,fd88:1::9, 10.88.0.4\r\n", "192.0.2.7"},
	    {"10.88.0.4", "X-Forwarded-For: 2001:db8::7\r\n", "2001:db8::7"},
	    {"fd88:1::5", "X-Forwarded-For: 2001:db8::7\r\n", "2001:db8::7"},
	    {"fd88:2::5", "X-Forwarded-For: 2001:db8::7\r\n", "fd88:2::5"},
	    {"10.88.0.4", "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 192.0.2.7\r\n",
		"192.0.2.7"},
	    {"10.88.0.4", "X-Forwarded-For: unknown\r\n", "10.88.0.4"},
	    {"10.88.0.4", "X-Forwarded-For: 1.2.3.4, unknown\r\n", "10.88.0.4"},
	    {"10.88.0.4", "X-Forwarded-For: 1.2.3.4, \r\n", "10.88.0.4"},
	    {"10.88.0.4", "X-Forwarded-For: 10.88.0.4, 10.88.0.4\r\n", "10.88.0.4"},
	    {"10.88.0.4",
		"X-Forwarded-For: 1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17.18.19.20.21\r\n",
		"10.88.0.4"},
	};
	const struct carrier_ports ports = a_server();

	for (size_t i = 0; i < COUNT_OF(table); i++) {
		char text[256], segment[1024], said[ADDRESS_TEXT];
		snprintf(text, sizeof(text), GET "%sCookie: sid=$\r\n\r\n" BODY, table[i].head);
		struct packet p =
		    a_segment(segment, with_tokens(segment, sizeof(segment), text, TOKEN));
		const uint8_t *at;
		size_t n;
		struct route r;
		assert_int_equal(address_parse(table[i].from, &p.src), 0);
		assert_true(carrier_http.recognise(&ports, &p, &r, &at, &n));
		assert_string_equal(address_text(&r.client, said), table[i].client);
	}
}

static void decodes(void **state)
{
	(void)state;
	static const char text[] = "AAEC_f7_-w";
	static const uint8_t bytes[] = {0x00, 0x01, 0x02, 0xfd, 0xfe, 0xff, 0xfb};
	uint8_t out[16];

	assert_int_equal(carrier_http.undress((const uint8_t *)text, 10, out, sizeof(out)), 7);
	assert_memory_equal(out, bytes, 7);
	assert_int_equal(carrier_http.undress((const uint8_t *)text, 10, out, 6), -E_FORMAT);
	assert_int_equal(carrier_http.undress((const uint8_t *)text, 9, out, 16), -E_FORMAT);
	assert_int_equal(carrier_http.undress((const uint8_t *)"AAEC+w", 6, out, 16), -E_FORMAT);
}

static void answers_nothing(void **state)
{
	(void)state;
	struct route r = {.client_port = 1};
	uint8_t out[CRAFT_MAX];

	assert_false(carrier_http.has_reply);
	assert_int_equal(carrier_http.craft(&r, out, 60, out), -E_STATE);
}

static void filters_what_it_recognises(void **state)
{
	(void)state;
	static const struct {
		const char *hex;
		bool takes;
	} table[] = {
#define TO(port, words) "9c40" port "0102030400000000" words "18fe8800000000"
#define MORE "0101080a0000000000000000"
	    {MACS "0800450002280000400040"
		  "06" V4_ADDRESSES TO("0050", "50") "4745",
		true},
	    {MACS "0800450002280000400040"
		  "06" V4_ADDRESSES TO("0050", "80") MORE "4745",
		true},
	    {MACS "0800450002280000400040"
		  "06" V4_ADDRESSES TO("0050", "80") MORE "1603",
		false},
	    {MACS "0800450002270000400040"
		  "06" V4_ADDRESSES TO("0050", "50") "4745",
		false},
	    {MACS "0800450002280000400040"
		  "06" V4_ADDRESSES TO("0051", "50") "4745",
		false},
	    {MACS "86dd600000000214"
		  "06" V6_ADDRESSES TO("0050", "80") MORE "6745",
		true},
	    {MACS "86dd600000000214"
		  "06" V6_ADDRESSES TO("0050", "80") MORE "c745",
		false},
	    {MACS "86dd600000000213"
		  "06" V6_ADDRESSES TO("0050", "80") MORE "6745",
		false},
	};
	const struct carrier_ports ports = a_server();
	char filter[CARRIER_FILTER_MAX];

	assert_true(carrier_http.filter(&ports, filter, sizeof(filter)) > 0);
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		if (filter_takes(filter, table[i].hex) != table[i].takes)
			fail_msg("%zu %s", i, table[i].hex);
	}
	assert_int_equal(
	    carrier_http.filter(&(struct carrier_ports){0}, filter, sizeof(filter)), 0);
	assert_int_equal(carrier_http.filter(&ports, filter, 10), -E_SHORT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(finds_the_token),
	    cmocka_unit_test(takes_what_has_the_length_of_a_veil),
	    cmocka_unit_test(looks_at_segments_of_a_connection_alone),
	    cmocka_unit_test(believes_named_proxies),
	    cmocka_unit_test(decodes),
	    cmocka_unit_test(answers_nothing),
	    cmocka_unit_test(filters_what_it_recognises),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
