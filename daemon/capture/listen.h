/*
 * listen - from what the configuration says to what the carriers listen for.
 */
#ifndef POSTERN_CAPTURE_LISTEN_H
#define POSTERN_CAPTURE_LISTEN_H

#include "carrier.h"
#include "config.h"

void listen_ports(const struct config *c, struct carrier_ports *out);

#endif
