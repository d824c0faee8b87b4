/* memory - a store that forgets with its process: tests and --dry-run. Keeps what each change undoes, so that abort works. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "store.h"

struct entry {
	uint8_t key[STORE_KEY_BYTES];
	size_t len;
	uint8_t *value;
	UT_hash_handle hh;
};

/* How it was before a change; value NULL: not there. */
struct undo {
	enum store_table table;
	uint8_t key[STORE_KEY_BYTES];
	size_t len;
	uint8_t *value;
	struct undo *next;
};

struct memory {
	struct store head;
	struct entry *table[STORE_TABLES];
	struct undo *undo; /* newest first */
	unsigned fail;
};

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

static struct memory *of(struct store *s)
{
	return (struct memory *)s;
}

static struct entry *find(struct memory *m, enum store_table t, const uint8_t *key)
{
	struct entry *e = NULL;

	HASH_FIND(hh, m->table[t], key, STORE_KEY_BYTES, e);
	return e;
}

static void remove_entry(struct memory *m, enum store_table t, struct entry *e)
{
	/* The analyzer takes the table for the element. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
	HASH_DELETE(hh, m->table[t], e);
	free(e->value);
	free(e);
}

static void set(
    struct memory *m, enum store_table t, const uint8_t *key, uint8_t *taken, size_t len)
{
	struct entry *e = find(m, t, key);

	if (!e) {
		e = must(calloc(1, sizeof(*e)));
		memcpy(e->key, key, STORE_KEY_BYTES);
		HASH_ADD(hh, m->table[t], key, STORE_KEY_BYTES, e);
	}
	free(e->value);
	e->value = taken;
	e->len = len;
}

static uint8_t *copy_of(const uint8_t *value, size_t len)
{
	uint8_t *v = must(malloc(len + 1));

	memcpy(v, value, len);
	return v;
}

/* Keep how the key is now, before it changes. */
static void remember(struct memory *m, enum store_table t, const uint8_t *key)
{
	struct entry *e = find(m, t, key);
	struct undo *u = must(calloc(1, sizeof(*u)));

	u->table = t;
	memcpy(u->key, key, STORE_KEY_BYTES);
	if (e) {
		u->value = copy_of(e->value, e->len);
		u->len = e->len;
	}
	LL_PREPEND(m->undo, u);
}

static int memory_begin(struct store *s)
{
	if (of(s)->undo)
		abort();
	return 0;
}

static void forget_undo(struct memory *m)
{
	struct undo *u, *next;

	LL_FOREACH_SAFE(m->undo, u, next) {
		free(u->value);
		free(u);
	}
	m->undo = NULL;
}

static void memory_abort(struct store *s)
{
	struct memory *m = of(s);
	struct undo *u, *next;

	LL_FOREACH_SAFE(m->undo, u, next) {
		struct entry *e = find(m, u->table, u->key);

		if (u->value)
			set(m, u->table, u->key, copy_of(u->value, u->len), u->len);
		else if (e)
			remove_entry(m, u->table, e);
	}
	forget_undo(m);
}

static int memory_commit(struct store *s)
{
	struct memory *m = of(s);

	if (m->fail > 0) {
		m->fail--;
		memory_abort(s);
		return STORE_FAILED;
	}
	forget_undo(m);
	return 0;
}

static int memory_get(
    struct store *s, enum store_table t, const uint8_t *key, const uint8_t **value, size_t *len)
{
	struct entry *e = find(of(s), t, key);

	if (!e)
		return STORE_NONE;
	*value = e->value;
	*len = e->len;
	return 0;
}

static int memory_put(
    struct store *s, enum store_table t, const uint8_t *key, const uint8_t *value, size_t len)
{
	remember(of(s), t, key);
	set(of(s), t, key, copy_of(value, len), len);
	return 0;
}

static int memory_del(struct store *s, enum store_table t, const uint8_t *key)
{
	struct entry *e = find(of(s), t, key);

	if (e) {
		remember(of(s), t, key);
		remove_entry(of(s), t, e);
	}
	return 0;
}

static int memory_each(struct store *s, enum store_table t, store_visit *visit, void *arg)
{
	struct entry *e, *next;
	int r = 0;

	HASH_ITER(hh, of(s)->table[t], e, next) {
		r = visit(arg, e->key, e->value, e->len);
		if (r != 0)
			break;
	}
	return r;
}

static void memory_close(struct store *s)
{
	struct memory *m = of(s);
	struct entry *e, *next;

	forget_undo(m);
	for (unsigned t = 0; t < STORE_TABLES; t++)
		HASH_ITER(hh, m->table[t], e, next)
			remove_entry(m, (enum store_table)t, e);
	free(m);
}

static const struct store_ops memory_ops = {
    .begin = memory_begin,
    .commit = memory_commit,
    .abort = memory_abort,
    .get = memory_get,
    .put = memory_put,
    .del = memory_del,
    .each = memory_each,
    .close = memory_close,
};

struct store *store_memory_new(void)
{
	struct memory *m = must(calloc(1, sizeof(*m)));

	m->head.ops = &memory_ops;
	return &m->head;
}

void store_memory_fail(struct store *s, unsigned n)
{
	of(s)->fail = n;
}
