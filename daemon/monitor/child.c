/* child - see child.h. */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "ipc.h"
#include "log.h"

enum {
	LOG_DEPTH = 256 * 1024,
	LOG_BATCH = 64,	  /* records a turn: a talkative child must not hold up a door */
	LOG_BURST = 2000, /* lines a second that one child may bring into the log */
	FD_PARKED = 64,	  /* above all numbers that a child knows */
	CHILD_FAILED = 127,
};

void child_init(struct child *c, struct loop *loop, void (*died)(void *, int, uint64_t), void *arg)
{
	*c = (struct child){.pidfd = -1, .log = -1, .loop = loop, .died = died, .arg = arg};
}

/* --- in the child, between fork and exec: only what is safe there --- */

static void child_give_up(const char *step)
{
	/* Its log socket may not be in place yet: stderr is the monitor's. */
	dprintf(STDERR_FILENO, "posternd: start of a child: %s: %s\n", step, strerror(errno));
	_exit(CHILD_FAILED);
}

/* First out of the way of each other, then to their numbers; dup2() lets them live through exec. */
static void place_descriptors(const int want[static FD_CHILD_END])
{
	int parked[FD_CHILD_END];

	for (int i = FD_LOG; i < FD_CHILD_END; i++) {
		parked[i] = want[i] < 0 ? -1 : fcntl(want[i], F_DUPFD_CLOEXEC, FD_PARKED);
		if (want[i] >= 0 && parked[i] < 0)
			child_give_up("descriptors");
	}
	for (int i = FD_LOG; i < FD_CHILD_END; i++) {
		if (parked[i] < 0)
			close(i);
		else if (dup2(parked[i], i) < 0)
			child_give_up("descriptors");
	}
	if (close_range(FD_CHILD_END, ~0U, 0))
		child_give_up("close_range");
}

/* Whatever it may write there by itself would come into the log unchecked. */
static void silence_standard_descriptors(bool keep_input)
{
#ifndef __SANITIZE_ADDRESS__
	const int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = keep_input ? STDOUT_FILENO : STDIN_FILENO; i <= STDERR_FILENO; i++)
		if (null < 0 || dup2(null, i) < 0)
			child_give_up("/dev/null");
#else
	(void)keep_input; /* the sanitizer's report shall be seen */
#endif
}

static void reset_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL))
		child_give_up("sigprocmask");
}

enum { ENVIRONMENT_MAX = 5, VARIABLE_MAX = 512 };

/* A path, and what only test builds read. */
struct environment {
	char text[ENVIRONMENT_MAX][VARIABLE_MAX];
	char *list[ENVIRONMENT_MAX + 1];
	size_t len;
};

static void add_variable(struct environment *e, const char *name, const char *value)
{
	char *text = e->text[e->len];

	if (!value || snprintf(text, VARIABLE_MAX, "%s=%s", name, value) >= VARIABLE_MAX)
		return;
	e->list[e->len++] = text;
	e->list[e->len] = NULL;
}

static void make_environment(struct environment *e, bool first_start)
{
	e->len = 0;
	add_variable(e, "PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
#ifdef POSTERN_FAULT_HOOKS
	if (first_start)
		add_variable(e, "POSTERN_FAULT", getenv("POSTERN_FAULT"));
	add_variable(e, "LD_PRELOAD", getenv("LD_PRELOAD")); /* the tests' wrong clock */
	add_variable(e, "CLOCKSHIFT", getenv("CLOCKSHIFT"));
#else
	(void)first_start;
#endif
#ifdef __SANITIZE_ADDRESS__
	/* Looking for leaks it would trace itself, which no sandbox allows. */
	add_variable(e, "ASAN_OPTIONS", "detect_leaks=0");
#endif
}

static void become_child(const struct child_start *s, int log, bool first_start, pid_t monitor)
{
	int fd[FD_CHILD_END];
	struct environment e;

	make_environment(&e, first_start);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL))
		child_give_up("PR_SET_PDEATHSIG");
	if (getppid() != monitor)
		_exit(CHILD_FAILED);
	if (setsid() < 0 || fchdir(s->root))
		child_give_up("session");
	umask(077);
	silence_standard_descriptors(s->keep_input);
	memcpy(fd, s->fd, sizeof(fd));
	fd[FD_LOG] = log;
	place_descriptors(fd);
	reset_signals();
	execve("/proc/self/exe", (char *const *)(uintptr_t)s->argv, e.list);
	child_give_up("exec");
}

/* --- in the monitor --- */

static void keep_error(struct child *c, const uint8_t *record, size_t len)
{
	const size_t n = len < sizeof(c->said) ? len : sizeof(c->said);

	if (len < 2 || record[0] != LOG_LEVEL_ERROR)
		return;
	memcpy(c->said, record + 1, n - 1);
	c->said[n - 1] = '\0';
	for (size_t i = 0; i < n - 1; i++)
		if (c->said[i] < ' ' || c->said[i] > '~')
			c->said[i] = '?';
}

static bool relay_one(struct child *c)
{
	uint8_t record[1 + LOG_LINE_MAX];
	const ssize_t n = recv(c->log, record, sizeof(record), MSG_DONTWAIT);
	uint64_t missed = 0;

	if (n == 0) /* it closed its end: not a reason to be called for ever */
		loop_unwatch(c->loop, c->log);
	if (n <= 0)
		return n < 0 && errno == EINTR;
	keep_error(c, record, (size_t)n);
	if (log_allowed(&c->limit, clock_mono_ms(), &missed)) {
		if (missed)
			log_warning("log_suppressed", "process=\"%s\" lines=%llu", c->tag,
			    (unsigned long long)missed);
		log_relay(record, (size_t)n, c->tag);
	}
	return true;
}

static void relay(void *arg)
{
	for (int i = 0; i < LOG_BATCH; i++)
		if (!relay_one(arg))
			break;
}

static void forget(struct child *c)
{
	while (relay_one(c)) /* its last words: bounded by the socket, nobody writes any more */
		continue;
	loop_unwatch(c->loop, c->log);
	loop_unwatch(c->loop, c->pidfd);
	close(c->log);
	close(c->pidfd);
	c->log = c->pidfd = -1;
	c->pid = 0;
}

static void reap(void *arg)
{
	struct child *c = arg;
	const uint64_t lived_ms = clock_mono_ms() - c->started_ms;
	int status = 0;

	if (waitpid(c->pid, &status, WNOHANG) != c->pid)
		return;
	forget(c);
	c->died(c->arg, status, lived_ms);
}

static int watch(struct child *c)
{
	c->pidfd = pidfd_open(c->pid, 0);
	if (c->pidfd >= 0 && loop_watch(c->loop, c->pidfd, reap, c) == 0 &&
	    loop_watch(c->loop, c->log, relay, c) == 0)
		return 0;
	log_error("start_failed", "process=\"%s\" error=\"%s\"", c->tag, strerror(errno));
	kill(c->pid, SIGKILL);
	waitpid(c->pid, NULL, 0);
	forget(c);
	return -1;
}

int child_start(struct child *c, const struct child_start *s)
{
	const pid_t monitor = getpid();
	int log[2];

	if (ipc_pair(log, LOG_DEPTH)) {
		log_error("start_failed", "process=\"%s\" error=\"%s\"", c->tag, strerror(errno));
		return -1;
	}
	c->pid = fork();
	if (c->pid == 0)
		become_child(s, log[1], !c->started_before, monitor);
	close(log[1]);
	c->log = log[0];
	if (c->pid < 0) {
		log_error("start_failed", "process=\"%s\" error=\"%s\"", c->tag, strerror(errno));
		close(c->log);
		c->log = -1;
		c->pid = 0;
		return -1;
	}
	c->started_ms = clock_mono_ms();
	c->started_before = true;
	c->said[0] = '\0';
	c->limit = (struct log_limit){.burst = LOG_BURST, .period_ms = MS_PER_S};
	return watch(c);
}

void child_signal(const struct child *c, int signal)
{
	if (c->pid > 0 && pidfd_send_signal(c->pidfd, signal, NULL, 0) && errno != ESRCH)
		log_error("signal_failed", "process=\"%s\" error=\"%s\"", c->tag, strerror(errno));
}

void child_condemn(const struct child *c, const char *why)
{
	log_error("child_condemned", "process=\"%s\" why=\"%s\": killed", c->tag, why);
	child_signal(c, SIGKILL);
}

const char *child_status_text(char *out, size_t size, int status)
{
	if (WIFEXITED(status))
		(void)snprintf(out, size, "exit=%d", WEXITSTATUS(status));
	else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		(void)snprintf(out, size, "signal=%d (a call that the sandbox forbids)", SIGSYS);
	else
		(void)snprintf(out, size, "signal=%d", WTERMSIG(status));
	return out;
}
