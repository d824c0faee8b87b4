/* backoff - how long a process that died waits for its next start. */
#include "unit.h"

#include "backoff.h"

static void test_doubles_to_its_most(void **state)
{
	static const uint32_t want[] = {100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000};
	struct backoff b = {0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(want); i++)
		assert_int_equal(backoff_after(&b, 0), want[i]);
}

static void test_a_long_life_begins_anew(void **state)
{
	struct backoff b = {0};

	(void)state;
	for (int i = 0; i < 10; i++)
		(void)backoff_after(&b, BACKOFF_FORGET_MS - 1);
	assert_int_equal(backoff_after(&b, BACKOFF_FORGET_MS - 1), BACKOFF_MOST_MS);
	assert_int_equal(backoff_after(&b, BACKOFF_FORGET_MS), BACKOFF_LEAST_MS);
	assert_int_equal(backoff_after(&b, 0), 2 * BACKOFF_LEAST_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_doubles_to_its_most),
	    cmocka_unit_test(test_a_long_life_begins_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
