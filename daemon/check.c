/* check - see check.h. */
#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture.h"
#include "clients.h"
#include "config.h"
#include "directives.h"
#include "files.h"
#include "home.h"
#include "keyfile.h"
#include "secret.h"
#include "sieve.h"

enum { DOOR_KEYS_IN_FILE = 2 };

static void say(void *arg, const char *line)
{
	(void)arg;
	(void)fprintf(stderr, "%s\n", line);
}

/* Returns 0, or -1 and reported. */
static int read_config(struct config *c, const char *path, struct report *r)
{
	const int fd = file_open(path, false, r);
	char *text = fd < 0 ? NULL : config_text(fd, path, r);
	const int status = text ? config_parse(c, path, text, r) : -1;

	free(text);
	if (fd >= 0)
		close(fd);
	return status;
}

int check_methods(const struct config *c, const char *path, struct report *r)
{
	const unsigned before = r->errors;
	char why[SIEVE_WHY_MAX];

	for (unsigned i = 0; i < c->sources; i++) {
		const struct source_config *s = &c->source[i];
		const struct capture_method *m = capture_by_name(s->capture);

		if (!m)
			report_error(r, path, s->line,
			    "source \"%s\": capture = %s is not built into this posternd; "
			    "posternctl capture methods names what is",
			    s->name, s->capture);
		else if (s->filter[0] != '\0' && sieve_check(m, s->filter, why) != 0)
			report_error(r, path, s->line, "source \"%s\": filter: %s", s->name, why);
	}
	return r->errors == before ? 0 : -1;
}

/* path is filled, for messages. Returns the descriptor, or -1 and reported. */
static int open_named(
    char path[static FILES_PATH_MAX], const char *dir, const char *name, struct report *r)
{
	if (file_path(path, FILES_PATH_MAX, dir, name) == 0)
		return file_open(path, true, r);
	report_error(r, name, 0, "the whole path is too long: use a shorter one");
	return -1;
}

static void check_key(const char *dir, const char *name, int most, struct report *r)
{
	char path[FILES_PATH_MAX];
	uint8_t keys[DOOR_KEYS_IN_FILE][KEY_BYTES];
	char text[KEYFILE_MAX];
	const int fd = open_named(path, dir, name, r);

	if (fd < 0)
		return;
	if (keyfile_read(fd, text, sizeof(text)) < 0)
		report_error(r, path, 0, "%s", strerror(errno));
	else
		(void)!keyfile_parse(path, text, keys, 1, most, r);
	secret_wipe(text, sizeof(text));
	secret_wipe(keys, sizeof(keys));
	close(fd);
}

static void check_lines(struct clients *cs, FILE *in, const char *path, struct report *r)
{
	char line[CLIENT_LINE_MAX];
	unsigned line_no = 0;

	while (fgets(line, sizeof(line), in)) {
		const size_t len = strcspn(line, "\n");

		line_no++;
		if (line[len] == '\0' && !feof(in)) {
			report_error(r, path, line_no, "longer than %d characters: shorten it",
			    CLIENT_LINE_MAX - 2);
			break;
		}
		line[len] = '\0';
		(void)!clients_line(cs, path, line_no, line, r);
	}
	if (ferror(in))
		report_error(r, path, 0, "%s", strerror(errno));
	secret_wipe(line, sizeof(line));
	(void)!clients_finish(cs, path, r);
}

/* Returns how many clients there are. */
static size_t check_clients(const struct config *c, const char *dir, struct report *r)
{
	char path[FILES_PATH_MAX], home[GPG_HOME_MAX + 1];
	size_t count = 0;
	const int fd = open_named(path, dir, c->clients, r);
	FILE *in = fd < 0 ? NULL : fdopen(fd, "r");

	if (in) {
		struct clients *cs = clients_new(c);

		check_lines(cs, in, path, r);
		count = clients_count(cs);
		if (clients_openpgp(cs) > 0)
			(void)!openpgp_home(c, home, r);
		clients_free(cs);
		(void)fclose(in);
	}
	return count;
}

static void check_users(const struct config *c, const char *path, struct report *r)
{
	struct users users;

	(void)!users_find(&users, c, path, r);
	users_free(&users);
}

/* It may be there later, on a disk that is not mounted yet say: so this is a warning. */
static void check_program(
    const char *program, const char *what, const char *path, unsigned line, struct report *r)
{
	struct stat st;

	if (program[0] == '\0')
		return;
	if (stat(program, &st) != 0)
		report_warning(r, path, line, "%s: %s: %s; install it, or name another", what,
		    program, strerror(errno));
	else if (!S_ISREG(st.st_mode) || (st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) == 0)
		report_warning(
		    r, path, line, "%s: %s: not a program that can be run", what, program);
}

static void check_programs(const struct config *c, const char *path, struct report *r)
{
	for (unsigned i = 0; i < c->commands; i++)
		check_program(c->command[i].run.at[0], "run", path, c->command[i].line, r);
	check_program(c->event_script, "event-script", path, 0, r);
	if (strcmp(c->firewall, "exec") == 0)
		check_program(c->firewall_script, "firewall-script", path, 0, r);
}

int check_all(const char *path, const char *dir)
{
	struct report r = {.say = say};
	struct config *c = calloc(1, sizeof(*c));
	size_t clients = 0;

	if (!c || secret_init())
		abort();
	if (read_config(c, path, &r) == 0) {
		(void)!check_methods(c, path, &r);
		check_programs(c, path, &r);
		check_users(c, path, &r);
		clients = check_clients(c, dir, &r);
		check_key(dir, c->server_key, 1, &r);
		check_key(dir, c->door_key, DOOR_KEYS_IN_FILE, &r);
	}
	if (r.errors)
		(void)fprintf(stderr, "posternd: %u error%s\n", r.errors, r.errors == 1 ? "" : "s");
	else
		(void)printf("%s is fine: %u service%s, %zu client%s\n", path, c->services,
		    c->services == 1 ? "" : "s", clients, clients == 1 ? "" : "s");
	free(c);
	return r.errors ? EXIT_FAILURE : EXIT_SUCCESS;
}

int check_print(const char *path)
{
	struct report r = {.say = say};
	struct config *c = calloc(1, sizeof(*c));
	int status = EXIT_FAILURE;

	if (!c)
		abort();
	if (read_config(c, path, &r) == 0) {
		config_print(c, stdout);
		status = fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
	}
	free(c);
	return status;
}

int check_print_directives(void)
{
	directives_table(directives_global, stdout);
	(void)printf("\n");
	directives_table(directives_source, stdout);
	(void)printf("\n");
	directives_table(directives_sequence, stdout);
	(void)printf("\n");
	directives_table(directives_service, stdout);
	return fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}
