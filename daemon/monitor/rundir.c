/* rundir - see rundir.h. */
#include "rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"
#include "daemonize.h"
#include "files.h"
#include "log.h"

enum { CONTROL_BACKLOG = 8 };

static int failed(const char *path, const char *why)
{
	log_error("run_dir", "path=%s error=\"%s\"", path, why);
	return -1;
}

/* Whoever else could write here could put his own socket and jail in place of ours. */
static int check_owner(int fd, const char *path)
{
	struct stat st;

	if (fstat(fd, &st))
		return failed(path, strerror(errno));
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return failed(path, "belongs to somebody else: run chown root on it");
	if (st.st_mode & 022)
		return failed(path, "others can write there: run chmod 0755 on it");
	return 0;
}

/* Returns the descriptor of a directory of ours, or -1 and logged. One that is made has this mode, whatever the umask is. */
static int own_directory(const char *path, mode_t mode)
{
	const bool made = mkdir(path, mode) == 0;

	if (!made && errno != EEXIST)
		return failed(path, strerror(errno));
	const int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return failed(path, strerror(errno));
	if (made && fchmod(fd, mode)) {
		failed(path, strerror(errno));
	} else if (check_owner(fd, path) == 0) {
		return fd;
	}
	close(fd);
	return -1;
}

int rundir_prepare(const char *dir)
{
	const int fd = own_directory(dir, 0755);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? -1 : 0;
}

int rundir_empty(const char *dir)
{
	char path[FILES_PATH_MAX];

	if (file_path(path, sizeof(path), dir, "empty"))
		return failed(dir, "too long: use a shorter run-dir");
	return own_directory(path, 0555);
}

static int listen_at(int fd, const struct sockaddr_un *at)
{
	if (unlink(at->sun_path) && errno != ENOENT)
		return -1;
	const mode_t before = umask(0177);
	const int bound = bind(fd, (const struct sockaddr *)at, sizeof(*at));

	umask(before);
	return bound || listen(fd, CONTROL_BACKLOG) ? -1 : 0;
}

int rundir_control(const char *dir)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	if (file_path(at.sun_path, sizeof(at.sun_path), dir, CONTROL_SOCKET_NAME))
		return failed(dir, "too long for a socket's name: use a shorter run-dir");
	const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0 && listen_at(fd, &at) == 0)
		return fd;
	failed(at.sun_path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

void rundir_clean(const char *dir)
{
	static const char *const names[] = {CONTROL_SOCKET_NAME, PID_FILE_NAME};
	char path[FILES_PATH_MAX];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (file_path(path, sizeof(path), dir, names[i]) == 0 && unlink(path) &&
		    errno != ENOENT)
			log_warning("run_dir", "path=%s error=\"%s\"", path, strerror(errno));
}
