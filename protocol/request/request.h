/*
 * request - what the user wants, and what the server says to it, as structs
 * and as bytes. Both directions of each format are here.
 */
#ifndef POSTERN_REQUEST_REQUEST_H
#define POSTERN_REQUEST_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "cursor.h"
#include "keys.h"

enum {
	REQUEST_VERSION = 1,
	REQUEST_MAX = 960, /* encoded, over every carrier but http */
	REQUEST_MAX_HTTP = 729,
	SERVICE_NAME_MAX = 32, /* [a-z0-9_-], without the NUL */
	SERVICES_MAX = 8,
	ADMITS_MAX = 2,
	ARGUMENTS_MAX = 8,
	ARGUMENT_MAX = 128,
	COMMAND_NAME_MAX = 32,
	CODE_MIN = 6,
	CODE_MAX = 10,
	PIN_MIN = 4,
	PIN_MAX = 32,
	DOORS_MAX = 64,	  /* in one reply */
	REASON_MAX = 200, /* a text for a person */
	OUTPUT_MAX = 1024,
};

enum verb { VERB_OPEN = 1, VERB_CLOSE = 2, VERB_RUN = 3, VERB_PING = 4, VERB_LIST = 5 };

enum request_flags {
	REQUEST_REPLY = 1 << 0,	    /* an answer is wanted */
	REQUEST_CHALLENGE = 1 << 1, /* a challenge is wanted */
	REQUEST_STRICT = 1 << 2,    /* own address strict */
	REQUEST_CUT = 1 << 3,	    /* close: end the connections, too */
};

/* What a challenge asks for. */
enum asked {
	ASKED_PIN = 1 << 0,
	ASKED_CODE = 1 << 1,
};

enum verdict {
	VERDICT_OK = 0,
	VERDICT_REFRESHED = 1,
	VERDICT_CHALLENGE = 2,
	VERDICT_DENIED = 3,
	VERDICT_MALFORMED = 4,
	VERDICT_UNKNOWN_FIELD = 5,
	VERDICT_CODE_OR_PIN = 6,
	VERDICT_ADDRESS = 7,
	VERDICT_QUOTA = 8,
	VERDICT_BUSY = 9,
	VERDICT_RESULT_UNKNOWN = 10,
	VERDICT_FIREWALL = 11,
	VERDICT_COMMAND = 12,
	VERDICT_EXPIRED = 13,
};

/* A protocol (IANA's number) and a port, as the client may ask for instead of a name. */
struct port {
	uint8_t proto;
	uint16_t number;
};

struct request {
	enum verb verb;
	uint16_t flags;
	uint64_t attempt;
	uint8_t services; /* how many of service[] */
	char service[SERVICES_MAX][SERVICE_NAME_MAX + 1];
	uint8_t ports;
	struct port port[SERVICES_MAX];
	uint8_t admits;
	struct prefix admit[ADMITS_MAX];
	bool has_own_address, has_source_port, has_hold, has_idle, single_use, has_session,
	    has_reply_key;
	struct address own_address;
	uint16_t source_port;
	uint32_t hold_s;
	uint32_t idle_s;
	char code[CODE_MAX + 1]; /* empty: none */
	uint8_t pin[PIN_MAX];
	uint8_t pin_len; /* 0: none */
	char command[COMMAND_NAME_MAX + 1];
	uint8_t arguments;
	char argument[ARGUMENTS_MAX][ARGUMENT_MAX + 1];
	uint64_t session;
	uint8_t reply_key[KEY_BYTES];
};

/* A door as a reply tells of it. */
struct door {
	struct port port;
	uint32_t seconds; /* rest of time, as the kernel has it */
	uint64_t session;
};

struct reply {
	enum verdict verdict;
	uint64_t server_time; /* ns since 1970 */
	uint64_t attempt;
	bool has_address_seen, has_exit_status, has_asked, has_wait, has_door_key;
	struct address address_seen;
	uint8_t doors;
	struct door door[DOORS_MAX];
	uint8_t exit_status;
	uint16_t output_len;
	uint8_t output[OUTPUT_MAX];
	char reason[REASON_MAX + 1];
	uint8_t asked;	 /* bits of enum asked */
	uint16_t wait_s; /* how long a challenge waits */
	uint8_t door_key[KEY_BYTES];
	uint32_t
	    idle_s; /* the first of the doors closes after so long without traffic; 0: none does */
};

/* M3's body before it is sealed. */
struct answer {
	uint64_t attempt;
	uint64_t t; /* M1's */
	struct address seen;
	char code[CODE_MAX + 1];
	uint8_t pin[PIN_MAX];
	uint8_t pin_len;
};

/*
 * Encode a request. What may be sent is what request_decode() accepts: services or
 * ports for an open, one of the two; a session or services for a close. A code or PIN
 * is refused where a reply is wanted: there they wait for M3 (struct answer).
 * Returns the length, or -E_SHORT (no room), -E_FORMAT (not a request that may be sent).
 */
int request_encode(const struct request *q, uint8_t *out, size_t cap)
    __attribute__((warn_unused_result));
/*
 * Decode and check every rule of the protocol that needs no configuration. Two are left
 * to the caller: a reply key (has_reply_key) is for the envelope openpgp alone, and
 * admitted addresses are whole but may still be inadmissible.
 * Returns 0; -E_SHORT, -E_FORMAT, -E_VERSION (all "malformed" on the wire), or
 * -E_UNKNOWN with *unknown the type that may not be ignored. When at least the
 * fixed head of 12 bytes was there, attempt and flags are filled, whatever is returned.
 */
int request_decode(struct request *q, const uint8_t *bytes, size_t len, uint8_t *unknown)
    __attribute__((warn_unused_result));

/*
 * Encode into at most cap bytes, cutting texts as the protocol says (output,
 * then reason, then doors from the end). Returns the length; -E_SHORT when
 * not even the rest fits (then nothing shall be sent); -E_FORMAT when it is no reply
 * that may be sent (a challenge has the address seen, what is asked and the wait, no more).
 */
int reply_encode(const struct reply *p, uint8_t *out, size_t cap)
    __attribute__((warn_unused_result));
/*
 * Returns 0, or -E_SHORT, -E_FORMAT, -E_VERSION, -E_UNKNOWN: the reply is to be dropped.
 * reason is made fit for a terminal (printable ASCII); output is as it came.
 */
int reply_decode(struct reply *p, const uint8_t *bytes, size_t len)
    __attribute__((warn_unused_result));

/* As their like for requests. */
int answer_encode(const struct answer *a, uint8_t *out, size_t cap)
    __attribute__((warn_unused_result));
int answer_decode(struct answer *a, const uint8_t *bytes, size_t len)
    __attribute__((warn_unused_result));

/* [a-z0-9_-]{1,32}: services, commands, clients. */
bool name_is_valid(const char *name);
/* "ok", "denied" ...: stable words for logs and --json. */
const char *verdict_word(enum verdict v);
const char *verb_word(enum verb v);

#endif
