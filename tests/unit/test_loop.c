#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "loop.h"

enum { PIPES = 3 };

struct fixture {
	struct loop *loop;
	int pipe[PIPES][2];
	char seen[64]; /* what was called, in order */
	unsigned turns;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	size_t i;

	*state = f;
	if (f == NULL)
		return -1;
	f->loop = loop_new();
	for (i = 0; i < PIPES; i++) {
		if (pipe(f->pipe[i]) != 0)
			return -1;
	}
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < PIPES; i++) {
		(void)close(f->pipe[i][0]);
		(void)close(f->pipe[i][1]);
	}
	loop_free(f->loop);
	free(f);
	return 0;
}

static void note(struct fixture *f, const char *what)
{
	strncat(f->seen, what, sizeof(f->seen) - strlen(f->seen) - 1);
}

static void fill(struct fixture *f, size_t i)
{
	assert_int_equal(write(f->pipe[i][1], "x", 1), 1);
}

static void drain(struct fixture *f, size_t i)
{
	char c;

	assert_int_equal(read(f->pipe[i][0], &c, 1), 1);
}

static void on_first(void *arg)
{
	note(arg, "0");
	drain(arg, 0);
}

static void on_second(void *arg)
{
	note(arg, "1");
	drain(arg, 1);
}

static void stop_at_end(void *arg)
{
	struct fixture *f = arg;

	note(f, ".");
	f->turns++;
	loop_stop(f->loop);
}

static void test_hook_runs_after_all_descriptors(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(loop_watch(f->loop, f->pipe[0][0], on_first, f), 0);
	assert_int_equal(loop_watch(f->loop, f->pipe[1][0], on_second, f), 0);
	loop_each_turn(f->loop, stop_at_end, f);
	fill(f, 0);
	fill(f, 1);
	assert_int_equal(loop_run(f->loop), 0);
	assert_string_equal(f->seen, "01.");
	fill(f, 1);
	assert_int_equal(loop_run(f->loop), 0);
	assert_string_equal(f->seen, "01.1.");
}

static void drop_the_others(void *arg)
{
	struct fixture *f = arg;

	note(f, "d");
	drain(f, 0);
	loop_unwatch(f->loop, f->pipe[0][0]);
	loop_unwatch(f->loop, f->pipe[1][0]);
}

static void test_unwatched_in_a_callback_is_not_called(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(loop_watch(f->loop, f->pipe[0][0], drop_the_others, f), 0);
	assert_int_equal(loop_watch(f->loop, f->pipe[1][0], on_second, f), 0);
	loop_each_turn(f->loop, stop_at_end, f);
	fill(f, 0);
	fill(f, 1);
	assert_int_equal(loop_run(f->loop), 0);
	assert_string_equal(f->seen, "d.");
}

/* A descriptor number that comes back within the turn is another one: its old readiness does not
 * count. */
static void reuse_number(void *arg)
{
	struct fixture *f = arg;
	int number = f->pipe[1][0];

	note(f, "r");
	drain(f, 0);
	loop_unwatch(f->loop, number);
	assert_int_equal(dup2(f->pipe[2][0], number), number); /* nothing to read there */
	assert_int_equal(loop_watch(f->loop, number, on_second, f), 0);
}

static void test_reused_number_is_not_ready(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(loop_watch(f->loop, f->pipe[0][0], reuse_number, f), 0);
	assert_int_equal(loop_watch(f->loop, f->pipe[1][0], on_second, f), 0);
	loop_each_turn(f->loop, stop_at_end, f);
	fill(f, 0);
	fill(f, 1);
	assert_int_equal(loop_run(f->loop), 0);
	assert_string_equal(f->seen, "r.");
	fill(f, 2); /* which now arrives at the new one */
	assert_int_equal(loop_run(f->loop), 0);
	assert_string_equal(f->seen, "r.1.");
}

static void on_writable(void *arg)
{
	struct fixture *f = arg;

	note(f, "w");
	loop_no_write(f->loop, f->pipe[0][1]);
}

static void test_write_only_when_wanted(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(loop_watch(f->loop, f->pipe[0][1], on_first, f), 0);
	assert_int_equal(loop_watch(f->loop, f->pipe[1][0], on_second, f), 0);
	loop_want_write(f->loop, f->pipe[0][1], on_writable, f);
	loop_each_turn(f->loop, stop_at_end, f);
	assert_int_equal(loop_run(f->loop), 0);
	assert_string_equal(f->seen, "w.");
	fill(f, 1);
	assert_int_equal(loop_run(f->loop), 0);
	assert_string_equal(f->seen, "w.1.");
}

static void on_end(void *arg)
{
	struct fixture *f = arg;

	note(f, "e");
	loop_unwatch(f->loop, f->pipe[0][0]);
}

static void test_hang_up_is_readable(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(loop_watch(f->loop, f->pipe[0][0], on_end, f), 0);
	loop_each_turn(f->loop, stop_at_end, f);
	(void)close(f->pipe[0][1]);
	assert_int_equal(loop_run(f->loop), 0);
	assert_string_equal(f->seen, "e.");
	f->pipe[0][1] = dup(STDERR_FILENO);
}

static void late(void *arg)
{
	note(arg, "L");
	loop_stop(((struct fixture *)arg)->loop);
}

static void early(void *arg)
{
	note(arg, "E");
}

static void test_timers_in_order(void **state)
{
	struct fixture *f = *state;
	uint64_t start = clock_mono_ms();

	assert_int_equal(loop_timer(f->loop, 30, late, f), 0);
	assert_int_equal(loop_timer(f->loop, 10, early, f), 0);
	assert_int_equal(loop_run(f->loop), 0);
	assert_string_equal(f->seen, "EL");
	assert_true(clock_mono_ms() - start >= 30);
}

static void test_setting_again_moves_and_cancel_ends(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(loop_timer(f->loop, 0, early, f), 0);
	assert_int_equal(loop_timer(f->loop, 100000, early, f), 0);
	assert_int_equal(loop_timer(f->loop, 10, late, f), 0);
	assert_int_equal(loop_run(f->loop), 0);
	assert_string_equal(f->seen, "L");
	loop_cancel(f->loop, early, f);
	assert_int_equal(loop_timer(f->loop, 10, late, f), 0);
	assert_int_equal(loop_run(f->loop), 0);
	assert_string_equal(f->seen, "LL");
}

static void again(void *arg)
{
	struct fixture *f = arg;

	note(f, "a");
	assert_int_equal(loop_timer(f->loop, 0, again, f), 0);
}

static void stop_at_third(void *arg)
{
	struct fixture *f = arg;

	note(f, ".");
	if (++f->turns == 3)
		loop_stop(f->loop);
}

static void test_timer_that_sets_itself_takes_one_turn_each(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(loop_timer(f->loop, 0, again, f), 0);
	loop_each_turn(f->loop, stop_at_third, f);
	assert_int_equal(loop_run(f->loop), 0);
	assert_string_equal(f->seen, "a.a.a.");
}

static void test_tables_are_bounded(void **state)
{
	struct fixture *f = *state;
	static char args[LOOP_TIMERS_MAX + 1];
	size_t i;
	int fd;

	for (i = 0; i < LOOP_TIMERS_MAX; i++)
		assert_int_equal(loop_timer(f->loop, 1000, early, &args[i]), 0);
	assert_int_equal(loop_timer(f->loop, 1000, early, &args[i]), -1);
	assert_int_equal(loop_timer(f->loop, 2000, early, &args[0]), 0);
	loop_cancel(f->loop, early, &args[3]);
	assert_int_equal(loop_timer(f->loop, 1000, early, &args[i]), 0);

	for (fd = 1000; fd < 1000 + LOOP_FDS_MAX; fd++)
		assert_int_equal(loop_watch(f->loop, fd, on_first, f), 0);
	assert_int_equal(loop_watch(f->loop, fd, on_first, f), -1);
	assert_int_equal(loop_watch(f->loop, fd - 1, on_second, f), 0);
	loop_unwatch(f->loop, 1000);
	assert_int_equal(loop_watch(f->loop, fd, on_first, f), 0);
}

#define WITH_LOOP(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_LOOP(test_hook_runs_after_all_descriptors),
	    WITH_LOOP(test_unwatched_in_a_callback_is_not_called),
	    WITH_LOOP(test_reused_number_is_not_ready),
	    WITH_LOOP(test_write_only_when_wanted),
	    WITH_LOOP(test_hang_up_is_readable),
	    WITH_LOOP(test_timers_in_order),
	    WITH_LOOP(test_setting_again_moves_and_cancel_ends),
	    WITH_LOOP(test_timer_that_sets_itself_takes_one_turn_each),
	    WITH_LOOP(test_tables_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
