/* The values of directives as text, and what they may be. */
#include "directives.h"
#include "port_values.h"

#include <stdlib.h>
#include <string.h>

static uint32_t get_number(const void *at, size_t size)
{
	uint8_t v8 = 0;
	uint16_t v16 = 0;
	uint32_t v32 = 0;

	if (size == sizeof(v8))
		memcpy(&v8, at, sizeof(v8));
	else if (size == sizeof(v16))
		memcpy(&v16, at, sizeof(v16));
	else if (size == sizeof(v32))
		memcpy(&v32, at, sizeof(v32));
	else
		abort();
	return v8 + v16 + v32;
}

void directive_list_words(const struct directive *d, const char *joint, FILE *out)
{
	const struct directive_word *w;

	for (w = d->words; w->word != NULL; w++)
		(void)fprintf(out, "%s%s", w == d->words ? "" : joint, w->word);
}

static void print_quoted(const char *text, FILE *out)
{
	(void)fputc('"', out);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			(void)fputc('\\', out);
		(void)fputc(*text, out);
	}
	(void)fputc('"', out);
}

static void print_word(const struct directive *d, const void *at, FILE *out)
{
	uint32_t value = get_number(at, d->size);
	const struct directive_word *w;

	for (w = d->words; w->word != NULL; w++) {
		if ((uint32_t)w->value == value)
			(void)fputs(w->word, out);
	}
}

static void print_interfaces(const struct plain_sources *c, FILE *out)
{
	unsigned i;

	(void)fputc('{', out);
	for (i = 0; i < c->interfaces; i++) {
		(void)fputs(i > 0 ? ", " : "", out);
		print_quoted(c->interface[i], out);
	}
	(void)fputc('}', out);
}

static void print_words(const struct words *list, FILE *out)
{
	(void)fputc('{', out);
	for (unsigned i = 0; i < list->len; i++) {
		(void)fputs(i > 0 ? ", " : "", out);
		print_quoted(list->at[i], out);
	}
	(void)fputc('}', out);
}

static void print_prefixes(const struct prefixes *list, FILE *out)
{
	char text[PREFIX_TEXT];

	(void)fputc('{', out);
	for (unsigned i = 0; i < list->len; i++) {
		(void)fputs(i > 0 ? ", " : "", out);
		print_quoted(prefix_text(&list->at[i], text), out);
	}
	(void)fputc('}', out);
}

void directive_print(const struct directive *d, const void *base, FILE *out)
{
	const void *at = (const char *)base + d->offset;

	switch (d->kind) {
	case DIRECTIVE_NUMBER:
		(void)fprintf(out, "%u", get_number(at, d->size));
		return;
	case DIRECTIVE_WORD:
		print_word(d, at, out);
		return;
	case DIRECTIVE_NAME:
		(void)fputs(at, out);
		return;
	case DIRECTIVE_PATH:
	case DIRECTIVE_USER:
	case DIRECTIVE_ANY_USER:
	case DIRECTIVE_TEXT:
	case DIRECTIVE_TOKEN:
	case DIRECTIVE_WEB_PATH:
	case DIRECTIVE_INTERFACE:
		print_quoted(at, out);
		return;
	case DIRECTIVE_WORDS:
		print_words(at, out);
		return;
	case DIRECTIVE_PREFIXES:
		print_prefixes(at, out);
		return;
	case DIRECTIVE_PORTS:
		ports_print(at, out);
		return;
	case DIRECTIVE_RANGE:
		range_print(at, out);
		return;
	case DIRECTIVE_RANGES:
		ranges_print(at, out);
		return;
	case DIRECTIVE_FORWARDS:
		forwards_print(at, out);
		return;
	case DIRECTIVE_BITS:
		bits_print(d, *(const uint8_t *)at, out);
		return;
	case DIRECTIVE_INTERFACES:
		print_interfaces(at, out);
		return;
	}
}

void directive_range(const struct directive *d, FILE *out)
{
	switch (d->kind) {
	case DIRECTIVE_NUMBER:
		(void)fprintf(out, "%u to %u", d->least, d->most);
		return;
	case DIRECTIVE_WORD:
	case DIRECTIVE_NAME:
	case DIRECTIVE_BITS:
		directive_list_words(d, ", ", out);
		return;
	case DIRECTIVE_PATH:
		(void)fputs("path", out);
		return;
	case DIRECTIVE_WORDS:
		(void)fputs("words", out);
		return;
	case DIRECTIVE_USER:
	case DIRECTIVE_ANY_USER:
		(void)fputs("user", out);
		return;
	case DIRECTIVE_TEXT:
		(void)fputs("text", out);
		return;
	case DIRECTIVE_TOKEN:
		(void)fputs("name", out);
		return;
	case DIRECTIVE_WEB_PATH:
		(void)fputs("path", out);
		return;
	case DIRECTIVE_PREFIXES:
		(void)fputs("prefixes", out);
		return;
	case DIRECTIVE_PORTS:
		(void)fputs("ports", out);
		return;
	case DIRECTIVE_RANGE:
		(void)fputs("range", out);
		return;
	case DIRECTIVE_RANGES:
		(void)fputs("ports and ranges, or random", out);
		return;
	case DIRECTIVE_FORWARDS:
		(void)fputs("addresses with ports, or a port", out);
		return;
	case DIRECTIVE_INTERFACE:
		(void)fputs("interface", out);
		return;
	case DIRECTIVE_INTERFACES:
		(void)fputs("interfaces", out);
		return;
	}
}
