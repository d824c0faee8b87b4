/*
 * record - what the store keeps, as structs and as bytes.
 */
#ifndef POSTERN_AUTH_RECORD_H
#define POSTERN_AUTH_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "config.h"
#include "keys.h"
#include "request.h"
#include "store.h"

enum {
	ATTEMPTS_KEPT = 4,
	ATTEMPT_REPLY_MAX = 640, /* a reply with the doors of one request and a reason */
};

/* An attempt that was acted on, with the reply to give again (request.h's bytes, without output). */
struct attempt {
	uint64_t id;
	uint16_t reply_len;
	uint8_t reply[ATTEMPT_REPLY_MAX];
};

/* One client: the mark M, whether it is proven, the last attempts (newest first). All zeros: nothing known. */
struct client_record {
	uint64_t mark;
	bool proven;
	uint64_t code_step; /* of the newest one-time code that was used; 0: none was */
	/* strike.c; CLOCK_REALTIME */
	uint8_t strikes;
	uint64_t strike_s; /* when the last of them was */
	uint64_t suspended_until_s;
	uint64_t forged_t; /* of the newest message whose label held and whose envelope did not */
	uint8_t attempts;
	struct attempt attempt[ATTEMPTS_KEPT];
};

/* What narrows a door beside its prefix; all 0: nothing. */
struct narrowing {
	uint32_t idle_s;      /* closes after so long without traffic */
	uint16_t source_port; /* is for this port alone */
	bool once;	      /* closes behind the first connection */
};

struct session_record {
	uint8_t cid[CID_BYTES];
	char service[CONFIG_NAME_MAX + 1];
	uint8_t proto;
	uint16_t port;
	struct prefix admit;
	struct narrowing narrowing;
	uint64_t end_ms; /* CLOCK_BOOTTIME */
};

enum journal_event {
	JOURNAL_ANSWERED = 1, /* a request, by its verdict */
	JOURNAL_GRANTED,      /* one that opened doors, or left them open for longer */
	JOURNAL_CHALLENGED,
	JOURNAL_CLOSED,	   /* a door, before its time */
	JOURNAL_ENDED,	   /* a door, by itself */
	JOURNAL_SUSPENDED, /* a client, for what it tried */
	JOURNAL_RESUMED,   /* by the administrator */
	JOURNAL_BANNED,	   /* an address */
	JOURNAL_UNBANNED,
	JOURNAL_DROPPED,   /* a client's message, in silence */
	JOURNAL_TRAPPED,   /* a connection to a guarded port was completed */
	JOURNAL_SHORTENED, /* a door, by a law that has tightened */
};

enum {
	JOURNAL_MAX = 65536, /* records; the oldest makes place */
	JOURNAL_SESSIONS = SERVICES_MAX,
	JOURNAL_WHAT_MAX = SERVICES_MAX * (SERVICE_NAME_MAX + 1),
	JOURNAL_ARGUMENTS_MAX = ARGUMENTS_MAX * (ARGUMENT_MAX + 1),
	JOURNAL_NO_VERDICT = 255,
};

/* A decision, or the end of what one began. Texts are as the client sent them, printable or not. */
struct journal_record {
	uint64_t number;  /* they count from 1 */
	uint64_t time_ns; /* CLOCK_REALTIME */
	enum journal_event event;
	uint8_t verdict; /* enum verdict, or JOURNAL_NO_VERDICT */
	uint8_t verb;	 /* enum verb; 0: none, or it could not be read */
	bool has_from, has_admit, has_second, has_exit_status;
	uint8_t exit_status;	     /* of a command */
	struct address from;	     /* whoever knocked */
	struct prefix admit, second; /* whom the doors are for */
	uint64_t attempt;	     /* 0: none */
	uint8_t sessions;	     /* how many of session[] */
	uint64_t session[JOURNAL_SESSIONS];
	char client[CONFIG_NAME_MAX + 1];
	char what[JOURNAL_WHAT_MAX + 1]; /* services and ports, or a command; with commas between */
	char reason[REASON_MAX + 1];
	char arguments[JOURNAL_ARGUMENTS_MAX +
		       1]; /* of a command, with blanks between; or the line for a shell */
};

/*
 * To bytes and back, under the key that they have in the store. A checksum over
 * key and value ends them, so that what a disk spoiled is not believed.
 * Encoding returns the length; decoding 0 or -E_FORMAT.
 */
size_t client_record_encode(const struct client_record *r,
    const uint8_t key[static STORE_KEY_BYTES], uint8_t out[static STORE_VALUE_MAX]);
size_t session_record_encode(const struct session_record *r,
    const uint8_t key[static STORE_KEY_BYTES], uint8_t out[static STORE_VALUE_MAX]);
int client_record_decode(struct client_record *r, const uint8_t key[static STORE_KEY_BYTES],
    const uint8_t *bytes, size_t len) __attribute__((warn_unused_result));
int session_record_decode(struct session_record *r, const uint8_t key[static STORE_KEY_BYTES],
    const uint8_t *bytes, size_t len) __attribute__((warn_unused_result));
size_t journal_record_encode(const struct journal_record *r,
    const uint8_t key[static STORE_KEY_BYTES], uint8_t out[static STORE_VALUE_MAX]);
int journal_record_decode(struct journal_record *r, const uint8_t key[static STORE_KEY_BYTES],
    const uint8_t *bytes, size_t len) __attribute__((warn_unused_result));
/* The place in the store of the record with this number: that of the one JOURNAL_MAX before it. */
void journal_key(uint64_t number, uint8_t key[static STORE_KEY_BYTES]);
/* "granted", "closed" ...: stable words for the log and posternctl; "?" for what is none. */
const char *journal_event_word(enum journal_event e);
/* The mark alone, for the check that comes before all costly ones. Returns 0 or -E_FORMAT. */
int client_record_mark(uint64_t *mark, const uint8_t key[static STORE_KEY_BYTES],
    const uint8_t *bytes, size_t len) __attribute__((warn_unused_result));

/* The attempt with this id, or NULL. */
struct attempt *client_record_find(struct client_record *r, uint64_t id);
/* Room for a new attempt, before all others; the oldest goes. */
struct attempt *client_record_push(struct client_record *r, uint64_t id);

/* Is this a value that such a table may have? For the check of a store that is being opened. Returns 0 or -E_FORMAT. */
int record_check(enum store_table t, const uint8_t key[static STORE_KEY_BYTES],
    const uint8_t *bytes, size_t len);

#endif
