/*
 * fuzz_reply - a reply as a server that was taken over may send it. What
 * decodes is fit for a terminal, and fits into less room cut but whole.
 */
#include <stdlib.h>

#include "request.h"

enum { HEAD_BYTES = 20 };

static void expect_printable(const char *text)
{
	for (const char *c = text; *c; c++) {
		if (*c < 0x20 || *c > 0x7e)
			abort();
	}
}

static void cut(const struct reply *p, size_t cap)
{
	uint8_t out[4096];
	struct reply q;
	int len = reply_encode(p, out, cap < sizeof(out) ? cap : sizeof(out));

	if (len < 0)
		return;
	if ((size_t)len > cap || reply_decode(&q, out, (size_t)len) != 0)
		abort();
	if (q.verdict != p->verdict || q.attempt != p->attempt || q.doors > p->doors ||
	    q.output_len > p->output_len || q.has_door_key != p->has_door_key)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reply p;

	if (reply_decode(&p, data, size) != 0)
		return 0;
	expect_printable(p.reason);
	for (size_t cap = HEAD_BYTES; cap <= size; cap += 1 + size / 16)
		cut(&p, cap);
	uint8_t out[4096];
	if (reply_encode(&p, out, sizeof(out)) < 0)
		abort();
	return 0;
}
