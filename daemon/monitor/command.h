/*
 * command - runs what the configuration names, as the user that it names:
 * never a shell, never a word of the network's but an argument that the
 * configuration's own pattern let through.
 * Process: monitor.
 *
 * A command has a session of its own, a clean environment, no input, limits,
 * and a time. What it writes is read to the end and kept up to a bound, so
 * that neither a flood nor a full pipe holds anybody up. When its time is over
 * its whole session is killed, also when the command itself has ended before;
 * what left the session (a daemon that it started) is left alone.
 */
#ifndef POSTERN_MONITOR_COMMAND_H
#define POSTERN_MONITOR_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop.h"
#include "users.h"

enum {
	COMMANDS_MAX = 16,	   /* that run at the same time */
	COMMAND_WORDS_MAX = 24,	   /* argv without its NULL */
	COMMAND_VARIABLES_MAX = 9, /* of the caller's */
	COMMAND_VARIABLE_MAX = 256,
	COMMAND_OUTPUT_KEPT = 1024,
};

/* What to run, borrowed for the call. */
struct command_order {
	uint64_t id;		 /* comes back */
	const char *const *argv; /* NULL-terminated; argv[0] is a whole path */
	const struct user *user;
	uint32_t timeout_s;
	const char *const *variables; /* "POSTERN_CLIENT=alice" ..., NULL-terminated; or NULL */
};

enum command_outcome {
	COMMAND_ENDED,	  /* by itself: exit_status counts */
	COMMAND_SIGNALED, /* exit_status is 128 and the signal's number, as shells say it */
	COMMAND_TIMEOUT,  /* killed: its time was over */
};

struct command_end {
	uint64_t id;
	enum command_outcome outcome;
	uint8_t exit_status;
	bool cut;	/* there was more output */
	bool forgotten; /* see commands_forget() */
	size_t output_len;
	uint8_t output[COMMAND_OUTPUT_KEPT]; /* as it came: print it nowhere unescaped */
};

typedef void command_done(void *arg, const struct command_end *end);

struct commands;

/* loop is borrowed; done is called once for each that command_run() took. Aborts when there is no memory. */
struct commands *commands_new(struct loop *loop, command_done *done, void *arg);
/* Kills what still runs, tells nobody. NULL is fine. */
void commands_free(struct commands *cs);

/*
 * Start one. Returns 0, and done is called later, also for one that could not
 * be executed; -1: so many run already, or the system has no room (logged).
 */
int command_run(struct commands *cs, const struct command_order *o)
    __attribute__((warn_unused_result));

size_t commands_running(const struct commands *cs);

/* Who asked for those that run now is no more: their ends say so. */
void commands_forget(struct commands *cs);

#endif
