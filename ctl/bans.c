/*
 * bans - the addresses that are banned, as the kernel has them, and the end of
 * a ban. Neither needs the daemon, which the bans outlive.
 */
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "daemon.h"
#include "firewall_cmd.h"
#include "output.h"

enum { MS_PER_SECOND = 1000 };

struct ban {
	char address[ADDRESS_TEXT];
	uint64_t rest_ms;
};

struct bans {
	struct ban *at;
	size_t len, cap;
};

static void take(void *arg, const struct address *a, uint64_t rest_ms)
{
	struct bans *all = arg;

	if (all->len == all->cap) {
		all->cap = all->cap > 0 ? 2 * all->cap : 64;
		all->at = reallocarray(all->at, all->cap, sizeof(*all->at));
		if (!all->at)
			abort();
	}
	(void)address_text(a, all->at[all->len].address);
	all->at[all->len++].rest_ms = rest_ms;
}

/* Who is banned for longest comes first. */
static int by_rest(const void *x, const void *y)
{
	const struct ban *a = x, *b = y;

	return a->rest_ms > b->rest_ms ? -1 : a->rest_ms < b->rest_ms;
}

int cmd_bans(struct ctl *c, const struct arguments *a)
{
	json_t *table = output_table(c, "bans", "nobody is banned");
	const struct config *config = ctl_config(c);
	struct firewall *f = config ? firewall_cmd_start(c, config) : NULL;
	struct bans all = {0};
	int status = CTL_FAILED;

	(void)a;
	if (f)
		status =
		    firewall_bans(f, take, &all) == FIREWALL_OK
			? CTL_OK
			: output_fail(c, CTL_FAILED, "the bans cannot be read; run this as root");
	firewall_stop(f);
	if (all.len > 0)
		qsort(all.at, all.len, sizeof(all.at[0]), by_rest);
	for (size_t i = 0; i < all.len; i++) {
		json_t *row = output_row(table);

		row_text(row, "address", all.at[i].address);
		row_number(row, "rest_s", (all.at[i].rest_ms + MS_PER_SECOND - 1) / MS_PER_SECOND);
	}
	free(all.at);
	if (status != CTL_OK)
		output_drop(c, "bans");
	return status;
}

/* Where no daemon runs. */
static int unban_here(struct ctl *c, const struct address *from, char text[static CONTROL_TEXT_MAX])
{
	struct firewall *f = firewall_cmd_start(c, ctl_config(c));
	enum firewall_status s;

	if (!f)
		return CTL_FAILED;
	s = firewall_unban(f, from);
	firewall_stop(f);
	if (s != FIREWALL_OK && s != FIREWALL_NOT_THERE)
		return output_fail(c, CTL_FAILED, "the bans cannot be changed; run this as root");
	(void)snprintf(
	    text, CONTROL_TEXT_MAX, "%s", s == FIREWALL_OK ? "let in again" : "was not banned");
	return CTL_OK;
}

int cmd_unban(struct ctl *c, const struct arguments *a)
{
	const char *name = a->operand[0];
	const bool all = strcmp(name, CONTROL_ALL) == 0;
	const struct daemon_question q = {.type = CONTROL_UNBAN, .name = name, .may_be_away = true};
	char text[CONTROL_TEXT_MAX];
	struct address from;
	int status;

	if (!all && (address_parse(name, &from) != 0 || !address_is_admissible(&from)))
		return output_fail(c, CTL_USAGE,
		    "'%s' is no address that can be banned; posternctl bans lists those that are",
		    name);
	status = daemon_ask(c, &q, text);
	if (status == CTL_NOT_RUNNING)
		status = unban_here(c, all ? NULL : &from, text);
	if (status == CTL_OK)
		output_say(c, "%s: %s", name, text);
	return status;
}
