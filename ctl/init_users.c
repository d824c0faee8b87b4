#include <errno.h>
#include <pwd.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init.h"
#include "output.h"

#define USERADD "/usr/sbin/useradd"
#define USERDEL "/usr/sbin/userdel"

/* Runs a program without a shell and waits for it. Returns its exit status, or -1 with errno. */
static int run(const char *const argv[])
{
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	char *const environment[] = {path, NULL};
	int status = 0;
	pid_t pid;

	errno = posix_spawn(&pid, argv[0], NULL, NULL, (char *const *)(uintptr_t)argv, environment);
	if (errno != 0)
		return -1;
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -1;
	}
	errno = EINTR;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int make_user(struct ctl *c, const char *name)
{
	const char *const argv[] = {USERADD, "--system", "--user-group", "--no-create-home",
	    "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", name, NULL};
	int status = run(argv);

	if (status == 0)
		return 0;
	if (status < 0)
		(void)output_fail(c, CTL_FAILED,
		    "user %s cannot be made: %s: %s; make it yourself, without a shell", name,
		    USERADD, strerror(errno));
	else
		(void)output_fail(c, CTL_FAILED,
		    "user %s cannot be made: %s says why above (status %d)%s", name, USERADD,
		    status, geteuid() != 0 ? "; run this as root" : "");
	return -1;
}

int init_user_ensure(struct ctl *c, const char *name)
{
	return getpwnam(name) != NULL ? 0 : make_user(c, name);
}

void init_users_undo(
    struct ctl *c, const char *const users[static INIT_USERS], const bool made[static INIT_USERS])
{
	size_t i;

	for (i = 0; i < INIT_USERS; i++) {
		const char *const argv[] = {USERDEL, users[i], NULL};

		if (made[i] && run(argv) != 0)
			output_warn(c, "user %s was made and could not be removed again", users[i]);
	}
}

int init_users_make(
    struct ctl *c, const char *const users[static INIT_USERS], bool made[static INIT_USERS])
{
	size_t i;

	for (i = 0; i < INIT_USERS; i++)
		made[i] = false;
	for (i = 0; i < INIT_USERS; i++) {
		if (getpwnam(users[i]) != NULL)
			continue;
		if (make_user(c, users[i]) != 0) {
			init_users_undo(c, users, made);
			memset(made, 0, INIT_USERS * sizeof(made[0]));
			return -1;
		}
		made[i] = true;
	}
	return 0;
}
