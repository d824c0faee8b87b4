#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl_lab.h"
#include "output.h"
#include "replace.h"

static const struct lab_script good = {.text = "3 closed"};
static const struct lab_script bad = {.status = ENOENT, .text = "there is no such session"};

static const json_t *rows(const struct lab *l, const char *table)
{
	return json_object_get(output_model(l->ctl.out), table);
}

static const char *text_of(const json_t *row, const char *column)
{
	return json_string_value(json_object_get(row, column));
}

static void test_nobody_there(void **state)
{
	static const char *const commands[] = {"sessions", "stats", "reload"};
	struct lab *l = *state;
	size_t i;

	for (i = 0; i < COUNT_OF(commands); i++) {
		assert_int_equal(lab_run(l, commands[i], NULL), CTL_NOT_RUNNING);
		assert_true(lab_said(l, "errors", "posternd does not run"));
		assert_null(rows(l, commands[i]));
	}
	assert_int_equal(lab_run(l, "close", "1f", NULL), CTL_NOT_RUNNING);
}

static void test_sessions(void **state)
{
	struct control_session s[LAB_SESSIONS] = {
	    {.head = {.type = CONTROL_SESSION, .len = sizeof(s[0])},
		.session = 0x0123456789abcdef,
		.client = "alice",
		.service = "ssh",
		.address = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 1},
		.prefix_len = 32,
		.proto = 6,
		.port = 22,
		.rest_s = 42},
	    {.head = {.type = CONTROL_SESSION, .len = sizeof(s[0])},
		.session = UINT64_MAX,
		.address = {0x20, 0x01, 0x0d, 0xb8},
		.prefix_len = 32,
		.proto = 132,
		.port = 65535},
	};
	const struct lab_script script = {.session = s};
	struct lab *l = *state;
	const json_t *row;

	/* Of a taken daemon, texts may have no end. */
	memset(s[1].client, 'x', sizeof(s[1].client));
	memset(s[1].service, 0xff, sizeof(s[1].service));
	lab_daemon(l, &script);
	assert_int_equal(lab_run(l, "sessions", NULL), CTL_OK);
	assert_int_equal(json_array_size(rows(l, "sessions")), 2);
	row = json_array_get(rows(l, "sessions"), 0);
	assert_string_equal(text_of(row, "session"), "0123456789abcdef");
	assert_string_equal(text_of(row, "client"), "alice");
	assert_string_equal(text_of(row, "protocol"), "tcp");
	assert_string_equal(text_of(row, "address"), "192.0.2.1");
	assert_int_equal(json_integer_value(json_object_get(row, "rest_s")), 42);
	row = json_array_get(rows(l, "sessions"), 1);
	assert_string_equal(text_of(row, "session"), "ffffffffffffffff");
	assert_int_equal(strlen(text_of(row, "client")), CONTROL_NAME_MAX - 1);
	assert_string_equal(text_of(row, "protocol"), "132");
	assert_string_equal(text_of(row, "address"), "2001:db8::/32");
}

static void test_stats(void **state)
{
	const struct control_counter n = {.head = {.type = CONTROL_COUNTER, .len = sizeof(n)},
	    .name = "capture.eth0.gate",
	    .value = 5000000000};
	const struct lab_script script = {.counter = &n};
	struct lab *l = *state;
	const json_t *row;

	lab_daemon(l, &script);
	assert_int_equal(lab_run(l, "stats", NULL), CTL_OK);
	row = json_array_get(rows(l, "counters"), 0);
	assert_string_equal(text_of(row, "counter"), "capture.eth0.gate");
	assert_int_equal(json_integer_value(json_object_get(row, "value")), 5000000000);
}

static void test_stats_of_sources(void **state)
{
	const struct control_source s = {.head = {.type = CONTROL_SOURCE, .len = sizeof(s)},
	    .name = "eth0.7",
	    .interface = "eth0.7",
	    .method = "nflog",
	    .state = "failed",
	    .why = "exit=1: it is gone",
	    .since_s = 1700000000,
	    .workers = 2,
	    .ready = 1,
	    .switched = 1};
	const struct control_counter n = {.head = {.type = CONTROL_COUNTER, .len = sizeof(n)},
	    .name = "capture.eth0.7.gate",
	    .value = 11};
	const struct lab_script script = {.source = &s, .counter = &n};
	struct lab *l = *state;
	const json_t *row;

	lab_daemon(l, &script);
	assert_int_equal(lab_run(l, "stats", NULL), CTL_OK);
	row = json_array_get(rows(l, "sources"), 0);
	assert_string_equal(text_of(row, "source"), "eth0.7");
	assert_string_equal(text_of(row, "method"), "nflog");
	assert_string_equal(text_of(row, "state"), "failed");
	assert_string_equal(text_of(row, "since"), "2023-11-14T22:13:20Z");
	assert_string_equal(text_of(row, "why"), "exit=1: it is gone");
	assert_true(json_is_true(json_object_get(row, "switched")));
	assert_int_equal(json_integer_value(json_object_get(row, "ready")), 1);
	assert_int_equal(json_integer_value(json_object_get(row, "dropped")), 11);
	assert_int_equal(json_integer_value(json_object_get(row, "matched")), 0);
	row = json_array_get(rows(l, "dropped"), 0);
	assert_string_equal(text_of(row, "source"), "eth0.7");
	assert_int_equal(json_integer_value(json_object_get(row, "gate")), 11);
}

#define FORMAT "run-dir = %s\nservice ssh { proto = tcp port = 22 }\n"

static void test_switch(void **state)
{
	struct lab *l = *state;
	struct control_request heard[LAB_REQUESTS];

	lab_daemon(l, &good);
	assert_int_equal(
	    lab_run(l, "capture", "switch", "afpacket", "--source", "a", NULL), CTL_OK);
	assert_true(lab_said(l, "messages", "a captures by afpacket"));
	assert_int_equal(lab_run(l, "capture", "switch", "nflog", NULL), CTL_OK);
	assert_int_equal(lab_run(l, "capture", "switch", "bpf", NULL), CTL_USAGE);
	assert_true(lab_said(l, "errors", "there is no way to capture of that name"));
	assert_int_equal(lab_run(l, "capture", "switch", "queue", NULL), CTL_USAGE);
	assert_true(lab_said(l, "errors", "queue: Linux 3.5 dropped QUEUE; use nfqueue"));
	assert_int_equal(lab_heard(l, heard), 2);
	assert_int_equal(heard[0].head.type, CONTROL_SWITCH);
	assert_string_equal(heard[0].name, "a");
	assert_string_equal(heard[0].word, "afpacket");
	assert_string_equal(heard[1].name, "");
	assert_string_equal(heard[1].word, "nflog");
}

static void test_switch_to_what_does_not_hear(void **state)
{
	struct lab *l = *state;
	struct control_request heard[LAB_REQUESTS];
	char text[LAB_PATH + 256];

	lab_daemon(l, &good);
	(void)snprintf(text, sizeof(text), FORMAT "udp-port = 4000\ntcp-port = 4001\n", l->dir);
	lab_write(l, "posternd.conf", text, 0644);
	assert_int_equal(lab_run(l, "capture", "switch", "nfqueue", NULL), CTL_OK);
	assert_true(lab_said(l, "warnings", "nfqueue hears knocks by udp alone"));
	assert_int_equal(lab_run(l, "capture", "switch", "nflog", NULL), CTL_OK);
	assert_false(lab_said(l, "warnings", "hears"));
	(void)snprintf(text, sizeof(text), FORMAT "tcp-port = 4001\n", l->dir);
	lab_write(l, "posternd.conf", text, 0644);
	assert_int_equal(lab_run(l, "capture", "switch", "nfqueue", NULL), CTL_FAILED);
	assert_true(lab_said(l, "errors", "and posternd.conf has other carriers"));
	assert_int_equal(lab_heard(l, heard), 2);
}

static void test_close(void **state)
{
	struct lab *l = *state;
	struct control_request heard[LAB_REQUESTS];

	lab_daemon(l, &good);
	assert_int_equal(lab_run(l, "close", "00000000deadBEEF", NULL), CTL_OK);
	assert_int_equal(lab_run(l, "close", "--client", "alice", NULL), CTL_OK);
	assert_true(lab_said(l, "messages", "3 closed"));
	assert_int_equal(lab_run(l, "close", NULL), CTL_USAGE);
	assert_int_equal(lab_run(l, "close", "1", "--client", "alice", NULL), CTL_USAGE);
	assert_int_equal(lab_run(l, "close", "0x1", NULL), CTL_USAGE);
	assert_int_equal(lab_run(l, "close", "11112222333344445", NULL), CTL_USAGE);
	assert_int_equal(lab_run(l, "close", "--client", "Alice", NULL), CTL_USAGE);
	assert_int_equal(lab_heard(l, heard), 2);
	assert_int_equal(heard[0].head.type, CONTROL_CLOSE);
	assert_int_equal(heard[0].session, 0xdeadbeef);
	assert_int_equal(heard[1].head.type, CONTROL_CLOSE_CLIENT);
	assert_string_equal(heard[1].name, "alice");
}

static void test_refusals_are_told(void **state)
{
	struct lab *l = *state;

	lab_daemon(l, &bad);
	assert_int_equal(lab_run(l, "close", "1", NULL), CTL_REFUSED);
	assert_true(lab_said(l, "errors", "posternd refuses: there is no such session"));
	assert_int_equal(lab_run(l, "reload", NULL), CTL_REFUSED);
}

static void test_a_refusal_without_words(void **state)
{
	static const struct lab_script script = {.status = ENOENT};
	struct lab *l = *state;

	lab_daemon(l, &script);
	assert_int_equal(lab_run(l, "close", "1", NULL), CTL_REFUSED);
	assert_true(lab_said(l, "errors", strerror(ENOENT)));
}

static void test_strange_answers(void **state)
{
	struct control_done unknown = {.head = {.type = 7, .len = sizeof(unknown)}};
	struct control_counter wrong_len = {
	    .head = {.type = CONTROL_DONE, .len = sizeof(wrong_len)}};
	const struct ipc_head only_head = {.type = CONTROL_DONE, .len = sizeof(only_head)};
	const struct lab_script scripts[] = {
	    {.raw = &unknown, .raw_len = sizeof(unknown)},
	    {.raw = &wrong_len, .raw_len = sizeof(wrong_len)},
	    {.raw = &only_head, .raw_len = sizeof(only_head)},
	    {.raw = "xyz", .raw_len = 3},
	    {.raw = ""},
	};
	struct lab *l = *state;
	struct control_request heard[LAB_REQUESTS];
	char path[LAB_PATH * 2];
	size_t i;

	for (i = 0; i < COUNT_OF(scripts); i++) {
		lab_daemon(l, &scripts[i]);
		assert_int_equal(lab_run(l, "stats", NULL), CTL_FAILED);
		assert_true(lab_said(l, "errors",
		    scripts[i].raw_len > 0 ? "in a way that this posternctl does not know"
					   : "posternd broke off"));
		assert_int_equal(lab_heard(l, heard), 1);
		(void)snprintf(path, sizeof(path), "%s/%s", l->dir, CONTROL_SOCKET_NAME);
		assert_int_equal(unlink(path), 0);
	}
}

/* ---- the door key ---- */

static int count_keys(const char *text)
{
	int n = 0;

	for (; *text != '\0'; text++)
		n += text[0] == '=' && text[1] == '\n';
	return n;
}

static void test_rotate_and_forget(void **state)
{
	struct lab *l = *state;
	struct control_request heard[LAB_REQUESTS];
	char current[64];
	const char *second;

	lab_daemon(l, &good);
	assert_int_equal(lab_run(l, "rotate-door-key", NULL), CTL_OK);
	second = strstr(lab_read(l, "door.key"), LAB_DOOR);
	assert_non_null(second);
	assert_int_equal(count_keys(lab_read(l, "door.key")), 2);
	assert_string_equal(second, LAB_DOOR "\n"); /* the last line */
	(void)snprintf(current, sizeof(current), "%.45s", second - 45);

	/* Again would leave behind those who have not followed. */
	assert_int_equal(lab_run(l, "rotate-door-key", NULL), CTL_FAILED);
	assert_true(lab_said(l, "errors", "--forget-previous"));

	assert_int_equal(lab_run(l, "rotate-door-key", "--forget-previous", NULL), CTL_OK);
	assert_int_equal(count_keys(lab_read(l, "door.key")), 1);
	assert_non_null(strstr(lab_read(l, "door.key"), current));
	assert_null(strstr(lab_read(l, "door.key"), LAB_DOOR));
	assert_int_equal(lab_heard(l, heard), 2);
	assert_int_equal(heard[0].head.type, CONTROL_RELOAD);
	assert_int_equal(heard[1].head.type, CONTROL_RELOAD);
	assert_int_equal(lab_count(l), 5);
}

static void test_rotation_that_is_refused(void **state)
{
	struct lab *l = *state;
	struct stat st;
	char path[LAB_PATH * 2];

	lab_daemon(l, &bad);
	assert_int_equal(lab_run(l, "rotate-door-key", NULL), CTL_REFUSED);
	assert_non_null(strstr(lab_read(l, "door.key"), LAB_DOOR "\n"));
	assert_int_equal(count_keys(lab_read(l, "door.key")), 1);
	(void)snprintf(path, sizeof(path), "%s/door.key", l->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

/* ---- one at a time ---- */

static void test_a_second_change_waits(void **state)
{
	struct lab *l = *state;
	char byte;
	int p[2];
	pid_t child;
	int lock;

	assert_int_equal(pipe(p), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		lock = replace_lock(&l->ctl, l->config);
		(void)!write(p[1], "x", 1);
		(void)usleep(300000);
		lab_write(l, "marker", "done", 0600);
		_exit(lock < 0);
	}
	assert_int_equal(read(p[0], &byte, 1), 1);
	lock = replace_lock(&l->ctl, l->config);
	assert_true(lock >= 0);
	assert_true(lab_exists(l, "marker")); /* so the other one had ended */
	(void)close(lock);
	(void)waitpid(child, NULL, 0);
	(void)close(p[0]);
	(void)close(p[1]);
}

static void test_replaced_file_keeps_mode_and_owner(void **state)
{
	struct lab *l = *state;
	char path[LAB_PATH * 2];
	struct stat st;

	l->ctl.out = output_new("x");
	(void)snprintf(path, sizeof(path), "%s/clients", l->dir);
	assert_int_equal(chmod(path, 0400), 0);
	if (geteuid() == 0)
		assert_int_equal(chown(path, 0, 12345), 0);
	assert_int_equal(replace_file(&l->ctl, path, "new\n"), 0);
	assert_string_equal(lab_read(l, "clients"), "new\n");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0400);
	if (geteuid() == 0)
		assert_int_equal(st.st_gid, 12345);
	assert_int_equal(lab_count(l), 4);
}

#define IN_LAB(t) cmocka_unit_test_setup_teardown(t, lab_setup, lab_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_LAB(test_nobody_there),
	    IN_LAB(test_sessions),
	    IN_LAB(test_stats),
	    IN_LAB(test_stats_of_sources),
	    IN_LAB(test_switch),
	    IN_LAB(test_switch_to_what_does_not_hear),
	    IN_LAB(test_close),
	    IN_LAB(test_refusals_are_told),
	    IN_LAB(test_a_refusal_without_words),
	    IN_LAB(test_strange_answers),
	    IN_LAB(test_rotate_and_forget),
	    IN_LAB(test_rotation_that_is_refused),
	    IN_LAB(test_a_second_change_waits),
	    IN_LAB(test_replaced_file_keeps_mode_and_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
