/* command: what is run is what was ordered, as whom, for how long, and what comes back. Needs root. */
#include "unit.h"

#include <dlfcn.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "command.h"

enum { PATIENCE_S = 20, TEXT = 4096 };

static bool lookups_allowed;

struct lab {
	struct loop *loop;
	struct commands *commands;
	unsigned ended;
	struct command_end last;
};

static void done(void *arg, const struct command_end *end)
{
	struct lab *l = arg;

	l->last = *end;
	l->ended++;
	if (commands_running(l->commands) == 0)
		loop_stop(l->loop);
}

static void stop(void *arg)
{
	const struct lab *l = arg;

	loop_stop(l->loop);
}

static int setup(void **state)
{
	struct lab *l = calloc(1, sizeof(*l));

	l->loop = loop_new();
	l->commands = commands_new(l->loop, done, l);
	*state = l;
	return 0;
}

static int teardown(void **state)
{
	struct lab *l = *state;

	commands_free(l->commands);
	loop_free(l->loop);
	free(l);
	return 0;
}

/* As the daemon does when it reads a configuration; asked for at another time, nobody answers. */
static void find(struct users *u, const char *name)
{
	static struct config c;
	struct report r = {.say = NULL};

	c.commands = 1;
	(void)snprintf(c.command[0].user, sizeof(c.command[0].user), "%s", name);
	lookups_allowed = true;
	assert_int_equal(users_find(u, &c, "f", &r), 0);
	lookups_allowed = false;
}

struct passwd *getpwnam(const char *name)
{
	struct passwd *(*real)(const char *);
	void *found = dlsym(RTLD_NEXT, "getpwnam");

	assert_true(lookups_allowed);
	memcpy(&real, &found, sizeof(real));
	return real(name);
}

int getgrouplist(const char *name, gid_t gid, gid_t *groups, int *len)
{
	int (*real)(const char *, gid_t, gid_t *, int *);
	void *found = dlsym(RTLD_NEXT, "getgrouplist");

	assert_true(lookups_allowed);
	memcpy(&real, &found, sizeof(real));
	return real(name, gid, groups, len);
}

static void run_as(struct lab *l, const char *user, const char *const *argv, uint32_t timeout_s)
{
	const char *const variables[] = {"POSTERN_CLIENT=alice", NULL};
	struct users u;
	struct command_order o = {
	    .id = 7, .argv = argv, .timeout_s = timeout_s, .variables = variables};

	find(&u, user);
	o.user = users_named(&u, user);
	assert_int_equal(command_run(l->commands, &o), 0);
	users_free(&u);
	assert_int_equal(loop_run(l->loop), 0);
	assert_int_equal(l->last.id, 7);
}

static void shell(struct lab *l, const char *script, uint32_t timeout_s)
{
	const char *const argv[] = {"/bin/sh", "-c", script, NULL};

	run_as(l, "root", argv, timeout_s);
}

static void assert_output(const struct lab *l, const char *want)
{
	char text[COMMAND_OUTPUT_KEPT + 1] = "";

	memcpy(text, l->last.output, l->last.output_len);
	assert_string_equal(text, want);
}

static void test_tells_how_it_ended(void **state)
{
	struct lab *l = *state;

	shell(l, "echo out; echo err >&2; exit 3", PATIENCE_S);
	assert_int_equal(l->last.outcome, COMMAND_ENDED);
	assert_int_equal(l->last.exit_status, 3);
	assert_output(l, "out\nerr\n");
	shell(l, "kill -9 $$", PATIENCE_S);
	assert_int_equal(l->last.outcome, COMMAND_SIGNALED);
	assert_int_equal(l->last.exit_status, 128 + SIGKILL);
}

static void test_runs_as_the_user_in_a_clean_world(void **state)
{
	struct lab *l = *state;
	const char *const who[] = {"/usr/bin/id", "-un", NULL};
	const char *const groups[] = {"/usr/bin/id", "-G", NULL};
	const char *const env[] = {"/usr/bin/env", NULL};
	const char *const files[] = {
	    "/bin/sh", "-c", "set -- /proc/$$/fd/*; echo $#; pwd; ulimit -c; cat", NULL};

	assert_int_equal(setenv("POSTERN_SECRET", "leak", 1), 0);
	run_as(l, "nobody", who, PATIENCE_S);
	assert_output(l, "nobody\n");
	run_as(l, "nobody", groups, PATIENCE_S);
	assert_output(l, "65534\n");
	run_as(l, "nobody", env, PATIENCE_S);
	assert_output(l, "PATH=/usr/sbin:/usr/bin:/sbin:/bin\nHOME=/nonexistent\nUSER=nobody\n"
			 "LOGNAME=nobody\nLANG=C\nPOSTERN_CLIENT=alice\n");
	/* The shell has the folder open while it counts; input is at its end at once. */
	run_as(l, "nobody", files, PATIENCE_S);
	assert_output(l, "4\n/\n0\n");
}

/* Returns whether a command has so many processes as its limit. */
static bool has_processes(struct lab *l, unsigned limit)
{
	char want[64], text[COMMAND_OUTPUT_KEPT + 1] = "";

	shell(l, "set -- $(grep '^Max processes' /proc/self/limits); echo $3 $4", PATIENCE_S);
	(void)snprintf(want, sizeof(want), "%u %u\n", limit, limit);
	memcpy(text, l->last.output, l->last.output_len);
	return strcmp(text, want) == 0;
}

/* Where the daemon itself may have fewer, on a small machine say, so may a command. In a fork, for there is no way back. */
static void test_limits_are_never_raised(void **state)
{
	const struct rlimit few = {200, 200};
	int status = -1;

	assert_true(has_processes(*state, 1024));
	const pid_t pid = fork();
	if (pid == 0) {
		void *own = NULL;

		_exit(setup(&own) == 0 && setrlimit(RLIMIT_NPROC, &few) == 0 &&
			      has_processes(own, 200)
			  ? 0
			  : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_a_program_that_is_not_there(void **state)
{
	struct lab *l = *state;
	const char *const argv[] = {"/nowhere/at/all", NULL};

	run_as(l, "root", argv, PATIENCE_S);
	assert_int_equal(l->last.outcome, COMMAND_ENDED);
	assert_int_equal(l->last.exit_status, 127);
	assert_output(l, "/nowhere/at/all: No such file or directory\n");
}

static void test_a_flood_is_read_and_cut(void **state)
{
	struct lab *l = *state;

	shell(l, "head -c 3000000 /dev/zero | tr '\\0' x; exit 5", PATIENCE_S);
	assert_int_equal(l->last.exit_status, 5); /* no SIGPIPE, no blocked write */
	assert_int_equal(l->last.output_len, COMMAND_OUTPUT_KEPT);
	assert_true(l->last.cut);
}

static bool is_alive(pid_t pid)
{
	char path[64], text[256], state = 'X';
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (fgets(text, sizeof(text), f))
		(void)sscanf(strrchr(text, ')') + 1, " %c", &state);
	(void)fclose(f);
	return state != 'Z' && state != 'X';
}

/* It hangs, and so do its children: one in its group, one in a group of its own. */
static void test_a_hang_is_killed_with_all_its_session(void **state)
{
	struct lab *l = *state;
	const uint64_t begin = clock_mono_ms();
	int first = 0, second = 0;
	char text[COMMAND_OUTPUT_KEPT + 1] = "";

	shell(l,
	    "trap '' TERM; sleep 1000 & echo $!;"
	    " perl -e 'setpgrp; exec qw(sleep 1000)' & echo $!; wait",
	    1);
	assert_int_equal(l->last.outcome, COMMAND_TIMEOUT);
	assert_true(clock_mono_ms() - begin >= 1000);
	assert_true(clock_mono_ms() - begin < PATIENCE_S * 1000);
	memcpy(text, l->last.output, l->last.output_len);
	assert_int_equal(sscanf(text, "%d %d", &first, &second), 2);
	while (is_alive(first) || is_alive(second)) { /* SIGKILL was sent: it is under way */
		assert_true(clock_mono_ms() - begin < PATIENCE_S * 1000);
		(void)usleep(1000);
	}
}

/* It forks for as long as it can, and the first of them is over at once. */
static void test_what_it_left_in_its_session_ends_in_time(void **state)
{
	struct lab *l = *state;
	const uint64_t begin = clock_mono_ms();
	char text[COMMAND_OUTPUT_KEPT + 1] = "";
	int pid = 0;

	shell(l, "sleep 1000 & echo $!", 1);
	assert_int_equal(l->last.outcome, COMMAND_ENDED);
	memcpy(text, l->last.output, l->last.output_len);
	assert_int_equal(sscanf(text, "%d", &pid), 1);
	assert_true(is_alive(pid)); /* time passes in the loop alone */
	assert_int_equal(commands_running(l->commands), 0);
	assert_int_equal(loop_timer(l->loop, 1100, stop, l), 0);
	assert_int_equal(loop_run(l->loop), 0);
	while (is_alive(pid)) { /* SIGKILL was sent: it is under way */
		assert_true(clock_mono_ms() - begin < PATIENCE_S * 1000);
		(void)usleep(1000);
	}
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left to be waited for */
}

/* A daemon that it leaves behind holds neither us nor the answer. */
static void test_what_stays_behind_holds_nobody(void **state)
{
	struct lab *l = *state;
	const uint64_t begin = clock_mono_ms();
	int pid = 0;
	char text[COMMAND_OUTPUT_KEPT + 1] = "";

	shell(l, "setsid sleep 1000 & echo $!; exit 0", PATIENCE_S);
	assert_int_equal(l->last.outcome, COMMAND_ENDED);
	assert_true(clock_mono_ms() - begin < PATIENCE_S * 1000);
	memcpy(text, l->last.output, l->last.output_len);
	assert_int_equal(sscanf(text, "%d", &pid), 1);
	assert_true(is_alive(pid));
	assert_int_equal(kill(pid, SIGKILL), 0);
}

static void test_no_more_than_so_many_run(void **state)
{
	struct lab *l = *state;
	const char *const argv[] = {"/bin/sleep", "1000", NULL};
	struct users u;

	find(&u, "nobody");
	const struct command_order o = {.argv = argv, .user = &u.at[0], .timeout_s = 1};

	for (int i = 0; i < COMMANDS_MAX; i++)
		assert_int_equal(command_run(l->commands, &o), 0);
	assert_int_equal(command_run(l->commands, &o), -1);
	assert_int_equal(loop_run(l->loop), 0);
	assert_int_equal(l->ended, COMMANDS_MAX);
	assert_int_equal(commands_running(l->commands), 0);
	users_free(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_tells_how_it_ended, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_runs_as_the_user_in_a_clean_world, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_limits_are_never_raised, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_program_that_is_not_there, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_flood_is_read_and_cut, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_a_hang_is_killed_with_all_its_session, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_what_it_left_in_its_session_ends_in_time, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_what_stays_behind_holds_nobody, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_no_more_than_so_many_run, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
