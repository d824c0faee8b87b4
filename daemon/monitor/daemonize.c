/* daemonize - see daemonize.h. */
#include "daemonize.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/types.h>
#include <unistd.h>

#include "files.h"
#include "log.h"

enum { PID_TEXT = 24 };

/* In the first process: how it went is one byte, or nothing. */
static void wait_and_exit(int fd)
{
	char byte = 0;
	ssize_t n;

	do
		n = read(fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		_exit(EXIT_SUCCESS);
	(void)fprintf(stderr, "posternd: did not start: see the system log\n");
	_exit(EXIT_FAILURE);
}

/* Returns 0 or -1. With fd 0 to 2 taken nobody gets one of them by chance. */
static int take_standard_descriptors(bool over)
{
	const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int status = null < 0 ? -1 : 0;

	for (int i = STDIN_FILENO; !status && i <= STDERR_FILENO; i++)
		if ((over || fcntl(i, F_GETFD) < 0 || i == null) && dup2(null, i) < 0)
			status = -1;
	if (null > STDERR_FILENO)
		close(null);
	return status;
}

int daemon_tidy(void)
{
	if (take_standard_descriptors(false) == 0 && close_range(STDERR_FILENO + 1, ~0U, 0) == 0)
		return 0;
	log_error("start_failed", "descriptors: %s", strerror(errno));
	return -1;
}

int daemon_leave(void)
{
	int ready[2];

	if (pipe2(ready, O_CLOEXEC)) {
		log_error("daemon_failed", "error=\"%s\"", strerror(errno));
		return -1;
	}
	const pid_t first = fork();
	if (first > 0) {
		close(ready[1]);
		wait_and_exit(ready[0]);
	}
	close(ready[0]);
	/* The second fork: who leads no session can never get a terminal again. */
	const pid_t second = first == 0 && setsid() > 0 ? fork() : -1;
	if (second > 0)
		_exit(EXIT_SUCCESS);
	if (second < 0 || chdir("/") || take_standard_descriptors(true)) {
		log_error("daemon_failed", "error=\"%s\"", strerror(errno));
		close(ready[1]);
		return -1;
	}
	return ready[1];
}

void daemon_ready(int fd)
{
	if (write(fd, "", 1) != 1)
		log_warning("daemon", "nobody waits for us to be ready");
	close(fd);
}

static void tell_other(int fd)
{
	char pid[PID_TEXT] = "";
	const ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);

	pid[n > 0 ? strcspn(pid, "\n") : 0] = '\0';
	log_error("already_running",
	    "another posternd (pid %s) runs with this run-dir: stop it first", pid);
}

int pidfile_take(const char *dir)
{
	char path[FILES_PATH_MAX];
	const int too_long = file_path(path, sizeof(path), dir, PID_FILE_NAME);
	const int fd =
	    too_long ? -1
		     : open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0644);

	if (fd < 0) {
		log_error("pid_file", "path=%s error=\"%s\"", path, strerror(errno));
		return -1;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	if (errno == EWOULDBLOCK)
		tell_other(fd);
	else
		log_error("pid_file", "path=%s error=\"%s\"", path, strerror(errno));
	close(fd);
	return -1;
}

int pidfile_write(int fd)
{
	char text[PID_TEXT];
	const int len = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)len, 0) == len)
		return 0;
	log_error("pid_file", "error=\"%s\"", strerror(errno));
	return -1;
}
