/*
 * The jail that gpg works in: each try in a process of its own. Needs root,
 * gpg, and a user nobody.
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gpg_home.h"
#include "gpg_jail.h"
#include "gpg_work.h"
#include "secret.h"

enum { NOBODY = 65534, FINE = 0, NOT_IN = 99, PAGE = 4096 };

static char home[] = "/tmp/postern-gpg-XXXXXX";

typedef int try_fn(void);

/* The exit status of a process that goes to jail and then tries something. */
static int in_jail(try_fn *try)
{
	const pid_t pid = fork();
	int status = 0;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(gpg_jail_enter(home, NOBODY, NOBODY) ? NOT_IN : try());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int try_network(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) < 0 && socket(AF_INET6, SOCK_DGRAM, 0) < 0 &&
		       socket(AF_NETLINK, SOCK_RAW, 0) < 0 && socket(AF_PACKET, SOCK_RAW, 0) < 0 &&
		       socket(AF_UNIX, SOCK_STREAM, 0) >= 0
		   ? FINE
		   : 1;
}

static int try_files(void)
{
	return open("/etc/shadow", O_RDONLY) < 0 && open("/etc/hostname", O_RDONLY) < 0 &&
		       open("/tmp", O_RDONLY | O_DIRECTORY) < 0 && open("/", O_RDONLY) < 0 &&
		       open("/proc/1/status", O_RDONLY) < 0
		   ? FINE
		   : 1;
}

static int try_home(void)
{
	char path[PAGE];

	(void)snprintf(path, sizeof(path), "%s/file", home);
	return open(path, O_RDWR | O_CREAT, 0600) >= 0 && unlink(path) == 0 &&
		       symlink("/etc/shadow", path) < 0 && mkdir(path, 0700) < 0
		   ? FINE
		   : 1;
}

static int try_shell(void)
{
	char *const argv[] = {(char[]){"sh"}, NULL};

	execv("/bin/sh", argv);
	execv("/usr/bin/env", argv);
	return errno == EACCES ? FINE : 1;
}

#ifndef __SANITIZE_ADDRESS__ /* which needs more of it than the jail gives */
static int try_memory(void)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS;

	return mmap(NULL, PAGE, PROT_WRITE | PROT_EXEC, flags, -1, 0) == MAP_FAILED &&
		       mmap(NULL, PAGE, PROT_READ | PROT_EXEC, flags, -1, 0) != MAP_FAILED &&
		       mmap(NULL, (size_t)2 << 30, PROT_READ | PROT_WRITE, flags, -1, 0) ==
			   MAP_FAILED
		   ? FINE
		   : 1;
}
#endif

static int try_signals(void)
{
	return kill(1, 0) < 0 && kill(getppid(), 0) < 0 && setuid(0) < 0 ? FINE : 1;
}

static int try_gpg(void)
{
	char why[GPG_WHY_MAX];
	struct gpg_key key;

	if (gpg_start(why) < 0)
		return 1;
	return gpg_find(home, NULL, false, &key, why) == GPG_NO_KEY ? FINE : 2;
}

static int try_agent(void)
{
	const int fd = gpg_agent_socket(home);
	char why[GPG_WHY_MAX];
	struct gpg_key key;

	if (fd < 0 || gpg_start(why) < 0 || gpg_agent_start(home, fd) <= 0)
		return 1;
	return gpg_find(home, NULL, true, &key, why) == GPG_NO_KEY ? FINE : 2;
}

static void test_the_jail(void **state)
{
	(void)state;
	assert_int_equal(in_jail(try_network), FINE);
	assert_int_equal(in_jail(try_files), FINE);
	assert_int_equal(in_jail(try_home), FINE);
	assert_int_equal(in_jail(try_shell), FINE);
#ifndef __SANITIZE_ADDRESS__
	assert_int_equal(in_jail(try_memory), FINE);
#endif
	assert_int_equal(in_jail(try_signals), FINE);
}

static void test_gpg_works_there(void **state)
{
	(void)state;
	assert_int_equal(in_jail(try_gpg), FINE);
	assert_int_equal(in_jail(try_agent), FINE);
}

/* --- a process that hangs, dies, or says too much --- */

static void sleep_for_ever(const void *arg, struct gpg_result *out)
{
	(void)arg;
	(void)out;
	/* With something that it started: that must go, too. */
	if (fork() >= 0)
		pause();
}

static void die(const void *arg, struct gpg_result *out)
{
	(void)arg;
	(void)out;
	abort();
}

static void say_much(const void *arg, struct gpg_result *out)
{
	(void)arg;
	out->len = sizeof(out->data);
	memset(out->data, 'x', out->len);
}

static void test_a_worker_is_bounded(void **state)
{
	(void)state;
	static struct gpg_result r;

	gpg_work_run(sleep_for_ever, NULL, 300, &r);
	assert_int_equal(r.status, GPG_TOO_LATE);
	gpg_work_run(die, NULL, 5000, &r);
	assert_int_equal(r.status, GPG_FAILED);
	gpg_work_run(say_much, NULL, 5000, &r);
	assert_int_equal(r.status, GPG_OK);
	assert_int_equal(r.len, sizeof(r.data));
	assert_true(r.data[0] == 'x' && r.data[sizeof(r.data) - 1] == 'x');
}

static void test_paths_that_are_too_long(void **state)
{
	(void)state;
	char path[GPG_HOME_MAX + 2];

	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(gpg_agent_socket(path), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	assert_true(gpg_is_fingerprint("0123456789ABCDEF0123456789ABCDEF01234567"));
	assert_false(gpg_is_fingerprint("0123456789abcdef0123456789ABCDEF01234567"));
	assert_false(gpg_is_fingerprint("0123456789ABCDEF"));
}

static int setup(void **state)
{
	(void)state;
	if (geteuid() != 0 || !mkdtemp(home) || chown(home, NOBODY, NOBODY) ||
	    gpg_home_settle(home, NULL))
		return -1;
	return secret_init();
}

static int teardown(void **state)
{
	char command[PAGE];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", home);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_jail),
	    cmocka_unit_test(test_gpg_works_there),
	    cmocka_unit_test(test_a_worker_is_bounded),
	    cmocka_unit_test(test_paths_that_are_too_long),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
