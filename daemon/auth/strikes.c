/* strikes - see strikes.h. */
#include <stdlib.h>
#include <uthash.h>

#include "strikes.h"

struct offender {
	struct address address;
	unsigned strikes;
	uint64_t last_s;
	UT_hash_handle hh;
};

struct strikes {
	struct offender *table;
};

struct strikes *strikes_new(void)
{
	struct strikes *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	return s;
}

static struct offender *find(const struct strikes *s, const struct address *a)
{
	struct offender *o = NULL;

	HASH_FIND(hh, s->table, a, sizeof(*a), o);
	return o;
}

static void forget(struct strikes *s, struct offender *o)
{
	/* The analyzer takes the table for the element. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
	HASH_DELETE(hh, s->table, o);
	free(o);
}

void strikes_free(struct strikes *s)
{
	struct offender *o, *next;

	if (!s)
		return;
	HASH_ITER(hh, s->table, o, next)
		forget(s, o);
	free(s);
}

static bool is_lesser(const struct offender *a, const struct offender *b, uint64_t now_s)
{
	const unsigned x = strikes_left(a->strikes, a->last_s, now_s);
	const unsigned y = strikes_left(b->strikes, b->last_s, now_s);

	return x != y ? x < y : a->last_s < b->last_s;
}

static void make_place(struct strikes *s, uint64_t now_s)
{
	struct offender *least = s->table;

	for (struct offender *o = s->table; o; o = o->hh.next)
		if (is_lesser(o, least, now_s))
			least = o;
	forget(s, least);
}

unsigned strikes_add(struct strikes *s, const struct address *a, uint64_t now_s)
{
	struct offender *o = find(s, a);

	if (!o) {
		if (HASH_COUNT(s->table) >= STRIKES_ADDRESSES)
			make_place(s, now_s);
		o = calloc(1, sizeof(*o));
		if (!o)
			abort();
		o->address = *a;
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		HASH_ADD(hh, s->table, address, sizeof(o->address), o);
	}
	o->strikes = strikes_left(o->strikes, o->last_s, now_s) + 1;
	o->last_s = now_s;
	return o->strikes;
}

void strikes_forget(struct strikes *s, const struct address *a)
{
	struct offender *o = find(s, a);

	if (o)
		forget(s, o);
}

unsigned strikes_count(const struct strikes *s)
{
	return HASH_COUNT(s->table);
}
