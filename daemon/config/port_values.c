#include "port_values.h"

#include <stdlib.h>
#include <string.h>

enum { PORT_DIGITS = 5 };

/* Takes a port off text; NULL when there is none. */
static const char *read_port(const char *text, uint16_t *out)
{
	unsigned long n = 0;
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || digits > PORT_DIGITS)
		return NULL;
	for (size_t i = 0; i < digits; i++)
		n = n * 10 + (unsigned long)(text[i] - '0');
	if (n == 0 || n > UINT16_MAX)
		return NULL;
	*out = (uint16_t)n;
	return text + digits;
}

static int refuse(char *why, const char *value, const char *what)
{
	char quoted[LOG_QUOTE_MAX];

	(void)snprintf(
	    why, DIRECTIVE_WHY_MAX, "%s %s", log_quote(quoted, value, strlen(value)), what);
	return -1;
}

int ports_add(struct port_list *list, const char *value, char *why)
{
	uint16_t port = 0;
	const char *rest = read_port(value, &port);

	if (value[0] == '\0')
		return 0;
	if (rest == NULL || *rest != '\0')
		return refuse(why, value, "is not a port; give numbers from 1 to 65535");
	for (unsigned i = 0; i < list->len; i++) {
		if (list->at[i] == port)
			return refuse(why, value, "stands there twice");
	}
	if (list->len == CONFIG_SEQUENCE_MAX)
		return refuse(why, value, "is one too many; there may be 32");
	list->at[list->len++] = port;
	return 0;
}

int range_set(struct port_range *range, const char *value, char *why)
{
	struct port_range r = {0};
	const char *rest = read_port(value, &r.lo);

	if (value[0] == '\0')
		return 0;
	if (rest != NULL && *rest == '-')
		rest = read_port(rest + 1, &r.hi);
	if (rest == NULL || *rest != '\0' || r.hi < r.lo)
		return refuse(why, value, "is not a range of ports, such as 20000-29999");
	*range = r;
	return 0;
}

void ports_print(const struct port_list *list, FILE *out)
{
	(void)fputc('{', out);
	for (unsigned i = 0; i < list->len; i++)
		(void)fprintf(out, "%s%u", i > 0 ? ", " : "", list->at[i]);
	(void)fputc('}', out);
}

void range_print(const struct port_range *range, FILE *out)
{
	if (range->lo == 0)
		(void)fputs("\"\"", out);
	else
		(void)fprintf(out, "\"%u-%u\"", range->lo, range->hi);
}

void bits_print(const struct directive *d, uint8_t bits, FILE *out)
{
	const char *joint = "";

	(void)fputc('{', out);
	for (const struct directive_word *w = d->words; w->word != NULL; w++) {
		if ((bits & w->value) == 0)
			continue;
		(void)fprintf(out, "%s%s", joint, w->word);
		joint = ", ";
	}
	(void)fputc('}', out);
}
