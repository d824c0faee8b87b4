/* The lab's monitor and kernel: doors in memory. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "auth_lab.h"
#include "auth_lab_inside.h"

static struct lab_door *find_door(struct lab *l, const struct msg_door *m)
{
	for (unsigned i = 0; i < l->doors; i++) {
		struct lab_door *d = &l->door[i];

		if (d->m.service == m->service && d->m.port == m->port &&
		    d->m.prefix_len == m->prefix_len &&
		    memcmp(d->m.address, m->address, sizeof(m->address)) == 0)
			return d;
	}
	return NULL;
}

static enum door_status open_door(struct lab *l, const struct msg_door *m, uint32_t *seconds)
{
	struct lab_door *d = find_door(l, m);
	enum door_status status = l->next_status;

	if (status != DOOR_OK && l->fail_after == 0) {
		l->next_status = DOOR_OK;
		return status;
	}
	if (status != DOOR_OK)
		l->fail_after--;
	if (!d) {
		assert_true(l->doors < LAB_DOORS_MAX);
		d = &l->door[l->doors++];
		d->opened = 0;
	}
	d->m = *m;
	d->end_ms = l->boot_ms + (uint64_t)m->seconds * 1000;
	d->opened++;
	*seconds = m->seconds;
	if (l->acted)
		l->acted(l->acted_arg, m);
	return DOOR_OK;
}

static void shorten(const struct lab *l, struct lab_door *d, uint32_t seconds)
{
	const uint64_t most = l->boot_ms + (uint64_t)seconds * 1000;

	if (d->end_ms > most)
		d->end_ms = most;
}

bool lab_banned(const struct lab *l, const struct address *a)
{
	for (unsigned i = 0; i < l->bans; i++)
		if (address_equal(&l->ban[i].from, a) && l->ban[i].end_ms > l->boot_ms)
			return true;
	return false;
}

static enum door_status ban(struct lab *l, const struct msg_door *m, uint32_t *seconds)
{
	struct lab_ban *b = &l->ban[l->bans++];

	assert_true(l->bans < LAB_BANS_MAX);
	if (l->ban_status != DOOR_OK)
		return l->ban_status;
	*b = (struct lab_ban){address_v6(m->address), l->boot_ms + (uint64_t)m->seconds * 1000};
	*seconds = m->seconds;
	return DOOR_OK;
}

static enum door_status unban(struct lab *l, const struct msg_door *m)
{
	const struct address a = address_v6(m->address);
	enum door_status status = DOOR_NOT_THERE;

	l->unbans++;
	for (unsigned i = 0; i < l->bans; i++) {
		struct lab_ban *b = &l->ban[i];

		if (b->end_ms <= l->boot_ms ||
		    !(address_is_zero(&a) || address_equal(&a, &b->from)))
			continue;
		b->end_ms = 0;
		status = DOOR_OK;
	}
	return status;
}

static enum door_status serve(struct lab *l, const struct msg_door *m, uint32_t *seconds)
{
	struct lab_door *d = find_door(l, m);

	*seconds = 0;
	if (m->head.type == MSG_BAN)
		return ban(l, m, seconds);
	if (m->head.type == MSG_UNBAN)
		return unban(l, m);
	if (m->generation != l->generation)
		return DOOR_REFUSED;
	if (m->head.type == MSG_DOOR_OPEN)
		return open_door(l, m, seconds);
	l->cuts += m->cut;
	if (!d || d->end_ms <= l->boot_ms)
		return DOOR_NOT_THERE;
	if (m->head.type == MSG_DOOR_CLOSE)
		d->end_ms = 0;
	else if (m->head.type == MSG_DOOR_SHORTEN)
		shorten(l, d, m->seconds);
	else
		*seconds = (uint32_t)((d->end_ms - l->boot_ms + 999) / 1000);
	return DOOR_OK;
}

void lab_monitor(struct lab *l)
{
	for (unsigned i = 0; i < l->asked; i++) {
		struct msg_door_done done = {
		    .head = {.type = MSG_DOOR_DONE, .len = sizeof(done)}, .id = l->ask[i].id};

		done.status = serve(l, &l->ask[i], &done.seconds);
		assert_int_equal(core_door_done(l->core, &done), 0);
	}
	l->asked = 0;
}

void lab_orphans(struct lab *l)
{
	uint32_t seconds;

	for (unsigned i = 0; i < l->asked; i++)
		(void)serve(l, &l->ask[i], &seconds);
	l->asked = 0;
}

struct lab_door *lab_door(struct lab *l, const struct address *a, unsigned service)
{
	for (unsigned i = 0; i < l->doors; i++) {
		struct lab_door *d = &l->door[i];

		if (d->m.service == service && memcmp(d->m.address, a->b, ADDRESS_BYTES) == 0 &&
		    d->end_ms > l->boot_ms)
			return d;
	}
	return NULL;
}
