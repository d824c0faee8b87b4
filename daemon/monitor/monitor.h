/* monitor - what the files of the monitor process itself share (process.c, change.c). */
#ifndef POSTERN_MONITOR_MONITOR_H
#define POSTERN_MONITOR_MONITOR_H

#include <stdbool.h>
#include <stdint.h>

#include "auth_link.h"
#include "files.h"
#include "guard.h"
#include "links.h"
#include "loop.h"
#include "message.h"
#include "notify.h"
#include "pgp_link.h"
#include "process.h"
#include "reload.h"
#include "runs.h"
#include "scripts.h"
#include "sources.h"

struct monitor {
	const struct child_args *args;
	struct loop *loop;
	struct law *law;       /* in force */
	struct law *candidate; /* of a reload; NULL outside of one */
	struct law *before;    /* what law replaced; its descriptors are not used any more */
	uint32_t before_generation;
	struct guard guard;
	struct runs runs;
	struct scripts scripts;
	struct auth_link auth;
	struct sources sources;
	struct pgp_link pgp;
	struct reload reload;
	char trouble[ABORT_WHY_BYTES]; /* why the reload under way fails: lines, as many as fit */
	struct links links;
	uint32_t switch_id; /* of the switch under way */
	struct notify notify;
	int pidfile, empty, control, signals;
	int waiter;	    /* who started us in the background and waits; -1 */
	unsigned listening; /* interfaces, as last told to the service manager */
	bool announced, stopping, failed;
};

/* The law as the files have it now, given; NULL and logged, all that is wrong. */
struct law *monitor_read_law(struct monitor *m);
/* Ready, and on how many interfaces: to the service manager. */
void monitor_tell_status(struct monitor *m);

/* For auth_events and sources_ops; arg: the monitor. */
int monitor_switch_wanted(void *arg, const struct msg_switch *msg);
void monitor_switched(void *arg, bool ok, const char *why);

extern const struct reload_ops monitor_reload_ops; /* arg: the monitor */

#endif
