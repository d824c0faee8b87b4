#include "config.h"

#include <confuse.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "directives.h"
#include "sections.h"
#include "text.h"

struct parse;

enum { HINT_MAX = 80 };

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
	const struct section *section; /* NULL: outside of sections */
	unsigned line;		       /* where it was given in this scope, 0 not yet */
};

struct parse {
	struct config *out;
	const char *name;
	struct report *r;
	struct text text;
	union section_item item;    /* the one being read */
	const struct section *open; /* NULL: none */
	unsigned line;		    /* where it begins */
	unsigned sections;	    /* how many were closed */
	bool nameless;		    /* its name was refused */
	struct slot global[DIRECTIVES_MAX];
	struct slot inside[SECTIONS][DIRECTIVES_MAX];
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
	    .section_line[p->sections < p->text.sections ? p->sections : p->text.sections - 1];
}

bool config_is_name(const char *name)
{
	size_t len = strlen(name);

	return len >= 1 && len <= CONFIG_NAME_MAX &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == len;
}

static void begin(struct parse *p, const struct section *k, const char *title)
{
	char quoted[LOG_QUOTE_MAX];
	unsigned there;

	p->open = k;
	p->line = section_line(p);
	if (!config_is_name(title)) {
		p->nameless = true;
		report_error(p->r, p->name, p->line,
		    "%s %s: a name has 1 to %d of the characters a-z, 0-9, - and _", k->word,
		    log_quote(quoted, title, strlen(title)), CONFIG_NAME_MAX);
		return;
	}
	there = k->line_of(p->out, title);
	if (there != 0)
		report_error(p->r, p->name, p->line,
		    "%s \"%s\": there is one of this name in line %u; give it another", k->word,
		    title, there);
	k->name(&p->item, title, p->line);
}

static void take_value(struct slot *s, const char *value, unsigned line, bool another)
{
	struct parse *p = s->parse;
	void *base = s->section != NULL ? (void *)&p->item : (void *)p->out;
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

	if (s->section != NULL && s->parse->open == NULL)
		begin(s->parse, s->section, cfg_title(c));
	take_value(s, value, line_of(c), is_list && !is_first);
	o->flags &= ~CFGF_RESET;
	*keep = kept;
	return 0;
}

static void miss(const struct parse *p, const struct slot *s)
{
	const struct directive *d = s->directive;

	if (s->section == NULL)
		report_error(p->r, p->name, 0, "%s: it must be given: %s", d->name, d->help);
	else if (!p->nameless)
		report_error(p->r, p->name, p->line, "%s \"%s\": %s: it must be given: %s",
		    s->section->word, section_name(&p->item), d->name, d->help);
}

static void set_defaults(struct parse *p, struct slot *slots, void *base)
{
	char why[DIRECTIVE_WHY_MAX];

	for (; slots->directive != NULL; slots++) {
		const struct directive *d = slots->directive;

		if (slots->line != 0 || (directive_is_plain(d) && p->out->sources > 0))
			continue;
		if (d->standard == NULL)
			miss(p, slots);
		else if (directive_set(d, base, d->standard, why) != 0)
			abort(); /* our own table is wrong */
	}
}

static const struct slot *slot_named(const struct slot *slots, const char *name)
{
	while (strcmp(slots->directive->name, name) != 0)
		slots++;
	return slots;
}

static unsigned slot_line(const void *slots, const char *name)
{
	return slot_named(slots, name)->line;
}

static void keep(struct parse *p, const struct section *k)
{
	if (p->nameless)
		return; /* told already */
	if (!k->keep(p->out, &p->item))
		report_error(p->r, p->name, p->line,
		    "%s \"%s\": there are more than %u; leave some out", k->word,
		    section_name(&p->item), k->most);
}

static const char *option_of(const struct section *k)
{
	return k->option != NULL ? k->option : k->word;
}

static const struct section *section_named(const char *option, struct slot **slots, struct parse *p)
{
	size_t i = 0;

	while (strcmp(option_of(&sections[i]), option) != 0)
		i++;
	*slots = p->inside[i];
	return &sections[i];
}

/* libConfuse validates a section at its closing brace. */
static int on_section_end(cfg_t *c, cfg_opt_t *o)
{
	struct parse *p = parse_of(c);
	struct slot *slots, *s;
	const struct section *k = section_named(o->name, &slots, p);
	struct section_place at = {
	    .file = p->name, .r = p->r, .line_of = slot_line, .slots = slots};

	if (p->open == NULL) /* nothing is said in it */
		begin(p, k, cfg_title(cfg_opt_getnsec(o, cfg_opt_size(o) - 1)));
	set_defaults(p, slots, &p->item);
	k->check(p->out, &p->item, &at);
	keep(p, k);
	for (s = slots; s->directive != NULL; s++)
		s->line = 0;
	memset(&p->item, 0, sizeof(p->item));
	p->open = NULL;
	p->nameless = false;
	p->sections++;
	return 0;
}

static bool is_in_table(const struct directive *table, const char *name)
{
	while (table->name != NULL && strcmp(table->name, name) != 0)
		table++;
	return table->name != NULL;
}

/* Where a directive belongs that stands somewhere else. */
static void hint_at(const struct section *here, const char *name, char hint[static HINT_MAX])
{
	(void)snprintf(hint, HINT_MAX, "look it up in posternd.conf(5)");
	for (size_t i = SECTIONS; i-- > 0;)
		if (is_in_table(sections[i].table, name))
			(void)snprintf(hint, HINT_MAX, "it belongs in a %s", sections[i].word);
	if (here != NULL && is_in_table(directives_global, name))
		(void)snprintf(hint, HINT_MAX, "it belongs outside of the %s", here->word);
}

static void report_unknown(cfg_t *c, const char *name)
{
	struct parse *p = parse_of(c);
	const struct section *here = slot_of(&c->opts[0])->section;
	char quoted[LOG_QUOTE_MAX], hint[HINT_MAX];

	hint_at(here, name, hint);
	report_error(p->r, p->name, line_of(c), "%s is not a directive %s%s; %s",
	    log_quote(quoted, name, strlen(name)), here != NULL ? "of a " : "",
	    here != NULL ? here->word : "here", hint);
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

static void make_options(struct parse *p, const struct section *k, struct slot *slots,
    cfg_opt_t options[static DIRECTIVES_MAX + 1 + SECTIONS])
{
	const struct directive *d = k != NULL ? k->table : directives_global;

	for (; d->name != NULL; d++, slots++, options++) {
		*slots = (struct slot){.parse = p, .directive = d, .section = k};
		*options = (cfg_opt_t){.name = d->name,
		    .type = CFGT_STR,
		    .flags = directive_is_list(d) ? CFGF_LIST : CFGF_NONE,
		    .simple_value = {.string = &slots->stored},
		    .parsecb = on_value};
	}
	*options = (cfg_opt_t)CFG_END();
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

/* One way to name the sources, or the other. */
static void check_plain(struct parse *p)
{
	const struct slot *s;

	for (s = p->global; s->directive != NULL; s++) {
		if (directive_is_plain(s->directive) && s->line != 0 && p->out->sources > 0)
			report_error(p->r, p->name, s->line,
			    "%s: the source section in line %u says that for itself; remove this",
			    s->directive->name, p->out->source[0].line);
	}
}

static void check_sources(struct parse *p)
{
	char why[CONFIG_WHY_MAX];
	unsigned i = 0;
	const struct source_config *s;

	check_plain(p);
	if (p->r->errors != 0)
		return;
	sections_plain(p->out);
	if (config_sources_fault(p->out->source, p->out->sources, &i, why) == 0)
		return;
	s = &p->out->source[i];
	if (s->line != 0)
		report_error(p->r, p->name, s->line, "source \"%s\": %s", s->name, why);
	else
		report_error(
		    p->r, p->name, slot_named(p->global, "capture")->line, "capture: %s", why);
}

static void check_script(struct parse *p)
{
	const struct config *c = p->out;
	char quoted[LOG_QUOTE_MAX];

	if (c->event_script[0] != '\0' && c->event_script[0] != '/')
		report_error(p->r, p->name, slot_named(p->global, "event-script")->line,
		    "event-script: %s is not a whole path; give the program's, from / on",
		    log_quote(quoted, c->event_script, strlen(c->event_script)));
}

bool prefixes_contain(const struct prefixes *p, const struct address *a)
{
	for (unsigned i = 0; i < p->len; i++)
		if (prefix_contains(&p->at[i], a))
			return true;
	return false;
}

static void check_whole(struct parse *p)
{
	const struct config *c = p->out;
	const struct section_place at = {
	    .file = p->name, .r = p->r, .line_of = slot_line, .slots = p->global};

	set_defaults(p, p->global, p->out);
	check_sources(p);
	carriers_check(c, &at);
	firewalls_check(c, &at);
	check_script(p);
	approvals_check(c, &at);
	sections_trap(p->out, &at);
	randoms_check(c, &at);
	if (c->command_line_user[0] != '\0')
		report_warning(p->r, p->name, slot_named(p->global, "command-line-user")->line,
		    "command-line-user: clients with the option command-line may run anything as "
		    "%s; name commands instead, wherever that will do",
		    c->command_line_user);
	if (c->services == 0 && p->r->errors == 0)
		report_warning(p->r, p->name, 0,
		    "no service is named, so nothing is guarded; add service \"ssh\" { proto = tcp "
		    " port = 22 }");
}

static void run_confuse(struct parse *p)
{
	cfg_opt_t inside[SECTIONS][DIRECTIVES_MAX + 1 + SECTIONS];
	cfg_opt_t global[DIRECTIVES_MAX + 1 + SECTIONS];
	const size_t n = directives_count(directives_global);
	cfg_t *c;
	int status;

	make_options(p, NULL, p->global, global);
	for (size_t i = 0; i < SECTIONS; i++) {
		make_options(p, &sections[i], p->inside[i], inside[i]);
		/* Free key-value pairs are allowed so that libConfuse goes on behind an unknown one. */
		global[n + i] = (cfg_opt_t)CFG_SEC(
		    option_of(&sections[i]), inside[i], CFGF_MULTI | CFGF_TITLE | CFGF_KEYSTRVAL);
		global[n + i].validcb = on_section_end;
	}
	global[n + SECTIONS] = (cfg_opt_t)CFG_END();
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
	for (size_t i = 0; i < SECTIONS; i++)
		free_slots(p->inside[i]);
}

bool config_runs_programs(const struct config *c)
{
	return c->commands > 0 || c->command_line_user[0] != '\0' || c->event_script[0] != '\0';
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
