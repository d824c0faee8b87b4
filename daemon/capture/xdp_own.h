/*
 * xdp_own - this host's addresses, kept in the table that the program in the
 * kernel looks into, also when they change after all privileges are gone: the
 * kernel tells everybody who asked. An address that is not in the table only
 * costs time, since packets to it take the slow path; one that is there and
 * should not be would cost another host its packets.
 */
#ifndef POSTERN_CAPTURE_XDP_OWN_H
#define POSTERN_CAPTURE_XDP_OWN_H

#include <stdint.h>

#include "xdp_shared.h"

struct xdp_own;

/*
 * Ask for all addresses and for news of them. The table, borrowed until
 * xdp_own_close(), has them when this returns. NULL: errno tells why.
 */
struct xdp_own *xdp_own_open(struct xdp_address table[static XDP_OWN_SLOTS]);
/* Readable when there are news. */
int xdp_own_fd(const struct xdp_own *o);
/*
 * Take the news in, without blocking. Returns 0, or -1 when some were lost:
 * then the table is wrong, and only opening again mends it.
 */
int xdp_own_read(struct xdp_own *o) __attribute__((warn_unused_result));
void xdp_own_close(struct xdp_own *o); /* NULL is fine */

/*
 * The list behind the table, for tests: an address came to an interface, or
 * left it; one may be at several. What finds no place is left out.
 */
void xdp_own_add(struct xdp_own *o, uint32_t ifindex, const struct xdp_address *a);
void xdp_own_remove(struct xdp_own *o, uint32_t ifindex, const struct xdp_address *a);

#endif
