#include "clock.h"

#include <stdlib.h>
#include <time.h>

static struct timespec read_clock(clockid_t id)
{
	struct timespec ts;

	if (clock_gettime(id, &ts) != 0)
		abort(); /* these three clocks are always there */
	return ts;
}

static uint64_t to_ms(struct timespec ts)
{
	return (uint64_t)ts.tv_sec * MS_PER_S + (uint64_t)ts.tv_nsec / NS_PER_MS;
}

uint64_t clock_real_ns(void)
{
	struct timespec ts = read_clock(CLOCK_REALTIME);

	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t clock_mono_ms(void)
{
	return to_ms(read_clock(CLOCK_MONOTONIC));
}

uint64_t clock_boot_ms(void)
{
	return to_ms(read_clock(CLOCK_BOOTTIME));
}
