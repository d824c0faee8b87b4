/*
 * capture_cost - what the kernel says that a process and its descendants cost.
 */
#ifndef POSTERN_CTL_CAPTURE_COST_H
#define POSTERN_CTL_CAPTURE_COST_H

#include <sched.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * CPU time so far. How much is the scheduler's own sum, exact to nanoseconds;
 * how it divides the kernel tells in hundredths of a second. (getrusage() would
 * tell no more, and not of a method's helper that nobody waits for.)
 */
struct cost {
	uint64_t run_ns;
	uint64_t user_ticks, kernel_ticks;
};

struct cost cost_of(pid_t pid);
/* What came between two looks, in microseconds. */
void cost_between(
    const struct cost *before, const struct cost *after, double *user_us, double *kernel_us);
/* Proportional set size, so that what processes share counts once; else the resident size. */
uint64_t cost_memory_kib(pid_t pid);
/* Hold all of them to these processors. */
void cost_pin(pid_t pid, const cpu_set_t *set);

#endif
