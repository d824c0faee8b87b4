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
		uint32_t index, id;
		char capture[CONFIG_NAME_MAX + 1];
		unsigned turn, group;
		int sock;
	} peer[INTRODUCED_MAX];
	unsigned needs;	     /* what the firewall was told last */
	char need_text[256]; /* all of it */
	bool refuse_needs;
	struct msg_source_state state[CONFIG_SOURCES_MAX];
	unsigned switches;
	bool switched;
	char why[CONFIG_WHY_MAX];
	bool (*until)(struct scene *s);
};

static int introduce(void *arg, const struct worker *w, int sock)
{
	struct scene *s = arg;

	if (!s->auth)
		return -1;
	assert_true(s->introduced < INTRODUCED_MAX);
	s->peer[s->introduced].index = w->index;
	s->peer[s->introduced].id = w->id;
	s->peer[s->introduced].turn = w->turn;
	s->peer[s->introduced].group = w->group;
	(void)strcpy(s->peer[s->introduced].capture, w->source.capture);
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

static int needs(void *arg, unsigned needs)
{
	struct scene *s = arg;
	const size_t len = strlen(s->need_text);

	if (s->refuse_needs)
		return -1;
	s->needs = needs;
	(void)snprintf(s->need_text + len, sizeof(s->need_text) - len, "%u ", needs);
	return 0;
}

static void state_told(void *arg, const struct msg_source_state *m)
{
	struct scene *s = arg;

	assert_true(m->index < m->sources && m->sources <= CONFIG_SOURCES_MAX);
	s->state[m->index] = *m;
}

static void switched(void *arg, bool ok, const char *why)
{
	struct scene *s = arg;

	s->switches++;
	s->switched = ok;
	(void)snprintf(s->why, sizeof(s->why), "%s", why);
}

static const struct sources_ops ops = {.introduce = introduce,
    .config = config_fd,
    .needs = needs,
    .state = state_told,
    .switched = switched,
    .changed = changed};

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
	for (unsigned i = 0; i < s->config.sources; i++) {
		(void)strcpy(s->config.source[i].capture, "pcap");
		s->config.source[i].workers = 1;
	}
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

/* What the process that was introduced as number i says. */
static int ready(struct scene *s, unsigned i)
{
	return sources_ready(&s->sources, s->peer[i].id);
}

static void expect_ready(struct scene *s, unsigned ready, unsigned of)
{
	unsigned all = 0;

	assert_int_equal(sources_count(&s->sources, &all), ready);
	assert_int_equal(all, of);
}

static void begin(struct scene *s, const char *a, const char *b)
{
	set_interfaces(s, a, b);
	sources_set(&s->sources, &s->config);
	sources_run(&s->sources);
}

static void test_start(void **state)
{
	struct scene *s = *state;

	set_interfaces(s, "lo", "any");
	sources_set(&s->sources, &s->config);
	assert_int_equal(s->introduced, 0); /* not without auth */
	assert_false(sources_settled(&s->sources));
	sources_run(&s->sources);
	assert_int_equal(s->introduced, 2);
	expect_ready(s, 0, 2);
	assert_int_equal(s->state[0].condition, SOURCE_IS_STARTING);
	assert_int_equal(ready(s, 0), 0);
	assert_false(sources_settled(&s->sources));
	assert_int_equal(s->state[0].condition, SOURCE_IS_UP);
	assert_string_equal(s->state[0].name, "lo");
	assert_string_equal(config_capture_name(s->state[0].method), "pcap");
	assert_int_equal(s->state[1].condition, SOURCE_IS_STARTING);
	assert_int_equal(s->state[1].sources, 2);
	assert_int_equal(ready(s, 1), 0);
	assert_true(sources_settled(&s->sources));
	expect_ready(s, 2, 2);
	assert_int_equal(sources_ready(&s->sources, 0), -1); /* none of ours */
	assert_int_equal(sources_ready(&s->sources, 3), -1);
}

static void test_a_missing_interface_holds_nobody_up(void **state)
{
	struct scene *s = *state;

	begin(s, "lo", "nothere7");
	assert_int_equal(s->introduced, 1);
	assert_false(sources_settled(&s->sources));
	assert_int_equal(ready(s, 0), 0);
	assert_true(sources_settled(&s->sources));
	expect_ready(s, 1, 2);
	assert_int_equal(s->state[1].condition, SOURCE_IS_WAITING);
	assert_string_equal(s->state[1].why, "the interface is not there, or down");
	assert_true(s->state[1].since_s > 0);
}

static void test_one_that_dies_comes_back(void **state)
{
	struct scene *s = *state;

	begin(s, "lo", "any");
	hang_up(s, 1); /* before it was ever ready */
	run_until(s, introduced_three);
	assert_int_equal(s->peer[2].index, 1);
	assert_int_equal(ready(s, 0), 0);
	assert_true(sources_settled(&s->sources)); /* it failed once: nobody waits */
	assert_int_equal(s->state[1].condition, SOURCE_IS_FAILED);
	assert_string_equal(s->state[1].why, "exit=0");
	assert_int_equal(ready(s, 2), 0);
	assert_int_equal(s->state[1].condition, SOURCE_IS_UP);
	expect_ready(s, 2, 2);
}

/* Auth hung up on it, but one that was taken need not end because of that. */
static void test_a_taken_one_is_killed(void **state)
{
	struct scene *s = *state;

	begin(s, "lo", "any");
	assert_int_equal(ready(s, 0), 0);
	assert_int_equal(ready(s, 1), 0);
	assert_int_equal(sources_bad(&s->sources, 0), -1); /* none of ours */
	assert_int_equal(sources_bad(&s->sources, 3), -1);
	assert_int_equal(sources_bad(&s->sources, s->peer[1].id), 0);
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

static void run_for(struct scene *s, uint64_t ms)
{
	s->until = never;
	assert_int_equal(loop_timer(s->loop, ms, stop, s), 0);
	assert_int_equal(loop_run(s->loop), 0);
}

/* Nothing that passes by itself: not five times a second in the log, but not given up for ever. */
static void test_one_that_cannot_be_configured_waits_long(void **state)
{
	static const struct child_args refused = {.config_path = "none", .dry_run = true};
	struct scene *s = *state;

	s->sources.args = &refused;
	begin(s, "lo", NULL);
	run_until(s, none_lives);
	assert_true(sources_settled(&s->sources));
	run_for(s, 5 * BACKOFF_LEAST_MS);
	assert_int_equal(s->introduced, 1);
	/* A reload that changes it tries at once. */
	s->sources.args = &args;
	s->config.source[0].filter[0] = 'x';
	sources_set(&s->sources, &s->config);
	assert_int_equal(s->introduced, 2);
}

static void test_auth_goes_and_comes(void **state)
{
	struct scene *s = *state;

	begin(s, "lo", NULL);
	assert_int_equal(ready(s, 0), 0);
	s->auth = false;
	sources_pause(&s->sources);
	run_until(s, none_lives);
	assert_int_equal(s->introduced, 1);
	assert_true(sources_settled(&s->sources));
	s->auth = true;
	memset(s->state, 0, sizeof(s->state));
	sources_run(&s->sources);
	assert_int_equal(s->introduced, 2);
	assert_string_equal(s->state[0].name, "lo"); /* it is told all anew */
	/* And back while the old one is still ending. */
	sources_pause(&s->sources);
	sources_run(&s->sources);
	run_until(s, introduced_three);
}

static unsigned living(const struct scene *s)
{
	unsigned n = 0;

	for (size_t i = 0; i < SOURCES_WORKERS; i++)
		n += s->sources.worker[i].child.pid > 0;
	return n;
}

static bool one_lives(struct scene *s)
{
	return living(s) == 1;
}

static bool two_live(struct scene *s)
{
	return living(s) == 2;
}

/* New ones first; the old end when the new see packets. */
static void test_replaced(void **state)
{
	struct scene *s = *state;

	begin(s, "lo", NULL);
	assert_int_equal(ready(s, 0), 0);
	s->config.udp_port = 1;
	sources_set(&s->sources, &s->config);
	assert_int_equal(s->introduced, 2);
	assert_int_equal(living(s), 2);
	assert_int_equal(ready(s, 1), 0);
	assert_int_equal(living(s), 2); /* what the old one has is handed over first */
	assert_true(sources_settled(&s->sources));
	assert_false(sources_calm(&s->sources));
	run_until(s, one_lives);
	assert_true(sources_calm(&s->sources));
	expect_ready(s, 1, 1);
	/* The new one is it. */
	hang_up(s, 0);
	/* What auth said before it knew that the old one is gone is no lie. */
	assert_int_equal(ready(s, 0), 0);
	assert_int_equal(sources_ready(&s->sources, 3), -1);
	expect_ready(s, 1, 1);
}

/* A reload leaves alone what it does not change, wherever it stands in the file. */
static void test_what_stays_goes_on(void **state)
{
	struct scene *s = *state;

	begin(s, "lo", "any");
	assert_int_equal(ready(s, 0), 0);
	assert_int_equal(ready(s, 1), 0);
	set_interfaces(s, "any", NULL);
	sources_set(&s->sources, &s->config);
	assert_int_equal(s->introduced, 2);
	expect_ready(s, 1, 1);
	assert_string_equal(s->state[0].name, "any");
	assert_int_equal(s->state[0].condition, SOURCE_IS_UP);
	run_until(s, one_lives);
	set_interfaces(s, "lo", "any");
	sources_set(&s->sources, &s->config);
	assert_int_equal(s->introduced, 3);
	assert_int_equal(s->peer[2].index, 0);
	hang_up(s, 1); /* any, now second: it is started as what it is now */
	run_until(s, two_live);
	while (s->introduced < 4)
		run_for(s, BACKOFF_LEAST_MS);
	assert_int_equal(s->peer[3].index, 1);
}

/* Many reloads in a row, faster than anything gets ready. */
static void test_replaced_in_haste(void **state)
{
	struct scene *s = *state;

	begin(s, "lo", NULL);
	for (uint16_t g = 2; g < 20; g++) {
		s->config.udp_port = g;
		sources_set(&s->sources, &s->config);
	}
	assert_int_equal(ready(s, s->introduced - 1), 0);
	run_until(s, one_lives);
	expect_ready(s, 1, 1);
}

/* An interface that comes up is tried at once, but not for each message about it. */
static void test_link(void **state)
{
	struct scene *s = *state;

	begin(s, "nothere7", NULL);
	sources_link(&s->sources, "nothere7", false);
	sources_link(&s->sources, "other", true);
	assert_int_equal(s->introduced, 0);
	/* It is the kernel who is asked in the end: it stays away. */
	sources_link(&s->sources, "nothere7", true);
	assert_int_equal(s->introduced, 0);
	(void)strcpy(s->sources.worker[0].source.interface, "lo"); /* as if it had come */
	sources_link(&s->sources, "lo", true);
	assert_int_equal(s->introduced, 1);
	sources_link(&s->sources, "lo", true);
	assert_int_equal(s->introduced, 1);
	sources_link(&s->sources, NULL, true);
	assert_int_equal(s->introduced, 1);
	assert_int_equal(ready(s, 0), 0);
	sources_link(&s->sources, "lo", false);
	assert_int_equal(s->state[0].condition, SOURCE_IS_WAITING);
	sources_link(&s->sources, "lo", true);
	assert_int_equal(s->state[0].condition, SOURCE_IS_UP);
}

static void test_workers(void **state)
{
	struct scene *s = *state;

	set_interfaces(s, "lo", NULL);
	(void)strcpy(s->config.source[0].capture, "afpacket");
	s->config.source[0].workers = 3;
	sources_set(&s->sources, &s->config);
	sources_run(&s->sources);
	assert_int_equal(s->introduced, 3);
	assert_int_equal(s->peer[0].group, s->peer[2].group);
	assert_int_equal(ready(s, 0), 0);
	assert_int_equal(ready(s, 2), 0);
	expect_ready(s, 0, 1);
	assert_int_equal(s->state[0].ready, 2);
	assert_int_equal(s->state[0].workers, 3);
	assert_int_equal(s->state[0].condition, SOURCE_IS_STARTING);
	assert_int_equal(ready(s, 1), 0);
	expect_ready(s, 1, 1);
	assert_int_equal(s->state[0].condition, SOURCE_IS_UP);
	/* Those of another time share nothing with these. By another method there is one. */
	sources_switch(&s->sources, 0, "pcap");
	assert_int_equal(s->introduced, 4);
	assert_int_not_equal(s->peer[3].group, s->peer[0].group);
	assert_int_equal(ready(s, 3), 0);
	run_until(s, one_lives);
	sources_switch(&s->sources, 0, "afpacket");
	assert_int_equal(s->introduced, 7);
}

/* Its rules are its own, no switch is meant for it, and it hears no interface. */
static void test_a_trap(void **state)
{
	struct scene *s = *state;

	set_interfaces(s, "lo", "any");
	(void)strcpy(s->config.source[1].name, "trap");
	(void)strcpy(s->config.source[1].capture, "nflog");
	s->config.source[1].trap = true;
	sources_set(&s->sources, &s->config);
	sources_run(&s->sources);
	assert_int_equal(s->introduced, 2);
	assert_int_equal(s->needs, NEED_TRAP_0);
	assert_int_equal(ready(s, 0), 0);
	expect_ready(s, 1, 1);
	assert_int_equal(ready(s, 1), 0);
	sources_switch(&s->sources, SWITCH_ALL_SOURCES, "nfqueue");
	assert_int_equal(s->switches, 1);
	assert_false(s->switched); /* which is not for lo */
	sources_switch(&s->sources, SWITCH_ALL_SOURCES, "afpacket");
	assert_int_equal(s->introduced, 3);
	assert_int_equal(s->peer[2].index, 0);
	assert_int_equal(ready(s, 2), 0);
	assert_int_equal(s->switches, 2);
	assert_true(s->switched);
	assert_int_equal(s->needs, NEED_TRAP_0);
}

static void test_switch(void **state)
{
	struct scene *s = *state;

	begin(s, "lo", "any");
	assert_int_equal(ready(s, 0), 0);
	assert_int_equal(ready(s, 1), 0);
	sources_switch(&s->sources, SWITCH_ALL_SOURCES, "afpacket");
	assert_int_equal(s->introduced, 4);
	assert_string_equal(s->peer[2].capture, "afpacket");
	assert_int_equal(ready(s, 2), 0);
	run_for(s, 300);
	assert_int_equal(s->switches, 0);
	assert_int_equal(living(s), 4); /* not before all are ready */
	assert_int_equal(s->state[0].switched, 0);
	assert_int_equal(ready(s, 3), 0);
	assert_int_equal(s->switches, 1);
	assert_true(s->switched);
	assert_int_equal(s->state[0].switched, 1);
	assert_string_equal(config_capture_name(s->state[1].method), "afpacket");
	run_until(s, two_live);
	expect_ready(s, 2, 2);
	/* What is so already is fine. */
	sources_switch(&s->sources, 1, "afpacket");
	assert_int_equal(s->switches, 2);
	assert_true(s->switched);
	assert_int_equal(s->introduced, 4);
	/* A reload goes back to the file. */
	sources_set(&s->sources, &s->config);
	assert_int_equal(s->introduced, 6);
	assert_string_equal(s->peer[4].capture, "pcap");
}

static void test_switch_that_fails(void **state)
{
	static const struct child_args refused = {.config_path = "none", .dry_run = true};
	struct scene *s = *state;

	begin(s, "lo", NULL);
	assert_int_equal(ready(s, 0), 0);
	/* What the configuration could not say either. */
	sources_switch(&s->sources, 0, "nflog");
	assert_int_equal(s->switches, 1);
	assert_false(s->switched);
	assert_string_equal(
	    s->why, "nflog takes what comes in at all interfaces at once; use interface = any");
	assert_int_equal(s->introduced, 1);
	/* What cannot start. */
	s->sources.args = &refused;
	sources_switch(&s->sources, 0, "afpacket");
	assert_int_equal(s->introduced, 2);
	while (s->switches < 2)
		run_for(s, 20);
	assert_false(s->switched);
	assert_string_equal(s->why, "source \"lo\": exit=78");
	assert_int_equal(living(s), 1);
	assert_int_equal(s->state[0].condition, SOURCE_IS_UP);
	assert_string_equal(config_capture_name(s->state[0].method), "pcap");
	expect_ready(s, 1, 1);
	/* What a reload comes between. */
	s->sources.args = &args;
	sources_switch(&s->sources, 0, "afpacket");
	assert_int_equal(s->introduced, 3);
	sources_set(&s->sources, &s->config);
	assert_int_equal(s->switches, 3);
	assert_false(s->switched);
	run_until(s, one_lives);
	expect_ready(s, 1, 1);
}

/* The kernel has one reader for each group of its log: the new one reads another, and the firewall logs to both meanwhile. */
static void test_places_take_turns(void **state)
{
	struct scene *s = *state;

	set_interfaces(s, "any", NULL);
	(void)strcpy(s->config.source[0].capture, "nflog");
	sources_set(&s->sources, &s->config);
	sources_run(&s->sources);
	assert_int_equal(s->needs, NEED_NFLOG_0);
	assert_int_equal(s->peer[0].turn, 0);
	assert_int_equal(ready(s, 0), 0);
	s->config.udp_port = 7;
	sources_set(&s->sources, &s->config);
	assert_int_equal(s->needs, NEED_NFLOG_0 | NEED_NFLOG_1);
	assert_int_equal(s->peer[1].turn, 1);
	assert_int_equal(ready(s, 1), 0);
	run_until(s, one_lives);
	assert_int_equal(s->needs, NEED_NFLOG_1);
	sources_switch(&s->sources, 0, "nfqueue");
	assert_int_equal(s->needs, NEED_NFLOG_1 | NEED_NFQUEUE_0);
	assert_int_equal(ready(s, 2), 0);
	run_until(s, one_lives);
	assert_int_equal(s->needs, NEED_NFQUEUE_0);
	/* One queue at a time: the old one's until the new one answers. */
	s->config.udp_port = 8;
	(void)strcpy(s->config.source[0].capture, "nfqueue");
	sources_set(&s->sources, &s->config);
	assert_int_equal(s->introduced, 4);
	assert_int_equal(s->peer[3].turn, 1);
	assert_int_equal(s->needs, NEED_NFQUEUE_0);
	assert_int_equal(ready(s, 3), 0);
	assert_int_equal(s->needs, NEED_NFQUEUE_1);
	run_until(s, one_lives);
	sources_switch(&s->sources, 0, "pcap");
	assert_int_equal(ready(s, 4), 0);
	run_until(s, one_lives);
	assert_int_equal(s->needs, 0);
	assert_string_equal(s->need_text, "1 3 2 6 4 8 0 ");
}

static void test_rules_that_cannot_be(void **state)
{
	struct scene *s = *state;

	begin(s, "any", NULL);
	assert_int_equal(ready(s, 0), 0);
	s->refuse_needs = true;
	sources_switch(&s->sources, 0, "nflog");
	assert_int_equal(s->switches, 1);
	assert_false(s->switched);
	assert_string_equal(s->why, "source \"any\": the firewall does not take its rules");
	assert_int_equal(s->introduced, 1);
	expect_ready(s, 1, 1);
}

/* What has its interface alone starts when the one before has ended. */
static void test_one_alone(void **state)
{
	struct scene *s = *state;

	set_interfaces(s, "lo", NULL);
	(void)strcpy(s->config.source[0].capture, "xdp");
	sources_set(&s->sources, &s->config);
	sources_run(&s->sources);
	assert_int_equal(ready(s, 0), 0);
	s->config.udp_port = 7;
	sources_set(&s->sources, &s->config);
	assert_int_equal(s->introduced, 1);
	while (s->introduced < 2)
		run_for(s, BACKOFF_LEAST_MS);
	assert_int_equal(living(s), 1);
	assert_int_equal(ready(s, 1), 0);
	expect_ready(s, 1, 1);
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
	    cmocka_unit_test_setup_teardown(test_what_stays_goes_on, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_replaced_in_haste, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_link, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_workers, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_trap, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_switch, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_switch_that_fails, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_places_take_turns, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_rules_that_cannot_be, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_one_alone, setup, teardown),
	};

	if (argc > 2 && strcmp(argv[2], "capture") == 0)
		return capture_main_of(argv[argc - 1]);
	log_start(LOG_TO_STDERR, LOG_LEVEL_ERROR, "test", -1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
