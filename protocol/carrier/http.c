/*
 * http - one GET to the web server that listens on this host, with the covered
 * bytes in base64url in a cookie or at the end of the path. The web server
 * answers, we never do; the request is read over its shoulder, one segment at
 * a time, because a proxy may put the cookie into a segment of its own.
 */
#include "carrier.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "errors.h"

enum {
	PROTO_TCP = 6,
	FLAG_ACK = 0x10,
	FLAGS_OF_STATE = 0x17, /* FIN, SYN, RST, ACK */
	SEGMENT_MAX = 4096,    /* more is no request of ours */
	TOKEN_MIN = (VEIL_MIN_CLIENT * 4 + 2) / 3,
	TOKEN_MAX = (VEIL_ROOM_HTTP * 4 + 2) / 3,
};

/* A part of the segment, borrowed. */
struct text {
	const char *at;
	size_t len;
};

static struct text skip(struct text t, size_t n)
{
	return (struct text){t.at + n, t.len - n};
}

static bool begins_with(struct text t, const char *what)
{
	size_t len = strlen(what);

	return t.len >= len && strncasecmp(t.at, what, len) == 0;
}

/* Takes the next line, without its end, off rest. */
static struct text next_line(struct text *rest)
{
	const char *end = rest->len > 0 ? memchr(rest->at, '\n', rest->len) : NULL;
	struct text line = {rest->at, end ? (size_t)(end - rest->at) : rest->len};

	*rest = skip(*rest, line.len + (end ? 1 : 0));
	if (line.len > 0 && line.at[line.len - 1] == '\r')
		line.len--;
	return line;
}

static bool is_token_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_';
}

/* The token that t begins with; none when it has not the length of a veil. */
static struct text token_at(struct text t)
{
	size_t n = 0;

	while (n < t.len && n <= TOKEN_MAX && is_token_char(t.at[n]))
		n++;
	return n >= TOKEN_MIN && n <= TOKEN_MAX ? (struct text){t.at, n} : (struct text){t.at, 0};
}

static struct text in_path(const struct carrier_http *h, struct text line)
{
	static const char method[] = "GET ";
	size_t len = strlen(h->path);

	if (len == 0 || !begins_with(line, method))
		return (struct text){line.at, 0};
	line = skip(line, sizeof(method) - 1);
	if (line.len < len || memcmp(line.at, h->path, len) != 0)
		return (struct text){line.at, 0};
	return token_at(skip(line, len));
}

/* Each cookie is tried: another of the same name may be the web server's own. */
static struct text in_cookies(const struct carrier_http *h, struct text line)
{
	static const char head[] = "Cookie:";
	size_t len = strlen(h->cookie);

	if (len == 0 || !begins_with(line, head))
		return (struct text){line.at, 0};
	line = skip(line, sizeof(head) - 1);
	while (line.len > 0) {
		while (line.len > 0 && (line.at[0] == ' ' || line.at[0] == ';'))
			line = skip(line, 1);
		if (line.len > len && memcmp(line.at, h->cookie, len) == 0 && line.at[len] == '=') {
			struct text token = token_at(skip(line, len + 1));
			if (token.len > 0)
				return token;
		}
		while (line.len > 0 && line.at[0] != ';')
			line = skip(line, 1);
	}
	return line;
}

static struct text find_token(const struct carrier_http *h, struct text segment)
{
	struct text token = in_path(h, segment);

	while (token.len == 0 && segment.len > 0) {
		struct text line = next_line(&segment);
		if (line.len == 0)
			break; /* what follows is no head any more */
		token = in_cookies(h, line);
	}
	return token;
}

/* ---- who it comes from ---- */

static bool is_trusted(const struct carrier_http *h, const struct address *a)
{
	for (unsigned i = 0; i < h->proxies; i++)
		if (prefix_contains(&h->proxy[i], a))
			return true;
	return false;
}

/* Takes the last entry off list; false when it is not an address. */
static bool take_last(struct text *list, struct address *out)
{
	char entry[ADDRESS_TEXT];
	size_t end = list->len;

	while (end > 0 && (list->at[end - 1] == ' ' || list->at[end - 1] == '\t'))
		end--;
	size_t start = end;
	while (start > 0 && list->at[start - 1] != ',')
		start--;
	list->len = start > 0 ? start - 1 : 0;
	while (start < end && (list->at[start] == ' ' || list->at[start] == '\t'))
		start++;
	if (end - start >= sizeof(entry) || memchr(list->at + start, '\0', end - start))
		return false;
	memcpy(entry, list->at + start, end - start);
	entry[end - start] = '\0';
	return address_parse(entry, out) == 0;
}

/*
 * Each proxy appends whom it heard from, so that the list is true from its end
 * back to the first entry that no trusted proxy is. Returns whether it was found.
 */
static bool last_untrusted(const struct carrier_http *h, struct text list, struct address *out)
{
	struct address a;

	while (list.len > 0 && take_last(&list, &a)) {
		if (!is_trusted(h, &a)) {
			*out = a;
			return true;
		}
	}
	return false;
}

/* Several lines of the name count as one list; the last is where the nearest proxy wrote. */
static struct address sender_of(
    const struct carrier_http *h, const struct packet *p, struct text segment)
{
	static const char head[] = "X-Forwarded-For:";
	struct address from = p->src;
	struct text list = {segment.at, 0};

	if (!is_trusted(h, &p->src))
		return from;
	while (segment.len > 0) {
		struct text line = next_line(&segment);
		if (line.len == 0)
			break; /* a body is whatever the client wants it to be */
		if (begins_with(line, head))
			list = skip(line, sizeof(head) - 1);
	}
	(void)last_untrusted(h, list, &from);
	return from;
}

/* ---- the carrier ---- */

static bool recognise(const struct carrier_ports *ports, const struct packet *p, struct route *r,
    const uint8_t **bytes, size_t *len)
{
	const struct carrier_http *h = &ports->http;
	struct text segment = {(const char *)p->payload, p->payload_len};

	if (h->port == 0 || p->proto != PROTO_TCP || p->dport != h->port ||
	    (p->tcp_flags & FLAGS_OF_STATE & ~1U) != FLAG_ACK || segment.len < TOKEN_MIN ||
	    segment.len > SEGMENT_MAX)
		return false;
	struct text token = find_token(h, segment);
	if (token.len == 0)
		return false;
	*r = (struct route){
	    .carrier = CARRIER_HTTP,
	    .client = sender_of(h, p, segment),
	    .server = p->dst,
	    .client_port = p->sport,
	    .server_port = p->dport,
	};
	*bytes = (const uint8_t *)token.at;
	*len = token.len;
	return true;
}

static int undress(const uint8_t *found, size_t len, uint8_t *out, size_t cap)
{
	size_t got = 0;

	if (sodium_base642bin(out, cap, (const char *)found, len, NULL, &got, NULL,
		sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0)
		return -E_FORMAT;
	return (int)got;
}

/* Only the web server answers. */
static int craft(
    const struct route *r, const uint8_t *bytes, size_t len, uint8_t out[static CRAFT_MAX])
{
	(void)r;
	(void)bytes;
	(void)len;
	(void)out;
	return -E_STATE;
}

/*
 * By length, and by a first byte that is a letter: of an upload little passes,
 * and nothing of what is encrypted.
 */
static int filter(const struct carrier_ports *ports, char *out, size_t cap)
{
	static const char form[] =
	    "tcp dst port %u and ((ip and ip[2:2] >= %d and tcp[(tcp[12] & 0xf0) >> 2] & 0xc0 == "
	    "0x40) or (ip6 and ip6[4:2] >= %d and ip6[40 + ((ip6[52] & 0xf0) >> 2)] & 0xc0 == "
	    "0x40))";
	int len = ports->http.port == 0 ? snprintf(out, cap, "%s", "")
					: snprintf(out, cap, form, (unsigned)ports->http.port,
					      40 + TOKEN_MIN, 20 + TOKEN_MIN);

	return len >= 0 && (size_t)len < cap ? len : -E_SHORT;
}

const struct carrier carrier_http = {
    .name = "http",
    .id = CARRIER_HTTP,
    .room = VEIL_ROOM_HTTP,
    .has_reply = false,
    .recognise = recognise,
    .undress = undress,
    .craft = craft,
    .filter = filter,
};
