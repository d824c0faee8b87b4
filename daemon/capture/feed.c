#include "feed.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void feed_init(struct feed *f)
{
	*f = (struct feed){.bytes = malloc(RECORDING_PART_MAX)};
	if (f->bytes == NULL)
		abort();
}

void feed_free(struct feed *f)
{
	free(f->bytes);
	f->bytes = NULL;
}

bool feed_hand_over(struct feed *f, unsigned *left, capture_fn *fn, void *arg)
{
	struct capture_frame frame;
	size_t used;

	while (*left > 0) {
		switch (recording_next(
		    &f->recording, f->bytes + f->at, f->len - f->at, &used, &frame)) {
		case RECORDING_FRAME:
			f->seen++;
			(*left)--;
			(void)fn(arg, &frame);
			break;
		case RECORDING_SKIPPED:
			break;
		case RECORDING_MORE:
			return true;
		case RECORDING_BAD:
			return false;
		}
		f->at += used;
	}
	return true;
}

ssize_t feed_fill(struct feed *f, int fd, off_t offset)
{
	ssize_t n;

	memmove(f->bytes, f->bytes + f->at, f->len - f->at);
	f->len -= f->at;
	f->at = 0;
	if (offset == FEED_STREAM)
		n = read(fd, f->bytes + f->len, RECORDING_PART_MAX - f->len);
	else
		n = pread(fd, f->bytes + f->len, RECORDING_PART_MAX - f->len, offset);
	if (n > 0)
		f->len += (size_t)n;
	return n;
}
