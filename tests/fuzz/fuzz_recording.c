/*
 * fuzz_recording - a pcap or pcapng file that comes in piece by piece; the
 * first byte says how long the pieces are. However it is cut, the same frames
 * come out, and each lies within what was there.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "recording.h"

struct outcome {
	unsigned frames, skipped;
	size_t used;
	uint64_t sum;
	bool bad;
};

static void add(struct outcome *o, const struct capture_frame *f)
{
	const uint64_t words[] = {f->caplen, f->len, (uint64_t)f->link, f->seen_ns};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		o->sum = o->sum * 31 + words[i];
	for (size_t i = 0; i < f->caplen; i++)
		o->sum = o->sum * 31 + f->bytes[i];
}

static bool is_sound(const struct capture_frame *f, const uint8_t *bytes, size_t used)
{
	return f->bytes >= bytes && f->bytes <= bytes + used &&
	       f->caplen <= used - (size_t)(f->bytes - bytes) && f->len >= f->caplen &&
	       f->ifindex == 0;
}

/* In memory that ends where the piece does, so that a look beyond it is one too many. */
static enum recording_result next(
    struct recording *r, const uint8_t *from, size_t len, struct outcome *o)
{
	uint8_t *bytes = malloc(len > 0 ? len : 1);
	struct capture_frame frame;
	size_t used = 0;
	enum recording_result result;

	if (bytes == NULL)
		abort();
	memcpy(bytes, from, len);
	result = recording_next(r, bytes, len, &used, &frame);
	if (result == RECORDING_FRAME || result == RECORDING_SKIPPED) {
		if (used == 0 || used > len)
			abort();
		o->used += used;
	}
	if (result == RECORDING_FRAME) {
		if (!is_sound(&frame, bytes, used))
			abort();
		o->frames++;
		add(o, &frame);
	}
	o->skipped += result == RECORDING_SKIPPED;
	o->bad = result == RECORDING_BAD;
	free(bytes);
	return result;
}

static struct outcome play(const uint8_t *data, size_t size, size_t step)
{
	struct recording r = {.links = 0};
	struct outcome o = {.used = 0};
	size_t have = 0;
	enum recording_result result = RECORDING_MORE;

	while (result != RECORDING_BAD && (result != RECORDING_MORE || have < size)) {
		if (result == RECORDING_MORE)
			have = size - have < step ? size : have + step;
		result = next(&r, data + o.used, have - o.used, &o);
	}
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	const struct outcome whole = play(data + 1, size - 1, size),
			     cut = play(data + 1, size - 1, data[0] + 1U);

	if (whole.frames != cut.frames || whole.skipped != cut.skipped || whole.used != cut.used ||
	    whole.sum != cut.sum || whole.bad != cut.bad)
		abort();
	return 0;
}
