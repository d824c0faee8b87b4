/*
 * control - what posternctl says to the daemon over the Unix socket that only
 * root can open (RUN_DIR/control.sock, SOCK_SEQPACKET), and what comes back.
 * Messages are ipc messages; each request is answered by zero or more
 * CONTROL_SESSION, CONTROL_SOURCE or CONTROL_COUNTER and one CONTROL_DONE.
 */
#ifndef POSTERN_COMMON_CONTROL_H
#define POSTERN_COMMON_CONTROL_H

#include <stdint.h>

#include "ipc.h"

#define CONTROL_SOCKET_NAME "control.sock"

enum control_type {
	CONTROL_SESSIONS = 100, /* all sessions */
	CONTROL_CLOSE,		/* close one by id */
	CONTROL_CLOSE_CLIENT,	/* close all of a client by name */
	CONTROL_STATS,
	CONTROL_RELOAD, /* as SIGHUP, and tells how it went */
	CONTROL_SWITCH, /* another way to capture: word; at the source of that name, or "" for all */

	CONTROL_SESSION = 150,
	CONTROL_COUNTER,
	CONTROL_DONE,
	CONTROL_SOURCE, /* before the counters of CONTROL_STATS */
};

enum { CONTROL_NAME_MAX = 64, CONTROL_TEXT_MAX = 512 };

struct control_request {
	struct ipc_head head; /* type says which */
	uint64_t session;
	char name[CONTROL_NAME_MAX]; /* NUL-terminated, as all texts are */
	char word[CONTROL_NAME_MAX];
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

struct control_done {
	struct ipc_head head;
	int32_t status;		     /* 0, or an errno value */
	char text[CONTROL_TEXT_MAX]; /* for a person, may be empty */
};

#endif
