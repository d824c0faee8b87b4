/*
 * tool_run - a program run to its end by its argv: never through a shell, with
 * an environment of our own, for a bounded time. Process: monitor; posternctl.
 */
#ifndef POSTERN_MONITOR_TOOL_RUN_H
#define POSTERN_MONITOR_TOOL_RUN_H

#include <stdbool.h>
#include <sys/types.h>

enum {
	TOOL_PATIENCE_MS = 5000,
	TOOL_SAID_MAX = 4 << 20, /* bytes of output; it cannot write more */
	TOOL_MISSING = 127,	 /* the exit status of what could not be started */
	TOOL_KILLED = -1,	 /* it did not end in time, or not by itself */
};

/* For tools that need no more of it. */
#define TOOL_PATH "PATH=/usr/sbin:/usr/bin:/sbin:/bin"

/*
 * Run argv[0], a whole path, with input as its standard input; blocks until it
 * ends, TOOL_PATIENCE_MS at most: then it is killed with all of its group.
 *   environment  ends with NULL; NULL: TOOL_PATH alone
 *   said         NULL, or gets what it wrote to both outputs, to be freed;
 *                never NULL then
 * Returns its exit status, TOOL_MISSING or TOOL_KILLED.
 */
int tool_run(const char *const argv[], const char *const environment[], const char *input,
    char **said) __attribute__((warn_unused_result));

/*
 * The same in two steps, so that nobody needs to wait: what is between them is
 * the caller's to bound.
 */
struct tool {
	pid_t pid; /* 0: none runs */
	int end;   /* readable when it has ended; -1: that cannot be watched */
	int out;
};

/* Returns 0; -1: it could not be started. tool_end() in any case. */
int tool_start(struct tool *t, const char *const argv[], const char *const environment[],
    const char *input) __attribute__((warn_unused_result));
/* Waits for its end so long, but takes nothing. */
bool tool_has_ended(const struct tool *t, int patience_ms);
/* Wait so long, then kill it. said and result as of tool_run(). */
int tool_end(struct tool *t, int patience_ms, char **said) __attribute__((warn_unused_result));

#endif
