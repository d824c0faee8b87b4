/* places - where captures read, and what they need of the firewall for it. See sources.h. */
#include "sources.h"

/* Of those that are queued for one at a time: the newest that can answer. */
static const struct worker *who_queues(const struct sources *all)
{
	const struct worker *best = NULL;

	for (size_t i = 0; i < SOURCES_WORKERS; i++) {
		const struct worker *w = &all->worker[i];

		if (w->state == WORKER_FREE || !w->placed ||
		    (source_needs(&w->source, w->turn) & (NEED_NFQUEUE_0 | NEED_NFQUEUE_1)) == 0)
			continue;
		if (!best || (w->state == WORKER_READY) > (best->state == WORKER_READY) ||
		    ((w->state == WORKER_READY) == (best->state == WORKER_READY) &&
			w->id > best->id))
			best = w;
	}
	return best;
}

static unsigned needs_of(const struct sources *all)
{
	const struct worker *queues = who_queues(all);
	unsigned needs = 0;

	for (size_t i = 0; i < SOURCES_WORKERS; i++) {
		const struct worker *w = &all->worker[i];

		if (w->state != WORKER_FREE && w->placed)
			needs |= source_needs(&w->source, w->turn);
	}
	if (queues) {
		needs &= ~(unsigned)(NEED_NFQUEUE_0 | NEED_NFQUEUE_1);
		needs |= source_needs(&queues->source, queues->turn);
	}
	return needs;
}

int sources_tell_needs(struct sources *all)
{
	const unsigned needs = needs_of(all);

	if (needs == all->needs)
		return 0;
	if (all->ops->needs(all->arg, needs) != 0)
		return -1;
	all->needs = needs;
	return 0;
}

static bool is_taken(const struct sources *all, const struct worker *w, unsigned turn)
{
	const unsigned needs = source_needs(&w->source, turn);

	for (size_t i = 0; i < SOURCES_WORKERS; i++) {
		const struct worker *o = &all->worker[i];

		if (o != w && worker_is_alive(o) && config_excludes(&w->source, &o->source))
			return true;
		if (o != w && worker_is_alive(o) && needs != NEED_UDP &&
		    (needs & source_needs(&o->source, o->turn)) != 0)
			return true;
	}
	return false;
}

int sources_place(struct sources *all, struct worker *w)
{
	if (is_taken(all, w, w->turn))
		w->turn = 1 - w->turn;
	w->held = is_taken(all, w, w->turn);
	if (w->held)
		return -1;
	w->placed = true;
	return sources_tell_needs(all);
}
