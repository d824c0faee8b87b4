/* pgp_link - see pgp_link.h. */
#include "pgp_link.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipc.h"
#include "log.h"

enum { PGP_DEPTH = 256 * 1024, EXIT_HOPELESS = 78, STATUS_TEXT = 64 };

static void start(void *arg);

static void start_later(struct pgp_link *l, uint64_t lived_ms)
{
	const uint32_t wait_ms = backoff_after(&l->backoff, lived_ms);

	if (loop_timer(l->loop, wait_ms, start, l))
		log_error("timers_full", "openpgp is not started again: restart posternd");
	else
		log_info("start_later", "process=openpgp after_ms=%u", wait_ms);
}

static int start_child(struct pgp_link *l, int sock, int config)
{
	const char *const argv[] = {
	    "posternd: openpgp", "--role", "openpgp", "--config", l->args->config_path, NULL};
	struct child_start s = {.argv = argv, .root = l->root};

	for (int i = 0; i < FD_CHILD_END; i++)
		s.fd[i] = -1;
	s.fd[FD_PEER] = sock;
	s.fd[FD_CONFIG] = config;
	return child_start(&l->child, &s);
}

static void start(void *arg)
{
	struct pgp_link *l = arg;
	int pair[2], config;

	if (!l->wanted || l->stopping || l->child.pid != 0)
		return;
	config = l->ops->config(l->arg);
	if (config < 0 || ipc_pair(pair, PGP_DEPTH)) {
		log_error("start_failed", "process=openpgp error=\"%s\"", strerror(errno));
		if (config >= 0)
			close(config);
		start_later(l, 0);
		return;
	}
	if (start_child(l, pair[1], config))
		start_later(l, 0);
	else if (l->ops->introduce(l->arg, pair[0]))
		child_signal(&l->child, SIGTERM);
	close(config);
	close(pair[0]);
	close(pair[1]);
}

/* One that says that its configuration is at fault waits for another one. */
static void died(void *arg, int status, uint64_t lived_ms)
{
	struct pgp_link *l = arg;
	const bool hopeless = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_HOPELESS;
	char text[STATUS_TEXT];

	if (l->wanted && !l->stopping) {
		log_error("child_died", "process=openpgp %s%s",
		    child_status_text(text, sizeof(text), status),
		    hopeless ? ": mend what it said above, then reload" : "");
		if (!hopeless)
			start_later(l, lived_ms);
	}
	l->ops->gone(l->arg);
}

void pgp_link_init(struct pgp_link *l, struct loop *loop, const struct child_args *args, int root,
    const struct pgp_link_ops *ops, void *arg)
{
	*l = (struct pgp_link){.loop = loop, .args = args, .root = root, .ops = ops, .arg = arg};
	child_init(&l->child, loop, died, l);
	(void)snprintf(l->child.tag, sizeof(l->child.tag), "openpgp");
}

void pgp_link_want(struct pgp_link *l, bool wanted)
{
	l->wanted = wanted;
	if (wanted) {
		start(l);
		return;
	}
	loop_cancel(l->loop, start, l);
	child_signal(&l->child, SIGTERM);
}

void pgp_link_condemn(struct pgp_link *l)
{
	if (l->child.pid != 0)
		child_condemn(&l->child, "auth says that it was taken");
}

void pgp_link_stop(struct pgp_link *l)
{
	l->stopping = true;
	loop_cancel(l->loop, start, l);
	child_signal(&l->child, SIGTERM);
}

void pgp_link_kill(struct pgp_link *l)
{
	child_signal(&l->child, SIGKILL);
}

bool pgp_link_idle(const struct pgp_link *l)
{
	return l->child.pid == 0;
}
