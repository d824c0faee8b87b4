/*
 * firewall_check - does the guard stand as configured, and does the rest of
 * the host's firewall go with it? Changes nothing.
 *
 * An "accept" of ours in one base chain does not overrule a "drop" in a later
 * one. So a packet that the guard lets in is walked, in thought, through the
 * administrator's own chains; where it would end, there is one rule to add.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "firewall_advice.h"
#include "firewall_cmd.h"
#include "init.h"
#include "firewall_walk.h"
#include "mark.h"
#include "output.h"

enum { CLOSED_PORT = 47, LINE_BYTES = 64, NOTE_BYTES = 200, GUARD_PRIORITY = -150 };

/* One packet's way, while its chains are looked at. */
struct look {
	const struct ruleset *rs;
	json_t *advice;
	const struct service *service;
	bool early;  /* only chains that come before the guard; else only those behind it */
	bool unsure; /* not every way leads here */
};

static bool is_early(const struct ruleset *rs, const struct place *base)
{
	const json_t *chain = ruleset_chain(rs, base);

	return strcmp(text_of(chain, "hook"), "prerouting") == 0 &&
	       json_integer_value(json_object_get(chain, "prio")) <= GUARD_PRIORITY;
}

static void judge_service(void *arg, const struct place *base, const struct walk *w)
{
	const struct look *l = arg;

	if (w->fate == FATE_ACCEPT || (l->unsure && w->may_accept) ||
	    is_early(l->rs, base) != l->early)
		return;
	if (w->port_accept) /* somebody meant this service, under conditions of his own */
		advice_note_chain(l->advice, base, l->service);
	else if (l->early) /* no mark of ours is there yet */
		advice_add_early(l->advice, base, l->service);
	else
		advice_add_chain(l->advice, base, l->service);
}

static void judge_reply(void *arg, const struct place *base, const struct walk *w)
{
	const struct look *l = arg;

	if (w->fate != FATE_ACCEPT)
		advice_add_chain(l->advice, base, NULL);
}

static void judge_dnat(void *arg, const struct place *base, const struct walk *w)
{
	enum tri *translated = arg;

	(void)base;
	if (w->fate == FATE_DNAT)
		*translated = TRI_YES;
	else if (w->may_dnat && *translated == TRI_NO)
		*translated = TRI_MAYBE;
}

/* The first packet of a flow that came through a door, over one family. */
static void check_service(
    struct look *l, const struct ruleset *rs, const struct service *s, bool v6)
{
	struct probe p = {.v6 = v6,
	    .proto = s->proto,
	    .dport = s->port,
	    .state = "new",
	    .ct_mark = MARK_DOOR,
	    .mark = MARK_DOOR};
	const struct probe early = {.v6 = v6, .proto = s->proto, .dport = s->port, .state = "new"};
	enum tri translated = TRI_NO;

	*l = (struct look){.rs = rs, .advice = l->advice, .service = s, .early = true};
	walk_hook(rs, "filter", "prerouting", &early, judge_service, l);
	l->early = false;
	walk_hook(rs, "filter", "prerouting", &p, judge_service, l);
	walk_hook(rs, "nat", "prerouting", &p, judge_dnat, &translated);
	if (translated != TRI_YES)
		walk_hook(rs, "filter", "input", &p, judge_service, l);
	if (translated == TRI_NO)
		return;
	p.translated = true; /* to a port, and a host, that are not known here */
	p.dport = 0;
	l->unsure = true;
	walk_hook(rs, "filter", "forward", &p, judge_service, l);
}

static void check_reply(
    struct look *l, const struct ruleset *rs, const struct config *config, bool v6)
{
	const struct probe p = {.v6 = v6,
	    .proto = IPPROTO_UDP,
	    .sport = config->udp_port,
	    .state = "untracked",
	    .mark = MARK_REPLY};

	walk_hook(rs, "filter", "output", &p, judge_reply, l);
}

static void worst(void *arg, const struct place *base, const struct walk *w)
{
	enum fate *fate = arg;

	(void)base;
	if (*fate == FATE_ACCEPT) /* the first that does not let it by decides */
		*fate = w->fate;
}

/* What a stranger gets from a port that nobody listens at. */
static enum fate closed_port(const struct ruleset *rs, uint8_t proto, bool v6)
{
	const struct probe p = {.v6 = v6, .proto = proto, .dport = CLOSED_PORT, .state = "new"};
	enum fate fate = FATE_ACCEPT;

	walk_hook(rs, "filter", "prerouting", &p, worst, &fate);
	walk_hook(rs, "filter", "input", &p, worst, &fate);
	return fate == FATE_ACCEPT ? FATE_CLOSED : fate; /* the kernel itself answers then */
}

static void check_silence(
    struct ctl *c, json_t *advice, const struct ruleset *rs, const struct config *config)
{
	const enum fate tcp = closed_port(rs, IPPROTO_TCP, false);
	const bool alike = tcp == closed_port(rs, IPPROTO_TCP, true) &&
			   tcp == closed_port(rs, IPPROTO_UDP, false) &&
			   tcp == closed_port(rs, IPPROTO_UDP, true);
	const enum silence fits = tcp == FATE_CLOSED ? SILENCE_CLOSED : SILENCE_DROP;

	output_fact(c, "closed_ports",
	    json_string(!alike		     ? "mixed"
			: tcp == FATE_DROP   ? "drop"
			: tcp == FATE_CLOSED ? "closed"
					     : "reject"));
	if (fits != config->silence)
		advice_add(advice, fits == SILENCE_CLOSED
				       ? "This host answers at ports that nobody listens at; a "
					 "port that does not, stands out. Put"
					 " into posternd.conf: silence = closed"
				       : "This host does not answer like a closed port where "
					 "nobody listens; a port that does, stands"
					 " out. Put into posternd.conf: silence = drop");
	if (!alike || tcp == FATE_REJECT)
		advice_note(advice, "This host does not treat all ports alike where nobody listens "
				    "(TCP and UDP, IPv4 and IPv6), or"
				    " rejects with another message than a closed port's; no "
				    "silence hides a guarded port fully there");
}

struct knocks {
	json_t *advice;
	uint16_t port;
};

static void judge_knocks(void *arg, const struct place *base, const struct walk *w)
{
	const struct knocks *k = arg;

	if (w->fate != FATE_ACCEPT)
		advice_add_knocks(k->advice, base, k->port);
}

/* capture = udp: what no other method needs, and what it shows. */
static void check_socket(json_t *advice, const struct ruleset *rs, const struct config *config)
{
	struct knocks knocks = {advice, config->udp_port};

	if ((config->needs & NEED_UDP) == 0)
		return;
	for (unsigned v6 = 0; v6 < 2; v6++) {
		const struct probe p = {.v6 = v6 == 1,
		    .proto = IPPROTO_UDP,
		    .dport = config->udp_port,
		    .state = "untracked"};

		walk_hook(rs, "filter", "prerouting", &p, judge_knocks, &knocks);
		walk_hook(rs, "filter", "input", &p, judge_knocks, &knocks);
	}
	if (closed_port(rs, IPPROTO_UDP, false) == FATE_CLOSED)
		advice_note(advice,
		    "A socket listens at the knock port (capture = udp) and does not answer, "
		    "where this host's other ports do: a scan shows it as open|filtered. "
		    "Where it may be, use another way to capture");
}

/* Rules of the old kind, which nftables does not show. */
static void check_legacy(json_t *advice)
{
	static const struct {
		const char *path, *program;
	} kinds[] = {{"/proc/self/net/ip_tables_names", "iptables-legacy"},
	    {"/proc/self/net/ip6_tables_names", "ip6tables-legacy"}};
	char line[LINE_BYTES];

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		FILE *f = fopen(kinds[i].path, "re");

		if (f && fgets(line, sizeof(line), f))
			advice_note_legacy(advice, kinds[i].program);
		if (f)
			(void)fclose(f);
	}
}

/* Does the kernel take some of these ports for connections of this host's own? */
static bool are_ephemeral(uint16_t low, uint16_t high)
{
	FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
	unsigned long first = 1, last = 0;
	char line[LINE_BYTES], *end;

	if (f && fgets(line, sizeof(line), f)) {
		first = strtoul(line, &end, 10);
		last = strtoul(end, NULL, 10);
	}
	if (f)
		(void)fclose(f);
	return high >= first && low <= last;
}

/* Of TCP the guard drops SYNs alone, which no answer is. */
static bool sequence_is_ephemeral(const struct sequence_config *s)
{
	bool some = s->range.lo != 0 && are_ephemeral(s->range.lo, s->range.hi);

	for (unsigned i = 0; i < s->ports.len; i++)
		some = some || are_ephemeral(s->ports.at[i], s->ports.at[i]);
	return some && (s->pieces & PIECES_UDP) != 0;
}

static bool is_used(const struct sequence_config *s, uint16_t port)
{
	return ((s->pieces & PIECES_UDP) != 0 && init_port_is_used(SOCK_DGRAM, port)) ||
	       ((s->pieces & (PIECES_TCP | PIECES_CLEAN)) != 0 &&
		   init_port_is_used(SOCK_STREAM, port));
}

/* The first port of the sequence that a program of this host uses; 0: none. */
static unsigned used_port(const struct sequence_config *s)
{
	for (unsigned i = 0; i < s->ports.len; i++) {
		if (is_used(s, s->ports.at[i]))
			return s->ports.at[i];
	}
	for (unsigned port = s->range.lo; port != 0 && port <= s->range.hi; port++) {
		if (is_used(s, (uint16_t)port))
			return port;
	}
	return 0;
}

static void check_sequences(json_t *advice, const struct config *config)
{
	char text[NOTE_BYTES];
	bool ephemeral = false;

	for (unsigned i = 0; i <= config->sequences; i++) {
		const struct sequence_config *s = &config->sequence[i];
		unsigned used = used_port(s);

		ephemeral = ephemeral || sequence_is_ephemeral(s);
		if (used == 0)
			continue;
		(void)snprintf(text, sizeof(text),
		    "A program of this host uses port %u, one of %s%s, and the guard drops what "
		    "comes to it from outside. Leave it out of the sequence",
		    used, s->name[0] != '\0' ? "sequence " : "the sequence", s->name);
		advice_note(advice, text);
	}
	if (ephemeral)
		advice_note(advice,
		    "Ports of the sequence lie among those that this host uses for its own "
		    "connections, whose answers, name resolution's for example, the guard would "
		    "drop now and then. Choose ports below them or above them");
}

/* Of a kernel that knows no such setting (IPv6 may be left out of it) nothing can be said. */
static bool is_off(const char *path)
{
	FILE *f = fopen(path, "re");
	const bool off = f && fgetc(f) == '0';

	if (f)
		(void)fclose(f);
	return off;
}

/* Does the service lead to another host in this family? */
static bool leads_on(const struct service *s, bool v4)
{
	const struct forward *f = service_forward(s, v4);

	return f && !address_is_zero(&f->to);
}

/* What leads to other hosts only does so where the kernel forwards. */
static void check_forwarding(json_t *advice, const struct config *config)
{
	const bool v4_off = is_off("/proc/sys/net/ipv4/ip_forward");
	const bool v6_off = is_off("/proc/sys/net/ipv6/conf/all/forwarding");
	bool v4 = false, v6 = false;

	for (unsigned i = 0; i < config->services; i++) {
		const struct service *s = &config->service[i];
		/* A gateway's inner hosts may know one family alone. */
		const bool none = service_is_gateway(s) && v4_off && v6_off;

		v4 = v4 || none || leads_on(s, true);
		v6 = v6 || leads_on(s, false);
	}
	if (v4 && v4_off)
		advice_add(advice,
		    "The kernel forwards no packets of IPv4, so that no door to another host leads "
		    "there. Say: sysctl -w net.ipv4.ip_forward=1, and put that into /etc/sysctl.d");
	if (v6 && v6_off)
		advice_add(advice,
		    "The kernel forwards no packets of IPv6, so that no door to another host leads "
		    "there. Say: sysctl -w net.ipv6.conf.all.forwarding=1, and put that into "
		    "/etc/sysctl.d");
}

static void check_port(json_t *advice, const struct config *config)
{
	if (config->silence != SILENCE_DROP)
		return;
	check_sequences(advice, config);
	if (config->udp_port != 0 && are_ephemeral(config->udp_port, config->udp_port))
		advice_note(advice,
		    "The knock port lies among those that this host uses for its own connections; "
		    "now and then one"
		    " of them would get no answers. Choose one below them or above them");
}

/* The one that can be walked and compared. */
static bool is_nftables(const struct config *config)
{
	return strcmp(config->firewall, "nftables") == 0;
}

static void check_table(
    struct ctl *c, json_t *advice, const struct config *config, const struct firewall_state *s)
{
	const enum firewall_likeness like =
	    s->there && is_nftables(config) ? firewall_cmd_compare(c, config) : FIREWALL_UNKNOWN;

	output_fact(c, "installed", json_boolean(s->there));
	output_fact(c, "armed", json_boolean(firewall_cmd_is_armed(config, s)));
	output_fact(c, "trial", json_string(firewall_cmd_trial_word(s->trial)));
	output_fact(c, "as_configured",
	    like == FIREWALL_UNKNOWN ? json_null() : json_boolean(like == FIREWALL_LIKE));
	if (!s->there)
		advice_add(advice,
		    is_nftables(config)
			? "The guard is not installed. Try it: posternctl firewall try --for 60"
			: "The guard is not installed. Say: posternctl firewall install");
	else if (s->trial == FIREWALL_TRIAL_RUNNING)
		advice_add(
		    advice, "A trial is running. If all is well, say: posternctl firewall confirm");
	else if (s->trial == FIREWALL_TRIAL_ENDED)
		advice_add(advice, "A trial has ended unconfirmed; what it guarded is open. Say: "
				   "posternctl firewall try, or install");
	else if (!firewall_cmd_is_armed(config, s))
		advice_add(
		    advice, "Not all services are guarded. Say: posternctl firewall install");
	if (like == FIREWALL_UNLIKE)
		advice_add(advice, "The rules are not those of the configuration. Say: posternctl "
				   "firewall install");
	if (s->there && like == FIREWALL_UNKNOWN && is_nftables(config))
		advice_note(advice, "The rules could not be compared with the configuration: no "
				    "network namespace can be made here");
}

static int check_rules(struct ctl *c, json_t *advice, const struct config *config)
{
	struct look l = {.advice = advice};
	struct ruleset rs;
	int status = CTL_OK;

	if (ruleset_read(&rs) == 0) {
		for (unsigned i = 0; i < 2 * config->services; i++)
			check_service(&l, &rs, &config->service[i / 2], i % 2 == 1);
		check_reply(&l, &rs, config, false);
		check_reply(&l, &rs, config, true);
		check_silence(c, advice, &rs, config);
		check_socket(advice, &rs, config);
	} else {
		status =
		    output_fail(c, CTL_FAILED, "the host's rules cannot be read; run this as root");
	}
	ruleset_free(&rs);
	return status;
}

int firewall_cmd_check(struct ctl *c, const struct config *config, const struct firewall_args *a)
{
	struct firewall *f = firewall_cmd_start(c, config);
	json_t *advice = json_array();
	struct firewall_state s;
	const bool seen = f && firewall_read(f, &s) == FIREWALL_OK;
	int status = CTL_FAILED;

	(void)a;
	if (seen) {
		check_table(c, advice, config, &s);
		if (is_nftables(config)) {
			status = check_rules(c, advice, config);
			check_legacy(advice);
		} else {
			status = CTL_OK;
			advice_note(advice, "The host's own rules were not looked at: that is done "
					    "for firewall = nftables alone");
		}
		check_port(advice, config);
		check_forwarding(advice, config);
		if (firewall_cmd_check_doors(f, advice, config) != 0)
			status = output_fail(
			    c, CTL_FAILED, "the doors cannot be read; run this as root");
	}
	if (f && !seen)
		(void)output_fail(c, CTL_FAILED, "the guard cannot be read; run this as root");
	firewall_stop(f);
	if (status == CTL_OK)
		status = advice_tell(c, advice, config);
	output_fact(c, "advice", advice);
	return status;
}
