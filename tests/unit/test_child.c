/*
 * child - a process of ours: what it finds at its start, how its death is
 * told. The child is this program again (fork and exec of /proc/self/exe).
 */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "clock.h"
#include "ipc.h"

enum {
	PATIENCE_MS = 10000,
	SAID_MAX = 8192,
	TEXT_MAX = 512,
	FLOOD = 5000,
	EXIT_CODE = 42,
	FD_HIGH = 100
};

extern char **environ;

/* --- as the child --- */

/* Descriptors as a bit mask; those above are none of ours. */
static unsigned long open_descriptors(void)
{
	unsigned long mask = 0;

	for (int fd = 0; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			mask |= 1UL << (fd < 63 ? fd : 63);
	return mask;
}

static int count_entries(const char *path)
{
	DIR *d = opendir(path);
	int n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

static int child_report(void)
{
	sigset_t blocked;
	char byte = 0;
	int death = 0, signals = 0;

	sigprocmask(SIG_BLOCK, NULL, &blocked);
	for (int s = 1; s < 32; s++)
		signals += sigismember(&blocked, s) == 1;
	prctl(PR_GET_PDEATHSIG, &death);
	log_info("fds", "mask=%lx", open_descriptors());
	log_info("entries", "n=%d", count_entries("."));
	for (char **e = environ; *e; e++)
		log_info("env", "%s", *e);
	log_info("signals", "blocked=%d death=%d leader=%d", signals, death, getsid(0) == getpid());
	const ssize_t got = read(FD_PEER, &byte, 1);

	log_info("peer", "got=%zd byte=%c", got, byte);
	return EXIT_CODE;
}

static int child_flood(void)
{
	for (int i = 0; i < FLOOD; i++) {
		char record[] = "\2flood";

		while (send(FD_LOG, record, sizeof(record) - 1, 0) < 0)
			if (errno != EAGAIN)
				return 1;
	}
	return 0;
}

static int child_forge(void)
{
	static const char record[] = "\2one\ntwo\x1b[2J";

	(void)!send(FD_LOG, record, sizeof(record) - 1, 0);
	(void)!write(STDERR_FILENO, "straight\n", 9);
	return 0;
}

static _Noreturn void child_close_log(void)
{
	close(FD_LOG);
	for (;;)
		pause();
}

static int child_main(const char *what)
{
	log_start(LOG_TO_FD, LOG_LEVEL_INFO, "child", FD_LOG);
	if (strcmp(what, "report") == 0)
		return child_report();
	if (strcmp(what, "flood") == 0)
		return child_flood();
	if (strcmp(what, "forge") == 0)
		return child_forge();
	child_close_log();
}

/* --- as the monitor --- */

struct scene {
	struct loop *loop;
	struct child child;
	int log[2]; /* what would be written into the log comes out of [0] */
	int root;
	bool dead, late;
	int status;
	unsigned turns;
	char said[SAID_MAX];
	unsigned lines;
};

static void listen_to_log(struct scene *s)
{
	char line[LOG_LINE_MAX + 2];
	ssize_t n;

	while ((n = recv(s->log[0], line, sizeof(line) - 1, MSG_DONTWAIT)) > 0) {
		const size_t len = strlen(s->said);

		line[n] = '\0';
		s->lines++;
		(void)snprintf(s->said + len, sizeof(s->said) - len, "%s\n", line + 1);
	}
}

static void each_turn(void *arg)
{
	struct scene *s = arg;

	s->turns++;
	listen_to_log(s);
}

static void died(void *arg, int status, uint64_t lived_ms)
{
	struct scene *s = arg;

	assert_true(lived_ms < PATIENCE_MS);
	s->dead = true;
	s->status = status;
	loop_stop(s->loop);
}

static void too_late(void *arg)
{
	struct scene *s = arg;

	s->late = true;
	loop_stop(s->loop);
}

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));
	char dir[] = "/tmp/postern-child-XXXXXX";

	*state = s;
	s->loop = loop_new();
	loop_each_turn(s->loop, each_turn, s);
	child_init(&s->child, s->loop, died, s);
	(void)snprintf(s->child.tag, sizeof(s->child.tag), "it");
	assert_non_null(mkdtemp(dir));
	const int root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	s->root = fcntl(root, F_DUPFD_CLOEXEC, FD_HIGH);
	close(root);
	assert_int_equal(rmdir(dir), 0); /* as empty as can be */
	assert_true(s->root > 0);
	assert_int_equal(ipc_pair(s->log, 4 * 1024 * 1024), 0);
	log_start(LOG_TO_FD, LOG_LEVEL_INFO, "test", s->log[1]);
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	log_start(LOG_TO_STDERR, LOG_LEVEL_INFO, "test", -1);
	close(s->log[0]);
	close(s->log[1]);
	close(s->root);
	loop_free(s->loop);
	free(s);
	return 0;
}

static void start(struct scene *s, const char *what, int peer)
{
	const char *const argv[] = {"test_child", "--role", what, NULL};
	struct child_start c = {.argv = argv, .root = s->root};

	for (int i = FD_LOG; i < FD_CHILD_END; i++)
		c.fd[i] = -1;
	c.fd[FD_PEER] = peer;
	assert_int_equal(child_start(&s->child, &c), 0);
	assert_int_equal(loop_timer(s->loop, PATIENCE_MS, too_late, s), 0);
}

static void run(struct scene *s)
{
	assert_int_equal(loop_run(s->loop), 0);
	listen_to_log(s);
	loop_cancel(s->loop, too_late, s);
}

static void said(const struct scene *s, const char *what)
{
	if (!strstr(s->said, what))
		fail_msg("\"%s\" is not in:\n%s", what, s->said);
}

static void test_what_it_finds(void **state)
{
	struct scene *s = *state;
	char text[TEXT_MAX];
	int pair[2];

	assert_int_equal(ipc_pair(pair, 4096), 0);
	assert_int_equal(write(pair[0], "x", 1), 1);
	start(s, "report", pair[1]);
	run(s);
	assert_true(s->dead);
	assert_true(WIFEXITED(s->status) && WEXITSTATUS(s->status) == EXIT_CODE);
	(void)snprintf(text, sizeof(text), "fds mask=%x\n",
	    1U << 0 | 1U << 1 | 1U << 2 | 1U << FD_LOG | 1U << FD_PEER);
	said(s, text);
	said(s, "entries n=0"); /* a folder that was removed has not even . and .. */
	said(s, "env PATH=/usr/sbin:/usr/bin:/sbin:/bin\n");
	said(s, "signals blocked=0 death=9 leader=1");
	said(s, "peer got=1 byte=x");
	assert_null(strstr(s->said, "HOME="));
	assert_int_equal(s->child.pid, 0);
	close(pair[0]);
	close(pair[1]);
}

/* Numbers that are in each other's way: the peer stands where the log must go. */
static void test_descriptors_in_the_way(void **state)
{
	struct scene *s = *state;
	int pair[2];

	assert_int_equal(ipc_pair(pair, 4096), 0);
	assert_int_equal(write(pair[0], "y", 1), 1);
	const int kept = fcntl(FD_LOG, F_DUPFD_CLOEXEC, FD_HIGH);

	assert_int_equal(dup2(pair[1], FD_LOG), FD_LOG);
	start(s, "report", FD_LOG);
	if (kept >= 0)
		assert_int_equal(dup3(kept, FD_LOG, O_CLOEXEC), FD_LOG);
	run(s);
	said(s, "peer got=1 byte=y");
	close(kept);
	close(pair[0]);
	close(pair[1]);
}

static void test_what_it_logs_is_escaped(void **state)
{
	struct scene *s = *state;

	start(s, "forge", -1);
	run(s);
	said(s, "one\\x0atwo\\x1b[2J");
	assert_null(strstr(s->said, "straight"));
	assert_int_equal(s->lines, 1);
}

static void test_what_it_logs_is_bounded(void **state)
{
	struct scene *s = *state;
	const uint64_t begin = clock_mono_ms();

	start(s, "flood", -1);
	run(s);
	assert_true(s->dead && !s->late);
	/* 2,000 a second, of each that was begun. */
	assert_in_range(s->lines, 2000, 2000 * (2 + (clock_mono_ms() - begin) / 1000));
}

/* A child that closes its log end must not make the loop spin. */
static void test_a_closed_log(void **state)
{
	struct scene *s = *state;

	start(s, "close-log", -1);
	loop_cancel(s->loop, too_late, s);
	assert_int_equal(loop_timer(s->loop, 300, too_late, s), 0);
	run(s);
	assert_true(s->late && !s->dead);
	assert_in_range(s->turns, 1, 20);
	child_condemn(&s->child, "a test");
	assert_int_equal(loop_timer(s->loop, PATIENCE_MS, too_late, s), 0);
	run(s);
	assert_true(s->dead && WIFSIGNALED(s->status) && WTERMSIG(s->status) == SIGKILL);
	said(s, "child_condemned process=\"it\" why=\"a test\"");
}

static void test_status_texts(void **state)
{
	char text[TEXT_MAX];

	(void)state;
	assert_string_equal(child_status_text(text, sizeof(text), 3 << 8), "exit=3");
	assert_string_equal(child_status_text(text, sizeof(text), SIGKILL), "signal=9");
	(void)child_status_text(text, sizeof(text), SIGSYS);
	assert_non_null(strstr(text, "signal=31 "));
	assert_non_null(strstr(text, "forbids"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_what_it_finds, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_descriptors_in_the_way, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_what_it_logs_is_escaped, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_what_it_logs_is_bounded, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_closed_log, setup, teardown),
	    cmocka_unit_test(test_status_texts),
	};

	if (argc == 3)
		return child_main(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
