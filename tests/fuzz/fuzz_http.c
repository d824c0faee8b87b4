/*
 * fuzz_http - the first byte says whom a segment comes from and how it is
 * looked for, the rest is the segment. What is found must lie inside of it, and
 * only what a trusted proxy says may name another sender. The same bytes are
 * then a proxy's words of SOCKS5 to the client, and an address of the web.
 */
#include <stdlib.h>
#include <string.h>

#include "carrier.h"
#include "web.h"

enum { FROM_PROXY = 1, BY_PATH = 2, BY_COOKIE = 4 };

static struct carrier_ports a_server(uint8_t how)
{
	struct carrier_ports p = {.http = {.port = 80, .proxies = 1}};

	if (prefix_parse("10.0.0.0/8", &p.http.proxy[0]) != 0)
		abort();
	if (how & BY_PATH)
		memcpy(p.http.path, "/a/", sizeof("/a/"));
	if (how & BY_COOKIE)
		memcpy(p.http.cookie, "sid", sizeof("sid"));
	return p;
}

static void as_segment(uint8_t how, const uint8_t *data, size_t size)
{
	const struct carrier_ports ports = a_server(how);
	struct packet p = {
	    .proto = 6, .dport = 80, .tcp_flags = 0x18, .payload = data, .payload_len = size};
	uint8_t veil[VEIL_ROOM];
	const uint8_t *at;
	struct route r;
	size_t len;

	if (address_parse(how & FROM_PROXY ? "10.0.0.1" : "192.0.2.1", &p.src) != 0 ||
	    address_parse("192.0.2.2", &p.dst) != 0)
		abort();
	if (!carrier_http.recognise(&ports, &p, &r, &at, &len))
		return;
	if (at < data || at > data + size || len > size - (size_t)(at - data))
		abort();
	if (!(how & FROM_PROXY) && !address_equal(&r.client, &p.src))
		abort();
	if (carrier_http.undress(at, len, veil, sizeof(veil)) > VEIL_ROOM_HTTP)
		abort();
}

static void as_proxy(const struct web_via *via, const uint8_t *data, size_t size)
{
	struct web_socks_state s = {.step = SOCKS_METHODS};
	size_t missing;

	while ((missing = web_socks_needs(&s)) > 0 && missing <= size) {
		if (missing > sizeof(s.in) - s.len)
			abort();
		memcpy(s.in + s.len, data, missing);
		s.len += missing;
		data += missing;
		size -= missing;
		if (web_socks_needs(&s) == 0 && web_socks_take(&s, via) < 0)
			return;
	}
}

static void as_addresses(const uint8_t *data, size_t size)
{
	char *text = calloc(1, size + 1), out[WEB_REQUEST_MAX];
	struct web_via via = {.kind = WEB_PROXY};
	struct web w = {.cookie = "sid"};

	if (!text)
		abort();
	memcpy(text, data, size);
	(void)web_parse_via(text, &via);
	if (web_parse(text, &w) == 0 &&
	    web_request(&w, &via, data, size < 900 ? size : 900, out) < 0)
		abort();
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct web_via via[] = {
	    {.kind = WEB_SOCKS5}, {.kind = WEB_SOCKS5, .user = "u", .password = "p"}};

	if (size < 1)
		return 0;
	as_segment(data[0], data + 1, size - 1);
	as_proxy(&via[data[0] & 1], data + 1, size - 1);
	as_addresses(data + 1, size - 1);
	return 0;
}
