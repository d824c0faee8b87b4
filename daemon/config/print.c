#include "directives.h"

static void print_all(const struct directive *d, const void *base, const char *indent, FILE *out)
{
	for (; d->name != NULL; d++) {
		(void)fprintf(out, "%s%s = ", indent, d->name);
		directive_print(d, base, out);
		(void)fputc('\n', out);
	}
}

void config_print(const struct config *c, FILE *out)
{
	unsigned i;

	print_all(directives_global, c, "", out);
	for (i = 0; i < c->services; i++) {
		(void)fprintf(out, "\nservice \"%s\" {\n", c->service[i].name);
		print_all(directives_service, &c->service[i], "\t", out);
		(void)fprintf(out, "}\n");
	}
}

void directives_table(const struct directive *table, FILE *out)
{
	const struct directive *d;

	for (d = table; d->name != NULL; d++) {
		(void)fprintf(out, "%s = ", d->name);
		directive_range(d, out);
		(void)fprintf(out, "\n\t%s; %s%s\n", d->help,
		    d->standard != NULL ? "default " : "must be given",
		    d->standard != NULL ? d->standard : "");
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
			print_escaped(d->standard, out);
			(void)fputs("*.\n\n", out);
		} else {
			(void)fputs(" It must be given.\n\n", out);
		}
	}
}
