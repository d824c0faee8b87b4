/*
 * postern - knock at a server, and have a door opened.
 */
#include "command.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "model.h"

enum { MANY = 64 };

const struct command commands[] = {
    {"import", "FILE", "bring in a profile that the server's administrator made", 1, 1,
	TAKES_NAME | TAKES_JSON | TAKES_QUIET, command_import},
    {"open", "PROFILE [SERVICE...]", "open doors: the services named, or all of the profile", 1,
	MANY, TAKES_KNOCK | TAKES_HOLD | TAKES_NARROW | TAKES_ADDRESS | TAKES_STRICT, command_open},
    {"keep", "PROFILE [SERVICE...]", "hold doors open until this is ended, then close them", 1,
	MANY, TAKES_KNOCK | TAKES_HOLD | TAKES_NARROW | TAKES_ADDRESS | TAKES_STRICT | TAKES_KILL,
	command_keep},
    {"close", "PROFILE [SERVICE...]", "close doors: the services named, one session, or all", 1,
	MANY, TAKES_KNOCK | TAKES_SESSION | TAKES_ALL | TAKES_KILL, command_close},
    {"run", "PROFILE [COMMAND [ARGUMENT...]]", "have the server run one of its commands", 1, 10,
	TAKES_KNOCK | TAKES_LINE, command_run},
    {"ping", "PROFILE", "is it heard, which address does the server see, what time has it", 1, 1,
	TAKES_KNOCK, command_ping},
    {"list", "PROFILE", "this client's open doors", 1, 1, TAKES_KNOCK, command_list},
    {"connect", "HOST PORT|SERVICE", "knock, then be a pipe to that: ssh's ProxyCommand", 2, 2,
	TAKES_PROFILE | TAKES_USER | TAKES_TRAVEL | TAKES_FAMILY | TAKES_CHALLENGE | TAKES_RETRIES |
	    TAKES_EXACT,
	command_connect},
    {"ssh-config", "[PROFILE]", "lines for ~/.ssh/config, so that plain ssh knocks", 0, 1, 0,
	command_ssh_config},
    {"profiles", "", "the profiles that are here", 0, 0, TAKES_JSON, command_profiles},
    {"cover", "show PHOTO | check FOLDER",
	"what hiding does to a picture; how many knocks photographs are good for", 2, 2,
	TAKES_OUTPUT | TAKES_JSON | TAKES_QUIET, command_cover},
    {"help", "[COMMAND]", "this, or what one command takes", 0, 1, 0, NULL},
    {"version", "", "the version", 0, 0, 0, NULL},
    {0},
};

const struct command *command_find(const char *name)
{
	for (const struct command *c = commands; c->name; c++) {
		if (strcmp(c->name, name) == 0)
			return c;
	}
	return NULL;
}

static void print_commands(FILE *out)
{
	(void)fprintf(out, "usage: postern COMMAND [OPTION...] ...\n\n");
	for (const struct command *c = commands; c->name; c++) {
		char left[40];
		(void)snprintf(left, sizeof(left), "%s %s", c->name, c->operands);
		(void)fprintf(out, "  %-28s %s\n", left, c->summary);
	}
	(void)fprintf(out,
	    "\nExit status: 0 granted, 1 denied, 2 no answer, 3 bad usage, 4 bad profile, "
	    "5 system error, "
	    "7 a command failed.\n'postern help COMMAND' has the options; postern(1) has the "
	    "rest.\n");
}

static void print_command(const struct command *c)
{
	printf("usage: postern %s%s %s\n%s\n", c->name, c->options ? " [OPTION...]" : "",
	    c->operands, c->summary);
	if (c->options)
		printf("\n");
	settings_print(c);
}

static int no_such(const char *name)
{
	(void)fprintf(
	    stderr, "postern: there is no command '%s'; 'postern help' lists them\n", name);
	return POSTERN_BAD_ARGUMENT;
}

/* help and version, which need no library. */
static int print_about(const struct command *c, const struct settings *s)
{
	if (strcmp(c->name, "version") == 0) {
		printf("postern %s\n", postern_version());
		return POSTERN_OK;
	}
	if (s->operands == 0) {
		print_commands(stdout);
		return POSTERN_OK;
	}
	const struct command *about = command_find(s->operand[0]);
	if (!about)
		return no_such(s->operand[0]);
	print_command(about);
	return POSTERN_OK;
}

static int run(const struct command *c, const struct settings *s)
{
	struct postern *p = postern_new();

	if (!p) {
		(void)fprintf(stderr, "postern: out of memory, or libsodium does not start\n");
		return POSTERN_SYSTEM;
	}
	postern_set_ask(p, ask_person, NULL);
	json_t *model = model_new(c->name);
	int status = c->run(p, s, model);
	if (s->json)
		model_print_json(model);
	else
		model_print_text(model, s->quiet);
	json_decref(model);
	postern_free(p);
	return status;
}

int main(int argc, char **argv)
{
	struct settings s;

	(void)signal(SIGPIPE, SIG_IGN);
	if (argc < 2) {
		print_commands(stderr);
		return POSTERN_BAD_ARGUMENT;
	}
	const char *name = argv[1];
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		name = "help";
	if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
		name = "version";
	const struct command *c = command_find(name);
	if (!c)
		return no_such(name);
	int status = settings_read(c, argc - 1, argv + 1, &s);
	if (status < 0)
		return POSTERN_BAD_ARGUMENT;
	if (status > 0) {
		print_command(c);
		return POSTERN_OK;
	}
	return c->run ? run(c, &s) : print_about(c, &s);
}
