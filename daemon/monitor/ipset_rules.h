/*
 * ipset_rules - the guard as chains of iptables, from the configuration; what
 * iptables-restore reads. No I/O. The plan is that of nft_rules.h:
 *
 *   raw      postern-raw      knocks: drops them, so that the kernel answers
 *                             none; copies and queues for captures
 *            postern-replies  replies are not tracked
 *   mangle   postern-guard    our mark, established, lo, guarded ports
 *            postern-banned   what comes from who is banned (ipset_ban.h)
 *            postern-port     what comes to one: not ours, doors, silence
 *            postern-door     marks what comes in through a door
 *            postern-trap     what comes to a trap (ipset_trap.h)
 *            postern-idle     the same for one that closes when it is idle
 *            postern-slide    what comes by flows that keep a door open
 *            postern-cuts     what is to leave no more
 *   filter   postern-silence  with silence = closed: answers what the guard
 *                             has marked, for no other table can
 *
 * Nothing here says ACCEPT: that would end the whole table's chain, and with
 * it rules of the administrator's; what may go on, returns.
 * Sets: postern-tcp and postern-udp are the guarded ports; ipset_sets.h has
 * those of the doors.
 */
#ifndef POSTERN_MONITOR_IPSET_RULES_H
#define POSTERN_MONITOR_IPSET_RULES_H

#include <stdbool.h>
#include <stdio.h>

#include "config.h"

#define IPSET_TCP "postern-tcp"
#define IPSET_UDP "postern-udp"
#define IPSET_NEXT "postern-next" /* while the ports change */

/*
 * Fill the chains of one family, each table in one step; present is what
 * iptables-save has to say now, by which a jump that is missing is added, and
 * one that is not the first rule of its chain is made that.
 */
void ipset_rules_write(FILE *out, const struct config *c, bool v4, const char *present);
/* Take away what present has of ours. */
void ipset_rules_write_removal(FILE *out, const char *present);
/* Are the jumps to all our chains there, each before what others have in that chain? */
bool ipset_rules_stand(const char *present);
/* Matches what is for an address that is not this host's. A constant. */
const char *ipset_rules_not_ours(bool v4);
/* The lines of iptables-save's that are ours, tables named; to be freed. */
char *ipset_rules_ours(const char *saved);

#endif
