/* nft_forward - see nft_forward.h. */
#include "nft_forward.h"

#include <inttypes.h>

#include "mark.h"
#include "nft_rules.h"

#define CHAIN_AWAY(name) \
	"add chain inet " NFT_TABLE " " name "\ndelete chain inet " NFT_TABLE " " name "\n"

static void write_target(FILE *out, const struct service *s, const struct forward *f)
{
	const bool v4 = address_is_v4(&f->to);
	char text[ADDRESS_TEXT];

	if (address_is_zero(&f->to)) {
		fprintf(out, "redirect to :%" PRIu16 "\n", f->port);
		return;
	}
	if (s->masquerade)
		fprintf(out, "ct mark set ct mark or 0x%x ", MARK_MASQUERADE);
	fprintf(out, v4 ? "dnat ip to %s:%" PRIu16 "\n" : "dnat ip6 to [%s]:%" PRIu16 "\n",
	    address_text(&f->to, text), f->port);
}

static void write_forward(FILE *out, const struct service *s, bool v4)
{
	const struct forward *f = service_forward(s, v4);

	if (!f)
		return;
	fprintf(out,
	    "add rule inet " NFT_TABLE " forwards meta nfproto %d meta l4proto %" PRIu8
	    " th dport %" PRIu16 " ct mark and 0x%x == 0x%x ",
	    v4 ? 2 : 10, s->proto, service_port(s, 0), MARK_DOOR, MARK_DOOR);
	write_target(out, s, f);
}

static bool has_forwards(const struct config *c)
{
	for (unsigned i = 0; i < c->services; i++)
		if (c->service[i].forward.len > 0)
			return true;
	return false;
}

void nft_forward_write(FILE *out, const struct config *c)
{
	fputs(CHAIN_AWAY("forwards") CHAIN_AWAY("masquerades"), out);
	if (!has_forwards(c))
		return;
	/* Before the administrator's own, so that what has a door goes where the door leads. */
	fputs("add chain inet " NFT_TABLE
	      " forwards { type nat hook prerouting priority dstnat - 1;"
	      " policy accept; }\n"
	      "add chain inet " NFT_TABLE " masquerades { type nat hook postrouting priority srcnat"
	      " - 1; policy accept; }\n",
	    out);
	for (unsigned i = 0; i < c->services; i++) {
		write_forward(out, &c->service[i], true);
		write_forward(out, &c->service[i], false);
	}
	fprintf(out,
	    "add rule inet " NFT_TABLE " masquerades ct mark and 0x%x == 0x%x masquerade\n",
	    MARK_MASQUERADE, MARK_MASQUERADE);
}
