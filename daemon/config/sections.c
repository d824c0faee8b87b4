/* sections - see sections.h. */
#include "sections.h"

#include <netinet/in.h>
#include <regex.h>
#include <stddef.h>
#include <string.h>

#include "text.h"

_Static_assert(offsetof(struct service, name) == 0, "section_item.name");
_Static_assert(offsetof(struct source_config, name) == 0, "section_item.name");
_Static_assert(offsetof(struct command_config, name) == 0, "section_item.name");
_Static_assert(offsetof(struct sequence_config, name) == 0, "section_item.name");

/* ---- service ---- */

static unsigned service_line(const struct config *c, const char *name)
{
	int i = config_service(c, name);

	return i < 0 ? 0 : c->service[i].line;
}

static void name_service(union section_item *i, const char *name, unsigned line)
{
	(void)snprintf(i->service.name, sizeof(i->service.name), "%s", name);
	i->service.line = line;
}

/* A service of which a port is this one's, too; -1: there is none. */
static int find_overlap(const struct config *c, const struct service *s)
{
	int found = -1;

	for (unsigned i = 0; i < service_ports(s) && found < 0; i++)
		found = config_service_by_port(c, s->proto, service_port(s, i));
	return found;
}

static bool has_port(const struct service *s, uint16_t port)
{
	for (unsigned i = 0; i < s->ports.len; i++)
		if (port >= s->ports.at[i].lo && port <= s->ports.at[i].hi)
			return true;
	return s->ports.len == 0 && s->port == port && port != 0;
}

/* What goes to one port cannot come from several, but for such of which a door has one alone. */
static void check_forward(const struct service *s, const struct section_place *at)
{
	if (service_is_random(s) && s->forward.len == 0)
		report_error(at->r, at->file, at->line_of(at->slots, "port"),
		    "port: nothing listens at a random port; say with forward where it leads");
	if (s->forward.len > 0 && service_ports(s) > 1 && !service_is_random(s))
		report_error(at->r, at->file, at->line_of(at->slots, "forward"),
		    "forward: the service has %u ports; give it one, or make several services",
		    service_ports(s));
	if (s->forward.len > 0 && address_is_zero(&s->forward.at[0].to) &&
	    has_port(s, s->forward.at[0].port))
		report_error(at->r, at->file, at->line_of(at->slots, "forward"),
		    service_is_random(s) ? "forward: %u is one of the service's own ports; give it "
					   "others, such as \"random 21000-21999\""
					 : "forward: %u is the service's own port; leave it out",
		    s->forward.at[0].port);
}

static void check_hold(const struct service *s, const struct section_place *at)
{
	const unsigned hold = at->line_of(at->slots, "hold");

	/* What is 0 was refused, and told, before. */
	if (s->max_hold_s != 0 && s->hold_s > s->max_hold_s)
		report_error(at->r, at->file, hold != 0 ? hold : at->line_of(at->slots, "max-hold"),
		    "hold: %u is more than max-hold, which is %u; raise that or lower this",
		    s->hold_s, s->max_hold_s);
}

static void check_service(
    const struct config *c, const union section_item *item, const struct section_place *at)
{
	const struct service *s = &item->service;
	const struct service *other;
	int i;

	check_hold(s, at);
	if (s->proto == 0)
		return;
	check_forward(s, at);
	if (s->trap != TRAP_NONE && s->proto != IPPROTO_TCP)
		report_error(at->r, at->file, at->line_of(at->slots, "trap"),
		    "trap: it completes connections of TCP, and the service is not of that; leave "
		    "it out");
	i = find_overlap(c, s);
	if (i < 0)
		return;
	other = &c->service[i];
	report_error(at->r, at->file, at->line_of(at->slots, "port"),
	    service_is_random(s)
		? "port: service \"%s\" in line %u has one of them; give others, such "
		  "as \"random 21000-21999\""
		: "port: service \"%s\" in line %u guards it already; keep one of them",
	    other->name, other->line);
}

static bool keep_service(struct config *c, const union section_item *i)
{
	if (c->services >= CONFIG_SERVICES_MAX)
		return false;
	c->service[c->services] = i->service;
	c->service[c->services++].port = service_port(&i->service, 0);
	return true;
}

int config_service(const struct config *c, const char *name)
{
	unsigned i;

	for (i = 0; i < c->services; i++) {
		if (strcmp(c->service[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

unsigned service_ports(const struct service *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->ports.len; i++)
		n += 1U + s->ports.at[i].hi - s->ports.at[i].lo;
	return s->ports.len == 0 ? s->port != 0 : n;
}

uint16_t service_port(const struct service *s, unsigned i)
{
	for (unsigned k = 0; k < s->ports.len; k++) {
		const struct port_range *r = &s->ports.at[k];

		if (i <= (unsigned)(r->hi - r->lo))
			return (uint16_t)(r->lo + i);
		i -= 1U + r->hi - r->lo;
	}
	return s->port;
}

const struct forward *service_forward(const struct service *s, bool v4)
{
	for (unsigned i = 0; i < s->forward.len; i++) {
		const struct forward *f = &s->forward.at[i];

		if (address_is_zero(&f->to) || address_is_v4(&f->to) == v4)
			return f;
	}
	return NULL;
}

bool service_is_known_by(const struct service *s, uint16_t port)
{
	return service_is_random(s) ? has_port(s, port) : s->port == port;
}

struct service service_at(const struct service *s, uint16_t port)
{
	struct service at = *s;

	at.ports = (struct port_ranges){.len = 0};
	at.port = port;
	return at;
}

/* Where it leads is a service, too: else one could go there without a door. */
void randoms_check(const struct config *c, const struct section_place *at)
{
	for (unsigned i = 0; i < c->services; i++) {
		const struct service *s = &c->service[i];
		const struct forward *f = &s->forward.at[0];

		if (service_is_random(s) && s->forward.len > 0 && address_is_zero(&f->to) &&
		    config_service_by_port(c, s->proto, f->port) < 0)
			report_error(at->r, at->file, s->line,
			    "service \"%s\": port %u, where it leads, is guarded by none; add a "
			    "service for it, which no client need be allowed",
			    s->name, f->port);
	}
}

int config_service_by_port(const struct config *c, uint8_t proto, uint16_t port)
{
	unsigned i;

	for (i = 0; i < c->services; i++) {
		if (c->service[i].proto == proto && has_port(&c->service[i], port))
			return (int)i;
	}
	return -1;
}

/* ---- source ---- */

static unsigned source_line(const struct config *c, const char *name)
{
	int i = config_source(c, name);

	return i < 0 ? 0 : c->source[i].line;
}

static void name_source(union section_item *i, const char *name, unsigned line)
{
	(void)snprintf(i->source.name, sizeof(i->source.name), "%s", name);
	i->source.line = line;
}

/* Sources are looked at together, when all are known. */
static void check_source(
    const struct config *c, const union section_item *item, const struct section_place *at)
{
	(void)c;
	(void)item;
	(void)at;
}

static bool keep_source(struct config *c, const union section_item *i)
{
	if (c->sources >= CONFIG_SOURCES_MAX)
		return false;
	c->source[c->sources++] = i->source;
	return true;
}

int config_source(const struct config *c, const char *name)
{
	unsigned i;

	for (i = 0; i < c->sources; i++) {
		if (strcmp(c->source[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

void sections_plain(struct config *c)
{
	for (unsigned i = 0; i < c->plain.interfaces; i++) {
		struct source_config *s = &c->source[c->sources++];

		memcpy(s->name, c->plain.interface[i], sizeof(c->plain.interface[i]));
		memcpy(s->interface, c->plain.interface[i], sizeof(s->interface));
		memcpy(s->capture, c->plain.capture, sizeof(s->capture));
		memcpy(s->file, c->plain.file, sizeof(s->file));
		s->workers = 1;
	}
	for (unsigned i = 0; i < c->sources; i++)
		c->needs |= config_needs(c->source[i].capture, 0);
}

bool config_has_trap(const struct config *c)
{
	for (unsigned i = 0; i < c->services; i++)
		if (c->service[i].trap != TRAP_NONE)
			return true;
	return false;
}

static unsigned all_workers(const struct config *c)
{
	unsigned workers = 0;

	for (unsigned i = 0; i < c->sources; i++)
		workers += c->source[i].workers;
	return workers;
}

void sections_trap(struct config *c, const struct section_place *at)
{
	static const struct source_config trap = {
	    .name = "trap", .interface = "any", .capture = "nflog", .workers = 1, .trap = true};

	if (!config_has_trap(c))
		return;
	if (c->sources == CONFIG_SOURCES_MAX || config_source(c, trap.name) >= 0) {
		report_error(at->r, at->file, 0,
		    "trap: it takes a source named \"trap\" of its own, of %d that there can be; "
		    "rename or leave out one of yours",
		    CONFIG_SOURCES_MAX);
		return;
	}
	if (all_workers(c) == CONFIG_CAPTURES_MAX)
		report_error(at->r, at->file, 0,
		    "trap: it takes a process of its own, and the sources have with their workers "
		    "the %d that there can be; take one away",
		    CONFIG_CAPTURES_MAX);
	c->source[c->sources++] = trap;
	c->needs |= source_needs(&trap, 0);
}

/* ---- command ---- */

static unsigned command_line(const struct config *c, const char *name)
{
	int i = config_command(c, name);

	return i < 0 ? 0 : c->command[i].line;
}

static void name_command(union section_item *i, const char *name, unsigned line)
{
	(void)snprintf(i->command.name, sizeof(i->command.name), "%s", name);
	i->command.line = line;
}

static bool is_pattern(const char *text)
{
	regex_t r;

	if (regcomp(&r, text, REG_EXTENDED | REG_NOSUB) != 0)
		return false;
	regfree(&r);
	return true;
}

/* What a client sends could keep such a pattern busy for as long as he likes. */
static bool refers_back(const char *text)
{
	for (const char *at = strchr(text, '\\'); at && at[1] != '\0'; at = strchr(at + 2, '\\'))
		if (at[1] >= '1' && at[1] <= '9')
			return true;
	return false;
}

static void check_command(
    const struct config *c, const union section_item *item, const struct section_place *at)
{
	const struct command_config *m = &item->command;
	char quoted[LOG_QUOTE_MAX];

	(void)c;
	if (strcmp(m->name, COMMAND_LINE_NAME) == 0)
		report_error(at->r, at->file, m->line,
		    "command \"%s\": this name has a meaning of its own; give it another",
		    COMMAND_LINE_NAME);
	if (at->line_of(at->slots, "run") != 0 && m->run.at[0][0] != '/')
		report_error(at->r, at->file, at->line_of(at->slots, "run"),
		    "run: %s is not a whole path; give the program's, from / on",
		    log_quote(quoted, m->run.at[0], strlen(m->run.at[0])));
	if (m->arguments.len > CONFIG_ARGUMENTS_MAX)
		report_error(at->r, at->file, at->line_of(at->slots, "arguments"),
		    "arguments: a client can give %d at most", CONFIG_ARGUMENTS_MAX);
	for (unsigned i = 0; i < m->arguments.len; i++)
		if (!is_pattern(m->arguments.at[i]))
			report_error(at->r, at->file, at->line_of(at->slots, "arguments"),
			    "arguments: %s is not a regular expression; see regex(7)",
			    log_quote(quoted, m->arguments.at[i], strlen(m->arguments.at[i])));
		else if (refers_back(m->arguments.at[i]))
			report_error(at->r, at->file, at->line_of(at->slots, "arguments"),
			    "arguments: %s refers back to a part of itself; write it without",
			    log_quote(quoted, m->arguments.at[i], strlen(m->arguments.at[i])));
	if (m->user[0] == '\0' && at->line_of(at->slots, "user") != 0)
		report_error(at->r, at->file, at->line_of(at->slots, "user"),
		    "user: it is empty; give the name of a user");
}

static bool keep_command(struct config *c, const union section_item *i)
{
	if (c->commands >= CONFIG_COMMANDS_MAX)
		return false;
	c->command[c->commands++] = i->command;
	return true;
}

int config_command(const struct config *c, const char *name)
{
	for (unsigned i = 0; i < c->commands; i++)
		if (strcmp(c->command[i].name, name) == 0)
			return (int)i;
	return -1;
}

void approvals_check(const struct config *c, const struct section_place *at)
{
	for (unsigned i = 0; i < c->services; i++) {
		const struct service *s = &c->service[i];
		const int command = s->approve[0] == '\0' ? -1 : config_command(c, s->approve);

		if (s->approve[0] != '\0' && command < 0)
			report_error(at->r, at->file, s->line,
			    "approve: there is no command \"%s\"; add it", s->approve);
		else if (command >= 0 && c->command[command].arguments.len > 0)
			report_error(at->r, at->file, s->line,
			    "approve: command \"%s\" takes arguments, which nobody gives it; "
			    "make one without",
			    s->approve);
	}
}

/* By where the match lies, not by a pattern put in brackets, which one that has a bracket of its own would leave. */
bool config_argument_fits(const char *pattern, const char *argument)
{
	regmatch_t at;
	regex_t r;
	bool fits;

	if (regcomp(&r, pattern, REG_EXTENDED) != 0)
		return false;
	/* The longest of those that begin first: if the whole fits, this is it. */
	fits = regexec(&r, argument, 1, &at, 0) == 0 && at.rm_so == 0 &&
	       (size_t)at.rm_eo == strlen(argument);
	regfree(&r);
	return fits;
}

/* ---- gateway: a service of another kind, among the services ---- */

static void name_gateway(union section_item *i, const char *name, unsigned line)
{
	name_service(i, name, line);
	i->service.min_prefix_v4 = 32;
	i->service.min_prefix_v6 = 128;
}

static void check_gateway(
    const struct config *c, const union section_item *item, const struct section_place *at)
{
	const struct service *s = &item->service;

	check_hold(s, at);
	if (s->inside[0] != '\0' && strcmp(s->inside, s->outside) == 0)
		report_error(at->r, at->file, at->line_of(at->slots, "outside"),
		    "outside: it is the same as inside; give the interface that leads out");
	for (unsigned i = 0; i < c->services; i++)
		if (s->inside[0] != '\0' && service_gate(&c->service[i]) == service_gate(s))
			report_warning(at->r, at->file, s->line,
			    "gateway \"%s\": its mark is the same as that of \"%s\", so that to "
			    "cut "
			    "the connections through one ends a host's through both; give it "
			    "another "
			    "name",
			    s->name, c->service[i].name);
	for (unsigned i = 0; i < c->services; i++)
		if (service_is_gateway(&c->service[i]) &&
		    strcmp(c->service[i].inside, s->inside) == 0 &&
		    strcmp(c->service[i].outside, s->outside) == 0)
			report_error(at->r, at->file, s->line,
			    "gateway \"%s\": \"%s\" in line %u leads from and to the same; keep "
			    "one "
			    "of them",
			    s->name, c->service[i].name, c->service[i].line);
}

const struct section sections[SECTIONS] = {
    {"service", NULL, directives_service, CONFIG_SERVICES_MAX, service_line, name_service,
	check_service, keep_service},
    {"source", NULL, directives_source, CONFIG_SOURCES_MAX, source_line, name_source, check_source,
	keep_source},
    {"command", NULL, directives_command, CONFIG_COMMANDS_MAX, command_line, name_command,
	check_command, keep_command},
    {"gateway", NULL, directives_gateway, CONFIG_SERVICES_MAX, service_line, name_gateway,
	check_gateway, keep_service},
    {"sequence", TEXT_SEQUENCE_OPTION, directives_sequence, CONFIG_SEQUENCES_MAX, sequence_line,
	sequence_name, sequence_check, sequence_keep},
};

unsigned config_idle_times(const struct config *c, uint32_t out[static CONFIG_SERVICES_MAX])
{
	unsigned n = 0, at, i;

	for (i = 0; i < c->services; i++) {
		const uint32_t idle = c->service[i].idle_s;

		for (at = 0; at < n && out[at] < idle; at++)
			continue;
		if (idle == 0 || (at < n && out[at] == idle))
			continue;
		memmove(out + at + 1, out + at, (n - at) * sizeof(*out));
		out[at] = idle;
		n++;
	}
	return n;
}
