/* core - one turn, what is due by time, and the change of realms. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "clock.h"
#include "fault.h"
#include "inside.h"

enum {
	JUNK_LOG_BURST = 10,
	JUNK_LOG_MS = 10000,
	STORE_LOG_BURST = 2,
	STRAY_LOG_BURST = 5, /* messages along another's sequence */
	STRAY_LOG_MS = 60000,
	BAN_LOG_BURST = 30, /* bans of strangers */
	BAN_LOG_MS = 60000,
	FLUSH_MS = 50, /* how long a result may wait for somebody else's commit */
	SWEEP_MS = 500,
	/* Of many sessions that end at once so many are ended before others get their turn. */
	ENDS_A_TICK = 256,
	ENDS_MORE_MS = 1,
};

static struct log_limit limit_of(uint32_t burst, uint32_t period_ms)
{
	return (struct log_limit){.burst = burst, .period_ms = period_ms};
}

struct core *core_new(const struct auth_world *w, struct realm *realm)
{
	struct core *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	c->w = *w;
	c->realm = realm;
	c->peers = peers_new(realm->clients, realm->config.client_rate, realm->config.client_burst);
	c->sessions = sessions_new();
	c->strikes = strikes_new();
	c->traps = traps_new();
	c->journal_next = 1;
	randombytes_buf(c->copies.key, sizeof(c->copies.key));
	randombytes_buf(c->try_key, sizeof(c->try_key));
	c->junk_log = limit_of(JUNK_LOG_BURST, JUNK_LOG_MS);
	c->store_log = limit_of(STORE_LOG_BURST, JUNK_LOG_MS);
	c->stray_log = limit_of(STRAY_LOG_BURST, STRAY_LOG_MS);
	c->ban_log = limit_of(BAN_LOG_BURST, BAN_LOG_MS);
	c->send_log = limit_of(JUNK_LOG_BURST, JUNK_LOG_MS);
	c->slots = calloc(QUEUE_MAX, sizeof(*c->slots));
	if (!c->slots)
		abort();
	for (unsigned i = 0; i < QUEUE_MAX; i++)
		DL_APPEND(c->free, &c->slots[i]);
	return c;
}

static void drop_turn_jobs(struct core *c)
{
	while (c->turn_jobs) {
		struct job *j = c->turn_jobs;

		LL_DELETE(c->turn_jobs, j);
		job_free(c, j);
	}
}

void core_free(struct core *c)
{
	if (!c)
		return;
	drop_turn_jobs(c);
	jobs_free(c);
	asks_free(c);
	challenges_free(c);
	pgp_free(c);
	keep_free(c);
	sessions_free(c->sessions);
	strikes_free(c->strikes);
	traps_free(c->traps);
	peers_free(c->peers);
	realm_free(c->realm);
	free(c->slots);
	free(c);
}

static void leave_queue(struct core *c, struct knock *k)
{
	DL_DELETE(c->queue, k);
	DL_APPEND(c->free, k);
	c->queued--;
	pgp_forget_opened(c, k);
	peers_unqueue(c->peers, k->client);
}

/* Nothing opens unrecorded, and nothing is answered: an answer would be a reaction that is not on record. */
static void store_failed(struct core *c)
{
	uint64_t missed = 0;

	keep_abort(c);
	for (const struct job *j = c->turn_jobs; j; j = j->next)
		count(&c->counters, COUNT_STORE_FAILED);
	drop_turn_jobs(c);
	/* Those that still wait would only fail as well; their clients knock again. */
	while (c->queue) {
		count(&c->counters, COUNT_STORE_FAILED);
		leave_queue(c, c->queue);
	}
	if (log_allowed(&c->store_log, c->w.boot_ms(c->w.arg), &missed))
		log_error("store-failed",
		    "missed=%llu: knocks are refused until it can be written again",
		    (unsigned long long)missed);
}

/* The point where what was decided becomes so. */
static int commit_turn(struct core *c)
{
	int r;

	FAULT("auth.commit");
	r = keep_commit(c);
	if (r == 0)
		FAULT("auth.committed");
	return r;
}

/* One message of each client a turn, so that no decision rests on another that is not committed yet. */
static int work_queue(struct core *c)
{
	struct knock *k, *next;

	peers_turn(c->peers);
	c->pins = 0;
	DL_FOREACH_SAFE(c->queue, k, next) {
		if (!peers_first_this_turn(c->peers, k->client))
			continue;
		int r = knock_work(c, k);

		leave_queue(c, k);
		if (r < 0) {
			count(&c->counters, COUNT_STORE_FAILED);
			return -1;
		}
		/* What came meanwhile is looked at before the rest. */
		if (c->pins >= PINS_A_TURN)
			break;
	}
	return 0;
}

static void run_turn_jobs(struct core *c)
{
	struct job *list = c->turn_jobs;

	c->turn_jobs = NULL;
	while (list) {
		struct job *j = list;

		LL_DELETE(list, j);
		job_run(c, j);
	}
}

bool core_turn(struct core *c)
{
	if (!c->queue) {
		keep_abort(c);
		ask_pump(c);
		return false;
	}
	if (keep_begin(c) < 0 || keep_write_late(c) < 0 || work_queue(c) < 0 || commit_turn(c) < 0)
		store_failed(c);
	else
		run_turn_jobs(c);
	ask_pump(c);
	return c->queue != NULL;
}

/* Returns whether there are more. */
static bool end_sessions(struct core *c, uint64_t now_ms)
{
	struct session *s = sessions_first(c->sessions), *next;
	unsigned ended = 0;

	for (; s; s = next) {
		next = sessions_next(s);
		if (s->r.end_ms > now_ms || s->closing)
			continue;
		if (ended++ == ENDS_A_TICK)
			return true;
		count(&c->counters, COUNT_ENDED);
		session_time_is_over(c, s);
	}
	return false;
}

static void flush_late(struct core *c)
{
	if (!keep_owes(c))
		return;
	if (keep_flush(c) < 0)
		store_failed(c);
}

void core_tick(struct core *c)
{
	uint64_t now = c->w.boot_ms(c->w.arg);

	challenges_expire(c, now);
	pgp_expire(c, now);
	c->more_end = end_sessions(c, now);
	approve_tick(c, now);
	flush_late(c);
	ask_pump(c);
}

uint64_t core_tick_due(const struct core *c)
{
	if (c->more_end)
		return ENDS_MORE_MS;
	if (keep_owes(c))
		return FLUSH_MS;
	return c->challenges || c->approving > 0 || !pgp_is_idle(c) ||
		       sessions_count(c->sessions) > 0
		   ? SWEEP_MS
		   : 0;
}

const struct realm *core_realm(const struct core *c)
{
	return c->realm;
}

const struct counters *core_counters(const struct core *c)
{
	return &c->counters;
}

/* --- start --- */

static const uint8_t boot_key[STORE_KEY_BYTES] = "bootid";

struct loading {
	struct core *c;
	size_t n, cap;
	uint64_t *stale;
};

static void add_stale(struct loading *l, uint64_t id)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 64;
		l->stale = realloc(l->stale, l->cap * sizeof(*l->stale));
		if (!l->stale)
			abort();
	}
	l->stale[l->n++] = id;
}

/* What was to be cut when its door closed still is, though we were not there then. */
static bool is_cut_at_its_end(const struct core *c, const struct session_record *r)
{
	const int i = realm_service(c->realm, r->service, r->proto, r->port);

	return i >= 0 && c->realm->config.service[i].cut;
}

static int load_one(
    void *arg, const uint8_t key[static STORE_KEY_BYTES], const uint8_t *value, size_t len)
{
	struct loading *l = arg;
	struct core *c = l->c;
	struct reader r = reader_of(key, STORE_KEY_BYTES);
	uint64_t id = read_u64(&r);
	struct session_record rec;

	if (session_record_decode(&rec, key, value, len) < 0 ||
	    (rec.end_ms <= c->w.boot_ms(c->w.arg) && !is_cut_at_its_end(c, &rec)))
		add_stale(l, id);
	else
		sessions_add(c->sessions, id, &rec,
		    realm_service(c->realm, rec.service, rec.proto, rec.port));
	return 0;
}

static int stale_one(
    void *arg, const uint8_t key[static STORE_KEY_BYTES], const uint8_t *value, size_t len)
{
	struct reader r = reader_of(key, STORE_KEY_BYTES);

	(void)value;
	(void)len;
	add_stale(arg, read_u64(&r));
	return 0;
}

/* The clock that sessions count by, and the kernel's doors, began anew with the boot. */
static bool is_same_boot(struct core *c)
{
	const uint8_t *value;
	size_t len;

	return c->w.store->ops->get(c->w.store, STORE_META, boot_key, &value, &len) == 0 &&
	       len == strlen(c->w.boot_id) && memcmp(value, c->w.boot_id, len) == 0;
}

static int write_boot(struct core *c)
{
	const uint8_t *id = (const uint8_t *)c->w.boot_id;

	return c->w.store->ops->put(c->w.store, STORE_META, boot_key, id, strlen(c->w.boot_id)) == 0
		   ? 0
		   : -1;
}

static int load_sessions(struct core *c)
{
	struct loading l = {.c = c};
	bool same = false;
	int r = -1;

	if (keep_begin(c) < 0 || audit_load(c) < 0)
		goto out;
	same = is_same_boot(c);
	if (c->w.store->ops->each(c->w.store, STORE_SESSIONS, same ? load_one : stale_one, &l) != 0)
		goto out;
	for (size_t i = 0; i < l.n; i++)
		keep_session_later(c, l.stale[i]);
	/* On a full disk, what needs no writing shall work. */
	if (keep_write_late(c) < 0 || (!same && write_boot(c) < 0))
		goto out;
	r = keep_commit(c);
out:
	free(l.stale);
	if (r < 0)
		keep_abort(c);
	return r;
}

/* What the kernel says of a session that an earlier process of ours knew. */
static void found(struct core *c, const struct ask *a, enum door_status status, uint32_t seconds)
{
	struct session *s = sessions_find(c->sessions, a->session);
	uint64_t end = c->w.boot_ms(c->w.arg) + (uint64_t)seconds * 1000;

	if (!s || s->renewed != a->step)
		return;
	if (status == DOOR_NOT_THERE && session_is_cut(c, s))
		return; /* it ends when its time is over, which it may be already */
	if (status == DOOR_NOT_THERE) {
		session_forget(c, s);
	} else if (status == DOOR_OK && end < s->r.end_ms && s->r.narrowing.idle_s == 0) {
		s->r.end_ms = end;
		keep_session_later(c, s->id);
	}
}

int core_start(struct core *c)
{
	if (load_sessions(c) < 0)
		return -1;
	for (struct session *s = sessions_first(c->sessions), *next; s; s = next) {
		next = sessions_next(s);
		if (session_is_lawful(c, s))
			ask_door(c, MSG_DOOR_QUERY, s, 0)->done = found;
	}
	log_info("sessions-loaded", "count=%zu", sessions_count(c->sessions));
	ask_pump(c);
	return 0;
}
