#include "ask.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "terminal.h"

extern char **environ;

enum { QUESTION_MAX = 128, LINE_MAX_BYTES = 1024, HEX = 16 };

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
	return -1;
}

/* Returns 0 when it ended well. */
static int end(struct program *p)
{
	int status = -1;

	if (p->to >= 0)
		(void)close(p->to);
	(void)close(p->from);
	while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return status == 0 ? 0 : -1;
}

static int by_program(const char *path, const char *question, char *out, size_t size)
{
	char *const argv[] = {(char *)(uintptr_t)path, (char *)(uintptr_t)question, NULL};
	struct program p;

	if (start(&p, argv, false) < 0)
		return -1;
	int status = read_line(p.from, out, size);
	return end(&p) == 0 ? status : -1;
}

/* --- pinentry, which speaks lines --- */

/* Up to its OK; what came as data is in out, unless that is NULL. */
static int hear(const struct program *p, char *out, size_t size)
{
	char line[LINE_MAX_BYTES];
	int status = -1;

	while (read_line(p->from, line, sizeof(line)) == 0) {
		if (strncmp(line, "D ", 2) == 0 && out && strlen(line + 2) < size)
			(void)snprintf(out, size, "%s", line + 2);
		if (strncmp(line, "OK", 2) == 0 || strncmp(line, "ERR", 3) == 0) {
			status = line[0] == 'O' ? 0 : -1;
			break;
		}
	}
	explicit_bzero(line, sizeof(line));
	return status;
}

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

static int by_pinentry(const char *question, char *out, size_t size)
{
	char *const argv[] = {(char *)(uintptr_t) "pinentry", NULL};
	struct program p;

	if (start(&p, argv, true) < 0)
		return -1;
	out[0] = '\0';
	int status = hear(&p, NULL, 0);
	if (status == 0)
		status = dprintf(p.to, "SETTITLE postern\n") > 0 ? hear(&p, NULL, 0) : -1;
	if (status == 0)
		status = dprintf(p.to, "SETPROMPT %s\n", question) > 0 ? hear(&p, NULL, 0) : -1;
	if (status == 0)
		status = dprintf(p.to, "GETPIN\n") > 0 ? hear(&p, out, size) : -1;
	(void)dprintf(p.to, "BYE\n");
	(void)end(&p);
	unescape(out);
	return status;
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
