#include "directives.h"

static void print_global(const struct config *c, FILE *out)
{
	const struct directive *d;

	for (d = directives_global; d->name != NULL; d++) {
		if (c->plain.interfaces == 0 && directive_is_plain(d))
			continue; /* the sections say it */
		(void)fprintf(out, "%s = ", d->name);
		directive_print(d, c, out);
		(void)fputc('\n', out);
	}
}

static void print_section(
    const char *word, const char *name, const struct directive *d, const void *base, FILE *out)
{
	(void)fprintf(out, "\n%s \"%s\" {\n", word, name);
	for (; d->name != NULL; d++) {
		(void)fprintf(out, "\t%s = ", d->name);
		directive_print(d, base, out);
		(void)fputc('\n', out);
	}
	(void)fprintf(out, "}\n");
}

void config_print(const struct config *c, FILE *out)
{
	unsigned i;

	print_global(c, out);
	for (i = 0; i < c->sources && c->plain.interfaces == 0; i++)
		if (!c->source[i].trap)
			print_section(
			    "source", c->source[i].name, directives_source, &c->source[i], out);
	for (i = 1; i <= c->sequences; i++)
		print_section(
		    "sequence", c->sequence[i].name, directives_sequence, &c->sequence[i], out);
	for (i = 0; i < c->services; i++) {
		const bool gateway = service_is_gateway(&c->service[i]);

		print_section(gateway ? "gateway" : "service", c->service[i].name,
		    gateway ? directives_gateway : directives_service, &c->service[i], out);
	}
	for (i = 0; i < c->commands; i++)
		print_section(
		    "command", c->command[i].name, directives_command, &c->command[i], out);
}

static const char *standard_text(const struct directive *d)
{
	if (d->standard == NULL)
		return "";
	return d->standard[0] != '\0' ? d->standard : "none";
}

void directives_table(const struct directive *table, FILE *out)
{
	const struct directive *d;

	for (d = table; d->name != NULL; d++) {
		(void)fprintf(out, "%s = ", d->name);
		directive_range(d, out);
		(void)fprintf(out, "\n\t%s; %s%s\n", d->help,
		    d->standard != NULL ? "default " : "must be given", standard_text(d));
	}
}

/* Text in which nothing has a meaning of its own to scdoc. */
static void print_escaped(const char *text, FILE *out)
{
	for (; *text != '\0'; text++) {
		if (*text == '_' || *text == '*' || *text == '\\')
			(void)fputc('\\', out);
		(void)fputc(*text, out);
	}
}

void directives_manual(const struct directive *table, FILE *out)
{
	const struct directive *d;

	for (d = table; d->name != NULL; d++) {
		(void)fprintf(out, "*%s* = _", d->name);
		directive_range(d, out);
		(void)fprintf(out, "_\n\t%c%s.", d->help[0] - 'a' + 'A', d->help + 1);
		if (d->standard != NULL) {
			(void)fputs(" Default: *", out);
			print_escaped(standard_text(d), out);
			(void)fputs("*.\n\n", out);
		} else {
			(void)fputs(" It must be given.\n\n", out);
		}
	}
}
