/*
 * inside - what the files of the auth core share, and nobody else sees.
 *
 * A message's way: take.c (cheap checks, into the queue; for openpgp by way of
 * pgp.c, which has it opened by gpg meanwhile) -> knock.c (envelope,
 * mark, decision; changes nothing but the open transaction) -> one commit ->
 * job.c (effects) -> ask.c (doors) -> answer.c.
 */
#ifndef POSTERN_AUTH_INSIDE_H
#define POSTERN_AUTH_INSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

#include "carrier.h"
#include "copies.h"
#include "core.h"
#include "counters.h"
#include "envelope.h"
#include "log.h"
#include "peers.h"
#include "policy.h"
#include "realm.h"
#include "record.h"
#include "request.h"
#include "session.h"
#include "strikes.h"

enum {
	QUEUE_MAX = 256,      /* messages that wait for costly work */
	JOBS_MAX = 1024,      /* attempts whose doors are under way */
	RUNS_PER_CLIENT = 4,  /* commands at a time: the monitor has few places */
	PINS_A_TURN = 2,      /* each takes milliseconds that everybody waits */
	ASKS_IN_FLIGHT = 128, /* more answers than that need not fit into the monitor's socket */
	CHALLENGES_MAX = 4096,
	CHALLENGE_MS = 10000,
	ANSWER_HASH_BYTES = 32,
	REQUEST_HEAD_BYTES = 12, /* shorter than this an authentic request is silence */
};

/* A message that may be answered, with all that the answer needs. Session keys inside: wipe it. */
struct exchange {
	struct route route;
	uint8_t cid[CID_BYTES];
	struct veil_keys veil; /* to the client, of the door key that opened what is answered */
	bool old_door_key;     /* which was the previous one: the answer hands over the current */
	bool wanted;	       /* false: never an answer */
	bool is_result;	       /* answers M3 */
	const struct envelope *envelope;
	struct envelope_state state;
};

/* A message in the queue: its label held, its bucket had room. */
struct knock {
	struct knock *prev, *next;
	size_t client; /* index in the realm's clients */
	struct route route;
	uint8_t door_key;
	struct veiled veiled; /* body points into plain */
	uint8_t plain[KNOCK_PLAIN_MAX];
	/* pgp.c */
	uint64_t pgp_id, pgp_until_ms;
	uint8_t *opened; /* what gpg took out of the body; NULL: nothing yet */
	uint16_t opened_len;
};

/* A challenge that waits for its M3, or whose M3 came. */
struct challenge {
	uint8_t cid[CID_BYTES];
	uint64_t t; /* M1's */
	uint64_t attempt;
	uint64_t answer_t; /* label's t of the newest M3 that drew a reaction; at first M1's */
	uint64_t until_ms;
	struct address seen;
	enum carrier_id carrier;
	bool accepted;
	const struct envelope *envelope;
	struct envelope_state state;
	uint16_t plain_len; /* M1's request */
	uint8_t plain[REQUEST_MAX];
	uint8_t answer_hash[ANSWER_HASH_BYTES]; /* of the accepted M3's body */
	uint16_t result_len;			/* M4's body; 0: not made yet */
	uint8_t result[BODY_MAX];
	UT_hash_handle hh; /* in order of until_ms */
};

enum job_kind {
	JOB_NOTHING, /* silence, but the mark moved */
	JOB_REPLY,   /* only the reply */
	JOB_CHALLENGE,
	JOB_KNOWN,  /* an attempt seen before */
	JOB_AGAIN,  /* an M3 seen before */
	JOB_FORGED, /* not authentic after all: a strike, and nothing else */
	JOB_OPEN,
	JOB_CLOSE,
	JOB_LIST,
	JOB_RUN,
};

struct step {
	uint64_t session;
	struct session_record r; /* as it shall be */
	int service;
	bool fresh; /* made by this job */
	uint64_t old_end_ms;
	uint32_t hold_s, latest_s; /* as in struct want */
};

struct attempt_key {
	uint8_t cid[CID_BYTES];
	uint64_t id;
};

/* What one message came to. Decided before the commit, run after it. */
struct job {
	UT_hash_handle hh, by_attempt;
	struct job *next; /* of this turn */
	uint64_t serial;
	struct attempt_key key;
	enum job_kind kind;
	enum verb verb;
	bool acted;	   /* the attempt is in the store; its result shall be */
	bool proves;	   /* it came by M3 */
	bool cut;	   /* close: the connections, too */
	uint64_t t;	   /* M1's */
	uint64_t answer_t; /* M3's label's */
	char client[CONFIG_NAME_MAX + 1];
	char what[JOURNAL_WHAT_MAX + 1]; /* audit.c: what was asked for */
	char arguments[JOURNAL_ARGUMENTS_MAX + 1];
	const char *why;       /* of a challenge, for the log */
	const char *suspended; /* why the client is from now on; NULL: it is not for this */
	const char *struck; /* why its source, which is proven, has a strike; NULL: it has none */
	struct exchange x;
	uint16_t plain_len;
	uint8_t plain[REQUEST_MAX];
	uint8_t answer_hash[ANSWER_HASH_BYTES];
	struct msg_command *run;   /* JOB_RUN, and what an approval is asked by */
	bool needs_yes, approving; /* approve.c: somebody will be, is being asked */
	bool withdrawn;		   /* nobody's yes counts for it any more */
	uint32_t generation;	   /* of the realm when it was planned */
	uint64_t planned_ms;
	unsigned approved; /* steps that somebody said yes to, or need not */
	unsigned steps, at, waiting;
	struct step step[DOORS_MAX];
	struct reply reply;
};

struct ask;
/* What became of an ask: status, and for OPEN and QUERY the kernel's rest of time. */
typedef void ask_done(
    struct core *c, const struct ask *a, enum door_status status, uint32_t seconds);

/* A ban, or the end of one. */
struct ask_ban {
	struct msg_ban m;
	const char *why; /* a constant */
	char client[CONFIG_NAME_MAX + 1];
	core_unban_fn *told; /* with the ask's arg; NULL: nobody is */
};

struct ask {
	struct ask *prev, *next;
	struct msg_door m;
	bool is_ban; /* then ban counts, and m is its head and id alone */
	struct ask_ban ban;
	bool sent;
	uint64_t session, owner; /* ids, for either may be gone when the answer comes */
	unsigned step;
	core_view_fn *view; /* admin.c */
	void *arg;
	ask_done *done;
};

/* strike.c: what a client was struck for last, told by a hash */
enum { TRIES_REMEMBERED = 32, TRY_BYTES = 16 };

struct tried {
	uint8_t cid[CID_BYTES];
	uint8_t hash[TRY_BYTES];
	uint64_t at_ms; /* 0: free */
	bool v4;	/* the first attempt's family */
	uint64_t attempt, twin;
	bool has_twin;	 /* the other family's attempt was there */
	uint8_t repeats; /* of the two */
};

struct trap_book;   /* trap.c */
struct late_result; /* keep.c */
struct late_session;
struct late_entry; /* audit.c */

/* mend.c: what came so far of the doors that were lost */
struct mending {
	size_t waiting; /* asks that are not answered yet */
	size_t put_back, gone;
};

struct core {
	struct auth_world w;
	struct realm *realm;
	struct peers *peers;
	struct sessions *sessions;
	bool more_end;	    /* than one tick ended */
	uint64_t looked_at; /* session that sessions_look_at_service() goes on behind */
	struct challenge *challenges;
	struct counters counters;
	struct copies copies;
	struct strikes *strikes; /* of addresses */
	struct trap_book *traps;
	struct log_limit junk_log, store_log, send_log, stray_log, ban_log;
	/* queue */
	struct knock *slots, *free, *queue;
	unsigned queued;
	unsigned pins; /* that were checked in this turn */
	/* pgp.c: messages that gpg is opening, challenges that it is sealing */
	struct knock *opening;
	struct pgp_seal *sealing;
	unsigned pgp_waiting; /* those, and messages that were opened and wait for their turn */
	uint64_t next_pgp;
	/* jobs */
	struct job *jobs, *jobs_by_attempt, *turn_jobs;
	uint64_t next_serial;
	size_t approving; /* jobs that somebody is asked for */
	/* strike.c: tries, the oldest to be replaced first */
	struct tried tried[TRIES_REMEMBERED];
	unsigned tried_next;
	uint8_t try_key[KEY_BYTES];
	/* asks, in the order sent; ask_unsent is the first not sent yet */
	struct ask *asks, *ask_unsent;
	unsigned in_flight;
	uint64_t next_ask;
	struct mending mending;
	/* keep.c */
	bool in_transaction;
	struct late_result *late_results;
	struct late_session *late_sessions;
	/* audit.c: the number of the journal's next record, and those that are not in the store yet */
	uint64_t journal_next;
	struct late_entry *late_entries;
	unsigned late_entries_len;
};

/* take.c: counts why a message is dropped, and logs it at a limited rate: who gets that far has the door key. */
void drop(struct core *c, enum auth_counter why, const struct route *r);

/* keep.c: the store. Those that return int: 0, or -1 when the store failed (then only keep_abort() is left). */
int keep_begin(struct core *c);
int keep_mark(struct core *c, const uint8_t *cid, uint64_t *mark);
int keep_load(struct core *c, const uint8_t *cid, struct client_record *r);
int keep_save(struct core *c, const uint8_t *cid, const struct client_record *r);
int keep_session(struct core *c, uint64_t id, const struct session_record *r);
/* What was put off; to be called first in a transaction that decides anything, so that it reads what was written. */
int keep_write_late(struct core *c);
int keep_commit(struct core *c);
void keep_abort(struct core *c);
/* What was put off, in a transaction of its own. */
int keep_flush(struct core *c);
/* Put off until the next commit: an attempt's result; a session as it is in memory by then. */
void keep_result_later(struct core *c, const struct attempt_key *k, const struct reply *p);
void keep_session_later(struct core *c, uint64_t id);
bool keep_owes(const struct core *c);
void keep_free(struct core *c);

/*
 * audit.c: the journal. A record goes to the store with what else was put off;
 * while the store fails, the newest wait.
 */
/* What a request asks for, for the record of it. */
void audit_asked(struct job *j, const struct request *q);
/* A job ends; or a challenge goes out. */
void audit_job(struct core *c, const struct job *j);
void audit_challenge(struct core *c, const struct job *j);
/* Something that a message led to beside its verdict. */
void audit_event(struct core *c, const struct job *j, enum journal_event e, const char *why);
/* Something that nobody knocked for. */
void audit_client(struct core *c, const struct client *cl, enum journal_event e);
/* Of an address; client is "" where none has to do with it. */
void audit_address(struct core *c, const struct address *a, const char *client,
    enum journal_event e, const char *why);
/* For the log: " sequence=alpha", along which a message came; "": by another carrier. Returns out. */
enum { ALONG_BYTES = sizeof(" sequence=") + SEQUENCE_NAMES_BYTES };
const char *audit_along(const struct core *c, const struct route *r, char out[static ALONG_BYTES]);
/* Somebody completed a connection to a service's trap. */
void audit_trapped(struct core *c, const struct address *a, const char *service);
/* A session is over. */
void audit_session(struct core *c, const struct session *s, enum journal_event e, const char *why);
/* In a transaction: where the journal goes on. 0, or -1: the store failed. */
int audit_load(struct core *c);
/* In a transaction: what waits. 0, or -1: the store failed. Then, when that is committed: */
int audit_write(struct core *c);
void audit_forget(struct core *c);

/* strike.c: is the client suspended? */
bool strike_is_out(const struct core *c, const struct client_record *r);
/*
 * Was this client's last strike for the very same request, a moment ago: over the other address
 * family, for a client knocks over both, or in the same attempt, which it repeats when it hears
 * nothing? Then it is the same try, and no strike of its own: it can have told nobody anything new.
 * To be asked before strike().
 */
bool strike_is_known(struct core *c, const struct job *j, const struct request *q);
/* The client tried something out; r, to be saved, and j tell what comes of it. why is a constant. */
void strike(struct core *c, struct job *j, const struct client *cl, struct client_record *r,
    const char *why);
/* After the commit: the address has its strike, too; if the client is suspended, whoever has the say is told. */
void strike_tell(struct core *c, const struct job *j);

/* ban.c: something was tried from an address that is proven; client may be "", why is a constant. */
void ban_strike(struct core *c, const struct address *from, const char *client, const char *why);
/* Lifts the bans of whoever asks j, and of whom its doors are for. To come before these in the asks. */
void ban_lift(struct core *c, const struct job *j);

/* trap.c */
struct trap_book *traps_new(void);
void traps_free(struct trap_book *b);

/* pgp.c: is there room for another message to be opened, one of this client at that? */
bool pgp_has_place(const struct core *c, const struct knock *k);
/* Takes k, to come back into the queue when it is open. False: gpg is not there, and k is still the caller's. */
bool pgp_open(struct core *c, struct knock *k);
/* pgp_ops.decrypt_verify: what gpg made of the knock that is arg. */
int pgp_take_opened(void *arg, const uint8_t *message, size_t len, uint8_t *out, size_t cap);
void pgp_forget_opened(struct core *c, struct knock *k);
/* Has a challenge sealed and sent. Returns 0 or an error of errors.h; x->state is then as M3 needs it. */
int pgp_challenge(struct core *c, struct exchange *x, const uint8_t *reply, size_t len);
void pgp_expire(struct core *c, uint64_t now_ms);
bool pgp_is_idle(const struct core *c);
void pgp_free(struct core *c);

/* challenge.c */
struct challenge *challenge_find(struct core *c, const uint8_t *cid);
/* Takes the place of the client's last one. NULL: too many wait. */
struct challenge *challenge_new(struct core *c, const uint8_t *cid);
void challenge_prolong(struct core *c, struct challenge *ch);
void challenge_drop(struct core *c, struct challenge *ch);
void challenges_expire(struct core *c, uint64_t now_ms);
void challenges_free(struct core *c);

/* knock.c: decides on one message and puts a job on the turn's list. -1: the store failed. */
int knock_work(struct core *c, const struct knock *k);
int knock_first(struct core *c, const struct knock *k, const struct client *cl);
/* What is in an M3: secrets. */
struct proof {
	struct envelope_state state;
	struct answer said;
};

/*
 * prove.c: what an M3 is to a challenge (NULL: there is none): COUNT_ANSWER_RIGHT
 * and *found, the caller's to wipe, is what it left; COUNT_ANSWER_AGAIN; or why
 * it is neither. Changes nothing.
 */
enum auth_counter answer_judge(
    const struct core *c, const struct challenge *ch, const struct knock *k, struct proof *found);
/* prove.c: knock_work() for an M3. */
int knock_answer(struct core *c, const struct knock *k, const struct client *cl);
/*
 * decide.c: what a request comes to, when nothing is in doubt any more; PIN and code of an answer
 * are in q as if M1 had had them. -1: the store failed.
 */
int decide(struct core *c, struct job *j, const struct client *cl, const struct request *q,
    struct client_record *r);

/*
 * draw.c: where the service's port is random, the step's is the one that the client's session
 * has already, or a free one. False: none is free.
 */
bool draw_port(struct core *c, const struct job *j, struct step *st);

/* job.c */
struct job *job_new(struct core *c, const struct knock *k, const struct client *cl);
void job_free(struct core *c, struct job *j);
/* Takes j and lets it happen. The commit is behind us. */
void job_run(struct core *c, struct job *j);
struct job *job_find(struct core *c, const struct attempt_key *k);
void jobs_free(struct core *c);
/* run.c: what the request is to run, given. */
struct msg_command *run_order(
    const struct core *c, const struct job *j, const struct request *q, uint32_t command);
/* run.c: hands the order over; the job ends when the command does. */
void run_start(struct core *c, struct job *j);
/*
 * approve.c: the steps are planned; what must be written down for them then. NULL, or why they
 * cannot be asked for now.
 */
const char *approve_plan(struct core *c, struct job *j);
/* A session that somebody said yes to already, if its door is still open. */
bool approve_has_been(const struct core *c, const struct step *st);
/* Asks, where somebody is to be asked; then goes on to doors_start(). */
void approve_start(struct core *c, struct job *j);
/*
 * The door of j, which has no other, had a yes and is closed: asks for another
 * one. False: that cannot be now, and j is as it was.
 */
bool approve_again(struct core *c, struct job *j);
/* What came of asking. */
void approve_answered(struct core *c, struct job *j, enum run_status status, uint8_t exit_status);
/* Nobody's yes counts any more for what this client waits for. Returns how many attempts that were. */
unsigned approve_withdraw(struct core *c, const uint8_t *cid);
/* Tells clients that wait for long. */
void approve_tick(struct core *c, uint64_t now_ms);
/* decide.c: one that no session has. */
uint64_t session_new_id(struct core *c);
/* decide.c: what is full for the doors that j would open now; NULL: nothing. */
const char *decide_over_quota(struct core *c, const struct job *j);
/* doors.c: the three verbs that need the monitor. */
void doors_start(struct core *c, struct job *j);
/* job.c: an answer before the end, which the job then has none for: see exchange.wanted. */
void job_tell(struct core *c, struct job *j, enum verdict v, const char *reason);
/* job.c: a verdict, and a reason for a person unless NULL. */
void job_say(struct job *j, enum verdict v, const char *reason);
/* job.c: the end of a job: result kept, answer sent, freed. */
void job_finish(struct core *c, struct job *j, enum verdict v, const char *reason);

/* ask.c */
struct ask *ask_door(
    struct core *c, enum message_type type, const struct session *s, uint32_t seconds);
struct ask *ask_ban(
    struct core *c, enum message_type type, const struct address *from, uint32_t seconds);
/* Index of the service that guards the session's port now; -1: nothing does. */
int session_service_now(const struct core *c, const struct session *s);
void ask_pump(struct core *c);
void asks_free(struct core *c);

/* close.c: closes a session, or what it adds to a door that others share. The ask's done must call session_closed(). */
struct ask *session_close(struct core *c, struct session *s);
/* The same with an end to its connections, unless others rest on the door. */
struct ask *session_cut(struct core *c, struct session *s);
/* True when the session is gone now, or somebody asked for it anew meanwhile. */
bool session_closed(struct core *c, const struct ask *a, enum door_status status, const char *why);
/* It is over: out of memory and store. */
void session_forget(struct core *c, struct session *s);
/* The kernel has closed its door: it ends, and its connections where the service wants that. */
void session_time_is_over(struct core *c, struct session *s);
/* Do its connections end with its time? */
bool session_is_cut(const struct core *c, const struct session *s);
/*
 * swap.c: may its client have this door still? If not it is closed, and s may
 * be gone; if not for so long, it is shortened.
 */
bool session_is_lawful(struct core *c, struct session *s);
/* swap.c: the name of its client; "" when nobody knows. */
const char *session_client(const struct core *c, const struct session *s);
/* The kernel has closed its door before the session's time was over. */
void session_is_over(struct core *c, struct session *s);
/* What a query came to: a session whose door the kernel closed before its time is over. */
void session_queried(struct core *c, const struct ask *a, enum door_status status);
/* The ask_done of a query that is for nothing else. */
void session_looked(struct core *c, const struct ask *a, enum door_status status, uint32_t seconds);
/*
 * There is no door for the session that a asked about, by nobody's use of it:
 * true, it is over. Not if it is closing, or about to have one again, or lasts
 * until its time is over.
 */
bool session_was_lost(struct core *c, const struct ask *a);
/* Query those of a client's doors that may be closed already. */
void sessions_look(struct core *c, const uint8_t *cid);
/* The same of a service's, whosever they are; when there are many, each time others. */
void sessions_look_at_service(struct core *c, int service);
/* Closes it for nobody in particular; s may be gone when it returns. */
void session_close_alone(struct core *c, struct session *s);
uint32_t session_rest_s(const struct session *s, uint64_t now_ms);
/* Of its door, which others may rest on for longer: until the last of them is over, rounded up; 0: it is. */
uint32_t session_door_rest_s(struct core *c, const struct session *s);

/* answer.c */
void answer_send(struct core *c, struct exchange *x, const struct reply *p);
/* A challenge: sent, or on its way to be sealed. x->state is then as M3 needs it. Returns 0, or -1: it cannot be made. */
int answer_challenge(struct core *c, struct exchange *x, const struct reply *p);
/* A body that is sealed already. */
void answer_deliver(
    struct core *c, const struct exchange *x, enum kind kind, const uint8_t *body, size_t len);
/* An M4's body again, in a new veil. */
void answer_again(struct core *c, const struct exchange *x, const uint8_t *body, size_t len);
int answer_keys(
    const struct core *c, const uint8_t *cid, struct envelope_keys *out, size_t *client);

#endif
