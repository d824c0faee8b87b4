/* command - see command.h. */
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "command_session.h"
#include "log.h"

enum {
	READ_CHUNK = 4096,
	READS_A_TURN = 16, /* a flood must not hold up a door */
	OPEN_FILES = 1024,
	PROCESSES = 1024, /* of its user, all of them together; root has as many as it wants */
	STANDARD_VARIABLES = 5,
	STANDARD_VARIABLE_MAX = USER_HOME_MAX + sizeof("LOGNAME="),
	SIGNAL_BASE = 128,
	UNSTARTED_STATUS = 127,
};

struct slot {
	struct commands *all;
	pid_t pid; /* 0: free */
	int pidfd, output;
	uint64_t until_ms; /* CLOCK_MONOTONIC */
	bool timed_out;
	struct command_end end;
};

/* What a command left behind in its session, until its time is over. */
struct remains {
	struct commands *all;
	pid_t leader; /* dead, and not waited for yet; 0: free */
};

struct commands {
	struct loop *loop;
	command_done *done;
	void *arg;
	struct slot slot[COMMANDS_MAX];
	struct remains left[COMMANDS_MAX];
};

/* --- in the child, between fork and exec --- */

static void give_up(const char *step)
{
	dprintf(STDERR_FILENO, "%s: %s\n", step, strerror(errno));
	_exit(UNSTARTED_STATUS);
}

static void set_standard_descriptors(int output)
{
	const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
	    dup2(output, STDERR_FILENO) < 0)
		_exit(UNSTARTED_STATUS);
	if (close_range(STDERR_FILENO + 1, ~0U, 0))
		give_up("close_range");
}

static void reset_signals(void)
{
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		(void)signal(i, SIG_DFL); /* those that cannot be set stay as they are */
	(void)sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL))
		give_up("sigprocmask");
}

/* Somebody may have given us less: to raise it takes a right that the monitor has not. */
static void limit(int what, rlim_t most)
{
	struct rlimit l;

	if (getrlimit((__rlimit_resource_t)what, &l))
		give_up("getrlimit");
	if (l.rlim_max > most)
		l.rlim_max = most;
	l.rlim_cur = l.rlim_max;
	if (setrlimit((__rlimit_resource_t)what, &l))
		give_up("setrlimit");
}

static void set_limits(void)
{
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_NOFILE, OPEN_FILES);
	limit(RLIMIT_NPROC, PROCESSES);
}

static void become(const struct user *who)
{
	if (setgroups((size_t)who->groups_len, who->groups) ||
	    setresgid(who->gid, who->gid, who->gid) || setresuid(who->uid, who->uid, who->uid))
		give_up("change of user");
}

static void put(char *out, const char *name, const char *value)
{
	if (snprintf(out, STANDARD_VARIABLE_MAX, "%s=%s", name, value) >= STANDARD_VARIABLE_MAX)
		_exit(UNSTARTED_STATUS);
}

static void execute(const struct command_order *o, int output)
{
	char standard[STANDARD_VARIABLES][STANDARD_VARIABLE_MAX];
	char *environment[STANDARD_VARIABLES + COMMAND_VARIABLES_MAX + 1];
	size_t n = 0;

	put(standard[0], "PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
	put(standard[1], "HOME", o->user->home);
	put(standard[2], "USER", o->user->name);
	put(standard[3], "LOGNAME", o->user->name);
	put(standard[4], "LANG", "C");
	for (; n < STANDARD_VARIABLES; n++)
		environment[n] = standard[n];
	for (size_t i = 0; o->variables && o->variables[i] && i < COMMAND_VARIABLES_MAX; i++)
		environment[n++] = (char *)(uintptr_t)o->variables[i];
	environment[n] = NULL;
	if (setsid() < 0)
		_exit(UNSTARTED_STATUS);
	set_standard_descriptors(output);
	reset_signals();
	set_limits();
	(void)umask(022);
	if (chdir("/"))
		give_up("/");
	become(o->user);
	execve(o->argv[0], (char *const *)(uintptr_t)o->argv, environment);
	give_up(o->argv[0]);
}

/* --- in the monitor --- */

static void keep(struct command_end *end, const uint8_t *bytes, size_t len)
{
	size_t room = sizeof(end->output) - end->output_len;

	if (len > room) {
		end->cut = true;
		len = room;
	}
	memcpy(end->output + end->output_len, bytes, len);
	end->output_len += len;
}

static void stop_reading(struct slot *s)
{
	if (s->output < 0)
		return;
	loop_unwatch(s->all->loop, s->output);
	(void)close(s->output);
	s->output = -1;
}

static void read_output(void *arg)
{
	struct slot *s = arg;
	uint8_t bytes[READ_CHUNK];

	for (int i = 0; i < READS_A_TURN && s->output >= 0; i++) {
		const ssize_t n = read(s->output, bytes, sizeof(bytes));

		if (n > 0) {
			keep(&s->end, bytes, (size_t)n);
			continue;
		}
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			stop_reading(s);
		return;
	}
}

static void time_is_over(void *arg)
{
	struct slot *s = arg;

	s->timed_out = true;
	command_session_kill(s->pid);
}

static void release(struct slot *s)
{
	stop_reading(s);
	loop_cancel(s->all->loop, time_is_over, s);
	if (s->pidfd >= 0) {
		loop_unwatch(s->all->loop, s->pidfd);
		(void)close(s->pidfd);
	}
	s->pidfd = -1;
	s->pid = 0;
}

static void judge(struct slot *s, const siginfo_t *how)
{
	if (how->si_code == CLD_EXITED) {
		s->end.outcome = COMMAND_ENDED;
		s->end.exit_status = (uint8_t)how->si_status;
	} else {
		s->end.outcome = COMMAND_SIGNALED;
		s->end.exit_status = (uint8_t)(SIGNAL_BASE + how->si_status);
	}
	if (s->timed_out)
		s->end.outcome = COMMAND_TIMEOUT;
}

static void end_session(pid_t leader)
{
	command_session_kill(leader);
	(void)waitpid(leader, NULL, 0);
}

static void end_remains(void *arg)
{
	struct remains *r = arg;

	loop_cancel(r->all->loop, end_remains, r);
	end_session(r->leader);
	r->leader = 0;
}

/*
 * A daemon that it has just started may be about to leave the session, so
 * nothing is killed before the time. Its leader keeps the session's number.
 */
static void leave_behind(const struct slot *s)
{
	const uint64_t now = clock_mono_ms(), left = s->until_ms > now ? s->until_ms - now : 0;
	struct commands *all = s->all;

	if (!s->timed_out && command_session_has_more(s->pid))
		for (size_t i = 0; i < COMMANDS_MAX; i++) {
			struct remains *r = &all->left[i];

			if (r->leader != 0 || loop_timer(all->loop, left, end_remains, r) != 0)
				continue;
			r->leader = s->pid;
			return;
		}
	end_session(s->pid);
}

static void ended(void *arg)
{
	struct slot *s = arg;
	struct commands *all = s->all;
	struct command_end end;
	siginfo_t how = {.si_pid = 0};

	if (waitid(P_PID, (id_t)s->pid, &how, WEXITED | WNOHANG | WNOWAIT) != 0 ||
	    how.si_pid != s->pid)
		return;
	read_output(s); /* what lies in the pipe is its last word, whoever else holds the pipe */
	judge(s, &how);
	end = s->end;
	leave_behind(s);
	release(s);
	all->done(all->arg, &end);
}

static int watch(struct slot *s, uint32_t timeout_s)
{
	struct loop *l = s->all->loop;

	s->until_ms = clock_mono_ms() + (uint64_t)timeout_s * MS_PER_S;
	s->pidfd = pidfd_open(s->pid, 0);
	if (s->pidfd >= 0 && loop_watch(l, s->pidfd, ended, s) == 0 &&
	    loop_watch(l, s->output, read_output, s) == 0 &&
	    loop_timer(l, (uint64_t)timeout_s * MS_PER_S, time_is_over, s) == 0)
		return 0;
	log_error("command_failed", "error=\"%s\"", strerror(errno));
	end_session(s->pid);
	release(s);
	return -1;
}

static int start(struct slot *s, const struct command_order *o)
{
	int pipe_ends[2];

	if (pipe2(pipe_ends, O_CLOEXEC)) {
		log_error("command_failed", "error=\"%s\"", strerror(errno));
		return -1;
	}
	s->end = (struct command_end){.id = o->id};
	s->timed_out = false;
	s->output = pipe_ends[0];
	s->pid = fork();
	if (s->pid == 0)
		execute(o, pipe_ends[1]);
	(void)close(pipe_ends[1]);
	if (s->pid < 0 || fcntl(s->output, F_SETFL, O_NONBLOCK)) {
		log_error("command_failed", "error=\"%s\"", strerror(errno));
		if (s->pid > 0)
			end_session(s->pid);
		s->pid = 0;
		(void)close(s->output);
		s->output = -1;
		return -1;
	}
	return watch(s, o->timeout_s);
}

int command_run(struct commands *cs, const struct command_order *o)
{
	for (size_t i = 0; i < COMMANDS_MAX; i++)
		if (cs->slot[i].pid == 0)
			return start(&cs->slot[i], o);
	return -1;
}

struct commands *commands_new(struct loop *loop, command_done *done, void *arg)
{
	struct commands *cs = calloc(1, sizeof(*cs));

	if (!cs)
		abort();
	*cs = (struct commands){.loop = loop, .done = done, .arg = arg};
	for (size_t i = 0; i < COMMANDS_MAX; i++)
		cs->slot[i] = (struct slot){.all = cs, .pidfd = -1, .output = -1};
	for (size_t i = 0; i < COMMANDS_MAX; i++)
		cs->left[i].all = cs;
	return cs;
}

void commands_free(struct commands *cs)
{
	if (!cs)
		return;
	for (size_t i = 0; i < COMMANDS_MAX; i++) {
		struct slot *s = &cs->slot[i];

		if (cs->left[i].leader != 0)
			end_remains(&cs->left[i]);
		if (s->pid == 0)
			continue;
		end_session(s->pid);
		release(s);
	}
	free(cs);
}

void commands_forget(struct commands *cs)
{
	for (size_t i = 0; i < COMMANDS_MAX; i++)
		cs->slot[i].end.forgotten = true;
}

size_t commands_running(const struct commands *cs)
{
	size_t n = 0;

	for (size_t i = 0; i < COMMANDS_MAX; i++)
		n += cs->slot[i].pid != 0;
	return n;
}
