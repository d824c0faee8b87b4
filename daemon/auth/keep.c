/*
 * keep - the core's dealings with the store: one transaction a turn, and what
 * is put off until the next one.
 *
 * Marks and attempts must be on disk before anything happens; how an attempt
 * ended, and that a session is over, may wait: losing that costs an unsure
 * answer, never a second effect.
 */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "errors.h"
#include "inside.h"
#include "secret.h"

struct late_result {
	struct late_result *prev, *next;
	struct attempt_key key;
	uint16_t len;
	uint8_t reply[ATTEMPT_REPLY_MAX];
};

struct late_session {
	struct late_session *prev, *next;
	uint64_t id;
};

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

static void id_key(uint8_t out[static STORE_KEY_BYTES], uint64_t id)
{
	struct writer w = writer_of(out, STORE_KEY_BYTES);

	write_u64(&w, id);
}

int keep_begin(struct core *c)
{
	if (c->in_transaction)
		return 0;
	if (c->w.store->ops->begin(c->w.store) != 0)
		return -1;
	c->in_transaction = true;
	return 0;
}

void keep_abort(struct core *c)
{
	if (c->in_transaction)
		c->w.store->ops->abort(c->w.store);
	c->in_transaction = false;
}

/* 1 found, 0 nothing there, -1 failed. */
static int fetch(struct core *c, const uint8_t *cid, const uint8_t **value, size_t *len)
{
	int r;

	if (keep_begin(c) < 0)
		return -1;
	r = c->w.store->ops->get(c->w.store, STORE_CLIENTS, cid, value, len);
	if (r == STORE_NONE)
		return 0;
	return r == 0 ? 1 : -1;
}

int keep_mark(struct core *c, const uint8_t *cid, uint64_t *mark)
{
	const uint8_t *value;
	size_t len;
	int r = fetch(c, cid, &value, &len);

	*mark = 0;
	if (r <= 0)
		return r;
	(void)!client_record_mark(mark, cid, value, len); /* 0 when damaged: see keep_load() */
	return 0;
}

/* What is damaged is lost, as if the store were: its client, and nobody else, must prove itself. */
static void begin_anew(struct core *c, const uint8_t *cid, struct client_record *rec)
{
	const struct client *cl = clients_by_cid(c->realm->clients, cid);
	uint64_t missed = 0;

	memset(rec, 0, sizeof(*rec));
	if (log_allowed(&c->store_log, c->w.boot_ms(c->w.arg), &missed))
		log_error("record-damaged",
		    "client=%s missed=%llu: begun anew, so it must prove itself once",
		    cl ? cl->name : "-", (unsigned long long)missed);
}

int keep_load(struct core *c, const uint8_t *cid, struct client_record *rec)
{
	const uint8_t *value;
	size_t len;
	int r = fetch(c, cid, &value, &len);

	memset(rec, 0, sizeof(*rec));
	if (r <= 0)
		return r;
	if (client_record_decode(rec, cid, value, len) < 0)
		begin_anew(c, cid, rec);
	return 0;
}

int keep_save(struct core *c, const uint8_t *cid, const struct client_record *rec)
{
	uint8_t value[STORE_VALUE_MAX];
	size_t len = client_record_encode(rec, cid, value);

	if (keep_begin(c) < 0)
		return -1;
	return c->w.store->ops->put(c->w.store, STORE_CLIENTS, cid, value, len) == 0 ? 0 : -1;
}

int keep_session(struct core *c, uint64_t id, const struct session_record *rec)
{
	uint8_t key[STORE_KEY_BYTES], value[STORE_VALUE_MAX];
	size_t len;

	id_key(key, id);
	len = session_record_encode(rec, key, value);
	if (keep_begin(c) < 0)
		return -1;
	return c->w.store->ops->put(c->w.store, STORE_SESSIONS, key, value, len) == 0 ? 0 : -1;
}

void keep_result_later(struct core *c, const struct attempt_key *k, const struct reply *p)
{
	struct late_result *l = must(calloc(1, sizeof(*l)));
	struct reply kept = *p;
	int len;

	kept.has_door_key = false;
	kept.output_len = 0;
	len = reply_encode(&kept, l->reply, sizeof(l->reply));
	secret_wipe(&kept, sizeof(kept));
	if (len < 0)
		abort(); /* a reply without output always fits */
	l->key = *k;
	l->len = (uint16_t)len;
	DL_APPEND(c->late_results, l);
}

void keep_session_later(struct core *c, uint64_t id)
{
	struct late_session *l = must(calloc(1, sizeof(*l)));

	l->id = id;
	DL_APPEND(c->late_sessions, l);
}

bool keep_owes(const struct core *c)
{
	return c->late_results || c->late_sessions || c->late_entries;
}

static int write_result(struct core *c, const struct late_result *l)
{
	struct client_record rec;
	struct attempt *a;

	if (keep_load(c, l->key.cid, &rec) < 0)
		return -1;
	a = client_record_find(&rec, l->key.id);
	if (!a)
		return 0; /* four newer ones came meanwhile */
	memcpy(a->reply, l->reply, l->len);
	a->reply_len = l->len;
	return keep_save(c, l->key.cid, &rec);
}

static int write_session(struct core *c, const struct late_session *l)
{
	const struct session *s = sessions_find(c->sessions, l->id);
	uint8_t key[STORE_KEY_BYTES];

	if (s)
		return keep_session(c, l->id, &s->r);
	id_key(key, l->id);
	if (keep_begin(c) < 0)
		return -1;
	return c->w.store->ops->del(c->w.store, STORE_SESSIONS, key) == 0 ? 0 : -1;
}

/* In a transaction, before it is read for anything else: reading must see what was put off. */
int keep_write_late(struct core *c)
{
	const struct late_result *r;
	const struct late_session *s;

	DL_FOREACH(c->late_results, r)
		if (write_result(c, r) < 0)
			return -1;
	DL_FOREACH(c->late_sessions, s)
		if (write_session(c, s) < 0)
			return -1;
	return audit_write(c);
}

static void forget_late(struct core *c)
{
	struct late_result *r, *next_r;
	struct late_session *s, *next_s;

	DL_FOREACH_SAFE(c->late_results, r, next_r)
		free(r);
	DL_FOREACH_SAFE(c->late_sessions, s, next_s)
		free(s);
	c->late_results = NULL;
	c->late_sessions = NULL;
	audit_forget(c);
}

int keep_commit(struct core *c)
{
	int r;

	if (!c->in_transaction)
		return 0;
	r = c->w.store->ops->commit(c->w.store);
	c->in_transaction = false;
	if (r != 0)
		return -1;
	forget_late(c);
	return 0;
}

int keep_flush(struct core *c)
{
	return keep_begin(c) < 0 || keep_write_late(c) < 0 || keep_commit(c) < 0 ? -1 : 0;
}

void keep_free(struct core *c)
{
	keep_abort(c);
	forget_late(c);
}
