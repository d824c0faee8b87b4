/*
 * assembly - the sets of pieces that are under way: pieces in any order, of
 * many clients at a time, into covered bytes. Pure: the time is passed in.
 *
 * Only what has a tag comes here, so a stranger cannot fill it. Who holds the
 * door key can, and who sends on from other addresses what he saw; the bounds
 * are for them: 256 sets, 8 MiB in all, 64 KiB and 30 s each. Over a limit a
 * source, or a set id, with four sets loses its newest first; else the oldest
 * of all goes.
 *
 * A set goes along one sequence of ports, or, as long as its pieces do not
 * tell, along one of several. Copies of its pieces at the ports of another are
 * another set, and so cannot spoil it.
 */
#ifndef POSTERN_CARRIER_ASSEMBLY_H
#define POSTERN_CARRIER_ASSEMBLY_H

#include "carrier.h"
#include "sequence.h"

enum {
	ASSEMBLY_SETS = 256,
	ASSEMBLY_BYTES = 8 << 20,
	ASSEMBLY_AGE_S = 30,
	ASSEMBLY_DONE = 1024,		       /* finished sets that are remembered ... */
	ASSEMBLY_DONE_S = 3 * SEQUENCE_STEP_S, /* ... for so long: then no tag of theirs holds */
	ASSEMBLY_GREEDY = 4, /* sets that one source or id may have when there is no room */
};

struct assembly;

/* A piece whose tag held, under this door key. */
struct arrival {
	struct route route;
	struct piece piece;
	uint8_t door_key;
	bool clean;
	uint32_t along; /* bits: the sequences of ports that it may belong to; not 0 */
};

enum assembly_result {
	ASSEMBLY_KEPT,
	ASSEMBLY_WHOLE,
	ASSEMBLY_AGAIN, /* this index was there already */
	ASSEMBLY_OLD,	/* of a set that was finished before */
	ASSEMBLY_FULL,	/* no room for it */
	ASSEMBLY_ODD,	/* another count than its set has, or more bytes than one may have */
};

/* A set that is whole. */
struct assembled {
	struct route route; /* of the piece that came first */
	uint64_t set_id;
	uint8_t door_key;
	uint32_t along;	      /* those that every piece may belong to; not 0 */
	const uint8_t *bytes; /* borrowed until the next call */
	size_t len;
};

/* Takes all its memory at once, untouched. Aborts when there is none. */
struct assembly *assembly_new(void);
void assembly_free(struct assembly *a);

/* now_ns: CLOCK_REALTIME. Fills *out when it returns ASSEMBLY_WHOLE. */
enum assembly_result assembly_take(
    struct assembly *a, const struct arrival *x, uint64_t now_ns, struct assembled *out);

/* Forget all sets, the finished ones too: the door keys are others. */
void assembly_forget(struct assembly *a);

/* For the counters and the tests: sets under way, bytes that they hold, sets that ended unfinished. */
struct assembly_use {
	unsigned sets;
	size_t bytes;
	uint64_t lost;
};
struct assembly_use assembly_use(const struct assembly *a);

#endif
