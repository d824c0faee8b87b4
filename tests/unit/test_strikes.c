/* strikes: the table of addresses is bounded, forgives, and gives up who matters least. */
#include "unit.h"

#include "strikes.h"

enum { START_S = 1000 };

static struct address nth(unsigned i)
{
	const uint8_t b[4] = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};

	return address_v4(b);
}

static unsigned add(struct strikes *s, unsigned i, uint64_t now_s)
{
	const struct address a = nth(i);

	return strikes_add(s, &a, now_s);
}

static void test_counts_and_forgives(void **state)
{
	struct strikes *s = strikes_new();
	const struct address zero = nth(0);

	(void)state;
	assert_int_equal(add(s, 0, START_S), 1);
	assert_int_equal(add(s, 0, START_S), 2);
	assert_int_equal(add(s, 1, START_S), 1);
	assert_int_equal(add(s, 0, START_S + STRIKE_FORGIVEN_S - 1), 3);
	assert_int_equal(add(s, 0, START_S + 3 * STRIKE_FORGIVEN_S), 2); /* two were forgiven */
	assert_int_equal(add(s, 0, START_S + 1000 * STRIKE_FORGIVEN_S), 1);
	strikes_forget(s, &zero);
	strikes_forget(s, &zero);
	assert_int_equal(add(s, 0, START_S + 1000 * STRIKE_FORGIVEN_S), 1);
	assert_int_equal(strikes_count(s), 2);
	strikes_free(s);
	strikes_free(NULL);
}

/* Ten times as many as fit: who has more strikes than they stays. */
static void test_is_bounded(void **state)
{
	struct strikes *s = strikes_new();

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		add(s, 0, START_S);
	for (unsigned i = 1; i < 10 * STRIKES_ADDRESSES; i++) {
		assert_int_equal(add(s, i, START_S + i / STRIKES_ADDRESSES), 1);
		assert_true(strikes_count(s) <= STRIKES_ADDRESSES);
	}
	assert_int_equal(add(s, 0, START_S + 10), 5);
	/* Of those who have as many, whose last was first went first. */
	assert_int_equal(add(s, 10 * STRIKES_ADDRESSES - 1, START_S + 10), 2);
	assert_int_equal(add(s, 1, START_S + 10), 1);
	strikes_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_counts_and_forgives),
	    cmocka_unit_test(test_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
