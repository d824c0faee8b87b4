/*
 * ipset_link - the kernel's ipset by netlink: sets of doors, of guarded ports
 * and of who is banned. Each call is a round trip with the kernel, or two. Errors are -errno,
 * or a number of ipset's own that ipset_link_error() names.
 */
#ifndef POSTERN_MONITOR_IPSET_LINK_H
#define POSTERN_MONITOR_IPSET_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "address.h"
#include "nft_link.h"

enum {
	IPSET_ELEMENTS_MAX = 65536,  /* in each set of doors */
	IPSET_BANS_MAX = 16384,	     /* in each set of addresses */
	IPSET_SECONDS_MAX = 2147483, /* the longest that the kernel takes */
};

enum ipset_kind {
	IPSET_PORTS,	 /* bitmap:port */
	IPSET_HOSTS,	 /* hash:ip,port with timeouts */
	IPSET_NETWORKS,	 /* hash:net,port with timeouts */
	IPSET_ADDRESSES, /* hash:ip with timeouts */
};

/* Of a set of ports the port alone counts, of one of addresses the address. */
struct ipset_element {
	struct prefix from;
	uint8_t proto;
	uint16_t port;
	uint32_t
	    rest_s; /* add: its time; list: what is left of it, rounded down, but not to 0, which is no end */
};

typedef void ipset_element_fn(void *arg, const struct ipset_element *e);

/* Make a set, unless it is there. */
int ipset_create(struct nft_link *l, const char *name, enum ipset_kind kind, bool v4)
    __attribute__((warn_unused_result));
/* What is there already gets the new time. -ENFILE: the set is full. */
int ipset_add(struct nft_link *l, const char *name, enum ipset_kind kind,
    const struct ipset_element *e) __attribute__((warn_unused_result));
/* -ENOENT: it is not there. */
int ipset_delete(struct nft_link *l, const char *name, enum ipset_kind kind,
    const struct ipset_element *e) __attribute__((warn_unused_result));
/* 0: it is there; -ENOENT: it is not, or the set is not. */
int ipset_test(struct nft_link *l, const char *name, enum ipset_kind kind,
    const struct ipset_element *e) __attribute__((warn_unused_result));
/* What is in two sets of one kind changes places, in one step. */
int ipset_swap(struct nft_link *l, const char *one, const char *other)
    __attribute__((warn_unused_result));
int ipset_flush(struct nft_link *l, const char *name) __attribute__((warn_unused_result));
/* -ENOENT: there is none; -EBUSY: a rule asks it. */
int ipset_destroy(struct nft_link *l, const char *name) __attribute__((warn_unused_result));
/*
 * Destroy a set; one that is not there is fine. A rule that was just taken away
 * holds its set a moment longer: waits for that, a second at most. Returns 0;
 * -1 and logged.
 */
int ipset_take_away(struct nft_link *l, const char *name) __attribute__((warn_unused_result));

typedef void ipset_name_fn(void *arg, const char *name);

/* Of all sets that there are, also those of others. */
int ipset_names(struct nft_link *l, ipset_name_fn *fn, void *arg)
    __attribute__((warn_unused_result));
/* -ENOENT: there is none. */
int ipset_list(struct nft_link *l, const char *name, ipset_element_fn *fn, void *arg)
    __attribute__((warn_unused_result));

/* Log that it was refused; returns -1. */
int ipset_link_tell(const char *what, const char *set, int rc);
/* A constant. */
const char *ipset_link_error(int rc);

#endif
