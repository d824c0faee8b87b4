#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "report.h"

static void keep(void *arg, const char *line)
{
	(void)snprintf(arg, REPORT_LINE_MAX, "%s", line);
}

static void test_error_has_place(void **state)
{
	char line[REPORT_LINE_MAX];
	struct report r = {.say = keep, .arg = line};

	(void)state;
	report_error(&r, "posternd.conf", 14, "hold: %d is below the minimum %d", 0, 1);
	assert_string_equal(line, "posternd.conf:14: hold: 0 is below the minimum 1");
	report_error(&r, "clients", 0, "the file is empty");
	assert_string_equal(line, "clients: the file is empty");
	assert_int_equal(r.errors, 2);
	assert_int_equal(r.warnings, 0);
}

static void test_warning_is_marked(void **state)
{
	char line[REPORT_LINE_MAX];
	struct report r = {.say = keep, .arg = line};

	(void)state;
	report_warning(&r, "clients", 3, "expired");
	assert_string_equal(line, "clients:3: warning: expired");
	assert_int_equal(r.errors, 0);
	assert_int_equal(r.warnings, 1);
	assert_true(report_is_warning(line));
	/* Whoever marks it himself says it once. */
	char plain[REPORT_LINE_MAX];

	assert_true(report_unmark(line, plain));
	assert_string_equal(plain, "clients:3: expired");
	assert_false(report_unmark(plain, line));
	assert_string_equal(line, plain);
}

static void test_long_is_cut(void **state)
{
	char line[REPORT_LINE_MAX];
	char longer[2 * REPORT_LINE_MAX];
	struct report r = {.say = keep, .arg = line};

	(void)state;
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	report_error(&r, "f", 1, "%s", longer);
	assert_int_equal(strlen(line), REPORT_LINE_MAX - 1);
	report_error(&r, longer, 1, "what");
	assert_int_equal(strlen(line), REPORT_LINE_MAX - 1);
}

static void test_what_fits_is_collected(void **state)
{
	char text[64] = "";

	(void)state;
	report_collect(text, sizeof(text), "f:1: one");
	report_collect(text, sizeof(text), "f:2: two");
	assert_string_equal(text, "f:1: one\nf:2: two\n");
	report_collect(text, sizeof(text), "f:3: three, and too long for what is left");
	report_collect(text, sizeof(text), "f:4: four, and too long for what is left");
	assert_string_equal(text, "f:1: one\nf:2: two\nand more, which the log tells\n");
	/* Where there is room for nothing, nothing comes. */
	char small[8] = "";

	report_collect(small, sizeof(small), "f:1: one");
	assert_string_equal(small, "");
}

static void test_counts_without_listener(void **state)
{
	struct report r = {.say = NULL};

	(void)state;
	report_error(&r, "f", 1, "x");
	assert_int_equal(r.errors, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_error_has_place),
	    cmocka_unit_test(test_warning_is_marked),
	    cmocka_unit_test(test_long_is_cut),
	    cmocka_unit_test(test_what_fits_is_collected),
	    cmocka_unit_test(test_counts_without_listener),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
