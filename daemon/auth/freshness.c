/* freshness - the two rules. */
#include "freshness.h"

bool freshness_newer(uint64_t mark, uint64_t t)
{
	return t > mark;
}

enum freshness freshness_judge(
    const struct client_record *r, uint64_t t, uint64_t now_ns, uint64_t window_ns, bool must_prove)
{
	uint64_t off = t > now_ns ? t - now_ns : now_ns - t;

	if (!freshness_newer(r->mark, t))
		return FRESH_OLD;
	/* A mark that is missing is one that was lost, for all we know: it is not proven. */
	if (!r->proven || off > window_ns || must_prove)
		return FRESH_DOUBT;
	return FRESH_SURE;
}
