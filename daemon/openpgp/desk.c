/* desk - see desk.h. */
#include "desk.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "gpg_home.h"
#include "log.h"
#include "secret.h"

enum { AGENT_PAUSE_MS = 1000, AGENT_SHORT_MS = 2000, TROUBLE_BURST = 5, TROUBLE_MS = 10000 };

struct place {
	struct desk *desk;
	bool taken;
	bool again; /* the agent was killed under it: it is not to blame, and begun anew once */
	bool begun_again;
	struct msg_pgp m;
	struct gpg_work work;
};

struct desk {
	struct loop *loop;
	const char *home;
	desk_done *done;
	void *arg;
	int agent_socket;
	pid_t agent; /* 0: none */
	uint64_t agent_started_ms;
	struct log_limit trouble;
	struct gpg_result *result; /* of the request that is looked at */
	struct place place[PGP_WAITING_MAX];
};

static void say_trouble(struct desk *d, const char *what, const char *why)
{
	char quoted[LOG_QUOTE_MAX];
	uint64_t missed = 0;

	if (log_allowed(&d->trouble, clock_mono_ms(), &missed))
		log_warning("gpg", "what=%s why=%s missed=%llu", what,
		    log_quote(quoted, why, strlen(why)), (unsigned long long)missed);
}

/* --- the agent --- */

static void start_agent(void *arg)
{
	struct desk *d = arg;

	d->agent = gpg_agent_start(d->home, d->agent_socket);
	d->agent_started_ms = clock_mono_ms();
	if (d->agent > 0)
		return;
	d->agent = 0;
	say_trouble(d, "agent", strerror(errno));
	(void)loop_timer(d->loop, AGENT_PAUSE_MS, start_agent, d);
}

static void agent_ended(struct desk *d)
{
	const uint64_t lived_ms = clock_mono_ms() - d->agent_started_ms;

	d->agent = 0;
	if (lived_ms >= AGENT_SHORT_MS) {
		start_agent(d);
		return;
	}
	say_trouble(d, "agent", "gpg-agent ends as soon as it starts");
	(void)loop_timer(d->loop, AGENT_PAUSE_MS, start_agent, d);
}

/* --- requests --- */

static void operate(const void *arg, struct gpg_result *out)
{
	const struct place *p = arg;
	const struct gpg_keys keys = {.home = p->desk->home, .peer = p->m.fingerprint};

	if (p->m.head.type == MSG_PGP_SEAL)
		gpg_seal(&keys, p->m.data, p->m.len, out);
	else
		gpg_open(&keys, p->m.data, p->m.len, out);
}

static void readable(void *arg);
static void too_late(void *arg);

static int begin(struct place *p)
{
	struct desk *d = p->desk;

	if (gpg_work_start(&p->work, operate, p) < 0) {
		say_trouble(d, "process", strerror(errno));
		return -1;
	}
	if (loop_watch(d->loop, p->work.fd, readable, p) == 0 &&
	    loop_timer(d->loop, DESK_PATIENCE_MS, too_late, p) == 0)
		return 0;
	loop_unwatch(d->loop, p->work.fd);
	gpg_work_kill(&p->work);
	return -1;
}

static void leave(struct place *p, enum pgp_status status)
{
	struct desk *d = p->desk;
	struct msg_pgp m = {.head = {MSG_PGP_DONE, sizeof(m)}, .id = p->m.id, .status = status};

	if (status == PGP_OK && d->result->len > 0 && d->result->len <= PGP_DATA_MAX) {
		m.len = (uint16_t)d->result->len;
		memcpy(m.data, d->result->data, m.len);
	} else if (status == PGP_OK) {
		m.status = PGP_REFUSED;
	}
	secret_wipe(&p->m, sizeof(p->m));
	p->taken = p->again = p->begun_again = false;
	d->done(d->arg, &m);
	secret_wipe(&m, sizeof(m));
}

static void stop_waiting(struct place *p)
{
	loop_unwatch(p->desk->loop, p->work.fd);
	loop_cancel(p->desk->loop, too_late, p);
}

static void readable(void *arg)
{
	struct place *p = arg;
	struct desk *d = p->desk;
	enum pgp_status status = PGP_FAILED;

	stop_waiting(p);
	gpg_work_take(&p->work, d->result);
	if (d->result->status != GPG_OK && p->again && !p->begun_again) {
		p->begun_again = true;
		if (begin(p) == 0)
			return;
	}
	if (d->result->status == GPG_OK)
		status = PGP_OK;
	else if (d->result->status == GPG_REFUSED)
		status = PGP_REFUSED;
	if (status != PGP_OK)
		say_trouble(d, p->m.head.type == MSG_PGP_SEAL ? "seal" : "open", d->result->why);
	leave(p, status);
	secret_wipe(d->result, sizeof(*d->result));
}

/*
 * It may hang by itself or because the agent does, which cannot be told apart;
 * a new agent is there at once, and those that lose theirs begin anew.
 */
static void too_late(void *arg)
{
	struct place *p = arg;
	struct desk *d = p->desk;

	stop_waiting(p);
	gpg_work_kill(&p->work);
	if (d->agent > 0)
		(void)kill(d->agent, SIGKILL);
	for (unsigned i = 0; i < PGP_WAITING_MAX; i++)
		d->place[i].again |= d->place[i].taken && &d->place[i] != p;
	say_trouble(d, p->m.head.type == MSG_PGP_SEAL ? "seal" : "open",
	    "not done in time: gpg and its agent were killed");
	leave(p, PGP_FAILED);
}

int desk_take(struct desk *d, const struct msg_pgp *m)
{
	struct place *p = NULL;

	for (unsigned i = 0; i < PGP_WAITING_MAX && !p; i++)
		if (!d->place[i].taken)
			p = &d->place[i];
	if (!p)
		return -1;
	p->taken = true;
	p->m = *m;
	if (begin(p) < 0)
		leave(p, PGP_FAILED);
	return 0;
}

/* Before it is reaped its number is its own, so its group can still be killed. */
static void ended(struct desk *d, pid_t pid)
{
	for (unsigned i = 0; i < PGP_WAITING_MAX; i++)
		if (d->place[i].taken && d->place[i].work.pid == pid)
			readable(&d->place[i]);
}

void desk_reap(struct desk *d)
{
	siginfo_t info;

	for (;;) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid == 0)
			return;
		ended(d, info.si_pid);
		if (waitpid(info.si_pid, NULL, WNOHANG) == d->agent && d->agent > 0)
			agent_ended(d);
	}
}

struct desk *desk_new(struct loop *loop, const char *home, desk_done *done, void *arg)
{
	struct desk *d = calloc(1, sizeof(*d));

	if (!d)
		abort();
	*d = (struct desk){.loop = loop,
	    .home = home,
	    .done = done,
	    .arg = arg,
	    .trouble = {.burst = TROUBLE_BURST, .period_ms = TROUBLE_MS},
	    .result = calloc(1, sizeof(*d->result)),
	    .agent_socket = gpg_agent_socket(home)};
	if (!d->result)
		abort();
	for (unsigned i = 0; i < PGP_WAITING_MAX; i++)
		d->place[i] = (struct place){.desk = d, .work = {.fd = -1}};
	if (d->agent_socket >= 0) {
		start_agent(d);
		return d;
	}
	log_error(
	    "gpg", "home=%s error=\"%s\": its agent cannot be started", home, strerror(errno));
	desk_free(d);
	return NULL;
}

void desk_free(struct desk *d)
{
	if (!d)
		return;
	for (unsigned i = 0; i < PGP_WAITING_MAX; i++)
		gpg_work_kill(&d->place[i].work);
	if (d->agent > 0)
		(void)kill(d->agent, SIGKILL);
	if (d->agent_socket >= 0)
		close(d->agent_socket);
	free(d->result);
	secret_wipe(d, sizeof(*d));
	free(d);
}
