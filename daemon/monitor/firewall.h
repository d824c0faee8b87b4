/*
 * firewall - the guard before the services, and the doors in it.
 * Process: monitor; posternctl uses it for the administrator's commands.
 *
 * A backend keeps the services of the configuration silent for everyone, and
 * opens a door (service, prefix) for a number of seconds. The time of a door
 * is kept by the kernel wherever the kernel can do that: a door ends though
 * every process of ours be dead, and the guard outlives the daemon.
 *
 * One thread; calls block for the time of a system call or two. What goes
 * wrong is logged by the backend, with what to do, and returned.
 */
#ifndef POSTERN_MONITOR_FIREWALL_H
#define POSTERN_MONITOR_FIREWALL_H

#include <stdbool.h>
#include <stdint.h>

#include "address.h"
#include "config.h"

enum firewall_status {
	FIREWALL_OK,
	FIREWALL_NOT_THERE, /* close, query: no such door */
	FIREWALL_FULL,	    /* the kernel has no room for one more door; nothing changed */
	FIREWALL_FAILED, /* refused, or the guard is not as it should be; logged, nothing changed */
};

/*
 * Whom a door lets in, and how it closes beside its time. Doors that differ in
 * any of this are different doors, each with its own time; a packet passes by
 * any of them.
 */
struct firewall_pass {
	struct prefix from; /* canonical; a network only where all else is 0 */
	uint32_t
	    idle_s; /* closes after so long without traffic; one of the configuration's, or 0 */
	uint16_t source_port; /* from this port alone ("exact"); 0: from any */
	bool once;	      /* closes behind the first connection */
};

/* In place of a rest of time: somebody else put the door there, for none of ours is without an end. */
#define FIREWALL_FOR_EVER UINT64_MAX

/* An open door as the kernel has it. */
struct firewall_door {
	uint8_t proto; /* IANA */
	uint16_t port;
	char gateway[CONFIG_NAME_MAX + 1]; /* its name; then there is no port. "": of a service */
	struct firewall_pass pass;
	uint64_t rest_ms; /* until the kernel closes it, if nobody comes */
};

typedef void firewall_door_fn(void *arg, const struct firewall_door *door);

struct firewall;
struct firewall_ops;

/* The backends, by the name that the configuration has for them; NULL when there is none. */
const struct firewall_ops *firewall_by_name(const char *name);

/*
 * Open the backend that c names; changes no rule yet. c is borrowed for the
 * call. With dry_run nothing is ever changed: what would have been done is
 * logged, open and close say OK, query and list find no door.
 * Needs CAP_NET_ADMIN, now and later, and nothing else.
 * Returns the state, given to the caller; NULL and logged on failure.
 */
struct firewall *firewall_start(const struct config *c, bool dry_run)
    __attribute__((warn_unused_result));

/*
 * Make the guard be there and be that of c, in one step: no moment without a
 * guard, open doors of services that c still has stay open for their rest of
 * time. To be called at the start, after each change of the configuration and
 * when firewall_changed() says so; costs about a millisecond.
 * A trial (posternctl firewall try) that is running or has ended unconfirmed
 * is respected: what is guarded is left as it is, and a warning logged.
 */
enum firewall_status firewall_ensure(struct firewall *f, const struct config *c)
    __attribute__((warn_unused_result));

/*
 * Did the last firewall_ensure() find something unguarded that c guards? c is
 * what was in force, not what was to be: a new service is no loss.
 */
bool firewall_was_down(const struct firewall *f, const struct config *c);

/*
 * Open a door for seconds from now, or give an open one that time instead of
 * its rest (shorter, too: who wants the longer of both asks firewall_query()
 * first); one that closes behind a connection lets one in again. seconds is not 0 and the pass is
 * sound (aborts otherwise). OK is said only after the kernel has it. Of a service
 * whose port is random s is what service_at() makes of it, here and below.
 */
enum firewall_status firewall_open(struct firewall *f, const struct service *s,
    const struct firewall_pass *pass, uint32_t seconds) __attribute__((warn_unused_result));

/*
 * Let a door end in so many seconds (not 0) at the latest: one with more time
 * gets that, one with less keeps it, and one that has ended stays as it is,
 * which is NOT_THERE. What else it closes by goes on where it was, but that
 * one that closes behind a connection may, if that comes in the very moment,
 * let in another.
 */
enum firewall_status firewall_shorten(struct firewall *f, const struct service *s,
    const struct firewall_pass *pass, uint32_t seconds) __attribute__((warn_unused_result));

/* Close a door now. Connections made through it live on. */
enum firewall_status firewall_close(struct firewall *f, const struct service *s,
    const struct firewall_pass *pass) __attribute__((warn_unused_result));

/*
 * End the connections that came in through such a door, whether it is open or
 * not. A pass of several doors' kinds is told apart by its prefix and source
 * port alone. *cut tells how many there were. FAILED where the kernel or the
 * backend cannot.
 */
enum firewall_status firewall_cut(struct firewall *f, const struct service *s,
    const struct firewall_pass *pass, unsigned *cut) __attribute__((warn_unused_result));

/* Another process did that: who opens a door for them has it forgotten first. */
void firewall_was_cut(struct firewall *f, const struct prefix *from);

/* *rest_s: seconds until the kernel closes this very door, rounded up; 0 unless OK. */
enum firewall_status firewall_query(struct firewall *f, const struct service *s,
    const struct firewall_pass *pass, uint32_t *rest_s) __attribute__((warn_unused_result));

/* Call fn for each open door, in no order. It may not call the firewall. */
enum firewall_status firewall_list(struct firewall *f, firewall_door_fn *fn, void *arg)
    __attribute__((warn_unused_result));

/*
 * Drop what comes from a (of this host's own services, guarded or not) for
 * seconds from now, but for its connections that are up and what may be a
 * knock; who is banned already is from now on for that time. The kernel keeps
 * the time. FULL: there is no room for one more.
 */
enum firewall_status firewall_ban(struct firewall *f, const struct address *a, uint32_t seconds)
    __attribute__((warn_unused_result));
/* End the ban of a, or with NULL all of them. NOT_THERE: there was none. */
enum firewall_status firewall_unban(struct firewall *f, const struct address *a)
    __attribute__((warn_unused_result));

typedef void firewall_ban_fn(void *arg, const struct address *a, uint64_t rest_ms);
/* Call fn for each address that is banned, in no order. It may not call the firewall. */
enum firewall_status firewall_bans(struct firewall *f, firewall_ban_fn *fn, void *arg)
    __attribute__((warn_unused_result));

/*
 * A descriptor that becomes readable when somebody changes rules, or when the
 * backend has something to do (to look, or to close a door), for the event
 * loop; -1 where it has none. Borrowed until firewall_stop().
 */
int firewall_watch_fd(const struct firewall *f);

/*
 * Read what that descriptor has, and do what there is to do. True when somebody else touched our guard
 * since the last call, or may have: time for firewall_ensure().
 */
bool firewall_changed(struct firewall *f);

/* Take guard and doors away: everything is as open as the host's own rules have it. */
enum firewall_status firewall_remove(struct firewall *f) __attribute__((warn_unused_result));

/* Close the backend; guard and doors stay. NULL is fine. */
void firewall_stop(struct firewall *f);

#endif
