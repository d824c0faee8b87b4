#include "feed.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

void feed_init(struct feed *f)
{
	*f = (struct feed){.bytes = malloc(RECORDING_PART_MAX), .always = -1, .ready = -1};
	if (f->bytes == NULL)
		abort();
}

int feed_watch(struct feed *f, int fd)
{
	struct epoll_event e = {.events = EPOLLIN}, later = {.events = 0};

	f->ready = epoll_create1(EPOLL_CLOEXEC);
	f->always = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	if (f->ready < 0 || f->always < 0 ||
	    epoll_ctl(f->ready, EPOLL_CTL_ADD, f->always, &later) != 0)
		return -1;
	return epoll_ctl(f->ready, EPOLL_CTL_ADD, fd, &e);
}

void feed_free(struct feed *f)
{
	free(f->bytes);
	f->bytes = NULL;
	if (f->always >= 0)
		(void)close(f->always);
	if (f->ready >= 0)
		(void)close(f->ready);
	f->always = f->ready = -1;
}

/* Not by writing to something: the jail lets us write to nobody but auth and the log. */
static void look_at_always(struct feed *f, bool look)
{
	struct epoll_event e = {.events = look ? EPOLLIN : 0};

	if (look != f->waking && epoll_ctl(f->ready, EPOLL_CTL_MOD, f->always, &e) == 0)
		f->waking = look;
}

void feed_wake(struct feed *f)
{
	look_at_always(f, true);
}

void feed_awake(struct feed *f)
{
	look_at_always(f, false);
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
