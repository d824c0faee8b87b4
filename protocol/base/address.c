#include "address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "errors.h"

enum { V4_AT = 12, V4_BITS = 32, V6_BITS = 128, MAPPED_BITS = 96 };

static const uint8_t mapped[V4_AT] = {[10] = 0xff, [11] = 0xff};

struct address address_v4(const uint8_t b[static 4])
{
	struct address a;

	memcpy(a.b, mapped, V4_AT);
	memcpy(a.b + V4_AT, b, 4);
	return a;
}

struct address address_v6(const uint8_t b[static 16])
{
	struct address a;

	memcpy(a.b, b, ADDRESS_BYTES);
	return a;
}

bool address_is_v4(const struct address *a)
{
	return memcmp(a->b, mapped, V4_AT) == 0;
}

bool address_is_zero(const struct address *a)
{
	static const struct address none;

	return address_equal(a, &none);
}

bool address_equal(const struct address *a, const struct address *b)
{
	return memcmp(a->b, b->b, ADDRESS_BYTES) == 0;
}

static bool v4_is_admissible(const uint8_t b[static 4])
{
	static const uint8_t broadcast[4] = {255, 255, 255, 255};

	return b[0] != 0 && b[0] != 127 &&	/* this network, loopback */
	       !(b[0] == 169 && b[1] == 254) && /* link-local */
	       (b[0] & 0xf0) != 224 &&		/* multicast */
	       memcmp(b, broadcast, 4) != 0;
}

bool address_is_admissible(const struct address *a)
{
	static const struct address loopback = {.b = {[15] = 1}};

	if (address_is_v4(a))
		return v4_is_admissible(a->b + V4_AT);
	return !address_is_zero(a) && !address_equal(a, &loopback) &&
	       a->b[0] != 0xff &&			       /* multicast */
	       !(a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80); /* link-local */
}

int address_parse(const char *text, struct address *out)
{
	uint8_t b[ADDRESS_BYTES];

	if (inet_pton(AF_INET, text, b) == 1)
		*out = address_v4(b);
	else if (inet_pton(AF_INET6, text, b) == 1)
		*out = address_v6(b);
	else
		return -E_FORMAT;
	return 0;
}

const char *address_text(const struct address *a, char out[static ADDRESS_TEXT])
{
	bool v4 = address_is_v4(a);

	/* Neither can fail: the family is known and the room is enough. */
	inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? a->b + V4_AT : a->b, out, ADDRESS_TEXT);
	return out;
}

/* The prefix's length within the 16 bytes. */
static unsigned mapped_len(const struct prefix *p)
{
	return address_is_v4(&p->addr) ? p->len + (unsigned)MAPPED_BITS : p->len;
}

static unsigned most_len(const struct address *a)
{
	return address_is_v4(a) ? V4_BITS : V6_BITS;
}

struct prefix prefix_host(const struct address *a)
{
	return (struct prefix){.addr = *a, .len = (uint8_t)most_len(a)};
}

bool prefix_is_host(const struct prefix *p)
{
	return p->len == most_len(&p->addr);
}

bool prefix_contains(const struct prefix *p, const struct address *a)
{
	if (p->len > most_len(&p->addr) || address_is_v4(&p->addr) != address_is_v4(a))
		return false;
	unsigned bits = mapped_len(p);
	unsigned whole = bits / 8;
	unsigned rest = bits % 8;
	if (memcmp(p->addr.b, a->b, whole) != 0)
		return false;
	return rest == 0 || (p->addr.b[whole] ^ a->b[whole]) >> (8 - rest) == 0;
}

bool prefix_within(const struct prefix *outer, const struct prefix *inner)
{
	return outer->len <= inner->len && prefix_contains(outer, &inner->addr);
}

bool prefix_equal(const struct prefix *a, const struct prefix *b)
{
	return a->len == b->len && address_equal(&a->addr, &b->addr);
}

bool prefix_is_canonical(const struct prefix *p)
{
	if (p->len > most_len(&p->addr))
		return false;
	for (unsigned bit = mapped_len(p); bit < V6_BITS; bit++) {
		if (p->addr.b[bit / 8] & 0x80 >> bit % 8)
			return false;
	}
	return true;
}

/* Decimal digits alone, no sign, no leading zero; -1 when it is anything else. */
static int parse_len(const char *text)
{
	int v = 0;

	if (text[0] == '\0' || (text[0] == '0' && text[1] != '\0'))
		return -1;
	for (const char *c = text; *c; c++) {
		if (*c < '0' || *c > '9' || v > V6_BITS)
			return -1;
		v = v * 10 + (*c - '0');
	}
	return v <= V6_BITS ? v : -1;
}

int prefix_parse(const char *text, struct prefix *out)
{
	char host[ADDRESS_TEXT];
	struct prefix p;
	const char *slash = strchr(text, '/');
	size_t host_len = slash ? (size_t)(slash - text) : strlen(text);

	if (host_len >= sizeof(host))
		return -E_FORMAT;
	memcpy(host, text, host_len);
	host[host_len] = '\0';
	if (address_parse(host, &p.addr) < 0)
		return -E_FORMAT;
	p.len = (uint8_t)most_len(&p.addr);
	if (slash) {
		int len = parse_len(slash + 1);
		/* An IPv4 address in IPv6 writing has an IPv6 length. */
		if (len >= 0 && address_is_v4(&p.addr) && strchr(host, ':'))
			len -= MAPPED_BITS;
		if (len < 0)
			return -E_FORMAT;
		p.len = (uint8_t)len;
	}
	if (!prefix_is_canonical(&p))
		return -E_FORMAT;
	*out = p;
	return 0;
}

const char *prefix_text(const struct prefix *p, char out[static PREFIX_TEXT])
{
	char host[ADDRESS_TEXT];

	address_text(&p->addr, host);
	if (prefix_is_host(p))
		snprintf(out, PREFIX_TEXT, "%s", host);
	else
		snprintf(out, PREFIX_TEXT, "%s/%u", host, (unsigned)p->len);
	return out;
}
