/* backoff - how long to wait before what went wrong is tried again. */
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

struct backoff_law {
	uint32_t least_ms, most_ms;
	uint64_t forget_ms; /* what went well for so long is trusted anew */
};

/* It went well for well_ms. Returns the milliseconds to wait now: the least, doubled each time, at most the most. */
uint32_t backoff_by(struct backoff *b, const struct backoff_law *law, uint64_t well_ms);
/* The same of a process that lived for lived_ms: 100, doubled each time, at most 5,000. */
uint32_t backoff_after(struct backoff *b, uint64_t lived_ms);

#endif
