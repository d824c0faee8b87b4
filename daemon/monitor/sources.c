/* sources - see sources.h. */
#include "sources.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

enum {
	/*
	 * What came to an old capture before the new one could hear has been
	 * handed over by then: it waited in a ring, a pipe or a file.
	 */
	OVERLAP_MS = 200,
	SWITCH_PATIENCE_MS = 15000,
};

static void each(
    struct sources *all, bool (*which)(const struct worker *w), void (*what)(struct worker *w))
{
	for (size_t i = 0; i < SOURCES_WORKERS; i++)
		if (which(&all->worker[i]))
			what(&all->worker[i]);
}

static bool is_old(const struct worker *w)
{
	return w->state != WORKER_FREE && w->state != WORKER_ENDING && w->retired;
}

static bool is_there(const struct worker *w)
{
	return w->state != WORKER_FREE;
}

static bool waits(const struct worker *w)
{
	return w->state == WORKER_WAITING && !w->retired;
}

static bool is_on_trial(const struct worker *w)
{
	return w->state != WORKER_FREE && w->trial;
}

/* --- how they are doing --- */

static const struct worker *worst_of(
    const struct sources *all, uint32_t index, struct msg_source_state *m)
{
	static const unsigned badness[] = {[SOURCE_IS_UP] = 0,
	    [SOURCE_IS_STARTING] = 1,
	    [SOURCE_IS_WAITING] = 2,
	    [SOURCE_IS_FAILED] = 3};
	const struct worker *worst = NULL;

	for (size_t i = 0; i < SOURCES_WORKERS; i++) {
		const struct worker *w = &all->worker[i];

		if (!worker_is_current(w) || w->index != index)
			continue;
		m->workers++;
		m->ready += w->condition == SOURCE_IS_UP;
		if (!worst || badness[w->condition] > badness[worst->condition])
			worst = w;
	}
	return worst;
}

static void tell_state(struct sources *all, uint32_t index)
{
	const struct source_config *s = &all->source[index];
	struct msg_source_state m = {.head = {MSG_SOURCE_STATE, sizeof(m)},
	    .index = index,
	    .sources = all->law.sources,
	    .needs = all->needs,
	    .method = (uint32_t)config_capture(s->capture),
	    .switched = strcmp(s->capture, all->law.source[index].capture) != 0};
	const struct worker *w = worst_of(all, index, &m);

	if (!w)
		return;
	m.condition = w->condition;
	m.since_s = w->since_s;
	memcpy(m.name, s->name, sizeof(s->name));
	memcpy(m.interface, s->interface, sizeof(m.interface));
	memcpy(m.why, w->why, sizeof(m.why));
	if (memcmp(&m, &all->told[index], sizeof(m)) == 0)
		return;
	all->told[index] = m;
	all->ops->state(all->arg, &m);
}

/* --- a switch --- */

static void too_late(void *arg);

static void end_switch(struct sources *all)
{
	all->switching = false;
	loop_cancel(all->loop, too_late, all);
}

static void retire_trial(struct worker *w)
{
	w->trial = false;
	w->retired = true;
	if (w->state != WORKER_ENDING)
		worker_end(w);
}

static void undo_switch(struct sources *all, const char *why)
{
	if (!all->switching)
		return;
	end_switch(all);
	each(all, is_on_trial, retire_trial);
	log_error("switch_failed", "what captured before goes on: %s", why);
	all->ops->switched(all->arg, false, why);
}

static void too_late(void *arg)
{
	undo_switch(arg, "the new capture was not ready in time");
	sources_worker_changed(arg);
}

static bool is_replaced(const struct sources *all, const struct worker *w)
{
	return worker_is_current(w) &&
	       strcmp(all->wanted[w->index].capture, all->source[w->index].capture) != 0;
}

static void take_over(struct sources *all)
{
	for (size_t i = 0; i < SOURCES_WORKERS; i++) {
		struct worker *w = &all->worker[i];

		if (is_replaced(all, w)) {
			w->retired = true;
			if (w->state == WORKER_WAITING)
				worker_end(w);
		}
	}
	for (size_t i = 0; i < SOURCES_WORKERS; i++)
		all->worker[i].trial = false;
	for (uint32_t i = 0; i < all->law.sources; i++) {
		if (strcmp(all->wanted[i].capture, all->source[i].capture) != 0)
			log_info("switched", "source=%s from=%s to=%s", all->source[i].name,
			    all->source[i].capture, all->wanted[i].capture);
		all->source[i] = all->wanted[i];
	}
	end_switch(all);
	all->ops->switched(all->arg, true, "");
}

static void undo_for(struct sources *all, const struct worker *w)
{
	char why[SWITCH_WHY_BYTES];

	(void)snprintf(why, sizeof(why), "source \"%s\": %s", w->source.name, w->why);
	undo_switch(all, why);
}

static void look_at_switch(struct sources *all)
{
	bool ready = true;

	for (size_t i = 0; i < SOURCES_WORKERS && all->switching; i++) {
		const struct worker *w = &all->worker[i];

		if (!is_on_trial(w))
			continue;
		if (w->tried && !w->held && w->state != WORKER_READY)
			undo_for(all, w);
		ready = ready && w->state == WORKER_READY;
	}
	if (all->switching && ready)
		take_over(all);
}

/* --- what follows from a change --- */

static void overlap_is_over(void *arg);

static void end_old(struct sources *all)
{
	all->overlapping = false;
	loop_cancel(all->loop, overlap_is_over, all);
	if (sources_settled(all)) /* else another reload came meanwhile */
		each(all, is_old, worker_end);
}

static void overlap_is_over(void *arg)
{
	end_old(arg);
	sources_worker_changed(arg);
}

static bool is_any_old(const struct sources *all)
{
	for (size_t i = 0; i < SOURCES_WORKERS; i++)
		if (is_old(&all->worker[i]))
			return true;
	return false;
}

static void end_old_soon(struct sources *all)
{
	if (all->overlapping || !is_any_old(all))
		return;
	all->overlapping = loop_timer(all->loop, OVERLAP_MS, overlap_is_over, all) == 0;
	if (!all->overlapping)
		end_old(all);
}

void sources_worker_changed(struct sources *all)
{
	if (all->busy)
		return;
	all->busy = true;
	look_at_switch(all);
	if (sources_settled(all))
		end_old_soon(all);
	(void)!sources_tell_needs(all);
	for (uint32_t i = 0; i < all->law.sources && all->running; i++)
		tell_state(all, i);
	all->busy = false;
	all->ops->changed(all->arg);
}

/* --- which there are --- */

void sources_init(struct sources *all, struct loop *loop, const struct child_args *args, int root,
    const struct sources_ops *ops, void *arg)
{
	memset(all, 0, sizeof(*all));
	all->loop = loop;
	all->args = args;
	all->root = root;
	all->ops = ops;
	all->arg = arg;
	all->last_group = (uint16_t)getpid(); /* other programs have numbers of their own */
	for (size_t i = 0; i < SOURCES_WORKERS; i++)
		all->worker[i].all = all;
}

static struct worker *free_worker(struct sources *all)
{
	for (size_t i = 0; i < SOURCES_WORKERS; i++)
		if (all->worker[i].state == WORKER_FREE)
			return &all->worker[i];
	return NULL;
}

static int add(struct sources *all, const struct source_config *s, uint32_t index, bool trial)
{
	const uint16_t group = ++all->last_group;

	for (unsigned i = 0; i < s->workers; i++) {
		struct worker *w = free_worker(all);

		if (!w) {
			log_error(
			    "sources_full", "source=%s is not captured: restart posternd", s->name);
			return -1;
		}
		worker_init(w, all, s, index, i);
		w->group = group;
		w->trial = trial;
	}
	return 0;
}

static bool same_source(const struct source_config *a, const struct source_config *b)
{
	return strcmp(a->name, b->name) == 0 && strcmp(a->interface, b->interface) == 0 &&
	       strcmp(a->capture, b->capture) == 0 && strcmp(a->file, b->file) == 0 &&
	       strcmp(a->filter, b->filter) == 0 && a->workers == b->workers;
}

/* What every capture has from the configuration when it starts. */
static bool same_for_all(const struct config *a, const struct config *b)
{
	return config_same_carriers(a, b) && a->log_level == b->log_level &&
	       a->silence == b->silence && strcmp(a->capture_user, b->capture_user) == 0;
}

/* Of what is captured now, what the new configuration wants just as it is. */
static void retire_the_rest(struct sources *all, const struct config *c)
{
	const bool same = same_for_all(&all->law, c);

	for (size_t i = 0; i < SOURCES_WORKERS; i++) {
		struct worker *w = &all->worker[i];

		if (!worker_is_current(w))
			continue;
		const struct source_config *s = &all->source[w->index];
		const int to = config_source(c, s->name);

		if (same && to >= 0 && same_source(s, &c->source[to])) {
			w->index = (uint32_t)to;
			continue;
		}
		w->retired = true;
		if (w->state == WORKER_WAITING)
			worker_end(w);
	}
}

static bool is_captured(const struct sources *all, uint32_t index)
{
	for (size_t i = 0; i < SOURCES_WORKERS; i++)
		if (worker_is_current(&all->worker[i]) && all->worker[i].index == index)
			return true;
	return false;
}

void sources_set(struct sources *all, const struct config *c)
{
	undo_switch(all, "a reload came in between");
	all->busy = true;
	end_old(all);
	retire_the_rest(all, c);
	all->law = *c;
	for (uint32_t i = 0; i < c->sources; i++) {
		all->source[i] = c->source[i];
		if (!is_captured(all, i))
			(void)!add(all, &c->source[i], i, false);
	}
	if (all->running)
		each(all, waits, worker_start);
	all->busy = false;
	sources_worker_changed(all);
}

/* Returns how many sources change; -1 when that cannot be, with why. */
static int prepare_switch(
    struct sources *all, uint32_t index, const char *method, char why[static CONFIG_WHY_MAX])
{
	int changes = 0;
	unsigned blamed;

	for (uint32_t i = 0; i < all->law.sources; i++) {
		all->wanted[i] = all->source[i];
		if (all->source[i].trap || (index != SWITCH_ALL_SOURCES && index != i) ||
		    strcmp(method, all->source[i].capture) == 0)
			continue;
		config_change_capture(&all->wanted[i], &all->law.source[i], method);
		changes++;
	}
	return config_sources_fault(all->wanted, all->law.sources, &blamed, why) == 0 ? changes
										      : -1;
}

void sources_switch(struct sources *all, uint32_t index, const char *method)
{
	char why[CONFIG_WHY_MAX] = "";
	const int changes = prepare_switch(all, index, method, why);
	int status = 0;

	if (changes <= 0) {
		all->ops->switched(all->arg, changes == 0, why);
		return;
	}
	all->switching = true;
	all->busy = true;
	for (uint32_t i = 0; i < all->law.sources && status == 0; i++)
		if (strcmp(all->wanted[i].capture, all->source[i].capture) != 0)
			status = add(all, &all->wanted[i], i, true);
	if (status != 0 || loop_timer(all->loop, SWITCH_PATIENCE_MS, too_late, all) != 0)
		undo_switch(all, "too many captures are still ending; try again in a moment");
	each(all, waits, worker_start);
	all->busy = false;
	sources_worker_changed(all);
}

void sources_run(struct sources *all)
{
	all->running = true;
	memset(all->told, 0, sizeof(all->told)); /* it is another auth */
	all->busy = true;
	each(all, waits, worker_start);
	all->busy = false;
	sources_worker_changed(all);
}

void sources_pause(struct sources *all)
{
	all->running = false;
	undo_switch(all, "auth is gone");
	each(all, is_there, worker_end);
}

static void kill_worker(struct worker *w)
{
	child_signal(&w->child, SIGKILL);
}

void sources_kill(struct sources *all)
{
	each(all, is_there, kill_worker);
}

/* --- what others say of them --- */

/* The capture that auth speaks of, or NULL. It may have ended while the word was on its way. */
static struct worker *meant(struct sources *all, uint32_t id)
{
	for (size_t i = 0; i < SOURCES_WORKERS; i++)
		if (worker_is_alive(&all->worker[i]) && all->worker[i].id == id)
			return &all->worker[i];
	return NULL;
}

int sources_ready(struct sources *all, uint32_t id)
{
	struct worker *w = meant(all, id);

	if (w)
		worker_ready(w);
	return id == 0 || id > all->last_id ? -1 : 0;
}

int sources_bad(struct sources *all, uint32_t id)
{
	const struct worker *w = meant(all, id);

	if (w)
		child_condemn(&w->child, "auth heard from it what no capture says");
	return id == 0 || id > all->last_id ? -1 : 0;
}

void sources_link(struct sources *all, const char *interface, bool up)
{
	for (size_t i = 0; i < SOURCES_WORKERS; i++) {
		struct worker *w = &all->worker[i];

		if (worker_is_current(w) &&
		    (!interface || strcmp(w->source.interface, interface) == 0))
			worker_link(w, up);
	}
}

bool sources_settled(const struct sources *all)
{
	for (size_t i = 0; i < SOURCES_WORKERS; i++)
		if (worker_is_current(&all->worker[i]) && !all->worker[i].tried)
			return false;
	return true;
}

bool sources_calm(const struct sources *all)
{
	for (size_t i = 0; i < SOURCES_WORKERS; i++)
		if (worker_is_alive(&all->worker[i]) && all->worker[i].retired)
			return false;
	return sources_settled(all);
}

bool sources_idle(const struct sources *all)
{
	for (size_t i = 0; i < SOURCES_WORKERS; i++)
		if (worker_is_alive(&all->worker[i]))
			return false;
	return true;
}

static bool is_source_ready(const struct sources *all, uint32_t index)
{
	bool any = false;

	for (size_t i = 0; i < SOURCES_WORKERS; i++) {
		const struct worker *w = &all->worker[i];

		if (!worker_is_current(w) || w->index != index)
			continue;
		if (w->state != WORKER_READY)
			return false;
		any = true;
	}
	return any;
}

unsigned sources_count(const struct sources *all, unsigned *of)
{
	unsigned ready = 0;

	*of = 0;
	for (uint32_t i = 0; i < all->law.sources; i++) {
		*of += !all->law.source[i].trap;
		ready += !all->law.source[i].trap && is_source_ready(all, i);
	}
	return ready;
}
