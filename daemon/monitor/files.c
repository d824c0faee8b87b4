/* files - see files.h. */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PROC_FD_MAX = 32 };

int file_path(char *out, size_t size, const char *dir, const char *name)
{
	const int n = name[0] == '/' ? snprintf(out, size, "%s", name)
				     : snprintf(out, size, "%s/%s", dir, name);

	return n < 0 || (size_t)n >= size ? -1 : 0;
}

static int check_stat(const struct stat *st, const char *path, bool secret, struct report *r)
{
	const unsigned before = r->errors;
	const mode_t loose = st->st_mode & (secret ? 077 : 022);

	if (!S_ISREG(st->st_mode)) {
		report_error(r, path, 0, "not a regular file: put the file itself there");
		return -1;
	}
	if (st->st_uid != 0 && st->st_uid != geteuid())
		report_error(
		    r, path, 0, "belongs to user %u: run chown root on it", (unsigned)st->st_uid);
	if (loose)
		report_error(r, path, 0, "others can %s it (mode %04o): run chmod %s on it",
		    secret ? "read" : "write", (unsigned)(st->st_mode & 07777),
		    secret ? "0600" : "0644");
	return r->errors == before ? 0 : -1;
}

static const char *advice(int error)
{
	if (error == EACCES && geteuid() != 0)
		return ": only root can read it";
	return error == ENOENT ? ": posternctl init makes it" : "";
}

int file_open(const char *path, bool secret, struct report *r)
{
	struct stat st;
	/* O_NONBLOCK: what is a FIFO must be refused, not waited for. */
	const int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0 && errno == ELOOP) {
		report_error(r, path, 0, "a symbolic link: name the file itself");
		return -1;
	}
	if (fd < 0) {
		report_error(r, path, 0, "%s%s", strerror(errno), advice(errno));
		return -1;
	}
	if (fstat(fd, &st) || check_stat(&st, path, secret, r)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Returns how many bytes came, at most cap; -1 with errno. */
static ssize_t read_all(int fd, char *buf, size_t cap)
{
	size_t len = 0;

	while (len < cap) {
		const ssize_t n = read(fd, buf + len, cap - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

char *config_text(int fd, const char *path, struct report *r)
{
	char *text = malloc(CONFIG_TEXT_MAX + 1);
	const ssize_t len = text ? read_all(fd, text, CONFIG_TEXT_MAX + 1) : -1;

	if (len < 0)
		report_error(r, path, 0, "%s", strerror(errno));
	else if (len > CONFIG_TEXT_MAX)
		report_error(r, path, 0, "longer than %d bytes: this is not a configuration",
		    CONFIG_TEXT_MAX);
	else if (memchr(text, '\0', (size_t)len))
		report_error(r, path, 0, "holds a zero byte: this is not a text file");
	else {
		text[len] = '\0';
		return text;
	}
	free(text);
	return NULL;
}

/* What everybody parses from now on, though the file be edited meanwhile. */
static int seal(const char *text)
{
	const size_t len = strlen(text);
	const int fd = memfd_create("posternd.conf", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -1;
	if (write(fd, text, len) != (ssize_t)len ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)) {
		close(fd);
		return -1;
	}
	return fd;
}

static int read_config(struct law *l, const char *path, struct report *r)
{
	int status = -1;
	char *text = NULL;
	const int fd = file_open(path, false, r);

	if (fd < 0)
		return -1;
	text = config_text(fd, path, r);
	if (!text || config_parse(&l->config, path, text, r) ||
	    users_find(&l->users, &l->config, path, r))
		goto out;
	l->fd[LAW_CONFIG] = seal(text);
	if (l->fd[LAW_CONFIG] < 0)
		report_error(r, path, 0, "cannot keep a copy: %s", strerror(errno));
	else
		status = 0;
out:
	free(text);
	close(fd);
	return status;
}

static void open_named(
    struct law *l, enum law_file which, const char *dir, const char *name, struct report *r)
{
	char path[FILES_PATH_MAX];

	if (file_path(path, sizeof(path), dir, name))
		report_error(r, name, 0, "the whole path is too long: use a shorter one");
	else
		l->fd[which] = file_open(path, true, r);
}

struct law *law_read(const char *path, const char *dir, struct report *r)
{
	struct law *l = calloc(1, sizeof(*l));

	if (!l)
		abort();
	for (int i = 0; i < LAW_FILES; i++)
		l->fd[i] = -1;
	if (read_config(l, path, r) == 0) {
		open_named(l, LAW_CLIENTS, dir, l->config.clients, r);
		open_named(l, LAW_SERVER_KEY, dir, l->config.server_key, r);
		open_named(l, LAW_DOOR_KEY, dir, l->config.door_key, r);
	}
	for (int i = 0; i < LAW_FILES; i++) {
		if (l->fd[i] < 0) {
			law_free(l);
			return NULL;
		}
	}
	return l;
}

void law_free(struct law *l)
{
	if (!l)
		return;
	for (int i = 0; i < LAW_FILES; i++)
		if (l->fd[i] >= 0)
			close(l->fd[i]);
	users_free(&l->users);
	free(l);
}

/* Two children that shared one description would share its position, too. */
static int reopen(int fd)
{
	char name[PROC_FD_MAX];

	(void)snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	return open(name, O_RDONLY | O_CLOEXEC);
}

int law_reopen_config(const struct law *l)
{
	return reopen(l->fd[LAW_CONFIG]);
}

int law_reopen(const struct law *l, int fd[static LAW_FILES])
{
	for (int i = 0; i < LAW_FILES; i++) {
		fd[i] = reopen(l->fd[i]);
		if (fd[i] >= 0)
			continue;
		while (i-- > 0)
			close(fd[i]);
		return -1;
	}
	return 0;
}

int law_check_change(
    const struct law *now, const struct law *next, const char *path, struct report *r)
{
	const struct config *a = &now->config, *b = &next->config;
	const struct {
		const char *name, *before, *after;
	} fixed[] = {
	    {"firewall", a->firewall, b->firewall},
	    {"store", a->store, b->store},
	    {"state-dir", a->state_dir, b->state_dir},
	    {"run-dir", a->run_dir, b->run_dir},
	    {"auth-user", a->auth_user, b->auth_user},
	    {"openpgp-user", a->openpgp_user, b->openpgp_user},
	};
	int status = 0;

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		if (strcmp(fixed[i].before, fixed[i].after) == 0)
			continue;
		report_error(r, path, 0,
		    "%s: cannot change from %s to %s in a running daemon: "
		    "restart posternd",
		    fixed[i].name, fixed[i].before, fixed[i].after);
		status = -1;
	}
	return status;
}
