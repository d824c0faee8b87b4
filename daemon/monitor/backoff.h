/* backoff - how long to wait before a process that died is started again. */
#ifndef POSTERN_MONITOR_BACKOFF_H
#define POSTERN_MONITOR_BACKOFF_H

#include <stdint.h>

enum {
	BACKOFF_LEAST_MS = 100,
	BACKOFF_MOST_MS = 5000,
	BACKOFF_FORGET_MS = 30000, /* who lived so long is trusted anew */
};

struct backoff {
	uint32_t next_ms; /* 0: never waited yet */
};

/* It lived for lived_ms. Returns the milliseconds to wait now: 100, doubled each time, at most 5,000. */
uint32_t backoff_after(struct backoff *b, uint64_t lived_ms);

#endif
