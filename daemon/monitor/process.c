/*
 * monitor - the process that is root: it puts the others together and opens
 * doors. See process.h.
 */
#include "process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemonize.h"
#include "log.h"
#include "monitor.h"
#include "rights.h"
#include "rundir.h"
#include "sandbox.h"

enum {
	FIRST_GENERATION = 1,
	STATUS_MAX = 96,
};

/* --- ready, and how it stands --- */

void monitor_tell_status(struct monitor *m)
{
	char text[STATUS_MAX];
	unsigned of = 0;

	m->listening = sources_count(&m->sources, &of);
	(void)snprintf(text, sizeof(text), "listening on %u of %u interfaces", m->listening, of);
	notify_ready(&m->notify, text);
}

/* An interface that is not there yet holds nobody up. */
static void announce(struct monitor *m)
{
	unsigned of = 0;
	const unsigned ready = sources_count(&m->sources, &of);

	if (m->announced || m->stopping || !m->auth.ready || !sources_settled(&m->sources))
		return;
	m->announced = true;
	monitor_tell_status(m);
	if (m->waiter >= 0)
		daemon_ready(m->waiter);
	m->waiter = -1;
	log_info("ready", "interfaces=%u of=%u services=%u%s", ready, of, m->law->config.services,
	    m->args->dry_run ? " dry_run=yes" : "");
}

/* --- the end --- */

static void finish_if_alone(struct monitor *m)
{
	if (!m->stopping || m->auth.child.pid != 0 || !sources_idle(&m->sources) ||
	    !pgp_link_idle(&m->pgp))
		return;
	(void)!guard_need(&m->guard, 0); /* nobody hears any more */
	loop_stop(m->loop);
}

static void kill_the_rest(void *arg)
{
	struct monitor *m = arg;

	log_warning("stop", "a process did not end by itself: killed");
	child_signal(&m->auth.child, SIGKILL);
	pgp_link_kill(&m->pgp);
	sources_kill(&m->sources);
}

static void stop(struct monitor *m)
{
	if (m->stopping)
		return;
	m->stopping = true;
	log_info("stopping", "guard and open doors stay with the kernel");
	notify_stopping(&m->notify);
	if (loop_timer(m->loop, CHILD_GRACE_MS, kill_the_rest, m))
		kill_the_rest(m);
	sources_pause(&m->sources);
	pgp_link_stop(&m->pgp);
	auth_link_stop(&m->auth);
	finish_if_alone(m);
}

/* --- what auth says --- */

static void auth_ready(void *arg)
{
	struct monitor *m = arg;

	log_debug("auth_ready", "generation=%u", m->reload.generation);
	sources_run(&m->sources);
	reload_auth_ready(&m->reload);
	announce(m);
}

static int source_ready(void *arg, const struct msg_source_ready *msg)
{
	struct monitor *m = arg;

	return sources_ready(&m->sources, msg->id);
}

static int source_bad(void *arg, const struct msg_source_ready *msg)
{
	struct monitor *m = arg;

	return sources_bad(&m->sources, msg->id);
}

static void door(void *arg, const struct msg_door *msg, struct msg_door_done *done)
{
	struct monitor *m = arg;
	const struct doors_law law = {
	    .now = &m->law->config,
	    .before = m->before ? &m->before->config : NULL,
	    .now_generation = m->reload.generation,
	    .before_generation = m->before_generation,
	};

	guard_serve(&m->guard, &law, msg, done);
}

/* What was said of doors before may be so no more. */
static void guard_mended(void *arg, bool lost)
{
	struct monitor *m = arg;
	const struct msg_mended msg = {.head = {MSG_MENDED, sizeof(msg)}, .lost = lost ? 1 : 0};

	(void)!auth_link_send(&m->auth, &msg, NULL, 0);
}

static void ban(void *arg, const struct msg_ban *msg, struct msg_door_done *done)
{
	struct monitor *m = arg;

	guard_ban(&m->guard, msg, done);
}

static void pgp_wanted(void *arg, enum pgp_wanted wanted)
{
	struct monitor *m = arg;

	if (wanted == PGP_WANTED_OTHER)
		pgp_link_condemn(&m->pgp);
	else
		pgp_link_want(&m->pgp, wanted == PGP_WANTED);
}

static void command(void *arg, const struct msg_command *msg)
{
	struct monitor *m = arg;

	runs_serve(&m->runs, &m->law->config, &m->law->users, m->reload.generation, msg);
}

static int event(void *arg, const struct msg_event *msg)
{
	struct monitor *m = arg;

	return scripts_tell(&m->scripts, &m->law->config, &m->law->users, msg);
}

/* An auth that is gone meanwhile has nobody to tell. */
static void command_ended(void *arg, const struct msg_command_done *done)
{
	struct monitor *m = arg;

	if (m->auth.ready)
		(void)!auth_link_send(&m->auth, done, NULL, 0);
}

static void reload_wanted(void *arg)
{
	struct monitor *m = arg;

	reload_want(&m->reload);
}

static int loaded(void *arg, const struct msg_loaded *msg)
{
	struct monitor *m = arg;

	return reload_loaded(&m->reload, msg->generation, msg->ok == 1);
}

/*
 * Captures without auth are of no use: they end, and start when it is back.
 * An auth that says at the very start that it cannot work will not work the
 * next time either; what kills it later may pass.
 */
static void auth_gone(void *arg, int status, bool was_ready)
{
	struct monitor *m = arg;

	sources_pause(&m->sources);
	runs_forget(&m->runs);
	pgp_link_want(&m->pgp, false);
	reload_auth_gone(&m->reload);
	if (!m->announced && !was_ready && !m->stopping && WIFEXITED(status)) {
		log_error("start_failed", "auth cannot start: mend what it said above");
		m->failed = true;
		stop(m);
	}
	finish_if_alone(m);
}

static void auth_start(void *arg)
{
	struct monitor *m = arg;

	auth_link_start(&m->auth, m->args, m->law, m->reload.generation, m->control, m->empty);
}

static const struct auth_events auth_events = {
    .ready = auth_ready,
    .source_ready = source_ready,
    .source_bad = source_bad,
    .door = door,
    .ban = ban,
    .command = command,
    .event = event,
    .reload_wanted = reload_wanted,
    .pgp_wanted = pgp_wanted,
    .loaded = loaded,
    .switch_wanted = monitor_switch_wanted,
    .gone = auth_gone,
    .start = auth_start,
};

/* --- what openpgp needs --- */

static int introduce_pgp(void *arg, int sock)
{
	struct monitor *m = arg;
	const struct msg_pgp_plain msg = {.head = {MSG_PGP_PROCESS, sizeof(msg)}};

	return auth_link_send(&m->auth, &msg, &sock, 1);
}

static int config_for_pgp(void *arg)
{
	struct monitor *m = arg;

	return law_reopen_config(m->law);
}

static void pgp_gone(void *arg)
{
	finish_if_alone(arg);
}

static const struct pgp_link_ops pgp_link_ops = {
    .introduce = introduce_pgp,
    .config = config_for_pgp,
    .gone = pgp_gone,
};

/* --- what the captures need --- */

static int introduce(void *arg, const struct worker *w, int sock)
{
	struct monitor *m = arg;
	struct msg_source msg = {
	    .head = {MSG_SOURCE, sizeof(msg)}, .id = w->id, .trap = w->source.trap};

	memcpy(msg.name, w->source.name, sizeof(w->source.name));
	return auth_link_send(&m->auth, &msg, &sock, 1);
}

static int config_for_capture(void *arg)
{
	struct monitor *m = arg;

	return law_reopen_config(m->law);
}

static int needs_changed(void *arg, unsigned needs)
{
	struct monitor *m = arg;

	return guard_need(&m->guard, needs);
}

static void state_changed(void *arg, const struct msg_source_state *msg)
{
	struct monitor *m = arg;

	(void)!auth_link_send(&m->auth, msg, NULL, 0);
}

static void sources_changed(void *arg)
{
	struct monitor *m = arg;

	unsigned of = 0;

	announce(m);
	reload_settle(&m->reload);
	if (m->announced && !m->stopping && m->reload.state == RELOAD_IDLE &&
	    sources_count(&m->sources, &of) != m->listening)
		monitor_tell_status(m);
	finish_if_alone(m);
}

static const struct sources_ops sources_ops = {
    .introduce = introduce,
    .config = config_for_capture,
    .needs = needs_changed,
    .state = state_changed,
    .switched = monitor_switched,
    .changed = sources_changed,
};

static void link_changed(void *arg, const char *interface, bool up)
{
	struct monitor *m = arg;

	sources_link(&m->sources, interface, up);
}

/* --- the start --- */

static void take_signal(void *arg)
{
	struct monitor *m = arg;
	struct signalfd_siginfo info;

	if (read(m->signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP)
		reload_want(&m->reload);
	else
		stop(m);
}

static int hear_signals(struct monitor *m)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return -1;
	m->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return m->signals < 0 ? -1 : loop_watch(m->loop, m->signals, take_signal, m);
}

/* A user that is missing must be told now, not by a child that dies again and again. */
static int check_users(const struct config *c)
{
	uid_t uid;
	gid_t gid;

	return sandbox_user(c->capture_user, &uid, &gid) | sandbox_user(c->auth_user, &uid, &gid);
}

/* Before we leave the terminal: the administrator is still there to read what is wrong. */
static int prepare(struct monitor *m)
{
	if (geteuid() != 0) {
		log_error(
		    "start_failed", "posternd starts as root: use sudo or the service manager");
		return -1;
	}
	m->law = monitor_read_law(m);
	if (!m->law || check_users(&m->law->config))
		return -1;
	const char *dir = m->law->config.run_dir;

	if (rundir_prepare(dir))
		return -1;
	m->pidfile = pidfile_take(dir);
	if (m->pidfile < 0)
		return -1;
	m->empty = rundir_empty(dir);
	return m->empty < 0 ? -1 : 0;
}

/* The log as configured; in the background stderr is gone, so it is syslog then. */
static void start_log(const struct config *c, bool foreground)
{
	log_start(foreground ? c->log_target : LOG_TO_SYSLOG, c->log_level, "monitor", -1);
}

static int open_all(struct monitor *m)
{
	const struct config *c = &m->law->config;

	if (pidfile_write(m->pidfile) || hear_signals(m))
		return -1;
	if (guard_open(&m->guard, m->loop, c, m->args->dry_run))
		return -1;
	guard_on_mended(&m->guard, guard_mended, m);
	m->control = rundir_control(c->run_dir);
	if (m->control < 0)
		return -1;
	/* Without it a late interface is found by looking for it now and then. */
	(void)!links_open(&m->links, m->loop, link_changed, m);
	return rights_give_up(config_runs_programs(c));
}

static int run(struct monitor *m)
{
	auth_link_init(&m->auth, m->loop, &auth_events, m);
	runs_open(&m->runs, m->loop, command_ended, m);
	scripts_open(&m->scripts, m->loop);
	sources_init(&m->sources, m->loop, m->args, m->empty, &sources_ops, m);
	sources_set(&m->sources, &m->law->config);
	pgp_link_init(&m->pgp, m->loop, m->args, m->empty, &pgp_link_ops, m);
	reload_init(&m->reload, FIRST_GENERATION, &monitor_reload_ops, m);
	auth_start(m);
	if (loop_run(m->loop)) {
		log_error("loop_failed", "error=\"%s\"", strerror(errno));
		return EXIT_FAILURE;
	}
	return m->failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

static void close_all(struct monitor *m)
{
	const int fds[] = {m->signals, m->control, m->empty, m->pidfile, m->waiter};

	links_close(&m->links);
	runs_close(&m->runs);
	scripts_close(&m->scripts);
	guard_close(&m->guard);
	notify_close(&m->notify);
	if (m->pidfile >= 0)
		rundir_clean(m->law->config.run_dir);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	law_free(m->before);
	law_free(m->candidate);
	law_free(m->law);
	loop_free(m->loop);
	free(m);
}

static struct monitor *monitor_new(const struct child_args *a)
{
	struct monitor *m = calloc(1, sizeof(*m));

	if (!m)
		abort();
	*m = (struct monitor){.args = a,
	    .loop = loop_new(),
	    .pidfile = -1,
	    .empty = -1,
	    .control = -1,
	    .signals = -1,
	    .waiter = -1,
	    .notify = {.fd = -1}};
	return m;
}

int monitor_main(const struct child_args *a, bool foreground)
{
	struct monitor *m = monitor_new(a);
	int status = EXIT_FAILURE;

	log_start(LOG_TO_STDERR, LOG_LEVEL_INFO, "posternd", -1);
	if (daemon_tidy() || prepare(m))
		goto out;
	notify_open(&m->notify, getenv("NOTIFY_SOCKET"));
	if (!foreground) {
		m->waiter = daemon_leave();
		if (m->waiter < 0)
			goto out;
	}
	start_log(&m->law->config, foreground);
	if (open_all(m) == 0)
		status = run(m);
	log_info("stopped", "status=%d", status);
out:
	close_all(m);
	return status;
}
