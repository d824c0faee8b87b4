/*
 * savefile - a pcap or pcapng file that somebody else writes, a FIFO, or our
 * standard input ("-"), from the beginning and then as it grows.
 *
 * When another file takes the name, or this one is cut, the rest is read and
 * the source ends: the process may open nothing any more, so the monitor
 * starts a new one that reads the new file. Nothing is lost by that. There is
 * no filter; all frames count as seen.
 */
#include "capture.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "feed.h"
#include "log.h"

struct savefile {
	int fd;
	int changes; /* inotify; -1: a stream, which tells by itself */
	bool stream;
	bool replaced;
	char path[PATH_MAX], name[NAME_MAX + 1];
	struct feed feed;
	off_t offset;
};

static const int syscalls[] = {SYS_lseek, SYS_pread64, SYS_read, FEED_SYSCALL};

static enum capture_status refuse(
    enum capture_status status, const struct savefile *s, const char *what, const char *why)
{
	log_error("capture_open", "file=\"%s\" step=%s error=\"%s\"", s->path, what, why);
	return status;
}

static enum capture_status open_file(struct savefile *s)
{
	struct stat st;

	if (strcmp(s->path, "-") == 0) {
		s->fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
		if (s->fd >= 0)
			(void)fcntl(s->fd, F_SETFL, fcntl(s->fd, F_GETFL) | O_NONBLOCK);
	} else {
		s->fd = open(s->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	}
	if (s->fd < 0 && errno == ENOENT)
		return refuse(CAPTURE_ABSENT, s, "open", "there is no such file (yet)");
	if (s->fd < 0 || fstat(s->fd, &st) != 0)
		return refuse(CAPTURE_BROKEN, s, "open", strerror(errno));
	s->stream = !S_ISREG(st.st_mode);
	if (S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode))
		return CAPTURE_UP;
	return refuse(CAPTURE_REFUSED, s, "open", "give a file, a FIFO, or - for standard input");
}

/* The file for what is written to it, its folder for who takes its name. */
static enum capture_status watch_file(struct savefile *s)
{
	char self[32], copy[PATH_MAX];

	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", s->fd);
	s->changes = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (s->changes < 0 || inotify_add_watch(s->changes, self, IN_MODIFY) < 0)
		return refuse(CAPTURE_BROKEN, s, "watch", strerror(errno));
	if (strcmp(s->path, "-") == 0)
		return CAPTURE_UP;
	(void)snprintf(copy, sizeof(copy), "%s", s->path);
	(void)snprintf(s->name, sizeof(s->name), "%s", basename(copy));
	(void)snprintf(copy, sizeof(copy), "%s", s->path);
	if (inotify_add_watch(s->changes, dirname(copy), IN_CREATE | IN_MOVED_TO) < 0)
		return refuse(CAPTURE_BROKEN, s, "watch", strerror(errno));
	return CAPTURE_UP;
}

/* Did another file take the name before the folder was watched? Nobody would ever tell. */
static void look_again(struct savefile *s)
{
	struct stat ours, there;

	s->replaced = strcmp(s->path, "-") != 0 && fstat(s->fd, &ours) == 0 &&
		      stat(s->path, &there) == 0 &&
		      (ours.st_dev != there.st_dev || ours.st_ino != there.st_ino);
}

static enum capture_status gather(struct savefile *s)
{
	if (feed_watch(&s->feed, s->stream ? s->fd : s->changes) != 0)
		return refuse(CAPTURE_BROKEN, s, "watch", strerror(errno));
	feed_wake(&s->feed);
	return CAPTURE_UP;
}

static void close_one(int fd)
{
	if (fd >= 0)
		(void)close(fd);
}

static void savefile_close(void *self)
{
	struct savefile *s = self;

	close_one(s->fd);
	close_one(s->changes);
	feed_free(&s->feed);
	free(s);
}

static enum capture_status savefile_open(void **self, const struct capture_want *want)
{
	struct savefile *s = calloc(1, sizeof(*s));
	enum capture_status status;

	if (s == NULL)
		abort();
	s->fd = s->changes = -1;
	feed_init(&s->feed);
	(void)snprintf(s->path, sizeof(s->path), "%s", want->file);
	status = open_file(s);
	if (status == CAPTURE_UP && !s->stream) {
		status = watch_file(s);
		look_again(s);
	}
	if (status == CAPTURE_UP)
		status = gather(s);
	if (status == CAPTURE_UP)
		*self = s;
	else
		savefile_close(s);
	return status;
}

static int savefile_fd(const void *self)
{
	const struct savefile *s = self;

	return s->feed.ready;
}

/* Returns whether anything happened since it was last asked. */
static bool notice(struct savefile *s)
{
	char events[16 * (sizeof(struct inotify_event) + NAME_MAX + 1)];
	struct inotify_event e;
	bool any = false;
	ssize_t n;

	while ((n = read(s->changes, events, sizeof(events))) > 0) {
		any = true;
		for (size_t at = 0; at + sizeof(e) <= (size_t)n; at += sizeof(e) + e.len) {
			memcpy(&e, events + at, sizeof(e));
			if (e.len > 0 && strcmp(events + at + sizeof(e), s->name) == 0)
				s->replaced = true;
		}
	}
	return any;
}

static enum capture_status gone(const struct savefile *s, const char *why)
{
	log_info("file_ended", "file=\"%s\": %s", s->path, why);
	return CAPTURE_GONE;
}

/* There are no more bytes. Returns CAPTURE_UP when that may change. */
static enum capture_status at_end(const struct savefile *s)
{
	struct pollfd p = {.fd = s->fd, .events = POLLIN};

	if (s->stream)
		return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR)) != 0
			   ? gone(s, "its writer closed it")
			   : CAPTURE_UP;
	if (s->replaced)
		return gone(s, "another took its name");
	if (lseek(s->fd, 0, SEEK_END) < s->offset)
		return gone(s, "it was cut, and begins anew");
	return CAPTURE_UP;
}

static enum capture_status savefile_read(void *self, unsigned max, capture_fn *fn, void *arg)
{
	struct savefile *s = self;
	ssize_t n = 1;

	feed_awake(&s->feed);
	while (n > 0 || (!s->stream && notice(s))) {
		if (!feed_hand_over(&s->feed, &max, fn, arg)) {
			log_error("capture_read", "file=\"%s\" error=\"not a pcap or pcapng file\"",
			    s->path);
			return CAPTURE_BROKEN;
		}
		if (max == 0) {
			feed_wake(&s->feed);
			return CAPTURE_UP;
		}
		n = feed_fill(&s->feed, s->fd, s->stream ? FEED_STREAM : s->offset);
		s->offset += n > 0 ? n : 0;
	}
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		log_error("capture_read", "file=\"%s\" error=\"%s\"", s->path, strerror(errno));
		return CAPTURE_BROKEN;
	}
	return n == 0 ? at_end(s) : CAPTURE_UP;
}

/* Some file systems, such as those of another machine, tell no changes. */
static enum capture_status savefile_tick(void *self)
{
	struct savefile *s = self;

	if (!s->stream && lseek(s->fd, 0, SEEK_END) != s->offset)
		feed_wake(&s->feed);
	return CAPTURE_UP;
}

static void savefile_stats(void *self, struct capture_stats *out)
{
	const struct savefile *s = self;

	*out = (struct capture_stats){.seen = s->feed.seen};
}

const struct capture_method capture_savefile = {
    .name = "savefile",
    .capabilities = syscalls, /* none of them */
    .capabilities_len = 0,
    .syscalls = syscalls,
    .syscalls_len = sizeof(syscalls) / sizeof(syscalls[0]),
    .open = savefile_open,
    .fd = savefile_fd,
    .read = savefile_read,
    .tick = savefile_tick,
    .stats = savefile_stats,
    .close = savefile_close,
};
