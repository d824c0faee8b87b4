/*
 * init - from nothing to a configuration that posternd can start with. What is
 * there is never overwritten, and nothing half-made is left.
 */
#include "init.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "directives.h"
#include "keys_read.h"
#include "output.h"
#include "replace.h"
#include "secret.h"

/* The state's folder is walked by the auth user to his own below it, which nobody else can enter. */
enum { MADE_MAX = 8, SECRET_MODE = 0700, PASSABLE_MODE = 0711 };

struct init {
	char config_dir[CONFIG_PATH_MAX];
	struct config config;
	/* What was made so far, to be undone in reverse. */
	size_t made;
	char made_path[MADE_MAX][CTL_PATH_MAX];
	bool made_users[INIT_USERS];
	const char *users[INIT_USERS];
};

/* ---- what was asked for ---- */

static const struct directive *directive_named(const char *name)
{
	const struct directive *d = directives_global;

	while (strcmp(d->name, name) != 0)
		d++;
	return d;
}

static int set(
    struct ctl *c, struct init *n, const char *option, const char *directive, const char *value)
{
	char why[DIRECTIVE_WHY_MAX];

	if (directive_set(directive_named(directive), &n->config, value, why) == 0)
		return CTL_OK;
	return output_fail(c, CTL_USAGE, "--%s: %s", option, why);
}

static int take_folder(struct ctl *c, struct init *n, const struct arguments *a, const char *option)
{
	const char *value = arguments_value(a, option);

	if (value == NULL)
		return CTL_OK;
	if (value[0] != '/' || strlen(value) + sizeof("/posternd.conf") > CONFIG_PATH_MAX)
		return output_fail(c, CTL_USAGE,
		    "--%s: give the whole path, from / on, of at most %zu bytes", option,
		    CONFIG_PATH_MAX - sizeof("/posternd.conf"));
	if (strcmp(option, "config-dir") != 0)
		return set(c, n, option, option, value);
	(void)snprintf(n->config_dir, sizeof(n->config_dir), "%s", value);
	return CTL_OK;
}

static int take_interfaces(struct ctl *c, struct init *n, const struct arguments *a)
{
	const char *value;
	size_t index = 0;
	int status = CTL_OK;

	if (arguments_value(a, "interface") != NULL)
		n->config.plain.interfaces = 0; /* instead of any */
	while (status == CTL_OK && (value = arguments_next(a, "interface", &index)) != NULL)
		status = set(c, n, "interface", "interface", value);
	return status;
}

static int take_port(struct ctl *c, struct init *n, const struct arguments *a)
{
	const char *value = arguments_value(a, "port");

	if (value == NULL)
		return init_port_choose(c, &n->config.udp_port) == 0 ? CTL_OK : CTL_FAILED;
	if (set(c, n, "port", "udp-port", value) != CTL_OK)
		return CTL_USAGE;
	if (n->config.udp_port == 0)
		return output_fail(c, CTL_USAGE, "--port: 0 is below the minimum 1");
	if (init_port_is_taken(n->config.udp_port))
		return output_fail(c, CTL_USAGE,
		    "--port: something receives at UDP port %u already; choose another one",
		    n->config.udp_port);
	return CTL_OK;
}

/* All defaults, and ssh. */
static void begin(struct init *n)
{
	char text[128];
	struct report r = {.say = NULL};

	(void)snprintf(text, sizeof(text), "udp-port = 1\nservice ssh { proto = tcp port = %u }\n",
	    init_ssh_port());
	if (config_parse(&n->config, "", text, &r) != 0)
		abort();
	(void)snprintf(n->config_dir, sizeof(n->config_dir), "/etc/postern");
	n->users[0] = n->config.capture_user;
	n->users[1] = n->config.auth_user;
}

static int take_arguments(struct ctl *c, struct init *n, const struct arguments *a)
{
	static const char *const folders[] = {"config-dir", "state-dir", "run-dir"};
	const char *silence = arguments_value(a, "silence");
	int status = CTL_OK;
	size_t i;

	for (i = 0; status == CTL_OK && i < sizeof(folders) / sizeof(folders[0]); i++)
		status = take_folder(c, n, a, folders[i]);
	if (status == CTL_OK && silence != NULL)
		status = set(c, n, "silence", "silence", silence);
	if (status == CTL_OK)
		status = take_interfaces(c, n, a);
	return status == CTL_OK ? take_port(c, n, a) : status;
}

/* ---- what is made ---- */

static void path_of(const struct init *n, const char *name, char out[static CTL_PATH_MAX])
{
	(void)snprintf(out, CTL_PATH_MAX, "%s/%s", n->config_dir, name);
}

static void keep(struct init *n, const char *path)
{
	if (n->made == MADE_MAX)
		abort();
	(void)snprintf(n->made_path[n->made++], CTL_PATH_MAX, "%s", path);
}

static void undo(struct ctl *c, const struct init *n)
{
	size_t i;

	for (i = n->made; i > 0; i--) {
		/* remove(3) takes files and empty folders. */
		if (remove(n->made_path[i - 1]) != 0)
			output_warn(c, "%s was made and could not be removed again: %s",
			    n->made_path[i - 1], strerror(errno));
	}
	init_users_undo(c, n->users, n->made_users);
}

static int make_folder(struct ctl *c, struct init *n, const char *path, mode_t mode)
{
	struct stat st;

	if (mkdir(path, mode) == 0) {
		keep(n, path);
		return chmod(path, mode); /* whatever the umask is */
	}
	if (errno != EEXIST)
		return -output_fail(c, CTL_FAILED, "%s: the folder cannot be made: %s%s", path,
		    strerror(errno), ctl_advice(errno));
	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode) ||
	    (st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return -output_fail(c, CTL_FAILED,
		    "%s: this must be a folder that only root can change; say: chown root '%s' && "
		    "chmod go-w '%s'",
		    path, path, path);
	return 0;
}

static int make_file(struct ctl *c, struct init *n, const char *name, const char *text)
{
	char path[CTL_PATH_MAX];

	path_of(n, name, path);
	if (replace_create(c, path, text) != 0)
		return -1;
	keep(n, path);
	return 0;
}

static int make_key(struct ctl *c, struct init *n, const char *name, const char *comment)
{
	uint8_t key[1][KEY_BYTES];
	char *text;
	int status;

	secret_random(key, sizeof(key));
	text = keys_text(comment, (const uint8_t(*)[KEY_BYTES])key, 1);
	secret_wipe(key, sizeof(key));
	status = make_file(c, n, name, text);
	ctl_text_free(text);
	return status;
}

static int make_config(struct ctl *c, struct init *n)
{
	struct config *check = calloc(1, sizeof(*check));
	struct report r = ctl_report(c);
	char *text = init_text(&n->config);
	int status = -1;

	if (check == NULL)
		abort();
	if (config_parse(check, "posternd.conf", text, &r) == 0)
		status = make_file(c, n, "posternd.conf", text);
	free(check);
	ctl_text_free(text);
	return status;
}

static const char clients_text[] =
    "# Who may knock, one client a line; postern-clients(5) tells more.\n"
    "# posternctl client add NAME --service ssh adds one.\n";

static int make_all(struct ctl *c, struct init *n)
{
	if (make_folder(c, n, n->config_dir, SECRET_MODE) != 0 ||
	    make_folder(c, n, n->config.state_dir, PASSABLE_MODE) != 0)
		return -1;
	if (make_key(c, n, n->config.server_key, "server key: it never leaves this host") != 0)
		return -1;
	if (make_key(c, n, n->config.door_key,
		"door key: the current one, then the previous one, if any") != 0)
		return -1;
	if (make_file(c, n, n->config.clients, clients_text) != 0 || make_config(c, n) != 0)
		return -1;
	return init_users_make(c, n->users, n->made_users);
}

static bool is_usual(const struct init *n)
{
	return strcmp(n->config_dir, "/etc/postern") == 0;
}

static void tell_step(
    struct ctl *c, const struct init *n, const char *program, const char *words, const char *why)
{
	bool usual = is_usual(n);
	char line[2 * CTL_PATH_MAX];

	(void)snprintf(line, sizeof(line), "%s%s%s%s %s", program, usual ? "" : " -c ",
	    usual ? "" : n->config_dir, usual ? "" : "/posternd.conf", words);
	output_say(c, "  %-58s # %s", line, why);
}

static void tell_next(struct ctl *c, const struct init *n)
{
	output_say(c, "made %s: posternd.conf, server.key, door.key and clients", n->config_dir);
	output_say(c, "knocks come in at UDP port %u; guarded is ssh at TCP port %u",
	    n->config.udp_port, n->config.service[0].port);
	output_say(c, "next:");
	tell_step(c, n, "posternctl", "client add NAME --service ssh --server HOST",
	    "a profile for each device");
	tell_step(c, n, "posternctl", "firewall check", "does this host's firewall go with it");
	tell_step(c, n, "posternctl", "firewall try --for 300", "guard for five minutes");
	if (is_usual(n))
		output_say(
		    c, "  %-58s # then knock, and log in once more", "systemctl start posternd");
	else
		tell_step(c, n, "posternd", "", "then knock, and log in once more");
	tell_step(c, n, "posternctl", "firewall confirm", "and it stays guarded");
}

int cmd_init(struct ctl *c, const struct arguments *a)
{
	struct init *n = calloc(1, sizeof(*n));
	int status;

	if (n == NULL)
		abort();
	begin(n);
	status = take_arguments(c, n, a);
	if (status == CTL_OK && make_all(c, n) != 0) {
		undo(c, n);
		status = CTL_FAILED;
	}
	if (status == CTL_OK)
		tell_next(c, n);
	free(n);
	return status;
}
