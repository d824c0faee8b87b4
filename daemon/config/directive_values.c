/* The values of directives, taken from text; directive_print.c prints them. */
#include "directives.h"
#include "port_values.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The members have different widths. */
static void put_number(void *at, size_t size, uint32_t v)
{
	uint8_t v8 = (uint8_t)v;
	uint16_t v16 = (uint16_t)v;

	if (size == sizeof(v8))
		memcpy(at, &v8, sizeof(v8));
	else if (size == sizeof(v16))
		memcpy(at, &v16, sizeof(v16));
	else if (size == sizeof(v))
		memcpy(at, &v, sizeof(v));
	else
		abort();
}

static int set_number(const struct directive *d, void *at, const char *value, char *why)
{
	char quoted[LOG_QUOTE_MAX];
	char *end;
	unsigned long long v;

	errno = 0;
	v = strtoull(value, &end, 10);
	if (value[0] < '0' || value[0] > '9' || *end != '\0') {
		(void)snprintf(why, DIRECTIVE_WHY_MAX, "%s is not a whole number; give %u to %u",
		    log_quote(quoted, value, strlen(value)), d->least, d->most);
		return -1;
	}
	if (v < d->least) {
		(void)snprintf(why, DIRECTIVE_WHY_MAX, "%llu is below the minimum %u", v, d->least);
		return -1;
	}
	if (errno == ERANGE || v > d->most) {
		(void)snprintf(
		    why, DIRECTIVE_WHY_MAX, "%s is above the maximum %u", value, d->most);
		return -1;
	}
	put_number(at, d->size, (uint32_t)v);
	return 0;
}

static const struct directive_word *find_word(const struct directive *d, const char *value)
{
	const struct directive_word *w;

	for (w = d->words; w->word != NULL; w++) {
		if (strcmp(w->word, value) == 0)
			return w;
	}
	return NULL;
}

static void explain_word(const struct directive *d, const char *value, char *why)
{
	char quoted[LOG_QUOTE_MAX];
	const char *past = d->words == directives_captures ? config_capture_past(value) : NULL;

	if (past != NULL) {
		(void)snprintf(why, DIRECTIVE_WHY_MAX, "%s", past);
		return;
	}
	FILE *out = fmemopen(why, DIRECTIVE_WHY_MAX, "w");

	if (out == NULL)
		abort();
	(void)fprintf(out, "%s is not known; it can be ", log_quote(quoted, value, strlen(value)));
	directive_list_words(d, " or ", out);
	(void)fclose(out);
}

static int set_word(const struct directive *d, void *at, const char *value, char *why)
{
	const struct directive_word *w = find_word(d, value);

	if (w == NULL) {
		explain_word(d, value, why);
		return -1;
	}
	if (d->kind == DIRECTIVE_NAME)
		(void)snprintf(at, d->size, "%s", value);
	else
		put_number(at, d->size, (uint32_t)w->value);
	return 0;
}

static int add_bit(const struct directive *d, uint8_t *bits, const char *value, char *why)
{
	const struct directive_word *w = find_word(d, value);

	if (w == NULL) {
		explain_word(d, value, why);
		return -1;
	}
	*bits |= (uint8_t)w->value;
	return 0;
}

static bool is_printable(const char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	}
	return true;
}

static bool is_folder(const struct directive *d)
{
	return strstr(d->name, "-dir") != NULL;
}

static int set_path(const struct directive *d, void *at, const char *value, char *why)
{
	if (value[0] == '\0' || !is_printable(value)) {
		(void)snprintf(why, DIRECTIVE_WHY_MAX, "this is not a path; give the name of a %s",
		    is_folder(d) ? "folder" : "file");
		return -1;
	}
	/* Processes have no common working directory. */
	if (is_folder(d) && value[0] != '/') {
		(void)snprintf(why, DIRECTIVE_WHY_MAX, "give the whole path, from / on");
		return -1;
	}
	if (strlen(value) >= d->size) {
		(void)snprintf(why, DIRECTIVE_WHY_MAX,
		    "the path is longer than %zu bytes; give a shorter one", d->size - 1);
		return -1;
	}
	(void)snprintf(at, d->size, "%s", value);
	return 0;
}

static int add_word(struct words *list, const char *value, char *why)
{
	if (value[0] == '\0' && list->len == 0) /* the default */
		return 0;
	if (!is_printable(value) || strlen(value) >= CONFIG_WORD_MAX) {
		(void)snprintf(why, DIRECTIVE_WHY_MAX,
		    "a word has at most %d characters, all of them printable", CONFIG_WORD_MAX - 1);
		return -1;
	}
	if (list->len == CONFIG_WORDS_MAX) {
		(void)snprintf(why, DIRECTIVE_WHY_MAX, "there may be %d words", CONFIG_WORDS_MAX);
		return -1;
	}
	(void)snprintf(list->at[list->len++], CONFIG_WORD_MAX, "%s", value);
	return 0;
}

static int set_user(const struct directive *d, void *at, const char *value, char *why)
{
	static const char letters[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	char quoted[LOG_QUOTE_MAX];
	size_t len = strlen(value);

	if (len == 0 || value[0] == '-' || strspn(value, letters) != len || len >= d->size) {
		(void)snprintf(why, DIRECTIVE_WHY_MAX, "%s is not the name of a user",
		    log_quote(quoted, value, len));
		return -1;
	}
	if (d->kind == DIRECTIVE_USER && strcmp(value, "root") == 0) {
		(void)snprintf(why, DIRECTIVE_WHY_MAX,
		    "root may do too much; give a user that nothing else runs as");
		return -1;
	}
	(void)snprintf(at, d->size, "%s", value);
	return 0;
}

static bool is_interface(const char *value)
{
	size_t len = strlen(value);

	return len > 0 && len < CONFIG_INTERFACE_MAX && strpbrk(value, " /:\t\n\r") == NULL &&
	       is_printable(value) && strcmp(value, ".") != 0 && strcmp(value, "..") != 0;
}

static const char *interface_fault(const struct plain_sources *c, const char *value)
{
	unsigned i;

	if (!is_interface(value))
		return "is not the name of an interface";
	if (c->interfaces > 0 && (strcmp(value, "any") == 0 || strcmp(c->interface[0], "any") == 0))
		return "cannot stand beside the others: any takes them all";
	for (i = 0; i < c->interfaces; i++) {
		if (strcmp(c->interface[i], value) == 0)
			return "stands there twice";
	}
	return c->interfaces >= CONFIG_SOURCES_MAX ? "is one more than there can be" : NULL;
}

static int add_interface(struct plain_sources *c, const char *value, char *why)
{
	char quoted[LOG_QUOTE_MAX];
	const char *fault = interface_fault(c, value);

	if (fault != NULL) {
		(void)snprintf(why, DIRECTIVE_WHY_MAX, "%s %s",
		    log_quote(quoted, value, strlen(value)), fault);
		return -1;
	}
	(void)snprintf(c->interface[c->interfaces++], CONFIG_INTERFACE_MAX, "%s", value);
	return 0;
}

static int set_interface(const struct directive *d, void *at, const char *value, char *why)
{
	char quoted[LOG_QUOTE_MAX];

	if (!is_interface(value)) {
		(void)snprintf(why, DIRECTIVE_WHY_MAX, "%s is not the name of an interface",
		    log_quote(quoted, value, strlen(value)));
		return -1;
	}
	(void)snprintf(at, d->size, "%s", value);
	return 0;
}

static int set_text(const struct directive *d, void *at, const char *value, char *why)
{
	if (!is_printable(value) || strlen(value) >= d->size) {
		(void)snprintf(why, DIRECTIVE_WHY_MAX,
		    "give at most %zu characters, all of them printable", d->size - 1);
		return -1;
	}
	(void)snprintf(at, d->size, "%s", value);
	return 0;
}

static const char letters_digits[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

static int set_token(const struct directive *d, void *at, const char *value, char *why)
{
	if (strspn(value, letters_digits) != strlen(value) || strlen(value) >= d->size) {
		(void)snprintf(why, DIRECTIVE_WHY_MAX, "give at most %zu letters, digits, - and _",
		    d->size - 1);
		return -1;
	}
	(void)snprintf(at, d->size, "%s", value);
	return 0;
}

static int set_web_path(const struct directive *d, void *at, const char *value, char *why)
{
	const char *c = value;

	while (*c != '\0' && (strchr("/.~", *c) != NULL || strchr(letters_digits, *c) != NULL))
		c++;
	if ((value[0] != '\0' && value[0] != '/') || *c != '\0' || strlen(value) >= d->size) {
		(void)snprintf(why, DIRECTIVE_WHY_MAX,
		    "give a path from / on, with at most %zu letters, digits and any of /.~-_",
		    d->size - 1);
		return -1;
	}
	(void)snprintf(at, d->size, "%s", value);
	return 0;
}

static int add_prefix(struct prefixes *list, const char *value, char *why)
{
	char quoted[LOG_QUOTE_MAX];
	struct prefix p;

	if (value[0] == '\0') /* the default */
		return 0;
	if (prefix_parse(value, &p) != 0) {
		(void)snprintf(why, DIRECTIVE_WHY_MAX,
		    "%s is not an address or prefix, such as 10.0.0.5 or 2001:db8::/32",
		    log_quote(quoted, value, strlen(value)));
		return -1;
	}
	if (list->len == CONFIG_PREFIXES_MAX) {
		(void)snprintf(
		    why, DIRECTIVE_WHY_MAX, "there may be %d prefixes", CONFIG_PREFIXES_MAX);
		return -1;
	}
	list->at[list->len++] = p;
	return 0;
}

int directive_set(
    const struct directive *d, void *base, const char *value, char why[static DIRECTIVE_WHY_MAX])
{
	void *at = (char *)base + d->offset;

	switch (d->kind) {
	case DIRECTIVE_NUMBER:
		return set_number(d, at, value, why);
	case DIRECTIVE_WORD:
	case DIRECTIVE_NAME:
		return set_word(d, at, value, why);
	case DIRECTIVE_PATH:
		return set_path(d, at, value, why);
	case DIRECTIVE_USER:
		return set_user(d, at, value, why);
	case DIRECTIVE_ANY_USER:
		return value[0] == '\0' ? 0 : set_user(d, at, value, why);
	case DIRECTIVE_WORDS:
		return add_word(at, value, why);
	case DIRECTIVE_TEXT:
		return set_text(d, at, value, why);
	case DIRECTIVE_TOKEN:
		return set_token(d, at, value, why);
	case DIRECTIVE_WEB_PATH:
		return set_web_path(d, at, value, why);
	case DIRECTIVE_PREFIXES:
		return add_prefix(at, value, why);
	case DIRECTIVE_PORTS:
		return ports_add(at, value, why);
	case DIRECTIVE_RANGE:
		return range_set(at, value, why);
	case DIRECTIVE_RANGES:
		return ranges_add(at, value, why);
	case DIRECTIVE_FORWARDS:
		return forwards_add(at, value, why);
	case DIRECTIVE_BITS:
		return add_bit(d, at, value, why);
	case DIRECTIVE_INTERFACE:
		return set_interface(d, at, value, why);
	case DIRECTIVE_INTERFACES:
		return add_interface(at, value, why);
	}
	abort();
}
