#include "ask.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "terminal.h"

extern char **environ;

enum { QUESTION_MAX = 128, LINE_MAX_BYTES = 1024, REASON_MAX = 160, HEX = 16 };

static const char other_ways[] =
    "give a PIN by --pin-file, a code by --code, or name a program that asks in POSTERN_ASKPASS";

/* One line, without its end. Returns 0; -1: there is none, or it is longer (EMSGSIZE). */
static int read_line(int fd, char *out, size_t size)
{
	size_t len = 0;
	char byte = 0;
	ssize_t n;

	do {
		n = read(fd, &byte, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || byte == '\n')
			break;
		if (len + 1 == size) {
			errno = EMSGSIZE;
			return -1;
		}
		out[len++] = byte;
	} while (true);
	if (len > 0 && out[len - 1] == '\r')
		len--;
	out[len] = '\0';
	return n < 0 || (n == 0 && len == 0) ? -1 : 0;
}

int ask_file(const char *path, char *out, size_t size)
{
	int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	errno = 0;
	int status = read_line(fd, out, size);
	int error = errno;
	(void)close(fd);
	errno = error;
	return status;
}

/* --- a program --- */

struct program {
	pid_t pid;
	int to, from; /* its standard input and output; to: -1 when it has none */
};

static int close_both(const int ends[2])
{
	(void)close(ends[0]);
	(void)close(ends[1]);
	return -1;
}

/* Returns 0; -1 with errno. */
static int start(struct program *p, char *const argv[], bool has_input)
{
	posix_spawn_file_actions_t what;
	int in[2] = {-1, -1}, out[2];

	if (pipe2(out, O_CLOEXEC) < 0)
		return -1;
	if (has_input && pipe2(in, O_CLOEXEC) < 0)
		return close_both(out);
	int error = posix_spawn_file_actions_init(&what);
	if (error == 0)
		error = has_input ? posix_spawn_file_actions_adddup2(&what, in[0], STDIN_FILENO)
				  : posix_spawn_file_actions_addopen(
					&what, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (error == 0)
		error = posix_spawn_file_actions_adddup2(&what, out[1], STDOUT_FILENO);
	if (error == 0)
		error = posix_spawnp(&p->pid, argv[0], &what, NULL, argv, environ);
	(void)posix_spawn_file_actions_destroy(&what);
	(void)close(out[1]);
	if (has_input)
		(void)close(in[0]);
	p->from = out[0];
	p->to = in[1];
	if (error == 0)
		return 0;
	if (has_input)
		(void)close(in[1]);
	(void)close(out[0]);
	errno = error;
	return -1;
}

/* Returns its status as of waitpid(): 0 when it ended well. */
static int end(struct program *p)
{
	int status = -1;

	if (p->to >= 0)
		(void)close(p->to);
	(void)close(p->from);
	while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return status;
}

static void tell_end(char out[static REASON_MAX], int status)
{
	if (WIFSIGNALED(status))
		(void)snprintf(out, REASON_MAX, "signal %d ended it", WTERMSIG(status));
	else
		(void)snprintf(out, REASON_MAX, "it ended with status %d and without an answer",
		    WEXITSTATUS(status));
}

/* The knock's own error says that nobody said it; this is why. */
static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
	va_list args;

	(void)fputs("postern: ", stderr);
	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	(void)fputc('\n', stderr);
}

static int by_program(const char *path, const char *question, char *out, size_t size)
{
	char *const argv[] = {(char *)(uintptr_t)path, (char *)(uintptr_t)question, NULL};
	char why[REASON_MAX];
	struct program p;

	if (start(&p, argv, false) < 0) {
		say("%s, which POSTERN_ASKPASS names, cannot be started: %s", path,
		    strerror(errno));
		return -1;
	}
	errno = 0;
	const int said = read_line(p.from, out, size);
	const bool is_long = said < 0 && errno == EMSGSIZE;
	const int status = end(&p);
	if (said == 0 && status == 0)
		return 0;
	tell_end(why, status);
	say("%s, which POSTERN_ASKPASS names: %s", path, is_long ? "its answer is too long" : why);
	return -1;
}

/* --- pinentry, which speaks lines --- */

/* "%25" is a percent sign. */
static void unescape(char *text)
{
	char *to = text;

	while (*text != '\0') {
		char hex[3] = "";

		if (text[0] == '%' && text[1] != '\0' && text[2] != '\0') {
			hex[0] = text[1];
			hex[1] = text[2];
			*to = (char)(unsigned char)strtoul(hex, NULL, HEX);
			text += sizeof(hex);
		} else {
			*to = *text++;
		}
		to++;
	}
	*to = '\0';
}

/* What it says of its failure, for a terminal: "ERR 83886179 Operation cancelled <Pinentry>". */
static void take_reason(const char *line, char why[static REASON_MAX])
{
	size_t len = 0;

	line += strlen("ERR");
	line += strspn(line, " ");
	line += strspn(line, "0123456789");
	line += strspn(line, " ");
	for (; *line != '\0' && len + 1 < REASON_MAX; line++)
		why[len++] = (char)(*line >= ' ' && *line <= '~' ? *line : '?');
	why[len] = '\0';
}

/* A command, or "": up to the OK for it. What comes as data is in out. Returns 0; -1, and it may have said why. */
static int talk(const struct program *p, const char *command, char *out, size_t size,
    char why[static REASON_MAX])
{
	char line[LINE_MAX_BYTES] = "";
	bool is_done = false, is_good = false;

	if (command[0] != '\0' && dprintf(p->to, "%s\n", command) < 0)
		return -1;
	while (!is_done && read_line(p->from, line, sizeof(line)) == 0) {
		is_good = strncmp(line, "OK", 2) == 0;
		is_done = is_good || strncmp(line, "ERR", 3) == 0;
		if (is_done && !is_good)
			take_reason(line, why);
		if (strncmp(line, "D ", 2) != 0)
			continue;
		unescape(line + 2); /* before it is measured: each byte may come as three */
		if (strlen(line + 2) < size)
			(void)snprintf(out, size, "%s", line + 2);
	}
	explicit_bzero(line, sizeof(line));
	return is_good ? 0 : -1;
}

static int by_pinentry(const char *question, char *out, size_t size)
{
	char *const argv[] = {(char *)(uintptr_t) "pinentry", NULL};
	char prompt[QUESTION_MAX + sizeof("SETPROMPT ")], why[REASON_MAX] = "";
	struct program p;

	if (start(&p, argv, true) < 0) {
		say("there is no terminal to ask at, and pinentry cannot be started: %s; %s",
		    strerror(errno), other_ways);
		return -1;
	}
	(void)snprintf(prompt, sizeof(prompt), "SETPROMPT %s", question);
	out[0] = '\0';
	int status = talk(&p, "", out, size, why);
	if (status == 0)
		status = talk(&p, "SETTITLE postern", out, size, why);
	if (status == 0)
		status = talk(&p, prompt, out, size, why);
	if (status == 0)
		status = talk(&p, "GETPIN", out, size, why);
	(void)dprintf(p.to, "BYE\n");
	const int ended = end(&p);
	if (status == 0)
		return 0;
	if (why[0] == '\0')
		tell_end(why, ended);
	say("there is no terminal to ask at, and pinentry did not ask: %s; %s", why, other_ways);
	return -1;
}

int ask_person(void *arg, enum postern_secret what, const char *profile, char *out, size_t size)
{
	const char *program = getenv("POSTERN_ASKPASS");
	char question[QUESTION_MAX];

	(void)arg;
	(void)snprintf(question, sizeof(question), "%s of %s",
	    what == POSTERN_PIN ? "PIN" : "one-time code", profile);
	if (program && program[0] != '\0')
		return by_program(program, question, out, size);
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (tty < 0)
		return by_pinentry(question, out, size);
	int status = terminal_ask(tty, question, out, size);
	(void)close(tty);
	return status;
}
