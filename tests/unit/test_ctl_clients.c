#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl_lab.h"
#include "output.h"
#include "profile.h"
#include "roster.h"

static const struct lab_script good = {.text = "reloaded"};
static const struct lab_script bad = {
    .status = EINVAL, .text = "clients:2: this is wrong\nand that\n"};

/* The path of a profile in the lab, so that nothing is written elsewhere. */
static const char *profile_path(const struct lab *l)
{
	static char path[LAB_PATH + 16];

	(void)snprintf(path, sizeof(path), "%s/p.profile", l->dir);
	return path;
}

static int add(struct lab *l, const char *name)
{
	return lab_run(l, "client", "add", name, "--service", "ssh", "--server", "h.example",
	    "--output", profile_path(l), NULL);
}

static mode_t mode_of(const struct lab *l, const char *name)
{
	char path[LAB_PATH * 2];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/%s", l->dir, name);
	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void test_add_writes_both_halves(void **state)
{
	struct lab *l = *state;
	struct roster r;
	const struct client *k;
	struct postern_profile *p = profile_new();
	struct trouble t = {.count = 0};
	const char *text;

	assert_int_equal(lab_run(l, "client", "add", "alice", "--service", "ssh,dns", "--server",
			     "h.example", "--server", "192.0.2.1", "--output", profile_path(l),
			     "--from", "10.0.0.0/8", "--max-hold", "90", "--challenge", NULL),
	    CTL_OK);
	assert_int_equal(mode_of(l, "p.profile"), 0600);
	assert_int_equal(mode_of(l, "clients"), 0600);
	assert_true(lab_said(l, "messages", "posternd does not run"));
	assert_int_equal(lab_count(l), 5); /* and nothing beside */

	/* What the client's own reader makes of it fits what the server's has. */
	text = lab_read(l, "p.profile");
	assert_int_equal(profile_parse(p, "p", text, strlen(text), &t), 0);
	assert_int_equal(roster_open(&l->ctl, &r, false), CTL_OK);
	k = clients_by_name(r.clients, "alice");
	assert_non_null(k);
	assert_string_equal(p->name, "alice");
	assert_memory_equal(p->cid, k->cid, CID_BYTES);
	assert_memory_equal(p->secrets->own.public, k->public_key, KEY_BYTES);
	assert_memory_equal(p->secrets->client_secret, k->secret, KEY_BYTES);
	assert_int_equal(p->servers, 2);
	assert_string_equal(p->server[1], "192.0.2.1");
	assert_int_equal(p->port, 4000);
	assert_int_equal(p->services, 2);
	assert_string_equal(p->service[1].name, "dns");
	assert_int_equal(p->service[1].protocol, 17);
	assert_int_equal(p->service[1].port, 53);
	assert_true(p->service_trap[0]);
	assert_false(p->service_trap[1]);
	assert_int_equal(k->from_len, 1);
	assert_int_equal(k->max_hold_s, 90);
	assert_true(k->challenge);
	/* The private key is nowhere on the server. */
	assert_null(strstr(lab_read(l, "clients"), "private"));
	roster_close(&r);
	profile_free(p);
}

/* With sequences that have names, and none without. */
static void test_a_sequence_of_its_own(void **state)
{
	struct lab *l = *state;
	const char *text;
	json_t *row;

	lab_write(l, "posternd.conf",
	    "service ssh { proto = tcp port = 22 }\n"
	    "sequence alpha { id = 4 ports = {7001, 7002, 7003, 7004, 7005} pieces = clean }\n"
	    "sequence night { id = 5 range = 20000-20999 }\n",
	    0644);
	assert_int_equal(add(l, "alice"), CTL_USAGE);
	assert_true(lab_said(l, "errors", "one of its sequences with --sequence NAME"));
	assert_false(lab_exists(l, "p.profile"));
	assert_int_equal(lab_run(l, "client", "add", "alice", "--service", "ssh", "--server",
			     "h.example", "--sequence", "none", NULL),
	    CTL_USAGE);
	assert_int_equal(
	    lab_run(l, "client", "add", "alice", "--service", "ssh", "--server", "h.example",
		"--sequence", "night", "--sequence", "alpha", "--output", "-", NULL),
	    CTL_OK);
	text = json_string_value(json_object_get(output_model(l->ctl.out), "profile"));
	assert_non_null(strstr(text, "sequence-id = 4\nsequence = 7001 7002 7003 7004 7005\n"
				     "sequence-pieces = clean\n"));
	assert_non_null(strstr(lab_read(l, "clients"), "sequence=night,sequence=alpha"));
	assert_int_equal(lab_run(l, "client", "add", "bob", "--service", "ssh", "--server",
			     "h.example", "--sequence", "night", "--output", "-", NULL),
	    CTL_OK);
	text = json_string_value(json_object_get(output_model(l->ctl.out), "profile"));
	assert_non_null(strstr(text, "sequence-id = 5\nsequence-range = 20000-20999\n"
				     "sequence-count = 8\nsequence-pieces = udp\n"));
	assert_non_null(strstr(text, "carrier = sequence\n"));
	assert_int_equal(lab_run(l, "client", "list", NULL), CTL_OK);
	row = json_array_get(json_object_get(output_model(l->ctl.out), "clients"), 0);
	row = json_object_get(row, "sequences");
	assert_int_equal(json_array_size(row), 2);
	assert_string_equal(json_string_value(json_array_get(row, 1)), "night");
}

/* What the server hears of others is none of it. */
static void test_its_carriers_alone(void **state)
{
	struct lab *l = *state;

	lab_write(l, "posternd.conf",
	    "udp-port = 4000\ntcp-port = 4001\nicmp = yes\nsequence-range = 20000-20999\n"
	    "service ssh { proto = tcp port = 22 }\n",
	    0644);
	assert_int_equal(add(l, "alice"), CTL_OK);
	assert_non_null(strstr(lab_read(l, "p.profile"), "carrier = udp, tcp, icmp, sequence\n"));
	(void)unlink(profile_path(l));
	assert_int_equal(
	    lab_run(l, "client", "add", "bob", "--service", "ssh", "--server", "h.example",
		"--carrier", "sequence,tcp,http", "--output", profile_path(l), NULL),
	    CTL_OK);
	assert_non_null(strstr(lab_read(l, "p.profile"), "carrier = tcp, sequence\n"));
	assert_int_equal(lab_run(l, "client", "add", "carol", "--service", "ssh", "--server",
			     "h.example", "--carrier", "http", NULL),
	    CTL_USAGE);
	assert_true(lab_said(l, "errors", "could knock by nothing"));
}

static void test_the_profile_has_the_servers_keys(void **state)
{
	struct lab *l = *state;
	char public[BASE64_32];
	struct keypair server;
	uint8_t secret[KEY_BYTES];

	assert_int_equal(add(l, "alice"), CTL_OK);
	assert_int_equal(base64_decode(secret, KEY_BYTES, LAB_KEY), 0);
	keypair_from_secret(&server, secret);
	base64_encode(public, sizeof(public), server.public, KEY_BYTES);
	assert_non_null(strstr(lab_read(l, "p.profile"), public));
	assert_non_null(strstr(lab_read(l, "p.profile"), "door-key = " LAB_DOOR));
	assert_null(strstr(lab_read(l, "p.profile"), LAB_KEY));
}

static void test_add_tells_the_daemon(void **state)
{
	struct lab *l = *state;
	struct control_request heard[LAB_REQUESTS];

	lab_daemon(l, &good);
	assert_int_equal(add(l, "alice"), CTL_OK);
	assert_true(lab_said(l, "messages", "posternd took it over"));
	assert_int_equal(lab_heard(l, heard), 1);
	assert_int_equal(heard[0].head.type, CONTROL_RELOAD);
}

static void test_add_that_is_refused_leaves_nothing(void **state)
{
	struct lab *l = *state;

	lab_daemon(l, &bad);
	assert_int_equal(add(l, "alice"), CTL_REFUSED);
	assert_true(lab_said(l, "errors", "posternd refuses: clients:2: this is wrong"));
	assert_true(lab_said(l, "errors", "posternd refuses: and that"));
	assert_true(lab_said(l, "warnings", "again as it was"));
	assert_string_equal(lab_read(l, "clients"), "# mine\n");
	assert_false(lab_exists(l, "p.profile"));
	assert_int_equal(lab_count(l), 5); /* with the socket */
}

static void test_add_to_standard_output(void **state)
{
	struct lab *l = *state;
	const char *text;

	assert_int_equal(lab_run(l, "client", "add", "alice", "--service", "ssh", "--server", "h",
			     "--output", "-", NULL),
	    CTL_OK);
	text = json_string_value(json_object_get(output_model(l->ctl.out), "profile"));
	assert_non_null(text);
	assert_memory_equal(text, "# postern profile\n", 18);
	assert_int_equal(lab_count(l), 4);
}

static void test_nothing_is_overwritten(void **state)
{
	struct lab *l = *state;

	lab_write(l, "p.profile", "precious", 0600);
	assert_int_equal(add(l, "alice"), CTL_FAILED);
	assert_true(lab_said(l, "errors", "nothing is overwritten"));
	assert_string_equal(lab_read(l, "p.profile"), "precious");
	assert_string_equal(lab_read(l, "clients"), "# mine\n");
}

static void test_a_link_is_not_followed(void **state)
{
	struct lab *l = *state;
	char target[LAB_PATH * 2];

	(void)snprintf(target, sizeof(target), "%s/elsewhere", l->dir);
	assert_int_equal(symlink(target, profile_path(l)), 0);
	assert_int_equal(add(l, "alice"), CTL_FAILED);
	assert_false(lab_exists(l, "elsewhere"));
}

static void test_the_same_name_twice(void **state)
{
	struct lab *l = *state;
	char before[LAB_TEXT];

	assert_int_equal(add(l, "alice"), CTL_OK);
	(void)snprintf(before, sizeof(before), "%s", lab_read(l, "clients"));
	assert_int_equal(add(l, "alice"), CTL_FAILED);
	assert_true(lab_said(l, "errors", "there is a client alice already"));
	assert_false(lab_said(l, "warnings", "the profile says")); /* there is none */
	assert_string_equal(lab_read(l, "clients"), before);
}

static void test_add_with_bad_arguments(void **state)
{
	static const char *const wrong[][4] = {
	    {"alice", "--server", "h", "--service: say what"},
	    {"Alice", "--service", "ssh", "'Alice' is not a name"},
	    {"alice", "--service", "shh", "\"shh\" is not a service"},
	    {"alice", "--service", "ssh,", NULL}, /* a comma too many does no harm */
	    {"alice", "--service", "ssh x", "is not a value"},
	    {"alice", "--service", ",ssh", "is not a value"},
	};
	static const char *const more[][3] = {
	    {"--expires", "tomorrow", "is not a date"},
	    {"--from", "10.0.0.1/8", "is not an address or prefix"},
	    {"--address", "list", "needs a list"},
	    {"--admit", "10.0.0.0/8", "does nothing without"},
	    {"--max-hold", "0", "is not a number of seconds"},
	    {"--max-hold", "5,disabled", "is given twice"},
	    {"--port-override", "0", "is not a port"},
	    {"--port-override", "65536", "is not a port"},
	    {"--port-override", "22x", "is not a port"},
	    {"--server", "a b", "is not a host name"},
	    {"--server", "-oProxyCommand=x", "is not a host name"},
	    {"--server", "", "is not a host name"},
	};
	struct lab *l = *state;
	size_t i;

	for (i = 0; i < COUNT_OF(wrong); i++) {
		int status = lab_run(l, "client", "add", wrong[i][0], wrong[i][1], wrong[i][2],
		    "--server", "h", "--output", "-", NULL);

		assert_int_equal(status, wrong[i][3] != NULL ? CTL_USAGE : CTL_OK);
		if (wrong[i][3] != NULL)
			assert_true(lab_said(l, "errors", wrong[i][3]));
	}
	for (i = 0; i < COUNT_OF(more); i++) {
		assert_int_equal(lab_run(l, "client", "add", "bob", "--service", "ssh", more[i][0],
				     more[i][1], "--output", "-", NULL),
		    CTL_USAGE);
		assert_true(lab_said(l, "errors", more[i][2]));
	}
	assert_null(strstr(lab_read(l, "clients"), "bob"));
}

static void test_loose_files_are_refused(void **state)
{
	static const char *const names[] = {"server.key", "door.key", "clients"};
	struct lab *l = *state;
	size_t i;

	for (i = 0; i < COUNT_OF(names); i++) {
		char path[LAB_PATH * 2];

		(void)snprintf(path, sizeof(path), "%s/%s", l->dir, names[i]);
		assert_int_equal(chmod(path, 0640), 0);
		assert_int_equal(add(l, "alice"), CTL_FAILED);
		assert_true(lab_said(l, "errors", "chmod 600"));
		assert_int_equal(chmod(path, 0600), 0);
		assert_false(lab_exists(l, "p.profile"));
	}
	assert_int_equal(chmod(l->config, 0666), 0);
	assert_int_equal(add(l, "alice"), CTL_FAILED);
	assert_true(lab_said(l, "errors", "others than root may change it"));
	assert_string_equal(lab_read(l, "clients"), "# mine\n");
}

static void test_faults_of_the_file_come_first(void **state)
{
	struct lab *l = *state;

	lab_write(l, "clients", "x y\nservice\n", 0600);
	assert_int_equal(add(l, "alice"), CTL_FAILED);
	assert_true(lab_said(l, "errors", "/clients:1: x: a line has"));
	assert_true(lab_said(l, "errors", "/clients:2: service: a line has"));
}

static void test_list_tells_no_secret(void **state)
{
	struct lab *l = *state;
	char *text;
	const json_t *row;

	assert_int_equal(lab_run(l, "client", "list", NULL), CTL_OK);
	assert_int_equal(lab_run(l, "client", "add", "alice", "--service", "ssh", "--server", "h",
			     "--expires", "2001-01-01", "--output", "-", NULL),
	    CTL_OK);
	assert_int_equal(lab_run(l, "client", "list", NULL), CTL_OK);
	row = json_array_get(json_object_get(output_model(l->ctl.out), "clients"), 0);
	assert_string_equal(json_string_value(json_object_get(row, "name")), "alice");
	assert_string_equal(json_string_value(json_object_get(row, "state")), "expired");
	assert_string_equal(
	    json_string_value(json_object_get(row, "expires")), "2001-01-01T00:00Z");
	text = json_dumps(output_model(l->ctl.out), 0);
	assert_null(strchr(text, '=')); /* which all base64 of ours ends with */
	free(text);
}

static const char *joined(const json_t *row, const char *column)
{
	static char out[LAB_TEXT];
	const json_t *item;
	size_t i, at = 0;

	out[0] = '\0';
	json_array_foreach(json_object_get(row, column), i, item)
	{
		at += (size_t)snprintf(
		    out + at, sizeof(out) - at, "%s%s", i > 0 ? "," : "", json_string_value(item));
	}
	return out;
}

static void test_list_tells_all_permissions(void **state)
{
	struct lab *l = *state;
	const json_t *row;

	assert_int_equal(lab_run(l, "client", "add", "alice", "--command-line", "--cut", "--hours",
			     "mon-fri@08:00-18:00", "--doors", "3", "--carrier", "udp,tcp",
			     "--server", "h", "--output", "-", NULL),
	    CTL_OK);
	assert_true(lab_said(l, "warnings", "alice may have any line run by a shell"));
	assert_int_equal(lab_run(l, "client", "list", NULL), CTL_OK);
	row = json_array_get(json_object_get(output_model(l->ctl.out), "clients"), 0);
	assert_string_equal(joined(row, "services"), "");
	assert_string_equal(joined(row, "commands"), "command-line");
	assert_string_equal(joined(row, "hours"), "mon-fri@08:00-18:00");
	assert_string_equal(joined(row, "carriers"), "udp,tcp");
	assert_int_equal(json_integer_value(json_object_get(row, "doors")), 3);
	assert_true(json_is_true(json_object_get(row, "cut")));
}

static void test_revoke_takes_one_line(void **state)
{
	struct lab *l = *state;
	struct control_request heard[LAB_REQUESTS];
	char before[LAB_TEXT];

	(void)snprintf(before, sizeof(before), "%s", "");
	assert_int_equal(add(l, "alice"), CTL_OK);
	(void)snprintf(before, sizeof(before), "%s", lab_read(l, "clients"));
	assert_int_equal(lab_run(l, "client", "add", "al", "--service", "ssh", "--server", "h",
			     "--output", "-", NULL),
	    CTL_OK);
	lab_daemon(l, &good);
	assert_int_equal(lab_run(l, "client", "revoke", "al", NULL), CTL_OK);
	assert_string_equal(lab_read(l, "clients"), before);
	/* Doors first, while the daemon knows the name. */
	assert_int_equal(lab_heard(l, heard), 2);
	assert_int_equal(heard[0].head.type, CONTROL_CLOSE_CLIENT);
	assert_string_equal(heard[0].name, "al");
	assert_int_equal(heard[1].head.type, CONTROL_RELOAD);
}

static void test_revoke_stays_when_refused(void **state)
{
	struct lab *l = *state;

	assert_int_equal(add(l, "alice"), CTL_OK);
	lab_daemon(l, &bad);
	assert_int_equal(lab_run(l, "client", "revoke", "alice", NULL), CTL_REFUSED);
	assert_true(lab_said(l, "errors", "still goes by the old one"));
	assert_string_equal(lab_read(l, "clients"), "# mine\n");
}

static void test_revoke_nobody(void **state)
{
	struct lab *l = *state;

	assert_int_equal(lab_run(l, "client", "revoke", "alice", NULL), CTL_FAILED);
	assert_true(lab_said(l, "errors", "there is no client alice"));
}

static void test_last_line_without_newline(void **state)
{
	struct lab *l = *state;

	lab_write(l, "clients", "# mine", 0600);
	assert_int_equal(add(l, "alice"), CTL_OK);
	assert_memory_equal(lab_read(l, "clients"), "# mine\nalice ", 13);
	assert_int_equal(lab_run(l, "client", "revoke", "alice", NULL), CTL_OK);
	assert_string_equal(lab_read(l, "clients"), "# mine\n");
}

/* Runs "client pin alice" with this on its standard input. */
static int run_pin(struct lab *l, const char *typed)
{
	const int before = dup(STDIN_FILENO);
	int ends[2], status;

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], typed, strlen(typed)), strlen(typed));
	assert_int_equal(close(ends[1]), 0);
	assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
	status = lab_run(l, "client", "pin", "alice", NULL);
	assert_int_equal(dup2(before, STDIN_FILENO), STDIN_FILENO);
	(void)close(ends[0]);
	(void)close(before);
	return status;
}

static struct client alice_of(struct lab *l)
{
	struct roster r;
	struct client k;

	assert_int_equal(roster_open(&l->ctl, &r, false), CTL_OK);
	k = *clients_by_name(r.clients, "alice");
	roster_close(&r);
	return k;
}

static void test_pin_is_set_and_taken_away(void **state)
{
	struct lab *l = *state;
	char before[LAB_TEXT];
	struct client k;

	/* Known before anything is asked or read. */
	assert_int_equal(run_pin(l, "471\n"), CTL_FAILED);
	assert_true(lab_said(l, "errors", "there is no client alice"));
	lab_write(l, "clients", "# mine", 0600);
	assert_int_equal(add(l, "alice"), CTL_OK);
	(void)snprintf(before, sizeof(before), "%s", lab_read(l, "clients"));
	assert_int_equal(run_pin(l, "471\n"), CTL_USAGE);
	assert_int_equal(run_pin(l, ""), CTL_USAGE);
	assert_int_equal(run_pin(l, "123456789012345678901234567890123\n"), CTL_USAGE);
	assert_string_equal(lab_read(l, "clients"), before);
	assert_int_equal(run_pin(l, "4711\n"), CTL_OK);
	k = alice_of(l);
	assert_true(pin_right(&k.pin, (const uint8_t *)"4711", 4));
	assert_int_equal(run_pin(l, "another one"), CTL_OK); /* in its place */
	k = alice_of(l);
	assert_true(pin_right(&k.pin, (const uint8_t *)"another one", 11));
	assert_int_equal(lab_run(l, "client", "pin", "alice", "--remove", NULL), CTL_OK);
	assert_string_equal(lab_read(l, "clients"), before);
	assert_int_equal(lab_run(l, "client", "pin", "alice", "--remove", NULL), CTL_OK);
	assert_string_equal(lab_read(l, "clients"), before);
}

static void test_codes_are_made(void **state)
{
	struct lab *l = *state;
	const char *uri, *secret;
	char text[CODE_TEXT];
	struct client k;

	assert_int_equal(add(l, "alice"), CTL_OK);
	assert_int_equal(lab_run(l, "client", "totp", "alice", "--digits", "9", NULL), CTL_USAGE);
	assert_int_equal(lab_run(l, "client", "totp", "alice", "--digits", "8", NULL), CTL_OK);
	k = alice_of(l);
	assert_int_equal(k.code.digits, 8);
	assert_int_equal(k.code.secret_len, CODE_SECRET_NEW);
	uri = json_string_value(json_object_get(output_model(l->ctl.out), "uri"));
	assert_memory_equal(uri, "otpauth://totp/postern:alice@", 29);
	code_text(&k.code, text);
	text[strcspn(text, ":")] = '\0';
	secret = strstr(uri, "secret=");
	assert_memory_equal(secret + strlen("secret="), text, strlen(text));
	assert_non_null(strstr(uri, "&digits=8&period=30"));
	assert_int_equal(lab_run(l, "client", "totp", "alice", "--remove", NULL), CTL_OK);
	k = alice_of(l);
	assert_int_equal(k.code.digits, 0);
}

/* What its line says besides stays, word by word. */
static void test_other_options_stay(void **state)
{
	struct lab *l = *state;
	struct roster r;
	char *text;

	lab_write(l, "clients",
	    "# alice totp=no\n  alice\tAQIDBAUGBwg= " LAB_KEY " " LAB_DOOR
	    "  service=ssh,totp=GEZDGNBVGY3TQOJQ,doors=2 \r\nbob BQIDBAUGBwg= " LAB_DOOR
	    " " LAB_KEY,
	    0600);
	assert_int_equal(roster_open(&l->ctl, &r, false), CTL_OK);
	text = roster_set(&r, "alice", "totp", "X");
	assert_string_equal(text,
	    "# alice totp=no\n  alice\tAQIDBAUGBwg= " LAB_KEY " " LAB_DOOR
	    " service=ssh,doors=2,totp=X\nbob BQIDBAUGBwg= " LAB_DOOR " " LAB_KEY);
	free(text);
	text = roster_set(&r, "bob", "pin", "Y");
	assert_non_null(strstr(text, LAB_DOOR " " LAB_KEY " pin=Y\n"));
	free(text);
	roster_close(&r);
}

#define IN_LAB(t) cmocka_unit_test_setup_teardown(t, lab_setup, lab_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_LAB(test_add_writes_both_halves),
	    IN_LAB(test_a_sequence_of_its_own),
	    IN_LAB(test_its_carriers_alone),
	    IN_LAB(test_the_profile_has_the_servers_keys),
	    IN_LAB(test_add_tells_the_daemon),
	    IN_LAB(test_add_that_is_refused_leaves_nothing),
	    IN_LAB(test_add_to_standard_output),
	    IN_LAB(test_nothing_is_overwritten),
	    IN_LAB(test_a_link_is_not_followed),
	    IN_LAB(test_the_same_name_twice),
	    IN_LAB(test_add_with_bad_arguments),
	    IN_LAB(test_loose_files_are_refused),
	    IN_LAB(test_faults_of_the_file_come_first),
	    IN_LAB(test_list_tells_no_secret),
	    IN_LAB(test_list_tells_all_permissions),
	    IN_LAB(test_revoke_takes_one_line),
	    IN_LAB(test_revoke_stays_when_refused),
	    IN_LAB(test_revoke_nobody),
	    IN_LAB(test_last_line_without_newline),
	    IN_LAB(test_pin_is_set_and_taken_away),
	    IN_LAB(test_codes_are_made),
	    IN_LAB(test_other_options_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
