/*
 * client_list - who may open what; nothing that is secret.
 */
#include <stdio.h>
#include <time.h>

#include "clock.h"
#include "command.h"
#include "output.h"
#include "roster.h"

enum { DATE_MAX = 24 };

static const char *policy_word(enum address_policy p)
{
	switch (p) {
	case ADDRESS_SOURCE:
		return "source";
	case ADDRESS_NAMED:
		return "named";
	case ADDRESS_LIST:
		return "list";
	}
	return "-";
}

static void add_prefixes(json_t *row, const char *column, const struct prefix *p, size_t n)
{
	json_t *list = row_list(row, column);
	char text[PREFIX_TEXT];

	for (; n > 0; n--, p++)
		list_text(list, prefix_text(p, text));
}

static const char *state_of(const struct client *k, int64_t now_s)
{
	if (k->disabled)
		return "disabled";
	return k->expires_s != 0 && now_s >= k->expires_s ? "expired" : "good";
}

static void add_client(json_t *table, const struct config *config, const struct client *k)
{
	json_t *row = output_row(table);
	json_t *services;
	char date[DATE_MAX];
	time_t expires = k->expires_s;
	struct tm tm;
	unsigned i;

	row_text(row, "name", k->name);
	row_text(row, "state", state_of(k, (int64_t)(clock_real_ns() / NS_PER_S)));
	services = row_list(row, "services");
	for (i = 0; i < config->services; i++) {
		if (client_has_service(k, i))
			list_text(services, config->service[i].name);
	}
	(void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%MZ", gmtime_r(&expires, &tm));
	row_text(row, "expires", expires != 0 ? date : NULL);
	add_prefixes(row, "from", k->from, k->from_len);
	row_text(row, "address", policy_word(k->address));
	add_prefixes(row, "admit", k->admit, k->admit_len);
	if (k->max_hold_s != 0)
		row_number(row, "max_hold_s", k->max_hold_s);
	else
		row_text(row, "max_hold_s", NULL);
	row_flag(row, "challenge", k->challenge);
}

int cmd_client_list(struct ctl *c, const struct arguments *a)
{
	struct roster r;
	json_t *table;
	size_t i;

	(void)a;
	if (roster_open(c, &r, false) != CTL_OK)
		return CTL_FAILED;
	table =
	    output_table(c, "clients", "there is no client yet; posternctl client add makes one");
	for (i = 0; i < clients_count(r.clients); i++)
		add_client(table, ctl_config(c), clients_at(r.clients, i));
	roster_close(&r);
	return CTL_OK;
}
