/*
 * sender - the client's half of a carrier: a socket towards one address of the
 * server, covered bytes out, covered bytes in. No privilege is needed.
 */
#ifndef LIBPOSTERN_SENDER_H
#define LIBPOSTERN_SENDER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "veil.h"

enum sender_result {
	SENDER_OK = 0,
	SENDER_NOTHING =
	    -1, /* receive: nothing (more) there; errors of the network count as this */
	SENDER_TOO_LONG = -2, /* send: longer than the way there takes; a shorter one may go */
	SENDER_NO_WAY =
	    -3, /* open, send: this address cannot be reached from here; errno says why */
};

struct sender {
	const char *name; /* as the profile has it */
	enum carrier_id id;
	size_t room; /* longest veil */
	/* A non-blocking socket that hears to (borrowed, with its port) alone, or SENDER_NO_WAY. */
	int (*open)(const struct sockaddr *to, socklen_t len);
	/* Returns SENDER_OK also when the network lost it: that is what retries are for. */
	int (*send)(int sock, const uint8_t *bytes, size_t len);
	/* Returns a length, or SENDER_NOTHING. */
	int (*receive)(int sock, uint8_t *out, size_t cap);
};

extern const struct sender sender_udp;

const struct sender *sender_by_name(const char *name); /* NULL when there is none */

#endif
