#include "terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

enum said { SAID_LINE, SAID_FAILED, SAID_SIGNAL };

/*
 * What ends or stops a process by itself. SIGCONT, as who goes on after SIGSTOP finds the terminal
 * as the shell left it. Not SIGTTIN and SIGTTOU: they come before a background process changes
 * anything, and stop it there.
 */
static const int signals[] = {
    SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGALRM, SIGUSR1, SIGUSR2, SIGTSTP, SIGCONT};

enum { SIGNALS = sizeof(signals) / sizeof(signals[0]) };

struct asking {
	int tty, signal_fd;
	sigset_t ours, before; /* the mask of signals: while we read, and of who asks us */
	struct termios silent, loud;
	char *out; /* borrowed, size bytes, of which len are read */
	size_t size, len;
};

/* Those that somebody ignores stay ignored. */
static void choose_signals(sigset_t *out)
{
	struct sigaction a;

	(void)sigemptyset(out);
	for (int i = 0; i < SIGNALS; i++) {
		if (sigaction(signals[i], NULL, &a) == 0 &&
		    (signals[i] == SIGCONT || a.sa_handler != SIG_IGN))
			(void)sigaddset(out, signals[i]);
	}
}

static bool begin(struct asking *a)
{
	choose_signals(&a->ours);
	if (tcgetattr(a->tty, &a->loud) < 0)
		return false;
	a->silent = a->loud;
	a->silent.c_lflag &= ~(tcflag_t)ECHO;
	a->signal_fd = signalfd(-1, &a->ours, SFD_CLOEXEC | SFD_NONBLOCK);
	return a->signal_fd >= 0;
}

/* Silent before anybody sees that he may type. */
static bool put_question(struct asking *a, const char *question)
{
	if (sigprocmask(SIG_BLOCK, &a->ours, &a->before) < 0)
		return false;
	a->len = 0;
	if (tcsetattr(a->tty, TCSAFLUSH, &a->silent) == 0 && dprintf(a->tty, "%s: ", question) > 0)
		return true;
	const int error = errno;
	(void)sigprocmask(SIG_SETMASK, &a->before, NULL);
	errno = error;
	return false;
}

/* The terminal as it was; then signals find whom they would have found. */
static void end_question(struct asking *a, int number)
{
	const int error = errno;

	while (tcsetattr(a->tty, TCSAFLUSH, &a->loud) < 0 && errno == EINTR)
		continue;
	(void)dprintf(a->tty, "\n");
	if (number > 0)
		(void)raise(number); /* blocked: it comes with the next line */
	(void)sigprocmask(SIG_SETMASK, &a->before, NULL);
	errno = error;
}

/* Until there is something to read. *number: of a signal that came first, else 0. */
static enum said wait_for_byte(const struct asking *a, int *number)
{
	struct pollfd fds[] = {
	    {.fd = a->signal_fd, .events = POLLIN}, {.fd = a->tty, .events = POLLIN}};
	struct signalfd_siginfo info;

	while (poll(fds, sizeof(fds) / sizeof(fds[0]), -1) < 0) {
		if (errno != EINTR)
			return SAID_FAILED;
	}
	if (fds[0].revents == 0)
		return SAID_LINE;
	if (read(a->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return SAID_FAILED;
	*number = (int)info.ssi_signo;
	return SAID_SIGNAL;
}

static enum said read_answer(struct asking *a, int *number)
{
	char byte = 0;
	ssize_t n;

	*number = 0;
	for (;;) {
		const enum said said = wait_for_byte(a, number);

		if (said != SAID_LINE)
			return said;
		do
			n = read(a->tty, &byte, 1);
		while (n < 0 && errno == EINTR);
		if (n <= 0 || byte == '\n')
			break;
		if (a->len + 1 == a->size) {
			errno = EMSGSIZE;
			return SAID_FAILED;
		}
		a->out[a->len++] = byte;
	}
	if (n == 0)
		errno = 0;
	a->out[a->len] = '\0';
	return n < 0 || (n == 0 && a->len == 0) ? SAID_FAILED : SAID_LINE;
}

/* Does who asks us want to know of this signal? Not of a stop that is over. */
static bool is_end(int number)
{
	return number != SIGTSTP && number != SIGCONT;
}

static int ask_until_said(struct asking *a, const char *question)
{
	int number;

	for (;;) {
		if (!put_question(a, question))
			return -1;
		const enum said said = read_answer(a, &number);

		end_question(a, number);
		if (said != SAID_SIGNAL)
			return said == SAID_LINE ? 0 : -1;
		if (is_end(number)) {
			errno = EINTR;
			return -1;
		}
	}
}

int terminal_ask(int tty, const char *question, char *out, size_t size)
{
	struct asking a = {.tty = tty, .signal_fd = -1, .out = out, .size = size};
	int status = -1;

	if (begin(&a))
		status = ask_until_said(&a, question);
	const int error = errno;
	if (a.signal_fd >= 0)
		(void)close(a.signal_fd);
	if (status != 0)
		explicit_bzero(out, size);
	errno = error;
	return status;
}
