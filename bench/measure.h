/* measure - samples and their summary, as JSON. */
#ifndef POSTERN_BENCH_MEASURE_H
#define POSTERN_BENCH_MEASURE_H

#include <stddef.h>
#include <stdint.h>

uint64_t measure_now_ns(void); /* CLOCK_MONOTONIC */
/* Sorts samples and prints {"n":..,"min":..,"p50":..,"p99":..,"max":..} in microseconds. */
void measure_print_us(uint64_t *samples_ns, size_t n);

#endif
