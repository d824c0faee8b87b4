/*
 * nft_trap - the last rules before the silence, where services ask for a trap:
 * what comes to their ports by TCP is logged for auth, which may answer it,
 * and dropped. So many a second and no more, whoever sends how much.
 *
 *   trap   logs within the rate, and drops
 */
#ifndef POSTERN_MONITOR_NFT_TRAP_H
#define POSTERN_MONITOR_NFT_TRAP_H

#include <stdio.h>

#include "config.h"

enum { NFT_TRAP_RATE = 500, NFT_TRAP_BURST = 200 }; /* packets a second, and at once */

void nft_trap_write(FILE *out, const struct config *c);

#endif
