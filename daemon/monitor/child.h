/*
 * child - one process of ours: start, end, and what it logs.
 * Process: monitor.
 */
#ifndef POSTERN_MONITOR_CHILD_H
#define POSTERN_MONITOR_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "log.h"
#include "loop.h"
#include "process.h"

enum { CHILD_TAG_MAX = 48, CHILD_SAID_MAX = 160, CHILD_GRACE_MS = 2000 };

struct child {
	pid_t pid; /* 0: not running */
	int pidfd, log;
	uint64_t started_ms;
	bool started_before;
	struct log_limit limit;
	char said[CHILD_SAID_MAX]; /* its last line of an error since it was started; printable */
	char tag[CHILD_TAG_MAX];   /* "auth", "capture eth0": in the log */
	struct loop *loop;
	void (*died)(void *arg, int status,
	    uint64_t lived_ms); /* status of waitpid(2); child is not running any more */
	void *arg;
};

/* What it starts with. */
struct child_start {
	const char *const *argv; /* NULL-terminated; argv[0] is what ps shows */
	int fd[FD_CHILD_END];	 /* by number, from FD_PEER; -1: closed in the child. Borrowed. */
	int root;		 /* its working directory: an empty one */
	bool keep_input;	 /* our standard input is its own, too */
};

void child_init(struct child *c, struct loop *loop, void (*died)(void *, int, uint64_t), void *arg);

/*
 * Fork and exec of ourselves with exactly those descriptors, SIGKILL when we
 * die, no signal blocked, an environment of next to nothing. What it logs comes out
 * with c->tag. Returns 0; -1 and logged.
 */
int child_start(struct child *c, const struct child_start *s) __attribute__((warn_unused_result));
void child_signal(const struct child *c, int signal);
/* It said what no child of ours says: kill it. died() is called as for any death. */
void child_condemn(const struct child *c, const char *why);

/* How it ended, for the log: "exit=1", "signal=9". */
const char *child_status_text(char *out, size_t size, int status);

#endif
