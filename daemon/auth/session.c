/* session - three ways to the same sessions, by id, by owner, by door; and which ports they have. */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "session.h"

struct owner {
	uint8_t cid[CID_BYTES];
	size_t n;
	struct session *list;
	UT_hash_handle hh;
};

struct shared_door {
	struct door_key_bytes key;
	struct session *list;
	UT_hash_handle hh;
};

struct used_port {
	uint32_t key; /* port_key() */
	size_t n;
	UT_hash_handle hh;
};

struct sessions {
	struct session *by_id;
	struct owner *owners;
	struct shared_door *doors;
	struct used_port *ports;
	size_t of_service[CONFIG_SERVICES_MAX];
};

static void *must_zero(size_t bytes)
{
	void *p = calloc(1, bytes);

	if (!p)
		abort();
	return p;
}

struct sessions *sessions_new(void)
{
	return must_zero(sizeof(struct sessions));
}

void sessions_free(struct sessions *ss)
{
	struct session *s, *next;

	if (!ss)
		return;
	HASH_ITER(hh, ss->by_id, s, next)
		sessions_remove(ss, s);
	free(ss);
}

static struct door_key_bytes door_of(const struct session_record *r)
{
	const struct narrowing *n = &r->narrowing;
	struct door_key_bytes d = {.prefix_len = r->admit.len,
	    .proto = r->proto,
	    .port = {(uint8_t)(r->port >> 8), (uint8_t)r->port},
	    .source_port = {(uint8_t)(n->source_port >> 8), (uint8_t)n->source_port},
	    .once = n->once,
	    .idle_s = {(uint8_t)(n->idle_s >> 24), (uint8_t)(n->idle_s >> 16),
		(uint8_t)(n->idle_s >> 8), (uint8_t)n->idle_s}};

	memcpy(d.address, r->admit.addr.b, ADDRESS_BYTES);
	if (r->port == 0)
		memcpy(d.gateway, r->service, strnlen(r->service, sizeof(r->service)));
	return d;
}

static struct owner *owner_find(struct sessions *ss, const uint8_t *cid)
{
	struct owner *o = NULL;

	HASH_FIND(hh, ss->owners, cid, CID_BYTES, o);
	return o;
}

static struct shared_door *door_find(struct sessions *ss, const struct door_key_bytes *key)
{
	struct shared_door *d = NULL;

	HASH_FIND(hh, ss->doors, key, sizeof(*key), d);
	return d;
}

static void link_owner(struct sessions *ss, struct session *s)
{
	struct owner *o = owner_find(ss, s->r.cid);

	if (!o) {
		o = must_zero(sizeof(*o));
		memcpy(o->cid, s->r.cid, CID_BYTES);
		HASH_ADD(hh, ss->owners, cid, CID_BYTES, o);
	}
	DL_APPEND2(o->list, s, owner_prev, owner_next);
	o->n++;
}

static void link_door(struct sessions *ss, struct session *s)
{
	struct shared_door *d = door_find(ss, &s->door);

	if (!d) {
		d = must_zero(sizeof(*d));
		d->key = s->door;
		HASH_ADD(hh, ss->doors, key, sizeof(d->key), d);
	}
	DL_APPEND2(d->list, s, door_prev, door_next);
}

static uint32_t port_key(uint8_t proto, uint16_t port)
{
	return (uint32_t)proto << 16 | port;
}

static struct used_port *port_find(const struct sessions *ss, uint32_t key)
{
	struct used_port *u = NULL;

	HASH_FIND(hh, ss->ports, &key, sizeof(key), u);
	return u;
}

static void use_port(struct sessions *ss, const struct session_record *r)
{
	const uint32_t key = port_key(r->proto, r->port);
	struct used_port *u = port_find(ss, key);

	if (!u) {
		u = must_zero(sizeof(*u));
		u->key = key;
		HASH_ADD(hh, ss->ports, key, sizeof(u->key), u);
	}
	u->n++;
}

static void leave_port(struct sessions *ss, const struct session_record *r)
{
	struct used_port *u = port_find(ss, port_key(r->proto, r->port));

	if (!u)
		abort();
	if (--u->n > 0)
		return;
	HASH_DELETE(hh, ss->ports, u);
	free(u);
}

bool sessions_at_port(const struct sessions *ss, uint8_t proto, uint16_t port)
{
	return port_find(ss, port_key(proto, port)) != NULL;
}

struct session *sessions_add(
    struct sessions *ss, uint64_t id, const struct session_record *r, int service)
{
	struct session *s;

	if (sessions_find(ss, id))
		abort();
	s = must_zero(sizeof(*s));
	s->id = id;
	s->r = *r;
	s->service = -1;
	sessions_move(ss, s, service);
	s->door = door_of(r);
	HASH_ADD(hh, ss->by_id, id, sizeof(s->id), s);
	link_owner(ss, s);
	link_door(ss, s);
	use_port(ss, &s->r);
	return s;
}

void sessions_remove(struct sessions *ss, struct session *s)
{
	struct owner *o = owner_find(ss, s->r.cid);
	struct shared_door *d = door_find(ss, &s->door);

	if (!o || !d)
		abort();
	sessions_move(ss, s, -1);
	DL_DELETE2(o->list, s, owner_prev, owner_next);
	if (--o->n == 0) {
		HASH_DELETE(hh, ss->owners, o);
		free(o);
	}
	DL_DELETE2(d->list, s, door_prev, door_next);
	if (!d->list) {
		HASH_DELETE(hh, ss->doors, d);
		free(d);
	}
	leave_port(ss, &s->r);
	HASH_DELETE(hh, ss->by_id, s);
	free(s);
}

void sessions_move(struct sessions *ss, struct session *s, int service)
{
	if (s->service >= 0)
		ss->of_service[s->service]--;
	s->service = service;
	if (service >= 0)
		ss->of_service[service]++;
}

size_t sessions_of_service(const struct sessions *ss, unsigned service)
{
	return ss->of_service[service];
}

size_t sessions_count(const struct sessions *ss)
{
	return HASH_COUNT(ss->by_id);
}

struct session *sessions_find(struct sessions *ss, uint64_t id)
{
	struct session *s = NULL;

	HASH_FIND(hh, ss->by_id, &id, sizeof(id), s);
	return s;
}

struct session *sessions_of(struct sessions *ss, const uint8_t cid[static CID_BYTES], size_t *n)
{
	struct owner *o = owner_find(ss, cid);

	if (n)
		*n = o ? o->n : 0;
	return o ? o->list : NULL;
}

struct session *sessions_match(struct sessions *ss, const struct session_record *r)
{
	struct door_key_bytes door = door_of(r);

	for (struct session *s = sessions_of(ss, r->cid, NULL); s; s = s->owner_next)
		if (memcmp(&s->door, &door, sizeof(door)) == 0)
			return s;
	return NULL;
}

struct session *sessions_match_drawn(
    struct sessions *ss, const struct session_record *r, int service)
{
	struct session_record at = *r;

	for (struct session *s = sessions_of(ss, r->cid, NULL); s; s = s->owner_next) {
		struct door_key_bytes door;

		at.port = s->r.port;
		door = door_of(&at);
		if (s->service == service && memcmp(&s->door, &door, sizeof(door)) == 0)
			return s;
	}
	return NULL;
}

uint64_t sessions_door_end(struct sessions *ss, const struct session *s)
{
	struct shared_door *d = door_find(ss, &s->door);
	uint64_t end = 0;

	for (const struct session *other = d ? d->list : NULL; other; other = other->door_next)
		if (other != s && !other->closing && !other->unasked && other->r.end_ms > end)
			end = other->r.end_ms;
	return end;
}

struct session *sessions_first(struct sessions *ss)
{
	return ss->by_id;
}

struct session *sessions_next(struct session *s)
{
	return s->hh.next;
}
