#include "ending.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

enum { CUT_OFF_S = 3 };

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

enum { SIGNALS = sizeof(signals) / sizeof(signals[0]) };

static volatile sig_atomic_t is_asked;

static void cut_off(int number)
{
	static const char text[] =
	    "postern: ended without an answer: what is open closes when its time is over\n";

	(void)number;
	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	_exit(POSTERN_NO_ANSWER);
}

/* The next one is not caught: it ends the process. */
static void ask(int number)
{
	(void)number;
	is_asked = 1;
	for (int i = 0; i < SIGNALS; i++)
		(void)signal(signals[i], SIG_DFL);
	(void)alarm(CUT_OFF_S);
}

static int catch (int number, void (*how)(int))
{
	struct sigaction a = {.sa_handler = how}, before;

	(void)sigemptyset(&a.sa_mask);
	if (sigaction(number, NULL, &before) < 0)
		return -1;
	if (number == SIGHUP && before.sa_handler == SIG_IGN)
		return 0;
	return sigaction(number, &a, NULL);
}

int ending_begin(struct ending *e)
{
	*e = (struct ending){.until_ms = 0};
	is_asked = 0;
	for (int i = 0; i < SIGNALS; i++) {
		if (catch (signals[i], ask) < 0)
			return -1;
	}
	return catch (SIGALRM, cut_off);
}

void ending_last_words(struct ending *e)
{
	e->until_ms = clock_boot_ms() + ENDING_WAIT_MS;
	e->part_ms = e->until_ms;
}

/* 0: it is over. */
static uint64_t left_until(uint64_t when_ms)
{
	const uint64_t now = clock_boot_ms();

	return when_ms > now ? when_ms - now : 0;
}

void ending_part(struct ending *e, size_t parts)
{
	if (e->until_ms != 0)
		e->part_ms = clock_boot_ms() + left_until(e->until_ms) / parts;
}

/* timeout_ms, or the least that the last words have left of it; -1: for ever. */
static int cut_timeout(const struct ending *e, int timeout_ms)
{
	const uint64_t left = left_until(e->part_ms);

	if (e->until_ms == 0)
		return timeout_ms;
	return timeout_ms < 0 || (uint64_t)timeout_ms > left ? (int)left : timeout_ms;
}

static bool is_time(const struct ending *e)
{
	return e->until_ms == 0 ? is_asked != 0 : left_until(e->part_ms) == 0;
}

bool ending_poll(const struct ending *e, struct pollfd *fds, size_t n, int timeout_ms)
{
	const int wait_ms = cut_timeout(e, timeout_ms);
	const struct timespec wait = {
	    .tv_sec = wait_ms / MS_PER_S, .tv_nsec = (long)(wait_ms % MS_PER_S) * NS_PER_MS};
	sigset_t ours, before;

	(void)sigemptyset(&ours);
	for (int i = 0; i < SIGNALS; i++)
		(void)sigaddset(&ours, signals[i]);
	/* So that none comes between the question and the wait. */
	if (sigprocmask(SIG_BLOCK, &ours, &before) < 0)
		abort();
	if (!is_time(e) && ppoll(fds, (nfds_t)n, wait_ms < 0 ? NULL : &wait, &before) < 0) {
		for (size_t i = 0; i < n; i++)
			fds[i].revents = 0;
	}
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return is_time(e);
}

int ending_run(const struct ending *e, struct postern_knock *k)
{
	struct pollfd fds[POSTERN_POLL_MAX];
	int timeout_ms;

	int status = postern_knock_start(k);
	while (status == POSTERN_OK || status == POSTERN_AGAIN) {
		status = postern_knock_step(k);
		if (status != POSTERN_AGAIN)
			return status;
		const size_t len = postern_knock_poll(k, fds, POSTERN_POLL_MAX, &timeout_ms);
		if (ending_poll(e, fds, len, timeout_ms))
			return POSTERN_AGAIN;
	}
	return status;
}
