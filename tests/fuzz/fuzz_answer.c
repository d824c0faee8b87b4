/*
 * fuzz_answer - the answer to a challenge as an authentic client may send it.
 * What decodes must say the same again.
 */
#include <stdlib.h>
#include <string.h>

#include "request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t first[256];
	uint8_t second[256];
	struct answer a;
	struct answer b;

	if (answer_decode(&a, data, size) != 0)
		return 0;
	int len = answer_encode(&a, first, sizeof(first));
	if (len < 0 || answer_decode(&b, first, (size_t)len) != 0)
		abort();
	if (answer_encode(&b, second, sizeof(second)) != len ||
	    memcmp(first, second, (size_t)len) != 0)
		abort();
	return 0;
}
