/* known - see known.h. */
#include "known.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "clock.h"
#include "door_list.h"
#include "log.h"

enum {
	TIDY_LEAST = 1024,
	SLACK_MS = 5000, /* what rounding up, and the way to the kernel, may add */
};

/* Bytes alone, for it is a hash key. */
struct known_key {
	uint8_t address[ADDRESS_BYTES];
	uint8_t prefix_len, proto, once;
	uint8_t port[2]; /* the first of the service's, or the one that was drawn */
	uint8_t source_port[2];
	uint8_t idle_s[4];
	char service[CONFIG_NAME_MAX + 1];
};

struct known {
	struct known_key key;
	uint64_t end_ms;
	bool there; /* while it is mended */
	UT_hash_handle hh;
};

static struct known_key key_of(const struct service *s, const struct firewall_pass *p)
{
	const uint16_t port = service_is_gateway(s) ? 0 : service_port(s, 0);
	struct known_key k = {.prefix_len = p->from.len, .proto = s->proto, .once = p->once};

	memcpy(k.address, p->from.addr.b, sizeof(k.address));
	memcpy(k.port, &port, sizeof(k.port));
	memcpy(k.source_port, &p->source_port, sizeof(k.source_port));
	memcpy(k.idle_s, &p->idle_s, sizeof(k.idle_s));
	memcpy(k.service, s->name, strnlen(s->name, sizeof(k.service) - 1));
	return k;
}

static struct known *find(
    struct known_doors *k, const struct service *s, const struct firewall_pass *p)
{
	const struct known_key key = key_of(s, p);
	struct known *found = NULL;

	HASH_FIND(hh, k->all, &key, sizeof(key), found);
	return found;
}

static void drop(struct known_doors *k, struct known *d)
{
	/* The analyzer takes the table for the element. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
	HASH_DEL(k->all, d);
	free(d);
}

void known_free(struct known_doors *k)
{
	struct known *d, *next;

	HASH_ITER(hh, k->all, d, next)
		drop(k, d);
	*k = (struct known_doors){.tidy_at = 0};
}

/* Now and then, so that it costs each door the same. */
static void tidy(struct known_doors *k)
{
	const uint64_t now = clock_boot_ms();
	struct known *d, *next;

	if (HASH_COUNT(k->all) < k->tidy_at || HASH_COUNT(k->all) < TIDY_LEAST)
		return;
	HASH_ITER(hh, k->all, d, next)
		if (d->end_ms <= now)
			drop(k, d);
	k->tidy_at = 2 * HASH_COUNT(k->all);
	if (k->tidy_at > KNOWN_MAX)
		k->tidy_at = KNOWN_MAX;
}

static void note(
    struct known_doors *k, const struct service *s, const struct firewall_pass *p, uint64_t end_ms)
{
	struct known *d = find(k, s, p);

	if (!d) {
		tidy(k);
		if (HASH_COUNT(k->all) >= KNOWN_MAX) {
			k->some_missing = true;
			return;
		}
		d = calloc(1, sizeof(*d));
		if (!d)
			abort();
		d->key = key_of(s, p);
		HASH_ADD(hh, k->all, key, sizeof(d->key), d);
	}
	d->end_ms = end_ms;
}

void known_opened(
    struct known_doors *k, const struct service *s, const struct firewall_pass *p, uint32_t seconds)
{
	note(k, s, p, clock_boot_ms() + (uint64_t)seconds * MS_PER_S);
}

void known_shortened(
    struct known_doors *k, const struct service *s, const struct firewall_pass *p, uint32_t seconds)
{
	const uint64_t end_ms = clock_boot_ms() + (uint64_t)seconds * MS_PER_S;
	struct known *d = find(k, s, p);

	if (d && d->end_ms > end_ms)
		d->end_ms = end_ms;
}

void known_closed(struct known_doors *k, const struct service *s, const struct firewall_pass *p)
{
	struct known *d = find(k, s, p);

	if (d)
		drop(k, d);
}

/* --- what the kernel has --- */

/* One of its doors: one port of it, and the service that it is of. */
struct seen {
	struct firewall_door door;
	const struct service *of; /* in the configuration; NULL: none has such a door */
};

static const struct service *service_of(const struct config *c, const struct firewall_door *d)
{
	const int i = d->gateway[0] != '\0' ? config_service(c, d->gateway)
					    : config_service_by_port(c, d->proto, d->port);

	return i < 0 ? NULL : &c->service[i];
}

static struct seen seen(const struct config *c, const struct firewall_door *d)
{
	return (struct seen){*d, service_of(c, d)};
}

/* The service as this door has it. */
static struct service whole(const struct seen *s)
{
	return service_is_random(s->of) ? service_at(s->of, s->door.port) : *s->of;
}

/* Its one port, as a service. */
static struct service part(const struct seen *s)
{
	struct service v = *s->of;

	if (service_is_gateway(&v))
		return v;
	v.ports.len = 0;
	v.ports.random = 0;
	v.port = s->door.port;
	return v;
}

static uint32_t seconds_of(uint64_t ms)
{
	const uint64_t s = (ms + MS_PER_S - 1) / MS_PER_S;

	return s == 0 ? 1 : s > UINT32_MAX ? UINT32_MAX : (uint32_t)s;
}

static void close_it(struct firewall *f, const struct seen *s, const char *why)
{
	const struct service v = part(s);
	char from[PREFIX_TEXT];

	if (firewall_close(f, &v, &s->door.pass) == FIREWALL_FAILED)
		return; /* and that was logged */
	log_warning("door_taken_away", "service=%s port=%u from=%s why=\"%s\"", v.name, v.port,
	    prefix_text(&s->door.pass.from, from), why);
}

/* Its time shall be that and no more; what cannot have it is closed. */
static void curb(struct firewall *f, const struct seen *s, uint64_t rest_ms)
{
	const struct service v = part(s);
	char from[PREFIX_TEXT];

	if (s->door.rest_ms == FIREWALL_FOR_EVER ||
	    firewall_shorten(f, &v, &s->door.pass, seconds_of(rest_ms)) != FIREWALL_OK) {
		close_it(f, s, "somebody gave it a time of its own");
		return;
	}
	log_warning("door_shortened",
	    "service=%s port=%u from=%s why=\"somebody gave it a longer time\"", v.name, v.port,
	    prefix_text(&s->door.pass.from, from));
}

static bool is_of(const struct config *c, const struct known *d)
{
	const int i = config_service(c, d->key.service);
	uint16_t port;

	if (i < 0 || c->service[i].proto != d->key.proto)
		return false;
	memcpy(&port, d->key.port, sizeof(port));
	if (service_is_random(&c->service[i]))
		return service_is_known_by(&c->service[i], port);
	return port == (service_is_gateway(&c->service[i]) ? 0 : service_port(&c->service[i], 0));
}

void known_settle(struct known_doors *k, const struct config *c)
{
	struct known *d, *next;

	HASH_ITER(hh, k->all, d, next)
		if (!is_of(c, d))
			drop(k, d);
}

void known_take(struct known_doors *k, struct firewall *f, const struct config *c)
{
	const uint64_t now = clock_boot_ms();
	struct door_list all;

	if (door_list_read(&all, f) != FIREWALL_OK)
		log_warning("firewall", "doors that are open already are not known");
	for (size_t i = 0; i < all.len; i++) {
		const struct seen s = seen(c, &all.at[i]);

		if (!s.of)
			continue; /* of no service: firewall_ensure() has seen to it */
		const uint64_t most_ms = (uint64_t)s.of->max_hold_s * MS_PER_S;
		const struct service v = whole(&s);

		if (s.door.rest_ms == FIREWALL_FOR_EVER) {
			close_it(f, &s, "it has no end");
			continue;
		}
		if (s.door.rest_ms > most_ms + SLACK_MS)
			curb(f, &s, most_ms);
		note(k, &v, &s.door.pass,
		    now + (s.door.rest_ms < most_ms ? s.door.rest_ms : most_ms));
	}
	free(all.at);
}

/* --- mending --- */

static void judge(struct known_doors *k, struct firewall *f, const struct seen *s, uint64_t now_ms)
{
	const bool for_ever = s->door.rest_ms == FIREWALL_FOR_EVER;
	const struct service v = whole(s);
	struct known *d = find(k, &v, &s->door.pass);
	const uint64_t rest_ms = d && d->end_ms > now_ms ? d->end_ms - now_ms : 0;

	if (!d) {
		if (for_ever || !k->some_missing)
			close_it(f, s, "nobody of ours opened it");
		return;
	}
	d->there = true;
	if (!for_ever && s->door.rest_ms <= rest_ms + SLACK_MS)
		return;
	curb(f, s, rest_ms);
	d->there = !for_ever;
}

void known_mend(struct known_doors *k, struct firewall *f, const struct config *c)
{
	const uint64_t now = clock_boot_ms();
	struct door_list all;
	struct known *d, *next;

	HASH_ITER(hh, k->all, d, next)
		d->there = false;
	if (door_list_read(&all, f) == FIREWALL_OK) {
		for (size_t i = 0; i < all.len; i++) {
			const struct seen s = seen(c, &all.at[i]);

			if (s.of)
				judge(k, f, &s, now);
		}
		HASH_ITER(hh, k->all, d, next)
			if (!d->there)
				drop(k, d);
	}
	free(all.at);
}
