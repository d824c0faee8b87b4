/* scripts - see scripts.h. */
#include "scripts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "address.h"
#include "clock.h"

enum {
	SCRIPT_S = 30,
	EVENTS_BURST = 50, /* a second */
	FAILURES_BURST = 5,
	FAILURES_PERIOD_MS = 10000,
	VARIABLES = COMMAND_VARIABLES_MAX,
};

struct surroundings {
	char text[VARIABLES][COMMAND_VARIABLE_MAX];
	const char *list[VARIABLES + 1];
	unsigned n;
};

/* What a script did not do is told, now and then. */
static void complain(struct scripts *s, const char *why)
{
	uint64_t missed = 0;

	if (log_allowed(&s->failures, clock_mono_ms(), &missed))
		log_warning("event_script", "why=\"%s\" missed=%" PRIu64, why, missed);
}

static void ended(void *arg, const struct command_end *end)
{
	char why[sizeof("it ended with 255")];

	if (end->outcome == COMMAND_TIMEOUT) {
		complain(arg, "it took too long and was killed");
	} else if (end->exit_status != 0) {
		(void)snprintf(why, sizeof(why), "it ended with %u", end->exit_status);
		complain(arg, why);
	}
}

void scripts_open(struct scripts *s, struct loop *loop)
{
	*s = (struct scripts){.commands = commands_new(loop, ended, s),
	    .rate = {.burst = EVENTS_BURST, .period_ms = MS_PER_S},
	    .failures = {.burst = FAILURES_BURST, .period_ms = FAILURES_PERIOD_MS}};
}

void scripts_close(struct scripts *s)
{
	commands_free(s->commands);
	s->commands = NULL;
}

/* Printable, ended by NUL, and nothing after it. */
static bool is_text(const char *at, size_t size)
{
	const size_t len = strnlen(at, size);

	for (size_t i = 0; i < size; i++)
		if (i < len ? at[i] < ' ' || at[i] > '~' : at[i] != '\0')
			return false;
	return len < size;
}

static const char *word_of(uint32_t event)
{
	static const char *const words[EVENTS] = {
	    [EVENT_GRANTED] = "granted",
	    [EVENT_CLOSED] = "closed",
	    [EVENT_ENDED] = "ended",
	    [EVENT_SUSPENDED] = "suspended",
	    [EVENT_RESUMED] = "resumed",
	    [EVENT_BANNED] = "banned",
	    [EVENT_UNBANNED] = "unbanned",
	    [EVENT_TRAPPED] = "trapped",
	};

	return words[event];
}

static struct prefix admit_of(const struct msg_event *m, unsigned i)
{
	return (struct prefix){.addr = address_v6(m->admit[i]), .len = m->admit_len[i]};
}

/* The lists in it. */
static bool are_sound(const struct msg_event *m)
{
	if (m->admits > EVENT_ADMITS || m->sessions > EVENT_SESSIONS)
		return false;
	for (unsigned i = 0; i < m->admits; i++) {
		const struct prefix p = admit_of(m, i);

		if (!prefix_is_canonical(&p))
			return false;
	}
	return true;
}

static bool is_sound(const struct msg_event *m)
{
	return m->event < EVENTS && is_text(m->client, sizeof(m->client)) &&
	       (m->client[0] == '\0' || config_is_name(m->client)) &&
	       is_text(m->verdict, sizeof(m->verdict)) && is_text(m->what, sizeof(m->what)) &&
	       is_text(m->reason, sizeof(m->reason)) && m->has_address <= 1 && are_sound(m);
}

static void add(struct surroundings *s, const char *name, const char *value)
{
	(void)snprintf(s->text[s->n], COMMAND_VARIABLE_MAX, "POSTERN_%s=%s", name, value);
	s->list[s->n] = s->text[s->n];
	s->list[++s->n] = NULL;
}

static void add_admits(struct surroundings *s, const struct msg_event *m)
{
	char text[EVENT_ADMITS * (PREFIX_TEXT + 1)] = "", one[PREFIX_TEXT];
	size_t at = 0;

	for (unsigned i = 0; i < m->admits; i++) {
		const struct prefix p = admit_of(m, i);

		at += (size_t)snprintf(
		    text + at, sizeof(text) - at, "%s%s", i > 0 ? "," : "", prefix_text(&p, one));
	}
	add(s, "ADMIT", text);
}

static void add_sessions(struct surroundings *s, const struct msg_event *m)
{
	char text[EVENT_SESSIONS * sizeof("0123456789abcdef")] = "";
	size_t at = 0;

	for (unsigned i = 0; i < m->sessions; i++)
		at += (size_t)snprintf(
		    text + at, sizeof(text) - at, "%s%016" PRIx64, i > 0 ? "," : "", m->session[i]);
	add(s, "SESSION", text);
}

static void surround(struct surroundings *s, const struct msg_event *m)
{
	const struct address a = address_v6(m->address);
	const time_t t = (time_t)(m->time_ns / NS_PER_S);
	char text[ADDRESS_TEXT + sizeof("2026-11-22T05:01:27Z")] = "";
	struct tm tm = {.tm_isdst = 0};

	(void)gmtime_r(&t, &tm);
	(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	add(s, "TIME", text);
	add(s, "EVENT", word_of(m->event));
	add(s, "CLIENT", m->client);
	add(s, "ADDRESS", m->has_address ? address_text(&a, text) : "");
	add(s, "VERDICT", m->verdict);
	add(s, "WHAT", m->what);
	add(s, "REASON", m->reason);
	add_admits(s, m);
	add_sessions(s, m);
}

int scripts_tell(
    struct scripts *s, const struct config *c, const struct users *users, const struct msg_event *m)
{
	const char *const argv[] = {c->event_script, NULL};
	struct surroundings around = {.n = 0};
	const struct command_order order = {.argv = argv,
	    .user = users_named(users, c->event_user),
	    .timeout_s = SCRIPT_S,
	    .variables = around.list};
	uint64_t missed = 0;

	if (!is_sound(m))
		return -1;
	if (c->event_script[0] == '\0' || !order.user)
		return 0; /* a reload came between */
	if (!log_allowed(&s->rate, clock_mono_ms(), &missed)) {
		complain(s, "too many events: some are left out");
		return 0;
	}
	surround(&around, m);
	if (command_run(s->commands, &order) < 0)
		complain(s, "it could not be started, or too many still run");
	return 0;
}
