/*
 * ipset_ports - the guarded ports of one protocol, as a set in the kernel.
 */
#ifndef POSTERN_MONITOR_IPSET_PORTS_H
#define POSTERN_MONITOR_IPSET_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "nft_link.h"

struct ipset_ports {
	uint8_t bit[(UINT16_MAX + 1) / 8];
};

static inline bool ipset_ports_has(const struct ipset_ports *p, uint16_t port)
{
	return (p->bit[port / 8] >> (port % 8) & 1) != 0;
}

/* Those of a protocol (IANA) that c guards. */
void ipset_ports_of(struct ipset_ports *p, const struct config *c, uint8_t proto);
/* Make them the set's, in one step, so that nothing is unguarded meanwhile. Returns 0; -1 and logged. */
int ipset_ports_set(struct nft_link *l, const struct config *c, const char *set, uint8_t proto)
    __attribute__((warn_unused_result));
/* Returns 0, or what ipset_list() returns. */
int ipset_ports_read(struct nft_link *l, const char *set, struct ipset_ports *out)
    __attribute__((warn_unused_result));
/* Does the set have these and no others? */
bool ipset_ports_same(struct nft_link *l, const char *set, const struct ipset_ports *wanted);

#endif
