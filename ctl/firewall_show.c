/*
 * firewall_show - the rules that stand, or would stand, and the open doors.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "closes.h"
#include "firewall_cmd.h"
#include "output.h"

enum { MS_PER_SECOND = 1000, PROTO_TEXT = 8 };

static const char *proto_word(uint8_t proto, char number[static PROTO_TEXT])
{
	if (proto == IPPROTO_TCP)
		return "tcp";
	if (proto == IPPROTO_UDP)
		return "udp";
	(void)snprintf(number, PROTO_TEXT, "%u", proto);
	return number;
}

static uint64_t seconds_of(uint64_t ms)
{
	return (ms + MS_PER_SECOND - 1) / MS_PER_SECOND;
}

static void add_door(void *arg, const struct firewall_door *d)
{
	json_t *row = output_row(arg);
	char prefix[PREFIX_TEXT], proto[PROTO_TEXT], closes[CLOSES_TEXT];

	row_text(row, "from", prefix_text(&d->pass.from, prefix));
	row_text(row, "protocol", proto_word(d->proto, proto));
	row_number(row, "port", d->port);
	if (d->rest_ms == FIREWALL_FOR_EVER)
		row_text(row, "rest_s", NULL);
	else
		row_number(row, "rest_s", seconds_of(d->rest_ms));
	row_text(
	    row, "closes", closes_text(d->pass.idle_s, d->pass.source_port, d->pass.once, closes));
}

static void add_guarded(struct ctl *c, const struct firewall_state *s)
{
	json_t *table = output_table(c, "guarded", "nothing is guarded");
	char proto[PROTO_TEXT];

	for (unsigned i = 0; i < s->guarded; i++) {
		json_t *row = output_row(table);

		row_text(row, "protocol", proto_word(s->guard[i].proto, proto));
		row_number(row, "port", s->guard[i].port);
		row_text(row, "guarded", s->guard[i].rest_ms > 0 ? "on trial" : "for good");
		if (s->guard[i].rest_ms > 0)
			row_number(row, "rest_s", seconds_of(s->guard[i].rest_ms));
		else
			row_text(row, "rest_s", NULL);
	}
}

/* The rules as text; f NULL: those that config asks for. */
static int add_rules(struct ctl *c, const struct config *config, struct firewall *f)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	enum firewall_status status;

	if (!out)
		abort();
	status = f ? firewall_show(f, out)
		   : firewall_print(firewall_by_name(config->firewall), config, out);
	if (fclose(out) == 0 && status == FIREWALL_OK)
		output_text(c, "rules", text);
	free(text);
	return status == FIREWALL_OK
		   ? CTL_OK
		   : output_fail(c, CTL_FAILED, "the rules cannot be read; run this as root");
}

static int show_installed(
    struct ctl *c, const struct config *config, struct firewall *f, const struct firewall_state *s)
{
	int status = add_rules(c, config, f);

	add_guarded(c, s);
	output_fact(c, "trial", json_string(firewall_cmd_trial_word(s->trial)));
	if (firewall_list(f, add_door, output_table(c, "doors", "no door is open")) != FIREWALL_OK)
		return output_fail(c, CTL_FAILED, "the doors cannot be read; run this as root");
	return status;
}

int firewall_cmd_show(struct ctl *c, const struct config *config, const struct firewall_args *a)
{
	struct firewall *f = firewall_start(config, false);
	struct firewall_state s = {0};
	const bool seen = f && firewall_read(f, &s) == FIREWALL_OK;
	int status;

	(void)a;
	s.there = seen && s.there;
	output_fact(c, "installed", json_boolean(s.there));
	if (s.there) {
		status = show_installed(c, config, f, &s);
	} else {
		output_say(c, "%s",
		    seen
			? "The guard is not installed. These rules would be:"
			: "Whether the guard is installed cannot be seen (run this as root). These "
			  "rules would be:");
		status = add_rules(c, config, NULL);
	}
	firewall_stop(f);
	return status;
}
