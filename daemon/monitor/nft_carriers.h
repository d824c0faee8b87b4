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
 *   pieces at the ports of the sequence, all that may be pieces: copied to
 *          nflog's groups, and dropped where silence = drop. Rolling ports: the
 *          whole range, so that nothing changes when they roll.
 */
#ifndef POSTERN_MONITOR_NFT_CARRIERS_H
#define POSTERN_MONITOR_NFT_CARRIERS_H

#include <stdio.h>

#include "config.h"

void nft_carriers_write(FILE *out, const struct config *c);

#endif
