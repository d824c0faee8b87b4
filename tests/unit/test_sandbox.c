/*
 * sandbox - what a process in it cannot do any more. Each try is in a process
 * of its own, since the answer may be its death. Needs root.
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <seccomp.h>

#include "sandbox.h"

enum { NOBODY = 65534, PAGE = 4096, FINE = 0, NOT_IN = 99 };

static const char dir[] = "/tmp/postern-sandbox-empty";

/* Enough to look around with; each is held by the other layers. */
static const int generous[] = {
    SCMP_SYS(capget),
    SCMP_SYS(close),
    SCMP_SYS(exit_group),
    SCMP_SYS(getgroups),
    SCMP_SYS(getresuid),
    SCMP_SYS(getpid),
    SCMP_SYS(getppid),
    SCMP_SYS(kill),
    SCMP_SYS(mmap),
    SCMP_SYS(mprotect),
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(prctl),
    SCMP_SYS(prlimit64),
    SCMP_SYS(setresuid),
    SCMP_SYS(write),
};

static const int bare[] = {SCMP_SYS(exit_group)};

typedef int try_fn(void);

/* What becomes of a process that enters a sandbox and then tries something: as waitpid(2) tells. */
static int fate(const int *syscalls, size_t len, try_fn *try)
{
	const struct sandbox s = {
	    .root = dir, .uid = NOBODY, .gid = NOBODY, .syscalls = syscalls, .syscalls_len = len};
	const pid_t pid = fork();
	int status = 0;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(sandbox_enter(&s) ? NOT_IN : try());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void lives(try_fn *try)
{
	const int status = fate(generous, COUNT_OF(generous), try);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), FINE);
}

static void dies(try_fn *try)
{
	const int status = fate(bare, COUNT_OF(bare), try);

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

static int nothing(void)
{
	return FINE;
}

static int look_for_user(void)
{
	uid_t real, effective, saved;

	return getresuid(&real, &effective, &saved) || real != NOBODY || effective != NOBODY ||
	       saved != NOBODY || getgroups(0, NULL) != 0 || setresuid(0, 0, 0) != -1;
}

static int look_for_rights(void)
{
	struct rlimit core;

	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || prctl(PR_GET_DUMPABLE) != 0 ||
	       prctl(PR_CAPBSET_READ, CAP_NET_ADMIN) < 0 || getrlimit(RLIMIT_CORE, &core) ||
	       core.rlim_cur != 0 || core.rlim_max != 0;
}

static int look_for_capabilities(void)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (capget(&head, data))
		return 1;
	for (size_t i = 0; i < COUNT_OF(data); i++)
		if (data[i].effective || data[i].permitted || data[i].inheritable)
			return 1;
	return FINE;
}

static int look_for_files(void)
{
	/* The root is empty; and where it is not, landlock allows nothing. */
	return open("/etc/passwd", O_RDONLY) != -1 || open("/", O_RDONLY | O_DIRECTORY) != -1 ||
	       open("new", O_WRONLY | O_CREAT, 0600) != -1;
}

static int look_for_others(void)
{
	return kill(getppid(), 0) != -1 || errno != EPERM;
}

static int look_for_executable_memory(void)
{
	const bool read_write = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;

	return read_write ? FINE : 1;
}

static int make_executable_memory(void)
{
	(void)mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return FINE;
}

static int make_memory_executable(void)
{
	void *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)mprotect(p, PAGE, PROT_READ | PROT_EXEC);
	return FINE;
}

/* fileno() of a stream in memory is -1, and a lexer asks all the same. */
static int look_for_terminal(void)
{
	return isatty(STDERR_FILENO) || isatty(-1);
}

static int use_ioctl(void)
{
	int n = 0;

	(void)ioctl(STDERR_FILENO, FIONREAD, &n);
	return FINE;
}

static int make_socket(void)
{
	(void)socket(AF_INET, SOCK_DGRAM, 0);
	return FINE;
}

static int run_something(void)
{
	(void)execl("/bin/true", "true", (char *)NULL);
	return FINE;
}

static int make_process(void)
{
	return fork() == 0 ? FINE : FINE;
}

static int trace_parent(void)
{
	(void)syscall(SCMP_SYS(ptrace), 0, 0, 0, 0);
	return FINE;
}

static void test_what_is_allowed(void **state)
{
	static try_fn *const tries[] = {nothing, look_for_user, look_for_rights,
	    look_for_capabilities, look_for_files, look_for_executable_memory, look_for_terminal};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(tries); i++)
		lives(tries[i]);
}

static void test_other_processes(void **state)
{
	(void)state;
	lives(look_for_others);
}

static void test_forbidden_calls_kill(void **state)
{
	static try_fn *const tries[] = {
	    make_socket, use_ioctl, run_something, make_process, trace_parent};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(tries); i++)
		dies(tries[i]);
	const int status = fate(bare, COUNT_OF(bare), nothing);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == FINE);
}

/* Though mmap and mprotect are on the list. */
static void test_no_executable_memory(void **state)
{
	static try_fn *const tries[] = {make_executable_memory, make_memory_executable};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(tries); i++) {
		const int status = fate(generous, COUNT_OF(generous), tries[i]);

		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	}
}

static int make_file(void *arg)
{
	const int fd = open("made", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	(void)arg;
	/* It cannot go back, and of what is outside it sees its folder alone. */
	return fd >= 0 && seteuid(0) == -1 && setresuid(0, 0, 0) == -1 &&
		       access("/etc/passwd", F_OK) == -1
		   ? 0
		   : -1;
}

static int refuse(void *arg)
{
	(void)arg;
	return -1;
}

static int enter_with(const char *folder, int (*inside)(void *arg))
{
	struct sandbox s = {.root = dir,
	    .uid = NOBODY,
	    .gid = NOBODY,
	    .syscalls = generous,
	    .syscalls_len = COUNT_OF(generous),
	    .inside = inside,
	    .folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC)};
	const pid_t pid = fork();
	int status = 0;

	assert_true(pid >= 0);
	if (pid == 0) {
		if (sandbox_enter(&s))
			_exit(NOT_IN);
		/* It stands in the empty root now. */
		_exit(open("made", O_RDONLY) == -1 ? FINE : 1);
	}
	close(s.folder);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* What others of the user may have written is opened by the user. */
static void test_work_inside(void **state)
{
	char folder[] = "/tmp/postern-sandbox-folder-XXXXXX", made[sizeof(folder) + 8];
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(chown(folder, NOBODY, NOBODY), 0);
	(void)snprintf(made, sizeof(made), "%s/made", folder);
	assert_int_equal(enter_with(folder, make_file), FINE);
	assert_int_equal(stat(made, &st), 0);
	assert_int_equal(st.st_uid, NOBODY);
	assert_int_equal(unlink(made), 0);
	assert_int_equal(enter_with(folder, refuse), NOT_IN);
	/* A folder that is not the user's. */
	assert_int_equal(chown(folder, 0, 0), 0);
	assert_int_equal(enter_with(folder, make_file), NOT_IN);
	assert_int_equal(rmdir(folder), 0);
}

enum { OUT_MOST = 4 };

static int write_below(void)
{
	return write(OUT_MOST, "x", 1) == 1 ? FINE : 1;
}

static int write_above(void)
{
	return write(OUT_MOST + 1, "x", 1) == 1 ? FINE : 1;
}

static int send_above(void)
{
	return send(OUT_MOST + 1, "x", 1, 0) == 1 ? FINE : 1;
}

static int send_message_above(void)
{
	char byte = 'x';
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	const struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

	return sendmsg(OUT_MOST + 1, &m, 0) == 1 ? FINE : 1;
}

/* The same as fate(), with a socket at the last descriptor that may be written to and one above. */
static int fate_of_output(int out_most, try_fn *try)
{
	static const int calls[] = {
	    SCMP_SYS(exit_group), SCMP_SYS(write), SCMP_SYS(sendto), SCMP_SYS(sendmsg)};
	const struct sandbox s = {.root = dir,
	    .uid = NOBODY,
	    .gid = NOBODY,
	    .syscalls = calls,
	    .syscalls_len = COUNT_OF(calls),
	    .out_most = out_most};
	int pair[2], status = 0;

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
	const pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(dup2(pair[0], OUT_MOST) < 0 || dup2(pair[0], OUT_MOST + 1) < 0 ||
			      sandbox_enter(&s)
			  ? NOT_IN
			  : try());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(pair[0]);
	close(pair[1]);
	return status;
}

/* A capture must not send with the socket that it reads packets from. */
static void test_output_to_few_descriptors(void **state)
{
	static try_fn *const above[] = {write_above, send_above, send_message_above};
	int status = fate_of_output(OUT_MOST, write_below);

	(void)state;
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == FINE);
	for (size_t i = 0; i < COUNT_OF(above); i++) {
		status = fate_of_output(OUT_MOST, above[i]);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
		status = fate_of_output(0, above[i]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == FINE);
	}
}

static int enter(const char *root, uid_t uid)
{
	const struct sandbox s = {
	    .root = root, .uid = uid, .gid = NOBODY, .syscalls = bare, .syscalls_len = 1};
	const pid_t pid = fork();
	int status = 0;

	if (pid == 0)
		_exit(sandbox_enter(&s) ? NOT_IN : FINE);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_what_is_no_sandbox(void **state)
{
	(void)state;
	assert_int_equal(enter("/", NOBODY), NOT_IN);
	assert_int_equal(enter("/tmp/..", NOBODY), NOT_IN);
	assert_int_equal(enter("/nonexistent", NOBODY), NOT_IN);
	assert_int_equal(enter(dir, 0), NOT_IN);
	assert_int_equal(enter(dir, NOBODY), FINE);
}

static void wait_for_end(void)
{
	for (;;)
		pause();
}

/* Ours is killed when its parent is, although it has another user by then. */
static void test_dies_with_its_parent(void **state)
{
	static const int with_pause[] = {SCMP_SYS(pause), SCMP_SYS(write)};
	const struct sandbox s = {.root = dir,
	    .uid = NOBODY,
	    .gid = NOBODY,
	    .syscalls = with_pause,
	    .syscalls_len = COUNT_OF(with_pause)};
	int ends[2];
	char byte = 0;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	const pid_t parent = fork();
	if (parent == 0) {
		if (fork() == 0) {
			if (sandbox_enter(&s) || write(ends[1], "x", 1) != 1)
				_exit(NOT_IN);
			wait_for_end();
		}
		close(ends[1]);
		wait_for_end();
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 1); /* it is in */
	assert_int_equal(kill(parent, SIGKILL), 0);
	assert_int_equal(waitpid(parent, NULL, 0), parent);
	assert_int_equal(
	    read(ends[0], &byte, 1), 0); /* its end of the pipe is closed, so it is dead */
	close(ends[0]);
}

static int keep_two(void)
{
	static const int caps[] = {CAP_NET_ADMIN, CAP_KILL};

	return sandbox_limit_capabilities(caps, COUNT_OF(caps)) ||
	       prctl(PR_CAPBSET_READ, CAP_NET_ADMIN) != 1 ||
	       prctl(PR_CAPBSET_READ, CAP_KILL) != 1 ||
	       prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN) != 0 || prctl(PR_CAPBSET_READ, CAP_CHOWN) != 0;
}

static void test_capabilities(void **state)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	int status = 0;

	(void)state;
	const pid_t pid = fork();
	if (pid == 0) {
		const uint32_t want = 1U << CAP_NET_ADMIN | 1U << CAP_KILL;

		_exit(keep_two() || capget(&head, data) || data[0].effective != want ||
		      data[0].permitted != want || data[0].inheritable || data[1].permitted);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), FINE);
}

static void test_users(void **state)
{
	uid_t uid = 0;
	gid_t gid = 0;

	(void)state;
	assert_int_equal(sandbox_user("nobody", &uid, &gid), 0);
	assert_int_equal(uid, NOBODY);
	assert_int_equal(sandbox_user("root", &uid, &gid), -1);
	assert_int_equal(sandbox_user("no-such-user", &uid, &gid), -1);
}

static int setup(void **state)
{
	(void)state;
	return mkdir(dir, 0555) && errno != EEXIST ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_is_allowed),
	    cmocka_unit_test(test_other_processes),
	    cmocka_unit_test(test_forbidden_calls_kill),
	    cmocka_unit_test(test_no_executable_memory),
	    cmocka_unit_test(test_work_inside),
	    cmocka_unit_test(test_output_to_few_descriptors),
	    cmocka_unit_test(test_what_is_no_sandbox),
	    cmocka_unit_test(test_dies_with_its_parent),
	    cmocka_unit_test(test_capabilities),
	    cmocka_unit_test(test_users),
	};

	if (geteuid() != 0) {
		print_message("skipped: a sandbox is entered by root only\n");
		return 77; /* what meson counts as skipped */
	}
	return cmocka_run_group_tests(tests, setup, teardown);
}
