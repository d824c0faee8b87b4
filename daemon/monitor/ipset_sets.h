/*
 * ipset_sets - the sets that doors lie in, by their names. No I/O.
 *
 *   postern-hosts4, 6     for one host: address, protocol and port
 *   postern-nets4, 6      for networks, of any length
 *   postern-held4-300,    for one host, closed when idle for 300 s: the door is
 *   postern-idle4-300 ... in both. The first ends with its time, the second
 *                         after 300 s unless traffic sets it back. One pair for
 *                         each length, for the kernel takes the length from the
 *                         rule that sets back.
 */
#ifndef POSTERN_MONITOR_IPSET_SETS_H
#define POSTERN_MONITOR_IPSET_SETS_H

#include <stdbool.h>
#include <stdint.h>

#include "firewall.h"
#include "ipset_link.h"

enum { IPSET_NAME_MAX = 32 }; /* the kernel's */

enum ipset_form { IPSET_HOST, IPSET_NETWORK, IPSET_HELD, IPSET_IDLE };

struct ipset_set {
	enum ipset_form form;
	bool v4;
	uint32_t idle_s; /* of the last two */
};

/* The set that a door with this pass is in; of the two of an idle one the held. */
struct ipset_set ipset_set_of(const struct firewall_pass *p);
/* The other one of the idle. */
struct ipset_set ipset_set_idle(const struct ipset_set *held);
enum ipset_kind ipset_set_kind(const struct ipset_set *s);
const char *ipset_set_name(char out[static IPSET_NAME_MAX], const struct ipset_set *s);
/* False when this is no set of doors. */
bool ipset_set_parse(const char *name, struct ipset_set *out);

enum { IPSET_SETS_MAX = 2 * 2 * (1 + CONFIG_SERVICES_MAX) };

/* All that a configuration needs, in the order in which they are asked; returns how many. */
unsigned ipset_sets_of(const struct config *c, struct ipset_set out[static IPSET_SETS_MAX]);

#endif
