/* ipset_snapshot - see ipset_snapshot.h. */
#include "ipset_snapshot.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"

/* --- all of a set --- */

struct gathering {
	struct ipset_elements *all;
	size_t room;
	bool failed;
};

static void gather(void *arg, const struct ipset_element *e)
{
	struct gathering *g = arg;
	struct ipset_element *more = g->all->at;

	if (g->all->len == g->room) {
		g->room = g->room == 0 ? 1 : 2 * g->room;
		more = reallocarray(g->all->at, g->room, sizeof(*more));
	}
	if (g->failed || !more) {
		g->failed = true;
		return;
	}
	g->all->at = more;
	g->all->at[g->all->len++] = *e;
}

static int by_key(const void *a, const void *b)
{
	const struct ipset_element *x = a, *y = b;
	const int by_address = memcmp(x->from.addr.b, y->from.addr.b, sizeof(x->from.addr.b));

	if (by_address != 0)
		return by_address;
	if (x->from.len != y->from.len)
		return x->from.len - y->from.len;
	return x->proto != y->proto ? x->proto - y->proto : x->port - y->port;
}

int ipset_elements_read(struct nft_link *l, const char *set, struct ipset_elements *out)
{
	struct gathering g = {.all = out};
	int rc;

	*out = (struct ipset_elements){.len = 0};
	rc = ipset_list(l, set, gather, &g);
	if (rc == -ENOENT)
		rc = 0;
	if (out->len > 0)
		qsort(out->at, out->len, sizeof(*out->at), by_key);
	return rc == 0 && g.failed ? -ENOMEM : rc;
}

struct ipset_element *ipset_elements_find(
    const struct ipset_elements *all, const struct ipset_element *like)
{
	return all->len == 0 ? NULL : bsearch(like, all->at, all->len, sizeof(*like), by_key);
}

/* --- what serves several --- */

static void forget(struct ipset_snapshot *s)
{
	free(s->elements.at);
	*s = (struct ipset_snapshot){.until_ns = 0};
}

void ipset_snapshots_free(struct ipset_snapshots *all)
{
	for (size_t i = 0; i < SNAPSHOTS; i++)
		forget(&all->of[i]);
}

static struct ipset_snapshot *find(struct ipset_snapshots *all, const char *set)
{
	for (size_t i = 0; i < SNAPSHOTS; i++)
		if (strcmp(all->of[i].set, set) == 0)
			return &all->of[i];
	return NULL;
}

/* The place of that set, else the one that is longest there. */
static struct ipset_snapshot *place_for(struct ipset_snapshots *all, const char *set)
{
	struct ipset_snapshot *place = &all->of[0];

	for (size_t i = 0; i < SNAPSHOTS; i++) {
		if (strcmp(all->of[i].set, set) == 0)
			return &all->of[i];
		if (all->of[i].taken_ns < place->taken_ns)
			place = &all->of[i];
	}
	return place;
}

static uint64_t mono_ns(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_MONOTONIC, &t) != 0)
		abort();
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static int take(struct ipset_snapshots *all, struct nft_link *l, const struct ipset_set *s,
    struct ipset_snapshot **out)
{
	char name[IPSET_NAME_MAX];
	struct ipset_snapshot *place = place_for(all, ipset_set_name(name, s));
	int rc;

	forget(place);
	memcpy(place->set, name, sizeof(place->set));
	place->taken_ns = mono_ns();
	rc = ipset_elements_read(l, name, &place->elements);
	place->until_ns = mono_ns();
	place->until_ns += SNAPSHOT_LIVES * (place->until_ns - place->taken_ns);
	if (rc != 0)
		forget(place);
	*out = place;
	return rc;
}

/* NULL: the snapshot has it not, is too old, or there is none. */
static const struct ipset_element *look_up(
    const struct ipset_snapshot *s, const struct ipset_element *like, uint64_t now_ns)
{
	const struct ipset_element *e;

	if (!s || now_ns >= s->until_ns)
		return NULL;
	e = ipset_elements_find(&s->elements, like);
	return e && e->rest_s > 0 ? e : NULL;
}

int ipset_snapshot_rest(struct ipset_snapshots *all, struct nft_link *l, const struct ipset_set *s,
    const struct ipset_element *like, uint32_t *rest_s)
{
	char name[IPSET_NAME_MAX];
	struct ipset_snapshot *shot = find(all, ipset_set_name(name, s));
	const struct ipset_element *e = look_up(shot, like, mono_ns());
	int rc = ipset_test(l, name, ipset_set_kind(s), like);

	*rest_s = 0;
	if (rc != 0)
		return rc == -ENOENT ? 0 : rc;
	if (!e) {
		rc = take(all, l, s, &shot);
		if (rc != 0)
			return rc;
		e = ipset_elements_find(&shot->elements, like);
	}
	if (!e)
		return 0; /* it has ended meanwhile */
	/* Somebody else gave it no end. */
	*rest_s = e->rest_s > 0 ? e->rest_s : IPSET_SECONDS_MAX;
	return 0;
}

void ipset_snapshot_touched(
    struct ipset_snapshots *all, const struct ipset_set *s, const struct ipset_element *like)
{
	char name[IPSET_NAME_MAX];
	const struct ipset_snapshot *shot = find(all, ipset_set_name(name, s));
	struct ipset_element *e = shot ? ipset_elements_find(&shot->elements, like) : NULL;

	if (e)
		e->rest_s = 0;
}
