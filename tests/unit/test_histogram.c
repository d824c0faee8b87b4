#include "unit.h"

#include "histogram.h"

static void within(uint64_t value, uint64_t expected)
{
	const uint64_t off = value > expected ? value - expected : expected - value;

	assert_true(off * HISTOGRAM_STEPS <= expected);
}

static void is_exact_for_small_values(void **state)
{
	struct histogram h = {0};

	(void)state;
	assert_int_equal(histogram_quantile(&h, 500), 0);
	for (uint64_t i = 0; i < HISTOGRAM_STEPS; i++)
		histogram_add(&h, i);
	assert_int_equal(histogram_quantile(&h, 0), 0);
	assert_int_equal(histogram_quantile(&h, 500), 15);
	assert_int_equal(histogram_quantile(&h, 1000), HISTOGRAM_STEPS - 1);
}

/* One value alone comes back within the promised part of itself, around each power of two. */
static void is_right_within_a_part(void **state)
{
	(void)state;
	for (unsigned power = 1; power < HISTOGRAM_POWERS; power++) {
		for (int d = -1; d <= 1; d++) {
			const uint64_t value = (UINT64_C(1) << power) + (uint64_t)(int64_t)d;
			struct histogram h = {0};

			if (value >> HISTOGRAM_POWERS != 0)
				continue;
			histogram_add(&h, value);
			within(histogram_quantile(&h, 500), value);
			within(histogram_quantile(&h, 990), value);
		}
	}
}

static void keeps_what_is_too_long(void **state)
{
	struct histogram h = {0};

	(void)state;
	histogram_add(&h, UINT64_MAX);
	histogram_add(&h, UINT64_C(1) << HISTOGRAM_POWERS);
	assert_int_equal(h.count, 2);
	assert_int_equal(h.bucket[HISTOGRAM_BUCKETS - 1], 2);
	within(histogram_quantile(&h, 500), UINT64_C(1) << HISTOGRAM_POWERS);
}

static void tells_quantiles(void **state)
{
	struct histogram h = {0}, other = {0};

	(void)state;
	for (uint64_t us = 1; us <= 1000; us++)
		histogram_add(us % 2 != 0 ? &h : &other, us * 1000);
	histogram_join(&h, &other);
	assert_int_equal(h.count, 1000);
	within(histogram_quantile(&h, 500), 500000);
	within(histogram_quantile(&h, 990), 990000);
	within(histogram_quantile(&h, 1000), 1000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(is_exact_for_small_values),
	    cmocka_unit_test(is_right_within_a_part),
	    cmocka_unit_test(keeps_what_is_too_long),
	    cmocka_unit_test(tells_quantiles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
