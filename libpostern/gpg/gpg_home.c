/* gpg_home - see gpg_home.h. */
#include "gpg_home.h"

#include <errno.h>
#include <fcntl.h>
#include <gpgme.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { FD_SOCKET = 3, BACKLOG = 64, EXEC_FAILED = 127, NUMBER_TEXT = 32 };

/* Keys are pinned, so no web of trust is asked; and nothing is fetched from anywhere. */
static const char gpg_conf[] = "trust-model always\n"
			       "no-auto-key-retrieve\n"
			       "no-auto-key-locate\n"
			       "disable-dirmngr\n"
			       "no-autostart\n"
			       "no-greeting\n"
			       "personal-digest-preferences SHA256\n";
static const char agent_conf[] = "disable-scdaemon\n"
				 "no-allow-external-cache\n"
				 "no-allow-loopback-pinentry\n"
				 "pinentry-program /bin/false\n";

static int write_file(const char *home, const char *name, const char *text, const char *key)
{
	char path[PATH_MAX], next[PATH_MAX];
	FILE *f;
	int bad;

	(void)snprintf(path, sizeof(path), "%s/%s", home, name);
	(void)snprintf(next, sizeof(next), "%s/%s.new", home, name);
	f = fopen(next, "we");
	if (!f)
		return -1;
	bad = fputs(text, f) < 0 || (key && fprintf(f, "default-key %s\n", key) < 0);
	bad |= fclose(f) != 0;
	return bad || rename(next, path) ? -1 : 0;
}

int gpg_home_settle(const char *home, const char *key)
{
	return write_file(home, "gpg.conf", gpg_conf, key) ||
		       write_file(home, "gpg-agent.conf", agent_conf, NULL)
		   ? -1
		   : 0;
}

static int address_of(struct sockaddr_un *a, const char *home)
{
	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(home) > GPG_HOME_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	(void)snprintf(a->sun_path, sizeof(a->sun_path), "%s/S.gpg-agent", home);
	return 0;
}

int gpg_agent_socket(const char *home)
{
	struct sockaddr_un a;
	const struct sockaddr *at = (const struct sockaddr *)&a;
	int fd;

	if (address_of(&a, home))
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, at, sizeof(a)) == 0) {
		errno = EADDRINUSE;
		goto bad;
	}
	/* What a dead one left behind. */
	if ((unlink(a.sun_path) && errno != ENOENT) || bind(fd, at, sizeof(a)) ||
	    listen(fd, BACKLOG))
		goto bad;
	return fd;
bad:
	close(fd);
	return -1;
}

/* It is told, as service managers tell it, that the socket is there. */
static void become_agent(const char *home, int socket, pid_t parent)
{
	char program[PATH_MAX], pid[NUMBER_TEXT];
	const char *bin = gpgme_get_dirinfo("bindir");
	const char *const argv[] = {program, "--homedir", home, "--supervised", NULL};
	const char *const env[] = {"PATH=/usr/bin:/bin", "LISTEN_FDS=1", pid, NULL};
	const int null = open("/dev/null", O_RDWR);
	sigset_t none;

	sigemptyset(&none);
	(void)snprintf(program, sizeof(program), "%s/gpg-agent", bin ? bin : "/usr/bin");
	(void)snprintf(pid, sizeof(pid), "LISTEN_PID=%d", (int)getpid());
	if (null < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent || setpgid(0, 0) ||
	    sigprocmask(SIG_SETMASK, &none, NULL))
		_exit(EXEC_FAILED);
	for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
		if (dup2(null, i) < 0)
			_exit(EXEC_FAILED);
	/* dup2() onto itself would leave it to be closed. */
	if (socket == FD_SOCKET ? fcntl(socket, F_SETFD, 0) : dup2(socket, FD_SOCKET) < 0)
		_exit(EXEC_FAILED);
	(void)close_range(FD_SOCKET + 1, ~0U, 0);
	execve(program, (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)env);
	_exit(EXEC_FAILED);
}

pid_t gpg_agent_start(const char *home, int socket)
{
	const pid_t parent = getpid();
	const pid_t pid = fork();

	if (pid == 0)
		become_agent(home, socket, parent);
	return pid;
}
