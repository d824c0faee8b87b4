/*
 * ipset_doors - doors as elements of the kernel's sets (ipset_sets.h), each
 * with its time there. The functions mean what their namesakes in firewall.h
 * mean; what goes wrong is logged. Process: monitor; posternctl.
 */
#ifndef POSTERN_MONITOR_IPSET_DOORS_H
#define POSTERN_MONITOR_IPSET_DOORS_H

#include "firewall.h"
#include "ipset_snapshot.h"
#include "nft_link.h"

struct ipset_doors {
	struct nft_link link;
	struct ipset_snapshots snapshots;
};

/* Make the sets that c's doors need, unless they are there. Returns 0; -1 and logged. */
int ipset_doors_make(struct ipset_doors *d, const struct config *c)
    __attribute__((warn_unused_result));
/*
 * Take away the sets that c does not need, also those of an earlier
 * configuration; c NULL: all. No rule may ask them any more. What is in them
 * has ended even where something else holds a set. Returns 0; -1 and logged.
 */
int ipset_doors_drop(struct ipset_doors *d, const struct config *c)
    __attribute__((warn_unused_result));

enum firewall_status ipset_doors_open(struct ipset_doors *d, const struct service *v,
    const struct firewall_pass *p, uint32_t seconds) __attribute__((warn_unused_result));
enum firewall_status ipset_doors_shorten(struct ipset_doors *d, const struct service *v,
    const struct firewall_pass *p, uint32_t seconds) __attribute__((warn_unused_result));
enum firewall_status ipset_doors_close(struct ipset_doors *d, const struct service *v,
    const struct firewall_pass *p) __attribute__((warn_unused_result));
/* Is it there? as of now; how long? as of a moment ago (ipset_snapshot.h). */
enum firewall_status ipset_doors_query(struct ipset_doors *d, const struct service *v,
    const struct firewall_pass *p, uint32_t *rest_s) __attribute__((warn_unused_result));
enum firewall_status ipset_doors_list(struct ipset_doors *d, firewall_door_fn *fn, void *arg)
    __attribute__((warn_unused_result));
/* Close those of services that are no more: they would be open again if these came back in time. */
enum firewall_status ipset_doors_close_stale(struct ipset_doors *d, const struct config *c)
    __attribute__((warn_unused_result));

#endif
