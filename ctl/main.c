/*
 * posternctl - what the administrator of a server does with postern.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "command.h"
#include "ctl.h"
#include "output.h"
#include "secret.h"

/* Takes the options that every command has out of argv, wherever they stand. Returns the new argc, or -1 and told. */
static int take_global_options(struct ctl *c, int argc, char **argv)
{
	int kept = 0;
	int i;

	for (i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			c->json = true;
		} else if (strcmp(argv[i], "--quiet") == 0) {
			c->quiet = true;
		} else if (strcmp(argv[i], "-c") == 0) {
			if (i + 1 >= argc) {
				(void)fprintf(stderr, "posternctl: -c needs a file\n");
				return -1;
			}
			c->config_path = argv[++i];
		} else {
			argv[kept++] = argv[i];
		}
	}
	argv[kept] = NULL;
	return kept;
}

static int run(struct ctl *c, const struct command *k, int words, int argc, char **argv)
{
	struct arguments a;
	int status;

	c->out = output_new(k->name);
	if (k->raw != NULL) {
		status = k->raw(c, argc, argv);
	} else {
		status = arguments_read(c, k, argc - words, argv + words, &a);
		if (status == CTL_OK)
			status = k->run(c, &a);
	}
	status = output_print(c, status);
	output_free(c->out);
	free(c->config);
	return status;
}

static int help(struct ctl *c, int argc, char **argv)
{
	char asked[] = "--help";
	char *both[] = {argv[0], asked, NULL};
	const struct command *k;
	int words;

	if (argc == 0) {
		usage_all(stdout);
		return CTL_OK;
	}
	k = command_find(argc, argv, &words);
	if (k == NULL) {
		usage_all(stderr);
		return CTL_USAGE;
	}
	if (k->raw != NULL)
		return k->raw(c, 2, both);
	usage_command(k, stdout);
	return CTL_OK;
}

static bool asks_for_help(int argc, char **argv)
{
	int i;

	for (i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	}
	return false;
}

/* Keys pass through here: no core of us may be written, nobody may look. */
static int protect(void)
{
	const struct rlimit none = {0, 0};

	(void)setrlimit(RLIMIT_CORE, &none);
#ifndef __SANITIZE_ADDRESS__ /* which looks itself */
	(void)prctl(PR_SET_DUMPABLE, 0);
#endif
	return secret_init();
}

int main(int argc, char **argv)
{
	struct ctl c = {.config_path = CTL_CONFIG_PATH};
	const struct command *k;
	int words = 0;

	if (protect() != 0) {
		(void)fprintf(stderr, "posternctl: libsodium does not start\n");
		return CTL_FAILED;
	}
	argc = take_global_options(&c, argc - 1, argv + 1);
	argv++;
	if (argc == 0)
		usage_all(stderr);
	if (argc <= 0)
		return CTL_USAGE;
	if (strcmp(argv[0], "help") == 0)
		return help(&c, argc - 1, argv + 1);
	if (strcmp(argv[0], "--version") == 0 || strcmp(argv[0], "version") == 0) {
		(void)printf("posternctl %s\n", POSTERN_VERSION);
		return CTL_OK;
	}
	k = command_find(argc, argv, &words);
	if (asks_for_help(argc, argv) && (k == NULL || k->raw == NULL))
		return help(&c, k != NULL ? argc : 0, argv);
	if (k == NULL) {
		(void)fprintf(stderr,
		    "posternctl: there is no command '%s'; 'posternctl help' lists them\n",
		    argv[0]);
		return CTL_USAGE;
	}
	return run(&c, k, words, argc, argv);
}
