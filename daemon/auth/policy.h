/*
 * policy - who may have what: services, addresses, times. No state, no I/O.
 */
#ifndef POSTERN_AUTH_POLICY_H
#define POSTERN_AUTH_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "realm.h"
#include "record.h"
#include "request.h"

enum { WANTS_MAX = SERVICES_MAX * ADMITS_MAX };

/* A request and where it came from, borrowed. */
struct policy_case {
	const struct realm *realm;
	const struct client *client;
	const struct request *request;
	const struct address *source, *server; /* the packet's */
	bool relayed;	 /* source may be that of somebody who passes on what others send */
	uint64_t now_ns; /* CLOCK_REALTIME */
};

struct want {
	unsigned service; /* in realm->config */
	struct prefix admit;
	uint32_t hold_s;   /* what is given: default, clamped */
	uint32_t latest_s; /* when it must be over, whatever is given; UINT32_MAX: never */
	struct narrowing narrowing;
};

/* What a request comes to. reason: for a person, a constant; NULL when there is none. */
struct ruling {
	enum verdict verdict; /* VERDICT_OK: go on */
	const char *reason;
	unsigned wants;
	struct want want[WANTS_MAX];
};

/*
 * Must this client prove itself for this request whatever the clocks say?
 * Also when its source is limited: a source is proven by a challenge alone.
 */
bool policy_must_prove(const struct policy_case *p);
/*
 * What must be asked of its user before this is done, as bits of enum asked:
 * doors and commands are what a PIN or a code is for.
 */
uint8_t policy_asked(const struct policy_case *p);
/* May the client have anything at all now, from there? */
struct ruling policy_client(const struct policy_case *p);
/* VERB_RUN: *command gets an index into the configuration's, or COMMAND_LINE. */
struct ruling policy_run(const struct policy_case *p, uint32_t *command);
/* VERB_OPEN: all doors that it asks for, or none. */
struct ruling policy_open(const struct policy_case *p);
/*
 * Seconds that a door for admit, which is open, may be so from now on, at most;
 * 0: not at all. Of p neither the request nor the addresses are looked at, for
 * whence it was asked for nobody remembers.
 */
uint32_t policy_left_s(const struct policy_case *p, unsigned service, const struct prefix *admit);

#endif
