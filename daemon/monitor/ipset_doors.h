/*
 * ipset_doors - doors as elements of the kernel's sets (ipset_sets.h), each
 * with its time there. The functions mean what their namesakes in firewall.h
 * mean; what goes wrong is logged. Process: monitor; posternctl.
 */
#ifndef POSTERN_MONITOR_IPSET_DOORS_H
#define POSTERN_MONITOR_IPSET_DOORS_H

#include "firewall.h"
#include "nft_link.h"

/* Make the sets that c's doors need, unless they are there. Returns 0; -1 and logged. */
int ipset_doors_make(struct nft_link *l, const struct config *c)
    __attribute__((warn_unused_result));
/*
 * Take away the sets that c does not need, also those of an earlier
 * configuration; c NULL: all. No rule may ask them any more. What is in them
 * has ended even where something else holds a set. Returns 0; -1 and logged.
 */
int ipset_doors_drop(struct nft_link *l, const struct config *c)
    __attribute__((warn_unused_result));

enum firewall_status ipset_doors_open(struct nft_link *l, const struct service *v,
    const struct firewall_pass *p, uint32_t seconds) __attribute__((warn_unused_result));
enum firewall_status ipset_doors_shorten(struct nft_link *l, const struct service *v,
    const struct firewall_pass *p, uint32_t seconds) __attribute__((warn_unused_result));
enum firewall_status ipset_doors_close(struct nft_link *l, const struct service *v,
    const struct firewall_pass *p) __attribute__((warn_unused_result));
/* The kernel has no way to ask for the time of one element: all of the set are listed. */
enum firewall_status ipset_doors_query(struct nft_link *l, const struct service *v,
    const struct firewall_pass *p, uint32_t *rest_s) __attribute__((warn_unused_result));
enum firewall_status ipset_doors_list(struct nft_link *l, firewall_door_fn *fn, void *arg)
    __attribute__((warn_unused_result));
/* Close those of services that are no more: they would be open again if these came back in time. */
enum firewall_status ipset_doors_close_stale(struct nft_link *l, const struct config *c)
    __attribute__((warn_unused_result));

#endif
