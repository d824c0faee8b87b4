#include "unit.h"

#include "cover.h"
#include "errors.h"

static void none_changes_nothing(void **state)
{
	(void)state;
	const struct cover_args args = {0};
	uint8_t in[100];
	uint8_t out[100] = {0};

	count_up(in, sizeof(in), 7);
	assert_int_equal(cover_none.wrap(&args, in, sizeof(in), out, sizeof(out)), sizeof(in));
	assert_memory_equal(in, out, sizeof(in));
	memset(out, 0, sizeof(out));
	assert_int_equal(cover_none.unwrap(&args, in, sizeof(in), out, sizeof(out)), sizeof(in));
	assert_memory_equal(in, out, sizeof(in));
	assert_int_equal(cover_none.unwrap(&args, NULL, 0, out, 0), 0);
}

static void none_keeps_within_its_room(void **state)
{
	(void)state;
	static uint8_t big[COVER_MAX + 1];
	static uint8_t out[COVER_MAX + 1];
	const struct cover_args args = {0};

	assert_int_equal(cover_none.wrap(&args, big, 10, out, 9), -E_SHORT);
	assert_int_equal(cover_none.unwrap(&args, big, 10, out, 9), -E_SHORT);
	assert_int_equal(cover_none.wrap(&args, big, COVER_MAX, out, sizeof(out)), COVER_MAX);
	assert_int_equal(cover_none.wrap(&args, big, COVER_MAX + 1, out, sizeof(out)), -E_SHORT);
}

static void is_found_by_name(void **state)
{
	(void)state;
	assert_ptr_equal(cover_by_name("none"), &cover_none);
	assert_ptr_equal(cover_by_name("png"), &cover_png);
	assert_null(cover_by_name(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(none_changes_nothing),
	    cmocka_unit_test(none_keeps_within_its_room),
	    cmocka_unit_test(is_found_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
