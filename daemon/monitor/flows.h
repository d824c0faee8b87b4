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

#include <stdbool.h>
#include <stdint.h>

#include "address.h"

/* A TCP connection as this host sees it. */
struct flow {
	struct address local, remote; /* of one family */
	uint16_t local_port, remote_port;
};

/* A set of ports. */
struct flow_ports {
	uint8_t bit[(UINT16_MAX + 1) / 8];
};

static inline void flow_ports_add(struct flow_ports *p, uint16_t port)
{
	p->bit[port / 8] |= (uint8_t)(1U << (port % 8));
}

static inline bool flow_ports_has(const struct flow_ports *p, uint16_t port)
{
	return (p->bit[port / 8] >> (port % 8) & 1) != 0;
}

/*
 * Tell conntrack of all TCP connections that local sockets have at these
 * ports. Those that it knows stay as they are. Returns 0, or -errno. Takes the
 * time of a walk through all sockets, however many ports there are.
 */
int flows_adopt(const struct flow_ports *ports) __attribute__((warn_unused_result));

/*
 * Does conntrack know the connection? Returns 1, and the port that the remote
 * side sent to in *outer_port (another one behind DNAT); 0 no; -errno.
 */
int flows_find(const struct flow *f, uint16_t *outer_port) __attribute__((warn_unused_result));

#endif
