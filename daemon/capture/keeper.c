#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	OUTPUT_BYTES = 1 << 20, /* what comes while we do not run */
	ASK_MS = 1000,
	SPARE = 16, /* above all that is given a place */
	AT_ROPE = 3,
};

struct pipes {
	int output[2], said[2], rope[2];
};

static void close_pair(int pair[2])
{
	for (int i = 0; i < 2; i++)
		if (pair[i] >= 0)
			(void)close(pair[i]);
}

static void close_pipes(struct pipes *p)
{
	close_pair(p->output);
	close_pair(p->said);
	close_pair(p->rope);
}

static int make_pipes(struct pipes *p)
{
	*p = (struct pipes){{-1, -1}, {-1, -1}, {-1, -1}};
	if (pipe2(p->output, O_CLOEXEC) != 0 || pipe2(p->said, O_CLOEXEC) != 0 ||
	    pipe2(p->rope, O_CLOEXEC) != 0)
		return -1;
	/* More room is better, and not what all depends on. */
	(void)fcntl(p->output[1], F_SETPIPE_SZ, OUTPUT_BYTES);
	return fcntl(p->output[0], F_SETFL, O_NONBLOCK) | fcntl(p->said[0], F_SETFL, O_NONBLOCK);
}

static int keep_one_capability(void)
{
	const cap_value_t raw = CAP_NET_RAW;
	cap_t set = cap_init();
	int status = -1;

	if (set != NULL && cap_set_flag(set, CAP_PERMITTED, 1, &raw, CAP_SET) == 0 &&
	    cap_set_flag(set, CAP_INHERITABLE, 1, &raw, CAP_SET) == 0)
		status = cap_set_proc(set);
	if (set != NULL)
		(void)cap_free(set);
	return status;
}

static int drop_capabilities(void)
{
	cap_t none = cap_init();
	int status = none != NULL ? cap_set_proc(none) : -1;

	if (none != NULL)
		(void)cap_free(none);
	return status;
}

/* From root to the user, with what the program inherits. */
static int become_user(const struct keeper_plan *p)
{
	/* The monitor may start commands as root, so it has not forbidden it for us. */
	if (p->uid == 0 || p->gid == 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_KEEPCAPS, 1) != 0)
		return -1;
	if (setgroups(0, NULL) != 0 || setresgid(p->gid, p->gid, p->gid) != 0 ||
	    setresuid(p->uid, p->uid, p->uid) != 0)
		return -1;
	if (keep_one_capability() != 0)
		return -1;
	return cap_set_ambient(CAP_NET_RAW, CAP_SET);
}

static _Noreturn void become_program(const struct keeper_plan *p, pid_t keeper)
{
	static const char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == keeper &&
	    close_range(STDERR_FILENO + 1, ~0U, 0) == 0)
		execve(p->argv[0], (char *const *)(uintptr_t)p->argv,
		    (char *const *)(uintptr_t)environment);
	_exit(EXIT_FAILURE);
}

/* Until the rope is cut or the program has ended. A byte means that it may be asked. */
static _Noreturn void hold(pid_t program, int ask)
{
	struct pollfd rope = {.fd = AT_ROPE, .events = POLLIN};
	bool go = false;
	char byte;

	while (waitpid(program, NULL, WNOHANG) == 0) {
		if (poll(&rope, 1, ASK_MS) > 0) {
			if (read(AT_ROPE, &byte, 1) != 1)
				break;
			go = true;
		} else if (go && ask != 0) {
			(void)kill(program, ask);
		}
	}
	_exit(EXIT_SUCCESS);
}

/* Standard descriptors for the program, and the rope; nothing else stays open. */
static int arrange(const struct pipes *p)
{
	const int output = fcntl(p->output[1], F_DUPFD, SPARE),
		  said = fcntl(p->said[1], F_DUPFD, SPARE),
		  rope = fcntl(p->rope[0], F_DUPFD, SPARE);

	if (dup2(output, STDOUT_FILENO) < 0 || dup2(said, STDERR_FILENO) < 0 ||
	    dup2(rope, AT_ROPE) < 0)
		return -1;
	return close_range(AT_ROPE + 1, ~0U, 0);
}

static void forget_signals(void)
{
	static const int ignored[] = {SIGINT, SIGHUP, SIGPIPE};
	sigset_t none;

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		(void)signal(ignored[i], SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void be_keeper(const struct keeper_plan *p, const struct pipes *pipes)
{
	const pid_t self = getpid();
	pid_t program;

	forget_signals();
	/* The monitor may have left that open, for commands. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		_exit(EXIT_FAILURE);
	if (arrange(pipes) != 0 || become_user(p) != 0)
		_exit(EXIT_FAILURE);
	(void)prctl(PR_SET_NAME, "postern-keeper");
	program = fork();
	if (program == 0)
		become_program(p, self);
	/* The program's end of the pipes is the only one, so that its end shows. */
	(void)close(STDOUT_FILENO);
	(void)close(STDERR_FILENO);
	if (program < 0 || drop_capabilities() != 0 || cap_reset_ambient() != 0)
		_exit(EXIT_FAILURE);
	hold(program, p->ask);
}

int keeper_start(struct keeper *k, const struct keeper_plan *p)
{
	struct pipes pipes;
	pid_t pid;
	int error;

	*k = (struct keeper){-1, -1, -1};
	pid = make_pipes(&pipes) == 0 ? fork() : -1;
	if (pid == 0)
		be_keeper(p, &pipes);
	if (pid > 0) {
		*k = (struct keeper){pipes.output[0], pipes.said[0], pipes.rope[1]};
		pipes.output[0] = pipes.said[0] = pipes.rope[1] = -1;
	}
	error = errno;
	close_pipes(&pipes);
	errno = error;
	return pid > 0 ? 0 : -1;
}

void keeper_go(const struct keeper *k)
{
	(void)!write(k->rope, "", 1);
}

void keeper_end(struct keeper *k)
{
	const int fds[] = {k->rope, k->output, k->said};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
	*k = (struct keeper){-1, -1, -1};
}
