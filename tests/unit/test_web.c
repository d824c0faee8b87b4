/* web: addresses of the web, the request, and the words of SOCKS5. */
#include "unit.h"

#include "fits.h"
#include "web.h"

static void reads_addresses(void **state)
{
	(void)state;
	static const struct {
		const char *url, *host, *path;
		uint16_t port;
	} good[] = {
	    {"http://www.example.org", "www.example.org", "/", 80},
	    {"http://www.example.org/", "www.example.org", "/", 80},
	    {"http://10.0.0.1:8080/a/b-c_d.e~f", "10.0.0.1", "/a/b-c_d.e~f", 8080},
	    {"http://[2001:db8::1]:81/x", "2001:db8::1", "/x", 81},
	};
	static const char *const bad[] = {"", "http://", "https://h/", "http:///x", "http://h:0/",
	    "http://h:65536/", "http://h:/", "http://h:80x/", "http://h /", "http://h/a b",
	    "http://h/?q", "http://h/a\r\nX: y", "http://[::1/", "http://-h/", "http://u@h/"};

	for (size_t i = 0; i < COUNT_OF(good); i++) {
		struct web w = {.cookie = "kept"};
		assert_int_equal(web_parse(good[i].url, &w), 0);
		assert_string_equal(w.host, good[i].host);
		assert_string_equal(w.path, good[i].path);
		assert_int_equal(w.port, good[i].port);
		assert_string_equal(w.cookie, "kept");
	}
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct web w = {.port = 7};
		if (web_parse(bad[i], &w) == 0)
			fail_msg("%s", bad[i]);
		assert_int_equal(w.port, 7);
	}
}

static void reads_proxies(void **state)
{
	(void)state;
	static const char *const bad[] = {"", "socks5://h", "socks4://h:1", "http://h", "h:1",
	    "socks5://u@h:1", "socks5://:p@h:1", "socks5://u:@h:1", "http://u:p@h:1",
	    "socks5://h:1/x", "socks5://a:b@c:d@h:1"};
	struct web_via v = {.kind = WEB_STRAIGHT};

	assert_int_equal(web_parse_via("socks5://10.0.0.1:1080", &v), 0);
	assert_int_equal(v.kind, WEB_SOCKS5);
	assert_string_equal(v.user, "");
	assert_int_equal(web_parse_via("socks5://me:se%cr=t@proxy.lab:1081/", &v), 0);
	assert_string_equal(v.user, "me");
	assert_string_equal(v.password, "se%cr=t");
	assert_string_equal(v.host, "proxy.lab");
	assert_int_equal(v.port, 1081);
	assert_int_equal(web_parse_via("http://[::1]:8888", &v), 0);
	assert_int_equal(v.kind, WEB_PROXY);
	assert_string_equal(v.host, "::1");
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		if (web_parse_via(bad[i], &v) == 0)
			fail_msg("%s", bad[i]);
	}
}

#define REST "User-Agent: Mozilla/5.0\r\nAccept: */*\r\n"

static void makes_requests(void **state)
{
	(void)state;
	static const uint8_t bytes[] = {0x00, 0x01, 0x02, 0xfd, 0xfe, 0xff, 0xfb};
	struct web w = {.host = "www.example.org", .port = 80, .path = "/a", .cookie = "sid"};
	struct web_via via = {.kind = WEB_STRAIGHT};
	char out[WEB_REQUEST_MAX];
	uint8_t most[901] = {0};

	assert_true(web_request(&w, &via, bytes, sizeof(bytes), out) > 0);
	assert_string_equal(out, "GET /a HTTP/1.1\r\nHost: www.example.org\r\n" REST
				 "Cookie: sid=AAEC_f7_-w\r\nConnection: close\r\n\r\n");
	w.cookie[0] = '\0';
	w.port = 8080;
	via.kind = WEB_PROXY;
	assert_true(web_request(&w, &via, bytes, sizeof(bytes), out) > 0);
	assert_string_equal(out, "GET http://www.example.org:8080/aAAEC_f7_-w HTTP/1.1\r\nHost: "
				 "www.example.org:8080\r\n" REST "Connection: close\r\n\r\n");
	/* The longest goes into one segment. */
	via.kind = WEB_STRAIGHT;
	assert_true(web_request(&w, &via, most, 900, out) <= 1400);
	assert_int_equal(web_request(&w, &via, most, 901, out), -1);
	memcpy(w.host, "::1", 4);
	assert_true(web_request(&w, &via, bytes, sizeof(bytes), out) > 0);
	assert_non_null(strstr(out, "Host: [::1]:8080\r\n"));
}

/* What is said at this step, in hexadecimal. */
static void says(const struct web_socks_state *s, const struct web *w, const struct web_via *via,
    const char *hex)
{
	uint8_t out[512], expected[512];

	assert_int_equal(web_socks_say(s, w, via, out), unhex(expected, sizeof(expected), hex));
	assert_memory_equal(out, expected, strlen(hex) / 2);
}

static void hears(struct web_socks_state *s, const char *hex)
{
	s->len += unhex(s->in + s->len, sizeof(s->in) - s->len, hex);
}

static void speaks_socks(void **state)
{
	(void)state;
	struct web w = {.host = "w.lab", .port = 80};
	struct web_via via = {.kind = WEB_SOCKS5, .user = "me", .password = "pw"};
	struct web_socks_state s = {.step = SOCKS_METHODS};

	says(&s, &w, &via, "050102");
	hears(&s, "05");
	assert_int_equal(web_socks_needs(&s), 1);
	hears(&s, "02");
	assert_int_equal(web_socks_needs(&s), 0);
	assert_int_equal(web_socks_take(&s, &via), 0);
	says(&s, &w, &via, "01026d65027077");
	hears(&s, "0100");
	assert_int_equal(web_socks_take(&s, &via), 0);
	says(&s, &w, &via, "0501000305772e6c61620050");
	hears(&s, "0500000302");
	assert_int_equal(web_socks_needs(&s), 4);
	hears(&s, "61620050");
	assert_int_equal(web_socks_needs(&s), 0);
	assert_int_equal(web_socks_take(&s, &via), 0);
	assert_int_equal(s.step, SOCKS_DONE);
	/* Addresses go as such. */
	s.step = SOCKS_CONNECT;
	memcpy(w.host, "10.0.0.1", 9);
	says(&s, &w, &via, "050100010a0000010050");
	memcpy(w.host, "::1", 4);
	says(&s, &w, &via, "05010004000000000000000000000000000000010050");
}

static void understands_refusals(void **state)
{
	(void)state;
	static const struct {
		enum web_socks step;
		const char *hex, *why;
		bool password;
	} table[] = {
	    {SOCKS_METHODS, "04ff", "it does not speak SOCKS5", false},
	    {SOCKS_METHODS, "05ff", "it asks for a user and a password", false},
	    {SOCKS_METHODS, "05ff", "it takes no user and password", true},
	    {SOCKS_PASSWORD, "0101", "it does not know this user and password", true},
	    {SOCKS_CONNECT, "0504000100", "it cannot reach the host", false},
	    {SOCKS_CONNECT, "05ff000100", "it failed", false},
	    {SOCKS_CONNECT, "0500000900", "it does not speak SOCKS5", false},
	};

	for (size_t i = 0; i < COUNT_OF(table); i++) {
		struct web_via via = {.kind = WEB_SOCKS5};
		struct web_socks_state s = {.step = table[i].step};
		if (table[i].password)
			memcpy(via.user, "u", 2);
		hears(&s, table[i].hex);
		assert_int_equal(web_socks_take(&s, &via), -1);
		assert_string_equal(s.why, table[i].why);
	}
}

/* All there are: what does not go together, and part of why. */
static void knows_what_fits(void **state)
{
	(void)state;
	static const char *const envelopes[] = {"noise", "openpgp"},
				 *const covers[] = {"none", "png"},
				 *const senders[] = {"udp", "tcp", "icmp", "http", "sequence"};
	unsigned good = 0, all = 0;

	for (unsigned e = 0; e < 2; e++)
		for (unsigned c = 0; c < 2; c++)
			for (unsigned s = 0; s < 5; s++)
				for (int confirm = CONFIRM_REPLY; confirm <= CONFIRM_CHALLENGE;
				     confirm++) {
					const struct sender *sender = sender_by_name(senders[s]);
					const char *why = fits(envelope_by_name(envelopes[e]),
					    cover_by_name(covers[c]), sender,
					    (enum confirm)confirm);
					bool picture = c == 1 && s != 4;
					bool challenge = s == 3 && confirm == CONFIRM_CHALLENGE;
					assert_int_equal(why != NULL, picture || challenge);
					if (picture)
						assert_non_null(
						    strstr(why, "take the carrier sequence"));
					else if (challenge)
						assert_non_null(
						    strstr(why, "nothing brings a challenge"));
					good += why == NULL;
					all++;
				}
	assert_int_equal(all, 60);
	assert_int_equal(good, 34);
}

static void knows_what_http_can_do(void **state)
{
	(void)state;
	const struct sender *http = sender_by_name("http"), *udp = sender_by_name("udp");
	struct request q = {.verb = VERB_OPEN, .admits = 1};

	assert_null(fits_request(http, &q, false));
	q.flags = REQUEST_STRICT;
	assert_non_null(strstr(fits_request(http, &q, true), "the proxy's address"));
	assert_non_null(fits_request(http, &q, false));
	q.flags = REQUEST_CHALLENGE;
	assert_non_null(strstr(fits_request(http, &q, false), "no challenge"));
	q = (struct request){.verb = VERB_OPEN};
	assert_non_null(strstr(fits_request(http, &q, false), "name the address"));
	assert_null(fits_request(udp, &q, false));
	q.verb = VERB_LIST;
	assert_non_null(strstr(fits_request(http, &q, false), "nothing but 'open'"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_addresses),
	    cmocka_unit_test(reads_proxies),
	    cmocka_unit_test(makes_requests),
	    cmocka_unit_test(speaks_socks),
	    cmocka_unit_test(understands_refusals),
	    cmocka_unit_test(knows_what_fits),
	    cmocka_unit_test(knows_what_http_can_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
