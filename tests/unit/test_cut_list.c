/* Whose connections were cut. */
#include "unit.h"

#include <stdio.h>

#include "cut_list.h"

static struct prefix of(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(text, &p), 0);
	return p;
}

static bool concerns(const struct cut_list *l, const char *text)
{
	const struct prefix p = of(text);

	return cut_list_concerns(l, &p);
}

static void add(struct cut_list *l, const char *text)
{
	const struct prefix p = of(text);

	cut_list_add(l, &p);
}

static void drop(struct cut_list *l, const char *text)
{
	const struct prefix p = of(text);

	cut_list_drop(l, &p);
}

static void test_only_those_who_were_cut_are_concerned(void **state)
{
	struct cut_list l = {.len = 0};

	(void)state;
	assert_false(concerns(&l, "0.0.0.0/0"));
	add(&l, "192.0.2.1");
	add(&l, "192.0.2.1");
	add(&l, "10.1.0.0/16");
	add(&l, "10.1.2.3");
	assert_int_equal(l.len, 2);
	assert_true(concerns(&l, "192.0.2.1"));
	assert_true(concerns(&l, "192.0.2.0/24"));
	assert_true(concerns(&l, "10.1.9.9"));
	assert_false(concerns(&l, "192.0.2.2"));
	assert_false(concerns(&l, "10.2.0.0/16"));
	assert_false(concerns(&l, "2001:db8::1"));
}

static void test_who_is_forgotten_is_not_any_more(void **state)
{
	struct cut_list l = {.len = 0};

	(void)state;
	add(&l, "192.0.2.1");
	add(&l, "192.0.2.2");
	add(&l, "10.1.0.0/16");
	drop(&l, "192.0.2.0/24");
	drop(&l, "10.1.0.1"); /* others of it may be */
	assert_false(concerns(&l, "192.0.2.1"));
	assert_false(concerns(&l, "192.0.2.2"));
	assert_true(concerns(&l, "10.1.0.1"));
	cut_list_clear(&l);
	assert_false(concerns(&l, "0.0.0.0/0"));
}

static void test_of_more_than_it_holds_everybody_may_be_one(void **state)
{
	struct cut_list l = {.len = 0};
	char text[sizeof("10.0.255.1")];

	(void)state;
	for (unsigned i = 0; i < CUT_LIST_MAX; i++) {
		(void)snprintf(text, sizeof(text), "10.0.%u.1", i % 256);
		add(&l, text);
	}
	assert_false(concerns(&l, "192.0.2.1"));
	add(&l, "10.9.9.9");
	assert_true(concerns(&l, "192.0.2.1"));
	drop(&l, "10.0.1.1");
	assert_true(concerns(&l, "10.0.1.1"));
	cut_list_clear(&l);
	assert_false(concerns(&l, "192.0.2.1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_only_those_who_were_cut_are_concerned),
	    cmocka_unit_test(test_who_is_forgotten_is_not_any_more),
	    cmocka_unit_test(test_of_more_than_it_holds_everybody_may_be_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
