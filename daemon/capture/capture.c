#include "capture.h"

#include <stdio.h>
#include <string.h>

static const struct capture_method *const table[] = {
    &capture_pcap,
    &capture_afpacket,
    &capture_savefile,
    &capture_tcpdump,
    &capture_nflog,
    &capture_nfqueue,
    &capture_udp,
#ifdef POSTERN_XDP
    &capture_xdp,
#endif
    NULL,
};

const struct capture_method *const *capture_table(void)
{
	return table;
}

const struct capture_method *capture_by_name(const char *name)
{
	size_t i;

	for (i = 0; table[i] != NULL; i++) {
		if (strcmp(table[i]->name, name) == 0)
			return table[i];
	}
	return NULL;
}

/*
 * "vlan" shifts all that stands behind it, so the untagged form comes first.
 * It knows both places of the outer tag, in the frame and beside it, where
 * the kernel puts it. Of the cooked types it knows nothing, and they need it
 * not: there the kernel has taken the outer tag off, and a frame with more
 * tags comes again, with fewer, on the VLAN's own interface.
 */
int capture_filter(enum link_type link, const char *carriers, char *out, size_t cap)
{
	int len;

	if (link == LINK_ETHERNET)
		len = snprintf(out, cap, "(%s) or (vlan and ((%s) or (vlan and (%s))))", carriers,
		    carriers, carriers);
	else
		len = snprintf(out, cap, "%s", carriers);
	return len >= 0 && (size_t)len < cap ? len : -1;
}
