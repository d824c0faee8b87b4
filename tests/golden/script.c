#include "script.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

enum { SCRIPT_MAX = 256 };

static struct {
	uint8_t bytes[SCRIPT_MAX];
	size_t len, used;
} script;

static const char *name(void)
{
	return "script";
}

static void next_bytes(void *const out, const size_t len)
{
	if (len > script.len - script.used)
		abort();
	memcpy(out, script.bytes + script.used, len);
	script.used += len;
}

static uint32_t next_word(void)
{
	uint32_t v;

	next_bytes(&v, sizeof(v));
	return v;
}

void script_start(void)
{
	static struct randombytes_implementation scripted;

	scripted = (struct randombytes_implementation){
	    .implementation_name = name, .random = next_word, .buf = next_bytes};
	if (randombytes_set_implementation(&scripted) != 0)
		abort();
}

const uint8_t *script_add(uint8_t n, size_t len)
{
	script_end();
	script.len = len;
	script.used = 0;
	if (len > SCRIPT_MAX)
		abort();
	for (size_t i = 0; i < len; i++)
		script.bytes[i] = (uint8_t)(n + i);
	return script.bytes;
}

void script_end(void)
{
	if (script.used != script.len)
		abort();
}
