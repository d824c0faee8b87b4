/* The programs as they are built: exit statuses, what is printed, what goes through the pipe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "fakenet.h"
#include "postern.h"
#include "secret.h"

enum { ARGS_MAX = 12, OUTPUT_MAX_BYTES = 65536, BULK = 1 << 20 };

extern char **environ;

struct lab {
	struct fakenet net;
	char out[OUTPUT_MAX_BYTES]; /* of the last run */
	char err[OUTPUT_MAX_BYTES];
};

static int set_up(void **state)
{
	struct lab *l = calloc(1, sizeof(*l));

	*state = l;
	if (!l)
		return -1;
	fakenet_start(&l->net);
	fakenet_profile(&l->net, "server = 127.0.0.1\nserver = ::1\n");
	return 0;
}

static int tear_down(void **state)
{
	struct lab *l = *state;

	fakenet_stop(&l->net);
	free(l);
	return 0;
}

static int out_file(const struct lab *l, const char *name)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", l->net.home, name);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	return fd;
}

static void read_back(int fd, char out[static OUTPUT_MAX_BYTES])
{
	ssize_t len = pread(fd, out, OUTPUT_MAX_BYTES - 1, 0);

	assert_true(len >= 0);
	out[len] = '\0';
	(void)close(fd);
}

struct running {
	pid_t pid;
	int out, err;
};

/* Starts program with these words, separated by blanks. */
static struct running start_program(const struct lab *l, const char *program, const char *words)
{
	struct running r = {.out = out_file(l, "out"), .err = out_file(l, "err")};
	char copy[512], *args[ARGS_MAX + 1] = {0}, *rest = NULL;
	char name[] = "postern";
	posix_spawn_file_actions_t actions;
	int count = 0;

	args[count++] = name;
	(void)snprintf(copy, sizeof(copy), "%s", words);
	for (char *w = strtok_r(copy, " ", &rest); w; w = strtok_r(NULL, " ", &rest)) {
		assert_true(count < ARGS_MAX);
		args[count++] = w;
	}
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	(void)posix_spawn_file_actions_adddup2(&actions, r.out, 1);
	(void)posix_spawn_file_actions_adddup2(&actions, r.err, 2);
	assert_int_equal(posix_spawn(&r.pid, program, &actions, NULL, args, environ), 0);
	(void)posix_spawn_file_actions_destroy(&actions);
	return r;
}

/* Returns its exit status. */
static int wait_program(struct lab *l, const struct running *r)
{
	int status;

	assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
	read_back(r->out, l->out);
	read_back(r->err, l->err);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int run_program(struct lab *l, const char *program, const char *words)
{
	const struct running r = start_program(l, program, words);

	return wait_program(l, &r);
}

static void expect(struct lab *l, const char *words, int status)
{
	int got = run_program(l, getenv("POSTERN_PROGRAM"), words);

	if (got != status)
		fail_msg("postern %s: %d, not %d\n%s%s", words, got, status, l->out, l->err);
}

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in: %s", part, text);
}

static void open_prints_a_line_for_each_door(void **state)
{
	struct lab *l = *state;

	expect(l, "open alice", 0);
	assert_string_equal(l->out, "ssh (tcp 22) is open for 127.0.0.1 for 60 s\n"
				    "ssh (tcp 22) is open for ::1 for 60 s\n");
	assert_string_equal(l->err, "");
	expect(l, "open alice ssh --hold 2m -4", 0);
	assert_string_equal(l->out, "ssh (tcp 22) is open for 127.0.0.1 for 120 s\n");
	expect(l, "open alice --address 198.51.100.7 --address 2001:db8::7", 0);
	assert_string_equal(
	    l->out, "ssh (tcp 22) is open for 198.51.100.7 and 2001:db8::7 for 60 s\n");
	expect(l, "open alice --quiet", 0);
	assert_string_equal(l->out, "");
}

static void every_exit_status_is_what_the_manual_says(void **state)
{
	struct lab *l = *state;
	struct fake_server *f = l->net.server;
	char path[128];

	expect(l, "ping alice", POSTERN_OK);
	f->verdict = VERDICT_DENIED;
	expect(l, "open alice", POSTERN_DENIED);
	assert_string_equal(l->out, "");
	f->mute = true;
	expect(l, "open alice -r 0 -4", POSTERN_NO_ANSWER);
	assert_has(l->err, "postern: alice: no answer from 127.0.0.1 (udp port ");
	expect(l, "", POSTERN_BAD_ARGUMENT);
	expect(l, "knock", POSTERN_BAD_ARGUMENT);
	expect(l, "open", POSTERN_BAD_ARGUMENT);
	expect(l, "open alice --colour", POSTERN_BAD_ARGUMENT);
	expect(l, "open alice --hold", POSTERN_BAD_ARGUMENT);
	expect(l, "open alice --hold never", POSTERN_BAD_ARGUMENT);
	expect(l, "open alice --address localhost", POSTERN_BAD_ARGUMENT);
	expect(l, "open alice --retries 16", POSTERN_BAD_ARGUMENT);
	expect(l, "open alice NoSuch", POSTERN_BAD_ARGUMENT);
	expect(l, "close alice ssh --all", POSTERN_BAD_ARGUMENT);
	expect(l, "connect 127.0.0.1 70000", POSTERN_BAD_ARGUMENT);
	expect(l, "ping alice bob", POSTERN_BAD_ARGUMENT);
	expect(l, "ping bob", POSTERN_BAD_PROFILE);
	expect(l, "ping ../alice", POSTERN_BAD_PROFILE);
	fakenet_write(&l->net, "config/postern/profiles/broken", "# postern profile\n", 0600, path);
	expect(l, "ping broken", POSTERN_BAD_PROFILE);
	assert_has(l->err, "broken: version: is missing");
	fakenet_profile(&l->net, "server = no-such-host.invalid\n");
	expect(l, "ping alice", POSTERN_SYSTEM);
	assert_has(l->err, "no-such-host.invalid: has no address");
}

static void loose_permissions_are_refused(void **state)
{
	struct lab *l = *state;
	char path[128], words[256];

	(void)snprintf(path, sizeof(path), "%s/alice", l->net.profiles);
	for (unsigned mode = 0601; mode <= 0640; mode = mode == 0604 ? 0610 : mode * 2 - 0600) {
		assert_int_equal(chmod(path, mode), 0);
		expect(l, "ping alice", POSTERN_BAD_PROFILE);
		assert_has(l->err, "run 'chmod 600 ");
		(void)snprintf(words, sizeof(words), "import %s --name other", path);
		expect(l, words, POSTERN_BAD_PROFILE);
	}
	assert_int_equal(l->net.server->packets, 0);
}

static void import_copies_once_and_privately(void **state)
{
	struct lab *l = *state;
	char text[FAKE_PROFILE_MAX], path[128], words[256], copy[160];
	struct stat st;

	fake_server_profile(l->net.server, "server = 127.0.0.1\n", l->net.port, text);
	fakenet_write(&l->net, "from-admin", text, 0600, path);
	(void)snprintf(words, sizeof(words), "import %s", path);
	expect(l, words, POSTERN_BAD_ARGUMENT); /* alice is there */
	assert_has(l->err, "there is a profile of this name already");
	(void)snprintf(words, sizeof(words), "import %s --name bob", path);
	expect(l, words, 0);
	assert_has(l->out, "imported bob (");
	(void)snprintf(copy, sizeof(copy), "%s/bob", l->net.profiles);
	assert_int_equal(stat(copy, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	expect(l, "ping bob", 0);
	(void)snprintf(words, sizeof(words), "import %s --name ../bob", path);
	expect(l, words, POSTERN_BAD_ARGUMENT);
	fakenet_write(&l->net, "from-admin", "rubbish\n", 0600, path);
	(void)snprintf(words, sizeof(words), "import %s --name carol", path);
	expect(l, words, POSTERN_BAD_PROFILE);
	assert_has(l->err, "from-admin:1: is not a profile");
	expect(l, "profiles", 0);
	assert_has(l->out, "alice: 127.0.0.1, ::1: ssh (tcp 22)\nbob: 127.0.0.1: ssh (tcp 22)\n");
}

static json_t *parse(const struct lab *l)
{
	json_t *model = json_loads(l->out, 0, NULL);

	if (!model)
		fail_msg("not JSON: %s", l->out);
	return model;
}

static void json_says_the_same(void **state)
{
	struct lab *l = *state;
	const char *command, *profile, *result, *family, *server, *seen, *door_for, *verdict,
	    *service;
	const char *session;
	int exit_status, packets, port, seconds, challenged;
	double ahead_ms, trip_ms;

	expect(l, "open alice -4 --json --challenge", 0);
	json_t *model = parse(l);
	assert_int_equal(
	    json_unpack(model,
		"{s:s, s:s, s:s, s:i, s:[{s:s, s:s, s:s, s:s, s:s, s:b, s:i, s:F, s:F,"
		" s:[{s:s, s:i, s:i, s:s}]}]}",
		"command", &command, "profile", &profile, "result", &result, "exit", &exit_status,
		"answers", "family", &family, "server", &server, "seen", &seen, "for", &door_for,
		"verdict", &verdict, "challenged", &challenged, "packets", &packets,
		"clock_ahead_ms", &ahead_ms, "round_trip_ms", &trip_ms, "doors", "service",
		&service, "port", &port, "seconds", &seconds, "session", &session),
	    0);
	assert_string_equal(command, "open");
	assert_string_equal(profile, "alice");
	assert_string_equal(result, "granted");
	assert_int_equal(exit_status, 0);
	assert_string_equal(family, "ipv4");
	assert_string_equal(server, "127.0.0.1");
	assert_string_equal(seen, "127.0.0.1");
	assert_string_equal(door_for, "127.0.0.1");
	assert_string_equal(verdict, "ok");
	assert_true(challenged);
	assert_int_equal(packets, 2);
	assert_true(trip_ms > 0 && trip_ms < 1000);
	assert_true(ahead_ms > -1000 && ahead_ms < 1000);
	assert_string_equal(service, "ssh");
	assert_int_equal(port, 22);
	assert_int_equal(seconds, 60);
	assert_string_equal(session, "00000000abcdef12");
	json_decref(model);
}

static void json_tells_errors_too(void **state)
{
	struct lab *l = *state;
	const char *result, *error;
	int exit_status;

	expect(l, "open nobody --json", POSTERN_BAD_PROFILE);
	json_t *model = parse(l);
	assert_int_equal(json_unpack(model, "{s:s, s:i, s:s}", "result", &result, "exit",
			     &exit_status, "error", &error),
	    0);
	assert_string_equal(result, "bad profile");
	assert_int_equal(exit_status, POSTERN_BAD_PROFILE);
	assert_has(error, "nobody: there is no such profile");
	json_decref(model);
}

static void what_the_server_says_cannot_move_the_cursor(void **state)
{
	struct lab *l = *state;

	l->net.server->verdict = VERDICT_BUSY;
	(void)snprintf(l->net.server->reason, sizeof(l->net.server->reason), "\x1b[2Jgone\n\x9b");
	expect(l, "open alice", POSTERN_DENIED);
	assert_has(l->err, "is busy: try again in a moment (it says: ");
	for (const char *c = l->err; *c; c++)
		assert_true(*c == '\n' || (*c >= 0x20 && *c < 0x7f));
	expect(l, "open alice --json", POSTERN_DENIED);
	for (const char *c = l->out; *c; c++)
		assert_true(*c == '\n' || (*c >= 0x20 && *c < 0x7f));
}

static void ping_list_and_close(void **state)
{
	struct lab *l = *state;
	double behind_s, trip_ms;

	l->net.server->ahead_ns = -5000000000;
	expect(l, "ping alice -6", 0);
	assert_int_equal(
	    sscanf(l->out, "::1 sees ::1; its clock is %lf s behind; round trip %lf ms", &behind_s,
		&trip_ms),
	    2);
	assert_true(behind_s > 4.5 && behind_s < 5.5);
	assert_true(trip_ms > 0 && trip_ms < 1000);
	expect(l, "list alice", 0);
	assert_string_equal(l->out, "ssh (tcp 22) for another 60 s, session 00000000abcdef12\n");
	expect(l, "close alice --session 00000000abcdef12", 0);
	assert_true(l->net.server->last.session == 0xabcdef12);
	assert_string_equal(l->out, "closed session 00000000abcdef12\n");
	expect(l, "close alice ssh", 0);
	assert_string_equal(l->net.server->last.service[0], "ssh");
	assert_string_equal(l->out, "closed ssh\n");
	expect(l, "close alice", 0);
	assert_int_equal(l->net.server->last.verb, VERB_CLOSE);
	assert_true(l->net.server->last.has_session);
}

/* Whoever closes all does not mind what has closed by itself since it was listed; whoever names one does. */
static void close_passes_over_what_is_gone(void **state)
{
	struct lab *l = *state;

	l->net.server->gone = true;
	expect(l, "close alice", 0);
	assert_true(l->net.server->last.has_session);
	assert_string_equal(l->out, "no door was open\n");
	assert_string_equal(l->err, "");
	expect(l, "close alice --session 00000000abcdef12", POSTERN_DENIED);
	assert_has(l->err, "has no such door of this client open");
	(void)snprintf(l->net.server->reason, sizeof(l->net.server->reason), "not so");
	expect(l, "close alice", POSTERN_DENIED);
}

/* Where no answer is to come, each service is closed all the same. */
static void close_without_an_answer_goes_on(void **state)
{
	struct lab *l = *state;
	const struct fake_server *f = l->net.server;

	expect(l, "ping alice -4", 0);
	l->net.server->mute = true;
	const unsigned before = f->acted;
	expect(l, "close alice ssh web -4 -r 0 --confirm none", 2);
	assert_int_equal(f->acted, before + 2);
	assert_int_equal(f->last.verb, VERB_CLOSE);
	assert_string_equal(f->last.service[0], "web");
}

/* And at the end of keep as well, though it waits for none of them as long as close would. */
static void keep_closes_all_that_it_opened(void **state)
{
	const struct timespec moment = {.tv_nsec = 10000000};
	struct lab *l = *state;
	const volatile struct fake_server *f = l->net.server;

	expect(l, "ping alice -4", 0);
	l->net.server->mute = true;
	const struct running r = start_program(
	    l, getenv("POSTERN_PROGRAM"), "keep alice ssh web -4 --hold 60 --confirm none");
	while (f->last.verb != VERB_OPEN)
		(void)nanosleep(&moment, NULL);
	assert_int_equal(kill(r.pid, SIGTERM), 0);
	assert_int_equal(wait_program(l, &r), 2);
	assert_int_equal(f->last.verb, VERB_CLOSE);
	assert_string_equal(l->net.server->last.service[0], "web");
	assert_has(l->err, "closes when its time is over");
}

static void ssh_config_prints_a_stanza(void **state)
{
	struct lab *l = *state;

	expect(l, "ssh-config alice", 0);
	assert_string_equal(l->out, "Host 127.0.0.1 ::1\n    ProxyCommand postern connect %h %p\n");
	expect(l, "ssh-config", 0);
	assert_has(l->out, "Host 127.0.0.1 ::1\n");
}

static void help_comes_from_the_tables(void **state)
{
	static const char *const commands[] = {"import", "open", "close", "ping", "list", "connect",
	    "ssh-config", "profiles", "help", "version"};
	struct lab *l = *state;
	char words[64];

	expect(l, "help", 0);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		assert_has(l->out, commands[i]);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		(void)snprintf(words, sizeof(words), "%s --help", commands[i]);
		expect(l, words, 0);
		assert_has(l->out, "usage: postern ");
		assert_has(l->out, commands[i]);
	}
	expect(l, "help open", 0);
	assert_has(l->out, "-t, --hold TIME");
	expect(l, "version", 0);
	assert_has(l->out, postern_version());
}

static void one_family_or_none_is_named(void **state)
{
	struct lab *l = *state;

	expect(l, "ping alice -4 -6", POSTERN_BAD_ARGUMENT);
	assert_has(
	    l->err, "postern: ping: -6: excludes the other family: leave both -4 and -6 away");
	expect(l, "ping alice -4 -4", 0);
}

/* ---- connect ---- */

struct piped {
	pid_t pid;
	int to, from; /* its standard input and output */
};

static struct piped start_connect(const struct lab *l, const char *host)
{
	char port[8], name[] = "postern", command[] = "connect", host_copy[64];
	char *args[] = {name, command, host_copy, port, NULL};
	struct piped p;
	int in[2], out[2];
	posix_spawn_file_actions_t actions;

	(void)snprintf(port, sizeof(port), "%u", (unsigned)l->net.port);
	(void)snprintf(host_copy, sizeof(host_copy), "%s", host);
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_adddup2(&actions, in[0], 0);
	(void)posix_spawn_file_actions_adddup2(&actions, out[1], 1);
	assert_int_equal(
	    posix_spawn(&p.pid, getenv("POSTERN_PROGRAM"), &actions, NULL, args, environ), 0);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)close(in[0]);
	(void)close(out[1]);
	p.to = in[1];
	p.from = out[0];
	return p;
}

static int wait_for(struct piped *p)
{
	int status;

	assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static size_t read_all(int fd, char *out, size_t cap)
{
	size_t len = 0;
	ssize_t got;

	while ((got = read(fd, out + len, cap - len)) > 0)
		len += (size_t)got;
	assert_int_equal(got, 0);
	return len;
}

static void connect_is_a_pipe_that_closes_by_halves(void **state)
{
	struct lab *l = *state;
	char out[64];

	struct piped p = start_connect(l, "127.0.0.1");
	assert_int_equal(write(p.to, "hello", 5), 5);
	assert_int_equal(read(p.from, out, 5), 5);
	assert_memory_equal(out, "hello", 5);
	assert_int_equal(l->net.server->acted, 1); /* one family was enough */
	assert_int_equal(l->net.server->last.port[0].number, l->net.port);
	(void)close(p.to); /* the service hears the end, and only then says bye */
	assert_int_equal(read_all(p.from, out, sizeof(out)), 3);
	assert_memory_equal(out, "bye", 3);
	(void)close(p.from);
	assert_int_equal(wait_for(&p), 0);
}

/* More than all the buffers on the way hold, while nobody reads; then all of it is there. */
static void connect_carries_bulk(void **state)
{
	struct lab *l = *state;
	char *sent = malloc(BULK), *got = malloc(BULK + 64);

	assert_true(sent && got);
	for (size_t i = 0; i < BULK; i++)
		sent[i] = (char)(i * 31 >> 3);
	struct piped p = start_connect(l, "::1");
	pid_t writer = fork();
	assert_true(writer >= 0);
	if (writer == 0) {
		for (ssize_t at = 0; at < BULK;) {
			ssize_t put = write(p.to, sent + at, (size_t)(BULK - at));
			if (put < 0)
				_exit(1);
			at += put;
		}
		_exit(0);
	}
	(void)close(p.to);
	assert_int_equal(read_all(p.from, got, BULK + 64), BULK + 3);
	assert_memory_equal(got, sent, BULK);
	assert_int_equal(waitpid(writer, NULL, 0), writer);
	(void)close(p.from);
	assert_int_equal(wait_for(&p), 0);
	free(sent);
	free(got);
}

/* ssh is gone: so is the pipe, though nobody said goodbye. */
static void connect_ends_when_nobody_listens(void **state)
{
	struct lab *l = *state;
	char out[8];

	struct piped p = start_connect(l, "127.0.0.1");
	assert_int_equal(write(p.to, "x", 1), 1);
	assert_int_equal(read(p.from, out, 1), 1);
	(void)close(p.from);
	assert_int_equal(wait_for(&p), 0);
	(void)close(p.to);
}

static void connect_needs_a_door_and_a_service(void **state)
{
	struct lab *l = *state;
	char words[64];

	expect(l, "connect 127.0.0.1 1", POSTERN_SYSTEM);
	assert_has(l->err, "the door is open, but 127.0.0.1 port 1 does not take the connection");
	l->net.server->verdict = VERDICT_DENIED;
	(void)snprintf(words, sizeof(words), "connect 127.0.0.1 %u", (unsigned)l->net.port);
	expect(l, words, POSTERN_DENIED);
	assert_string_equal(l->out, "");
	expect(l, "connect elsewhere.example 22", POSTERN_BAD_PROFILE);
}

/* ---- the example of the library's manual ---- */

static void the_example_opens(void **state)
{
	struct lab *l = *state;

	assert_int_equal(run_program(l, getenv("POSTERN_EXAMPLE"), "alice ssh"), 0);
	assert_string_equal(l->out, "open for 127.0.0.1 for 60 s\nopen for ::1 for 60 s\n");
	l->net.server->verdict = VERDICT_QUOTA;
	assert_int_equal(run_program(l, getenv("POSTERN_EXAMPLE"), "alice ssh"), POSTERN_DENIED);
	assert_has(l->err, "has no room for another door: close one");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(open_prints_a_line_for_each_door),
	    TEST(every_exit_status_is_what_the_manual_says),
	    TEST(loose_permissions_are_refused),
	    TEST(import_copies_once_and_privately),
	    TEST(json_says_the_same),
	    TEST(json_tells_errors_too),
	    TEST(what_the_server_says_cannot_move_the_cursor),
	    TEST(ping_list_and_close),
	    TEST(close_passes_over_what_is_gone),
	    TEST(close_without_an_answer_goes_on),
	    TEST(keep_closes_all_that_it_opened),
	    TEST(ssh_config_prints_a_stanza),
	    TEST(help_comes_from_the_tables),
	    TEST(one_family_or_none_is_named),
	    TEST(connect_is_a_pipe_that_closes_by_halves),
	    TEST(connect_carries_bulk),
	    TEST(connect_ends_when_nobody_listens),
	    TEST(connect_needs_a_door_and_a_service),
	    TEST(the_example_opens),
	};

	if (secret_init() < 0 || !getenv("POSTERN_PROGRAM") || !getenv("POSTERN_EXAMPLE")) {
		(void)fprintf(stderr, "POSTERN_PROGRAM and POSTERN_EXAMPLE must say what to run\n");
		return 1;
	}
	fakenet_isolate();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
