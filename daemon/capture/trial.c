#include "trial.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "carrier.h"
#include "clock.h"
#include "jail.h"
#include "log.h"

enum {
	FD_LOG_OF_TRIAL = 3,
	FD_VERDICT_OF_TRIAL = 4, /* where there is one; all above is the source's */
	FD_OUT_OF_THE_WAY = 10,
	BATCH_FRAMES = 256, /* as the daemon reads */
	TURN_MS = 20,	    /* how long what we are asked may wait when no frame comes */
	TICK_MS = 1000,
	PATIENCE_MS = 5000,
	WAIT_US = 1000,
};

enum trial_state { TRIAL_STARTING, TRIAL_READING, TRIAL_FAILED };

/*
 * In memory that both processes have. The trial owns report; the other side
 * reads it when answered equals asked, and never asks before that.
 */
struct shared {
	int state; /* enum trial_state */
	bool begin;
	uint32_t asked, answered;
	uint64_t from_ns, until_ns;
	struct trial_report report;
};

struct trial {
	pid_t pid; /* 0 when it has been waited for */
	int log;
	struct shared *shared;
};

/* The process's own side. */
struct reader {
	const struct capture_method *method;
	void *source;
	struct shared *shared;
	struct capture_stats
	    base; /* as the method's counters were at the beginning of the window */
};

static bool on_frame(void *arg, const struct capture_frame *frame)
{
	struct reader *r = arg;
	struct shared *s = r->shared;
	uint64_t now = clock_real_ns();

	s->report.all++;
	if (frame->seen_ns < s->from_ns || frame->seen_ns >= s->until_ns)
		return false;
	histogram_add(&s->report.latency, now > frame->seen_ns ? now - frame->seen_ns : 0);
	__atomic_store_n(&s->report.frames, s->report.frames + 1, __ATOMIC_RELAXED);
	return false; /* whoever it is meant for shall have it */
}

static void obey(struct reader *r)
{
	struct shared *s = r->shared;
	uint32_t asked = __atomic_load_n(&s->asked, __ATOMIC_ACQUIRE);
	struct capture_stats now = {0};

	if (asked == s->answered)
		return;
	r->method->stats(r->source, &now);
	if (s->begin) {
		memset(&s->report, 0, sizeof(s->report));
		r->base = now;
	}
	s->report.kernel = (struct capture_stats){.seen = now.seen - r->base.seen,
	    .lost = now.lost - r->base.lost,
	    .gate = now.gate - r->base.gate,
	    .length = now.length - r->base.length};
	__atomic_store_n(&s->answered, asked, __ATOMIC_RELEASE);
}

static _Noreturn void read_on(struct reader *r)
{
	struct pollfd ready = {.fd = r->method->fd(r->source), .events = POLLIN};
	enum capture_status status = CAPTURE_UP;
	uint64_t tick_ms = clock_mono_ms();

	__atomic_store_n(&r->shared->state, TRIAL_READING, __ATOMIC_RELEASE);
	while (status == CAPTURE_UP || status == CAPTURE_DOWN) {
		if (poll(&ready, 1, TURN_MS) > 0)
			status = r->method->read(r->source, BATCH_FRAMES, on_frame, r);
		if (status == CAPTURE_UP && clock_mono_ms() - tick_ms >= TICK_MS) {
			status = r->method->tick(r->source);
			tick_ms = clock_mono_ms();
		}
		obey(r);
	}
	_exit(EXIT_FAILURE);
}

static int place(int fd, int at)
{
	return dup2(fd, at) == at ? 0 : -1;
}

/* Descriptors as the daemon's children have them: nowhere, a log, and little else. */
static int arrange_descriptors(const struct trial_plan *p, int log)
{
	const int nowhere =
	    fcntl(open("/dev/null", O_RDWR | O_CLOEXEC), F_DUPFD, FD_OUT_OF_THE_WAY);
	const int safe_log = fcntl(log, F_DUPFD, FD_OUT_OF_THE_WAY);
	const int verdicts = p->verdicts > 0 ? fcntl(p->verdicts, F_DUPFD, FD_OUT_OF_THE_WAY) : -1;

	if (place(p->input >= 0 ? p->input : nowhere, STDIN_FILENO) != 0 ||
	    place(nowhere, STDOUT_FILENO) != 0 || place(nowhere, STDERR_FILENO) != 0 ||
	    place(safe_log, FD_LOG_OF_TRIAL) != 0)
		return -1;
	if (verdicts >= 0 && place(verdicts, FD_VERDICT_OF_TRIAL) != 0)
		return -1;
	return close_range((verdicts >= 0 ? FD_VERDICT_OF_TRIAL : FD_LOG_OF_TRIAL) + 1, ~0U, 0);
}

/* An empty working directory that nobody can put anything into: it is gone. */
static int enter_nowhere(void)
{
	char path[] = "/tmp/postern-trial-XXXXXX";

	if (mkdtemp(path) == NULL)
		return -1;
	return chdir(path) == 0 && rmdir(path) == 0 ? 0 : -1;
}

/* Open, jail, and read; returns when it cannot. */
static void run_method(struct reader *r, const struct trial_plan *p)
{
	struct capture_want want = p->want;

	if (p->method->keys != NULL) /* it looks at what would be a knock */
		want.udp_port = p->port;
	want.verdicts = p->verdicts > 0 ? FD_VERDICT_OF_TRIAL : 0;
	if (jail_open(p->method, &want, &r->source) != CAPTURE_UP ||
	    jail_enter(p->method, p->uid, p->gid,
		p->verdicts > 0 ? FD_VERDICT_OF_TRIAL : FD_LOG_OF_TRIAL) != 0)
		return;
	if (p->method->keys != NULL && p->key != NULL)
		p->method->keys(r->source, p->key, 1);
	read_on(r);
}

static _Noreturn void be_trial(const struct trial_plan *p, struct shared *shared, int log)
{
	struct reader r = {.method = p->method, .shared = shared};
	sigset_t none;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (arrange_descriptors(p, log) == 0 && enter_nowhere() == 0) {
		log_start(LOG_TO_FD, LOG_LEVEL_WARNING, "trial", FD_LOG_OF_TRIAL);
		run_method(&r, p);
	}
	_exit(EXIT_FAILURE);
}

/* Has the process ended? Then it has been waited for, too. */
static bool dead(struct trial *t)
{
	if (t->pid != 0 && waitpid(t->pid, NULL, WNOHANG) == t->pid)
		t->pid = 0;
	return t->pid == 0;
}

static bool wait_for(struct trial *t, const int *state, const uint32_t *answered)
{
	uint64_t until = clock_mono_ms() + PATIENCE_MS;

	while (clock_mono_ms() < until) {
		if (state != NULL && __atomic_load_n(state, __ATOMIC_ACQUIRE) == TRIAL_READING)
			return true;
		if (answered != NULL &&
		    __atomic_load_n(answered, __ATOMIC_ACQUIRE) == t->shared->asked)
			return true;
		if (dead(t))
			return false;
		(void)usleep(WAIT_US);
	}
	return false;
}

/* The value of error="..." of a log line where it has one, else all of it. */
static void keep_reason(char *why, char *line)
{
	static const char key[] = " error=\"";
	char *at = strstr(line, key);
	char *end;

	if (at != NULL) {
		at += sizeof(key) - 1;
		end = strrchr(at, '"');
		if (end != NULL)
			*end = '\0';
		line = at;
	}
	(void)snprintf(why, TRIAL_WHY_MAX, "%.*s", TRIAL_WHY_MAX - 1, line);
}

void trial_why(struct trial *t, char why[static TRIAL_WHY_MAX])
{
	char record[LOG_LINE_MAX + 1];
	ssize_t n;

	why[0] = '\0';
	while ((n = recv(t->log, record, sizeof(record) - 1, MSG_DONTWAIT)) > 1) {
		record[n] = '\0';
		keep_reason(why, record + 1); /* behind the byte of the level */
	}
}

static struct trial *trial_new(int log)
{
	struct trial *t = calloc(1, sizeof(*t));

	if (t == NULL)
		abort();
	t->log = log;
	t->shared = mmap(
	    NULL, sizeof(*t->shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (t->shared == MAP_FAILED)
		abort();
	return t;
}

struct trial *trial_start(const struct trial_plan *p, char why[static TRIAL_WHY_MAX])
{
	int log[2];
	struct trial *t;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, log) != 0) {
		(void)snprintf(why, TRIAL_WHY_MAX, "no socket");
		return NULL;
	}
	t = trial_new(log[0]);
	(void)fflush(NULL);
	t->pid = fork();
	if (t->pid == 0)
		be_trial(p, t->shared, log[1]);
	(void)close(log[1]);
	if (t->pid > 0 && wait_for(t, &t->shared->state, NULL))
		return t;
	trial_why(t, why);
	if (why[0] == '\0')
		(void)snprintf(why, TRIAL_WHY_MAX, "its process did not start");
	trial_end(t);
	return NULL;
}

pid_t trial_pid(const struct trial *t)
{
	return t->pid;
}

static int ask(struct trial *t, bool begin)
{
	struct shared *s = t->shared;

	s->begin = begin;
	__atomic_store_n(&s->asked, s->asked + 1, __ATOMIC_RELEASE);
	return wait_for(t, NULL, &s->answered) ? 0 : -1;
}

int trial_begin(struct trial *t, uint64_t from_ns, uint64_t until_ns)
{
	__atomic_store_n(&t->shared->from_ns, from_ns, __ATOMIC_RELAXED);
	__atomic_store_n(&t->shared->until_ns, until_ns, __ATOMIC_RELAXED);
	return ask(t, true);
}

uint64_t trial_frames(const struct trial *t)
{
	return __atomic_load_n(&t->shared->report.frames, __ATOMIC_RELAXED);
}

int trial_report(struct trial *t, struct trial_report *out)
{
	if (ask(t, false) != 0)
		return -1;
	*out = t->shared->report;
	return 0;
}

void trial_end(struct trial *t)
{
	if (t == NULL)
		return;
	if (t->pid > 0) {
		(void)kill(t->pid, SIGTERM);
		(void)waitpid(t->pid, NULL, 0);
	}
	(void)munmap(t->shared, sizeof(*t->shared));
	(void)close(t->log);
	free(t);
}
