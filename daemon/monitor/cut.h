/*
 * cut - end the connections that came in through a door.
 *
 * Their entries in conntrack get a mark for which the guard lets nothing by any
 * more, in either direction. The entry is not deleted: the next packet of the
 * local side would make a new one, which would let the remote side in as its
 * answer. Local sockets are ended as well, where the kernel can do that, so
 * that no program waits for its time-outs.
 * Process: monitor. Needs CAP_NET_ADMIN. Takes the time of a dump of conntrack,
 * and more where much is cut: the monitor has it done by cutter.h.
 */
#ifndef POSTERN_MONITOR_CUT_H
#define POSTERN_MONITOR_CUT_H

#include "config.h"
#include "cut_list.h"
#include "firewall.h"

/* Returns how many were cut, or -errno. */
long cut_connections(const struct service *s, const struct firewall_pass *p)
    __attribute__((warn_unused_result));
/*
 * Forget those that were cut, so that a new connection may have the same
 * ports, and keep the list of whom it was done to: untouched on failure.
 * Returns how many there were, or -errno.
 */
long cut_forget(const struct service *s, const struct firewall_pass *p, struct cut_list *list)
    __attribute__((warn_unused_result));
/* Whom an earlier process of ours did it to, say. Empty when nobody can tell. */
void cut_find(struct cut_list *list);

#endif
