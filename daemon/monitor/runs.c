/* runs - see runs.h. */
#include "runs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "clock.h"

_Static_assert(
    (int)COMMAND_OUTPUT_BYTES == (int)COMMAND_OUTPUT_KEPT, "message.h and command.h agree");
_Static_assert((int)COMMAND_ARGUMENTS == (int)CONFIG_ARGUMENTS_MAX, "message.h and config.h agree");
_Static_assert((int)COMMAND_WORDS_MAX >= (int)CONFIG_WORDS_MAX + (int)CONFIG_ARGUMENTS_MAX,
    "command.h has room for what config.h allows");

enum {
	LINE_SECONDS = 60, /* a command line has no configuration of its own */
	LINE_BYTES = COMMAND_ARGUMENTS * COMMAND_ARGUMENT_BYTES,
	REFUSALS_BURST = 10,
	REFUSALS_PERIOD_MS = 10000,
	VARIABLES = 5,
};

/* What a command is told beside its arguments. */
struct surroundings {
	char text[VARIABLES][COMMAND_VARIABLE_MAX];
	const char *list[VARIABLES + 1];
};

static void answer(struct runs *r, uint64_t id, enum run_status status)
{
	const struct msg_command_done done = {
	    .head = {MSG_COMMAND_DONE, sizeof(done)}, .id = id, .status = status};

	r->done(r->arg, &done);
}

static enum run_status status_of(enum command_outcome o)
{
	switch (o) {
	case COMMAND_ENDED:
	case COMMAND_SIGNALED:
		return RUN_ENDED;
	case COMMAND_TIMEOUT:
		return RUN_TIMEOUT;
	}
	return RUN_FAILED;
}

static void ended(void *arg, const struct command_end *end)
{
	struct runs *r = arg;
	struct msg_command_done done = {.head = {MSG_COMMAND_DONE, sizeof(done)},
	    .id = end->id,
	    .status = status_of(end->outcome),
	    .exit_status = end->exit_status,
	    .output_len = (uint16_t)end->output_len};

	memcpy(done.output, end->output, end->output_len);
	log_info("command_ended", "id=%016" PRIx64 " exit=%u%s output=%zu%s", end->id,
	    end->exit_status, end->outcome == COMMAND_TIMEOUT ? " timeout=yes" : "",
	    end->output_len, end->cut ? " cut=yes" : "");
	if (!end->forgotten)
		r->done(r->arg, &done);
}

void runs_open(struct runs *r, struct loop *loop, runs_done *done, void *arg)
{
	*r = (struct runs){.commands = commands_new(loop, ended, r),
	    .refusals = {.burst = REFUSALS_BURST, .period_ms = REFUSALS_PERIOD_MS},
	    .done = done,
	    .arg = arg};
}

void runs_close(struct runs *r)
{
	commands_free(r->commands);
	r->commands = NULL;
}

void runs_forget(struct runs *r)
{
	commands_forget(r->commands);
}

/* Ended by NUL, and nothing after it. */
static bool is_text(const char *at, size_t size)
{
	const size_t len = strnlen(at, size);

	for (size_t i = len; i < size; i++)
		if (at[i] != '\0')
			return false;
	return len < size;
}

static bool is_sound(const struct msg_command *m)
{
	if (m->arguments > COMMAND_ARGUMENTS || !is_text(m->client, sizeof(m->client)) ||
	    !config_is_name(m->client))
		return false;
	for (unsigned i = 0; i < COMMAND_ARGUMENTS; i++)
		if (!is_text(m->argument[i], sizeof(m->argument[i])) ||
		    (i >= m->arguments && m->argument[i][0] != '\0'))
			return false;
	return true;
}

static bool arguments_fit(const struct command_config *c, const struct msg_command *m)
{
	if (m->arguments != c->arguments.len)
		return false;
	for (unsigned i = 0; i < m->arguments; i++)
		if (!config_argument_fits(c->arguments.at[i], m->argument[i]))
			return false;
	return true;
}

/* Is the command what that service's doors wait for, and the door for somebody? */
static bool is_approval(const struct config *c, const struct msg_command *m)
{
	struct prefix admit = {.len = m->admit_len};

	memcpy(admit.addr.b, m->admit, sizeof(admit.addr.b));
	return m->approves <= c->services &&
	       strcmp(c->service[m->approves - 1].approve, c->command[m->command].name) == 0 &&
	       prefix_is_canonical(&admit);
}

/* NULL when it may be. */
static const char *fault_of(
    const struct config *c, uint32_t generation, const struct msg_command *m)
{
	if (!is_sound(m))
		return "not well-formed";
	if (m->generation != generation)
		return "another configuration is in force";
	if (m->command == COMMAND_LINE)
		return c->command_line_user[0] == '\0' || m->approves != 0 ? "no command-line-user"
									   : NULL;
	if (m->command >= c->commands)
		return "no such command";
	if (m->approves != 0 && !is_approval(c, m))
		return "no door of that service waits for it";
	if (!arguments_fit(&c->command[m->command], m))
		return "arguments that the configuration does not let through";
	return NULL;
}

static void surround(struct surroundings *s, const struct msg_command *m, const char *command)
{
	struct address a;
	char text[ADDRESS_TEXT];

	memcpy(a.b, m->address, sizeof(a.b));
	(void)snprintf(s->text[0], COMMAND_VARIABLE_MAX, "POSTERN_CLIENT=%s", m->client);
	(void)snprintf(
	    s->text[1], COMMAND_VARIABLE_MAX, "POSTERN_ADDRESS=%s", address_text(&a, text));
	(void)snprintf(s->text[2], COMMAND_VARIABLE_MAX, "POSTERN_COMMAND=%s", command);
	for (unsigned i = 0; i < VARIABLES; i++)
		s->list[i] = s->text[i][0] != '\0' ? s->text[i] : NULL;
	s->list[VARIABLES] = NULL;
}

/* And what it is to say yes to. */
static void surround_approval(
    struct surroundings *s, const struct msg_command *m, const struct service *service)
{
	struct prefix admit = {.len = m->admit_len};
	char text[PREFIX_TEXT];

	memcpy(admit.addr.b, m->admit, sizeof(admit.addr.b));
	(void)snprintf(s->text[3], COMMAND_VARIABLE_MAX, "POSTERN_SERVICE=%s", service->name);
	(void)snprintf(
	    s->text[4], COMMAND_VARIABLE_MAX, "POSTERN_ADMIT=%s", prefix_text(&admit, text));
	s->list[3] = s->text[3];
	s->list[4] = s->text[4];
}

/* They were found when the configuration was read, or it would not be in force. */
static const struct user *user_of(const struct users *users, const char *name)
{
	const struct user *u = users_named(users, name);

	if (!u)
		abort();
	return u;
}

static void start(struct runs *r, const struct command_order *o, const struct msg_command *m)
{
	const bool full = commands_running(r->commands) == COMMANDS_MAX;

	log_info("command", "id=%016" PRIx64 " client=%s user=%s timeout_s=%" PRIu32, m->id,
	    m->client, o->user->name, o->timeout_s);
	if (command_run(r->commands, o) < 0)
		answer(r, m->id, full ? RUN_BUSY : RUN_FAILED);
}

static void run_configured(struct runs *r, const struct config *config, const struct user *user,
    const struct msg_command *m)
{
	const struct command_config *c = &config->command[m->command];
	const char *argv[CONFIG_WORDS_MAX + COMMAND_ARGUMENTS + 1];
	struct surroundings s = {.list = {NULL}};
	size_t n = 0;

	for (unsigned i = 0; i < c->run.len; i++)
		argv[n++] = c->run.at[i];
	for (unsigned i = 0; i < m->arguments; i++)
		argv[n++] = m->argument[i];
	argv[n] = NULL;
	surround(&s, m, c->name);
	if (m->approves != 0)
		surround_approval(&s, m, &config->service[m->approves - 1]);
	start(r,
	    &(struct command_order){.id = m->id,
		.argv = argv,
		.user = user,
		.timeout_s = c->timeout_s,
		.variables = s.list},
	    m);
}

/* The one place where a shell sees what came over the network: that is what was configured. */
static void run_line(struct runs *r, const struct user *user, const struct msg_command *m)
{
	char line[LINE_BYTES] = "";
	const char *const argv[] = {"/bin/sh", "-c", line, NULL};
	struct surroundings s = {.list = {NULL}};
	size_t len = 0;

	for (unsigned i = 0; i < m->arguments; i++) {
		const size_t more = strlen(m->argument[i]);

		memcpy(line + len, m->argument[i], more + 1);
		len += more;
	}
	surround(&s, m, COMMAND_LINE_NAME);
	start(r,
	    &(struct command_order){.id = m->id,
		.argv = argv,
		.user = user,
		.timeout_s = LINE_SECONDS,
		.variables = s.list},
	    m);
}

void runs_serve(struct runs *r, const struct config *c, const struct users *users,
    uint32_t generation, const struct msg_command *m)
{
	const char *fault = fault_of(c, generation, m);
	uint64_t missed = 0;

	if (fault) {
		if (log_allowed(&r->refusals, clock_mono_ms(), &missed))
			log_warning(
			    "command_refused", "why=\"%s\" suppressed=%" PRIu64, fault, missed);
		answer(r, m->id, RUN_REFUSED);
	} else if (m->command == COMMAND_LINE) {
		run_line(r, user_of(users, c->command_line_user), m);
	} else {
		run_configured(r, c, user_of(users, c->command[m->command].user), m);
	}
}
