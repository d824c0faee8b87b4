/*
 * xt_queue - the queue of nfqueue where the kernel lacks nftables' own "queue"
 * expression: a chain of ours in iptables' raw table, by iptables-nft, which
 * lives in nftables as well. It sends knocks to this host's own addresses to
 * the queue, or by it where nobody reads it; what forwards is let alone.
 *
 * Runs iptables-nft of /usr/sbin with fixed words and numbers, without a
 * shell, for some seconds at most. Needs CAP_NET_ADMIN.
 */
#ifndef POSTERN_MONITOR_XT_QUEUE_H
#define POSTERN_MONITOR_XT_QUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "nft_run.h"

/* Send knocks to this queue and no other, from now on. Returns 0; -1 and logged. */
int xt_queue_put(uint16_t port, uint16_t queue) __attribute__((warn_unused_result));
/* Take the chain away, if it is there: that is looked up first, at little cost. Returns 0; -1 and logged. */
int xt_queue_remove(struct nft_run *r) __attribute__((warn_unused_result));
/* Does it stand for both families, and is it asked? */
bool xt_queue_stands(struct nft_run *r);
/* The chains, as text for people; nothing where there are none. */
void xt_queue_show(struct nft_run *r, FILE *out);

#endif
