#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "clock.h"

static void test_real_is_the_time_of_day(void **state)
{
	uint64_t before = (uint64_t)time(NULL);
	uint64_t now = clock_real_ns();

	(void)state;
	/* time() may lag behind by a tick. */
	assert_true(now >= before * NS_PER_S);
	assert_true(now < (before + 60) * NS_PER_S);
}

static void test_mono_counts_milliseconds(void **state)
{
	struct timespec pause = {.tv_nsec = 20 * NS_PER_MS};
	uint64_t before = clock_mono_ms();
	uint64_t passed;

	(void)state;
	while (nanosleep(&pause, &pause) != 0) {
	}
	passed = clock_mono_ms() - before;
	assert_true(passed >= 19);
	assert_true(passed < 20000);
}

static void test_boot_is_not_behind_mono(void **state)
{
	uint64_t mono = clock_mono_ms();

	(void)state;
	assert_true(clock_boot_ms() >= mono);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_real_is_the_time_of_day),
	    cmocka_unit_test(test_mono_counts_milliseconds),
	    cmocka_unit_test(test_boot_is_not_behind_mono),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
