/*
 * ban - against an address that is proven: where somebody behind it tries out
 * PINs, codes and services, the kernel drops what else comes from there for a
 * time. Proven means that what was sent there came back: nobody brings this on
 * an address that he cannot receive at. A knock that is right lifts it.
 */
#include <string.h>

#include "clock.h"
#include "inside.h"

static const struct config *config_of(const struct core *c)
{
	return &c->realm->config;
}

static void write_record(struct core *c, const struct ask *a, enum journal_event e)
{
	const struct address address = address_v6(a->ban.m.address);

	audit_address(c, &address, a->ban.client, e, a->ban.why);
}

/* --- ban --- */

/* What no client has to do with, strangers bring about, from as many addresses as they have: log and journal are not for them to fill. */
static bool may_tell(struct core *c, const struct ask *a)
{
	uint64_t missed = 0;

	if (a->ban.client[0] != '\0')
		return true;
	if (!log_allowed(&c->ban_log, c->w.boot_ms(c->w.arg), &missed))
		return false;
	if (missed > 0)
		log_warning("bans-untold", "count=%llu: posternctl bans lists who is banned",
		    (unsigned long long)missed);
	return true;
}

static void banned(struct core *c, const struct ask *a, enum door_status status, uint32_t seconds)
{
	const struct address address = address_v6(a->ban.m.address);
	char from[ADDRESS_TEXT];

	if (status == DOOR_OK)
		count(&c->counters, COUNT_BANNED);
	if (!may_tell(c, a))
		return;
	if (status != DOOR_OK) {
		log_warning("not-banned", "from=%s why=%s: %s", address_text(&address, from),
		    a->ban.why,
		    status == DOOR_FULL ? "the kernel has no room for more"
					: "the monitor or the kernel refuses");
		return;
	}
	log_error("banned",
	    "from=%s why=%s client=%s for_s=%u: posternctl unban %s lets it in again",
	    address_text(&address, from), a->ban.why, a->ban.client[0] ? a->ban.client : "-",
	    seconds, from);
	write_record(c, a, JOURNAL_BANNED);
}

void ban_strike(struct core *c, const struct address *from, const char *client, const char *why)
{
	const struct config *config = config_of(c);
	struct ask *a;

	if (config->ban_after == 0 || prefixes_contain(&config->ban_except, from))
		return;
	count(&c->counters, COUNT_BAN_STRIKE);
	if (strikes_add(c->strikes, from, c->w.boot_ms(c->w.arg) / MS_PER_S) < config->ban_after)
		return;
	strikes_forget(c->strikes, from);
	a = ask_ban(c, MSG_BAN, from, config->ban_for_s);
	a->ban.why = why;
	snprintf(a->ban.client, sizeof(a->ban.client), "%s", client);
	a->done = banned;
}

/* --- unban --- */

static void unbanned(struct core *c, const struct ask *a, enum door_status status, uint32_t seconds)
{
	const struct address address = address_v6(a->ban.m.address);
	char from[ADDRESS_TEXT];

	(void)seconds;
	if (status == DOOR_OK) {
		count(&c->counters, COUNT_UNBANNED);
		log_info("unbanned", "from=%s why=%s client=%s",
		    address_is_zero(&address) ? "all" : address_text(&address, from), a->ban.why,
		    a->ban.client[0] ? a->ban.client : "-");
		write_record(c, a, JOURNAL_UNBANNED);
	}
	if (a->ban.told)
		a->ban.told(a->arg, status);
}

static void lift(struct core *c, const struct job *j, const struct address *from)
{
	struct ask *a = ask_ban(c, MSG_UNBAN, from, 0);

	strikes_forget(c->strikes, from);
	a->ban.why = "knock";
	memcpy(a->ban.client, j->client, sizeof(a->ban.client));
	a->done = unbanned;
}

/* Was there such a step before? */
static bool is_again(const struct job *j, unsigned at)
{
	for (unsigned i = 0; i < at; i++)
		if (prefix_equal(&j->step[i].r.admit, &j->step[at].r.admit))
			return true;
	return false;
}

/*
 * Where the user gives a PIN or a code for doors and commands, the keys alone
 * do not lift: a ping between the guesses would.
 */
static bool is_by_its_user(const struct core *c, const struct job *j)
{
	const struct client *cl = clients_by_cid(c->realm->clients, j->key.cid);

	return cl && (j->verb == VERB_OPEN || j->verb == VERB_RUN ||
			 (cl->pin.kib == 0 && cl->code.digits == 0));
}

void ban_lift(struct core *c, const struct job *j)
{
	if (config_of(c)->ban_after == 0 || !is_by_its_user(c, j))
		return;
	lift(c, j, &j->x.route.client);
	for (unsigned i = 0; j->kind == JOB_OPEN && i < j->steps; i++) {
		const struct prefix *admit = &j->step[i].r.admit;

		if (prefix_is_host(admit) && !address_equal(&admit->addr, &j->x.route.client) &&
		    !is_again(j, i))
			lift(c, j, &admit->addr);
	}
}

void core_unban(struct core *c, const struct address *from, core_unban_fn *told, void *arg)
{
	static const struct address all;
	struct ask *a = ask_ban(c, MSG_UNBAN, from ? from : &all, 0);

	if (from)
		strikes_forget(c->strikes, from);
	a->ban.why = "administrator";
	a->ban.told = told;
	a->arg = arg;
	a->done = unbanned;
	ask_pump(c);
}
