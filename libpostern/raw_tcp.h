/*
 * raw_tcp - SYNs that bear data, by a raw socket, and the segments that come
 * back. Needs CAP_NET_RAW. The kernel knows of no connection: what it resets
 * when an answer comes harms nobody.
 */
#ifndef LIBPOSTERN_RAW_TCP_H
#define LIBPOSTERN_RAW_TCP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "address.h"

struct raw_tcp {
	int sock;     /* raw, hears the server alone */
	int reserved; /* bound, so that nobody else takes our port; never listens */
	uint16_t port;
	struct address local, remote;
};

/* From local, which is where packets to remote go out. Returns 0, or -1 with errno. */
int raw_tcp_open(
    struct raw_tcp *r, const struct sockaddr *remote, const struct sockaddr *local, socklen_t len);
void raw_tcp_close(struct raw_tcp *r);

/* A SYN with the options that Linux sends. */
struct raw_syn {
	uint16_t port;
	uint32_t seq, tsval;
	const uint8_t *bytes;
	size_t len;
};

/* Returns 0, or -1 with errno. */
int raw_tcp_send(const struct raw_tcp *r, const struct raw_syn *s);

/*
 * The payload of one segment to our port, and the port that it came from.
 * Returns its length, 0 for one without, or -1 with errno.
 */
int raw_tcp_receive(const struct raw_tcp *r, uint8_t *out, size_t cap, uint16_t *from);

#endif
