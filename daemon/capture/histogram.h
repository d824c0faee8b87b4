/*
 * histogram - durations in bounded memory: buckets whose width grows with the
 * value, so that a quantile is right within 1/32 of itself.
 *
 * Pure, no allocation; it may lie in memory that two processes share.
 */
#ifndef POSTERN_CAPTURE_HISTOGRAM_H
#define POSTERN_CAPTURE_HISTOGRAM_H

#include <stdint.h>

enum {
	HISTOGRAM_STEPS_BITS = 5, /* of each power of two: 32 buckets */
	HISTOGRAM_STEPS = 1 << HISTOGRAM_STEPS_BITS,
	HISTOGRAM_POWERS = 36, /* up to 2^36 - 1, which is 69 s in nanoseconds */
	HISTOGRAM_BUCKETS = (HISTOGRAM_POWERS - HISTOGRAM_STEPS_BITS + 1) * HISTOGRAM_STEPS,
};

/* Begins as zeros. */
struct histogram {
	uint64_t count;
	uint64_t bucket[HISTOGRAM_BUCKETS];
};

/* What is too long for it counts as the longest. */
void histogram_add(struct histogram *h, uint64_t value);
/* Add all of another one. */
void histogram_join(struct histogram *h, const struct histogram *other);

/*
 * The value that so many of a thousand are not above (500: the median), as the
 * middle of its bucket. 0 when there is none.
 */
uint64_t histogram_quantile(const struct histogram *h, unsigned per_mille);

#endif
