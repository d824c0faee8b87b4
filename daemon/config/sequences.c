/* sequences - the sequences of ports, with names and without: what they may be, and be together. */
#include <string.h>

#include "sections.h"

enum { LABEL_BYTES = CONFIG_NAME_MAX + sizeof("sequence \"\"") };

bool sequence_in_use(const struct sequence_config *s)
{
	return s->ports.len > 0 || s->range.lo != 0;
}

bool config_has_sequence(const struct config *c)
{
	return c->sequences > 0 || sequence_in_use(&c->sequence[0]);
}

int config_sequence(const struct config *c, const char *name)
{
	for (unsigned i = 1; i <= c->sequences; i++)
		if (strcmp(c->sequence[i].name, name) == 0)
			return (int)i;
	return -1;
}

const char *sequence_names(
    const struct config *c, uint64_t ids, char out[static SEQUENCE_NAMES_BYTES])
{
	size_t len = 0;

	out[0] = '\0';
	for (unsigned i = 0; i <= c->sequences; i++) {
		const struct sequence_config *s = &c->sequence[i];

		if ((ids >> s->id & 1) == 0)
			continue;
		len += (size_t)snprintf(out + len, SEQUENCE_NAMES_BYTES - len, "%s%s",
		    len > 0 ? "," : "", s->name[0] != '\0' ? s->name : "-");
	}
	return out;
}

/* ---- one of them ---- */

unsigned sequence_line(const struct config *c, const char *name)
{
	int i = config_sequence(c, name);

	return i < 0 ? 0 : c->sequence[i].line;
}

void sequence_name(union section_item *i, const char *name, unsigned line)
{
	(void)snprintf(i->sequence.name, sizeof(i->sequence.name), "%s", name);
	i->sequence.line = line;
}

bool sequence_keep(struct config *c, const union section_item *i)
{
	if (c->sequences >= CONFIG_SEQUENCES_MAX)
		return false;
	c->sequence[++c->sequences] = i->sequence;
	return true;
}

/* What is said of the ports themselves; NULL: nothing. */
static const char *fault_of(const struct sequence_config *s)
{
	if (s->ports.len > 0 && s->range.lo != 0)
		return "give a list of ports, or a range, and not both";
	if (s->ports.len > 0 && s->ports.len < CONFIG_SEQUENCE_MIN)
		return "give at least 5 ports";
	if (s->range.lo != 0 && s->range.hi - s->range.lo + 1 < 4 * s->count)
		return "the range has less than four times as many ports as roll in it: make it "
		       "wider";
	return NULL;
}

void sequence_check(
    const struct config *c, const union section_item *item, const struct section_place *at)
{
	const struct sequence_config *s = &item->sequence;
	const char *fault = fault_of(s);
	/* A value that was refused is no reason to say that there is none. */
	const bool given =
	    at->line_of(at->slots, "ports") != 0 || at->line_of(at->slots, "range") != 0;

	if (!sequence_in_use(s) && (!given || at->r->errors == 0))
		fault = "give its ports, or the range that they roll in";
	if (fault != NULL)
		report_error(at->r, at->file, s->line, "sequence \"%s\": %s", s->name, fault);
	for (unsigned i = 1; i <= c->sequences; i++)
		if (s->id != 0 && c->sequence[i].id == s->id)
			report_error(at->r, at->file, at->line_of(at->slots, "id"),
			    "id: sequence \"%s\" in line %u has %u already; give it another",
			    c->sequence[i].name, c->sequence[i].line, s->id);
}

/* ---- all together ---- */

/* As an error begins. */
static const char *label(const struct sequence_config *s, char out[static LABEL_BYTES])
{
	if (s->name[0] == '\0')
		return s->ports.len > 0 ? "sequence" : "sequence-range";
	(void)snprintf(out, LABEL_BYTES, "sequence \"%s\"", s->name);
	return out;
}

static unsigned line_of(const struct sequence_config *s, const struct section_place *at)
{
	if (s->name[0] != '\0')
		return s->line;
	return at->line_of(at->slots, s->ports.len > 0 ? "sequence" : "sequence-range");
}

static bool has_port(const struct sequence_config *s, uint16_t port)
{
	for (unsigned i = 0; i < s->ports.len; i++)
		if (s->ports.at[i] == port)
			return true;
	return s->range.lo != 0 && port >= s->range.lo && port <= s->range.hi;
}

/* The first port of a's list that is b's, too; 0: there is none. Ranges may overlap: each id draws its own. */
static uint16_t shared(const struct sequence_config *a, const struct sequence_config *b)
{
	for (unsigned i = 0; i < a->ports.len; i++)
		if (has_port(b, a->ports.at[i]))
			return a->ports.at[i];
	return 0;
}

static void check_carriers(
    const struct config *c, const struct sequence_config *s, const struct section_place *at)
{
	const uint16_t other[] = {c->udp_port, c->tcp_port, c->http_port};
	char text[LABEL_BYTES];

	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++)
		if (other[i] != 0 && has_port(s, other[i]))
			report_error(at->r, at->file, line_of(s, at),
			    "%s: port %u is that of another carrier; leave it out", label(s, text),
			    other[i]);
}

static void check_services(
    const struct config *c, const struct sequence_config *s, const struct section_place *at)
{
	char text[LABEL_BYTES];

	for (unsigned n = 0; n < c->services; n++) {
		const struct service *v = &c->service[n];
		unsigned i = 0;

		while (i < service_ports(v) && !has_port(s, service_port(v, i)))
			i++;
		if (i == service_ports(v))
			continue;
		report_error(at->r, at->file, v->line,
		    "service \"%s\": port %u is one of the %s; change one of them", v->name,
		    service_port(v, i), s->name[0] != '\0' ? label(s, text) : "sequence");
	}
}

static void check_others(
    const struct config *c, const struct sequence_config *s, const struct section_place *at)
{
	char text[LABEL_BYTES], other[LABEL_BYTES];

	for (const struct sequence_config *o = c->sequence; o < s; o++) {
		uint16_t port = shared(o, s);

		if (port == 0)
			port = shared(s, o);
		if (port != 0)
			report_error(at->r, at->file, line_of(s, at),
			    "%s: port %u is one of %s in line %u, too; leave it out of one of them",
			    label(s, text), port, label(o, other), line_of(o, at));
	}
}

void sequences_check(const struct config *c, const struct section_place *at)
{
	const char *fault = fault_of(&c->sequence[0]);
	char text[LABEL_BYTES];
	unsigned listed = 0;

	if (fault != NULL)
		report_error(at->r, at->file, line_of(&c->sequence[0], at), "%s: %s",
		    label(&c->sequence[0], text), fault);
	for (unsigned i = 0; i <= c->sequences; i++) {
		const struct sequence_config *s = &c->sequence[i];

		check_carriers(c, s, at);
		check_services(c, s, at);
		check_others(c, s, at);
		if (listed <= CONFIG_SEQUENCE_LISTED_MAX &&
		    listed + s->ports.len > CONFIG_SEQUENCE_LISTED_MAX)
			report_error(at->r, at->file, line_of(s, at),
			    "%s: the lists of all sequences have more than %d ports together; "
			    "shorten them, or let some roll",
			    label(s, text), CONFIG_SEQUENCE_LISTED_MAX);
		listed += s->ports.len;
	}
}
