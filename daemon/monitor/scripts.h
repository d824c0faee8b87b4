/*
 * scripts - tell the administrator's script what happened. Which script, and
 * as whom it runs, is the configuration's alone; what happened it is told in its
 * environment. auth only says what to tell.
 * Process: monitor.
 */
#ifndef POSTERN_MONITOR_SCRIPTS_H
#define POSTERN_MONITOR_SCRIPTS_H

#include "command.h"
#include "config.h"
#include "log.h"
#include "message.h"

struct scripts {
	struct commands *commands; /* of its own: events take no place from what clients run */
	struct log_limit rate, failures;
	uint64_t left_out;
};

void scripts_open(struct scripts *s, struct loop *loop);
/* Kills what still runs. */
void scripts_close(struct scripts *s);

/*
 * Runs c's script for m, as the user that was found for c; with too many events, or scripts that still run, it
 * is left out and told in the log. Returns 0, or -1: no sane auth says this.
 */
int scripts_tell(struct scripts *s, const struct config *c, const struct users *users,
    const struct msg_event *m) __attribute__((warn_unused_result));

#endif
