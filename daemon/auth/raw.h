/*
 * raw - sockets that send IP packets and receive nothing: opened as root,
 * usable without any privilege after.
 *
 * In a container that may have no raw socket, knocks can come by capture = udp
 * alone, and then answers can leave by UDP sockets at the same port.
 */
#ifndef POSTERN_AUTH_RAW_H
#define POSTERN_AUTH_RAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "carrier.h"

struct raw {
	int v4, v6; /* -1: the host has no such family */
	bool plain; /* these are UDP sockets: they send what is in a UDP packet, and no other */
};

/*
 *   udp_port  where a capture hears by a socket, so that plain sockets will do
 *             if raw ones may not be had; 0: they will not
 * Returns 0, or -1 and logged.
 */
int raw_open(struct raw *r, uint16_t udp_port) __attribute__((warn_unused_result));
/* A whole packet. Never blocks. Returns 0 or an errno value. */
int raw_send(const struct raw *r, const struct route *to, const uint8_t *packet, size_t len);

#endif
