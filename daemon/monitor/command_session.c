/* command_session - see command_session.h. */
#include "command_session.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

enum {
	STAT_MAX = 512,
	DECIMAL = 10,
	ROUNDS_MAX =
	    8, /* whoever is killed forks no more: those that were made meanwhile are few */
};

/* The session of a process, the fourth word after its name, which ends with the last ')'. 0: none, or it is dead. */
static long session_in(const char *stat)
{
	enum { PARENT, GROUP, SESSION, WORDS };
	const char *at = strrchr(stat, ')');
	long word[WORDS];
	char *end;

	if (!at || strlen(at) < sizeof(") S ") || at[2] == 'Z' || at[2] == 'X')
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

/* Held before it is looked at: whoever gets its number after it is not meant. Returns whether it was of it. */
static bool kill_if_of(pid_t leader, const char *pid)
{
	const int held = pidfd_open((pid_t)strtol(pid, NULL, DECIMAL), 0);
	bool is_of;

	if (held < 0)
		return false;
	is_of = session_of(pid) == leader;
	if (is_of)
		(void)pidfd_send_signal(held, SIGKILL, NULL, 0);
	(void)close(held);
	return is_of;
}

static bool is_of(pid_t leader, const char *pid)
{
	return session_of(pid) == leader;
}

/* How many others what is true of. */
static unsigned count_others(pid_t leader, bool (*what)(pid_t leader, const char *pid))
{
	DIR *proc = opendir("/proc");
	const struct dirent *e;
	unsigned n = 0;

	if (!proc)
		return 0;
	while ((e = readdir(proc)) != NULL)
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9' &&
		    strtol(e->d_name, NULL, DECIMAL) != leader)
			n += what(leader, e->d_name);
	(void)closedir(proc);
	return n;
}

/* Those that changed their group inside of the session, too; and a leader that has not made its session yet. */
void command_session_kill(pid_t leader)
{
	(void)kill(leader, SIGKILL);
	(void)kill(-leader, SIGKILL);
	for (unsigned i = 0; i < ROUNDS_MAX && count_others(leader, kill_if_of) > 0; i++) {
	}
}

bool command_session_has_more(pid_t leader)
{
	return count_others(leader, is_of) > 0;
}
