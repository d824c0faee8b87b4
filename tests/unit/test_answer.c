#include "unit.h"

#include "errors.h"
#include "request.h"

#define ATTEMPT "1122334455667788"
#define T "0102030405060708"
#define V4 "00000000000000000000ffff0a580002"
#define FIXED "03" ATTEMPT T V4
#define CODE "090006313233343536"
#define PIN "0a000431323334"

static const struct {
	const char *hex;
	int want;
} rules[] = {
    {"", -E_SHORT},
    {"03" ATTEMPT T "00000000000000000000ffff0a5800", -E_SHORT},
    {FIXED, 0},
    {"03" ATTEMPT T "fd880000000000000000000000000002", 0},
    {"01" ATTEMPT T V4, -E_FORMAT},
    {"04" ATTEMPT T V4, -E_FORMAT},
    {FIXED CODE, 0},
    {FIXED PIN, 0},
    {FIXED CODE PIN, 0},
    {FIXED PIN CODE, -E_FORMAT},
    {FIXED CODE CODE, -E_FORMAT},
    {FIXED "0900053132333435", -E_FORMAT},
    {FIXED "09000b3132333435363738393031", -E_FORMAT},
    {FIXED "090006313233343561", -E_FORMAT},
    {FIXED "0a0003313233", -E_FORMAT},
    {FIXED "0a0000", -E_FORMAT},
    {FIXED "010003737368", -E_UNKNOWN},
    {FIXED "0b0000", -E_UNKNOWN},
    {FIXED "800000", 0},
    {FIXED "00", -E_SHORT},
    {FIXED CODE "0a0004313233", -E_SHORT},
};

static void holds_to_every_rule(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rules); i++) {
		uint8_t bytes[256];
		struct answer a;
		size_t len = unhex(bytes, sizeof(bytes), rules[i].hex);
		int got = answer_decode(&a, bytes, len);
		if (got != rules[i].want)
			fail_msg("%s: %d, not %d", rules[i].hex, got, rules[i].want);
	}
}

static void goes_and_comes(void **state)
{
	(void)state;
	struct answer a = {.attempt = UINT64_C(0x1122334455667788),
	    .t = UINT64_C(0x0102030405060708),
	    .code = "123456",
	    .pin = {'1', '2', '3', '4'},
	    .pin_len = 4};
	struct answer again;
	uint8_t want[128];
	uint8_t got[128];
	size_t len = unhex(want, sizeof(want), FIXED CODE PIN);

	assert_int_equal(address_parse("10.88.0.2", &a.seen), 0);
	assert_int_equal(answer_encode(&a, got, sizeof(got)), len);
	assert_memory_equal(got, want, len);
	assert_int_equal(answer_decode(&again, got, len), 0);
	/* What was read says the same again: nothing was lost. */
	assert_int_equal(answer_encode(&again, got, sizeof(got)), len);
	assert_memory_equal(got, want, len);
	for (size_t cap = 0; cap < len; cap++)
		assert_int_equal(answer_encode(&a, got, cap), -E_SHORT);
}

static void sends_nothing_that_would_be_refused(void **state)
{
	(void)state;
	uint8_t out[128];
	struct answer a = {.code = "12345"};

	assert_int_equal(answer_encode(&a, out, sizeof(out)), -E_FORMAT);
	a = (struct answer){.pin_len = PIN_MIN - 1};
	assert_int_equal(answer_encode(&a, out, sizeof(out)), -E_FORMAT);
	a = (struct answer){.pin_len = PIN_MAX + 1};
	assert_true(answer_encode(&a, out, sizeof(out)) < 0);
	a = (struct answer){0};
	memset(a.code, '1', sizeof(a.code));
	assert_int_equal(answer_encode(&a, out, sizeof(out)), -E_FORMAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(holds_to_every_rule),
	    cmocka_unit_test(goes_and_comes),
	    cmocka_unit_test(sends_nothing_that_would_be_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
