#include "secret.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "errors.h"

/* Guarded memory ends at a page's end: a multiple of this keeps its start aligned for any type. */
enum { ALIGNMENT = 16 };

int secret_init(void)
{
	return sodium_init() < 0 ? -1 : 0;
}

void *secret_new(size_t bytes)
{
	if (bytes > SIZE_MAX / 2)
		abort();
	size_t rounded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	void *p = sodium_malloc(rounded);
	if (!p)
		abort();
	sodium_memzero(p, rounded);
	return p;
}

void secret_free(void *p)
{
	sodium_free(p);
}

void secret_wipe(void *p, size_t bytes)
{
	sodium_memzero(p, bytes);
}

bool secret_equal(const void *a, const void *b, size_t bytes)
{
	return sodium_memcmp(a, b, bytes) == 0;
}

void secret_random(void *out, size_t bytes)
{
	randombytes_buf(out, bytes);
}

uint32_t secret_random_below(uint32_t bound)
{
	return randombytes_uniform(bound);
}

void base64_encode(char *out, size_t out_size, const uint8_t *in, size_t len)
{
	if (out_size < sodium_base64_encoded_len(len, sodium_base64_VARIANT_ORIGINAL))
		abort();
	sodium_bin2base64(out, out_size, in, len, sodium_base64_VARIANT_ORIGINAL);
}

int base64_decode(uint8_t *out, size_t len, const char *text)
{
	size_t got = 0;
	const char *end = NULL;
	size_t text_len = strlen(text);

	if (sodium_base642bin(
		out, len, text, text_len, NULL, &got, &end, sodium_base64_VARIANT_ORIGINAL) == 0 &&
	    got == len && end == text + text_len)
		return 0;
	sodium_memzero(out, len);
	return -E_FORMAT;
}
