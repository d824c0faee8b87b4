/*
 * feed - a recording whose bytes come in from a descriptor piece by piece,
 * and its frames handed over: what savefile and tcpdump have in common.
 */
#ifndef POSTERN_CAPTURE_FEED_H
#define POSTERN_CAPTURE_FEED_H

#include <sys/syscall.h>
#include <sys/types.h>

#include "capture.h"
#include "recording.h"

enum { FEED_SYSCALL = SYS_epoll_ctl }; /* what waking needs, beside read(2) or pread(2) */

struct feed {
	struct recording recording;
	uint8_t *bytes; /* RECORDING_PART_MAX */
	size_t at, len;
	uint64_t seen;
	int ready;  /* epoll over what else was said, and this: */
	int always; /* an eventfd that is always readable, looked at while something is left over */
	bool waking;
};

void feed_init(struct feed *f); /* aborts when there is no memory; has nothing to close yet */
/* Make ready readable when fd is, or when something was left over. Returns 0; -1 with errno. */
int feed_watch(struct feed *f, int fd) __attribute__((warn_unused_result));
void feed_free(struct feed *f);

/* Something is left over: wake who watches, also when nothing comes in. */
void feed_wake(struct feed *f);
/* He is awake. */
void feed_awake(struct feed *f);

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
