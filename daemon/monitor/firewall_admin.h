/*
 * firewall_admin - what the administrator does with the guard by hand:
 * posternctl firewall. Process: posternctl, never the daemon.
 *
 * A trial is ended by the kernel: what is newly guarded carries a timeout, so
 * that the guard disarms itself when nobody confirms, though every process of
 * ours be dead and the administrator be cut off.
 */
#ifndef POSTERN_MONITOR_FIREWALL_ADMIN_H
#define POSTERN_MONITOR_FIREWALL_ADMIN_H

#include <stdio.h>

#include "firewall.h"

enum firewall_trial {
	FIREWALL_TRIAL_NONE,
	FIREWALL_TRIAL_RUNNING,
	FIREWALL_TRIAL_ENDED, /* nobody confirmed; what was tried is open again */
};

enum { FIREWALL_GUARDED_MAX = 2 * CONFIG_GUARDED_MAX };

struct firewall_guarded {
	uint8_t proto;
	uint16_t port;
	uint64_t rest_ms; /* of its trial; 0: guarded for good */
};

/* What stands in the kernel now. */
struct firewall_state {
	bool there; /* the guard is installed, armed or not */
	enum firewall_trial trial;
	unsigned guarded;
	struct firewall_guarded guard[FIREWALL_GUARDED_MAX];
};

/* As firewall_ensure(), but all services are guarded for good and a trial is over. */
enum firewall_status firewall_install(struct firewall *f, const struct config *c)
    __attribute__((warn_unused_result));

/* Guard the services of c for seconds. What was guarded for good before stays so. */
enum firewall_status firewall_try(struct firewall *f, const struct config *c, uint32_t seconds)
    __attribute__((warn_unused_result));

/*
 * Keep what a running trial guards. NOT_THERE when there is no trial, or when
 * it has ended: then nothing changes, because nobody has seen it work.
 */
enum firewall_status firewall_confirm(struct firewall *f, const struct config *c)
    __attribute__((warn_unused_result));

/* Read the state. */
enum firewall_status firewall_read(struct firewall *f, struct firewall_state *out)
    __attribute__((warn_unused_result));

/* Is there something guarded, at all (a timeout counts)? */
bool firewall_guards(const struct firewall_state *s, uint8_t proto, uint16_t port);

/* The rules that stand, as text for people. NOT_THERE when the guard is not installed. */
enum firewall_status firewall_show(struct firewall *f, FILE *out)
    __attribute__((warn_unused_result));

/* The rules that c asks for, as text for the backend's own tool. Changes nothing and needs no right. */
enum firewall_status firewall_print(const struct firewall_ops *ops, const struct config *c,
    FILE *out) __attribute__((warn_unused_result));

#endif
