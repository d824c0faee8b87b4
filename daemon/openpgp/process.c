/*
 * process - the openpgp process: jail, then gpg, for auth alone. It holds no
 * key itself; the server's OpenPGP key lies in the keyring that gpg reads.
 */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "config.h"
#include "desk.h"
#include "fault.h"
#include "gpg_jail.h"
#include "home.h"
#include "log.h"
#include "loop.h"
#include "sandbox.h"
#include "secret.h"

enum { EXIT_CONFIG = 78, MESSAGES_MAX = 64 };

struct openpgp {
	struct loop *loop;
	struct desk *desk;
	char home[GPG_HOME_MAX + 1];
	int signals;
	int status;
};

static void stop(struct openpgp *o, int status)
{
	o->status = status;
	loop_stop(o->loop);
}

/* --- auth --- */

static void answer(void *arg, const struct msg_pgp *m)
{
	struct openpgp *o = arg;

	/* No more can wait there than it asked for, so there is room. */
	if (ipc_send(FD_PEER, m, NULL, 0) == 0)
		return;
	log_error("auth", "error=\"%s\": it does not listen", strerror(errno));
	stop(o, EXIT_FAILURE);
}

static void take(struct openpgp *o, const struct msg_pgp *m)
{
	if (pgp_message_ok(m, false) && desk_take(o->desk, m) == 0)
		return;
	log_error("auth", "type=%u: it asks for what it must not", m->head.type);
	stop(o, EXIT_FAILURE);
}

static void auth_readable(void *arg)
{
	struct openpgp *o = arg;
	struct msg_pgp m;
	int n = 1;

	for (unsigned i = 0; i < MESSAGES_MAX; i++) {
		n = ipc_recv(FD_PEER, &m, sizeof(m), NULL, 0, NULL);
		if (n != (int)sizeof(m))
			break;
		take(o, &m);
	}
	secret_wipe(&m, sizeof(m));
	if (n == 0)
		stop(o, EXIT_SUCCESS); /* auth is gone, or wants no gpg any more */
	else if (n != (int)sizeof(m) && !(n < 0 && errno == EAGAIN))
		stop(o, EXIT_FAILURE);
}

/* --- signals --- */

static void take_signal(void *arg)
{
	struct openpgp *o = arg;
	struct signalfd_siginfo info;

	while (read(o->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGTERM)
			stop(o, EXIT_SUCCESS);
		else
			desk_reap(o->desk);
	}
}

static int hear_signals(struct openpgp *o)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &set, NULL) || signal(SIGINT, SIG_IGN) == SIG_ERR ||
	    signal(SIGHUP, SIG_IGN) == SIG_ERR || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return -1;
	o->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return o->signals < 0 ? -1 : 0;
}

/* --- the start --- */

static void say(void *arg, const char *line)
{
	(void)arg;
	if (!report_is_warning(line)) /* the monitor has told those */
		report_log(line);
}

static struct config *read_config(const char *path)
{
	struct report r = {.say = say};
	struct config *c = calloc(1, sizeof(*c));
	char *text = calloc(1, CONFIG_TEXT_MAX + 1);
	ssize_t n = 1;
	size_t len = 0;

	if (!c || !text)
		abort();
	while (n > 0 && len < CONFIG_TEXT_MAX) {
		n = pread(FD_CONFIG, text + len, CONFIG_TEXT_MAX - len, (off_t)len);
		len += n > 0 ? (size_t)n : 0;
	}
	if (n < 0 || config_parse(c, path, text, &r) < 0) {
		free(c);
		c = NULL;
	}
	free(text);
	return c;
}

/* What gpg starts must not get hold of our sockets. */
static int keep_to_ourselves(void)
{
	for (int fd = FD_LOG; fd < FD_CHILD_END; fd++)
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) && errno != EBADF)
			return -1;
	/* What it leaves behind comes to us, to be reaped. */
	return prctl(PR_SET_CHILD_SUBREAPER, 1);
}

static int prepare(struct openpgp *o, const struct child_args *a)
{
	struct report r = {.say = say};
	struct config *c = read_config(a->config_path);
	int status = EXIT_CONFIG;
	uid_t uid;
	gid_t gid;

	if (!c || sandbox_user(c->openpgp_user, &uid, &gid) || openpgp_home(c, o->home, &r))
		goto out;
	log_set_level(c->log_level);
	status = EXIT_FAILURE;
	if (keep_to_ourselves() == 0 && hear_signals(o) == 0 &&
	    gpg_jail_enter(o->home, uid, gid) == 0)
		status = EXIT_SUCCESS;
out:
	free(c);
	return status;
}

static int run(struct openpgp *o)
{
	char why[GPG_WHY_MAX];

	/* Once here, so that no process after it needs to look for the programs. */
	if (gpg_start(why) < 0) {
		log_error("gpg", "error=\"%s\"", why);
		return EXIT_CONFIG;
	}
	o->desk = desk_new(o->loop, o->home, answer, o);
	if (!o->desk || loop_watch(o->loop, FD_PEER, auth_readable, o) ||
	    loop_watch(o->loop, o->signals, take_signal, o))
		return EXIT_FAILURE;
	log_info("gpg_ready", "home=%s", o->home);
	if (loop_run(o->loop))
		return EXIT_FAILURE;
	return o->status;
}

int openpgp_main(const struct child_args *a)
{
	struct openpgp o = {.signals = -1};
	int status;

	log_start(LOG_TO_FD, LOG_LEVEL_INFO, "openpgp", FD_LOG);
	fault_start();
	if (secret_init() < 0)
		return EXIT_FAILURE;
	o.loop = loop_new();
	status = prepare(&o, a);
	if (status == EXIT_SUCCESS)
		status = run(&o);
	desk_free(o.desk);
	return status;
}
