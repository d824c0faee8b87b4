/* stats - what was counted, and how the sources that it was counted at are doing. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "command.h"
#include "daemon.h"
#include "output.h"

enum { TIME_TEXT = 32 };

#define OF_CAPTURE "capture."

/* All borrowed from the output. */
struct tables {
	json_t *sources, *dropped, *counters;
};

/* As "2026-01-31T12:00:00Z". */
static const char *time_text(char out[static TIME_TEXT], uint64_t seconds)
{
	const time_t t = (time_t)seconds;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || strftime(out, TIME_TEXT, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		(void)snprintf(out, TIME_TEXT, "?");
	return out;
}

static void add_source(void *arg, const struct control_source *s)
{
	struct tables *t = arg;
	json_t *row = output_row(t->sources);
	char since[TIME_TEXT];

	row_text(row, "source", s->name);
	row_text(row, "interface", s->interface);
	row_text(row, "method", s->method);
	row_flag(row, "switched", s->switched == 1);
	row_text(row, "state", s->state);
	row_text(row, "since", time_text(since, s->since_s));
	row_number(row, "ready", s->ready);
	row_number(row, "workers", s->workers);
	row_number(row, "seen", 0);
	row_number(row, "matched", 0);
	row_number(row, "lost", 0);
	row_number(row, "piece", 0);
	row_number(row, "dropped", 0);
	row_text(row, "why", s->why[0] != '\0' ? s->why : NULL);
	row_text(output_row(t->dropped), "source", s->name);
}

static json_t *row_of(json_t *table, const char *name, size_t len)
{
	json_t *row;
	size_t i;

	json_array_foreach(table, i, row)
	{
		const char *source = json_string_value(json_object_get(row, "source"));

		if (source && strlen(source) == len && memcmp(source, name, len) == 0)
			return row;
	}
	return NULL;
}

/* "capture.NAME.REASON", where the name may have dots. */
static void add_to_source(const struct tables *t, const struct control_counter *n)
{
	const char *name = n->name + strlen(OF_CAPTURE);
	const char *reason = strrchr(name, '.');
	json_t *row = reason ? row_of(t->sources, name, (size_t)(reason - name)) : NULL;
	json_t *dropped = reason ? row_of(t->dropped, name, (size_t)(reason - name)) : NULL;

	if (!row || !dropped)
		return;
	reason++;
	if (json_object_get(row, reason)) {
		row_number(row, reason, n->value);
		return;
	}
	row_number(dropped, reason, n->value);
	row_number(row, "dropped",
	    (uint64_t)json_integer_value(json_object_get(row, "dropped")) + n->value);
}

static void add_counter(void *arg, const struct control_counter *n)
{
	const struct tables *t = arg;
	json_t *row = output_row(t->counters);

	row_text(row, "counter", n->name);
	row_number(row, "value", n->value);
	if (strncmp(n->name, OF_CAPTURE, strlen(OF_CAPTURE)) == 0)
		add_to_source(t, n);
}

int cmd_stats(struct ctl *c, const struct arguments *a)
{
	struct tables t = {.sources = output_table(c, "sources", "no source is captured yet"),
	    .dropped = output_table(c, "dropped", "nothing was dropped yet"),
	    .counters = output_table(c, "counters", "nothing is counted yet")};
	const struct daemon_listener l = {.source = add_source, .counter = add_counter, .arg = &t};
	const struct daemon_question q = {.type = CONTROL_STATS, .listener = &l};
	char text[CONTROL_TEXT_MAX];
	int status = daemon_ask(c, &q, text);

	(void)a;
	if (status != CTL_OK) {
		output_drop(c, "sources");
		output_drop(c, "dropped");
		output_drop(c, "counters");
	}
	return status;
}

/* The daemon would do as it is told. Returns an enum ctl_status, told. */
static int check_hearing(struct ctl *c, const char *method)
{
	const struct config *config = ctl_config(c);

	if (config == NULL)
		return CTL_FAILED;
	switch (config_hearing(config, method)) {
	case HEARS_ALL:
		break;
	case HEARS_SOME:
		output_warn(c,
		    "%s hears knocks by udp alone; by another carrier they get in where another "
		    "source hears it",
		    method);
		break;
	case HEARS_NONE:
		return output_fail(c, CTL_FAILED,
		    "%s hears knocks by udp alone, and posternd.conf has other carriers; take "
		    "another capture",
		    method);
	}
	return CTL_OK;
}

int cmd_capture_switch(struct ctl *c, const struct arguments *a)
{
	const char *source = arguments_value(a, "source");
	const struct daemon_question q = {
	    .type = CONTROL_SWITCH, .name = source, .word = a->operand[0]};
	char text[CONTROL_TEXT_MAX];
	int status;

	if (config_capture_past(a->operand[0]) != NULL)
		return output_fail(
		    c, CTL_USAGE, "%s: %s", a->operand[0], config_capture_past(a->operand[0]));
	if (config_capture(a->operand[0]) < 0)
		return output_fail(c, CTL_USAGE,
		    "there is no way to capture of that name: posternctl capture methods names "
		    "them");
	status = check_hearing(c, a->operand[0]);
	if (status != CTL_OK)
		return status;
	status = daemon_ask(c, &q, text);
	if (status == CTL_OK)
		output_say(c,
		    "%s captures by %s until the next reload or restart; posternd.conf "
		    "keeps what it says",
		    source ? source : "every source", a->operand[0]);
	else if (status == CTL_REFUSED)
		output_say(c, "posternd captures as before");
	return status;
}
