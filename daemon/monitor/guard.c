/* guard - see guard.h. */
#include "guard.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bans.h"
#include "clock.h"
#include "fault.h"
#include "moved.h"
#include "own.h"

enum { REFUSALS_BURST = 10, REFUSALS_PERIOD_MS = 10000, BANS_FULL_MS = 1000 };

/* Two who put back each other's rules shall not do so at full speed; but some flush twice. */
static const struct backoff_law pause_law = {.least_ms = 10, .most_ms = 1000, .forget_ms = 5000};
/* A guard that cannot be put up is tried again, less and less often. */
static const struct backoff_law retry_law = {
    .least_ms = 1000, .most_ms = 60000, .forget_ms = UINT64_MAX};

static void repair(struct guard *g);

static void repair_later(void *arg)
{
	struct guard *g = arg;

	g->repairing = false;
	if (firewall_changed(g->firewall) || g->again)
		repair(g);
}

static void mend(struct guard *g, bool lost)
{
	log_warning("guard_restored", "somebody else changed our rules");
	known_mend(&g->known, g->firewall, g->config);
	if (g->mended)
		g->mended(g->mended_arg, lost);
}

static void retry(void *arg)
{
	repair(arg);
}

/* Each failure is told, so the pause between them bounds what is logged. */
static void lose(struct guard *g)
{
	const uint32_t wait_ms = backoff_by(&g->retry, &retry_law, 0);

	g->lost = true;
	if (loop_timer(g->loop, wait_ms, retry, g) != 0) {
		log_error(
		    "guard_lost", "and it is not tried again: see to the firewall and reload");
		return;
	}
	log_error("guard_lost",
	    "again_after_ms=%" PRIu32 ": services may be open, see to the firewall", wait_ms);
}

static void stands(struct guard *g)
{
	g->lost = false;
	g->retry = (struct backoff){.next_ms = 0};
	loop_cancel(g->loop, retry, g);
}

static uint32_t next_pause(struct guard *g)
{
	const uint64_t now_ms = clock_mono_ms();
	const uint64_t quiet_ms = now_ms - g->repaired_ms;

	g->repaired_ms = now_ms;
	return backoff_by(&g->pause, &pause_law, quiet_ms);
}

static void repair(struct guard *g)
{
	g->again = false;
	if (firewall_ensure(g->firewall, g->config) == FIREWALL_OK) {
		stands(g);
		mend(g, firewall_was_down(g->firewall, g->config));
	} else {
		lose(g);
	}
	g->repairing = loop_timer(g->loop, next_pause(g), repair_later, g) == 0;
}

static void touched(void *arg)
{
	struct guard *g = arg;

	/* Heard in any case, or we would be called for it again at once. */
	if (!firewall_changed(g->firewall))
		return;
	g->again = true;
	if (!g->repairing)
		repair(g);
}

static struct config *copy_of(const struct config *c, unsigned needs)
{
	struct config *copy = malloc(sizeof(*copy));

	if (!copy)
		abort();
	*copy = *c;
	copy->needs = needs;
	return copy;
}

static void note_ban(void *arg, const struct address *a, uint64_t rest_ms)
{
	const uint64_t until_ms = clock_mono_ms() + rest_ms;
	struct guard *g = arg;

	(void)a;
	if (until_ms > g->banned_until_ms)
		g->banned_until_ms = until_ms;
}

int guard_open(struct guard *g, struct loop *loop, const struct config *config, bool dry_run)
{
	*g = (struct guard){.loop = loop,
	    .config = copy_of(config, 0),
	    .refusals = {.burst = REFUSALS_BURST, .period_ms = REFUSALS_PERIOD_MS}};
	g->firewall = firewall_start(config, dry_run);
	if (!g->firewall)
		return -1;
	cutter_open(&g->cutter, loop, g->firewall);
	if (firewall_ensure(g->firewall, g->config) != FIREWALL_OK)
		return -1;
	if (firewall_bans(g->firewall, note_ban, g) != FIREWALL_OK)
		return -1;
	known_take(&g->known, g->firewall, g->config);
	const int fd = firewall_watch_fd(g->firewall);
	return fd < 0 ? 0 : loop_watch(loop, fd, touched, g);
}

static void put_in_force(struct guard *g, struct config *next)
{
	moved_close(g->firewall, g->config, next);
	known_settle(&g->known, next);
	free(g->config);
	g->config = next;
}

/*
 * Takes next. What somebody else did just before goes under in what we do: so
 * that is mended here, and whoever asks for doors hears of it before he hears
 * of the change.
 */
static int change(struct guard *g, struct config *next)
{
	const bool touched = firewall_changed(g->firewall) || g->again || g->lost;
	const bool fine = firewall_ensure(g->firewall, next) == FIREWALL_OK;
	bool down = firewall_was_down(g->firewall, g->config);

	if (fine) {
		put_in_force(g, next);
	} else {
		free(next);
		if (firewall_ensure(g->firewall, g->config) != FIREWALL_OK) {
			lose(g);
			return -1;
		}
		down = down || firewall_was_down(g->firewall, g->config);
	}
	stands(g);
	if (touched || down) {
		g->again = false;
		mend(g, down);
	}
	return fine ? 0 : -1;
}

int guard_set(struct guard *g, const struct config *config)
{
	return change(g, copy_of(config, g->config->needs));
}

bool guard_is_lost(const struct guard *g)
{
	return g->lost;
}

int guard_need(struct guard *g, unsigned needs)
{
	return needs == g->config->needs ? 0 : change(g, copy_of(g->config, needs));
}

static enum door_status status_of(enum firewall_status s)
{
	switch (s) {
	case FIREWALL_OK:
		return DOOR_OK;
	case FIREWALL_NOT_THERE:
		return DOOR_NOT_THERE;
	case FIREWALL_FULL:
		return DOOR_FULL;
	case FIREWALL_FAILED:
		return DOOR_FAILED;
	}
	return DOOR_FAILED;
}

static void tell_refusal(struct guard *g, const struct msg_door *m, enum doors_verdict why)
{
	uint64_t missed = 0;

	if (log_allowed(&g->refusals, clock_mono_ms(), &missed))
		log_warning("door_refused",
		    "why=\"%s\" service=%" PRIu32 " generation=%" PRIu32 " suppressed=%" PRIu64,
		    doors_verdict_text(why), m->service, m->generation, missed);
}

static enum firewall_status carry_out(
    struct guard *g, uint32_t type, const struct door_wanted *w, uint32_t *rest_s)
{
	enum firewall_status s = FIREWALL_FAILED;

	if (type == MSG_DOOR_OPEN) {
		cutter_settle(&g->cutter, &w->pass.from);
		s = firewall_open(g->firewall, &w->service, &w->pass, w->seconds);
		*rest_s = s == FIREWALL_OK ? w->seconds : 0;
		if (s == FIREWALL_OK)
			known_opened(&g->known, &w->service, &w->pass, w->seconds);
	} else if (type == MSG_DOOR_CLOSE) {
		s = firewall_close(g->firewall, &w->service, &w->pass);
		known_closed(&g->known, &w->service, &w->pass);
		if (w->cut && (s == FIREWALL_OK || s == FIREWALL_NOT_THERE))
			cutter_begin(&g->cutter, &w->service, &w->pass);
	} else if (type == MSG_DOOR_SHORTEN) {
		s = firewall_shorten(g->firewall, &w->service, &w->pass, w->seconds);
		known_shortened(&g->known, &w->service, &w->pass, w->seconds);
	} else {
		s = firewall_query(g->firewall, &w->service, &w->pass, rest_s);
		if (s == FIREWALL_NOT_THERE)
			known_closed(&g->known, &w->service, &w->pass);
	}
	return s;
}

void guard_serve(struct guard *g, const struct doors_law *law, const struct msg_door *m,
    struct msg_door_done *done)
{
	struct door_wanted w;

	FAULT("monitor.request");
	done->id = m->id;
	const enum doors_verdict v = doors_judge(law, m, &w);

	if (v != DOORS_FINE) {
		tell_refusal(g, m, v);
		done->status = DOOR_REFUSED;
		return;
	}
	if (m->head.type == MSG_DOOR_OPEN && prefix_is_host(&w.pass.from) &&
	    own_address(&w.pass.from.addr)) {
		done->status = DOOR_OWN;
		return;
	}
	const enum firewall_status s = carry_out(g, m->head.type, &w, &done->seconds);
	char from[PREFIX_TEXT];

	done->status = status_of(s);
	log_debug("door", "type=%" PRIu32 " service=%s from=%s seconds=%" PRIu32 " status=%" PRIu32,
	    m->head.type, w.service.name, prefix_text(&w.pass.from, from), done->seconds,
	    done->status);
}

/* For as long as the kernel had no room it is not asked: it refuses slowly, and strangers can make one ban after the other. */
static enum door_status ban(struct guard *g, const struct address *a, const struct msg_ban *m)
{
	uint64_t *full_until_ms = &g->full_until_ms[address_is_v4(a)];
	const uint64_t now_ms = clock_mono_ms();
	enum firewall_status s;

	if (own_address(a))
		return DOOR_OWN;
	if (now_ms < *full_until_ms)
		return DOOR_FULL;
	s = firewall_ban(g->firewall, a, m->seconds);
	if (s == FIREWALL_FULL)
		*full_until_ms = now_ms + BANS_FULL_MS;
	if (s == FIREWALL_OK)
		note_ban(g, a, (uint64_t)m->seconds * MS_PER_S);
	return status_of(s);
}

/* Each knock that is right asks for it: the kernel is not, where it can have none. */
static enum door_status unban(struct guard *g, const struct address *a)
{
	const bool all = address_is_zero(a);

	if (!all && clock_mono_ms() >= g->banned_until_ms)
		return DOOR_NOT_THERE;
	const enum firewall_status s = firewall_unban(g->firewall, all ? NULL : a);

	if (s == FIREWALL_OK)
		memset(g->full_until_ms, 0, sizeof(g->full_until_ms));
	return status_of(s);
}

void guard_ban(struct guard *g, const struct msg_ban *m, struct msg_door_done *done)
{
	const enum bans_verdict v = bans_judge(g->config, m);
	const struct address a = address_v6(m->address);
	uint64_t missed = 0;
	char from[ADDRESS_TEXT];

	done->id = m->id;
	done->status = DOOR_REFUSED;
	if (v != BANS_FINE) {
		if (log_allowed(&g->refusals, clock_mono_ms(), &missed))
			log_warning("ban_refused", "why=\"%s\" from=%s suppressed=%" PRIu64,
			    bans_verdict_text(v), address_text(&a, from), missed);
		return;
	}
	done->status = m->head.type == MSG_BAN ? ban(g, &a, m) : unban(g, &a);
	done->seconds = m->head.type == MSG_BAN && done->status == DOOR_OK ? m->seconds : 0;
	log_debug("ban", "type=%" PRIu32 " from=%s seconds=%" PRIu32 " status=%" PRIu32,
	    m->head.type, address_text(&a, from), done->seconds, done->status);
}

void guard_on_mended(struct guard *g, guard_mended_fn *fn, void *arg)
{
	g->mended = fn;
	g->mended_arg = arg;
}

void guard_close(struct guard *g)
{
	known_free(&g->known);
	free(g->config);
	g->config = NULL;
	if (!g->firewall)
		return;
	cutter_close(&g->cutter);
	loop_cancel(g->loop, retry, g);
	loop_cancel(g->loop, repair_later, g);
	if (firewall_watch_fd(g->firewall) >= 0)
		loop_unwatch(g->loop, firewall_watch_fd(g->firewall));
	firewall_stop(g->firewall);
	g->firewall = NULL;
}
