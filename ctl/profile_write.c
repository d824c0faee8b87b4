#include "profile_write.h"

#include <netinet/in.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "secret.h"

enum { TEXT_MAX = 32768, BLOCK_BYTES = 150 };

bool profile_is_host(const char *text)
{
	size_t len = strlen(text);

	return len > 0 && len <= PARTS_HOST_MAX && text[0] != '-' &&
	       strspn(text,
		   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:_%-") == len;
}

/* Room that is never grown, so that no part of a secret stays behind. */
struct room {
	char *text;
	size_t len;
};

static void put(struct room *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct room *r, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(r->text + r->len, TEXT_MAX - r->len, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= TEXT_MAX - r->len)
		abort(); /* all parts are bounded, and TEXT_MAX has room for them */
	r->len += (size_t)n;
}

static void put_key(struct room *r, const char *name, const uint8_t *bytes, size_t len)
{
	char text[BASE64_32];

	base64_encode(text, sizeof(text), bytes, len);
	put(r, "%s = %s\n", name, text);
	secret_wipe(text, sizeof(text));
}

static void put_services(struct room *r, const struct profile_parts *p)
{
	unsigned i;

	for (i = 0; i < p->config->services; i++) {
		const struct service *s = &p->config->service[i];

		if (!client_has_service(p->client, i))
			continue;
		put(r, "service = %s ", s->name);
		if (service_is_gateway(s)) {
			put(r, "gateway\n");
			continue;
		}
		put(r, "%s ", s->proto == IPPROTO_TCP ? "tcp" : "udp");
		if (service_is_random(s))
			put(r, "random");
		else
			put(r, "%u", s->port);
		/* Where no answer comes, the client would try the door, and be trapped. */
		put(r, s->trap != TRAP_NONE ? " trap\n" : "\n");
	}
}

/* A line of a profile is not long, so the key goes over several. */
static void put_block(struct room *r, const uint8_t *bytes, size_t len)
{
	char text[sodium_base64_ENCODED_LEN(BLOCK_BYTES, sodium_base64_VARIANT_ORIGINAL)];

	while (len > 0) {
		size_t part = len < BLOCK_BYTES ? len : BLOCK_BYTES;

		base64_encode(text, sizeof(text), bytes, part);
		put(r, "openpgp-block = %s\n", text);
		bytes += part;
		len -= part;
	}
}

static void put_openpgp(struct room *r, const struct profile_parts *p)
{
	if (p->openpgp_key == NULL)
		return;
	put(r, "openpgp-key = %s\nopenpgp-server = %s\n", p->openpgp_key, p->openpgp_server);
	put_block(r, p->openpgp_block, p->openpgp_block_len);
}

static void put_http(struct room *r, const struct profile_parts *p)
{
	const struct config *c = p->config;
	const char *host = p->server[0];

	put(r, strchr(host, ':') != NULL ? "http = http://[%s]" : "http = http://%s", host);
	if (c->http_port != 80)
		put(r, ":%u", c->http_port);
	if (c->http_cookie[0] != '\0')
		put(r, "/\nhttp-cookie = %s\n", c->http_cookie);
	else
		put(r, "%s\n", c->http_path);
}

/* The first that it may knock along; NULL: none. A profile has one. */
static const struct sequence_config *sequence_of(const struct config *c, const struct client *k)
{
	for (unsigned i = 0; i <= c->sequences; i++) {
		const struct sequence_config *s = &c->sequence[i];

		if (sequence_in_use(s) && client_may_knock_along(k, UINT64_C(1) << s->id))
			return s;
	}
	return NULL;
}

/* Does the server hear it by this carrier? */
static bool is_heard_by(const struct config *c, const struct client *k, enum carrier_id carrier)
{
	bool used = false;

	switch (carrier) {
	case CARRIER_UDP:
		used = c->udp_port != 0;
		break;
	case CARRIER_TCP:
		used = c->tcp_port != 0;
		break;
	case CARRIER_ICMP:
		used = c->icmp != 0;
		break;
	case CARRIER_HTTP:
		used = c->http_port != 0;
		break;
	case CARRIER_SEQUENCE:
		used = sequence_of(c, k) != NULL;
		break;
	}
	return used && client_may_knock_by(k, carrier);
}

bool profile_has_way(const struct config *c, const struct client *k)
{
	size_t i = 0;

	while (i < CLIENT_CARRIERS && !is_heard_by(c, k, client_carriers[i].id))
		i++;
	return i < CLIENT_CARRIERS;
}

/* Of the pieces that the server hears, those that take the least privilege to send. */
static const char *easiest_pieces(const struct sequence_config *s)
{
	if ((s->pieces & PIECES_UDP) != 0)
		return "udp";
	return (s->pieces & PIECES_TCP) != 0 ? "tcp" : "clean";
}

static void put_sequence(struct room *r, const struct sequence_config *s)
{
	if (s == NULL)
		return;
	if (s->id != 0)
		put(r, "# This is the sequence %s.\nsequence-id = %u\n", s->name, s->id);
	if (s->range.lo != 0) {
		put(r, "sequence-range = %u-%u\nsequence-count = %u\n", s->range.lo, s->range.hi,
		    s->count);
	} else {
		put(r, "sequence =");
		for (unsigned i = 0; i < s->ports.len; i++)
			put(r, " %u", s->ports.at[i]);
		put(r, "\n");
	}
	put(r, "sequence-pieces = %s\n", easiest_pieces(s));
}

static void put_ports(struct room *r, const struct profile_parts *p)
{
	if (p->port != 0)
		put(r, "port = %u\n", p->port);
	if (p->config->tcp_port != 0)
		put(r, "tcp-port = %u\n", p->config->tcp_port);
	if (p->config->http_port != 0)
		put_http(r, p);
	put_sequence(r, sequence_of(p->config, p->client));
}

/* Has what the preset hybrid is made of: his photographs the user must bring himself. */
static bool can_hybrid(const struct profile_parts *p)
{
	const struct sequence_config *s = sequence_of(p->config, p->client);

	return p->openpgp_key != NULL && s != NULL &&
	       client_may_knock_by(p->client, CARRIER_SEQUENCE) && (s->cover & SEQUENCE_PNG) != 0 &&
	       (s->pieces & PIECES_CLEAN) != 0;
}

/* All that the server hears of it without a picture, what costs least first. Returns whether there is any. */
static bool put_carriers(struct room *r, const struct profile_parts *p)
{
	const struct sequence_config *s = sequence_of(p->config, p->client);
	const char *joint = "carrier = ";

	for (size_t i = 0; i < CLIENT_CARRIERS; i++) {
		if (!is_heard_by(p->config, p->client, client_carriers[i].id) ||
		    (client_carriers[i].id == CARRIER_SEQUENCE &&
			(s == NULL || (s->cover & SEQUENCE_BARE) == 0)))
			continue;
		put(r, "%s%s", joint, client_carriers[i].name);
		joint = ", ";
	}
	if (joint[0] == ',')
		put(r, "\n");
	return joint[0] == ',';
}

static void put_travel(struct room *r, const struct profile_parts *p)
{
	static const char photos[] = "photos = /...  (a folder of your own photographs)";
	const char *envelope = p->openpgp_key != NULL ? "openpgp" : "noise";

	if (put_carriers(r, p)) {
		put(r, "envelope = %s\ncover = none\nconfirm = reply\n", envelope);
		if (can_hybrid(p))
			put(r, "# For --preset hybrid, or 'preset = hybrid' below this:\n# %s\n",
			    photos);
		return;
	}
	put(r, "# Nothing but pictures is heard. Needed:\n# %s\n", photos);
	if (can_hybrid(p))
		put(r, "preset = hybrid\n");
	else
		put(r, "carrier = sequence\nenvelope = %s\ncover = png\nconfirm = reply\n",
		    envelope);
}

char *profile_write(const struct profile_parts *p)
{
	struct room r = {.text = calloc(1, TEXT_MAX)};
	size_t i;

	if (r.text == NULL)
		abort();
	put(&r,
	    "# postern profile\n"
	    "# Whoever has this file is taken for %s: keep it secret, and on one device alone.\n"
	    "version = 1\nname = %s\n",
	    p->name, p->name);
	for (i = 0; i < p->servers; i++)
		put(&r, "server = %s\n", p->server[i]);
	put_ports(&r, p);
	put_key(&r, "server-key", p->server_key, KEY_BYTES);
	put_key(&r, "door-key", p->door_key, KEY_BYTES);
	put_key(&r, "cid", p->cid, CID_BYTES);
	put_key(&r, "private-key", p->private_key, KEY_BYTES);
	put_key(&r, "secret", p->secret, KEY_BYTES);
	put_services(&r, p);
	put_openpgp(&r, p);
	put_travel(&r, p);
	return r.text;
}
