/*
 * ipset_trap - nft_trap.h, where the firewall is iptables: the last rules of
 * postern-port before the silence, by which what comes to the ports of services
 * with a trap goes to a chain of its own.
 *
 *   postern-trap   logs within the rate, which is that of each family for
 *                  itself, and drops
 */
#ifndef POSTERN_MONITOR_IPSET_TRAP_H
#define POSTERN_MONITOR_IPSET_TRAP_H

#include <stdio.h>

#include "config.h"

void ipset_trap_write(FILE *out, const struct config *c);

#endif
