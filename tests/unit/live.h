/*
 * live - what tests of a running capture share: a network namespace of their
 * own with a pair of interfaces in it (frames sent on LIVE_FAR come in at
 * LIVE_NEAR), and a capture process to talk to in auth's place. Needs root;
 * the kernel takes all of it away with the process.
 */
#ifndef POSTERN_TESTS_LIVE_H
#define POSTERN_TESTS_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "frames.h"
#include "message.h"

#define LIVE_NEAR "near0"
#define LIVE_FAR "far0"

enum { LIVE_PATIENCE_MS = 5000 };

bool live_possible(void);	    /* root, and may make a namespace; does it */
void live_run(const char *command); /* a shell command that must succeed */
void live_make_pair(void);	    /* makes it anew when it is there */
void live_up(void);		    /* LIVE_NEAR is up, and frames can be sent to it */
/* A socket that sends whole frames by an interface. */
int live_sender(const char *interface);
/* Sends a shape by LIVE_FAR's sender to LIVE_NEAR's address. */
void live_send(int sender, struct shape shape);
/* Waits until fd is readable; fails the test when it takes too long. */
void live_await(int fd);

struct live_capture {
	pid_t pid;
	int peer; /* we are auth */
	int log;
};

/* Starts capture_main() as the monitor would. */
struct live_capture live_start(const char *interface, const char *config);
/* A configuration with this method and user. */
const char *live_config(
    char *out, size_t cap, const char *method, const char *interface, const char *user);
/* Waits for it to end and returns its exit status, or minus the signal. */
int live_end(struct live_capture *c);
/* The next message, which must be of this type and size. */
void live_expect(const struct live_capture *c, uint32_t type, void *out, size_t size);
/* Sends it keys made from a door key of these bytes. */
void live_keys(const struct live_capture *c, const uint8_t door_key[static 32]);
void live_stats(const struct live_capture *c, struct msg_capture_stats *out);
/* Reads log records until one has this text; fails the test when none comes in time. */
void live_expect_log(const struct live_capture *c, const char *text);

#endif
