/* nft_rules - see nft_rules.h for the plan of the table. */
#include "nft_rules.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "mark.h"
#include "nft_forward.h"
#include "nft_ban.h"
#include "nft_trap.h"
#include "nft_carriers.h"

#define DOOR_KEY(family) family " saddr . meta l4proto . th dport"
#define DOOR_SET(address) "type " address " . inet_proto . inet_service"
#define EXACT_KEY(family) family " saddr . th sport . meta l4proto . th dport"
#define EXACT_SET(address) "type " address " . inet_service . inet_proto . inet_service"

/* One packet and no more, however many CPUs look at once; each element has its own. */
#define ONE_PACKET "\n\t\tflags timeout,dynamic\n\t\tlimit rate 1/week burst 1 packets\n\t}\n"

/* Doors that close behind a connection, and those for one source port. */
static void write_family_sets(FILE *out, char family, const char *address)
{
	fprintf(out, "\tset once%c {\n\t\t" DOOR_SET("%s") "\n\t\tsize %d" ONE_PACKET, family,
	    address, NFT_DOORS_MAX);
	fprintf(out,
	    "\tset exact%c {\n\t\t" EXACT_SET("%s") "\n\t\tsize %d\n\t\tflags timeout\n\t}\n",
	    family, address, NFT_DOORS_MAX);
	fprintf(out, "\tset exonce%c {\n\t\t" EXACT_SET("%s") "\n\t\tsize %d" ONE_PACKET, family,
	    address, NFT_DOORS_MAX);
}

static void write_sets(FILE *out)
{
	/* size: counts what has expired until the kernel collects it, about a second later; generous, and "full" is said. */
	fprintf(out,
	    "\tset " NFT_SET_GUARDED " {\n"
	    "\t\ttype inet_proto . inet_service\n\t\tsize %d\n\t\tflags timeout\n\t}\n",
	    NFT_GUARDED_MAX);
	fprintf(out, "\tset " NFT_SET_TRIAL " {\n\t\ttype mark\n\t}\n");
	fprintf(out,
	    "\tset doors4 {\n\t\t" DOOR_SET("ipv4_addr") "\n\t\tsize %d\n\t\tflags timeout\n\t}\n",
	    NFT_DOORS_MAX);
	fprintf(out,
	    "\tset doors6 {\n\t\t" DOOR_SET("ipv6_addr") "\n\t\tsize %d\n\t\tflags timeout\n\t}\n",
	    NFT_DOORS_MAX);
	write_family_sets(out, '4', "ipv4_addr");
	write_family_sets(out, '6', "ipv6_addr");
	nft_ban_write_sets(out);
	fputs("\tcounter knocks {\n\t}\n\tcounter silenced {\n\t}\n\tcounter let_in {\n\t}\n", out);
}

static void write_chains(FILE *out)
{
	fputs(
	    "\tchain knock {\n\t}\n\tchain door {\n\t}\n\tchain door_idle {\n\t}\n"
	    "\tchain slide {\n\t}\n\tchain networks4 {\n\t}\n\tchain networks6 {\n\t}\n"
	    "\tchain knocks {\n\t\ttype filter hook prerouting priority raw; policy accept;\n\t}\n"
	    "\tchain replies {\n\t\ttype filter hook output priority raw; policy accept;\n\t}\n"
	    "\tchain guard {\n\t\ttype filter hook prerouting priority mangle; policy "
	    "accept;\n\t}\n"
	    "\tchain cuts {\n\t\ttype filter hook output priority mangle; policy accept;\n\t}\n",
	    out);
}

static void write_rule(FILE *out, const char *chain, const char *rule)
{
	fprintf(out, "add rule inet " NFT_TABLE " %s %s\n", chain, rule);
}

/* A copy for each group that somebody reads: two while one reader takes the other's place. */
static void write_logs(FILE *out, const char *chain, unsigned needs)
{
	const unsigned need[] = {NEED_NFLOG_0, NEED_NFLOG_1};

	for (unsigned turn = 0; turn < sizeof(need) / sizeof(need[0]); turn++)
		if ((needs & need[turn]) != 0)
			fprintf(out,
			    "add rule inet " NFT_TABLE " %s log group %u queue-threshold 1\n",
			    chain, CONFIG_NFLOG_GROUP + turn);
}

void nft_rules_write_copies(FILE *out, const char *chain, unsigned needs)
{
	write_rule(out, chain, NFT_NOT_OURS " accept"); /* forwarded: none of our business */
	write_logs(out, chain, needs);
}

int nft_rules_queue(const struct config *c)
{
	if (c->udp_port == 0)
		return -1;
	if ((c->needs & NEED_NFQUEUE_1) != 0)
		return CONFIG_NFLOG_GROUP + 1;
	return (c->needs & NEED_NFQUEUE_0) != 0 ? CONFIG_NFLOG_GROUP : -1;
}

/* Behind the queue. Each rule names the port: whatever has none must not come to the last one. */
static void write_unheard(FILE *out, uint16_t port)
{
	fputs("add chain inet " NFT_TABLE " unheard { type filter hook prerouting priority raw + 1;"
	      " policy accept; }\n",
	    out);
	fprintf(out,
	    "add rule inet " NFT_TABLE " unheard udp dport %" PRIu16 " " NFT_NOT_OURS " accept\n",
	    port);
	fprintf(out,
	    "add rule inet " NFT_TABLE " unheard udp dport %" PRIu16 " counter name knocks drop\n",
	    port);
}

static void write_datagrams(FILE *out, const struct config *c, enum nft_queueing queueing)
{
	const int queue = nft_rules_queue(c);
	const bool socket = (c->needs & NEED_UDP) != 0;
	const bool drop = c->silence == SILENCE_DROP && !socket;
	const unsigned needs = c->needs & ~(unsigned)(NEED_TRAP_0 | NEED_TRAP_1);

	if (c->udp_port == 0 || (!drop && needs == 0))
		return;
	nft_rules_write_copies(out, "knock", c->needs);
	if (socket) /* and a flood shall not fill the table of connections */
		write_rule(out, "knock", "notrack");
	if (queue >= 0 &&
	    queueing == NFT_QUEUE_HERE) /* bypass: where nobody reads it, nothing waits */
		fprintf(out, "add rule inet " NFT_TABLE " knock queue num %d bypass\n", queue);
	if (drop && queue < 0)
		write_rule(out, "knock", "counter name knocks drop");
	if (drop && queue >= 0)
		write_unheard(out, c->udp_port);
	fprintf(out, "add rule inet " NFT_TABLE " knocks udp dport %" PRIu16 " goto knock\n",
	    c->udp_port);
}

static void write_knocks(FILE *out, const struct config *c, enum nft_queueing queueing)
{
	fputs(
	    "add chain inet " NFT_TABLE " unheard\ndelete chain inet " NFT_TABLE " unheard\n", out);
	write_datagrams(out, c, queueing);
	nft_carriers_write(out, c);
}

static void write_silence(FILE *out, enum silence silence)
{
	switch (silence) {
	case SILENCE_DROP:
		write_rule(out, "guard", "counter name silenced drop");
		break;
	case SILENCE_CLOSED: /* as the kernel itself answers at a port where nobody listens */
		write_rule(out, "guard", "counter name silenced");
		write_rule(out, "guard", "meta l4proto 6 reject with tcp reset");
		write_rule(out, "guard", "reject with icmpx port-unreachable");
		break;
	}
}

/* The doors of one family that close by more than their time, or are for one source port. */
static void write_narrow_doors(FILE *out, const char *ip, char family)
{
	fprintf(out,
	    "add rule inet " NFT_TABLE
	    " guard " DOOR_KEY("%s") " @once%c delete @once%c { " DOOR_KEY("%s") " } goto door\n",
	    ip, family, family, ip);
	fprintf(out, "add rule inet " NFT_TABLE " guard " EXACT_KEY("%s") " @exact%c goto door\n",
	    ip, family);
	fprintf(out,
	    "add rule inet " NFT_TABLE " guard " EXACT_KEY(
		"%s") " @exonce%c delete @exonce%c { " EXACT_KEY("%s") " } goto door\n",
	    ip, family, family, ip);
}

static void write_idle_sets(FILE *out, char family, const char *address, uint32_t idle_s)
{
	fprintf(out,
	    "add set inet " NFT_TABLE " held%c_%" PRIu32
	    " { " DOOR_SET("%s") "; size %d; flags timeout; }\n",
	    family, idle_s, address, NFT_DOORS_MAX);
	fprintf(out,
	    "add set inet " NFT_TABLE " idle%c_%" PRIu32
	    " { " DOOR_SET("%s") "; size %d; flags timeout,dynamic; }\n",
	    family, idle_s, address, NFT_DOORS_MAX);
}

/*
 * Set back behind a look at the same element: "update" alone would make one.
 * Without the time in the rule the element would be gone at once.
 */
static void write_idle_rules(FILE *out, const char *ip, char family, uint32_t idle_s)
{
	fprintf(out,
	    "add rule inet " NFT_TABLE
	    " slide " DOOR_KEY("%s") " @idle%c_%" PRIu32 " update @idle%c_%" PRIu32
				     " { " DOOR_KEY("%s") " timeout %" PRIu32 "s }\n",
	    ip, family, idle_s, family, idle_s, ip, idle_s);
	fprintf(out,
	    "add rule inet " NFT_TABLE " guard " DOOR_KEY("%s") " @held%c_%" PRIu32 " " DOOR_KEY(
		"%s") " @idle%c_%" PRIu32 " update @idle%c_%" PRIu32
		      " { " DOOR_KEY("%s") " timeout %" PRIu32 "s } goto door_idle\n",
	    ip, family, idle_s, ip, family, idle_s, family, idle_s, ip, idle_s);
}

static void write_idle_doors(FILE *out, const struct config *c)
{
	uint32_t idle[CONFIG_SERVICES_MAX];
	const unsigned n = config_idle_times(c, idle);

	for (unsigned i = 0; i < n; i++) {
		write_idle_sets(out, '4', "ipv4_addr", idle[i]);
		write_idle_sets(out, '6', "ipv6_addr", idle[i]);
		write_idle_rules(out, "ip", '4', idle[i]);
		write_idle_rules(out, "ip6", '6', idle[i]);
	}
	write_rule(out, "slide", "accept");
}

/* What is to go by no more, before all that lets anything by; cut.h says why it is not forgotten instead. */
static void write_cut(FILE *out, const char *chain)
{
	fprintf(out, "add rule inet " NFT_TABLE " %s ct mark and 0x%x == 0x%x drop\n", chain,
	    MARK_CUT, MARK_CUT);
}

static void write_guard(FILE *out, const struct config *c)
{
	write_cut(out, "guard");
	/* Before all others, or the flow would be let by unseen. */
	fprintf(out, "add rule inet " NFT_TABLE " guard ct mark and 0x%x == 0x%x goto slide\n",
	    MARK_DOOR | MARK_IDLE, MARK_DOOR | MARK_IDLE);
	/* Flows that came in through a door, also a second packet before the first answer. */
	fprintf(out, "add rule inet " NFT_TABLE " guard ct mark and 0x%x == 0x%x accept\n",
	    MARK_DOOR, MARK_DOOR);
	write_rule(out, "guard", "ct state established,related accept");
	write_rule(out, "guard", "iif lo accept"); /* the host may reach its own services */
	nft_ban_write_rules(out, c);
	/* Where there is no port, the key of @guarded cannot be built and a packet would fall through. */
	write_rule(out, "guard", "meta l4proto != { 6, 17 } accept");
	write_rule(out, "guard", "meta l4proto . th dport != @" NFT_SET_GUARDED " accept");
	write_rule(out, "guard", NFT_NOT_OURS " accept");
	write_rule(out, "guard", DOOR_KEY("ip") " @doors4 goto door");
	write_rule(out, "guard", DOOR_KEY("ip6") " @doors6 goto door");
	write_narrow_doors(out, "ip", '4');
	write_narrow_doors(out, "ip6", '6');
	write_idle_doors(out, c);
	write_rule(out, "guard", "meta nfproto 2 jump networks4");
	write_rule(out, "guard", "meta nfproto 10 jump networks6");
	nft_trap_write(out, c);
	write_silence(out, c->silence);
}

/* By mask: the other bits are somebody else's. The packet's own mark is for rules of the administrator's that look at that. */
static void write_door(FILE *out, const char *chain, unsigned mark)
{
	fprintf(out,
	    "add rule inet " NFT_TABLE " %s ct mark set ct mark or 0x%x meta mark set meta mark"
	    " or 0x%x counter name let_in accept\n",
	    chain, mark, MARK_DOOR);
}

/* The mask of a length, as an address. */
static void write_mask(FILE *out, bool v4, unsigned len)
{
	const unsigned group = v4 ? 8 : 16, groups = v4 ? 4 : 8;

	for (unsigned i = 0; i < groups; i++) {
		unsigned bits = len > i * group ? len - i * group : 0;
		unsigned ones;

		if (bits > group)
			bits = group;
		ones = ((1U << bits) - 1) << (group - bits);
		fprintf(out, v4 ? "%s%u" : "%s%x", i == 0 ? "" : v4 ? "." : ":", ones);
	}
}

static const char *length_name(char out[static NFT_NAME_MAX], bool v4, unsigned len)
{
	const struct nft_door_set s = {.form = NFT_NETWORK, .v4 = v4, .number = len};

	return nft_door_set_name(out, &s);
}

static void write_length_set(FILE *out, bool v4, unsigned len)
{
	char name[NFT_NAME_MAX];

	fprintf(out,
	    "add set inet " NFT_TABLE " %s { type %s . inet_proto . inet_service;"
	    " size %d; flags timeout; }\n",
	    length_name(name, v4, len), v4 ? "ipv4_addr" : "ipv6_addr", NFT_DOORS_MAX);
}

static void write_length_rule(FILE *out, bool v4, unsigned len)
{
	char name[NFT_NAME_MAX];

	fprintf(out, "add rule inet " NFT_TABLE " networks%c %s saddr and ", v4 ? '4' : '6',
	    v4 ? "ip" : "ip6");
	write_mask(out, v4, len);
	fprintf(out, " . meta l4proto . th dport @%s goto door\n", length_name(name, v4, len));
}

void nft_rules_write_length(FILE *out, bool v4, unsigned len)
{
	write_length_set(out, v4, len);
	write_length_rule(out, v4, len);
}

static void write_lengths(FILE *out, const struct nft_lengths *lengths)
{
	for (unsigned i = NFT_IPV4_BITS; i-- > 0;)
		if (lengths->v4[i])
			nft_rules_write_length(out, true, i);
	for (unsigned i = NFT_IPV6_BITS; i-- > 0;)
		if (lengths->v6[i])
			nft_rules_write_length(out, false, i);
}

void nft_rules_write_service(FILE *out, uint8_t proto, uint16_t port)
{
	fprintf(out, "%" PRIu8 " . %" PRIu16, proto, port);
}

static void write_guarded(FILE *out, const struct config *c)
{
	fputs("flush set inet " NFT_TABLE " " NFT_SET_GUARDED "\n", out);
	for (unsigned i = 0; i < c->services; i++) {
		const struct service *s = &c->service[i];

		if (service_ports(s) == 0) /* a gateway */
			continue;
		fputs("add element inet " NFT_TABLE " " NFT_SET_GUARDED " { ", out);
		for (unsigned k = 0; k < service_ports(s); k++) {
			fputs(k > 0 ? ", " : "", out);
			nft_rules_write_service(out, s->proto, service_port(s, k));
		}
		fputs(" }\n", out);
	}
}

static void write_marker(FILE *out, const char *verb)
{
	fprintf(out, "%s element inet " NFT_TABLE " " NFT_SET_TRIAL " { %d }\n", verb,
	    NFT_TRIAL_MARKER);
}

static void write_arming(FILE *out, const struct config *c, enum nft_arming arming)
{
	switch (arming) {
	case NFT_ARM_KEEP:
		break;
	case NFT_ARM_MARK:
		write_marker(out, "add");
		break;
	case NFT_ARM_UNLESS_TRIAL: /* "create" fails where one is: no trial can begin unseen between a look and this */
		write_marker(out, "create");
		write_marker(out, "delete");
		write_guarded(out, c);
		break;
	case NFT_ARM_INSTALL:
		fputs("flush set inet " NFT_TABLE " " NFT_SET_TRIAL "\n", out);
		write_guarded(out, c);
		break;
	}
}

void nft_rules_write(FILE *out, const struct config *c, const struct nft_lengths *lengths,
    enum nft_arming arming, enum nft_queueing queueing)
{
	fputs("table inet " NFT_TABLE " {\n", out);
	write_sets(out);
	write_chains(out);
	fputs("}\nflush table inet " NFT_TABLE "\n", out);
	write_knocks(out, c, queueing);
	fprintf(out, "add rule inet " NFT_TABLE " replies meta mark and 0x%x == 0x%x notrack\n",
	    MARK_REPLY, MARK_REPLY);
	write_cut(out, "cuts");
	write_door(out, "door", MARK_DOOR);
	write_door(out, "door_idle", MARK_DOOR | MARK_IDLE);
	write_lengths(out, lengths);
	write_guard(out, c);
	nft_forward_write(out, c);
	write_arming(out, c, arming);
}
