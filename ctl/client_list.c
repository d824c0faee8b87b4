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

static void add_permissions(json_t *row, const struct config *config, const struct client *k)
{
	json_t *services = row_list(row, "services"), *runs = row_list(row, "commands");
	unsigned i;

	for (i = 0; i < config->services; i++) {
		if (client_has_service(k, i))
			list_text(services, config->service[i].name);
	}
	for (i = 0; i < config->commands; i++) {
		if (client_has_command(k, i))
			list_text(runs, config->command[i].name);
	}
	if (k->command_line)
		list_text(runs, COMMAND_LINE_NAME);
}

/* What it must have or do besides its keys. */
static void add_proofs(json_t *row, const struct client *k)
{
	json_t *proofs = row_list(row, "proofs"), *carriers = row_list(row, "carriers");
	size_t i;

	if (k->pin.kib != 0)
		list_text(proofs, "pin");
	if (k->code.digits != 0)
		list_text(proofs, "totp");
	if (k->openpgp != NULL && !k->any_envelope)
		list_text(proofs, "openpgp");
	for (i = 0; k->carriers != 0 && i < CLIENT_CARRIERS; i++) {
		if (client_may_knock_by(k, client_carriers[i].id))
			list_text(carriers, client_carriers[i].name);
	}
}

static void add_sequences(json_t *row, const struct config *config, const struct client *k)
{
	json_t *list = row_list(row, "sequences");
	unsigned i;

	for (i = 1; i <= config->sequences; i++) {
		if ((k->sequences >> config->sequence[i].id & 1) != 0)
			list_text(list, config->sequence[i].name);
	}
}

static void add_times(json_t *row, const struct client *k)
{
	json_t *hours = row_list(row, "hours");
	char text[HOURS_TEXT];
	size_t i;

	for (i = 0; i < k->hours_len; i++)
		list_text(hours, hours_text(&k->hours[i], text));
}

static void add_most(json_t *row, const char *column, uint32_t most)
{
	if (most != 0)
		row_number(row, column, most);
	else
		row_text(row, column, NULL);
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
	char date[DATE_MAX];
	time_t expires = k->expires_s;
	struct tm tm;

	row_text(row, "name", k->name);
	row_text(row, "state", state_of(k, (int64_t)(clock_real_ns() / NS_PER_S)));
	add_permissions(row, config, k);
	(void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%MZ", gmtime_r(&expires, &tm));
	row_text(row, "expires", expires != 0 ? date : NULL);
	add_prefixes(row, "from", k->from, k->from_len);
	row_text(row, "address", policy_word(k->address));
	add_prefixes(row, "admit", k->admit, k->admit_len);
	add_most(row, "max_hold_s", k->max_hold_s);
	add_most(row, "doors", k->doors_max);
	add_times(row, k);
	row_flag(row, "challenge", k->challenge);
	add_proofs(row, k);
	add_sequences(row, config, k);
	row_flag(row, "cut", k->cut);
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
