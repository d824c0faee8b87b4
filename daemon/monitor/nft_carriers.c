/* nft_carriers - see nft_carriers.h. */
#include "nft_carriers.h"

#include <inttypes.h>

#include "nft_rules.h"

static void write_tcp(FILE *out, const struct config *c)
{
	const bool closed = c->silence != SILENCE_DROP;

	fprintf(out, "add chain inet " NFT_TABLE " syn\n");
	nft_rules_write_copies(out, "syn", c->needs);
	fprintf(out, "add rule inet " NFT_TABLE " syn counter name knocks drop\n");
	fprintf(out, "add rule inet " NFT_TABLE " knocks tcp dport %" PRIu16, c->tcp_port);
	if (closed)
		fprintf(out, " tcp flags & (fin | syn | rst | ack) == syn meta length >= %d",
		    KNOCK_SYN_LEAST);
	fprintf(out, " goto syn\n");
}

static void write_heard(FILE *out, const struct config *c)
{
	fprintf(out, "add chain inet " NFT_TABLE " heard\n");
	nft_rules_write_copies(out, "heard", c->needs);
	if (c->icmp)
		fprintf(out,
		    "add rule inet " NFT_TABLE " knocks icmp type echo-request meta length >= %d"
		    " goto heard\n"
		    "add rule inet " NFT_TABLE " knocks icmpv6 type echo-request meta length >= %d"
		    " goto heard\n",
		    KNOCK_PING_LEAST_V4, KNOCK_PING_LEAST_V6);
	if (c->http_port != 0)
		fprintf(out,
		    "add rule inet " NFT_TABLE " knocks tcp dport %" PRIu16
		    " meta length >= %d goto heard\n",
		    c->http_port, KNOCK_TOKEN_LEAST);
}

static void write_ports(FILE *out, const struct sequence_config *s)
{
	if (s->range.lo != 0) {
		fprintf(out, "%" PRIu16 "-%" PRIu16, s->range.lo, s->range.hi);
		return;
	}
	for (unsigned i = 0; i < s->ports.len; i++)
		fprintf(out, "%s%" PRIu16, i == 0 ? "{ " : ", ", s->ports.at[i]);
	fputs(" }", out);
}

/* Of TCP SYNs alone, since a port among these may be at the near end of a connection. */
static void write_sequence(FILE *out, const struct sequence_config *s)
{
	if ((s->pieces & PIECES_UDP) != 0) {
		fprintf(out, "add rule inet " NFT_TABLE " knocks udp dport ");
		write_ports(out, s);
		fputs(" goto pieces\n", out);
	}
	if ((s->pieces & (PIECES_TCP | PIECES_CLEAN)) != 0) {
		fprintf(out, "add rule inet " NFT_TABLE " knocks tcp dport ");
		write_ports(out, s);
		fputs(" tcp flags & (fin | syn | rst | ack) == syn goto pieces\n", out);
	}
}

static void write_pieces(FILE *out, const struct config *c)
{
	const bool drops = c->silence == SILENCE_DROP;

	if (!drops && (c->needs & (NEED_NFLOG_0 | NEED_NFLOG_1)) == 0)
		return;
	fprintf(out, "add chain inet " NFT_TABLE " pieces\n");
	nft_rules_write_copies(out, "pieces", c->needs);
	if (drops)
		fprintf(out, "add rule inet " NFT_TABLE " pieces counter name knocks drop\n");
	for (unsigned i = 0; i <= c->sequences; i++)
		if (sequence_in_use(&c->sequence[i]))
			write_sequence(out, &c->sequence[i]);
}

void nft_carriers_write(FILE *out, const struct config *c)
{
	if (c->tcp_port != 0)
		write_tcp(out, c);
	if ((c->icmp || c->http_port != 0) && (c->needs & (NEED_NFLOG_0 | NEED_NFLOG_1)) != 0)
		write_heard(out, c);
	if (config_has_sequence(c))
		write_pieces(out, c);
}
