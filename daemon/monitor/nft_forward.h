/*
 * nft_forward - the part of our table that leads connections on, to another
 * host or another port of this one. No I/O.
 *
 * Only what came in through a door is led on: the guard has marked it before
 * these chains see it, and the port says which service it is of. So they have
 * no sets of their own, and end with the door.
 */
#ifndef POSTERN_MONITOR_NFT_FORWARD_H
#define POSTERN_MONITOR_NFT_FORWARD_H

#include <stdio.h>

#include "config.h"

/*
 * And gateways: what goes from an inner interface to an outer one is dropped
 * but for hosts that have a door, and for what was under way before.
 */

/* To be written after the table was flushed. Without such a service there are no such chains. */
void nft_forward_write(FILE *out, const struct config *c);

#endif
