#include "profile_write.h"

#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "secret.h"

enum { TEXT_MAX = 32768 };

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

		if (client_has_service(p->client, i))
			put(r, "service = %s %s %u\n", s->name,
			    s->proto == IPPROTO_TCP ? "tcp" : "udp", s->port);
	}
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
	put(&r, "port = %u\n", p->port);
	put_key(&r, "server-key", p->server_key, KEY_BYTES);
	put_key(&r, "door-key", p->door_key, KEY_BYTES);
	put_key(&r, "cid", p->cid, CID_BYTES);
	put_key(&r, "private-key", p->private_key, KEY_BYTES);
	put_key(&r, "secret", p->secret, KEY_BYTES);
	put_services(&r, p);
	put(&r, "carrier = udp\nenvelope = noise\ncover = none\nconfirm = reply\n");
	return r.text;
}
