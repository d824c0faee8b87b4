/*
 * fuzz_request - a request as an authentic client may send it. What decodes
 * must say the same again when it is encoded and decoded once more.
 */
#include <stdlib.h>
#include <string.h>

#include "request.h"

static void again(struct request *q)
{
	uint8_t first[REQUEST_MAX];
	uint8_t second[REQUEST_MAX];
	struct request r;
	uint8_t unknown;

	/* A server reads a code beside "reply wanted"; a client of ours would not send it so. */
	if (q->code[0] || q->pin_len > 0)
		q->flags &= (uint16_t)~REQUEST_REPLY;
	int len = request_encode(q, first, sizeof(first));
	if (len < 0 || request_decode(&r, first, (size_t)len, &unknown) != 0)
		abort();
	if (request_encode(&r, second, sizeof(second)) != len ||
	    memcmp(first, second, (size_t)len) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct request q;
	uint8_t unknown;

	if (request_decode(&q, data, size, &unknown) == 0)
		again(&q);
	return 0;
}
