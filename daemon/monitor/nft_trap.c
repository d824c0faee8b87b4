/* nft_trap - see nft_trap.h. */
#include "nft_trap.h"

#include <inttypes.h>

#include "nft_rules.h"

#define RULE "add rule inet " NFT_TABLE " "

/* A copy for each group that somebody reads, as of knocks. */
static void write_chain(FILE *out, const struct config *c)
{
	const unsigned need[] = {NEED_TRAP_0, NEED_TRAP_1};

	fputs("add chain inet " NFT_TABLE " trap\n", out);
	/* To broadcast and multicast nobody connects (RFC 1122, 4.2.3.10), and many would answer one. */
	fputs(RULE "trap fib daddr type != local fib daddr . iif type != local counter name "
		   "silenced drop\n",
	    out);
	for (unsigned turn = 0; turn < sizeof(need) / sizeof(need[0]); turn++)
		if ((c->needs & need[turn]) != 0)
			fprintf(out,
			    RULE "trap limit rate %d/second burst %d packets log group %u"
				 " queue-threshold 1\n",
			    NFT_TRAP_RATE, NFT_TRAP_BURST, CONFIG_TRAP_GROUP + turn);
	fputs(RULE "trap counter name silenced drop\n", out);
}

static void write_ports(FILE *out, const struct service *s)
{
	for (unsigned i = 0; i < s->ports.len; i++)
		fprintf(out, "%s%" PRIu16 "-%" PRIu16, i == 0 ? "{ " : ", ", s->ports.at[i].lo,
		    s->ports.at[i].hi);
	fputs(" }", out);
}

void nft_trap_write(FILE *out, const struct config *c)
{
	if (!config_has_trap(c))
		return;
	write_chain(out, c);
	for (unsigned i = 0; i < c->services; i++) {
		const struct service *s = &c->service[i];

		if (s->trap == TRAP_NONE)
			continue;
		fputs(RULE "guard tcp dport ", out);
		write_ports(out, s);
		fputs(" goto trap\n", out);
	}
}
