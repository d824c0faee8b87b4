/* ipset_trap - see ipset_trap.h. */
#include "ipset_trap.h"

#include <inttypes.h>

#include "nft_trap.h"

/* A copy for each group that somebody reads, as of knocks. */
static void write_chain(FILE *out, const struct config *c)
{
	const unsigned need[] = {NEED_TRAP_0, NEED_TRAP_1};

	/* Of broadcast and multicast, as nft_trap.c has it. */
	fputs("-A postern-trap -m addrtype ! --dst-type LOCAL -m addrtype ! --dst-type LOCAL"
	      " --limit-iface-in -j DROP\n",
	    out);
	for (unsigned turn = 0; turn < sizeof(need) / sizeof(need[0]); turn++)
		if ((c->needs & need[turn]) != 0)
			fprintf(out,
			    "-A postern-trap -m limit --limit %d/second --limit-burst %d"
			    " -j NFLOG --nflog-group %u --nflog-threshold 1\n",
			    NFT_TRAP_RATE, NFT_TRAP_BURST, CONFIG_TRAP_GROUP + turn);
	fputs("-A postern-trap -j DROP\n", out);
}

void ipset_trap_write(FILE *out, const struct config *c)
{
	if (!config_has_trap(c))
		return;
	write_chain(out, c);
	for (unsigned i = 0; i < c->services; i++) {
		const struct service *s = &c->service[i];

		for (unsigned k = 0; s->trap != TRAP_NONE && k < s->ports.len; k++)
			fprintf(out,
			    "-A postern-port -p tcp -m tcp --dport %" PRIu16 ":%" PRIu16
			    " -g postern-trap\n",
			    s->ports.at[k].lo, s->ports.at[k].hi);
	}
}
