/*
 * ipset_ban - who is banned, where the firewall is iptables:
 *
 *   postern-banned4, 6   sets of addresses, each element with its timeout, so
 *                        that the kernel ends every ban.
 *   postern-banned       chain of mangle: what becomes of a packet from there
 *                        that nothing let by; as in nft_ban.h.
 *
 * Sets and rules are there only where the configuration bans, so that nobody
 * else needs a kernel with that type of set. What goes wrong is logged.
 */
#ifndef POSTERN_MONITOR_IPSET_BAN_H
#define POSTERN_MONITOR_IPSET_BAN_H

#include <stdio.h>

#include "config.h"
#include "firewall.h"
#include "nft_link.h"

/* The rules, once the chain postern-guard has those that let by what is up already. */
void ipset_ban_write_rules(FILE *out, const struct config *c, bool v4);
/* What makes the sets, as ipset(8) reads it. */
void ipset_ban_print_sets(FILE *out, const struct config *c);

/* Make the sets, where c bans and they are not there. Returns 0; -1 and logged. */
int ipset_ban_make(struct nft_link *l, const struct config *c) __attribute__((warn_unused_result));
/*
 * Once the rules are those of c: end the bans that it has not, which are those of
 * addresses that it excepts, or all, and the sets with them; c NULL: all.
 */
enum firewall_status ipset_ban_settle(struct nft_link *l, const struct config *c)
    __attribute__((warn_unused_result));

/* As their namesakes in firewall.h. */
enum firewall_status ipset_ban_put(struct nft_link *l, const struct address *a, uint32_t seconds)
    __attribute__((warn_unused_result));
enum firewall_status ipset_ban_delete(struct nft_link *l, const struct address *a)
    __attribute__((warn_unused_result));
enum firewall_status ipset_ban_each(struct nft_link *l, firewall_ban_fn *fn, void *arg)
    __attribute__((warn_unused_result));

#endif
