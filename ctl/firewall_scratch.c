#include "firewall_scratch.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Never returns. The status says whether all of the text went through. */
static void run_child(int out, scratch_fn *fn, const void *arg)
{
	struct nft_run *r = NULL;
	char *text = NULL;
	FILE *stream = fdopen(out, "w");

	if (stream && unshare(CLONE_NEWNET) == 0)
		r = nft_run_new();
	if (r)
		text = fn(r, arg);
	if (!text || fputs(text, stream) == EOF || fclose(stream) != 0)
		_exit(EXIT_FAILURE);
	_exit(EXIT_SUCCESS);
}

static char *read_all(int fd)
{
	FILE *in = fdopen(fd, "r");
	char *text = NULL;
	size_t size = 0;

	if (!in) {
		(void)close(fd);
		return NULL;
	}
	if (getdelim(&text, &size, '\0', in) < 0) {
		free(text);
		text = NULL;
	}
	(void)fclose(in);
	return text;
}

char *scratch_run(scratch_fn *fn, const void *arg)
{
	int fds[2], status = -1;
	char *text;
	pid_t pid;

	if (pipe(fds) != 0)
		return NULL;
	(void)fflush(NULL);
	pid = fork();
	if (pid == 0) {
		(void)close(fds[0]);
		run_child(fds[1], fn, arg);
	}
	(void)close(fds[1]);
	text = read_all(fds[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
		free(text);
		return NULL;
	}
	return text;
}
