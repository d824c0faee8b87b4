/*
 * ip_head - the IP header of an answer, as this host's kernel would send it.
 * Inside carrier/ only.
 */
#ifndef POSTERN_CARRIER_IP_HEAD_H
#define POSTERN_CARRIER_IP_HEAD_H

#include <stddef.h>
#include <stdint.h>

#include "carrier.h"
#include "cursor.h"

/*
 * From r's server to r's client, for payload_len bytes that follow.
 * IPv4's checksum is left 0: the kernel fills it on a raw socket.
 * Fails w when there is no room. Both addresses must be of one family.
 */
void ip_head(struct writer *w, const struct route *r, uint8_t proto, size_t payload_len);

#endif
