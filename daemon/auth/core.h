/*
 * core - the auth process without its process: what becomes of a message.
 * Clocks, store, monitor and the way out are passed in, so that it needs
 * neither root nor network. Single-threaded; no I/O of its own.
 *
 * The owner calls, in each turn of its loop: core_receive() for the messages
 * there are (as long as core_has_room()), then core_turn() once. The cheap
 * checks of all messages come before the costly work for any, and all marks of
 * a turn go to the store in one commit before any of them has an effect.
 */
#ifndef POSTERN_AUTH_CORE_H
#define POSTERN_AUTH_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "carrier.h"
#include "counters.h"
#include "message.h"
#include "pgp_message.h"
#include "realm.h"
#include "record.h"
#include "store.h"

struct auth_world {
	void *arg;			/* handed to each function */
	uint64_t (*real_ns)(void *arg); /* CLOCK_REALTIME */
	uint64_t (*boot_ms)(void *arg); /* CLOCK_BOOTTIME */
	/* A message for the monitor. 0, or -1: no room now; core_pump() shall be called when there is. */
	int (*ask)(void *arg, const struct msg_door *m);
	/* The same for a ban, or the end of one. */
	int (*ban)(void *arg, const struct msg_ban *m);
	/* A command for the monitor to run. 0, or -1: no room now. */
	int (*run)(void *arg, const struct msg_command *m);
	/* An event for the administrator's script. 0, or -1: no room now, and it is not asked again. NULL: there is none. */
	int (*event)(void *arg, const struct msg_event *m);
	/* A request for openpgp. 0, or -1: it is not there, or has too much to do. */
	int (*pgp)(void *arg, const struct msg_pgp *m);
	/* An IP packet, headers and all. 0 or an errno value. */
	int (*send)(void *arg, const struct route *r, const uint8_t *packet, size_t len);
	struct store *store; /* borrowed */
	const char *boot_id; /* borrowed; sessions of another boot are over */
	bool dry_run;	     /* decide and log: ask for no door, send nothing */
};

struct core;

/* Takes realm. Aborts when there is no memory. */
struct core *core_new(const struct auth_world *w, struct realm *realm);
/* The store and the boot id are the caller's. NULL is fine. */
void core_free(struct core *c);
/* Reads the sessions from the store and asks the monitor for each. Returns 0, or -1 when the store failed. */
int core_start(struct core *c) __attribute__((warn_unused_result));

bool core_has_room(const struct core *c);
/* From the capture of that number, 0: unknown. Returns 0, or -E_FORMAT: no honest capture sends this, end it. */
int core_receive(struct core *c, const struct msg_knock *m, uint32_t capture)
    __attribute__((warn_unused_result));
/* From the capture of a trap. Returns 0, or -E_FORMAT: no honest one sends this, end it. */
int core_trapped(struct core *c, const struct msg_trapped *m) __attribute__((warn_unused_result));
/* Returns true when there is work left for another turn at once. */
bool core_turn(struct core *c);
/*
 * Somebody else was at the firewall: sessions whose doors are gone end. lost:
 * with the guard itself, so that no door tells how it has closed; those that
 * close by time alone, and that nobody had to say yes to, are asked for again.
 */
void core_doors_mended(struct core *c, bool lost);
/* Returns 0, or -E_STATE: nothing was asked that this answers. */
int core_door_done(struct core *c, const struct msg_door_done *m)
    __attribute__((warn_unused_result));
/* Returns 0, or -E_STATE: nothing was asked that this answers. */
int core_command_done(struct core *c, const struct msg_command_done *m)
    __attribute__((warn_unused_result));
/* What became of a request for openpgp; pgp_message_ok() has passed. */
void core_pgp_done(struct core *c, const struct msg_pgp *m);
/* openpgp is gone, and with it what it was asked for. */
void core_pgp_gone(struct core *c);
/* The monitor's socket has room again. */
void core_pump(struct core *c);
/* What is due by time. */
void core_tick(struct core *c);
/* In how many milliseconds at the latest core_tick() shall be called; 0: nothing waits for time to pass. */
uint64_t core_tick_due(const struct core *c);

/*
 * Put another realm in force; takes it. The old one is freed. Sessions of
 * clients that are no longer there, disabled or expired, and of services that
 * they may no longer use, are closed.
 */
void core_swap(struct core *c, struct realm *realm);
const struct realm *core_realm(const struct core *c);
const struct counters *core_counters(const struct core *c);

/* A session as posternctl sees it. */
struct session_view {
	uint64_t id;
	const char *client; /* name, or "" when the client is gone; borrowed until the next call */
	const char *service;
	struct prefix admit;
	uint8_t proto;
	uint16_t port;
	uint32_t rest_s;
	uint32_t idle_s;      /* 0: closes not for that */
	uint16_t source_port; /* 0: any */
	bool once;
};

typedef void core_unban_fn(void *arg, enum door_status status);
/* End the ban of an address, NULL: all. told is called once: NOT_THERE, there was none. */
void core_unban(struct core *c, const struct address *from, core_unban_fn *told, void *arg);

enum resume_result { RESUME_DONE, RESUME_NOTHING, RESUME_UNKNOWN, RESUME_FAILED };

/* A suspended client is let in again, and its strikes are forgotten. NOTHING: it was not suspended. Returns an enum resume_result. */
int core_resume(struct core *c, const char *name);

/* Which records of the journal are asked for. */
struct journal_query {
	uint64_t
	    from; /* forward: the first that is looked at; back: the one behind the first, UINT64_MAX: the newest */
	bool back;
	unsigned most;	     /* of those that pass */
	uint64_t since_ns;   /* CLOCK_REALTIME */
	uint8_t verdict;     /* JOURNAL_NO_VERDICT: any */
	const char *client;  /* "": any; borrowed */
	const char *service; /* or command; "": any; borrowed */
};

typedef void journal_visit(void *arg, const struct journal_record *r);
/*
 * One page of the journal, of a bounded number of records: visit is called for
 * each that passes. *next is then the from of the next page; at the end it is
 * core_journal_next() or, backwards, 1 or the oldest there is, and stays so.
 * Returns 0, or -1 when the store failed.
 */
int core_journal(struct core *c, const struct journal_query *q, journal_visit *visit, void *arg,
    uint64_t *next) __attribute__((warn_unused_result));
/* The numbers of the oldest record that may be there, and that the next one will have. */
uint64_t core_journal_oldest(const struct core *c);
uint64_t core_journal_next(const struct core *c);

/* The ids of all sessions; *n tells how many. To be freed by the caller, NULL when there are none. */
uint64_t *core_sessions(struct core *c, size_t *n);
/* Ask the kernel for the rest of a session's time; done is called once, with NULL when there is no such door any more. */
typedef void core_view_fn(void *arg, const struct session_view *v);
void core_view(struct core *c, uint64_t id, core_view_fn *done, void *arg);
/* Nobody waits any more for what core_view() or core_unban() was asked with arg. */
void core_view_forget(struct core *c, void *arg);
/* Returns how many doors are being closed. */
unsigned core_close(struct core *c, uint64_t id);
unsigned core_close_client(struct core *c, const char *name, bool *known);

#endif
