/* gpg_work - see gpg_work.h. */
#include "gpg_work.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "secret.h"

enum {
	NS_PER_MS = 1000000,
	MS_PER_S = 1000,
	REST_MS = 100, /* a long result comes in parts, one right after the other */
};

static size_t size_of(const struct gpg_result *r)
{
	return offsetof(struct gpg_result, data) + r->len;
}

static void work(gpg_fn *fn, const void *arg, int fd)
{
	struct gpg_result *out = calloc(1, sizeof(*out));
	sigset_t none;

	sigemptyset(&none);
	/* Its parent is who can kill it: without him it would wait for ever. */
	if (!out || setpgid(0, 0) || prctl(PR_SET_PDEATHSIG, SIGKILL) ||
	    sigprocmask(SIG_SETMASK, &none, NULL))
		_exit(EXIT_FAILURE);
	if (gpg_start(out->why) < 0)
		out->status = GPG_FAILED;
	else
		fn(arg, out);
	/* It fits into a pipe, so it is written whole. */
	if (write(fd, out, size_of(out)) != (ssize_t)size_of(out))
		_exit(EXIT_FAILURE);
	_exit(EXIT_SUCCESS);
}

int gpg_work_start(struct gpg_work *w, gpg_fn *fn, const void *arg)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return -1;
	/* Whoever else may hold the other end must not hold us. */
	(void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
	w->pid = fork();
	if (w->pid == 0)
		work(fn, arg, ends[1]);
	close(ends[1]);
	if (w->pid < 0) {
		const int error = errno;

		close(ends[0]);
		errno = error;
		return -1;
	}
	/* Both do it: whoever comes first. */
	(void)setpgid(w->pid, w->pid);
	w->fd = ends[0];
	return 0;
}

void gpg_work_kill(struct gpg_work *w)
{
	if (w->fd < 0)
		return;
	(void)kill(-w->pid, SIGKILL);
	(void)kill(w->pid, SIGKILL);
	close(w->fd);
	w->fd = -1;
}

static int64_t now_ms(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_MONOTONIC, &t) < 0)
		abort();
	return (int64_t)t.tv_sec * MS_PER_S + t.tv_nsec / NS_PER_MS;
}

/* Returns whether it is readable within the time. */
static bool wait_for(int fd, int timeout_ms)
{
	const int64_t end = now_ms() + timeout_ms;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int64_t left;
	int n;

	do {
		left = end - now_ms();
		n = poll(&p, 1, left > 0 ? (int)left : 0);
	} while (n < 0 && errno == EINTR);
	return n > 0;
}

static bool is_sound(const struct gpg_result *r, size_t n)
{
	return n >= offsetof(struct gpg_result, data) && r->status <= GPG_TOO_LATE &&
	       r->len <= sizeof(r->data) && n == size_of(r) && memchr(r->why, '\0', sizeof(r->why));
}

void gpg_work_take(struct gpg_work *w, struct gpg_result *out)
{
	size_t at = 0;
	ssize_t n;

	do {
		n = read(w->fd, (uint8_t *)out + at, sizeof(*out) - at);
		at += n > 0 ? (size_t)n : 0;
	} while (n > 0 || (n < 0 && errno == EINTR) ||
		 (n < 0 && errno == EAGAIN && !is_sound(out, at) && wait_for(w->fd, REST_MS)));
	gpg_work_kill(w);
	if (is_sound(out, at))
		return;
	secret_wipe(out, sizeof(*out));
	out->status = GPG_FAILED;
	(void)snprintf(out->why, sizeof(out->why), "gpg ended without a result");
}

void gpg_work_run(gpg_fn *fn, const void *arg, int timeout_ms, struct gpg_result *out)
{
	struct gpg_work w;

	out->len = 0;
	if (gpg_work_start(&w, fn, arg) < 0) {
		out->status = GPG_FAILED;
		(void)snprintf(
		    out->why, sizeof(out->why), "no process for gpg: %s", strerror(errno));
		return;
	}
	if (wait_for(w.fd, timeout_ms)) {
		gpg_work_take(&w, out);
	} else {
		gpg_work_kill(&w);
		out->status = GPG_TOO_LATE;
		(void)snprintf(out->why, sizeof(out->why), "gpg was not done within %d seconds",
		    timeout_ms / MS_PER_S);
	}
	while (waitpid(w.pid, NULL, 0) < 0 && errno == EINTR) {
	}
}
