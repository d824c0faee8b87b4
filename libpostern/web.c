#include "web.h"

#include <arpa/inet.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "veil.h"

enum {
	SOCKS_VERSION = 5,
	SOCKS_PASSWORD_VERSION = 1,
	SOCKS_NO_METHOD = 0,
	SOCKS_BY_PASSWORD = 2,
	SOCKS_VERB_CONNECT = 1,
	SOCKS_NAME = 3,
	SOCKS_V4 = 1,
	SOCKS_V6 = 4,
	PORT_DIGITS = 5,
	HTTP_PORT = 80,
	TOKEN_MAX = (VEIL_ROOM_HTTP * 4 + 2) / 3 + 1,
};

/* ---- addresses of the web ---- */

static bool is_one_of(char c, const char *others)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr(others, c));
}

/* As many characters as may stand in it, to a NUL in out. Returns how many, or -1 for too many. */
static int take(const char *text, const char *others, char *out, size_t max)
{
	size_t len = 0;

	while (is_one_of(text[len], others))
		len++;
	if (len > max)
		return -1;
	memcpy(out, text, len);
	out[len] = '\0';
	return (int)len;
}

/* ":PORT"; nothing leaves *port as it is. Returns the length, or -1. */
static int take_port(const char *text, uint16_t *port)
{
	unsigned long n = 0;
	int len = 1;

	if (text[0] != ':')
		return 0;
	for (; text[len] >= '0' && text[len] <= '9' && len <= PORT_DIGITS; len++)
		n = n * 10 + (unsigned long)(text[len] - '0');
	if (n == 0 || n > UINT16_MAX)
		return -1;
	*port = (uint16_t)n;
	return len;
}

/* HOST, or [IPV6]. Returns the length, or -1. */
static int take_host(const char *text, char host[static WEB_HOST_MAX + 1])
{
	bool six = text[0] == '[';
	int len = take(text + six, six ? ":." : ".-_", host, WEB_HOST_MAX);

	if (len <= 0 || host[0] == '-' || (six && text[1 + len] != ']'))
		return -1;
	return len + 2 * six;
}

int web_parse(const char *url, struct web *out)
{
	static const char scheme[] = "http://";
	struct web w = {.port = HTTP_PORT};
	int len;

	if (strncmp(url, scheme, sizeof(scheme) - 1) != 0)
		return -1;
	url += sizeof(scheme) - 1;
	if ((len = take_host(url, w.host)) < 0)
		return -1;
	url += len;
	if ((len = take_port(url, &w.port)) < 0)
		return -1;
	url += len;
	if (*url != '/' && *url != '\0')
		return -1;
	if ((len = take(url, "/.~-_", w.path, WEB_PATH_MAX)) < 0 || url[len] != '\0')
		return -1;
	if (len == 0)
		memcpy(w.path, "/", 2);
	memcpy(w.cookie, out->cookie, sizeof(w.cookie)); /* no part of it */
	*out = w;
	return 0;
}

/* USER:PASSWORD@, all of it or nothing. Returns the length, or -1. */
static int take_user(const char *text, struct web_via *v)
{
	static const char others[] = "!$&'()*+,;=.~-_%";
	const char *end = strchr(text, '@');

	if (!end)
		return 0;
	int user = take(text, others, v->user, WEB_WORD_MAX);
	if (user <= 0 || text[user] != ':')
		return -1;
	int password = take(text + user + 1, others, v->password, WEB_WORD_MAX);
	if (password <= 0 || text + user + 1 + password != end)
		return -1;
	return user + 1 + password + 1;
}

int web_parse_via(const char *url, struct web_via *out)
{
	static const char socks[] = "socks5://", http[] = "http://";
	struct web_via v = {.kind = WEB_STRAIGHT};
	int len;

	if (strncmp(url, socks, sizeof(socks) - 1) == 0) {
		v.kind = WEB_SOCKS5;
		url += sizeof(socks) - 1;
		if ((len = take_user(url, &v)) < 0)
			return -1;
		url += len;
	} else if (strncmp(url, http, sizeof(http) - 1) == 0) {
		v.kind = WEB_PROXY;
		url += sizeof(http) - 1;
	} else {
		return -1;
	}
	if ((len = take_host(url, v.host)) < 0)
		return -1;
	url += len;
	if ((len = take_port(url, &v.port)) <= 0 ||
	    (url[len] != '\0' && strcmp(url + len, "/") != 0))
		return -1;
	*out = v;
	return 0;
}

/* ---- the request ---- */

static void name_host(const struct web *w, char *out, size_t cap)
{
	char host[WEB_HOST_MAX + 3];

	(void)snprintf(host, sizeof(host), strchr(w->host, ':') ? "[%s]" : "%s", w->host);
	if (w->port == HTTP_PORT)
		(void)snprintf(out, cap, "%s", host);
	else
		(void)snprintf(out, cap, "%s:%u", host, (unsigned)w->port);
}

int web_request(const struct web *w, const struct web_via *via, const uint8_t *bytes, size_t len,
    char out[static WEB_REQUEST_MAX])
{
	char token[TOKEN_MAX], host[WEB_HOST_MAX + 10];
	bool absolute = via->kind == WEB_PROXY, cookie = w->cookie[0] != '\0';

	if (len > VEIL_ROOM_HTTP)
		return -1;
	sodium_bin2base64(
	    token, sizeof(token), bytes, len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	name_host(w, host, sizeof(host));
	int n = snprintf(out, WEB_REQUEST_MAX,
	    "GET %s%s%s%s HTTP/1.1\r\nHost: %s\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\n"
	    "%s%s%s%s%sConnection: close\r\n\r\n",
	    absolute ? "http://" : "", absolute ? host : "", w->path, cookie ? "" : token, host,
	    cookie ? "Cookie: " : "", w->cookie, cookie ? "=" : "", cookie ? token : "",
	    cookie ? "\r\n" : "");
	return n > 0 && n < WEB_REQUEST_MAX ? n : -1;
}

/* ---- SOCKS5 ---- */

static uint8_t *put_text(uint8_t *at, const char *text)
{
	uint8_t *len = at++;

	while (*text)
		*at++ = (uint8_t)*text++;
	*len = (uint8_t)(at - len - 1);
	return at;
}

/* Kind and value. A name is for the proxy to resolve. */
static uint8_t *put_host(uint8_t *at, const char *host)
{
	if (inet_pton(AF_INET, host, at + 1) == 1) {
		*at = SOCKS_V4;
		return at + 1 + 4;
	}
	if (inet_pton(AF_INET6, host, at + 1) == 1) {
		*at = SOCKS_V6;
		return at + 1 + 16;
	}
	*at++ = SOCKS_NAME;
	return put_text(at, host);
}

size_t web_socks_say(const struct web_socks_state *s, const struct web *w,
    const struct web_via *via, uint8_t out[static 512])
{
	uint8_t *at = out;

	switch (s->step) {
	case SOCKS_METHODS:
		*at++ = SOCKS_VERSION;
		*at++ = 1;
		*at++ = via->user[0] ? SOCKS_BY_PASSWORD : SOCKS_NO_METHOD;
		break;
	case SOCKS_PASSWORD:
		*at++ = SOCKS_PASSWORD_VERSION;
		at = put_text(at, via->user);
		at = put_text(at, via->password);
		break;
	case SOCKS_CONNECT:
		*at++ = SOCKS_VERSION;
		*at++ = SOCKS_VERB_CONNECT;
		*at++ = 0;
		at = put_host(at, w->host);
		*at++ = (uint8_t)(w->port >> 8);
		*at++ = (uint8_t)(w->port & 0xff);
		break;
	case SOCKS_DONE:
		break;
	}
	return (size_t)(at - out);
}

/* Of the answer to CONNECT, which ends with an address. */
static size_t connect_answer_bytes(const struct web_socks_state *s)
{
	if (s->len < 5)
		return 5;
	switch (s->in[3]) {
	case SOCKS_V4:
		return 4 + 4 + 2;
	case SOCKS_V6:
		return 4 + 16 + 2;
	case SOCKS_NAME:
		return 4 + 1 + (size_t)s->in[4] + 2;
	default:
		return 5; /* no such thing: refused when it is taken */
	}
}

size_t web_socks_needs(const struct web_socks_state *s)
{
	size_t whole = s->step == SOCKS_CONNECT ? connect_answer_bytes(s) : 2;

	return s->step == SOCKS_DONE || s->len >= whole ? 0 : whole - s->len;
}

static const char *refusal(uint8_t code)
{
	static const char *const why[] = {"it says OK and is not", "it failed",
	    "its rules do not allow it", "it cannot reach the network", "it cannot reach the host",
	    "the web server refuses connections", "the web server does not answer",
	    "it does not connect", "it does not take names"};

	return code < sizeof(why) / sizeof(why[0]) ? why[code] : "it failed";
}

static int refuse(struct web_socks_state *s, const char *why)
{
	s->why = why;
	return -1;
}

int web_socks_take(struct web_socks_state *s, const struct web_via *via)
{
	const uint8_t *in = s->in;

	switch (s->step) {
	case SOCKS_METHODS:
		if (in[0] != SOCKS_VERSION)
			return refuse(s, "it does not speak SOCKS5");
		if (in[1] != (via->user[0] ? SOCKS_BY_PASSWORD : SOCKS_NO_METHOD))
			return refuse(s, via->user[0] ? "it takes no user and password"
						      : "it asks for a user and a password");
		s->step = via->user[0] ? SOCKS_PASSWORD : SOCKS_CONNECT;
		break;
	case SOCKS_PASSWORD:
		if (in[1] != 0)
			return refuse(s, "it does not know this user and password");
		s->step = SOCKS_CONNECT;
		break;
	case SOCKS_CONNECT:
		if (in[0] != SOCKS_VERSION || in[1] != 0)
			return refuse(s, refusal(in[1]));
		if (in[3] != SOCKS_V4 && in[3] != SOCKS_V6 && in[3] != SOCKS_NAME)
			return refuse(s, "it does not speak SOCKS5");
		s->step = SOCKS_DONE;
		break;
	case SOCKS_DONE:
		break;
	}
	s->len = 0;
	return 0;
}
