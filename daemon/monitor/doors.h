/*
 * doors - may auth have what it asks for? Judged by the monitor's own
 * configuration alone, as if auth were taken.
 * Process: monitor. No state, no I/O.
 */
#ifndef POSTERN_MONITOR_DOORS_H
#define POSTERN_MONITOR_DOORS_H

#include "config.h"
#include "firewall.h"
#include "message.h"

/* before: what auth may still count services in for a moment after a reload; may be NULL. */
struct doors_law {
	const struct config *now;
	const struct config *before;
	uint32_t now_generation, before_generation;
};

struct door_wanted {
	struct service service; /* law->now's; of one whose port is random, with the door's alone */
	struct firewall_pass pass;
	uint32_t seconds;
	bool cut;
};

/* Why a request was refused; DOORS_FINE when it was not. */
enum doors_verdict {
	DOORS_FINE,
	DOORS_GENERATION, /* of a configuration that is not in force */
	DOORS_SERVICE,	  /* no such service, or no longer */
	DOORS_FORM,	  /* a prefix that is none, stray bytes, or a door that has no such form */
	DOORS_ADDRESS,	  /* no door may ever be opened for it */
	DOORS_WIDTH,	  /* wider than the service allows */
	DOORS_TIME,	  /* no time, or longer than the service allows */
	DOORS_IDLE,	  /* a time that no service is idle for, or longer than this one may be */
	DOORS_FIREWALL,	  /* of a form that the firewall has not */
	DOORS_NARROW,	  /* wider than the service wants them: not single-use, not exact */
	DOORS_PORT,	  /* not one of those that the service draws from, or it draws none */
};

/*
 * MSG_DOOR_OPEN must be within the law; the others, which give nobody
 * anything, must be well-formed and of a service that there is, since a door
 * may be older than the law. *out is filled when DOORS_FINE.
 */
enum doors_verdict doors_judge(const struct doors_law *law, const struct msg_door *m,
    struct door_wanted *out) __attribute__((warn_unused_result));

/* For the log; a constant. */
const char *doors_verdict_text(enum doors_verdict v);

#endif
