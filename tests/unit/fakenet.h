/*
 * fakenet - a fake server as a process behind real sockets, in a network
 * namespace of the test's own, and folders for the client to live in.
 */
#ifndef POSTERN_TESTS_FAKENET_H
#define POSTERN_TESTS_FAKENET_H

#include <sys/types.h>

#include "fakeserver.h"

enum { FAKENET_PATH_MAX = 64 };

struct fakenet {
	struct fake_server *server; /* in shared memory: may be changed and read at any time */
	pid_t child;
	uint16_t port;
	char home[FAKENET_PATH_MAX]; /* of all files */
	char profiles[FAKENET_PATH_MAX + 32];
	char state[FAKENET_PATH_MAX + 32];
};

/*
 * Leave the host's network for an empty one with a loopback alone. Once, before
 * anything else.
 */
void fakenet_isolate(void);

/*
 * Folders, and a server on 127.0.0.1 and ::1 at one port, UDP for knocks and
 * TCP for a service that sends back what it gets, ended by "bye" when the
 * other side has ended. Environment variables point to the folders.
 */
void fakenet_start(struct fakenet *n);
void fakenet_stop(struct fakenet *n);

/* Write HOME/FILE with this text and mode; path gets the whole path. */
void fakenet_write(const struct fakenet *n, const char *file, const char *text, unsigned mode,
    char path[static 128]);
/* The client's profile, as "alice" in the folder of profiles. servers: lines of "server = ...". */
void fakenet_profile(const struct fakenet *n, const char *servers);

#endif
