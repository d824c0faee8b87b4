#include "assembly.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum {
	BLOCK_BYTES = 512,
	BLOCKS = ASSEMBLY_BYTES / BLOCK_BYTES,
	SLOTS = ASSEMBLY_SETS + 1, /* one more for the newcomer, until it is known who goes */
	NS_PER_S = 1000000000,
};

/* Where a slice lies: a chain of blocks. */
struct slice {
	uint16_t first;
	uint16_t len; /* 0: not there yet */
};

struct set {
	bool used;
	bool clean;
	uint8_t door_key;
	uint8_t count, have;
	uint32_t along;
	uint64_t set_id;
	uint64_t begun_ns;
	uint64_t serial;    /* which was first */
	unsigned of_source; /* sets that its source has, itself included */
	unsigned of_id;	    /* and that its set id has, from whatever source */
	size_t bytes;
	struct route route;
	struct slice slice[SEQUENCE_CLEAN_MAX];
};

struct done {
	struct address client;
	uint64_t set_id;
	uint32_t along;
	uint64_t at_ns; /* 0: none */
};

struct assembly {
	struct set set[SLOTS];
	struct done done[ASSEMBLY_DONE];
	unsigned next_done;
	uint64_t serials;
	unsigned sets;
	uint64_t lost;
	uint16_t next[BLOCKS]; /* chains, of free blocks too; BLOCKS ends one */
	uint16_t free;
	unsigned free_blocks;
	uint8_t block[BLOCKS][BLOCK_BYTES];
	uint8_t whole[SEQUENCE_SET_MAX];
};

static void free_all(struct assembly *a)
{
	for (unsigned i = 0; i < BLOCKS; i++)
		a->next[i] = (uint16_t)(i + 1);
	a->free = 0;
	a->free_blocks = BLOCKS;
}

struct assembly *assembly_new(void)
{
	struct assembly *a = calloc(1, sizeof(*a));

	if (!a)
		abort();
	free_all(a);
	return a;
}

void assembly_free(struct assembly *a)
{
	free(a);
}

void assembly_forget(struct assembly *a)
{
	memset(a->set, 0, sizeof(a->set));
	memset(a->done, 0, sizeof(a->done));
	a->sets = 0;
	free_all(a);
}

/* ---- blocks ---- */

static unsigned blocks_for(size_t len)
{
	return (unsigned)((len + BLOCK_BYTES - 1) / BLOCK_BYTES);
}

/* There is room. */
static struct slice store(struct assembly *a, const uint8_t *bytes, size_t len)
{
	struct slice s = {.first = BLOCKS, .len = (uint16_t)len};
	uint16_t *link = &s.first;

	for (size_t at = 0; at < len; at += BLOCK_BYTES) {
		uint16_t b = a->free;
		a->free = a->next[b];
		a->free_blocks--;
		memcpy(a->block[b], bytes + at, len - at < BLOCK_BYTES ? len - at : BLOCK_BYTES);
		*link = b;
		link = &a->next[b];
	}
	*link = BLOCKS;
	return s;
}

static void load(const struct assembly *a, struct slice s, uint8_t *out)
{
	size_t at = 0;

	for (uint16_t b = s.first; b != BLOCKS; b = a->next[b]) {
		size_t left = s.len - at;
		memcpy(out + at, a->block[b], left < BLOCK_BYTES ? left : BLOCK_BYTES);
		at += BLOCK_BYTES;
	}
}

static void release(struct assembly *a, struct slice s)
{
	for (uint16_t b = s.len > 0 ? s.first : BLOCKS; b != BLOCKS;) {
		uint16_t after = a->next[b];
		a->next[b] = a->free;
		a->free = b;
		a->free_blocks++;
		b = after;
	}
}

/* ---- sets ---- */

/* The counts of the set's kin, by source and by set id, are by one more or less; its own too. */
static void count_kin(struct assembly *a, const struct set *of, bool more)
{
	unsigned n = more ? 1 : UINT_MAX; /* that is, -1 */

	for (unsigned i = 0; i < SLOTS; i++) {
		struct set *s = &a->set[i];
		if (!s->used)
			continue;
		if (address_equal(&s->route.client, &of->route.client))
			s->of_source += n;
		if (s->set_id == of->set_id)
			s->of_id += n;
	}
}

static unsigned kin(const struct set *s)
{
	return s->of_source > s->of_id ? s->of_source : s->of_id;
}

static void drop(struct assembly *a, struct set *s)
{
	for (unsigned i = 0; i < s->count; i++)
		release(a, s->slice[i]);
	count_kin(a, s, false);
	*s = (struct set){.used = false};
	a->sets--;
}

static void lose(struct assembly *a, struct set *s)
{
	drop(a, s);
	a->lost++;
}

/* Clocks step both ways. */
static bool is_older(uint64_t then_ns, uint64_t now_ns, uint64_t seconds)
{
	uint64_t apart = then_ns < now_ns ? now_ns - then_ns : then_ns - now_ns;

	return apart > seconds * NS_PER_S;
}

static struct set *find(struct assembly *a, const struct arrival *x, uint64_t now_ns)
{
	struct set *found = NULL;

	for (unsigned i = 0; i < SLOTS; i++) {
		struct set *s = &a->set[i];
		if (!s->used)
			continue;
		if (is_older(s->begun_ns, now_ns, ASSEMBLY_AGE_S))
			lose(a, s);
		else if (s->set_id == x->piece.set_id && s->door_key == x->door_key &&
			 s->clean == x->clean && (s->along & x->along) != 0 &&
			 address_equal(&s->route.client, &x->route.client))
			found = s;
	}
	return found;
}

static bool was_done(const struct assembly *a, const struct arrival *x, uint64_t now_ns)
{
	for (unsigned i = 0; i < ASSEMBLY_DONE; i++) {
		const struct done *d = &a->done[i];
		if (d->at_ns != 0 && d->set_id == x->piece.set_id && (d->along & x->along) != 0 &&
		    !is_older(d->at_ns, now_ns, ASSEMBLY_DONE_S) &&
		    address_equal(&d->client, &x->route.client))
			return true;
	}
	return false;
}

/* There is a free slot, always: the newcomer's. */
static struct set *add(struct assembly *a, const struct arrival *x, uint64_t now_ns)
{
	struct set *s = a->set;

	while (s->used)
		s++;
	*s = (struct set){.used = true,
	    .clean = x->clean,
	    .door_key = x->door_key,
	    .count = x->piece.count,
	    .along = x->along,
	    .set_id = x->piece.set_id,
	    .begun_ns = now_ns,
	    .serial = a->serials++,
	    .route = x->route};
	for (unsigned i = 0; i < SLOTS; i++) {
		const struct set *other = &a->set[i];
		if (!other->used || other == s)
			continue;
		if (address_equal(&other->route.client, &x->route.client))
			s->of_source = other->of_source;
		if (other->set_id == s->set_id)
			s->of_id = other->of_id;
	}
	count_kin(a, s, true);
	a->sets++;
	return s;
}

/*
 * Who goes when there is no room. A piece says nothing of its source, so who
 * saw one may send it on from as many as he likes: those are kin as well.
 */
static struct set *victim(struct assembly *a)
{
	struct set *oldest = NULL, *greedy = NULL;

	for (unsigned i = 0; i < SLOTS; i++) {
		struct set *s = &a->set[i];
		if (!s->used)
			continue;
		if (!oldest || s->serial < oldest->serial)
			oldest = s;
		if (kin(s) >= ASSEMBLY_GREEDY &&
		    (!greedy || kin(s) > kin(greedy) ||
			(kin(s) == kin(greedy) && s->serial > greedy->serial)))
			greedy = s;
	}
	return greedy ? greedy : oldest;
}

/* Make room for so many more bytes of own. Returns whether own is still there. */
static bool make_room(struct assembly *a, const struct set *own, size_t len)
{
	while (a->sets > ASSEMBLY_SETS || a->free_blocks < blocks_for(len)) {
		struct set *v = victim(a);
		bool is_own = v == own;
		if (v)
			lose(a, v);
		if (!v || is_own)
			return false;
	}
	return true;
}

static void finish(struct assembly *a, struct set *s, uint64_t now_ns, struct assembled *out)
{
	size_t len = 0;

	for (unsigned i = 0; i < s->count; i++) {
		load(a, s->slice[i], a->whole + len);
		len += s->slice[i].len;
	}
	*out = (struct assembled){.route = s->route,
	    .set_id = s->set_id,
	    .door_key = s->door_key,
	    .along = s->along,
	    .bytes = a->whole,
	    .len = len};
	a->done[a->next_done++ % ASSEMBLY_DONE] = (struct done){
	    .client = s->route.client, .set_id = s->set_id, .along = s->along, .at_ns = now_ns};
	drop(a, s);
}

enum assembly_result assembly_take(
    struct assembly *a, const struct arrival *x, uint64_t now_ns, struct assembled *out)
{
	const struct piece *p = &x->piece;
	struct set *s = find(a, x, now_ns);

	if (!s && was_done(a, x, now_ns))
		return ASSEMBLY_OLD;
	if (!s)
		s = add(a, x, now_ns);
	if (p->count != s->count || s->bytes + p->slice_len > SEQUENCE_SET_MAX)
		return ASSEMBLY_ODD;
	if (s->slice[p->index].len > 0)
		return ASSEMBLY_AGAIN;
	if (!make_room(a, s, p->slice_len))
		return ASSEMBLY_FULL;
	s->slice[p->index] = store(a, p->slice, p->slice_len);
	s->bytes += p->slice_len;
	s->along &= x->along;
	if (++s->have < s->count)
		return ASSEMBLY_KEPT;
	finish(a, s, now_ns, out);
	return ASSEMBLY_WHOLE;
}

struct assembly_use assembly_use(const struct assembly *a)
{
	return (struct assembly_use){.sets = a->sets,
	    .bytes = (size_t)(BLOCKS - a->free_blocks) * BLOCK_BYTES,
	    .lost = a->lost};
}
