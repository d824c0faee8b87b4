#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

uint64_t measure_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

void measure_print_us(uint64_t *samples_ns, size_t n)
{
	if (n == 0) {
		printf("{\"n\":0}");
		return;
	}
	qsort(samples_ns, n, sizeof(*samples_ns), compare);
	printf("{\"n\":%zu,\"min\":%.1f,\"p50\":%.1f,\"p99\":%.1f,\"max\":%.1f}", n,
	    (double)samples_ns[0] / 1e3, (double)samples_ns[n / 2] / 1e3,
	    (double)samples_ns[n * 99 / 100] / 1e3, (double)samples_ns[n - 1] / 1e3);
}
