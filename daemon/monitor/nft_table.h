/*
 * nft_table - our table in the kernel: read it, replace it, try it.
 */
#ifndef POSTERN_MONITOR_NFT_TABLE_H
#define POSTERN_MONITOR_NFT_TABLE_H

#include "firewall_admin.h"
#include "nft_link.h"
#include "nft_rules.h"
#include "nft_run.h"
#include "nft_watch.h"

struct nft_table {
	struct nft_link link;
	struct nft_run *run;
	struct nft_watch watch;
	bool changed;	     /* somebody else was at it while we were */
	bool queues_outside; /* by xt_queue.h */
};

/*
 * Make the table that of c, in one transaction; more is further text for it,
 * or NULL. When what is there cannot be made into ours (another version's,
 * or spoiled), it is taken away and made anew, with its doors, in one, too.
 * What is outside of the table (xt_queue.h) follows.
 * Returns 0, or -1, and nft_run_error() says why: nothing changed, or the
 * table stands, and what is outside does not; that is logged, too.
 */
int nft_table_replace(struct nft_table *t, const struct config *c, enum nft_arming arming,
    const char *more) __attribute__((warn_unused_result));

/* Make the set for doors of this length, and the rule that asks it. Returns 0 or -1. */
int nft_table_add_length(struct nft_table *t, const struct prefix *from)
    __attribute__((warn_unused_result));
/* All doors. Returns 0 or -errno. */
int nft_table_doors(struct nft_table *t, firewall_door_fn *fn, void *arg)
    __attribute__((warn_unused_result));
/* For which lengths there are sets. Returns 0 or -errno. */
int nft_table_lengths(struct nft_table *t, struct nft_lengths *out)
    __attribute__((warn_unused_result));
/* Returns 0 or -errno; a table that is not there is an answer. */
int nft_table_state(struct nft_table *t, struct firewall_state *out)
    __attribute__((warn_unused_result));

/* firewall_try() and firewall_confirm(). */
enum firewall_status nft_trial_begin(struct nft_table *t, const struct config *c, uint32_t seconds);
enum firewall_status nft_trial_confirm(struct nft_table *t, const struct config *c);

#endif
