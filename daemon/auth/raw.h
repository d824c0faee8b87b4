/*
 * raw - sockets that send IP packets and receive nothing: opened as root,
 * usable without any privilege after.
 */
#ifndef POSTERN_AUTH_RAW_H
#define POSTERN_AUTH_RAW_H

#include <stddef.h>
#include <stdint.h>

#include "carrier.h"

struct raw {
	int v4, v6; /* -1: the host has no such family */
};

/* Returns 0, or -1 and logged. */
int raw_open(struct raw *r);
/* A whole packet. Never blocks. Returns 0 or an errno value. */
int raw_send(const struct raw *r, const struct route *to, const uint8_t *packet, size_t len);

#endif
