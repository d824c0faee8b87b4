/*
 * sources - when captures are started, replaced and ended, and when nobody
 * needs to wait for them any more. A capture is played by this program again.
 */
#include "unit.h"

#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc.h"
#include "sources.h"

enum { PATIENCE_MS = 10000, INTRODUCED_MAX = 64 };

/* Of those that are told of a dry run none can do anything with its configuration. */
static int capture_main_of(const char *last_argument)
{
	char byte;

	if (strcmp(last_argument, "--dry-run") == 0)
		return CAPTURE_EXIT_CONFIG;
	/* It ends when auth does. */
	while (recv(FD_PEER, &byte, 1, 0) != 0)
		usleep(1000);
	return 0;
}

struct scene {
	struct loop *loop;
	struct sources sources;
	struct config config;
	int root;
	bool auth, late;
	unsigned introduced, changes;
	struct {
		uint32_t index, generation;
		int sock;
	} peer[INTRODUCED_MAX];
	bool (*until)(struct scene *s);
};

static int introduce(void *arg, const struct source *src, int sock)
{
	struct scene *s = arg;

	if (!s->auth)
		return -1;
	assert_true(s->introduced < INTRODUCED_MAX);
	s->peer[s->introduced].index = src->index;
	s->peer[s->introduced].generation = src->generation;
	s->peer[s->introduced++].sock = fcntl(sock, F_DUPFD_CLOEXEC, 3);
	return 0;
}

static int config_fd(void *arg)
{
	(void)arg;
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void changed(void *arg)
{
	struct scene *s = arg;

	s->changes++;
}

static const struct sources_ops ops = {
    .introduce = introduce, .config = config_fd, .changed = changed};

static void each_turn(void *arg)
{
	struct scene *s = arg;

	if (s->until(s))
		loop_stop(s->loop);
}

static void too_late(void *arg)
{
	struct scene *s = arg;

	s->late = true;
	loop_stop(s->loop);
}

static void run_until(struct scene *s, bool (*until)(struct scene *s))
{
	s->until = until;
	if (until(s))
		return;
	assert_int_equal(loop_timer(s->loop, PATIENCE_MS, too_late, s), 0);
	assert_int_equal(loop_run(s->loop), 0);
	assert_false(s->late);
	loop_cancel(s->loop, too_late, s);
}

static const struct child_args args = {.config_path = "none"};

static void set_interfaces(struct scene *s, const char *a, const char *b)
{
	s->config.sources = b ? 2 : 1;
	memset(s->config.source, 0, sizeof(s->config.source));
	(void)strcpy(s->config.source[0].name, a);
	(void)strcpy(s->config.source[0].interface, a);
	(void)strcpy(s->config.source[1].name, b ? b : "");
	(void)strcpy(s->config.source[1].interface, b ? b : "");
}

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	*state = s;
	s->loop = loop_new();
	loop_each_turn(s->loop, each_turn, s);
	s->root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	s->auth = true;
	sources_init(&s->sources, s->loop, &args, s->root, &ops, s);
	return 0;
}

static bool idle(struct scene *s)
{
	return sources_idle(&s->sources);
}

static int teardown(void **state)
{
	struct scene *s = *state;

	sources_pause(&s->sources);
	sources_kill(&s->sources);
	run_until(s, idle);
	for (unsigned i = 0; i < s->introduced; i++)
		close(s->peer[i].sock);
	close(s->root);
	loop_free(s->loop);
	free(s);
	return 0;
}

static bool introduced_three(struct scene *s)
{
	return s->introduced >= 3;
}

/* Hang up as auth would when it died. */
static void hang_up(struct scene *s, unsigned i)
{
	close(s->peer[i].sock);
	s->peer[i].sock = -1;
}

static void expect_ready(struct scene *s, unsigned ready, unsigned of)
{
	unsigned all = 0;

	assert_int_equal(sources_count(&s->sources, &all), ready);
	assert_int_equal(all, of);
}

static void test_start(void **state)
{
	struct scene *s = *state;

	set_interfaces(s, "lo", "any");
	sources_set(&s->sources, &s->config, 1);
	assert_int_equal(s->introduced, 0); /* not without auth */
	assert_false(sources_settled(&s->sources));
	sources_run(&s->sources);
	assert_int_equal(s->introduced, 2);
	expect_ready(s, 0, 2);
	assert_int_equal(sources_ready(&s->sources, 0, 1), 0);
	assert_false(sources_settled(&s->sources));
	assert_int_equal(sources_ready(&s->sources, 1, 1), 0);
	assert_true(sources_settled(&s->sources));
	expect_ready(s, 2, 2);
	assert_int_equal(sources_ready(&s->sources, 2, 1), -1); /* none of ours */
	assert_int_equal(sources_ready(&s->sources, 0, 2), -1);
}

static void test_a_missing_interface_holds_nobody_up(void **state)
{
	struct scene *s = *state;

	set_interfaces(s, "lo", "nothere7");
	sources_set(&s->sources, &s->config, 1);
	sources_run(&s->sources);
	assert_int_equal(s->introduced, 1);
	assert_false(sources_settled(&s->sources));
	assert_int_equal(sources_ready(&s->sources, 0, 1), 0);
	assert_true(sources_settled(&s->sources));
	expect_ready(s, 1, 2);
}

static void test_one_that_dies_comes_back(void **state)
{
	struct scene *s = *state;

	set_interfaces(s, "lo", "any");
	sources_set(&s->sources, &s->config, 1);
	sources_run(&s->sources);
	hang_up(s, 1); /* before it was ever ready */
	run_until(s, introduced_three);
	assert_int_equal(s->peer[2].index, 1);
	assert_int_equal(sources_ready(&s->sources, 0, 1), 0);
	assert_true(sources_settled(&s->sources)); /* it failed once: nobody waits */
	assert_int_equal(sources_ready(&s->sources, 1, 1), 0);
	expect_ready(s, 2, 2);
}

/* Auth hung up on it, but one that was taken need not end because of that. */
static void test_a_taken_one_is_killed(void **state)
{
	struct scene *s = *state;

	set_interfaces(s, "lo", "any");
	sources_set(&s->sources, &s->config, 1);
	sources_run(&s->sources);
	assert_int_equal(sources_ready(&s->sources, 0, 1), 0);
	assert_int_equal(sources_ready(&s->sources, 1, 1), 0);
	assert_int_equal(sources_bad(&s->sources, 2, 1), -1); /* none of ours */
	assert_int_equal(sources_bad(&s->sources, 0, 2), -1);
	assert_int_equal(sources_bad(&s->sources, 1, 1), 0);
	run_until(s, introduced_three);
	assert_int_equal(s->peer[2].index, 1);
	expect_ready(s, 1, 2);
}

static bool none_lives(struct scene *s)
{
	return sources_idle(&s->sources);
}

static bool never(struct scene *s)
{
	(void)s;
	return false;
}

static void stop(void *arg)
{
	struct scene *s = arg;

	loop_stop(s->loop);
}

/* Nothing that passes by itself: not five times a second in the log, but not given up for ever. */
static void test_one_that_cannot_be_configured_waits_long(void **state)
{
	static const struct child_args refused = {.config_path = "none", .dry_run = true};
	struct scene *s = *state;

	s->sources.args = &refused;
	set_interfaces(s, "lo", NULL);
	sources_set(&s->sources, &s->config, 1);
	sources_run(&s->sources);
	run_until(s, none_lives);
	assert_true(sources_settled(&s->sources));
	s->until = never;
	assert_int_equal(loop_timer(s->loop, 5 * BACKOFF_LEAST_MS, stop, s), 0);
	assert_int_equal(loop_run(s->loop), 0);
	assert_int_equal(s->introduced, 1);
	/* A reload tries at once. */
	s->sources.args = &args;
	sources_set(&s->sources, &s->config, 2);
	assert_int_equal(s->introduced, 2);
}

static void test_auth_goes_and_comes(void **state)
{
	struct scene *s = *state;

	set_interfaces(s, "lo", NULL);
	sources_set(&s->sources, &s->config, 1);
	sources_run(&s->sources);
	assert_int_equal(sources_ready(&s->sources, 0, 1), 0);
	s->auth = false;
	sources_pause(&s->sources);
	run_until(s, none_lives);
	assert_int_equal(s->introduced, 1);
	assert_true(sources_settled(&s->sources));
	s->auth = true;
	sources_run(&s->sources);
	assert_int_equal(s->introduced, 2);
	/* And back while the old one is still ending. */
	sources_pause(&s->sources);
	sources_run(&s->sources);
	run_until(s, introduced_three);
}

static unsigned living(const struct scene *s)
{
	unsigned n = 0;

	for (size_t i = 0; i < SOURCES_SLOTS; i++)
		n += s->sources.slot[i].child.pid > 0;
	return n;
}

static bool one_lives(struct scene *s)
{
	return living(s) == 1;
}

/* New ones first; the old end when the new see packets. */
static void test_replaced(void **state)
{
	struct scene *s = *state;

	set_interfaces(s, "lo", NULL);
	sources_set(&s->sources, &s->config, 1);
	sources_run(&s->sources);
	assert_int_equal(sources_ready(&s->sources, 0, 1), 0);
	sources_set(&s->sources, &s->config, 2);
	assert_int_equal(s->introduced, 2);
	assert_int_equal(s->peer[1].generation, 2);
	assert_int_equal(living(s), 2);
	assert_int_equal(sources_ready(&s->sources, 0, 2), 0);
	run_until(s, one_lives);
	expect_ready(s, 1, 1);
	/* The new one is it. */
	hang_up(s, 0);
	/* What auth said before it knew that the old one is gone is no lie. */
	assert_int_equal(sources_ready(&s->sources, 0, 1), 0);
	assert_int_equal(sources_ready(&s->sources, 0, 3), -1);
	expect_ready(s, 1, 1);
}

/* The same after a reload that left one out. */
static void test_a_late_word_is_no_lie(void **state)
{
	struct scene *s = *state;

	set_interfaces(s, "lo", "any");
	sources_set(&s->sources, &s->config, 1);
	sources_run(&s->sources);
	set_interfaces(s, "lo", NULL);
	sources_set(&s->sources, &s->config, 2);
	assert_int_equal(sources_ready(&s->sources, 0, 2), 0);
	run_until(s, one_lives);
	assert_int_equal(sources_ready(&s->sources, 1, 1), 0);
	assert_int_equal(sources_ready(&s->sources, 1, 2), -1);
	assert_int_equal(sources_ready(&s->sources, CONFIG_SOURCES_MAX, 1), -1);
}

/* Many reloads in a row, faster than anything gets ready. */
static void test_replaced_in_haste(void **state)
{
	struct scene *s = *state;

	set_interfaces(s, "lo", NULL);
	sources_set(&s->sources, &s->config, 1);
	sources_run(&s->sources);
	for (uint32_t g = 2; g < 20; g++)
		sources_set(&s->sources, &s->config, g);
	assert_int_equal(s->peer[s->introduced - 1].generation, 19);
	assert_int_equal(sources_ready(&s->sources, 0, 19), 0);
	run_until(s, one_lives);
	expect_ready(s, 1, 1);
}

/* An interface that comes up is tried at once, but not for each message about it. */
static void test_link(void **state)
{
	struct scene *s = *state;

	set_interfaces(s, "nothere7", NULL);
	sources_set(&s->sources, &s->config, 1);
	sources_run(&s->sources);
	sources_link(&s->sources, "nothere7", false);
	sources_link(&s->sources, "other", true);
	assert_int_equal(s->introduced, 0);
	/* It is the kernel who is asked in the end: it stays away. */
	sources_link(&s->sources, "nothere7", true);
	assert_int_equal(s->introduced, 0);
	(void)strcpy(s->sources.slot[0].interface, "lo"); /* as if it had come */
	sources_link(&s->sources, "lo", true);
	assert_int_equal(s->introduced, 1);
	sources_link(&s->sources, "lo", true);
	assert_int_equal(s->introduced, 1);
	sources_link(&s->sources, NULL, true);
	assert_int_equal(s->introduced, 1);
}

static void test_what_needs_new_captures(void **state)
{
	static const struct config none;
	struct config a = none, b;

	(void)state;
	a.sources = 1;
	a.udp_port = 1;
	(void)strcpy(a.source[0].interface, "lo");
	(void)strcpy(a.source[0].capture, "pcap");
	b = a;
	b.window_s = 5;
	b.services = 1;
	assert_false(sources_differ(&a, &b));
	b = a;
	b.udp_port = 2;
	assert_true(sources_differ(&a, &b));
	b = a;
	(void)strcpy(b.source[0].interface, "eth0");
	assert_true(sources_differ(&a, &b));
	b = a;
	b.sources = 2;
	assert_true(sources_differ(&a, &b));
	b = a;
	(void)strcpy(b.source[0].capture, "nflog");
	assert_true(sources_differ(&a, &b));
	b = a;
	(void)strcpy(b.source[0].filter, "x");
	assert_true(sources_differ(&a, &b));
	b = a;
	(void)strcpy(b.capture_user, "x");
	assert_true(sources_differ(&a, &b));
	b = a;
	b.log_level = LOG_LEVEL_DEBUG;
	assert_true(sources_differ(&a, &b));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_start, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_a_missing_interface_holds_nobody_up, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_one_that_dies_comes_back, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_taken_one_is_killed, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_one_that_cannot_be_configured_waits_long, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_auth_goes_and_comes, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_replaced, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_late_word_is_no_lie, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_replaced_in_haste, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_link, setup, teardown),
	    cmocka_unit_test(test_what_needs_new_captures),
	};

	if (argc > 2 && strcmp(argv[2], "capture") == 0)
		return capture_main_of(argv[argc - 1]);
	log_start(LOG_TO_STDERR, LOG_LEVEL_ERROR, "test", -1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
