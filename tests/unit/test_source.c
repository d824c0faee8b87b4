/* The captures' sockets: what an honest one says is heard, and any other is expelled. */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "auth_lab.h"
#include "source.h"

enum { STEP_MS = 5 };

struct scene {
	struct lab l;
	struct loop *loop;
	struct sources *sources;
	int capture[3]; /* our ends */
	struct msg_source_ready ready, bad;
	unsigned readies, bads, stats;
};

static void on_word(void *arg, const struct msg_source_ready *m)
{
	struct scene *s = arg;

	if (m->head.type == MSG_SOURCE_BAD) {
		s->bad = *m;
		s->bads++;
		return;
	}
	assert_int_equal(m->head.type, MSG_SOURCE_READY);
	s->ready = *m;
	s->readies++;
}

static void on_stats(void *arg)
{
	struct scene *s = arg;

	s->stats++;
}

static const struct source_ops ops = {.tell = on_word, .stats = on_stats};

static void stop(void *arg)
{
	loop_stop(arg);
}

static void run_for(struct scene *s, uint64_t ms)
{
	assert_int_equal(loop_timer(s->loop, ms, stop, s->loop), 0);
	assert_int_equal(loop_run(s->loop), 0);
}

static void run_a_while(struct scene *s)
{
	run_for(s, STEP_MS);
}

static int add_kind(struct scene *s, uint32_t id, const char *name, uint32_t trap)
{
	struct msg_source m = {
	    .head = {.type = MSG_SOURCE, .len = sizeof(m)}, .id = id, .trap = trap};
	int pair[2];

	memcpy(m.name, name, strlen(name));
	assert_int_equal(ipc_pair(pair, 65536), 0);
	sources_add(s->sources, pair[0], &m);
	return pair[1];
}

static int add(struct scene *s, uint32_t id, const char *name)
{
	return add_kind(s, id, name, 0);
}

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	if (!s)
		return -1;
	lab_start(&s->l, NULL, NULL, 2);
	s->loop = loop_new();
	s->sources = sources_new(s->loop, s->l.core, &ops, s);
	s->capture[0] = add(s, 0, "eth0");
	s->capture[1] = add(s, 1, "eth1");
	s->capture[2] = add(s, 0, "eth0"); /* of the next generation */
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	for (unsigned i = 0; i < 3; i++)
		close(s->capture[i]);
	sources_free(s->sources);
	loop_free(s->loop);
	lab_stop(&s->l);
	free(s);
	return 0;
}

static bool is_open(int fd)
{
	char byte;

	return !(recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0);
}

static void take_keys(struct scene *s, int fd)
{
	struct msg_keys k;
	struct door_keys d;

	assert_int_equal(ipc_recv(fd, &k, sizeof(k), NULL, 0, NULL), sizeof(k));
	assert_int_equal(k.head.type, MSG_KEYS);
	assert_int_equal(k.count, s->l.door_keys);
	for (unsigned i = 0; i < k.count; i++) {
		door_keys_derive(&d, s->l.door_key[i]);
		assert_memory_equal(k.key[i].veil, d.to_server.veil, sizeof(d.to_server.veil));
		assert_memory_equal(k.key[i].gate, d.to_server.gate, sizeof(d.to_server.gate));
	}
}

static void test_keys_and_ready(void **state)
{
	struct scene *s = *state;
	struct msg_plain m = {.head = {.type = MSG_CAPTURE_READY, .len = sizeof(m)}};

	take_keys(s, s->capture[0]);
	take_keys(s, s->capture[1]);
	assert_int_equal(ipc_send(s->capture[1], &m, NULL, 0), 0);
	run_a_while(s);
	assert_int_equal(s->readies, 1);
	assert_int_equal(s->ready.id, 1);
	/* New keys go to all. */
	s->l.door_keys = 2;
	core_swap(s->l.core, lab_realm(&s->l));
	sources_send_keys(s->sources);
	take_keys(s, s->capture[0]);
	take_keys(s, s->capture[1]);
}

/* Each is passed on: so many that the monitor's socket fills would end auth. */
static void test_ready_once(void **state)
{
	struct scene *s = *state;
	struct msg_plain m = {.head = {.type = MSG_CAPTURE_READY, .len = sizeof(m)}};

	take_keys(s, s->capture[1]);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(ipc_send(s->capture[1], &m, NULL, 0), 0);
	run_a_while(s);
	assert_int_equal(s->readies, 1);
	assert_false(is_open(s->capture[1]));
}

static void test_knocks_come_in(void **state)
{
	struct scene *s = *state;
	struct msg_knock k = {.head = {.type = MSG_KNOCK, .len = sizeof(k)}, .carrier = 1};

	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(ipc_send(s->capture[0], &k, NULL, 0), 0);
		assert_int_equal(ipc_send(s->capture[1], &k, NULL, 0), 0);
	}
	run_a_while(s);
	assert_int_equal(lab_count(&s->l, COUNT_RECEIVED), 20);
	assert_int_equal(lab_count(&s->l, COUNT_FORM), 20);
	assert_true(is_open(s->capture[0]) && is_open(s->capture[1]));
}

/* It has no keys, and says nothing of knocks; the others say nothing of what it hears. */
static void test_a_trap(void **state)
{
	struct scene *s = *state;
	struct msg_trapped t = {.head = {.type = MSG_TRAPPED, .len = sizeof(t)}};
	struct msg_knock k = {.head = {.type = MSG_KNOCK, .len = sizeof(k)}, .carrier = 1};
	const int trap = add_kind(s, 7, "trap", 1);
	char byte;

	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(ipc_send(trap, &t, NULL, 0), 0);
	run_a_while(s);
	assert_int_equal(lab_count(&s->l, COUNT_TRAP_SEEN), 100);
	assert_int_equal(recv(trap, &byte, 1, MSG_DONTWAIT | MSG_PEEK), -1);
	sources_send_keys(s->sources);
	assert_int_equal(recv(trap, &byte, 1, MSG_DONTWAIT | MSG_PEEK), -1);
	assert_int_equal(ipc_send(trap, &k, NULL, 0), 0);
	assert_int_equal(ipc_send(s->capture[1], &t, NULL, 0), 0);
	take_keys(s, s->capture[1]);
	take_keys(s, s->capture[1]);
	run_a_while(s);
	assert_false(is_open(trap));
	assert_false(is_open(s->capture[1]));
	assert_int_equal(lab_count(&s->l, COUNT_RECEIVED), 0);
	close(trap);
}

/* Whatever is not one of the messages of a capture ends that capture, and no other. */
static void test_the_dishonest_are_expelled(void **state)
{
	struct scene *s = *state;
	union {
		struct ipc_head head;
		uint8_t bytes[IPC_MESSAGE_MAX];
		struct msg_knock knock;
	} bad[] = {
	    {.head = {.type = MSG_KNOCK, .len = sizeof(struct msg_knock) - 4}},
	    {.head = {.type = MSG_KEYS, .len = sizeof(struct msg_keys)}},
	    {.head = {.type = MSG_DOOR_OPEN, .len = sizeof(struct msg_door)}},
	    {.head = {.type = 0, .len = sizeof(struct ipc_head)}},
	    {.head = {.type = MSG_CAPTURE_STATS, .len = sizeof(struct msg_plain)}},
	    {.knock = {.head = {.type = MSG_KNOCK, .len = sizeof(struct msg_knock)},
		 .plain_len = KNOCK_PLAIN_MAX + 1}},
	    {.knock = {.head = {.type = MSG_KNOCK, .len = sizeof(struct msg_knock)},
		 .door_key = 2}},
	};

	take_keys(s, s->capture[1]);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int fd = add(s, 7, "bad0");

		take_keys(s, fd);
		assert_int_equal(ipc_send(fd, &bad[i], NULL, 0), 0);
		run_a_while(s);
		assert_false(is_open(fd));
		close(fd);
		assert_int_equal(s->bads, i + 1);
		assert_int_equal(s->bad.id, 7);
	}
	/* Not even a message. */
	int fd = add(s, 7, "bad0");

	take_keys(s, fd);
	assert_int_equal(send(fd, "hello", 5, 0), 5);
	run_a_while(s);
	assert_false(is_open(fd));
	close(fd);
	assert_true(is_open(s->capture[1]));
}

static void send_stats(int fd, uint64_t value)
{
	struct msg_capture_stats m = {.head = {.type = MSG_CAPTURE_STATS, .len = sizeof(m)}};

	for (unsigned i = 0; i < CAPTURE_COUNTERS; i++)
		m.counter[i] = value;
	assert_int_equal(ipc_send(fd, &m, NULL, 0), 0);
}

static uint64_t total(struct scene *s, const char *name)
{
	struct source_stats st;

	for (unsigned i = 0; sources_stats(s->sources, i, &st); i++)
		if (strcmp(st.name, name) == 0)
			return st.counter[CAPTURE_GATE];
	return UINT64_MAX;
}

static void test_stats_are_summed_by_source(void **state)
{
	struct scene *s = *state;
	struct source_stats st;
	struct msg_plain q;

	sources_query(s->sources);
	for (unsigned i = 0; i < 3; i++) {
		take_keys(s, s->capture[i]);
		assert_int_equal(ipc_recv(s->capture[i], &q, sizeof(q), NULL, 0, NULL), sizeof(q));
		assert_int_equal(q.head.type, MSG_STATS_QUERY);
	}
	send_stats(s->capture[0], 1);
	send_stats(s->capture[1], 10);
	run_a_while(s);
	assert_int_equal(s->stats, 0);
	send_stats(s->capture[2], 100);
	run_a_while(s);
	assert_int_equal(s->stats, 1);
	assert_int_equal(total(s, "eth0"), 101);
	assert_int_equal(total(s, "eth1"), 10);
	/* One that ends says a last word, which counts on. */
	send_stats(s->capture[0], 5);
	close(s->capture[0]);
	run_a_while(s);
	assert_int_equal(total(s, "eth0"), 105);
	s->capture[0] = add(s, 0, "eth0");
	send_stats(s->capture[0], 2);
	run_a_while(s);
	assert_int_equal(total(s, "eth0"), 107);
	assert_non_null(sources_stats(s->sources, 1, &st));
	assert_null(sources_stats(s->sources, 2, &st));
}

static void test_a_capture_that_does_not_answer_is_not_waited_for(void **state)
{
	struct scene *s = *state;

	sources_query(s->sources);
	send_stats(s->capture[0], 1);
	close(s->capture[1]); /* dead: not waited for at all */
	run_a_while(s);
	assert_int_equal(s->stats, 0);
	run_for(s, 400);
	assert_int_equal(s->stats, 1);
	s->capture[1] = add(s, 1, "eth1");
}

static void test_more_than_there_may_be(void **state)
{
	struct scene *s = *state;
	int fd[3 * CONFIG_CAPTURES_MAX];
	unsigned open = 0;

	for (unsigned i = 0; i < 3 * CONFIG_CAPTURES_MAX; i++)
		fd[i] = add(s, i, "many");
	for (unsigned i = 0; i < 3 * CONFIG_CAPTURES_MAX; i++) {
		open += is_open(fd[i]);
		close(fd[i]);
	}
	assert_int_equal(open, 3 * CONFIG_CAPTURES_MAX - 3);
	run_a_while(s);
}

static void test_states_are_kept(void **state)
{
	struct scene *s = *state;
	struct msg_source_state m = {.head = {.type = MSG_SOURCE_STATE, .len = sizeof(m)},
	    .sources = 2,
	    .condition = SOURCE_IS_UP,
	    .name = "a"};

	assert_null(sources_state(s->sources, 0));
	assert_int_equal(sources_take_state(s->sources, &m), 0);
	assert_string_equal(sources_state(s->sources, 0)->name, "a");
	assert_null(sources_state(s->sources, 1));
	m.index = 1;
	m.name[0] = 'b';
	assert_int_equal(sources_take_state(s->sources, &m), 0);
	assert_string_equal(sources_state(s->sources, 1)->name, "b");
	m.index = 0;
	m.sources = 1;
	assert_int_equal(sources_take_state(s->sources, &m), 0);
	assert_null(sources_state(s->sources, 1));
	m.index = 1;
	assert_int_equal(sources_take_state(s->sources, &m), -1);
	m.index = 0;
	m.method = 99;
	assert_int_equal(sources_take_state(s->sources, &m), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_keys_and_ready),
	    TEST(test_ready_once),
	    TEST(test_knocks_come_in),
	    TEST(test_a_trap),
	    TEST(test_the_dishonest_are_expelled),
	    TEST(test_stats_are_summed_by_source),
	    TEST(test_a_capture_that_does_not_answer_is_not_waited_for),
	    TEST(test_more_than_there_may_be),
	    TEST(test_states_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
