#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "directives.h"
#include "init.h"

enum { VALUE_MAX = 2048 };

/* The least that a configuration must say, to have all defaults from it. */
static void make_defaults(struct config *out, uint16_t udp_port)
{
	char text[64];
	struct report r = {.say = NULL};

	(void)snprintf(text, sizeof(text), "udp-port = %u\n", udp_port);
	if (config_parse(out, "", text, &r) != 0)
		abort();
	out->udp_port = 0; /* without a carrier it says nothing: by default there is none */
}

static void value_text(const struct directive *d, const void *base, char out[static VALUE_MAX])
{
	FILE *f = fmemopen(out, VALUE_MAX, "w");

	if (f == NULL)
		abort();
	directive_print(d, base, f);
	(void)fclose(f);
}

/* What differs from the default, or has none, is set; the rest stands there as a comment. */
static void print_directive(
    const struct directive *d, const struct config *c, const struct config *defaults, FILE *out)
{
	char value[VALUE_MAX], usual[VALUE_MAX];

	value_text(d, c, value);
	value_text(d, defaults, usual);
	(void)fprintf(out, "# %s (", d->help);
	directive_range(d, out);
	(void)fprintf(out, ")\n%s%s = %s\n\n",
	    d->standard != NULL && strcmp(value, usual) == 0 ? "#" : "", d->name, value);
}

static void print_service(const struct service *s, FILE *out)
{
	const struct directive *d;

	(void)fprintf(out,
	    "# The services that are guarded. Nobody reaches their ports from outside but by\n"
	    "# a knock. Each is one of these, under a name that clients ask for:\n#\n");
	for (d = directives_service; d->name != NULL; d++) {
		(void)fprintf(out, "#   %-15s %s (", d->name, d->help);
		directive_range(d, out);
		(void)fprintf(out, ")");
		if (d->standard != NULL)
			(void)fprintf(out, ", default %s", d->standard[0] ? d->standard : "none");
		(void)fprintf(out, "\n");
	}
	(void)fprintf(out,
	    "service \"%s\" {\n\tproto = tcp\n\tport = %u\n\thold = %u\n\tmax-hold = %u\n}\n\n"
	    "#service \"web\" {\n#\tproto = tcp\n#\tport = 443\n#}\n",
	    s->name, s->port, s->hold_s, s->max_hold_s);
}

char *init_text(const struct config *c)
{
	struct config *defaults = calloc(1, sizeof(*defaults));
	const struct directive *d;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (defaults == NULL || out == NULL)
		abort();
	make_defaults(defaults, c->udp_port);
	(void)fprintf(out,
	    "# posternd.conf - what posternd does; posternd.conf(5) tells more.\n"
	    "# After a change: posternd --check, then: posternctl reload\n"
	    "# Who may knock stands in the file of clients; see posternctl client add.\n\n");
	for (d = directives_global; d->name != NULL; d++)
		print_directive(d, c, defaults, out);
	print_service(&c->service[0], out);
	if (fclose(out) != 0)
		abort();
	free(defaults);
	return text;
}
