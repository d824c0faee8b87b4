/* ipset_rules - see ipset_rules.h. */
#include "ipset_rules.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ipset_ban.h"
#include "ipset_sets.h"
#include "ipset_trap.h"
#include "mark.h"
#include "nft_carriers.h"
#include "nft_rules.h"

#define OURS "postern-"
#define SYN "--tcp-flags FIN,SYN,RST,ACK SYN"

/*
 * As nft_rules.c: not ours by the tables of the whole host and by those of the
 * interface. With IPv6 "unicast" says nothing about whose an address is.
 */
#define FOREIGN_V4 "-m addrtype --dst-type UNICAST,BLACKHOLE,UNREACHABLE,PROHIBIT"
#define NOT_OURS_V4 FOREIGN_V4 " " FOREIGN_V4 " --limit-iface-in"
#define NOT_OURS_V6 \
	"-m addrtype ! --dst-type LOCAL -m addrtype ! --dst-type LOCAL --limit-iface-in" \
	" -m addrtype ! --dst-type MULTICAST -m addrtype ! --dst-type ANYCAST"

enum { LINE_BYTES = 128, MARK_TEXT = 32 };

static const struct jump {
	const char *table, *from, *to;
} jumps[] = {
    {"raw", "PREROUTING", "postern-raw"},
    {"raw", "OUTPUT", "postern-replies"},
    {"mangle", "PREROUTING", "postern-guard"},
    {"mangle", "OUTPUT", "postern-cuts"},
    {"filter", "INPUT", "postern-silence"},
    {"filter", "FORWARD", "postern-silence"},
};

/* All of our chains, those first that lead to others. */
static const struct {
	const char *table, *name;
} chains[] = {
    {"raw", "postern-raw"},
    {"raw", "postern-replies"},
    {"raw", "postern-knock"},
    {"raw", "postern-heard"},
    {"mangle", "postern-guard"},
    {"mangle", "postern-banned"},
    {"mangle", "postern-port"},
    {"mangle", "postern-trap"},
    {"mangle", "postern-door"},
    {"mangle", "postern-idle"},
    {"mangle", "postern-slide"},
    {"mangle", "postern-cuts"},
    {"filter", "postern-silence"},
};

static const char *const tables[] = {"raw", "mangle", "filter"};

enum {
	JUMPS = sizeof(jumps) / sizeof(jumps[0]),
	CHAINS = sizeof(chains) / sizeof(chains[0]),
	TABLES = sizeof(tables) / sizeof(tables[0]),
};

struct writing {
	FILE *out;
	const struct config *c;
	bool v4;
};

/* --- what iptables-save says --- */

static const char *next_line(const char *at)
{
	at += strcspn(at, "\n");
	return at + (*at == '\n');
}

/* Where the lines of a table begin, which end with those of the next; "": there is none. */
static const char *table_in(const char *saved, const char *table)
{
	const size_t name = strlen(table);

	for (const char *at = saved; *at != '\0'; at = next_line(at))
		if (*at == '*' && strncmp(at + 1, table, name) == 0 && at[1 + name] == '\n')
			return next_line(at);
	return "";
}

/* Is there such a line in the table? */
static bool has_line(const char *saved, const char *table, const char *line)
{
	const size_t len = strlen(line);

	for (const char *at = table_in(saved, table); *at != '\0' && *at != '*'; at = next_line(at))
		if (strncmp(at, line, len) == 0 && strchr("\n ", at[len]))
			return true;
	return false;
}

static bool has_jump(const char *saved, const struct jump *j)
{
	char line[LINE_BYTES];

	(void)snprintf(line, sizeof(line), "-A %s -j %s", j->from, j->to);
	return has_line(saved, j->table, line);
}

/* Is the first rule of that chain the one? */
static bool leads(const char *saved, const struct jump *j)
{
	char line[LINE_BYTES], head[LINE_BYTES];
	const char *at = table_in(saved, j->table);

	(void)snprintf(line, sizeof(line), "-A %s -j %s\n", j->from, j->to);
	(void)snprintf(head, sizeof(head), "-A %s ", j->from);
	for (; *at != '\0' && *at != '*'; at = next_line(at))
		if (strncmp(at, head, strlen(head)) == 0)
			return strncmp(at, line, strlen(line)) == 0;
	return false;
}

/* A chain without rules is as good anywhere. */
static bool does_nothing(const char *saved, const struct jump *j)
{
	char line[LINE_BYTES];

	(void)snprintf(line, sizeof(line), "-A %s", j->to);
	return !has_line(saved, j->table, line);
}

bool ipset_rules_stand(const char *present)
{
	for (size_t i = 0; i < JUMPS; i++)
		if (!has_jump(present, &jumps[i]) ||
		    (!leads(present, &jumps[i]) && !does_nothing(present, &jumps[i])))
			return false;
	return true;
}

static bool has_chain(const char *saved, const char *table, const char *name)
{
	char line[LINE_BYTES];

	(void)snprintf(line, sizeof(line), ":%s", name);
	return has_line(saved, table, line);
}

static bool is_our_line(const char *at, size_t len)
{
	return *at == '*' || (*at != '#' && memmem(at, len, OURS, strlen(OURS)) != NULL);
}

char *ipset_rules_ours(const char *saved)
{
	char *text = NULL;
	size_t size, len;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		abort();
	for (const char *at = saved; *at != '\0'; at += len, at += *at == '\n') {
		len = strcspn(at, "\n");
		if (is_our_line(at, len))
			fprintf(out, "%.*s\n", (int)len, at);
	}
	if (fclose(out) != 0)
		abort();
	return text;
}

const char *ipset_rules_not_ours(bool v4)
{
	return v4 ? NOT_OURS_V4 : NOT_OURS_V6;
}

/* --- raw: knocks and replies --- */

static void write_copies(const struct writing *w, const char *chain)
{
	const unsigned need[] = {NEED_NFLOG_0, NEED_NFLOG_1};

	fprintf(w->out, "-A %s %s -j RETURN\n", chain, ipset_rules_not_ours(w->v4));
	for (unsigned turn = 0; turn < sizeof(need) / sizeof(need[0]); turn++)
		if ((w->c->needs & need[turn]) != 0)
			fprintf(w->out, "-A %s -j NFLOG --nflog-group %u --nflog-threshold 1\n",
			    chain, CONFIG_NFLOG_GROUP + turn);
}

/* By the carrier udp; what is of another kind does not come to the last rules. */
static void write_datagrams(const struct writing *w)
{
	const int queue = nft_rules_queue(w->c);
	const bool socket = (w->c->needs & NEED_UDP) != 0;

	if (w->c->udp_port == 0)
		return;
	fprintf(w->out, "-A postern-raw -p udp -m udp --dport %" PRIu16 " -g postern-knock\n",
	    w->c->udp_port);
	if (socket)
		fprintf(w->out,
		    "-A postern-knock -p udp -m udp --dport %" PRIu16 " -j CT --notrack\n"
		    "-A postern-knock -p udp -m udp --dport %" PRIu16 " -j RETURN\n",
		    w->c->udp_port, w->c->udp_port);
	else if (queue >= 0)
		fprintf(w->out,
		    "-A postern-knock -p udp -m udp --dport %" PRIu16
		    " -j NFQUEUE --queue-num %d --queue-bypass\n",
		    w->c->udp_port, queue);
}

static void write_tcp(const struct writing *w)
{
	if (w->c->tcp_port == 0)
		return;
	fprintf(w->out, "-A postern-raw -p tcp -m tcp --dport %" PRIu16, w->c->tcp_port);
	if (w->c->silence != SILENCE_DROP)
		fprintf(w->out, " " SYN " -m length --length %d:65535", KNOCK_SYN_LEAST);
	fprintf(w->out, " -g postern-knock\n");
}

/* Copied, and let by. */
static void write_heard(const struct writing *w)
{
	if ((w->c->needs & (NEED_NFLOG_0 | NEED_NFLOG_1)) == 0)
		return;
	write_copies(w, "postern-heard");
	if (w->c->icmp)
		fprintf(w->out, "-A postern-raw %s -m length --length %d:65535 -g postern-heard\n",
		    w->v4 ? "-p icmp -m icmp --icmp-type 8"
			  : "-p ipv6-icmp -m icmp6 --icmpv6-type 128",
		    w->v4 ? KNOCK_PING_LEAST_V4 : KNOCK_PING_LEAST_V6);
	if (w->c->http_port != 0)
		fprintf(w->out,
		    "-A postern-raw -p tcp -m tcp --dport %" PRIu16
		    " -m length --length %d:65535 -g postern-heard\n",
		    w->c->http_port, KNOCK_TOKEN_LEAST);
}

static void write_piece(
    const struct writing *w, const struct sequence_config *s, uint16_t lo, uint16_t hi)
{
	if ((s->pieces & PIECES_UDP) != 0)
		fprintf(w->out,
		    "-A postern-raw -p udp -m udp --dport %" PRIu16 ":%" PRIu16
		    " -g postern-knock\n",
		    lo, hi);
	if ((s->pieces & (PIECES_TCP | PIECES_CLEAN)) != 0)
		fprintf(w->out,
		    "-A postern-raw -p tcp -m tcp --dport %" PRIu16 ":%" PRIu16 " " SYN
		    " -g postern-knock\n",
		    lo, hi);
}

static void write_pieces(const struct writing *w)
{
	for (unsigned n = 0; n <= w->c->sequences; n++) {
		const struct sequence_config *s = &w->c->sequence[n];

		if (s->range.lo != 0)
			write_piece(w, s, s->range.lo, s->range.hi);
		for (unsigned i = 0; s->range.lo == 0 && i < s->ports.len; i++)
			write_piece(w, s, s->ports.at[i], s->ports.at[i]);
	}
}

static void write_raw(const struct writing *w)
{
	write_copies(w, "postern-knock");
	write_datagrams(w);
	write_tcp(w);
	write_heard(w);
	write_pieces(w);
	/* Behind the queue the packet goes on in the next table. */
	if (w->c->silence == SILENCE_DROP)
		fputs("-A postern-knock -j DROP\n", w->out);
	else if (w->c->tcp_port != 0)
		fprintf(w->out, "-A postern-knock -p tcp -m tcp --dport %" PRIu16 " -j DROP\n",
		    w->c->tcp_port);
	fprintf(w->out, "-A postern-replies -m mark --mark 0x%x/0x%x -j CT --notrack\n", MARK_REPLY,
	    MARK_REPLY);
}

/* --- mangle: the guard --- */

static const char *bits(char out[static MARK_TEXT], unsigned mark)
{
	(void)snprintf(out, MARK_TEXT, "0x%x/0x%x", mark, mark);
	return out;
}

/* Knocks that came back from the queue. */
static void write_unheard(const struct writing *w)
{
	if (nft_rules_queue(w->c) < 0 || w->c->silence != SILENCE_DROP ||
	    (w->c->needs & NEED_UDP) != 0)
		return;
	fprintf(w->out,
	    "-A postern-guard -p udp -m udp --dport %" PRIu16 " %s -j RETURN\n"
	    "-A postern-guard -p udp -m udp --dport %" PRIu16 " -j DROP\n",
	    w->c->udp_port, ipset_rules_not_ours(w->v4), w->c->udp_port);
}

static void write_guard(const struct writing *w)
{
	char cut[MARK_TEXT], door[MARK_TEXT], idle[MARK_TEXT];

	bits(cut, MARK_CUT);
	bits(door, MARK_DOOR);
	bits(idle, MARK_DOOR | MARK_IDLE);
	write_unheard(w);
	fprintf(w->out,
	    "-A postern-guard -m connmark --mark %s -j DROP\n"
	    "-A postern-guard -m connmark --mark %s -g postern-slide\n"
	    "-A postern-guard -m connmark --mark %s -j RETURN\n"
	    "-A postern-guard -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN\n"
	    "-A postern-guard -i lo -j RETURN\n",
	    cut, idle, door);
	ipset_ban_write_rules(w->out, w->c, w->v4);
	fprintf(w->out,
	    "-A postern-guard -p tcp -m set --match-set " IPSET_TCP " dst -g postern-port\n"
	    "-A postern-guard -p udp -m set --match-set " IPSET_UDP " dst -g postern-port\n"
	    "-A postern-cuts -m connmark --mark %s -j DROP\n",
	    cut);
}

/* What comes through a door. An idle one is in two sets and must be in both. */
static void write_way_in(const struct writing *w, const struct ipset_set *s)
{
	const struct ipset_set other = ipset_set_idle(s);
	char name[IPSET_NAME_MAX], idle[IPSET_NAME_MAX];

	(void)ipset_set_name(name, s);
	(void)ipset_set_name(idle, &other);
	switch (s->form) {
	case IPSET_HOST:
	case IPSET_NETWORK:
		fprintf(w->out, "-A postern-port -m set --match-set %s src,dst -g postern-door\n",
		    name);
		break;
	case IPSET_HELD:
		fprintf(w->out,
		    "-A postern-port -m set --match-set %s src,dst -m set --match-set %s src,dst "
		    "-g postern-idle\n",
		    name, idle);
		break;
	case IPSET_IDLE:
		break;
	}
}

/* Set back behind a look at the same element: the target alone would make one. */
static void write_slide(const struct writing *w, const struct ipset_set *s)
{
	char name[IPSET_NAME_MAX];

	if (s->form != IPSET_IDLE)
		return;
	(void)ipset_set_name(name, s);
	fprintf(w->out,
	    "-A postern-slide -m set --match-set %s src,dst "
	    "-j SET --add-set %s src,dst --exist --timeout %" PRIu32 "\n",
	    name, name, s->idle_s);
}

static void write_doors(const struct writing *w)
{
	struct ipset_set set[IPSET_SETS_MAX];
	const unsigned n = ipset_sets_of(w->c, set);
	char mark[MARK_TEXT], idle[MARK_TEXT];

	for (unsigned i = 0; i < n; i++) {
		if (set[i].v4 != w->v4)
			continue;
		write_way_in(w, &set[i]);
		write_slide(w, &set[i]);
	}
	bits(mark, MARK_DOOR);
	bits(idle, MARK_DOOR | MARK_IDLE);
	fprintf(w->out,
	    "-A postern-door -j CONNMARK --set-xmark %s\n-A postern-door -j MARK --set-xmark %s\n"
	    "-A postern-idle -j CONNMARK --set-xmark %s\n-A postern-idle -j MARK --set-xmark %s\n"
	    "-A postern-idle -g postern-slide\n",
	    mark, mark, idle, mark);
}

static void write_port(const struct writing *w)
{
	char mark[MARK_TEXT];

	fprintf(w->out, "-A postern-port %s -j RETURN\n", ipset_rules_not_ours(w->v4));
	write_doors(w);
	ipset_trap_write(w->out, w->c);
	switch (w->c->silence) {
	case SILENCE_DROP:
		fputs("-A postern-port -j DROP\n", w->out);
		break;
	case SILENCE_CLOSED:
		fprintf(w->out, "-A postern-port -j MARK --set-xmark %s\n", bits(mark, MARK_SHUT));
		break;
	}
}

static void write_mangle(const struct writing *w)
{
	write_guard(w);
	write_port(w);
}

/* --- filter: how a closed port answers --- */

static void write_filter(const struct writing *w)
{
	char mark[MARK_TEXT];

	if (w->c->silence != SILENCE_CLOSED)
		return;
	bits(mark, MARK_SHUT);
	fprintf(w->out,
	    "-A postern-silence -p tcp -m mark --mark %s -j REJECT --reject-with tcp-reset\n"
	    "-A postern-silence -m mark --mark %s -j REJECT --reject-with %s\n",
	    mark, mark, w->v4 ? "icmp-port-unreachable" : "icmp6-port-unreachable");
}

/* First of all, so that no rule of somebody else's lets anything by. */
static void write_jumps(FILE *out, const char *table, const char *present)
{
	for (size_t i = 0; i < JUMPS; i++) {
		const struct jump *j = &jumps[i];

		if (strcmp(j->table, table) != 0 || leads(present, j))
			continue;
		if (has_jump(present, j))
			fprintf(out, "-D %s -j %s\n", j->from, j->to);
		fprintf(out, "-I %s -j %s\n", j->from, j->to);
	}
}

void ipset_rules_write(FILE *out, const struct config *c, bool v4, const char *present)
{
	void (*const fill[TABLES])(const struct writing *w) = {
	    write_raw, write_mangle, write_filter};
	const struct writing w = {out, c, v4};

	for (size_t t = 0; t < TABLES; t++) {
		fprintf(out, "*%s\n", tables[t]);
		for (size_t i = 0; i < CHAINS; i++)
			if (strcmp(chains[i].table, tables[t]) == 0)
				fprintf(out, ":%s - [0:0]\n", chains[i].name);
		fill[t](&w);
		write_jumps(out, tables[t], present);
		fputs("COMMIT\n", out);
	}
}

static void write_table_removal(FILE *out, const char *table, const char *present)
{
	for (size_t i = 0; i < JUMPS; i++)
		if (strcmp(jumps[i].table, table) == 0 && has_jump(present, &jumps[i]))
			fprintf(out, "-D %s -j %s\n", jumps[i].from, jumps[i].to);
	for (size_t i = 0; i < CHAINS; i++)
		if (strcmp(chains[i].table, table) == 0 &&
		    has_chain(present, table, chains[i].name))
			fprintf(out, "-F %s\n", chains[i].name);
	for (size_t i = 0; i < CHAINS; i++)
		if (strcmp(chains[i].table, table) == 0 &&
		    has_chain(present, table, chains[i].name))
			fprintf(out, "-X %s\n", chains[i].name);
}

void ipset_rules_write_removal(FILE *out, const char *present)
{
	for (size_t t = 0; t < TABLES; t++) {
		fprintf(out, "*%s\n", tables[t]);
		write_table_removal(out, tables[t], present);
		fputs("COMMIT\n", out);
	}
}
