/* own - addresses of this host, and such as are not. Whatever addresses the host has, loopback's are its own. */
#include "unit.h"

#include "own.h"

static bool is_own(const char *text)
{
	struct address a;

	assert_int_equal(address_parse(text, &a), 0);
	return own_address(&a);
}

static void test_own(void **state)
{
	(void)state;
	assert_true(is_own("127.0.0.1"));
	assert_true(is_own("127.1.2.3"));
	assert_true(is_own("::ffff:127.0.0.1"));
	assert_true(is_own("255.255.255.255"));
}

static void test_of_others(void **state)
{
	(void)state;
	assert_false(is_own("192.0.2.1"));
	assert_false(is_own("2001:db8::1"));
	assert_false(is_own("ff02::1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_own),
	    cmocka_unit_test(test_of_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
