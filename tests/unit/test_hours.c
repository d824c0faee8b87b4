/* Times of the week. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "hours.h"

enum {
	HOUR = 3600,
	DAY = 24 * HOUR,
	MONDAY = 1700438400, /* 2023-11-20 00:00 UTC */
};

static struct hours parse(const char *text)
{
	struct hours h;

	assert_int_equal(hours_parse(text, &h), 0);
	return h;
}

static uint32_t left(const char *text, int64_t now_s)
{
	struct hours h = parse(text);

	return hours_left_s(&h, 1, now_s);
}

/* What is written is read back as what it was. */
static void test_text(void **state)
{
	static const char *const texts[] = {"mon-fri@08:00-18:00", "08:00-18:00", "sat@22:00-06:00",
	    "fri-mon@00:00-24:00", "tue@23:59-00:01", "sun-mon@18:30-24:00"};
	char out[HOURS_TEXT];
	struct hours h;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		h = parse(texts[i]);
		assert_string_equal(hours_text(&h, out), texts[i]);
	}
}

static void test_office(void **state)
{
	const char *office = "mon-fri@08:00-18:00";

	(void)state;
	assert_int_equal(left(office, MONDAY + 8 * HOUR), 10 * HOUR);
	assert_int_equal(left(office, MONDAY + 8 * HOUR - 1), 0);
	assert_int_equal(left(office, MONDAY + 18 * HOUR - 1), 1);
	assert_int_equal(left(office, MONDAY + 18 * HOUR), 0);
	assert_int_equal(left(office, MONDAY + 4 * DAY + 12 * HOUR), 6 * HOUR);
	assert_int_equal(left(office, MONDAY + 5 * DAY + 12 * HOUR), 0);
	assert_int_equal(left(office, MONDAY + 6 * DAY + 12 * HOUR), 0);
	assert_int_equal(left(office, MONDAY - 12 * HOUR), 0);
}

static void test_over_midnight_and_over_the_week(void **state)
{
	const char *night = "sun@22:00-06:00";

	(void)state;
	assert_int_equal(left(night, MONDAY - HOUR), 7 * HOUR);
	assert_int_equal(left(night, MONDAY + 5 * HOUR), HOUR);
	assert_int_equal(left(night, MONDAY + 6 * HOUR), 0);
	assert_int_equal(left(night, MONDAY + 6 * DAY + 5 * HOUR), 0);
	assert_int_equal(parse("sat-mon@00:00-24:00").days, 0x61);
	assert_int_equal(parse("wed@10:00-10:01").days, 0x04);
	assert_int_equal(parse("10:00-09:59").len_min, 24 * 60 - 1);
}

static void test_spans_that_touch_are_one(void **state)
{
	const struct hours h[] = {
	    parse("mon@08:00-12:00"), parse("mon@12:00-18:00"), parse("mon@17:00-19:00")};

	(void)state;
	assert_int_equal(hours_left_s(h, 3, MONDAY + 9 * HOUR), 10 * HOUR);
	assert_int_equal(left("00:00-24:00", MONDAY + 9 * HOUR), UINT32_MAX);
	assert_int_equal(left("mon-sat@00:00-24:00", MONDAY), 6 * DAY);
}

static void test_what_is_none(void **state)
{
	static const char *const bad[] = {"", "mon", "mon@", "8:00-18:00", "mon@08:00",
	    "08:00-08:00", "mon-@08:00-18:00", "mon--fri@08:00-18:00", "Mon@08:00-18:00",
	    "monday@08:00-18:00", "24:00-08:00", "08:60-09:00", "08:00-24:01", "08:00-18:00 ",
	    "mon@mon@08:00-18:00", "-1:00-18:00", "08.00-18.00", "mon-xyz@08:00-18:00"};
	struct hours h;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(hours_parse(bad[i], &h), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_text),
	    cmocka_unit_test(test_office),
	    cmocka_unit_test(test_over_midnight_and_over_the_week),
	    cmocka_unit_test(test_spans_that_touch_are_one),
	    cmocka_unit_test(test_what_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
