#include "replace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "output.h"

enum { LOCK_TRIES = 100, LOCK_PAUSE_MS = 100, KEY_MODE = 0600 };

static int open_folder_of(const char *path)
{
	char folder[CTL_PATH_MAX + 1];
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		(void)snprintf(folder, sizeof(folder), ".");
	else
		(void)snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path + 1), path);
	return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* The folder is locked, not the file, whose place another one will take. Returns 0; -1 with errno. */
static int wait_for_lock(int fd)
{
	const struct timespec pause = {.tv_nsec = LOCK_PAUSE_MS * 1000000L};
	int i;

	for (i = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; i++) {
		if (errno != EWOULDBLOCK || i == LOCK_TRIES)
			return -1;
		(void)nanosleep(&pause, NULL);
	}
	return 0;
}

int replace_lock(struct ctl *c, const char *path)
{
	int fd = open_folder_of(path);

	if (fd < 0) {
		(void)output_fail(c, CTL_FAILED, "%s: its folder cannot be opened: %s%s", path,
		    strerror(errno), ctl_advice(errno));
		return -1;
	}
	if (wait_for_lock(fd) == 0)
		return fd;
	(void)output_fail(c, CTL_FAILED,
	    "%s: another posternctl has been changing it for %d s; try again", path,
	    LOCK_TRIES * LOCK_PAUSE_MS / 1000);
	(void)close(fd);
	return -1;
}

static int write_all(int fd, const char *text)
{
	size_t left = strlen(text);
	ssize_t n;

	while (left > 0) {
		n = write(fd, text, left);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		text += n;
		left -= (size_t)n;
	}
	return fsync(fd);
}

static int sync_folder_of(const char *path)
{
	int fd = open_folder_of(path);
	int status;

	if (fd < 0)
		return -1;
	status = fsync(fd);
	(void)close(fd);
	return status;
}

/* The new file looks as the old one did. */
static int copy_owner(int fd, const char *path)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return errno == ENOENT ? 0 : -1;
	if (fchown(fd, st.st_uid, st.st_gid) != 0)
		return -1;
	return fchmod(fd, st.st_mode & 07777);
}

static int fail(struct ctl *c, const char *path, int error)
{
	(void)output_fail(c, CTL_FAILED, "%s: it cannot be written: %s", path, strerror(error));
	return -1;
}

int replace_file(struct ctl *c, const char *path, const char *text)
{
	char beside[CTL_PATH_MAX + 8];
	int status = -1;
	int fd, error;

	(void)snprintf(beside, sizeof(beside), "%s.XXXXXX", path);
	fd = mkostemp(beside, O_CLOEXEC);
	if (fd < 0)
		return fail(c, path, errno);
	if (copy_owner(fd, path) == 0 && write_all(fd, text) == 0 && rename(beside, path) == 0)
		status = 0;
	error = errno;
	(void)close(fd);
	if (status != 0) {
		(void)unlink(beside);
		return fail(c, path, error);
	}
	if (sync_folder_of(path) != 0)
		output_warn(
		    c, "%s: it may not survive a crash of this machine: %s", path, strerror(errno));
	return 0;
}

int replace_create(struct ctl *c, const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, KEY_MODE);
	int error;

	if (fd < 0 && errno == EEXIST) {
		(void)output_fail(
		    c, CTL_FAILED, "%s: it is there already, and nothing is overwritten", path);
		return -1;
	}
	if (fd < 0)
		return fail(c, path, errno);
	/* Whatever the umask is. */
	if (fchmod(fd, KEY_MODE) == 0 && write_all(fd, text) == 0 && close(fd) == 0)
		return 0;
	error = errno;
	(void)unlink(path);
	return fail(c, path, error);
}
