/*
 * nft_carriers - what the table has about knocks that are no datagrams, for
 * nft_rules.c alone. No I/O.
 *
 *   syn    SYNs to the knock port of tcp, dropped where silence = drop with all
 *          else that goes there. Where other ports answer, only such SYNs are
 *          dropped as bear data enough for a knock: for these the kernel's
 *          reset would end the client's attempt before our answer comes.
 *   heard  pings, and requests to the web server: copied to nflog's groups if
 *          a capture needs that, and never dropped.
 *   pieces at the ports of all sequences, all that may be pieces: copied to
 *          nflog's groups, and dropped where silence = drop. Rolling ports: the
 *          whole range, so that nothing changes when they roll.
 */
#ifndef POSTERN_MONITOR_NFT_CARRIERS_H
#define POSTERN_MONITOR_NFT_CARRIERS_H

#include <stdio.h>

#include "config.h"

/* Lengths of IP packets that may bear a knock; what is shorter is somebody else's. */
enum {
	KNOCK_VEIL_LEAST = 384,
	KNOCK_SYN_LEAST = 20 + 20 + KNOCK_VEIL_LEAST,
	KNOCK_PING_LEAST_V4 = 20 + 8 + KNOCK_VEIL_LEAST,
	KNOCK_PING_LEAST_V6 = 40 + 8 + KNOCK_VEIL_LEAST,
	KNOCK_TOKEN_LEAST = 20 + 20 + KNOCK_VEIL_LEAST * 4 / 3,
};

void nft_carriers_write(FILE *out, const struct config *c);

#endif
