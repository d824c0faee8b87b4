/* The firewalls: what each has, and what of a configuration it has not. See config.h. */
#include "config.h"

#include <string.h>

#include "mark.h"
#include "sections.h"

enum {
	KEEPS_SHORT =
	    1 << 4, /* keeps a door's time in a form that has no room for very long ones */
	SHORT_MAX_S = 2147483,
	CUTS = 1 << 5, /* can end connections with their door */
	SCRIPTED = 1 << 6,
};

const struct directive_word directives_firewalls[] = {
    {"nftables", FIREWALL_HAS_IDLE | FIREWALL_HAS_NARROW | FIREWALL_HAS_FORWARDS |
		     FIREWALL_HAS_RULES | FIREWALL_HAS_BANS | CUTS},
    {"ipset", FIREWALL_HAS_IDLE | FIREWALL_HAS_RULES | FIREWALL_HAS_BANS | KEEPS_SHORT | CUTS},
    {"exec", SCRIPTED},
    {NULL, 0},
};

/* Of one that there is not those of the first: the directive has been refused. */
static unsigned traits_of(const struct config *c)
{
	for (const struct directive_word *w = directives_firewalls; w->word; w++)
		if (strcmp(w->word, c->firewall) == 0)
			return (unsigned)w->value;
	return (unsigned)directives_firewalls[0].value;
}

unsigned config_firewall_has(const struct config *c)
{
	return traits_of(c) & (FIREWALL_HAS_IDLE | FIREWALL_HAS_NARROW | FIREWALL_HAS_FORWARDS |
				  FIREWALL_HAS_RULES | FIREWALL_HAS_BANS);
}

/* FNV-1a: nobody is kept out by it, it spreads. */
unsigned service_gate(const struct service *s)
{
	static const uint32_t offset = 0x811c9dc5, prime = 0x01000193;
	uint32_t h = offset;

	if (!service_is_gateway(s))
		return 0;
	for (const char *at = s->name; *at != '\0'; at++)
		h = (h ^ (uint8_t)*at) * prime;
	return 1 + h % MARK_GATES_MAX;
}

/* What it asks for that the firewall has not; NULL: nothing. */
static const char *lack(const struct service *s, unsigned traits)
{
	if ((traits & FIREWALL_HAS_FORWARDS) == 0 && service_is_gateway(s))
		return "gateways";
	if ((traits & FIREWALL_HAS_FORWARDS) == 0 && s->forward.len > 0)
		return "forward";
	if ((traits & FIREWALL_HAS_NARROW) == 0 && s->single_use)
		return "single-use";
	if ((traits & FIREWALL_HAS_NARROW) == 0 && s->exact)
		return "exact";
	if ((traits & FIREWALL_HAS_IDLE) == 0 && s->idle_s != 0)
		return "idle";
	if ((traits & FIREWALL_HAS_BANS) == 0 && s->trap != TRAP_NONE)
		return "trap";
	return (traits & CUTS) == 0 && s->cut ? "cut" : NULL;
}

static void check_bans(const struct config *c, const struct section_place *at, unsigned traits)
{
	if (c->ban_after == 0)
		return;
	if ((traits & FIREWALL_HAS_BANS) == 0)
		report_error(at->r, at->file, at->line_of(at->slots, "ban-after"),
		    "ban-after: the firewall %s bans nobody; leave it out, or use firewall = "
		    "nftables",
		    c->firewall);
	else if ((traits & KEEPS_SHORT) != 0 && c->ban_for_s > SHORT_MAX_S)
		report_error(at->r, at->file, at->line_of(at->slots, "ban-for"),
		    "ban-for: the firewall %s bans nobody for longer than %d seconds; lower "
		    "ban-for",
		    c->firewall, SHORT_MAX_S);
}

static void check_script(const struct config *c, const struct section_place *at)
{
	if (c->firewall_script[0] != '/')
		report_error(at->r, at->file, at->line_of(at->slots, "firewall-script"),
		    "firewall-script: not a whole path; give the program's, from / on");
}

void firewalls_check(const struct config *c, const struct section_place *at)
{
	const unsigned traits = traits_of(c);

	if ((traits & SCRIPTED) != 0)
		check_script(c, at);
	if ((traits & FIREWALL_HAS_RULES) == 0 && c->needs != 0)
		report_error(at->r, at->file, at->line_of(at->slots, "firewall"),
		    "firewall: %s has no rules for captures by nflog, nfqueue or udp; capture by "
		    "another, or use firewall = nftables",
		    c->firewall);
	check_bans(c, at, traits);
	for (unsigned i = 0; i < c->services; i++) {
		const struct service *s = &c->service[i];
		const char *what = lack(s, traits);

		if (what)
			report_error(at->r, at->file, s->line,
			    "service \"%s\": the firewall %s has no %s; leave it out, or use "
			    "firewall = nftables",
			    s->name, c->firewall, what);
		if ((traits & KEEPS_SHORT) != 0 && s->max_hold_s > SHORT_MAX_S)
			report_error(at->r, at->file, s->line,
			    "service \"%s\": the firewall %s keeps no door open for longer than %d "
			    "seconds; lower max-hold",
			    s->name, c->firewall, SHORT_MAX_S);
		if ((traits & KEEPS_SHORT) != 0 && s->idle_s > SHORT_MAX_S)
			report_error(at->r, at->file, s->line,
			    "service \"%s\": the firewall %s counts no idle time of more than %d "
			    "seconds; lower idle",
			    s->name, c->firewall, SHORT_MAX_S);
	}
}
