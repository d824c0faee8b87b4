/*
 * nft_rules - our nftables table as text, from the configuration. No I/O.
 *
 * The table (postern-firewall(7) tells the administrator's side of it):
 *
 *   guarded     set of (protocol . port): what is silent for strangers. In a
 *               trial the elements have a timeout, so the kernel disarms.
 *   trial       marker: a trial is running or has ended unconfirmed.
 *   doors4, 6   sets of (address . protocol . port): hash tables, each element
 *               with its timeout. The kernel closes every door. Not maps to
 *               verdicts: with a "goto" in an element the kernel validates
 *               all elements at each commit, 0.3 ms a door where 10,000 are open.
 *   nets4_24... the same for prefixes, one set for each length in use, keyed
 *               by the masked address. Not one interval set: there a prefix
 *               inside another is refused (EEXIST), and each change copies
 *               the whole set. Made when the first such door is opened.
 *   held..., idle..., once..., exact..., exonce...: doors that close by more
 *               than their time, or are for one source port; see nft_door.h.
 *   knocks      base chain before conntrack: drops knocks, so that the kernel
 *               answers none and tracks none (a flood costs least here, and
 *               AF_PACKET has seen the packet already). Only with silence =
 *               drop; with silence = closed the kernel shall answer. What
 *               captures need of it (config.needs) is here, too: a copy to
 *               nflog's groups, the verdict of nfqueue, no drop before udp's
 *               socket.
 *   syn, heard  the same for knocks that are no datagrams (nft_carriers.h).
 *   unheard     the same drop for what came back from the queue: a verdict to
 *               go on leads to the next base chain, not to the next rule. Here
 *               only while something queues; behind iptables' raw chain, which
 *               queues where the kernel lacks our own way to (xt_queue.h).
 *   replies     base chain before conntrack: replies are not tracked. Else a
 *               confirmed knock leaves an entry that makes the next datagram
 *               "established", and the kernel answers that.
 *   banned...   who is banned, and what becomes of that; see nft_ban.h.
 *   guard       base chain after conntrack and before DNAT, so that a port
 *               published by DNAT is guarded by its outer number.
 *   trap        see nft_trap.h.
 *   door        what happens to the first packet that fits a door.
 *   cuts        base chain for what this host sends: see cut.h.
 *   forwards, masquerades   see nft_forward.h.
 *   slide       what happens to packets of flows that keep a door open.
 *
 * Why each rule of the guard is there stands in nft_rules.c beside it.
 */
#ifndef POSTERN_MONITOR_NFT_RULES_H
#define POSTERN_MONITOR_NFT_RULES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "config.h"
#include "nft_door.h"

#define NFT_TABLE "postern"
#define NFT_SET_GUARDED "guarded"
#define NFT_SET_TRIAL "trial"

/* Addresses that are not this host's: named one by one, because "not local" would let broadcast and multicast pass, which reach sockets. */
#define NFT_FOREIGN "{ unicast, blackhole, unreachable, prohibit }"

/*
 * Asked twice: by the tables of the whole host, and by those of the interface
 * that the packet came in by, for an address inside a VRF is in the latter
 * alone. Only what is foreign by both is let by.
 */
#define NFT_NOT_OURS "fib daddr type " NFT_FOREIGN " fib daddr . iif type " NFT_FOREIGN

enum {
	NFT_DOORS_MAX = 65536, /* in each set */
	NFT_GUARDED_MAX = 4 * CONFIG_GUARDED_MAX,
	NFT_TRIAL_MARKER = 1,
	NFT_IPV4_BITS = 32,
	NFT_IPV6_BITS = 128,
};

/* For which prefix lengths there are sets. */
struct nft_lengths {
	bool v4[NFT_IPV4_BITS];
	bool v6[NFT_IPV6_BITS];
};

/* What becomes of the set of what is guarded. */
enum nft_arming {
	NFT_ARM_KEEP,	      /* nothing: a trial is running or has ended */
	NFT_ARM_MARK,	      /* nothing, and set the marker of a trial */
	NFT_ARM_UNLESS_TRIAL, /* guard all for good; the kernel refuses the whole when there is a trial */
	NFT_ARM_INSTALL, /* guard all for good and end a trial */
};

/* How knocks get into nfqueue's queue, if config.needs asks for it. */
enum nft_queueing {
	NFT_QUEUE_HERE,	   /* by a rule of this table */
	NFT_QUEUE_OUTSIDE, /* the kernel lacks the "queue" expression: by xt_queue.h */
};

/* The table in one transaction: it makes what is missing and replaces all rules; elements stay. */
void nft_rules_write(FILE *out, const struct config *c, const struct nft_lengths *lengths,
    enum nft_arming arming, enum nft_queueing queueing);

/* One more length: its set and the rule that asks it. */
void nft_rules_write_length(FILE *out, bool v4, unsigned len);

/* Which queue config.needs asks for; -1: none. Knocks by UDP alone are queued. */
int nft_rules_queue(const struct config *c);

/* "tcp . 22" as nft writes it, numeric so that no name service is asked. */
void nft_rules_write_service(FILE *out, uint8_t proto, uint16_t port);

/* For nft_carriers.c: let by what is not for this host, and copy what is to whom needs it. */
void nft_rules_write_copies(FILE *out, const char *chain, unsigned needs);

#endif
