#include "config.h"

#include <confuse.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "directives.h"
#include "text.h"

struct parse;

/*
 * libConfuse gives a callback no pointer of ours, but it keeps the address of
 * the variable that an option is stored in: the one here, from which we find
 * the rest.
 */
struct slot {
	char *
	    stored; /* libConfuse's copy of the last value; first, so that its address is the slot's */
	struct parse *parse;
	const struct directive *directive;
	bool is_service;
	unsigned line; /* where it was given in this scope, 0 not yet */
};

struct parse {
	struct config *out;
	const char *name;
	struct report *r;
	struct text text;
	struct service service; /* the one being read */
	unsigned section;	/* how many were closed */
	bool in_service;
	bool nameless; /* its name was refused */
	struct slot global[DIRECTIVES_MAX];
	struct slot of_service[DIRECTIVES_MAX];
};

static struct slot *slot_of(const cfg_opt_t *o)
{
	return (struct slot *)(void *)o->simple_value.string;
}

/* Every table of options begins with one that has a slot. */
static struct parse *parse_of(const cfg_t *c)
{
	return slot_of(&c->opts[0])->parse;
}

static unsigned line_of(const cfg_t *c)
{
	return c->line > 0 ? (unsigned)c->line : 0;
}

static unsigned section_line(const struct parse *p)
{
	if (p->text.sections == 0)
		return 0;
	return p->text
	    .section_line[p->section < p->text.sections ? p->section : p->text.sections - 1];
}

bool config_is_name(const char *name)
{
	size_t len = strlen(name);

	return len >= 1 && len <= CONFIG_NAME_MAX &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == len;
}

static void begin_service(struct parse *p, const char *title)
{
	char quoted[LOG_QUOTE_MAX];
	int there;

	p->in_service = true;
	p->service.line = section_line(p);
	if (!config_is_name(title)) {
		p->nameless = true;
		report_error(p->r, p->name, p->service.line,
		    "service %s: a name has 1 to %d of the characters a-z, 0-9, - and _",
		    log_quote(quoted, title, strlen(title)), CONFIG_NAME_MAX);
		return;
	}
	(void)snprintf(p->service.name, sizeof(p->service.name), "%s", title);
	there = config_service(p->out, title);
	if (there >= 0)
		report_error(p->r, p->name, p->service.line,
		    "service \"%s\": there is one of this name in line %u; give it another", title,
		    p->out->service[there].line);
}

static void take_value(struct slot *s, const char *value, unsigned line, bool another)
{
	struct parse *p = s->parse;
	void *base = s->is_service ? (void *)&p->service : (void *)p->out;
	char why[DIRECTIVE_WHY_MAX];

	if (s->line != 0 && !another) {
		report_error(p->r, p->name, line, "%s: given already in line %u; keep one of them",
		    s->directive->name, s->line);
		return;
	}
	if (s->line == 0)
		s->line = line;
	if (directive_set(s->directive, base, value, why) != 0)
		report_error(p->r, p->name, line, "%s: %s", s->directive->name, why);
}

/* Never says no, so that all that follows is checked as well. */
static int on_value(cfg_t *c, cfg_opt_t *o, const char *value, void *result)
{
	static const char kept[] = "";
	const char **keep = (const char **)result;
	struct slot *s = slot_of(o);
	bool is_list = (o->flags & CFGF_LIST) != 0;
	bool is_first = (o->flags & CFGF_RESET) != 0; /* set by each '=' */

	if (s->is_service && !s->parse->in_service)
		begin_service(s->parse, cfg_title(c));
	take_value(s, value, line_of(c), is_list && !is_first);
	o->flags &= ~CFGF_RESET;
	*keep = kept;
	return 0;
}

static void set_defaults(struct parse *p, struct slot *slots, void *base)
{
	char why[DIRECTIVE_WHY_MAX];

	for (; slots->directive != NULL; slots++) {
		const struct directive *d = slots->directive;

		if (slots->line != 0)
			continue;
		if (d->standard != NULL) {
			if (directive_set(d, base, d->standard, why) != 0)
				abort(); /* our own table is wrong */
		} else if (base == p->out) {
			report_error(
			    p->r, p->name, 0, "%s: it must be given: %s", d->name, d->help);
		} else if (!p->nameless) {
			report_error(p->r, p->name, p->service.line,
			    "service \"%s\": %s: it must be given: %s", p->service.name, d->name,
			    d->help);
		}
	}
}

static const struct slot *slot_named(const struct slot *slots, const char *name)
{
	while (strcmp(slots->directive->name, name) != 0)
		slots++;
	return slots;
}

static void check_service(struct parse *p)
{
	const struct service *s = &p->service;
	const struct slot *hold = slot_named(p->of_service, "hold");
	const struct service *other;
	int i;

	/* What is 0 was refused, and told, before. */
	if (s->max_hold_s != 0 && s->hold_s > s->max_hold_s)
		report_error(p->r, p->name,
		    hold->line != 0 ? hold->line : slot_named(p->of_service, "max-hold")->line,
		    "hold: %u is more than max-hold, which is %u; raise that or lower this",
		    s->hold_s, s->max_hold_s);
	if (s->proto == 0 || s->port == 0)
		return;
	i = config_service_by_port(p->out, s->proto, s->port);
	if (i < 0)
		return;
	other = &p->out->service[i];
	report_error(p->r, p->name, slot_named(p->of_service, "port")->line,
	    "port: service \"%s\" in line %u guards it already; keep one of them", other->name,
	    other->line);
}

static void keep_service(struct parse *p)
{
	if (p->nameless)
		return; /* told already */
	if (p->out->services < CONFIG_SERVICES_MAX)
		p->out->service[p->out->services++] = p->service;
	else
		report_error(p->r, p->name, p->service.line,
		    "service \"%s\": there are more than %d; leave some out", p->service.name,
		    CONFIG_SERVICES_MAX);
}

/* libConfuse validates a section at its closing brace. */
static int on_section_end(cfg_t *c, cfg_opt_t *o)
{
	struct parse *p = parse_of(c);
	struct slot *s;

	(void)o;
	if (p->in_service) {
		set_defaults(p, p->of_service, &p->service);
		check_service(p);
		keep_service(p);
	} else {
		report_error(p->r, p->name, section_line(p),
		    "service: nothing is said of it; give proto and port");
	}
	for (s = p->of_service; s->directive != NULL; s++)
		s->line = 0;
	p->service = (struct service){.port = 0};
	p->in_service = false;
	p->nameless = false;
	p->section++;
	return 0;
}

static bool is_in_table(const struct directive *table, const char *name)
{
	while (table->name != NULL && strcmp(table->name, name) != 0)
		table++;
	return table->name != NULL;
}

static void report_unknown(cfg_t *c, const char *name)
{
	struct parse *p = parse_of(c);
	bool in_service = slot_of(&c->opts[0])->is_service;
	char quoted[LOG_QUOTE_MAX];
	const char *hint = "look it up in posternd.conf(5)";

	if (is_in_table(in_service ? directives_global : directives_service, name))
		hint = in_service ? "it belongs outside of the service" : "it belongs in a service";
	report_error(p->r, p->name, line_of(c), "%s is not a directive %s; %s",
	    log_quote(quoted, name, strlen(name)), in_service ? "of a service" : "here", hint);
}

static void on_error(cfg_t *c, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/* An unknown name libConfuse leaves behind; at all else it stops. */
static void on_error(cfg_t *c, const char *format, va_list args)
{
	struct parse *p = parse_of(c);
	char text[REPORT_LINE_MAX];
	char *at;

	if (strcmp(format, "no such option '%s'") == 0) {
		report_unknown(c, va_arg(args, const char *));
		return;
	}
	(void)vsnprintf(text, sizeof(text), format, args);
	for (at = text; *at != '\0'; at++) {
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			*at = '?';
	}
	report_error(p->r, p->name, line_of(c), "%s; what follows was not checked", text);
}

static void make_options(
    struct parse *p, const struct directive *table, struct slot *slots, cfg_opt_t *options)
{
	bool is_service = table == directives_service;

	for (; table->name != NULL; table++, slots++, options++) {
		*slots = (struct slot){.parse = p, .directive = table, .is_service = is_service};
		*options = (cfg_opt_t){.name = table->name,
		    .type = CFGT_STR,
		    .flags = table->kind == DIRECTIVE_INTERFACES ? CFGF_LIST : CFGF_NONE,
		    .simple_value = {.string = &slots->stored},
		    .parsecb = on_value};
	}
}

static void free_slots(struct slot *slots)
{
	for (; slots->directive != NULL; slots++)
		free(slots->stored);
}

/* Of an empty list no value is told. */
static void check_interfaces(struct parse *p, cfg_t *c)
{
	const char *name = "interface";

	if (slot_named(p->global, name)->line == 0 &&
	    (cfg_getopt(c, name)->flags & CFGF_MODIFIED) != 0)
		report_error(p->r, p->name, 0, "%s: the list is empty; leave it out for any", name);
}

static void check_whole(struct parse *p)
{
	const struct config *c = p->out;
	int i;

	set_defaults(p, p->global, p->out);
	i = c->udp_port != 0 ? config_service_by_port(c, IPPROTO_UDP, c->udp_port) : -1;
	if (i >= 0)
		report_error(p->r, p->name, c->service[i].line,
		    "service \"%s\": udp port %u is the knock port; change one of them",
		    c->service[i].name, c->udp_port);
	if (c->services == 0 && p->section == 0)
		report_warning(p->r, p->name, 0,
		    "no service is named, so nothing is guarded; add service \"ssh\" { proto = tcp "
		    " port = 22 }");
}

static void run_confuse(struct parse *p)
{
	cfg_opt_t of_service[DIRECTIVES_MAX + 1] = {CFG_END()};
	cfg_opt_t global[DIRECTIVES_MAX + 2] = {CFG_END()};
	size_t n = directives_count(directives_global);
	cfg_t *c;
	int status;

	make_options(p, directives_service, p->of_service, of_service);
	make_options(p, directives_global, p->global, global);
	/* Free key-value pairs are allowed so that libConfuse goes on behind an unknown one. */
	global[n] =
	    (cfg_opt_t)CFG_SEC("service", of_service, CFGF_MULTI | CFGF_TITLE | CFGF_KEYSTRVAL);
	global[n].validcb = on_section_end;
	c = cfg_init(global, CFGF_KEYSTRVAL);
	if (c == NULL)
		abort();
	(void)cfg_set_error_function(c, on_error);
	status = cfg_parse_buf(c, p->text.copy);
	if (status == CFG_SUCCESS) {
		check_interfaces(p, c);
		check_whole(p);
	} else if (p->r->errors == 0) {
		report_error(p->r, p->name, 0, "it cannot be read; see posternd.conf(5)");
	}
	(void)cfg_free(c);
	free_slots(p->global);
	free_slots(p->of_service);
}

int config_parse(struct config *out, const char *name, const char *text, struct report *r)
{
	struct parse p = {.out = out, .name = name, .r = r};

	*out = (struct config){.sources = 0};
	if (text_prepare(&p.text, name, text, r) == 0)
		run_confuse(&p);
	text_free(&p.text);
	return r->errors == 0 ? 0 : -1;
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

int config_service_by_port(const struct config *c, uint8_t proto, uint16_t port)
{
	unsigned i;

	for (i = 0; i < c->services; i++) {
		if (c->service[i].proto == proto && c->service[i].port == port)
			return (int)i;
	}
	return -1;
}
