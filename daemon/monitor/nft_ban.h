/*
 * nft_ban - who is banned, in our table:
 *
 *   banned4, banned6   sets of addresses, each element with its timeout, so
 *                      that the kernel ends every ban.
 *   banned             what becomes of a packet that nothing let by and that
 *                      comes from there: dropped, unless it may be a knock, is
 *                      not for this host, or keeps the link going.
 *
 * The sets are always there, the rules only where the configuration bans.
 */
#ifndef POSTERN_MONITOR_NFT_BAN_H
#define POSTERN_MONITOR_NFT_BAN_H

#include <stdio.h>

#include "config.h"
#include "nft_table.h"

enum { NFT_BANS_MAX = 16384 }; /* in each set */

/* Inside of the table's block: sets, chain and counter. */
void nft_ban_write_sets(FILE *out);
/* The rules, once the chain guard has those that let by what is up already. */
void nft_ban_write_rules(FILE *out, const struct config *c);

/* These return 0 or -errno. ENFILE: no room for one more. */
int nft_ban_put(struct nft_table *t, const struct address *a, uint32_t seconds)
    __attribute__((warn_unused_result));
/* a NULL: of everybody. -ENOENT: there is none. */
int nft_ban_delete(struct nft_table *t, const struct address *a)
    __attribute__((warn_unused_result));
int nft_ban_each(struct nft_table *t, firewall_ban_fn *fn, void *arg)
    __attribute__((warn_unused_result));
/* Ends the bans that c has not: all, or those of addresses that it excepts. */
int nft_ban_settle(struct nft_table *t, const struct config *c) __attribute__((warn_unused_result));
/* For a firewall_ban_fn with a FILE: the text that puts it there again. */
void nft_ban_write_element(void *out, const struct address *a, uint64_t rest_ms);

#endif
