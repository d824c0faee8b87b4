/* clock - the three clocks that matter, read in one place so that nothing else asks the system for the time. */
#ifndef POSTERN_COMMON_CLOCK_H
#define POSTERN_COMMON_CLOCK_H

#include <stdint.h>

enum { NS_PER_S = 1000000000, NS_PER_MS = 1000000, MS_PER_S = 1000 };

uint64_t clock_real_ns(void); /* CLOCK_REALTIME, ns since 1970 */
uint64_t clock_mono_ms(void); /* CLOCK_MONOTONIC */
uint64_t clock_boot_ms(void); /* CLOCK_BOOTTIME */

#endif
