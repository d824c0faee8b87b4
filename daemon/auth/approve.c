/*
 * approve - doors that somebody must say yes to. A command of the
 * configuration is run, by the monitor, and its exit status is the word. The
 * attempt waits meanwhile; its client is told so when that takes long.
 */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "inside.h"

enum { PATIENCE_MS = 4000 }; /* before the client stops knocking */

bool approve_has_been(const struct core *c, const struct step *st)
{
	return !st->fresh && c->realm->config.service[st->service].approve[0] != '\0';
}

static const struct command_config *approval_of(const struct core *c, const struct step *st)
{
	const struct config *config = &c->realm->config;
	const char *name = config->service[st->service].approve;
	const int i = st->fresh && name[0] != '\0' ? config_command(config, name) : -1;

	return i < 0 ? NULL : &config->command[i];
}

/* One at a time: each holds one of the places that the monitor has for commands. */
static bool waits_already(const struct core *c, const uint8_t *cid)
{
	for (const struct job *j = c->approving > 0 ? c->jobs : NULL; j; j = j->hh.next)
		if (j->approving && memcmp(j->key.cid, cid, CID_BYTES) == 0)
			return true;
	return false;
}

const char *approve_plan(struct core *c, struct job *j)
{
	uint64_t wait_ms = 0;

	for (unsigned i = 0; i < j->steps; i++) {
		struct step *st = &j->step[i];
		const struct command_config *m = approval_of(c, st);

		/* The yes was for as long as was said then. */
		if (approve_has_been(c, st))
			st->r.end_ms = st->old_end_ms;
		wait_ms += m ? (uint64_t)m->timeout_s * MS_PER_S : 0;
	}
	if (wait_ms == 0)
		return NULL;
	if (waits_already(c, j->key.cid))
		return "somebody is being asked already: try again in a moment";
	/* What is written down now must not end before what will be. */
	for (unsigned i = 0; i < j->steps; i++)
		j->step[i].r.end_ms += j->step[i].fresh ? wait_ms : 0;
	j->needs_yes = true;
	j->generation = c->realm->generation;
	j->planned_ms = c->w.boot_ms(c->w.arg);
	return NULL;
}

static void stop_waiting(struct core *c, struct job *j)
{
	if (j->approving)
		c->approving--;
	j->approving = false;
}

/* Nothing was opened yet: what was written down for it goes. */
static void refuse(struct core *c, struct job *j, enum verdict v, const char *reason)
{
	stop_waiting(c, j);
	for (unsigned i = 0; i < j->steps; i++)
		if (j->step[i].fresh)
			keep_session_later(c, j->step[i].session);
	job_finish(c, j, v, reason);
}

/* The time of the doors begins now, but none has more of it than was allowed when they were asked for. */
static void begin(struct core *c, struct job *j)
{
	const uint64_t now = c->w.boot_ms(c->w.arg);
	const char *full = decide_over_quota(c, j);

	if (full) {
		refuse(c, j, VERDICT_QUOTA, full);
		return;
	}
	stop_waiting(c, j);
	for (unsigned i = 0; i < j->steps; i++) {
		struct step *st = &j->step[i];
		const uint64_t end = now + (uint64_t)st->hold_s * MS_PER_S;
		const uint64_t latest = j->planned_ms + (uint64_t)st->latest_s * MS_PER_S;

		if (!st->fresh)
			continue;
		st->r.end_ms = end < latest ? end : latest;
		keep_session_later(c, st->session);
	}
	doors_start(c, j);
}

static void ask(struct core *c, struct job *j, const struct step *st, uint32_t command)
{
	static const struct request nothing = {.arguments = 0};
	char from[ADDRESS_TEXT], admit[PREFIX_TEXT];

	free(j->run);
	j->run = run_order(c, j, &nothing, command);
	j->run->approves = (uint32_t)st->service + 1;
	memcpy(j->run->admit, st->r.admit.addr.b, sizeof(j->run->admit));
	j->run->admit_len = st->r.admit.len;
	if (!j->approving)
		c->approving++;
	j->approving = true;
	log_info("approval", "client=%s service=%s address=%s from=%s command=%s attempt=%016llx",
	    j->client, st->r.service, prefix_text(&st->r.admit, admit),
	    address_text(&j->x.route.client, from), c->realm->config.command[command].name,
	    (unsigned long long)j->key.id);
	if (c->w.run(c->w.arg, j->run) < 0)
		refuse(c, j, VERDICT_BUSY, NULL);
}

static void ask_next(struct core *c, struct job *j)
{
	for (; j->approved < j->steps; j->approved++) {
		const struct step *st = &j->step[j->approved];
		const struct command_config *m = approval_of(c, st);

		if (!m)
			continue;
		ask(c, j, st, (uint32_t)(m - c->realm->config.command));
		return;
	}
	begin(c, j);
}

void approve_start(struct core *c, struct job *j)
{
	if (!j->needs_yes || c->w.dry_run)
		doors_start(c, j);
	else
		ask_next(c, j);
}

bool approve_again(struct core *c, struct job *j)
{
	struct step *st = &j->step[0];

	if (waits_already(c, j->key.cid))
		return false;
	st->fresh = true;
	st->session = session_new_id(c);
	st->old_end_ms = 0;
	(void)approve_plan(c, j); /* busy it is not */
	ask_next(c, j);
	return true;
}

void approve_answered(struct core *c, struct job *j, enum run_status status, uint8_t exit_status)
{
	if (j->withdrawn) {
		refuse(c, j, VERDICT_DENIED, "the administrator closed it");
		return;
	}
	/* Its services may be others now, and its client another's. */
	if (j->generation != c->realm->generation) {
		refuse(c, j, VERDICT_BUSY, "the configuration has changed: try again");
		return;
	}
	switch (status) {
	case RUN_ENDED:
		if (exit_status != 0) {
			refuse(c, j, VERDICT_DENIED, "somebody said no");
			return;
		}
		j->approved++;
		ask_next(c, j);
		break;
	case RUN_TIMEOUT:
		refuse(c, j, VERDICT_DENIED, "nobody said yes in time");
		break;
	case RUN_REFUSED:
	case RUN_BUSY:
		refuse(c, j, VERDICT_BUSY, "nobody could be asked: try again");
		break;
	case RUN_FAILED:
		refuse(c, j, VERDICT_DENIED, "nobody could be asked");
		break;
	}
}

unsigned approve_withdraw(struct core *c, const uint8_t *cid)
{
	unsigned n = 0;

	for (struct job *j = c->approving > 0 ? c->jobs : NULL; j; j = j->hh.next) {
		if (!j->approving || memcmp(j->key.cid, cid, CID_BYTES) != 0)
			continue;
		j->withdrawn = true; /* it ends with the command, which still runs */
		n++;
	}
	return n;
}

void approve_tick(struct core *c, uint64_t now_ms)
{
	for (struct job *j = c->approving > 0 ? c->jobs : NULL; j; j = j->hh.next) {
		if (!j->approving || !j->x.wanted || now_ms - j->planned_ms < PATIENCE_MS)
			continue;
		job_tell(c, j, VERDICT_BUSY, "somebody was asked: try again when he has said yes");
	}
}
