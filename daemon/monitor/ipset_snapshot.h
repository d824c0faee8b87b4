/*
 * ipset_snapshot - how long elements of sets have left. The kernel says of one
 * element whether it is there, but its time only in a listing of its whole set;
 * so a listing serves all who ask for as long as ten of it would take: those
 * who ask for many do not pay for all of them with each.
 * Process: monitor.
 */
#ifndef POSTERN_MONITOR_IPSET_SNAPSHOT_H
#define POSTERN_MONITOR_IPSET_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

#include "ipset_link.h"
#include "ipset_sets.h"

enum { SNAPSHOTS = 8, SNAPSHOT_LIVES = 10 };

struct ipset_elements {
	struct ipset_element *at;
	size_t len;
};

/* All that is in a set, in order; one that is not there has nothing. Returns 0 or -errno; out->at is to be freed in any case. */
int ipset_elements_read(struct nft_link *l, const char *set, struct ipset_elements *out)
    __attribute__((warn_unused_result));
/* By address, protocol and port; NULL: it is not there. */
struct ipset_element *ipset_elements_find(
    const struct ipset_elements *all, const struct ipset_element *like);

struct ipset_snapshots {
	struct ipset_snapshot {
		char set[IPSET_NAME_MAX];    /* "": of none */
		uint64_t taken_ns, until_ns; /* CLOCK_MONOTONIC */
		struct ipset_elements elements;
	} of[SNAPSHOTS];
};

/* Zeros at first. */
void ipset_snapshots_free(struct ipset_snapshots *all);
/*
 * *rest_s: what it has left, as of a moment ago; 0: it is not there, which is so
 * now. Returns 0 or -errno.
 */
int ipset_snapshot_rest(struct ipset_snapshots *all, struct nft_link *l, const struct ipset_set *s,
    const struct ipset_element *like, uint32_t *rest_s) __attribute__((warn_unused_result));
/* Its time is another one from now on. */
void ipset_snapshot_touched(
    struct ipset_snapshots *all, const struct ipset_set *s, const struct ipset_element *like);

#endif
