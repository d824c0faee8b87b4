#include "capture_helper.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipc.h"
#include "log.h"
#include "loop.h"
#include "sandbox.h"
#include "verdicts.h"

/* As much as the daemon gives its own readers; tcpdump has less by itself. */
#define RECORDER_KIB "16384"

enum {
	JUDGE_DEPTH = 1 << 20,
	PATIENCE_MS = 5000, /* until a recording begins */
};

/* Ends with us, and by signals. */
static void be_a_child(void)
{
	sigset_t none;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void be_recorder(const char *interface, const char *filter, int output)
{
	int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);

	be_a_child();
	if (nowhere >= 0 && dup2(nowhere, STDIN_FILENO) >= 0 && dup2(output, STDOUT_FILENO) >= 0 &&
	    dup2(nowhere, STDERR_FILENO) >= 0)
		(void)execlp("tcpdump", "tcpdump", "-i", interface, "-Q", "in", "-nn", "-U",
		    "--immediate-mode", "-B", RECORDER_KIB, "-Z", "root", "-w", "-", filter,
		    (char *)NULL);
	_exit(EXIT_FAILURE);
}

int helper_record(struct capture_helper *h, const char *interface, const char *filter)
{
	struct pollfd begun = {.events = POLLIN};
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return -1;
	h->pid = fork();
	if (h->pid == 0)
		be_recorder(interface, filter, ends[1]);
	(void)close(ends[1]);
	h->output = begun.fd = ends[0];
	/* The head comes when it captures; what is sent before that would count as lost. */
	if (h->pid > 0 && poll(&begun, 1, PATIENCE_MS) == 1 && (begun.revents & POLLIN) != 0)
		return 0;
	(void)close(ends[0]);
	return -1;
}

static void on_bad(void *arg, const char *why)
{
	struct loop *loop = arg;

	(void)why;
	loop_stop(loop);
}

static _Noreturn void be_judge(int peer, uint16_t queue)
{
	static const int capabilities[] = {CAP_NET_ADMIN};
	struct loop *loop = loop_new();
	struct verdicts v;

	be_a_child();
	log_start(LOG_TO_STDERR, LOG_LEVEL_ERROR, "verdicts", -1);
	verdicts_init(&v);
	if (sandbox_limit_capabilities(capabilities, 1) == 0 &&
	    verdicts_start(&v, loop, peer, queue, on_bad, loop) == 0)
		(void)loop_run(loop);
	_exit(EXIT_FAILURE);
}

int helper_judge(struct capture_helper *h, uint16_t queue)
{
	int ends[2];

	if (ipc_pair(ends, JUDGE_DEPTH) != 0)
		return -1;
	h->pid = fork();
	if (h->pid == 0) {
		(void)close(ends[0]);
		be_judge(ends[1], queue);
	}
	(void)close(ends[1]);
	h->output = ends[0];
	return h->pid > 0 ? 0 : -1;
}

void helper_end(struct capture_helper *h)
{
	if (h->pid > 0) {
		(void)kill(h->pid, SIGTERM);
		(void)waitpid(h->pid, NULL, 0);
	}
	h->pid = 0;
}
