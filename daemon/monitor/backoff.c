/* backoff - see backoff.h. */
#include "backoff.h"

uint32_t backoff_after(struct backoff *b, uint64_t lived_ms)
{
	uint32_t wait = b->next_ms;

	if (wait == 0 || lived_ms >= BACKOFF_FORGET_MS)
		wait = BACKOFF_LEAST_MS;
	b->next_ms = wait >= BACKOFF_MOST_MS / 2 ? BACKOFF_MOST_MS : 2 * wait;
	return wait;
}
