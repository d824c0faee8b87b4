#include "pipe.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER = 65536, WRITE_BLOCKING_MAX = PIPE_BUF };

/* One direction. */
struct flow {
	int from, to;
	size_t start, len; /* what waits in the buffer */
	bool ended;	   /* nothing more comes */
	bool passed_on;	   /* and the other end was told */
	uint8_t buffer[BUFFER];
};

static bool is_passing(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

/* Returns 0, or -1 with errno. */
static int flow_read(struct flow *f)
{
	ssize_t got = read(f->from, f->buffer, sizeof(f->buffer));

	if (got < 0)
		return is_passing(errno) ? 0 : -1;
	f->start = 0;
	f->len = (size_t)got;
	f->ended = got == 0;
	return 0;
}

/*
 * What can go without blocking. Our standard descriptors are shared with
 * whoever started us, so they are not made non-blocking; to a pipe that poll
 * calls writable, PIPE_BUF bytes always go.
 */
static int flow_write(struct flow *f)
{
	const uint8_t *at = f->buffer + f->start;
	ssize_t put = send(f->to, at, f->len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (put < 0 && errno == ENOTSOCK)
		put = write(f->to, at, f->len < WRITE_BLOCKING_MAX ? f->len : WRITE_BLOCKING_MAX);
	if (put < 0)
		return is_passing(errno) ? 0 : -1;
	f->start += (size_t)put;
	f->len -= (size_t)put;
	return 0;
}

static void flow_pass_on_end(struct flow *f)
{
	if (!f->ended || f->len > 0 || f->passed_on)
		return;
	f->passed_on = true;
	/* A pipe knows no shutdown: it is closed. */
	if (shutdown(f->to, SHUT_WR) < 0 && errno == ENOTSOCK)
		(void)close(f->to);
}

static short wants_read(const struct flow *f)
{
	return !f->ended && f->len == 0 ? POLLIN : 0;
}

static short wants_write(const struct flow *f)
{
	return f->len > 0 ? POLLOUT : 0;
}

static bool is_ready(const struct pollfd *p, short wanted)
{
	return wanted != 0 && (p->revents & (wanted | POLLHUP | POLLERR)) != 0;
}

/* A descriptor that nothing is wanted of would wake us for its hang-up again and again. */
static struct pollfd watch(int fd, short events)
{
	return (struct pollfd){.fd = events ? fd : -1, .events = events};
}

/*
 * One turn. Returns 0; -1 with errno: the connection broke; 1: nobody takes what we put out any
 * more.
 */
static int turn(struct flow *up, struct flow *down)
{
	enum { IN, OUT, SOCK, FDS };
	short up_read = wants_read(up), up_write = wants_write(up);
	short down_read = wants_read(down), down_write = wants_write(down);
	struct pollfd fds[FDS] = {
	    [IN] = watch(up->from, up_read),
	    [OUT] = {.fd = down->passed_on ? -1 : down->to, .events = down_write},
	    [SOCK] = watch(up->to, (short)(up_write | down_read)),
	};

	if (poll(fds, FDS, -1) < 0)
		return errno == EINTR ? 0 : -1;
	if (fds[OUT].revents & (POLLERR | POLLNVAL))
		return 1;
	if (is_ready(&fds[IN], up_read) && flow_read(up) < 0)
		up->ended = true;
	if (is_ready(&fds[SOCK], up_write) && flow_write(up) < 0)
		return -1;
	if (is_ready(&fds[SOCK], down_read) && flow_read(down) < 0)
		return -1;
	if (is_ready(&fds[OUT], down_write) && flow_write(down) < 0)
		return 1;
	flow_pass_on_end(up);
	flow_pass_on_end(down);
	return 0;
}

int pipe_run(int in, int out, int sock)
{
	struct flow up = {.from = in, .to = sock};
	struct flow down = {.from = sock, .to = out};

	while (!up.passed_on || !down.passed_on) {
		int status = turn(&up, &down);
		if (status != 0)
			return status < 0 ? -1 : 0;
	}
	return 0;
}
