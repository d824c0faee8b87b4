/*
 * strike - against who holds a client's keys and tries out the rest: PINs,
 * codes, services. Each try is a strike in the client's record, and the record
 * is written with the mark anyway; some slow the client down, too many suspend
 * it for a time. Time forgives one after the other.
 *
 * Only what was authentic counts, or at least has a label that holds, which
 * nobody makes without the client's secret; and no message counts twice. So
 * nobody else's packets suspend a client.
 */
#include "clock.h"
#include "inside.h"

enum {
	FORGIVEN_S = 60, /* one strike in so many seconds */
	FREE_STRIKES = 5,
	SLOW_MS = 1000, /* for each strike beyond those */
	SLOW_MAX_MS = 8000,
};

static uint64_t now_s(const struct core *c)
{
	return c->w.real_ns(c->w.arg) / NS_PER_S;
}

bool strike_is_out(const struct core *c, const struct client_record *r)
{
	const struct config *config = &c->realm->config;
	const uint64_t now = now_s(c);

	/* More rest than there can be: the clock was set back. */
	return config->suspend_after > 0 && r->suspended_until_s > now &&
	       r->suspended_until_s - now <= config->suspend_for_s;
}

static unsigned strikes_left(const struct client_record *r, uint64_t now)
{
	const uint64_t forgiven = now > r->strike_s ? (now - r->strike_s) / FORGIVEN_S : 0;

	return r->strikes > forgiven ? (unsigned)(r->strikes - forgiven) : 0;
}

static void slow_down(struct core *c, const struct client *cl, unsigned strikes)
{
	uint64_t ms = strikes > FREE_STRIKES ? (strikes - FREE_STRIKES) * (uint64_t)SLOW_MS : 0;

	if (ms > SLOW_MAX_MS)
		ms = SLOW_MAX_MS;
	if (ms > 0)
		peers_pause(
		    c->peers, clients_index(c->realm->clients, cl), c->w.boot_ms(c->w.arg) + ms);
}

void strike(struct core *c, struct job *j, const struct client *cl, struct client_record *r,
    const char *why)
{
	const struct config *config = &c->realm->config;
	const uint64_t now = now_s(c);
	const unsigned strikes = strikes_left(r, now) + 1;

	count(&c->counters, COUNT_STRIKE);
	r->strikes = (uint8_t)(strikes > UINT8_MAX ? UINT8_MAX : strikes);
	r->strike_s = now;
	slow_down(c, cl, strikes);
	if (config->suspend_after == 0 || strikes < config->suspend_after || strike_is_out(c, r))
		return;
	r->strikes = 0;
	r->suspended_until_s = now + config->suspend_for_s;
	j->suspended = why;
}

void strike_tell(struct core *c, const struct job *j)
{
	char from[ADDRESS_TEXT];

	if (!j->suspended)
		return;
	count(&c->counters, COUNT_SUSPENDED);
	log_error("suspended",
	    "client=%s from=%s why=%s for_s=%u: look who has its keys; posternctl client resume %s "
	    "lets it in again",
	    j->client, address_text(&j->x.route.client, from), j->suspended,
	    c->realm->config.suspend_for_s, j->client);
	audit_event(c, j, JOURNAL_SUSPENDED, j->suspended);
}

int core_resume(struct core *c, const char *name)
{
	const struct client *cl = clients_by_name(c->realm->clients, name);
	struct client_record r;
	bool was_out;

	if (!cl)
		return RESUME_UNKNOWN;
	if (keep_begin(c) < 0 || keep_write_late(c) < 0 || keep_load(c, cl->cid, &r) < 0)
		goto failed;
	was_out = strike_is_out(c, &r);
	r.strikes = 0;
	r.suspended_until_s = 0;
	if (keep_save(c, cl->cid, &r) < 0 || keep_commit(c) < 0)
		goto failed;
	peers_pause(c->peers, clients_index(c->realm->clients, cl), 0);
	if (!was_out)
		return RESUME_NOTHING;
	log_info("resumed", "client=%s", cl->name);
	audit_client(c, cl, JOURNAL_RESUMED);
	return RESUME_DONE;
failed:
	keep_abort(c);
	return RESUME_FAILED;
}
