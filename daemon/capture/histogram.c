#include "histogram.h"

enum { PER_MILLE = 1000, TOP_BIT = 63 };

/* Below HISTOGRAM_STEPS each value has a bucket of its own; above, the leading bits name it. */
static unsigned bucket_of(uint64_t value)
{
	unsigned power, shift;

	if (value < HISTOGRAM_STEPS)
		return (unsigned)value;
	power = TOP_BIT - (unsigned)__builtin_clzll(value);
	if (power >= HISTOGRAM_POWERS)
		return HISTOGRAM_BUCKETS - 1;
	shift = power - HISTOGRAM_STEPS_BITS;
	return (shift + 1) * HISTOGRAM_STEPS + ((unsigned)(value >> shift) - HISTOGRAM_STEPS);
}

static uint64_t middle_of(unsigned bucket)
{
	unsigned row = bucket / HISTOGRAM_STEPS, column = bucket % HISTOGRAM_STEPS;
	uint64_t low, width;

	if (row == 0)
		return column;
	width = UINT64_C(1) << (row - 1);
	low = (HISTOGRAM_STEPS + (uint64_t)column) * width;
	return low + width / 2;
}

void histogram_add(struct histogram *h, uint64_t value)
{
	h->bucket[bucket_of(value)]++;
	h->count++;
}

void histogram_join(struct histogram *h, const struct histogram *other)
{
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		h->bucket[i] += other->bucket[i];
	h->count += other->count;
}

uint64_t histogram_quantile(const struct histogram *h, unsigned per_mille)
{
	/* Rounded up: the median of one is that one. */
	uint64_t wanted = (h->count * per_mille + PER_MILLE - 1) / PER_MILLE;
	uint64_t below = 0;

	if (h->count == 0)
		return 0;
	if (wanted == 0)
		wanted = 1;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		below += h->bucket[i];
		if (below >= wanted)
			return middle_of(i);
	}
	return middle_of(HISTOGRAM_BUCKETS - 1);
}
