/*
 * unit - what the unit tests of protocol/ share: cmocka's includes in the order
 * it wants, hexadecimal text, randomness that repeats.
 */
#ifndef POSTERN_TESTS_UNIT_H
#define POSTERN_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static inline int hex_digit(char c)
{
	const char *digits = "0123456789abcdef";
	const char *at = strchr(digits, c);

	assert_true(c != '\0' && at != NULL);
	return (int)(at - digits);
}

/* Decodes the whole of text, which must fit; returns its length in bytes. */
static inline size_t unhex(uint8_t *out, size_t cap, const char *text)
{
	size_t len = strlen(text) / 2;

	assert_true(strlen(text) % 2 == 0 && len <= cap);
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)(hex_digit(text[2 * i]) << 4 | hex_digit(text[2 * i + 1]));
	return len;
}

/* n, n + 1, n + 2 ...: bytes that are easy to tell from others when a test fails. */
static inline void count_up(uint8_t *out, size_t len, uint8_t n)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)(n + i);
}

#endif
