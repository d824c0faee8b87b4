/*
 * fuzz_keyfile - the text of a key file. Keys are taken only whole, and none
 * is left where a file is refused.
 */
#include <stdlib.h>
#include <string.h>

#include "keyfile.h"
#include "secret.h"

enum { KEYS = 2 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t zeros[KEYS][KEY_BYTES];
	uint8_t keys[KEYS + 1][KEY_BYTES];
	struct report r = {.say = NULL};
	char *text;
	int n;

	if (size >= KEYFILE_MAX)
		return -1;
	text = malloc(size + 1);
	if (text == NULL)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	memset(keys, 0x55, sizeof(keys));
	n = keyfile_parse("fuzz", text, keys, 1, KEYS, &r);
	if (keys[KEYS][0] != 0x55 || n > KEYS || n == 0 || (n < 0) != (r.errors > 0))
		abort();
	if (n < 0 && memcmp(keys, zeros, sizeof(zeros)) != 0)
		abort();
	free(text);
	return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return secret_init();
}
