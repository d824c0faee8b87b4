/* command - see command.h. */
#include "command.h"

#include <dirent.h>
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
#include "log.h"

enum {
	READ_CHUNK = 4096,
	READS_A_TURN = 16, /* a flood must not hold up a door */
	OPEN_FILES = 1024,
	STANDARD_VARIABLES = 5,
	STANDARD_VARIABLE_MAX = USER_HOME_MAX + sizeof("LOGNAME="),
	SIGNAL_BASE = 128,
	UNSTARTED_STATUS = 127,
	STAT_MAX = 512,
	DECIMAL = 10,
};

struct slot {
	struct commands *all;
	pid_t pid; /* 0: free */
	int pidfd, output;
	bool timed_out;
	struct command_end end;
};

struct commands {
	struct loop *loop;
	command_done *done;
	void *arg;
	struct slot slot[COMMANDS_MAX];
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

static void set_limits(void)
{
	const struct rlimit no_core = {0, 0}, files = {OPEN_FILES, OPEN_FILES};

	if (setrlimit(RLIMIT_CORE, &no_core) || setrlimit(RLIMIT_NOFILE, &files))
		give_up("setrlimit");
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

/* The session of a process, the fourth word after its name, which ends with the last ')'. 0: none. */
static long session_in(const char *stat)
{
	enum { PARENT, GROUP, SESSION, WORDS };
	const char *at = strrchr(stat, ')');
	long word[WORDS];
	char *end;

	if (!at || strlen(at) < sizeof(") S "))
		return 0;
	at += sizeof(") S ") - 1;
	for (int i = PARENT; i < WORDS; i++, at = end) {
		word[i] = strtol(at, &end, DECIMAL);
		if (end == at)
			return 0;
	}
	return word[SESSION];
}

static long session_of(const char *pid)
{
	char path[sizeof("/proc//stat") + NAME_MAX], text[STAT_MAX];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	text[n > 0 ? n : 0] = '\0';
	return session_in(text);
}

/* Held before it is looked at: whoever gets its number after it is not meant. */
static void kill_if_of(pid_t leader, const char *pid)
{
	const int held = pidfd_open((pid_t)strtol(pid, NULL, DECIMAL), 0);

	if (held < 0)
		return;
	if (session_of(pid) == leader)
		(void)pidfd_send_signal(held, SIGKILL, NULL, 0);
	(void)close(held);
}

/* Those that changed their group inside of the session, too; and one that has not made its session yet. */
static void kill_session(pid_t leader)
{
	DIR *proc = opendir("/proc");
	const struct dirent *e;

	(void)kill(leader, SIGKILL);
	(void)kill(-leader, SIGKILL);
	if (!proc)
		return;
	while ((e = readdir(proc)) != NULL)
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9')
			kill_if_of(leader, e->d_name);
	(void)closedir(proc);
}

static void time_is_over(void *arg)
{
	struct slot *s = arg;

	s->timed_out = true;
	kill_session(s->pid);
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

static void judge(struct slot *s, int status)
{
	if (WIFEXITED(status)) {
		s->end.outcome = COMMAND_ENDED;
		s->end.exit_status = (uint8_t)WEXITSTATUS(status);
	} else {
		s->end.outcome = COMMAND_SIGNALED;
		s->end.exit_status = (uint8_t)(SIGNAL_BASE + WTERMSIG(status));
	}
	if (s->timed_out)
		s->end.outcome = COMMAND_TIMEOUT;
}

static void ended(void *arg)
{
	struct slot *s = arg;
	struct commands *all = s->all;
	struct command_end end;
	int status = 0;

	if (waitpid(s->pid, &status, WNOHANG) != s->pid)
		return;
	read_output(s); /* what lies in the pipe is its last word, whoever else holds the pipe */
	judge(s, status);
	end = s->end;
	release(s);
	all->done(all->arg, &end);
}

static int watch(struct slot *s, uint32_t timeout_s)
{
	struct loop *l = s->all->loop;

	s->pidfd = pidfd_open(s->pid, 0);
	if (s->pidfd >= 0 && loop_watch(l, s->pidfd, ended, s) == 0 &&
	    loop_watch(l, s->output, read_output, s) == 0 &&
	    loop_timer(l, (uint64_t)timeout_s * MS_PER_S, time_is_over, s) == 0)
		return 0;
	log_error("command_failed", "error=\"%s\"", strerror(errno));
	kill_session(s->pid);
	(void)waitpid(s->pid, NULL, 0);
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
		if (s->pid > 0) {
			kill_session(s->pid);
			(void)waitpid(s->pid, NULL, 0);
		}
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
	return cs;
}

void commands_free(struct commands *cs)
{
	if (!cs)
		return;
	for (size_t i = 0; i < COMMANDS_MAX; i++) {
		struct slot *s = &cs->slot[i];

		if (s->pid == 0)
			continue;
		kill_session(s->pid);
		(void)waitpid(s->pid, NULL, 0);
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
