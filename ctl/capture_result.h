/*
 * capture_result - what the comparison of capture methods found of one method
 * at one rate, and how it is told.
 */
#ifndef POSTERN_CTL_CAPTURE_RESULT_H
#define POSTERN_CTL_CAPTURE_RESULT_H

#include <stddef.h>
#include <stdint.h>

#include "ctl.h"

enum { RESULTS_MAX = 256 };

struct capture_result {
	const char *method;
	uint32_t rate;	/* packets a second that were to come; 0: it was not ours to say */
	double seconds; /* that they came for */
	uint64_t offered;
	uint64_t seen;
	uint64_t lost;
	double cpu_user_us, cpu_kernel_us;     /* a packet seen */
	double latency_p50_us, latency_p99_us; /* from the kernel's stamp to our callback */
	uint64_t memory_kib;
};

/* In the order in which they were found. */
struct capture_results {
	size_t len;
	struct capture_result at[RESULTS_MAX];
};

/* The table for people; with --json the array of objects, in place of the usual object. */
void capture_results_tell(struct ctl *c, const struct capture_results *r);

/*
 * An SVG drawing in two panels: rate against loss, rate against CPU.
 * Returns 0, or -1 when the file cannot be written, with errno.
 */
int capture_results_plot(const struct capture_results *r, const char *file);

#endif
