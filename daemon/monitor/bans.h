/*
 * bans - may auth have that address banned? Judged by the monitor's own
 * configuration alone, as if auth were taken.
 * Process: monitor. No state, no I/O.
 */
#ifndef POSTERN_MONITOR_BANS_H
#define POSTERN_MONITOR_BANS_H

#include "config.h"
#include "message.h"

/* Why a request was refused; BANS_FINE when it was not. */
enum bans_verdict {
	BANS_FINE,
	BANS_OFF,     /* the configuration bans nobody */
	BANS_FORM,    /* stray bytes */
	BANS_ADDRESS, /* no address that a door could be for */
	BANS_EXCEPT,  /* one of ban-except */
	BANS_TIME,    /* no time, or longer than ban-for */
};

/* MSG_BAN must be within the law; MSG_UNBAN well-formed, for a ban may be older than the law. */
enum bans_verdict bans_judge(const struct config *c, const struct msg_ban *m)
    __attribute__((warn_unused_result));

/* For the log; a constant. */
const char *bans_verdict_text(enum bans_verdict v);

#endif
