/*
 * client_add - let a new client in: keys are made here, its half goes into the
 * profile and nowhere else.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client_openpgp.h"
#include "clock.h"
#include "command.h"
#include "keys_read.h"
#include "output.h"
#include "profile_write.h"
#include "replace.h"
#include "roster.h"
#include "secret.h"

enum { DECIMAL = 10, PORT_MAX = 65535 };

/* In memory of secret_new(). */
struct newcomer {
	const char *name;
	const char *output; /* NULL: NAME.profile */
	uint16_t port;
	size_t servers;
	const char *server[PARTS_SERVERS_MAX];
	char host[PARTS_HOST_MAX + 1]; /* this host's own name, where no server is given */
	struct keypair keys;
	uint8_t cid[CID_BYTES];
	uint8_t secret[KEY_BYTES];
	struct openpgp_part openpgp;
	char line[CLIENT_LINE_MAX];
	size_t line_len;
};

/* ---- what was asked for ---- */

static int put(
    struct ctl *c, struct newcomer *n, const char *name, const char *sign, const char *value)
{
	bool first = n->line_len == 0 || n->line[n->line_len - 1] == ' ';
	size_t room = sizeof(n->line) - n->line_len;
	int len =
	    snprintf(n->line + n->line_len, room, "%s%s%s%s", first ? "" : ",", name, sign, value);

	if (len < 0 || (size_t)len >= room)
		return output_fail(
		    c, CTL_USAGE, "the options are too long for one line of the clients file");
	n->line_len += (size_t)len;
	return CTL_OK;
}

/* An option's value may be a list; it must not be able to end its option, or the line. */
static int put_values(struct ctl *c, struct newcomer *n, const char *name, const char *values)
{
	char value[CONFIG_PATH_MAX];

	do {
		size_t len = strcspn(values, ",");

		if (len == 0 || len >= sizeof(value) || strcspn(values, " \t\r\n") < len)
			return output_fail(c, CTL_USAGE, "--%s: '%s' is not a value", name, values);
		(void)snprintf(value, sizeof(value), "%.*s", (int)len, values);
		if (put(c, n, name, "=", value) != CTL_OK)
			return CTL_USAGE;
		values += len + (values[len] == ',');
	} while (*values != '\0');
	return CTL_OK;
}

static int put_openpgp(struct ctl *c, struct newcomer *n, const struct arguments *a)
{
	const char *file = arguments_value(a, "openpgp");
	const char *envelope = arguments_value(a, "envelope");
	int status;

	if (file == NULL)
		return envelope == NULL ? CTL_OK
					: output_fail(c, CTL_USAGE,
					      "--envelope: does nothing without --openpgp");
	status = openpgp_look(c, file, &n->openpgp);
	if (status == CTL_OK)
		status = put(c, n, "openpgp", "=", n->openpgp.client);
	if (status == CTL_OK && envelope != NULL)
		status = put_values(c, n, "envelope", envelope);
	return status;
}

/* These options have in the clients file the names that they have on the command line. */
static int put_options(struct ctl *c, struct newcomer *n, const struct arguments *a)
{
	static const char *const names[] = {"service", "from", "address", "admit", "expires",
	    "max-hold", "hours", "doors", "carrier", "sequence", "command"};
	static const char *const flags[] = {"command-line", "cut", "challenge"};
	const char *value;
	size_t i, index;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		for (index = 0; (value = arguments_next(a, names[i], &index)) != NULL;) {
			if (put_values(c, n, names[i], value) != CTL_OK)
				return CTL_USAGE;
		}
	}
	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (arguments_value(a, flags[i]) != NULL && put(c, n, flags[i], "", "") != CTL_OK)
			return CTL_USAGE;
	}
	return put_openpgp(c, n, a);
}

static int add_server(struct ctl *c, struct newcomer *n, const char *host)
{
	if (!profile_is_host(host))
		return output_fail(
		    c, CTL_USAGE, "--server: '%s' is not a host name or an address", host);
	if (n->servers == PARTS_SERVERS_MAX)
		return output_fail(
		    c, CTL_USAGE, "--server: there are more than %d", PARTS_SERVERS_MAX);
	n->server[n->servers++] = host;
	return CTL_OK;
}

static int take_servers(struct ctl *c, struct newcomer *n, const struct arguments *a)
{
	const char *host;
	size_t index = 0;

	while ((host = arguments_next(a, "server", &index)) != NULL) {
		if (add_server(c, n, host) != CTL_OK)
			return CTL_USAGE;
	}
	if (n->servers > 0)
		return CTL_OK;
	if (gethostname(n->host, sizeof(n->host) - 1) != 0 || !profile_is_host(n->host))
		return output_fail(c, CTL_USAGE,
		    "--server: say by which name or address the client reaches this host");
	return add_server(c, n, n->host);
}

static int take_port(struct ctl *c, struct newcomer *n, const struct arguments *a)
{
	const char *value = arguments_value(a, "port-override");
	unsigned long port;
	char *end;

	n->port = ctl_config(c)->udp_port;
	if (value == NULL)
		return CTL_OK;
	port = strtoul(value, &end, DECIMAL);
	if (value[0] < '1' || value[0] > '9' || *end != '\0' || port > PORT_MAX)
		return output_fail(
		    c, CTL_USAGE, "--port-override: '%s' is not a port from 1 to 65535", value);
	n->port = (uint16_t)port;
	return CTL_OK;
}

static void make_keys(struct newcomer *n)
{
	char cid[BASE64_8], public[BASE64_32], secret[BASE64_32];

	keypair_generate(&n->keys);
	secret_random(n->cid, sizeof(n->cid));
	secret_random(n->secret, sizeof(n->secret));
	base64_encode(cid, sizeof(cid), n->cid, sizeof(n->cid));
	base64_encode(public, sizeof(public), n->keys.public, KEY_BYTES);
	base64_encode(secret, sizeof(secret), n->secret, KEY_BYTES);
	n->line_len = (size_t)snprintf(
	    n->line, sizeof(n->line), "%s %s %s %s ", n->name, cid, public, secret);
	secret_wipe(secret, sizeof(secret));
}

static int take_arguments(struct ctl *c, struct newcomer *n, const struct arguments *a)
{
	int status = CTL_OK;

	n->name = a->operand[0];
	n->output = arguments_value(a, "output");
	if (!config_is_name(n->name))
		return output_fail(c, CTL_USAGE,
		    "'%s' is not a name for a client: it has 1 to %d of the characters a-z, 0-9, - "
		    "and _",
		    n->name, CONFIG_NAME_MAX);
	if (arguments_value(a, "service") == NULL && arguments_value(a, "command") == NULL &&
	    arguments_value(a, "command-line") == NULL)
		return output_fail(c, CTL_USAGE,
		    "--service: say what the client may open, such as --service ssh, or with "
		    "--command what it may run");
	if (ctl_config(c) == NULL)
		return CTL_FAILED;
	make_keys(n);
	status = take_servers(c, n, a);
	if (status == CTL_OK)
		status = take_port(c, n, a);
	return status == CTL_OK ? put_options(c, n, a) : status;
}

/* ---- the profile ---- */

static int count_services(const struct client *client)
{
	int n = 0;
	unsigned i;

	for (i = 0; i < CONFIG_SERVICES_MAX; i++)
		n += client_has_service(client, i);
	return n;
}

/* Given; NULL and told. */
static char *make_profile(struct ctl *c, const struct newcomer *n, const struct roster *r)
{
	struct server_keys *k = keys_read(c);
	struct profile_parts p = {.name = n->name,
	    .servers = n->servers,
	    .port = n->port,
	    .cid = n->cid,
	    .private_key = n->keys.secret,
	    .secret = n->secret,
	    .config = ctl_config(c),
	    .client = clients_by_name(r->clients, n->name)};
	char *text;

	if (k == NULL)
		return NULL;
	memcpy(p.server, n->server, sizeof(p.server));
	if (n->openpgp.bytes != NULL) {
		p.openpgp_key = n->openpgp.client;
		p.openpgp_server = n->openpgp.server;
		p.openpgp_block = n->openpgp.block;
		p.openpgp_block_len = n->openpgp.block_len;
	}
	p.server_key = k->server.public;
	p.door_key = k->door[0];
	text = profile_write(&p);
	secret_free(k);
	return text;
}

static int commit(struct ctl *c, const struct newcomer *n, struct roster *r)
{
	char *text = roster_with(r, n->line);
	int status = roster_commit(c, r, text, true);

	ctl_text_free(text);
	return status;
}

/* To a file: before the client is known, so that whatever fails leaves neither. */
static int deliver_file(
    struct ctl *c, const struct newcomer *n, struct roster *r, const char *profile)
{
	char path[CONFIG_PATH_MAX];
	int status;

	(void)snprintf(path, sizeof(path), "%s.profile", n->name);
	if (n->output != NULL && strlen(n->output) >= sizeof(path))
		return output_fail(c, CTL_USAGE, "--output: the path is too long");
	if (n->output != NULL)
		(void)snprintf(path, sizeof(path), "%s", n->output);
	if (replace_create(c, path, profile) != 0)
		return CTL_FAILED;
	status = commit(c, n, r);
	if (status != CTL_OK) {
		(void)unlink(path);
		return status;
	}
	output_fact(c, "file", json_string(path));
	output_say(c, "%s is a client now; its profile is in %s, and nowhere else", n->name, path);
	output_say(c,
	    "bring it there by a way that nobody else reads (scp); 'postern import %s' takes it in",
	    path);
	return CTL_OK;
}

static int deliver(struct ctl *c, const struct newcomer *n, struct roster *r, const char *profile)
{
	int status;

	if (n->output == NULL || strcmp(n->output, "-") != 0)
		return deliver_file(c, n, r, profile);
	status = commit(c, n, r);
	if (status != CTL_OK)
		return status;
	output_text(c, "profile", profile);
	output_say(c, "%s is a client now; its profile was printed, and is nowhere else", n->name);
	return CTL_OK;
}

static void warn_of(struct ctl *c, const struct newcomer *n, const struct client *k)
{
	if (n->host[0] != '\0' && strchr(n->host, '.') == NULL)
		output_warn(c,
		    "the profile says 'server = %s'; if the client does not know this name, add it "
		    "with --server HOST",
		    n->host);
	if (k->expires_s != 0 && k->expires_s <= (int64_t)(clock_real_ns() / NS_PER_S))
		output_warn(c, "%s has expired already: it will not be let in", k->name);
	if (k->command_line)
		output_warn(c, "%s may have any line run by a shell", k->name);
}

static int add(struct ctl *c, struct newcomer *n, struct roster *r)
{
	char *profile;
	int status;

	if (clients_by_name(r->clients, n->name) != NULL)
		return output_fail(c, CTL_FAILED,
		    "there is a client %s already; take another name, or revoke it first", n->name);
	if (roster_check_line(c, r, n->line) != 0)
		return CTL_USAGE;
	if (count_services(clients_by_name(r->clients, n->name)) > PARTS_SERVICES_MAX)
		return output_fail(
		    c, CTL_USAGE, "--service: there are more than %d", PARTS_SERVICES_MAX);
	if (!profile_has_way(ctl_config(c), clients_by_name(r->clients, n->name)))
		return output_fail(c, CTL_USAGE,
		    "%s could knock by nothing that posternd.conf has in use; give it another "
		    "--carrier, "
		    "or one of its sequences with --sequence NAME",
		    n->name);
	warn_of(c, n, clients_by_name(r->clients, n->name));
	/* Last, so that nothing is in the keyring for a client that cannot be. */
	if (n->openpgp.bytes != NULL && openpgp_enrol(c, &n->openpgp) != CTL_OK)
		return CTL_FAILED;
	profile = make_profile(c, n, r);
	if (profile == NULL)
		return CTL_FAILED;
	status = deliver(c, n, r, profile);
	ctl_text_free(profile);
	return status;
}

int cmd_client_add(struct ctl *c, const struct arguments *a)
{
	struct newcomer *n = secret_new(sizeof(*n));
	struct roster r;
	int status = take_arguments(c, n, a);

	if (status == CTL_OK)
		status = roster_open(c, &r, true);
	if (status == CTL_OK) {
		status = add(c, n, &r);
		roster_close(&r);
	}
	openpgp_part_free(&n->openpgp);
	secret_free(n);
	return status;
}
