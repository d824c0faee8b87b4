#include "text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct scan {
	struct text *out;
	const char *name;
	struct report *r;
	char *at;
	unsigned line;
	unsigned depth;
	unsigned open_line; /* of the outermost open brace */
	char last;	    /* last character that was not white */
};

static void blank_to_end_of_line(struct scan *s)
{
	while (*s->at != '\0' && *s->at != '\n')
		*s->at++ = ' ';
}

/* A string ends in its line; one that does not loses its opening quote, so that the rest can still be read. */
static void skip_string(struct scan *s)
{
	char *open = s->at;
	char quote = *s->at++;

	while (*s->at != '\0' && *s->at != '\n' && *s->at != quote) {
		if (s->at[0] == '\\' && s->at[1] != '\0' && s->at[1] != '\n')
			s->at++;
		s->at++;
	}
	if (*s->at == quote) {
		s->at++;
		return;
	}
	report_error(
	    s->r, s->name, s->line, "a quote is opened and not closed in this line; close it");
	*open = ' ';
	s->at = open + 1;
}

static void open_brace(struct scan *s)
{
	if (s->depth++ == 0) {
		s->open_line = s->line;
		if (s->last != '=' && s->out->sections < TEXT_SECTIONS_MAX)
			s->out->section_line[s->out->sections++] = s->line;
	}
}

/* Does a section of this word begin here, rather than a directive, a value or a title? */
static bool begins_section(const struct scan *s, const char *word, const char *end)
{
	const size_t len = strlen(word);
	const char *next = end + strspn(end, " \t\r\n");

	while (*next == '#')
		next += strcspn(next, "\n"), next += strspn(next, " \t\r\n");
	return s->depth == 0 && s->last != '=' && (size_t)(end - s->at) == len &&
	       memcmp(s->at, word, len) == 0 && strchr("={+", *next) == NULL;
}

/* A word without quotes, as libConfuse takes it. */
static void scan_word(struct scan *s)
{
	static const char sequence[] = "sequence";
	char *start = s->at, *end = start + strcspn(start, " \t\r\n#\"'={}()+,*");

	if (begins_section(s, sequence, end))
		*start = TEXT_SEQUENCE_OPTION[0];
	s->at = end;
	if (start[0] != '/' || (start[1] != '/' && start[1] != '*'))
		return;
	report_error(s->r, s->name, s->line, "comments begin with '#' here");
	s->at = start;
	blank_to_end_of_line(s);
}

/* libConfuse would leave it out without a word. */
static void refuse_character(struct scan *s)
{
	report_error(s->r, s->name, s->line,
	    "'%c' means nothing here; put the text that it belongs to in quotes", *s->at);
	*s->at = strchr("()", *s->at) != NULL ? ' ' : '_';
	s->at++;
}

static bool is_white(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void scan_one(struct scan *s)
{
	char c = *s->at;

	if (c == '#') {
		blank_to_end_of_line(s);
		return;
	}
	if (c == '"' || c == '\'')
		skip_string(s);
	else if (strchr("+*()", c) != NULL)
		refuse_character(s);
	else if (strchr("={},", c) == NULL && !is_white(c))
		scan_word(s);
	else
		s->at++;
	if (c == '{')
		open_brace(s);
	if (c == '}' && s->depth > 0)
		s->depth--;
	s->line += c == '\n';
	if (!is_white(c))
		s->last = c;
}

static void refuse_variables(const char *name, const char *text, struct report *r)
{
	unsigned line = 1;

	for (; *text != '\0'; text++) {
		line += *text == '\n';
		if (text[0] == '$' && text[1] == '{')
			report_error(r, name, line,
			    "\"${\" is not allowed: nothing is taken from the environment");
	}
}

int text_prepare(struct text *t, const char *name, const char *text, struct report *r)
{
	unsigned before;
	struct scan s = {.out = t, .name = name, .r = r, .line = 1};

	*t = (struct text){.copy = NULL};
	if (strnlen(text, CONFIG_TEXT_MAX + 1) > CONFIG_TEXT_MAX) {
		report_error(r, name, 0, "the file is longer than %d bytes", CONFIG_TEXT_MAX);
		return -1;
	}
	t->copy = strdup(text);
	if (t->copy == NULL)
		abort();
	for (s.at = t->copy; *s.at != '\0';)
		scan_one(&s);
	if (s.depth > 0)
		report_error(r, name, s.open_line, "the brace that opens here is never closed");
	before = r->errors;
	refuse_variables(name, t->copy, r);
	return r->errors == before ? 0 : -1;
}

void text_free(struct text *t)
{
	free(t->copy);
	t->copy = NULL;
}
