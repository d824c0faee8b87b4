/* tool_run - see tool_run.h. */
#include "tool_run.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FIRST_FD = 3 };

static char *const *words(const char *const list[])
{
	return (char *const *)(uintptr_t)list;
}

static _Noreturn void become_tool(
    const char *const argv[], const char *const environment[], int input, int said)
{
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)setpgid(0, 0);
	if (dup2(input, STDIN_FILENO) >= 0 && dup2(said, STDOUT_FILENO) >= 0 &&
	    dup2(said, STDERR_FILENO) >= 0 && close_range(FIRST_FD, ~0U, 0) == 0)
		execve(argv[0], words(argv), words(environment));
	_exit(TOOL_MISSING);
}

/* What it reads: memory that nobody waits at. */
static int input_file(const char *text)
{
	int fd = memfd_create("input", MFD_CLOEXEC);
	const size_t len = strlen(text);

	if (fd >= 0 && (write(fd, text, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) != 0)) {
		(void)close(fd);
		fd = -1;
	}
	return fd;
}

/* What it writes: the same, which cannot grow. */
static int output_file(void)
{
	int fd = memfd_create("output", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && (ftruncate(fd, TOOL_SAID_MAX) != 0 ||
			   fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) != 0)) {
		(void)close(fd);
		fd = -1;
	}
	return fd;
}

/* Its place in the file, which we share, is where the output ends. */
static char *text_of(int fd)
{
	const off_t end = fd < 0 ? 0 : lseek(fd, 0, SEEK_CUR);
	const size_t len = end > 0 && end <= TOOL_SAID_MAX ? (size_t)end : 0;
	char *text = calloc(1, len + 1);

	if (!text)
		abort();
	if (len > 0 && pread(fd, text, len, 0) != (ssize_t)len)
		text[0] = '\0';
	return text;
}

static void shut(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

int tool_start(
    struct tool *t, const char *const argv[], const char *const environment[], const char *input)
{
	static const char *const plain[] = {TOOL_PATH, NULL};
	int in = input_file(input);

	*t = (struct tool){.end = -1, .out = output_file()};
	if (in >= 0 && t->out >= 0)
		t->pid = fork();
	if (t->pid == 0 && in >= 0 && t->out >= 0)
		become_tool(argv, environment ? environment : plain, in, t->out);
	if (t->pid > 0)
		t->end = pidfd_open(t->pid, 0);
	shut(&in);
	return t->pid > 0 ? 0 : -1;
}

bool tool_has_ended(const struct tool *t, int patience_ms)
{
	struct pollfd end = {.fd = t->end, .events = POLLIN};

	return t->end >= 0 && poll(&end, 1, patience_ms) == 1;
}

int tool_end(struct tool *t, int patience_ms, char **said)
{
	int status = -1, result = TOOL_KILLED;

	if (t->pid > 0) {
		/* Before the wait, while the number is still its own. */
		if (!tool_has_ended(t, patience_ms)) {
			(void)kill(-t->pid, SIGKILL);
			(void)kill(t->pid, SIGKILL);
		}
		if (waitpid(t->pid, &status, 0) == t->pid && WIFEXITED(status))
			result = WEXITSTATUS(status);
	}
	if (said)
		*said = text_of(t->out);
	shut(&t->end);
	shut(&t->out);
	t->pid = 0;
	return result;
}

int tool_run(
    const char *const argv[], const char *const environment[], const char *input, char **said)
{
	struct tool t;

	(void)!tool_start(&t, argv, environment, input); /* then its end says it */
	return tool_end(&t, TOOL_PATIENCE_MS, said);
}
