/*
 * control - what posternctl says to the daemon over the Unix socket that only
 * root can open (RUN_DIR/control.sock, SOCK_SEQPACKET), and what comes back.
 * Messages are ipc messages; each request is answered by zero or more
 * CONTROL_SESSION, CONTROL_SOURCE, CONTROL_COUNTER or CONTROL_RECORD, and one
 * CONTROL_DONE.
 */
#ifndef POSTERN_COMMON_CONTROL_H
#define POSTERN_COMMON_CONTROL_H

#include <stdint.h>

#include "ipc.h"

#define CONTROL_SOCKET_NAME "control.sock"
#define CONTROL_ALL "all"

enum control_type {
	CONTROL_SESSIONS = 100, /* all sessions */
	CONTROL_CLOSE,		/* close one by id */
	CONTROL_CLOSE_CLIENT,	/* close all of a client by name */
	CONTROL_STATS,
	CONTROL_RELOAD, /* as SIGHUP, and tells how it went */
	CONTROL_SWITCH, /* another way to capture: word; at the source of that name, or "" for all */
	CONTROL_LOG,	/* a page of the journal */
	CONTROL_RESUME, /* a suspended client by name */
	CONTROL_UNBAN,	/* an address by name, or CONTROL_ALL */

	CONTROL_SESSION = 150,
	CONTROL_COUNTER,
	CONTROL_DONE,
	CONTROL_SOURCE, /* before the counters of CONTROL_STATS */
	CONTROL_RECORD,
	CONTROL_PAGE, /* behind the records of CONTROL_LOG */
};

enum {
	CONTROL_NAME_MAX = 64,
	CONTROL_TEXT_MAX = 512,
	CONTROL_ARGUMENTS_MAX = 1088,
	CONTROL_RECORD_SESSIONS = 8,
};

struct control_request {
	struct ipc_head head; /* type says which */
	uint64_t session;
	char name[CONTROL_NAME_MAX]; /* NUL-terminated, as all texts are */
	char word[CONTROL_NAME_MAX];
	/* LOG: name is a client, word a service or command; "" is any. */
	char verdict[CONTROL_NAME_MAX];
	uint64_t since_ns; /* CLOCK_REALTIME */
	uint64_t from;	   /* as struct journal_query has it */
	uint32_t back;	   /* 1: from the newest to the oldest */
	uint32_t most;	   /* records that are wanted; there may come fewer */
};

struct control_session {
	struct ipc_head head;
	uint64_t session;
	char client[CONTROL_NAME_MAX];
	char service[CONTROL_NAME_MAX];
	uint8_t address[16];
	uint8_t prefix_len;
	uint8_t proto;
	uint16_t port;
	uint32_t rest_s;      /* as the kernel has it */
	uint32_t idle_s;      /* 0: closes not for that */
	uint16_t source_port; /* 0: any */
	uint8_t once;
	uint8_t unused;
};

struct control_source {
	struct ipc_head head;
	char name[CONTROL_NAME_MAX];
	char interface[CONTROL_NAME_MAX];
	char method[CONTROL_NAME_MAX];
	char state[CONTROL_NAME_MAX]; /* "up", "starting", "waiting", "failed" */
	char why[CONTROL_TEXT_MAX];
	uint64_t since_s; /* CLOCK_REALTIME */
	uint32_t ready, workers;
	uint32_t switched; /* 1: not what the configuration has */
	uint32_t needs;	   /* of all sources together: enum capture_need */
};

struct control_counter {
	struct ipc_head head;
	char name[CONTROL_NAME_MAX]; /* "capture.eth0.gate", "auth.replay", "auth.dh" ... */
	uint64_t value;
};

/* One of the journal. Texts are as they came, printable or not; "" is none. */
struct control_record {
	struct ipc_head head;
	uint64_t number, time_ns;
	uint64_t attempt; /* 0: none */
	uint64_t session[CONTROL_RECORD_SESSIONS];
	char event[CONTROL_NAME_MAX];
	char client[CONTROL_NAME_MAX];
	char verb[CONTROL_NAME_MAX];
	char verdict[CONTROL_NAME_MAX];
	char what[CONTROL_TEXT_MAX];
	char reason[CONTROL_TEXT_MAX];
	char arguments[CONTROL_ARGUMENTS_MAX];
	uint8_t from[16], admit[16], second[16];
	uint8_t has_from, has_admit, admit_len;
	uint8_t has_second, second_len;
	uint8_t sessions;
	uint8_t has_exit_status, exit_status;
};

struct control_page {
	struct ipc_head head;
	uint64_t next;	 /* from of the next page */
	uint64_t newest; /* the number that the next record will have */
	uint32_t more;	 /* 1: there may be others on the next page */
	uint32_t unused;
};

struct control_done {
	struct ipc_head head;
	int32_t status;		     /* 0, or an errno value */
	char text[CONTROL_TEXT_MAX]; /* for a person, may be empty */
};

#endif
