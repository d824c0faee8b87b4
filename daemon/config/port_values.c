#include "port_values.h"

#include <stdlib.h>
#include <string.h>

enum { PORT_DIGITS = 5 };

static const char random_word[] = "random";
/* Below the ports that the kernel gives to sockets by itself (32768 to 60999). */
static const char random_range[] = "20000-20999";

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

/* "80" or "8000-8010". */
static int read_range(const char *value, struct port_range *r)
{
	const char *rest = read_port(value, &r->lo);

	r->hi = r->lo;
	if (rest != NULL && *rest == '-')
		rest = read_port(rest + 1, &r->hi);
	return rest == NULL || *rest != '\0' || r->hi < r->lo ? -1 : 0;
}

/* "random", or "random 20000-20999". Nothing else stands beside it. */
static int set_random(struct port_ranges *ranges, const char *value, char *why)
{
	const char *range =
	    value[sizeof(random_word) - 1] == '\0' ? random_range : value + sizeof(random_word);
	struct port_range r = {0};

	if (ranges->len > 0)
		return refuse(why, value, "stands alone; give the other ports to another service");
	if (read_range(range, &r) < 0)
		return refuse(
		    why, value, "is not \"random\" and a range, such as \"random 20000-20999\"");
	if (r.hi - r.lo + 1 < CONFIG_RANDOM_MIN)
		return refuse(why, value, "has too few ports to draw from; give at least 256");
	if (r.hi - r.lo + 1 > CONFIG_PORTS_MAX)
		return refuse(why, value, "makes them too many; a service may have 1024 ports");
	*ranges = (struct port_ranges){.at = {r}, .len = 1, .random = 1};
	return 0;
}

/* The word alone, or a blank behind it. */
static bool is_random(const char *value)
{
	const size_t len = sizeof(random_word) - 1;

	return strncmp(value, random_word, len) == 0 && (value[len] == '\0' || value[len] == ' ');
}

int ranges_add(struct port_ranges *ranges, const char *value, char *why)
{
	struct port_range r = {0};
	unsigned ports = 0;

	if (is_random(value))
		return set_random(ranges, value, why);
	if (ranges->random)
		return refuse(why, value, "stands beside \"random\"; give it to another service");
	if (read_range(value, &r) < 0)
		return refuse(why, value,
		    "is neither a port from 1 to 65535 nor a range such as \"8000-8010\"");
	for (unsigned i = 0; i < ranges->len; i++) {
		if (r.lo <= ranges->at[i].hi && ranges->at[i].lo <= r.hi)
			return refuse(why, value, "has a port that stands there already");
		ports += 1U + ranges->at[i].hi - ranges->at[i].lo;
	}
	if (ranges->len == CONFIG_RANGES_MAX)
		return refuse(why, value, "is one too many; there may be 8 ports and ranges");
	if (ports + 1U + r.hi - r.lo > CONFIG_PORTS_MAX)
		return refuse(why, value, "makes them too many; a service may have 1024 ports");
	ranges->at[ranges->len++] = r;
	return 0;
}

/* "10.0.0.5:5432", "[2001:db8::5]:5432" or "22". */
static int read_forward(const char *value, struct forward *f)
{
	const char *colon = strrchr(value, ':');
	const char *port = colon == NULL ? value : colon + 1, *rest;
	char host[ADDRESS_TEXT + 2];
	size_t len = colon == NULL ? 0 : (size_t)(colon - value);

	rest = read_port(port, &f->port);
	if (rest == NULL || *rest != '\0' || len >= sizeof(host))
		return -1;
	if (colon == NULL)
		return 0;
	memcpy(host, value, len);
	host[len] = '\0';
	if (host[0] != '[')
		return strchr(host, ':') != NULL ? -1 : address_parse(host, &f->to);
	if (len < 2 || host[len - 1] != ']')
		return -1;
	host[len - 1] = '\0';
	return address_parse(host + 1, &f->to) < 0 || address_is_v4(&f->to) ? -1 : 0;
}

int forwards_add(struct forwards *list, const char *value, char *why)
{
	struct forward f = {.port = 0};

	if (value[0] == '\0')
		return 0;
	if (read_forward(value, &f) < 0)
		return refuse(why, value,
		    "is neither an address with a port, such as 10.0.0.5:5432 or [fd00::5]:5432, "
		    "nor a port");
	if (!address_is_zero(&f.to) && !address_is_admissible(&f.to))
		return refuse(why, value, "is an address that nothing can be forwarded to");
	for (unsigned i = 0; i < list->len; i++) {
		if (address_is_zero(&f.to) || address_is_zero(&list->at[i].to) ||
		    address_is_v4(&f.to) == address_is_v4(&list->at[i].to))
			return refuse(why, value,
			    "is one too many; give one for each family, or a port alone");
	}
	list->at[list->len++] = f;
	return 0;
}

void ranges_print(const struct port_ranges *ranges, FILE *out)
{
	const bool one = ranges->len == 1 && ranges->at[0].lo == ranges->at[0].hi;

	if (ranges->random) {
		(void)fprintf(out, "\"%s %u-%u\"", random_word, ranges->at[0].lo, ranges->at[0].hi);
		return;
	}
	(void)fputs(one ? "" : "{", out);
	for (unsigned i = 0; i < ranges->len; i++) {
		const struct port_range *r = &ranges->at[i];

		(void)fputs(i > 0 ? ", " : "", out);
		if (r->lo == r->hi)
			(void)fprintf(out, "%u", r->lo);
		else
			(void)fprintf(out, "\"%u-%u\"", r->lo, r->hi);
	}
	(void)fputs(one ? "" : "}", out);
}

void forwards_print(const struct forwards *list, FILE *out)
{
	char text[ADDRESS_TEXT];

	(void)fputc('{', out);
	for (unsigned i = 0; i < list->len; i++) {
		const struct forward *f = &list->at[i];
		const bool v4 = address_is_v4(&f->to);

		(void)fputs(i > 0 ? ", " : "", out);
		if (address_is_zero(&f->to))
			(void)fprintf(out, "%u", f->port);
		else
			(void)fprintf(out, v4 ? "\"%s:%u\"" : "\"[%s]:%u\"",
			    address_text(&f->to, text), f->port);
	}
	(void)fputc('}', out);
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
