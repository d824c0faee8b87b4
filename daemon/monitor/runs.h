/*
 * runs - may auth have the command run that it asks for? Judged by the
 * monitor's own configuration alone, as if auth were taken; then run.
 * Process: monitor.
 */
#ifndef POSTERN_MONITOR_RUNS_H
#define POSTERN_MONITOR_RUNS_H

#include "command.h"
#include "config.h"
#include "log.h"
#include "message.h"

typedef void runs_done(void *arg, const struct msg_command_done *done);

struct runs {
	struct commands *commands;
	struct log_limit refusals;
	runs_done *done;
	void *arg;
};

/* done is called once for each message served, at once or when its command ended. */
void runs_open(struct runs *r, struct loop *loop, runs_done *done, void *arg);
/* Kills what still runs. */
void runs_close(struct runs *r);
/* An auth is gone: what runs goes on, but the next one, which numbers anew, hears nothing of it. */
void runs_forget(struct runs *r);

/* c is what is in force, of this generation, with its users; all may change before the command ends. */
void runs_serve(struct runs *r, const struct config *c, const struct users *users,
    uint32_t generation, const struct msg_command *m);

#endif
