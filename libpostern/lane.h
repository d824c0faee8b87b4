/*
 * lane - the carriers that a knock may go by, in the profile's order, without
 * those that do not go with what is asked for.
 */
#ifndef LIBPOSTERN_LANE_H
#define LIBPOSTERN_LANE_H

#include "library.h"
#include "profile.h"

enum { LANE_RETRIES = 2 }; /* by each but the last, which has all that the knock may have */

struct lane {
	const struct sender *sender;
	bool answers; /* the server does; else the door is tried */
};

struct lanes {
	unsigned len;
	struct lane at[PROFILE_CARRIERS_MAX];
	unsigned left_out;
	struct {
		const struct sender *sender;
		const char *why; /* a sentence */
	} out[PROFILE_CARRIERS_MAX];
};

/* Returns 0; or -1 when no carrier is left (told). */
int lanes_choose(const struct postern_profile *p, const struct request *q, struct lanes *out,
    struct trouble *errors);
/* Tell which were left out, when the others came to nothing. */
void lanes_tell(const struct lanes *l, const struct postern_profile *p, struct trouble *t);

/*
 * The TCP port whose door a request would open, to be tried where no answer comes; 0 when there is
 * none, when it is random, or when trying would be wrong: a door for one use would be used up, one
 * for a port of its own does not take another, and a trap takes all and counts them.
 */
uint16_t lane_door(const struct postern_profile *p, const struct request *q);

#endif
