/* posternd - the daemon: arguments, then one of its processes (process.h). */
#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "check.h"
#include "fault.h"
#include "process.h"

#define DEFAULT_CONFIG "/etc/postern/posternd.conf"

enum { EXIT_USAGE = 3, DECIMAL = 10, NUMBER_MAX = 1000000000 };

enum mode {
	MODE_RUN,
	MODE_CHECK,
	MODE_PRINT_CONFIG,
	MODE_PRINT_DIRECTIVES,
	MODE_VERSION,
	MODE_HELP,
	MODE_CAPTURE,
	MODE_AUTH,
	MODE_OPENPGP,
};

struct options {
	enum mode mode;
	bool foreground;
	const char *config;
	struct child_args child;
};

enum long_option {
	OPT_CHECK = 256,
	OPT_PRINT_CONFIG,
	OPT_PRINT_DIRECTIVES,
	OPT_DRY_RUN,
	OPT_VERSION,
	OPT_ROLE,
	OPT_SOURCE,
	OPT_INDEX,
	OPT_CAPTURE,
	OPT_WORKER,
	OPT_WORKERS,
	OPT_TURN,
	OPT_GROUP,
	OPT_GENERATION,
};

static const struct option long_options[] = {
    {"foreground", no_argument, NULL, 'f'},
    {"config", required_argument, NULL, 'c'},
    {"check", no_argument, NULL, OPT_CHECK},
    {"print-config", no_argument, NULL, OPT_PRINT_CONFIG},
    {"print-directives", no_argument, NULL, OPT_PRINT_DIRECTIVES},
    {"dry-run", no_argument, NULL, OPT_DRY_RUN},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, 'h'},
    /* internal: how the monitor starts the others */
    {"role", required_argument, NULL, OPT_ROLE},
    {"source", required_argument, NULL, OPT_SOURCE},
    {"index", required_argument, NULL, OPT_INDEX},
    {"capture", required_argument, NULL, OPT_CAPTURE},
    {"worker", required_argument, NULL, OPT_WORKER},
    {"workers", required_argument, NULL, OPT_WORKERS},
    {"turn", required_argument, NULL, OPT_TURN},
    {"group", required_argument, NULL, OPT_GROUP},
    {"generation", required_argument, NULL, OPT_GENERATION},
    {NULL, 0, NULL, 0},
};

static const char help[] =
    "posternd - keeps services silent, and opens a door for who knocks right\n"
    "\n"
    "  -f, --foreground        stay in the foreground\n"
    "  -c, --config FILE       configuration (" DEFAULT_CONFIG ")\n"
    "      --check             tell all that is wrong with configuration, clients, keys\n"
    "      --print-config      print the configuration, defaults filled in\n"
    "      --print-directives  print what a configuration may say\n"
    "      --dry-run           decide and log, but never change the firewall\n"
    "      --version           print the version\n"
    "  -h, --help              print this\n";

/* One sentence, and the status that tells wrong usage from failure. */
static int wrong_usage(const char *what, const char *which)
{
	(void)fprintf(stderr, "posternd: %s%s: see posternd --help\n", what, which);
	return EXIT_USAGE;
}

static int take_number(unsigned *out, const char *text)
{
	char *end = NULL;
	unsigned long v;

	errno = 0;
	v = strtoul(text, &end, DECIMAL);
	if (text[0] < '0' || text[0] > '9' || *end || errno || v > NUMBER_MAX)
		return -1;
	*out = (unsigned)v;
	return 0;
}

static int take_role(struct options *o, const char *text)
{
	if (strcmp(text, "capture") == 0)
		o->mode = MODE_CAPTURE;
	else if (strcmp(text, "auth") == 0)
		o->mode = MODE_AUTH;
	else if (strcmp(text, "openpgp") == 0)
		o->mode = MODE_OPENPGP;
	else
		return -1;
	return 0;
}

/* Returns 0; -1 when the value is none. */
static int take_internal(struct options *o, int option, const char *value)
{
	switch (option) {
	case OPT_ROLE:
		return take_role(o, value);
	case OPT_SOURCE:
		o->child.source = value;
		return 0;
	case OPT_INDEX:
		return take_number(&o->child.index, value);
	case OPT_CAPTURE:
		o->child.capture = value;
		return 0;
	case OPT_WORKER:
		return take_number(&o->child.worker, value);
	case OPT_WORKERS:
		return take_number(&o->child.workers, value);
	case OPT_TURN:
		return take_number(&o->child.turn, value);
	case OPT_GROUP:
		return take_number(&o->child.group, value);
	case OPT_GENERATION:
		return take_number(&o->child.generation, value);
	default:
		return -1;
	}
}

/* Returns 0, or the exit status of wrong usage. */
static int take_option(struct options *o, int option, const char *argument)
{
	switch (option) {
	case 'f':
		o->foreground = true;
		return 0;
	case 'c':
		o->config = optarg;
		return 0;
	case OPT_DRY_RUN:
		o->child.dry_run = true;
		return 0;
	case OPT_CHECK:
		o->mode = MODE_CHECK;
		return 0;
	case OPT_PRINT_CONFIG:
		o->mode = MODE_PRINT_CONFIG;
		return 0;
	case OPT_PRINT_DIRECTIVES:
		o->mode = MODE_PRINT_DIRECTIVES;
		return 0;
	case OPT_VERSION:
		o->mode = MODE_VERSION;
		return 0;
	case 'h':
		o->mode = MODE_HELP;
		return 0;
	case ':':
		return wrong_usage("a value is missing after ", argument);
	case '?':
		return wrong_usage("no such option: ", argument);
	default:
		return take_internal(o, option, optarg)
			   ? wrong_usage("not a value for an internal option: ", optarg)
			   : 0;
	}
}

static int parse(struct options *o, int argc, char **argv)
{
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":fc:h", long_options, NULL)) != -1) {
		const int status = take_option(o, option, argv[optind - 1]);

		if (status)
			return status;
	}
	if (optind < argc)
		return wrong_usage("what is this for: ", argv[optind]);
	if (o->mode == MODE_CAPTURE && !o->child.source)
		return wrong_usage("a capture needs ", "--source");
	return 0;
}

/* The children are told the whole path, for they work in an empty folder. */
static int find_config(struct options *o, char *path, char *dir)
{
	if (!realpath(o->config, path)) {
		(void)fprintf(stderr, "%s: %s: %s\n", o->config, strerror(errno),
		    errno == EACCES ? "run posternd as root"
				    : "posternctl init makes one, -c names another");
		return -1;
	}
	(void)snprintf(dir, PATH_MAX, "%s", path);
	o->child.config_path = path;
	o->child.config_dir = dirname(dir);
	return 0;
}

/* What ps -o comm shows. */
static void set_name(const char *name)
{
	(void)prctl(PR_SET_NAME, name);
}

static int run_child(const struct options *o)
{
	struct child_args child = o->child;
	char dir[PATH_MAX];

	(void)snprintf(dir, sizeof(dir), "%s", o->config);
	child.config_path = o->config;
	child.config_dir = dirname(dir);
	if (o->mode == MODE_CAPTURE) {
		set_name("postern-capture");
		return capture_main(&child);
	}
	if (o->mode == MODE_OPENPGP) {
		set_name("postern-openpgp");
		return openpgp_main(&child);
	}
	set_name("postern-auth");
	return auth_main(&child);
}

static int run_with_config(const struct options *o)
{
	char path[PATH_MAX], dir[PATH_MAX];

	struct options here = *o; /* its paths end with this function */

	if (find_config(&here, path, dir))
		return EXIT_FAILURE;
	if (here.mode == MODE_CHECK)
		return check_all(path, here.child.config_dir);
	if (here.mode == MODE_PRINT_CONFIG)
		return check_print(path);
	set_name("posternd");
	here.child.check = check_methods;
	return monitor_main(&here.child, here.foreground);
}

static int run(const struct options *o)
{
	switch (o->mode) {
	case MODE_HELP:
		return puts(help) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	case MODE_VERSION:
		return puts("posternd " POSTERN_VERSION) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	case MODE_PRINT_DIRECTIVES:
		return check_print_directives();
	case MODE_CAPTURE:
	case MODE_AUTH:
	case MODE_OPENPGP:
		return run_child(o);
	case MODE_CHECK:
	case MODE_PRINT_CONFIG:
	case MODE_RUN:
		break;
	}
	return run_with_config(o);
}

int main(int argc, char **argv)
{
	struct options o = {.mode = MODE_RUN, .config = DEFAULT_CONFIG};
	const int status = parse(&o, argc, argv);

	if (status)
		return status;
	fault_start();
	return run(&o);
}
