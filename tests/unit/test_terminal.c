/*
 * terminal - no signal leaves a terminal without echo. A real one: a pseudo
 * terminal with a session, as a shell has it. The leader waits for who asks.
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "terminal.h"

enum { PATIENCE_MS = 20000, SHOWN_MAX = 512, SIZE = 9, EXIT_RIGHT = 0, EXIT_FAILED = 10 };

/* What the leader tells. */
struct told {
	enum { STARTED, STOPPED, KILLED, ENDED } what;
	int value; /* the process; the signal; or the exit status */
	int echo;
};

struct shell {
	pid_t leader, asker;
	int terminal, reports;
	char shown[SHOWN_MAX];
};

/* --- at the terminal --- */

static void caught(int number)
{
	(void)number;
}

/* The exit status tells errno of a failure. */
_Noreturn static void ask(int catches, int ignores)
{
	char out[SIZE];
	const int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);

	if (catches > 0)
		(void)signal(catches, caught);
	if (ignores > 0)
		(void)signal(ignores, SIG_IGN);
	if (tty < 0)
		_exit(EXIT_FAILED - 1);
	const int status = terminal_ask(tty, "PIN", out, sizeof(out));
	const int error = errno;

	for (size_t i = 0; status != 0 && i < sizeof(out); i++) {
		if (out[i] != '\0')
			_exit(EXIT_FAILED - 1);
	}
	if (status == 0)
		_exit(strcmp(out, "12345678") == 0 ? EXIT_RIGHT : EXIT_FAILED - 1);
	_exit(EXIT_FAILED + error);
}

static void tell(int fd, int what, int value)
{
	struct termios t;
	struct told told = {.value = value};

	told.what = what;
	told.echo = tcgetattr(STDIN_FILENO, &t) == 0 && (t.c_lflag & ECHO) != 0;
	if (write(fd, &told, sizeof(told)) != (ssize_t)sizeof(told))
		_exit(1);
}

_Noreturn static void lead(int fd, int catches, int ignores)
{
	int status;
	pid_t asker;

	(void)signal(SIGTTOU, SIG_IGN);
	asker = fork();
	if (asker == 0) {
		if (setpgid(0, 0) < 0 || tcsetpgrp(STDIN_FILENO, getpid()) < 0)
			_exit(EXIT_FAILED - 1);
		(void)signal(SIGTTOU, SIG_DFL);
		ask(catches, ignores);
	}
	tell(fd, STARTED, (int)asker);
	while (waitpid(asker, &status, WUNTRACED) == asker && WIFSTOPPED(status))
		tell(fd, STOPPED, WSTOPSIG(status));
	if (WIFSIGNALED(status))
		tell(fd, KILLED, WTERMSIG(status));
	else
		tell(fd, ENDED, WEXITSTATUS(status));
	_exit(0);
}

/* --- before it --- */

static struct told hear(const struct shell *s)
{
	struct told told;
	struct pollfd fd = {.fd = s->reports, .events = POLLIN};

	assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
	assert_int_equal(read(s->reports, &told, sizeof(told)), sizeof(told));
	return told;
}

/* Until text is shown; it is then forgotten. */
static void expect(struct shell *s, const char *text)
{
	size_t len = strlen(s->shown);
	struct pollfd fd = {.fd = s->terminal, .events = POLLIN};
	char *at;

	while ((at = strstr(s->shown, text)) == NULL) {
		assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
		const ssize_t n = read(s->terminal, s->shown + len, sizeof(s->shown) - 1 - len);

		assert_true(n > 0);
		len += (size_t)n;
		s->shown[len] = '\0';
	}
	memmove(s->shown, at + strlen(text), strlen(at + strlen(text)) + 1);
}

static bool has_echo(const struct shell *s)
{
	struct termios t;

	assert_int_equal(tcgetattr(s->terminal, &t), 0);
	return (t.c_lflag & ECHO) != 0;
}

static void expect_question(struct shell *s)
{
	expect(s, "PIN: ");
	assert_false(has_echo(s));
}

static void begin(struct shell *s, int catches, int ignores)
{
	int ends[2];

	*s = (struct shell){.reports = -1};
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	s->leader = forkpty(&s->terminal, NULL, NULL, NULL);
	assert_true(s->leader >= 0);
	if (s->leader == 0)
		lead(ends[1], catches, ignores);
	(void)close(ends[1]);
	s->reports = ends[0];
	const struct told told = hear(s);

	assert_int_equal(told.what, STARTED);
	s->asker = (pid_t)told.value;
	expect_question(s);
}

/* It ends, and the terminal has its echo. */
static void end(struct shell *s, int what, int value)
{
	const struct told told = hear(s);
	int status;

	assert_int_equal(told.what, what);
	assert_int_equal(told.value, value);
	assert_true(told.echo);
	assert_int_equal(waitpid(s->leader, &status, 0), s->leader);
	assert_int_equal(status, 0);
	(void)close(s->terminal);
	(void)close(s->reports);
}

static void type(const struct shell *s, const char *text)
{
	assert_int_equal(write(s->terminal, text, strlen(text)), strlen(text));
}

/* --- tests --- */

static const int signals[] = {SIGHUP, SIGINT, SIGTERM, SIGALRM, SIGUSR1};
enum { SIGNALS = sizeof(signals) / sizeof(signals[0]) };

static void test_a_line(void **state)
{
	struct shell s;

	(void)state;
	begin(&s, 0, 0);
	type(&s, "12345678\n");
	end(&s, ENDED, EXIT_RIGHT);
	assert_null(strstr(s.shown, "1"));
	begin(&s, 0, 0);
	type(&s, "123456789\n"); /* one more than there is room for */
	end(&s, ENDED, EXIT_FAILED + EMSGSIZE);
	begin(&s, 0, 0);
	type(&s, "\004"); /* the end of the file */
	end(&s, ENDED, EXIT_FAILED);
}

static void test_signals_that_end(void **state)
{
	struct shell s;

	(void)state;
	for (size_t i = 0; i < SIGNALS; i++) {
		begin(&s, 0, 0);
		type(&s, "1234");
		assert_int_equal(kill(s.asker, signals[i]), 0);
		end(&s, KILLED, signals[i]);
	}
	begin(&s, 0, 0);
	type(&s, "12\003"); /* a person's Ctrl-C */
	end(&s, KILLED, SIGINT);
}

static void test_a_signal_that_is_caught(void **state)
{
	struct shell s;

	(void)state;
	begin(&s, SIGTERM, 0);
	assert_int_equal(kill(s.asker, SIGTERM), 0);
	end(&s, ENDED, EXIT_FAILED + EINTR);
}

static void test_a_signal_that_is_ignored(void **state)
{
	struct shell s;

	(void)state;
	begin(&s, 0, SIGHUP);
	assert_int_equal(kill(s.asker, SIGHUP), 0);
	type(&s, "12345678\n");
	end(&s, ENDED, EXIT_RIGHT);
}

/* As by Ctrl-Z and fg: the shell's echo is back, and the question comes again. */
static void test_stop_and_go_on(void **state)
{
	struct shell s;

	(void)state;
	begin(&s, 0, 0);
	type(&s, "123\032");
	struct told told = hear(&s);

	assert_int_equal(told.what, STOPPED);
	assert_int_equal(told.value, SIGTSTP);
	assert_true(told.echo);
	assert_int_equal(kill(s.asker, SIGCONT), 0);
	expect_question(&s);
	/* What cannot be caught leaves it as it is, but who goes on takes the echo again. */
	assert_int_equal(kill(s.asker, SIGSTOP), 0);
	told = hear(&s);
	assert_int_equal(told.what, STOPPED);
	struct termios t;

	assert_int_equal(tcgetattr(s.terminal, &t), 0);
	t.c_lflag |= ECHO;
	assert_int_equal(tcsetattr(s.terminal, TCSANOW, &t), 0);
	assert_int_equal(kill(s.asker, SIGCONT), 0);
	expect_question(&s);
	type(&s, "12345678\n");
	end(&s, ENDED, EXIT_RIGHT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_line),
	    cmocka_unit_test(test_signals_that_end),
	    cmocka_unit_test(test_a_signal_that_is_caught),
	    cmocka_unit_test(test_a_signal_that_is_ignored),
	    cmocka_unit_test(test_stop_and_go_on),
	};

	/* Who runs this in the background may have had some of them ignored. */
	for (size_t i = 0; i < SIGNALS; i++)
		(void)signal(signals[i], SIG_DFL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
