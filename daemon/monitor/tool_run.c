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

static int wait_for(pid_t pid)
{
	struct pollfd end = {.fd = pidfd_open(pid, 0), .events = POLLIN};
	int status = -1;

	/* Before the wait, while the number is still its own. */
	if (end.fd < 0 || poll(&end, 1, TOOL_PATIENCE_MS) != 1) {
		(void)kill(-pid, SIGKILL);
		(void)kill(pid, SIGKILL);
	}
	if (end.fd >= 0)
		(void)close(end.fd);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return TOOL_KILLED;
	return WEXITSTATUS(status);
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

int tool_run(
    const char *const argv[], const char *const environment[], const char *input, char **said)
{
	static const char *const plain[] = {TOOL_PATH, NULL};
	int in = input_file(input), out = output_file(), status = TOOL_KILLED;
	pid_t pid = -1;

	if (in >= 0 && out >= 0)
		pid = fork();
	if (pid == 0)
		become_tool(argv, environment ? environment : plain, in, out);
	if (pid > 0)
		status = wait_for(pid);
	if (said)
		*said = text_of(out);
	if (in >= 0)
		(void)close(in);
	if (out >= 0)
		(void)close(out);
	return status;
}
