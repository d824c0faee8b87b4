#include "command.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"

enum { NAME_WIDTH = 34 };

static const struct option_def init_options[] = {
    {"config-dir", "D", "folder for keys, clients and posternd.conf (/etc/postern)"},
    {"state-dir", "S", "folder for what must outlive a restart (/var/lib/postern)"},
    {"run-dir", "R", "folder for the control socket (/run/postern)"},
    {"interface", "IF", "where knocks come in; may be repeated (any)"},
    {"port", "N", "the knock port (a random one that is free)"},
    {"silence", "drop|closed", "how guarded ports keep silent (drop)"},
    {.name = NULL},
};

static const struct option_def client_add_options[] = {
    {"service", "S[,S...]", "what the client may open; may be repeated"},
    {"command", "C[,C...]", "what it may run; may be repeated"},
    {"command-line", NULL, "it may have any line run by a shell"},
    {"cut", NULL, "it may end connections when it closes a door"},
    {"server", "HOST",
	"name or address that the client knocks at; may be repeated (this host's name)"},
    {"port-override", "N", "the port to knock at, when a router forwards another one"},
    {"expires", "YYYY-MM-DD", "the first day on which it is no longer let in (UTC)"},
    {"from", "PREFIX", "networks that it may knock from; may be repeated (anywhere)"},
    {"address", "POLICY", "whom doors may be opened for: source, named or list (named)"},
    {"admit", "PREFIX", "with --address list: the addresses; may be repeated"},
    {"max-hold", "SECONDS", "the longest that its doors stay open (the service's)"},
    {"hours", "TIMES", "when it may knock, such as mon-fri@08:00-18:00, in UTC; may be repeated"},
    {"doors", "N", "how many doors it may have open at once (64)"},
    {"carrier", "NAME", "by what it must knock, such as sequence; may be repeated (any)"},
    {"sequence", "NAME", "along which it must knock; may be repeated (the one without a name)"},
    {"challenge", NULL, "it must always prove that it is there now"},
    {"openpgp", "KEYFILE", "its OpenPGP public key, which it must use then"},
    {"envelope", "openpgp|any", "with --openpgp any: it may do without it all the same"},
    {"output", "FILE", "where the profile goes; - is standard output (NAME.profile)"},
    {.name = NULL},
};

static const struct option_def pin_options[] = {
    {"remove", NULL, "it needs none any more"},
    {.name = NULL},
};

static const struct option_def totp_options[] = {
    {"digits", "6|7|8", "how long its codes are (6)"},
    {"remove", NULL, "it needs none any more"},
    {.name = NULL},
};

static const struct option_def rotate_options[] = {
    {"forget-previous", NULL,
	"end a rotation: knocks with the previous key are strangers' from now on"},
    {.name = NULL},
};

static const struct option_def close_options[] = {
    {"client", "NAME", "all doors of this client"},
    {.name = NULL},
};

static const struct option_def log_options[] = {
    {"client", "NAME", "what this client asked for alone"},
    {"verdict", "WORD", "what was decided so alone: ok, denied, expired ..."},
    {"service", "NAME", "what was asked of this service or command alone"},
    {"since", "TIME", "no older: 10m, 12h, 7d, 2030-12-31 or 2030-12-31T18:00Z"},
    {"last", "N", "the newest so many (1000; with --follow 10)"},
    {"follow", NULL, "go on as more comes, a line each"},
    {.name = NULL},
};

static const struct option_def capture_switch_options[] = {
    {"source", "NAME", "this source alone, instead of all"},
    {NULL, NULL, NULL},
};

static const struct option_def capture_compare_options[] = {
    {"seconds", "N", "how long they are compared: in each turn (10), or at each rate (1)"},
    {"self-test", NULL, "on traffic of its own, in a network namespace of its own"},
    {"rate", "N", "packets a second of the self-test; may be repeated (1000 to 200000)"},
    {"interface", "IF", "where packets come in (the configuration's first source)"},
    {"port", "N", "the UDP port that they come to (the configuration's knock port)"},
    {"filter", "EXPR", "which of them alone, by pcap-filter(7)"},
    {"plot", "FILE", "draw rate against loss and against CPU, as SVG"},
    {"progress", NULL, "a progress line also when standard error is no terminal"},
    {.name = NULL},
};

const struct command commands[] = {
    {"init", "", "make keys, users and a configuration", 0, 0, init_options, cmd_init, NULL},
    {"client add", "NAME", "let a new client in, and write its profile once", 1, 1,
	client_add_options, cmd_client_add, NULL},
    {"client list", "", "who may open what", 0, 0, NULL, cmd_client_list, NULL},
    {"client resume", "NAME", "let a suspended client in again before the time", 1, 1, NULL,
	cmd_client_resume, NULL},
    {"client revoke", "NAME", "shut a client out and close its doors", 1, 1, NULL,
	cmd_client_revoke, NULL},
    {"client pin", "NAME", "have its user give a PIN for doors and commands", 1, 1, pin_options,
	cmd_client_pin, NULL},
    {"client totp", "NAME", "have its user give one-time codes for doors and commands", 1, 1,
	totp_options, cmd_client_totp, NULL},
    {"rotate-door-key", "", "make a new door key; clients follow by themselves", 0, 0,
	rotate_options, cmd_rotate_door_key, NULL},
    {"sessions", "", "the doors that are open now", 0, 0, NULL, cmd_sessions, NULL},
    {"close", "[SESSION]", "close a door before its time", 0, 1, close_options, cmd_close, NULL},
    {"bans", "", "the addresses that are banned now", 0, 0, NULL, cmd_bans, NULL},
    {"unban", "ADDRESS|all", "let a banned address in again before the time", 1, 1, NULL, cmd_unban,
	NULL},
    {"log", "", "what was decided: the journal", 0, 0, log_options, cmd_log, NULL},
    {"stats", "", "what was counted since the daemon started", 0, 0, NULL, cmd_stats, NULL},
    {"reload", "", "read configuration, clients and keys again, all or nothing", 0, 0, NULL,
	cmd_reload, NULL},
    {"capture switch", "METHOD", "capture by another method from now on", 1, 1,
	capture_switch_options, cmd_capture_switch, NULL},
    {"capture methods", "", "the ways to capture that there are", 0, 0, NULL, cmd_capture_methods,
	NULL},
    {"capture compare", "[METHOD...]", "what each way to capture costs and loses", 0, OPERANDS_MAX,
	capture_compare_options, cmd_capture_compare, NULL},
    {"firewall", "show|check|try|confirm|install|remove",
	"the guard in the kernel; --help tells more", 0, 0, NULL, NULL, cmd_firewall},
    {.name = NULL},
};

/* How many words of argv are the words of name; 0 when they are not. */
static int words_of(const char *name, int argc, char **argv)
{
	int n = 0;
	size_t len;

	while (*name != '\0') {
		len = strcspn(name, " ");
		if (n >= argc || strlen(argv[n]) != len || strncmp(argv[n], name, len) != 0)
			return 0;
		name += len + (name[len] == ' ');
		n++;
	}
	return n;
}

const struct command *command_find(int argc, char **argv, int *words)
{
	const struct command *k;

	for (k = commands; k->name != NULL; k++) {
		*words = words_of(k->name, argc, argv);
		if (*words > 0)
			return k;
	}
	return NULL;
}

static size_t make_options(const struct command *k, struct option out[static OPTIONS_MAX + 1])
{
	const struct option_def *d = k->options;
	size_t n = 0;

	for (; d != NULL && d->name != NULL; d++) {
		if (n == OPTIONS_MAX)
			abort(); /* our own table */
		out[n++] = (struct option){.name = d->name,
		    .has_arg = d->argument != NULL ? required_argument : no_argument};
	}
	out[n] = (struct option){.name = NULL};
	return n;
}

static int complain(struct ctl *c, const struct command *k, const char *what, const char *which)
{
	return output_fail(
	    c, CTL_USAGE, "%s%s; 'posternctl help %s' tells more", what, which, k->name);
}

static int keep_option(struct ctl *c, const struct command *k, int index, struct arguments *out)
{
	if (out->given == GIVEN_MAX)
		return complain(c, k, "there are too many options", "");
	out->give[out->given].option = &k->options[index];
	out->give[out->given].value = optarg != NULL ? optarg : "";
	out->given++;
	return CTL_OK;
}

static int keep_operands(
    struct ctl *c, const struct command *k, int argc, char **argv, struct arguments *out)
{
	for (; argc > 0; argc--, argv++) {
		if (out->operands == k->most)
			return complain(c, k, "there is nothing to do with ", argv[0]);
		out->operand[out->operands++] = argv[0];
	}
	if (out->operands < k->least)
		return complain(c, k, "something is missing: ", k->operands);
	return CTL_OK;
}

int arguments_read(
    struct ctl *c, const struct command *k, int argc, char **argv, struct arguments *out)
{
	struct option options[OPTIONS_MAX + 1];
	char *word[GIVEN_MAX * 2 + 1];
	int index = 0;
	int n, found;

	*out = (struct arguments){.operands = 0};
	(void)make_options(k, options);
	if (argc > GIVEN_MAX * 2 - 1)
		return complain(c, k, "there are too many arguments", "");
	word[0] = (char *)(uintptr_t)k->name; /* getopt begins behind it */
	for (n = 0; n < argc; n++)
		word[n + 1] = argv[n];
	word[n + 1] = NULL;
	optind = 0; /* begin anew, so that tests may read more than once */
	opterr = 0;
	while ((found = getopt_long(argc + 1, word, ":", options, &index)) != -1) {
		if (found == ':')
			return complain(c, k, "an argument is missing after ", word[optind - 1]);
		if (found != 0)
			return complain(c, k, "there is no option ", word[optind - 1]);
		if (keep_option(c, k, index, out) != CTL_OK)
			return CTL_USAGE;
	}
	return keep_operands(c, k, argc + 1 - optind, word + optind, out);
}

const char *arguments_next(const struct arguments *a, const char *name, size_t *index)
{
	while (*index < a->given) {
		size_t i = (*index)++;

		if (strcmp(a->give[i].option->name, name) == 0)
			return a->give[i].value;
	}
	return NULL;
}

const char *arguments_value(const struct arguments *a, const char *name)
{
	const char *last = NULL;
	const char *value;
	size_t index = 0;

	while ((value = arguments_next(a, name, &index)) != NULL)
		last = value;
	return last;
}

static void print_left(const char *first, const char *second, const char *right, FILE *out)
{
	char left[96];

	(void)snprintf(left, sizeof(left), "%s%s%s", first, second[0] != '\0' ? " " : "", second);
	if (strlen(left) < NAME_WIDTH)
		(void)fprintf(out, "  %-*s%s\n", NAME_WIDTH, left, right);
	else
		(void)fprintf(out, "  %s\n  %-*s%s\n", left, NAME_WIDTH, "", right);
}

void usage_all(FILE *out)
{
	const struct command *k;

	(void)fprintf(out, "usage: posternctl [-c FILE] [--json] [--quiet] COMMAND ...\n\n");
	for (k = commands; k->name != NULL; k++)
		print_left(k->name, k->operands, k->summary, out);
	(void)fprintf(out, "\n");
	print_left("-c", "FILE", "the configuration (" CTL_CONFIG_PATH ")", out);
	print_left("--json", "", "say it all as one JSON object", out);
	print_left("--quiet", "", "say nothing but warnings, errors and what was asked for", out);
	(void)fprintf(
	    out, "\n'posternctl help COMMAND' tells more of each; so does posternctl(8).\n");
}

void usage_command(const struct command *k, FILE *out)
{
	const struct option_def *d = k->options;
	char left[64];

	(void)fprintf(out, "usage: posternctl %s%s%s%s\n%s\n", k->name,
	    k->operands[0] != '\0' ? " " : "", k->operands, d != NULL ? " [OPTION...]" : "",
	    k->summary);
	if (d != NULL)
		(void)fprintf(out, "\n");
	for (; d != NULL && d->name != NULL; d++) {
		(void)snprintf(left, sizeof(left), "--%s", d->name);
		print_left(left, d->argument != NULL ? d->argument : "", d->help, out);
	}
}
