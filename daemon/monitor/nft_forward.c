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
	    " th dport %" PRIu16,
	    v4 ? 2 : 10, s->proto, service_port(s, 0));
	if (service_is_random(s)) /* whichever of them: the guard knows which is a door's */
		fprintf(out, "-%" PRIu16, service_port(s, service_ports(s) - 1));
	fprintf(out, " ct mark and 0x%x == 0x%x ", MARK_DOOR, MARK_DOOR);
	write_target(out, s, f);
}

/* --- gateways --- */

static void write_gate_set(FILE *out, const struct service *s, bool v4)
{
	fprintf(out, "add set inet " NFT_TABLE " gate%c_%s { type %s; size %d; flags timeout; }\n",
	    v4 ? '4' : '6', s->name, v4 ? "ipv4_addr" : "ipv6_addr", NFT_DOORS_MAX);
}

static void write_gate(FILE *out, const struct service *s, bool v4)
{
	const unsigned mark =
	    MARK_DOOR | service_gate(s) << MARK_GATES_SHIFT | (s->masquerade ? MARK_MASQUERADE : 0);

	write_gate_set(out, s, v4);
	fprintf(out,
	    "add rule inet " NFT_TABLE
	    " gates iifname \"%s\" oifname \"%s\" %s saddr @gate%c_%s ct mark"
	    " set ct mark and 0x%x or 0x%x counter name let_in accept\n",
	    s->inside, s->outside, v4 ? "ip" : "ip6", v4 ? '4' : '6', s->name, ~MARK_GATES, mark);
}

/* What was there before the guard may stay; the rest of the way out is closed. */
static void write_gateway(FILE *out, const struct config *c, const struct service *s)
{
	fprintf(out,
	    "add rule inet " NFT_TABLE " gates iifname \"%s\" oifname \"%s\" ct state "
	    "established,related accept\n",
	    s->inside, s->outside);
	write_gate(out, s, true);
	write_gate(out, s, false);
	fprintf(out,
	    "add rule inet " NFT_TABLE
	    " gates iifname \"%s\" oifname \"%s\" counter name silenced %s\n",
	    s->inside, s->outside,
	    c->silence == SILENCE_DROP ? "drop" : "reject with icmpx admin-prohibited");
}

static bool has_gateways(const struct config *c)
{
	for (unsigned i = 0; i < c->services; i++)
		if (service_is_gateway(&c->service[i]))
			return true;
	return false;
}

static void write_gateways(FILE *out, const struct config *c)
{
	fputs("add chain inet " NFT_TABLE " gates { type filter hook forward priority filter - 1;"
	      " policy accept; }\n",
	    out);
	fprintf(out, "add rule inet " NFT_TABLE " gates ct mark and 0x%x == 0x%x drop\n", MARK_CUT,
	    MARK_CUT);
	for (unsigned i = 0; i < c->services; i++)
		if (service_is_gateway(&c->service[i]))
			write_gateway(out, c, &c->service[i]);
}

/* --- all --- */

static bool has_forwards(const struct config *c)
{
	for (unsigned i = 0; i < c->services; i++)
		if (c->service[i].forward.len > 0)
			return true;
	return false;
}

void nft_forward_write(FILE *out, const struct config *c)
{
	fputs(CHAIN_AWAY("forwards") CHAIN_AWAY("masquerades") CHAIN_AWAY("gates"), out);
	if (has_gateways(c))
		write_gateways(out, c);
	if (!has_forwards(c) && !has_gateways(c))
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
