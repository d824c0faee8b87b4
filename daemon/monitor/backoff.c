/* backoff - see backoff.h. */
#include "backoff.h"

uint32_t backoff_by(struct backoff *b, const struct backoff_law *law, uint64_t well_ms)
{
	uint32_t wait = b->next_ms;

	if (wait == 0 || well_ms >= law->forget_ms)
		wait = law->least_ms;
	b->next_ms = wait >= law->most_ms / 2 ? law->most_ms : 2 * wait;
	return wait;
}

uint32_t backoff_after(struct backoff *b, uint64_t lived_ms)
{
	static const struct backoff_law law = {
	    BACKOFF_LEAST_MS, BACKOFF_MOST_MS, BACKOFF_FORGET_MS};

	return backoff_by(b, &law, lived_ms);
}
