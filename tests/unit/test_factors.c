/* PINs and one-time codes: the vectors of RFC 6238, and what must not be right. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "factors.h"
#include "secret.h"

/* "correct horse" by the program argon2(1), with the salt "0123456789abcdef". */
#define PIN_OF_ARGON2 "yKu3VvxpnGuioOMoo23yIk+ovTMwsjQzEGrIn1aXYmc="

static struct code_check rfc(void)
{
	struct code_check k = {.digits = 8, .secret_len = 20};

	memcpy(k.secret, "12345678901234567890", k.secret_len);
	return k;
}

/* Appendix B, SHA-1. */
static void test_vectors(void **state)
{
	static const struct {
		uint64_t now_s;
		const char *code;
	} v[] = {{59, "94287082"}, {1111111109, "07081804"}, {1111111111, "14050471"},
	    {1234567890, "89005924"}, {2000000000, "69279037"}, {20000000000, "65353130"}};
	struct code_check k = rfc();

	(void)state;
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		uint64_t used = 0;

		assert_true(code_right(&k, v[i].code, v[i].now_s, &used));
		assert_int_equal(used, v[i].now_s / CODE_STEP_S);
	}
	k.digits = 6;
	assert_true(code_right(&k, "287082", 59, &(uint64_t){0}));
	k.digits = 7;
	assert_true(code_right(&k, "4287082", 59, &(uint64_t){0}));
}

static void test_one_step_either_side(void **state)
{
	const struct code_check k = rfc();
	uint64_t used = 0;

	(void)state;
	/* 07081804 is good from 1111111080 to 1111111109. */
	assert_true(code_right(&k, "07081804", 1111111080 - CODE_STEP_S, &(uint64_t){0}));
	assert_false(code_right(&k, "07081804", 1111111080 - CODE_STEP_S - 1, &(uint64_t){0}));
	assert_true(code_right(&k, "07081804", 1111111109 + CODE_STEP_S, &(uint64_t){0}));
	assert_false(code_right(&k, "07081804", 1111111109 + CODE_STEP_S + 1, &used));
	assert_int_equal(used, 0);
}

static void test_a_used_code_is_used(void **state)
{
	const struct code_check k = rfc();
	uint64_t used = 0;

	(void)state;
	assert_true(code_right(&k, "14050471", 1111111111, &used));
	assert_false(code_right(&k, "14050471", 1111111111, &used));
	/* Nor is one that came before it. */
	assert_false(code_right(&k, "07081804", 1111111111, &used));
	assert_int_equal(used, 1111111111 / CODE_STEP_S);
}

static void test_wrong_codes(void **state)
{
	static const char *const wrong[] = {"", "9428708", "942870820", "94287083", "94287o82"};
	const struct code_check k = rfc();
	uint64_t used = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(code_right(&k, wrong[i], 59, &used));
	assert_false(code_right(&k, "94287082", 0, &used));
	assert_int_equal(used, 0);
}

static void test_secrets_there_and_back(void **state)
{
	static const char *const bad[] = {"", ":8", "GEZDGNBV", "GEZDGNBVGY3TQOJQ:5",
	    "GEZDGNBVGY3TQOJQ:9", "GEZDGNBVGY3TQOJQ:66", "GEZDGNBVGY3TQOJ1", "!",
	    "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"};
	struct code_check k, back;
	char text[CODE_TEXT];

	(void)state;
	assert_int_equal(code_parse("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ:8", &k), 0);
	assert_memory_equal(&k, &(struct code_check[]){rfc()}, sizeof(k));
	for (unsigned digits = CODE_DIGITS_MIN; digits <= CODE_DIGITS_MAX; digits++) {
		code_make(digits, &k);
		code_text(&k, text);
		assert_int_equal(strcspn(text, "=, \t"), strlen(text));
		assert_int_equal(code_parse(text, &back), 0);
		assert_memory_equal(&k, &back, sizeof(k));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(code_parse(bad[i], &k), -1);
}

static void test_pins(void **state)
{
	struct pin_check p, q, back;
	char text[PIN_TEXT];

	(void)state;
	assert_int_equal(pin_make((const uint8_t *)"4711", 4, &p), 0);
	assert_int_equal(pin_make((const uint8_t *)"4711", 4, &q), 0);
	assert_memory_not_equal(p.hash, q.hash, sizeof(p.hash)); /* each has its salt */
	assert_true(pin_right(&p, (const uint8_t *)"4711", 4));
	assert_false(pin_right(&p, (const uint8_t *)"4712", 4));
	assert_false(pin_right(&p, (const uint8_t *)"47110", 5));
	assert_false(pin_right(&p, (const uint8_t *)"471", 3));
	pin_text(&p, text);
	assert_int_equal(strcspn(text, ", \t"), strlen(text));
	assert_int_equal(pin_parse(text, &back), 0);
	assert_memory_equal(&p, &back, sizeof(p));
}

static void test_pin_of_another_program(void **state)
{
	struct pin_check p;

	(void)state;
	assert_int_equal(pin_parse("4096:3:MDEyMzQ1Njc4OWFiY2RlZg==:" PIN_OF_ARGON2, &p), 0);
	assert_true(pin_right(&p, (const uint8_t *)"correct horse", 13));
}

static void test_what_is_no_pin(void **state)
{
	static const char *const bad[] = {"", "1", "4096:3", "4096:3:",
	    "4096:3:MDEyMzQ1Njc4OWFiY2RlZg==", "63:3:MDEyMzQ1Njc4OWFiY2RlZg==:" PIN_OF_ARGON2,
	    "65537:3:MDEyMzQ1Njc4OWFiY2RlZg==:" PIN_OF_ARGON2,
	    "4096:0:MDEyMzQ1Njc4OWFiY2RlZg==:" PIN_OF_ARGON2,
	    "4096:11:MDEyMzQ1Njc4OWFiY2RlZg==:" PIN_OF_ARGON2,
	    "4096:3:MDEyMzQ1Njc4OWFiY2RlZg=:" PIN_OF_ARGON2, "4096:3:MDEyMzQ1Njc4OWFiY2RlZg==:AAAA",
	    "99999999999:3:MDEyMzQ1Njc4OWFiY2RlZg==:" PIN_OF_ARGON2};
	struct pin_check p;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(pin_parse(bad[i], &p), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_vectors),
	    cmocka_unit_test(test_one_step_either_side),
	    cmocka_unit_test(test_a_used_code_is_used),
	    cmocka_unit_test(test_wrong_codes),
	    cmocka_unit_test(test_secrets_there_and_back),
	    cmocka_unit_test(test_pins),
	    cmocka_unit_test(test_pin_of_another_program),
	    cmocka_unit_test(test_what_is_no_pin),
	};

	return secret_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
