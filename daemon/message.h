/*
 * message - the closed set of what posternd's processes say to each other:
 * one fixed-size struct each, exact length, right sender, or the sender dies.
 * Same machine, same build: host byte order. Messages carry the number of a
 * configured thing, never a path, a command line or rule text.
 */
#ifndef POSTERN_DAEMON_MESSAGE_H
#define POSTERN_DAEMON_MESSAGE_H

#include <stdint.h>

#include "ipc.h"

enum message_type {
	/* capture to auth */
	MSG_KNOCK = 1,
	MSG_CAPTURE_READY, /* packets are being seen from now on */
	MSG_CAPTURE_STATS, /* answer to MSG_STATS_QUERY, and unasked before exit */
	MSG_TRAPPED,	   /* a segment that came to a trap */
	/* auth to capture */
	MSG_KEYS,
	MSG_STATS_QUERY,
	/* auth to monitor */
	MSG_AUTH_READY,
	MSG_SOURCE_READY, /* a capture said that it is ready */
	MSG_SOURCE_BAD,	  /* a capture said what none says: it is to be killed */
	MSG_DOOR_OPEN,
	MSG_DOOR_CLOSE,
	MSG_DOOR_SHORTEN, /* for those who still rest on a door that another leaves */
	MSG_DOOR_QUERY,
	MSG_BAN,
	MSG_UNBAN,
	MSG_COMMAND,
	MSG_RELOAD_WANTED, /* posternctl asked for it */
	MSG_LOADED,	   /* MSG_FILES was read: good or bad */
	MSG_SWITCH,	   /* posternctl wants another way to capture */
	MSG_EVENT,	   /* for the administrator's script; not answered */
	/* monitor to auth */
	MSG_DOOR_DONE,	  /* answers each OPEN, CLOSE, SHORTEN, QUERY, BAN and UNBAN, in order */
	MSG_COMMAND_DONE, /* answers each COMMAND, when it ended: in no order */
	MSG_SOURCE,	  /* a new capture: its socket comes along */
	MSG_FILES,   /* candidate configuration: config, clients, server key, door key come along */
	MSG_COMMIT,  /* the candidate is in force now */
	MSG_SETTLED, /* what was committed is what is captured: so ends each reload that went well */
	MSG_MENDED,  /* somebody else was at the firewall: doors may be gone */
	MSG_SWITCHED,	  /* answers each MSG_SWITCH */
	MSG_SOURCE_STATE, /* how a source is doing, at each change */
	MSG_ABORT, /* forget the candidate, if one came, and why; so ends each reload that failed, RELOAD_WANTED included */
};

enum {
	KNOCK_PLAIN_MAX =
	    1152, /* VEIL_PLAIN_MAX; message.h knows no packet headers, a test holds the two equal */
	MESSAGE_KEY_BYTES = 32,
	MESSAGE_SHORT_KEY_BYTES = 16,
	DOOR_KEYS_MAX = 2,	/* current, previous */
	SOURCE_NAME_BYTES = 40, /* CONFIG_NAME_MAX and a NUL have room */
	SOURCE_WHY_BYTES = 200,
	SWITCH_WHY_BYTES = 400,
	ABORT_WHY_BYTES = 504,
	AUTH_FILES = 4, /* descriptors of MSG_FILES, in the order of child_fd from FD_CONFIG */
};

/* What is inside one veil that capture opened. plain_len bytes of plain count, the rest is zeros. */
struct msg_knock {
	struct ipc_head head;
	uint64_t seen_ns; /* CLOCK_REALTIME of the packet, from the kernel */
	uint64_t along;	  /* sequence: bit i: its ports are those of the one with id i */
	uint8_t client[16], server[16];
	uint16_t client_port, server_port;
	uint32_t tcp_seq, tcp_tsval;
	uint32_t ifindex;
	uint16_t request_len; /* covered bytes: no answer may be longer */
	uint8_t carrier;
	uint8_t door_key; /* 0 current, 1 previous */
	uint16_t plain_len;
	uint8_t is_tcp;			    /* sequence: its pieces are SYNs */
	uint8_t plain[KNOCK_PLAIN_MAX + 5]; /* rounded so that the struct has no padding */
};

/* A TCP segment to a guarded port without a door: nothing of it is proven. */
struct msg_trapped {
	struct ipc_head head;
	uint8_t client[16], server[16];
	uint32_t seq, ack;
	uint32_t ifindex;
	uint16_t client_port, server_port;
	uint8_t flags; /* as in its header */
	uint8_t unused[7];
};

struct msg_plain { /* CAPTURE_READY, STATS_QUERY, AUTH_READY, RELOAD_WANTED, COMMIT, SETTLED */
	struct ipc_head head;
};

enum capture_counter {
	CAPTURE_SEEN,	   /* packets that the filter let through */
	CAPTURE_MATCHED,   /* handed to auth */
	CAPTURE_LOST,	   /* lost by the kernel before we read them */
	CAPTURE_MALFORMED, /* headers that do not fit */
	CAPTURE_FRAGMENT,
	CAPTURE_NOT_OURS,    /* not to a knock port after all */
	CAPTURE_LENGTH,	     /* too short or too long for a veil */
	CAPTURE_GATE,	     /* gate does not hold: strangers */
	CAPTURE_REPEAT,	     /* nonce seen a moment ago */
	CAPTURE_FORGED,	     /* gate held, AEAD did not */
	CAPTURE_FORM,	     /* opened, but not of the form of a knock */
	CAPTURE_PIECE,	     /* of a set that is not whole yet */
	CAPTURE_PIECE_TAG,   /* at the port of a piece, and none: strangers, dummies */
	CAPTURE_PIECE_AGAIN, /* was there already */
	CAPTURE_SET_OLD,     /* a piece of a set that was whole a while ago */
	CAPTURE_SET_FULL,    /* no room for a piece */
	CAPTURE_SET_LOST,    /* sets that never became whole */
	CAPTURE_COVER,	     /* sets that were, and no veil was found in them */
	CAPTURE_QUEUE_FULL,  /* auth did not keep up */
	CAPTURE_COUNTERS,
};

/* As the log and posternctl name them. */
static inline const char *capture_counter_word(enum capture_counter c)
{
	static const char *const word[CAPTURE_COUNTERS] = {
	    [CAPTURE_SEEN] = "seen",
	    [CAPTURE_MATCHED] = "matched",
	    [CAPTURE_LOST] = "lost",
	    [CAPTURE_MALFORMED] = "malformed",
	    [CAPTURE_FRAGMENT] = "fragment",
	    [CAPTURE_NOT_OURS] = "not-ours",
	    [CAPTURE_LENGTH] = "length",
	    [CAPTURE_GATE] = "gate",
	    [CAPTURE_REPEAT] = "repeat",
	    [CAPTURE_FORGED] = "forged",
	    [CAPTURE_FORM] = "form",
	    [CAPTURE_PIECE] = "piece",
	    [CAPTURE_PIECE_TAG] = "piece-tag",
	    [CAPTURE_PIECE_AGAIN] = "piece-again",
	    [CAPTURE_SET_OLD] = "set-old",
	    [CAPTURE_SET_FULL] = "set-full",
	    [CAPTURE_SET_LOST] = "set-lost",
	    [CAPTURE_COVER] = "cover",
	    [CAPTURE_QUEUE_FULL] = "queue-full",
	};

	return (unsigned)c < CAPTURE_COUNTERS ? word[c] : "?";
}

struct msg_capture_stats {
	struct ipc_head head;
	uint64_t counter[CAPTURE_COUNTERS];
};

/* The client-to-server half of the door keys; count is 1 or 2. */
struct msg_keys {
	struct ipc_head head;
	uint32_t count;
	uint32_t unused;
	struct {
		uint8_t veil[MESSAGE_KEY_BYTES];
		uint8_t gate[MESSAGE_SHORT_KEY_BYTES];
		uint8_t tag[MESSAGE_SHORT_KEY_BYTES], mask[MESSAGE_SHORT_KEY_BYTES];
		uint8_t picture[MESSAGE_KEY_BYTES], ports[MESSAGE_KEY_BYTES];
	} key[DOOR_KEYS_MAX];
};

struct msg_source_ready { /* SOURCE_READY, SOURCE_BAD */
	struct ipc_head head;
	uint32_t id; /* as MSG_SOURCE had it */
	uint32_t unused;
};

/* OPEN, CLOSE, SHORTEN and QUERY. */
struct msg_door {
	struct ipc_head head;
	uint64_t id;	      /* comes back in MSG_DOOR_DONE */
	uint32_t generation;  /* of the configuration that service counts in */
	uint32_t service;     /* index into config.service[] */
	uint8_t address[16];  /* v4-mapped for IPv4 */
	uint8_t prefix_len;   /* within the family */
	uint8_t once;	      /* 1: closes behind the first connection */
	uint16_t source_port; /* 0: any */
	uint32_t idle_s;      /* 0: closes not for that */
	uint32_t seconds;     /* OPEN: the door's whole time from now; SHORTEN: at most that */
	uint16_t port;	      /* the door's, where the service's is random; else 0 */
	uint8_t cut; /* CLOSE: 1: end the connections that came in through it, too (cutter.h) */
	uint8_t unused;
};

/* BAN and UNBAN. */
struct msg_ban {
	struct ipc_head head;
	uint64_t id;	     /* comes back in MSG_DOOR_DONE */
	uint8_t address[16]; /* v4-mapped for IPv4; UNBAN: all zeros: of everybody */
	uint32_t seconds;    /* BAN: from now */
	uint32_t unused;
};

enum door_status {
	DOOR_OK,
	DOOR_REFUSED,	/* not allowed by the monitor's own configuration */
	DOOR_NOT_THERE, /* CLOSE, SHORTEN, QUERY, UNBAN */
	DOOR_FULL,	/* the kernel has no room for more */
	DOOR_FAILED,	/* the kernel or the tool said no; logged by the monitor */
	DOOR_OWN,	/* OPEN, BAN: for an address of this host itself */
};

struct msg_door_done {
	struct ipc_head head;
	uint64_t id;
	uint32_t status;  /* enum door_status */
	uint32_t seconds; /* OPEN, QUERY: rest of time as the kernel has it */
};

enum {
	COMMAND_ARGUMENTS = 8,
	COMMAND_ARGUMENT_BYTES = 132, /* with its NUL */
	COMMAND_CLIENT_BYTES = 36,
	COMMAND_OUTPUT_BYTES = 1024,
};

/* In place of a command's index: the arguments, put together, are a line for a shell. */
#define COMMAND_LINE UINT32_MAX

/* Texts are ended by NUL, and what follows is zeros. */
struct msg_command {
	struct ipc_head head;
	uint64_t id;	     /* comes back in MSG_COMMAND_DONE */
	uint32_t generation; /* of the configuration that command counts in */
	uint32_t command;    /* index into config.command[], or COMMAND_LINE */
	uint32_t arguments;
	uint8_t address[16]; /* the client's, v4-mapped for IPv4 */
	uint32_t
	    approves; /* 1 + index into config.service[], whose door waits for it; 0: none does */
	uint8_t admit[16]; /* whom that door is for */
	uint8_t admit_len;
	char client[COMMAND_CLIENT_BYTES];
	char argument[COMMAND_ARGUMENTS][COMMAND_ARGUMENT_BYTES];
};

enum run_status {
	RUN_ENDED,   /* exit_status counts */
	RUN_TIMEOUT, /* killed */
	RUN_REFUSED, /* not allowed by the monitor's own configuration */
	RUN_BUSY,    /* too many run */
	RUN_FAILED,  /* could not be started; logged by the monitor */
};

struct msg_command_done {
	struct ipc_head head;
	uint64_t id;
	uint32_t status; /* enum run_status */
	uint8_t exit_status;
	uint8_t unused;
	uint16_t output_len;
	uint8_t output[COMMAND_OUTPUT_BYTES];
};

enum event_kind {
	EVENT_GRANTED,
	EVENT_CLOSED,
	EVENT_ENDED,
	EVENT_SUSPENDED,
	EVENT_RESUMED,
	EVENT_BANNED,
	EVENT_UNBANNED,
	EVENT_TRAPPED,
	EVENTS,
};

enum { EVENT_WORD_BYTES = 20, EVENT_TEXT_BYTES = 200, EVENT_SESSIONS = 8, EVENT_ADMITS = 2 };

/* Texts are printable and ended by NUL, and what follows is zeros. */
struct msg_event {
	struct ipc_head head;
	uint64_t time_ns; /* CLOCK_REALTIME */
	uint64_t session[EVENT_SESSIONS];
	uint32_t event; /* enum event_kind */
	uint8_t has_address, admits, sessions;
	uint8_t unused[3];
	uint8_t admit_len[EVENT_ADMITS];
	uint8_t address[16]; /* whence it came, or else the first of admit; v4-mapped for IPv4 */
	uint8_t admit[EVENT_ADMITS][16]; /* whom its doors are for */
	char client[COMMAND_CLIENT_BYTES];
	char verdict[EVENT_WORD_BYTES];
	char what[EVENT_TEXT_BYTES];
	char reason[EVENT_TEXT_BYTES];
};

/*
 * One capture process. It lives as long as its socket: a source may have
 * several, and when a reload, a switch or a restart replaces one, both are
 * there until the old socket ends, and auth serves both.
 */
struct msg_source {
	struct ipc_head head;
	uint32_t id;		      /* given to none before */
	uint32_t trap;		      /* 1: it hears no knocks, but what comes to traps */
	char name[SOURCE_NAME_BYTES]; /* of the source; ended by NUL */
};

enum source_condition {
	SOURCE_IS_STARTING,
	SOURCE_IS_UP,	   /* all its captures see packets */
	SOURCE_IS_WAITING, /* for its interface */
	SOURCE_IS_FAILED,  /* one of its captures cannot start, or died; it is tried again */
};

/* Texts are ended by NUL, and what follows is zeros. */
struct msg_source_state {
	struct ipc_head head;
	uint32_t index, sources; /* this one, of how many there are */
	uint32_t condition;	 /* enum source_condition */
	uint32_t method;	 /* config_capture_name() */
	uint32_t switched;	 /* 1: not what the configuration has */
	uint32_t ready, workers; /* how many of its captures see packets, of how many */
	uint32_t
	    needs; /* of all sources together: bits of enum capture_need that the firewall has rules for */
	uint64_t since_s; /* CLOCK_REALTIME, when the condition began */
	char name[SOURCE_NAME_BYTES];
	char interface[16];
	char why[SOURCE_WHY_BYTES]; /* of WAITING and FAILED; printable */
};

#define SWITCH_ALL_SOURCES UINT32_MAX

struct msg_switch {
	struct ipc_head head;
	uint32_t index;	     /* of the source, or SWITCH_ALL_SOURCES */
	uint32_t generation; /* of the configuration that index counts in */
	uint32_t method;     /* config_capture_name() */
	uint32_t id;	     /* comes back in MSG_SWITCHED */
};

struct msg_switched {
	struct ipc_head head;
	uint32_t ok; /* 1: done; 0: all is as it was */
	uint32_t id;
	char why[SWITCH_WHY_BYTES]; /* a sentence when it is not; ended by NUL, printable */
};

struct msg_abort {
	struct ipc_head head;
	char why[ABORT_WHY_BYTES]; /* lines for a person, may be none; ended by NUL, printable */
};

struct msg_mended {
	struct ipc_head head;
	uint32_t lost; /* 1: the guard itself had been taken away; 0: something else was changed */
	uint32_t unused;
};

struct msg_files {
	struct ipc_head head;
	uint32_t generation;
	uint32_t unused;
};

struct msg_loaded {
	struct ipc_head head;
	uint32_t generation;
	uint32_t ok; /* 1 good; 0 bad, auth logged why */
};

#endif
