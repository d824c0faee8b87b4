/*
 * feed - a recording whose bytes come in from a descriptor piece by piece,
 * and its frames handed over: what savefile and tcpdump have in common.
 */
#ifndef POSTERN_CAPTURE_FEED_H
#define POSTERN_CAPTURE_FEED_H

#include <sys/types.h>

#include "capture.h"
#include "recording.h"

struct feed {
	struct recording recording;
	uint8_t *bytes; /* RECORDING_PART_MAX */
	size_t at, len;
	uint64_t seen;
};

void feed_init(struct feed *f); /* aborts when there is no memory */
void feed_free(struct feed *f);

/* What is there already, at most *left frames, which is counted down. False: this is no recording, or not any more. */
bool feed_hand_over(struct feed *f, unsigned *left, capture_fn *fn, void *arg)
    __attribute__((warn_unused_result));

/*
 * More bytes, from a stream, or from a file at an offset of 0 or more. To be
 * called when feed_hand_over() left frames over: then there is always room.
 * Returns as read(2) does.
 */
ssize_t feed_fill(struct feed *f, int fd, off_t offset) __attribute__((warn_unused_result));
enum { FEED_STREAM = -1 };

#endif
