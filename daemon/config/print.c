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

/* In scdoc's form, where a cell is begun by "|" or, for the next one, by ":". */
void directives_table(const struct directive *table, FILE *out)
{
	const struct directive *d;

	(void)fprintf(out, "[[ *directive*\n:- *value*\n:- *default*\n:- *what it is*\n");
	for (d = table; d->name != NULL; d++) {
		(void)fprintf(out, "|  *%s*\n:  ", d->name);
		directive_range(d, out);
		(void)fprintf(out, "\n:  %s\n:  %s\n",
		    d->standard != NULL ? d->standard : "none: must be given", d->help);
	}
}
