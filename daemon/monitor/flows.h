/*
 * flows - connections that conntrack knows, or shall know.
 *
 * A guard lets by what is established; but on a host where nothing asked for
 * connection tracking before, nothing is. So the connections that are there
 * when a port becomes guarded are told to conntrack first; else the guard
 * would cut them, the administrator's own ssh among them.
 */
#ifndef POSTERN_MONITOR_FLOWS_H
#define POSTERN_MONITOR_FLOWS_H

#include <stdint.h>

#include "address.h"

/* A TCP connection as this host sees it. */
struct flow {
	struct address local, remote; /* of one family */
	uint16_t local_port, remote_port;
};

/*
 * Tell conntrack of all TCP connections that local sockets have at a port.
 * Those that it knows stay as they are. Returns 0, or -errno.
 */
int flows_adopt(uint16_t port) __attribute__((warn_unused_result));

/*
 * Does conntrack know the connection? Returns 1, and the port that the remote
 * side sent to in *outer_port (another one behind DNAT); 0 no; -errno.
 */
int flows_find(const struct flow *f, uint16_t *outer_port) __attribute__((warn_unused_result));

#endif
