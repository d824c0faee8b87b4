/* The two rules of freshness, at their edges. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <cmocka.h>

#include "freshness.h"

enum { W = 60 };

static enum freshness judge(uint64_t mark, bool proven, uint64_t t, uint64_t now, bool must)
{
	struct client_record r = {.mark = mark, .proven = proven};

	return freshness_judge(&r, t, now, W, must);
}

static void test_not_newer_is_old(void **state)
{
	(void)state;
	assert_int_equal(judge(100, true, 100, 100, false), FRESH_OLD);
	assert_int_equal(judge(100, true, 99, 99, false), FRESH_OLD);
	assert_int_equal(judge(100, false, 100, 100, true), FRESH_OLD);
	assert_int_equal(judge(UINT64_MAX, true, UINT64_MAX, 0, false), FRESH_OLD);
	assert_int_equal(judge(0, false, 0, 0, false), FRESH_OLD);
}

static void test_sure(void **state)
{
	(void)state;
	assert_int_equal(judge(100, true, 101, 101, false), FRESH_SURE);
	assert_int_equal(judge(100, true, 1000, 1000 + W, false), FRESH_SURE);
	assert_int_equal(judge(100, true, 1000 + W, 1000, false), FRESH_SURE);
}

static void test_any_doubt(void **state)
{
	(void)state;
	assert_int_equal(judge(100, true, 1000, 1001 + W, false), FRESH_DOUBT);
	assert_int_equal(judge(100, true, 1001 + W, 1000, false), FRESH_DOUBT);
	assert_int_equal(judge(100, false, 101, 101, false), FRESH_DOUBT);
	assert_int_equal(judge(100, true, 101, 101, true), FRESH_DOUBT);
	/* No mark: lost, or never seen. Both are doubt. */
	assert_int_equal(judge(0, false, 1000, 1000, false), FRESH_DOUBT);
	assert_int_equal(judge(1, true, UINT64_MAX, 0, false), FRESH_DOUBT);
	assert_int_equal(judge(1, true, 2, UINT64_MAX, false), FRESH_DOUBT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_not_newer_is_old),
	    cmocka_unit_test(test_sure),
	    cmocka_unit_test(test_any_doubt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
