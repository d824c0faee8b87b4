/*
 * cut - end the connections that came in through a door.
 *
 * Their entries in conntrack get a mark for which the guard lets nothing by any
 * more, in either direction. The entry is not deleted: the next packet of the
 * local side would make a new one, which would let the remote side in as its
 * answer. Local sockets are ended as well, where the kernel can do that, so
 * that no program waits for its time-outs.
 * Process: monitor. Needs CAP_NET_ADMIN. Takes the time of a dump of conntrack.
 */
#ifndef POSTERN_MONITOR_CUT_H
#define POSTERN_MONITOR_CUT_H

#include "config.h"
#include "firewall.h"

/* Returns how many were cut, or -errno. */
long cut_connections(const struct service *s, const struct firewall_pass *p)
    __attribute__((warn_unused_result));
/*
 * Forget those that were cut, so that a new connection may have the same
 * ports. *others: whether there are more that were, of other doors; untouched
 * on failure. Returns how many there were, or -errno.
 */
long cut_forget(const struct service *s, const struct firewall_pass *p, bool *others)
    __attribute__((warn_unused_result));
/* Are there any, of an earlier process of ours say? False when nobody can tell. */
bool cut_any(void);

#endif
