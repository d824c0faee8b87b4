#include "output.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SENTENCE_MAX = 2048, CELL_MAX = 512, COLUMNS_MAX = 24, REAL_DIGITS = 9 };

#define MESSAGES "messages"
#define WARNINGS "warnings"
#define ERRORS "errors"
#define NOTHING "-" /* in a cell */

struct output {
	json_t *model;
	json_t *when_empty; /* table name: sentence */
	json_t *texts;	    /* name of a text: true */
	json_t *array;	    /* printed in place of the model as JSON; NULL: none */
};

static json_t *must(json_t *value)
{
	if (value == NULL)
		abort(); /* no memory */
	return value;
}

static void set(json_t *object, const char *name, json_t *value)
{
	if (json_object_set_new(object, name, must(value)) != 0)
		abort();
}

static void append(json_t *array, json_t *value)
{
	if (json_array_append_new(array, must(value)) != 0)
		abort();
}

/* As a string with all but printable ASCII, and what else is allowed, as \xNN. */
static json_t *escaped(const char *text, const char *allowed)
{
	size_t room = 4 * strlen(text) + 1;
	char *out = malloc(room);
	size_t at = 0;
	json_t *value;

	if (out == NULL)
		abort();
	for (; *text != '\0'; text++) {
		unsigned char b = (unsigned char)*text;

		if ((b >= 0x20 && b < 0x7f) || strchr(allowed, b) != NULL)
			out[at++] = *text;
		else
			at += (size_t)snprintf(out + at, room - at, "\\x%02x", b);
	}
	out[at] = '\0';
	value = must(json_string(out));
	free(out);
	return value;
}

static json_t *printable(const char *text)
{
	return escaped(text, "\n\t");
}

/* What stands in a table: somebody else's newline must not make a row of its own. */
static json_t *one_line(const char *text)
{
	return escaped(text, "");
}

struct output *output_new(const char *command)
{
	struct output *o = calloc(1, sizeof(*o));

	if (o == NULL)
		abort();
	o->model = must(json_object());
	o->when_empty = must(json_object());
	o->texts = must(json_object());
	set(o->model, "command", json_string(command));
	return o;
}

void output_free(struct output *o)
{
	if (o == NULL)
		return;
	json_decref(o->model);
	json_decref(o->when_empty);
	json_decref(o->texts);
	json_decref(o->array);
	free(o);
}

static void add_sentence(struct ctl *c, const char *list, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

static void add_sentence(struct ctl *c, const char *list, const char *format, va_list args)
{
	char text[SENTENCE_MAX];

	(void)vsnprintf(text, sizeof(text), format, args);
	if (json_object_get(c->out->model, list) == NULL)
		set(c->out->model, list, json_array());
	append(json_object_get(c->out->model, list), printable(text));
}

void output_say(struct ctl *c, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_sentence(c, MESSAGES, format, args);
	va_end(args);
}

void output_warn(struct ctl *c, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_sentence(c, WARNINGS, format, args);
	va_end(args);
}

int output_fail(struct ctl *c, enum ctl_status status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_sentence(c, ERRORS, format, args);
	va_end(args);
	return (int)status;
}

void output_text(struct ctl *c, const char *name, const char *text)
{
	set(c->out->texts, name, json_true());
	set(c->out->model, name, printable(text));
}

json_t *output_table(struct ctl *c, const char *name, const char *when_empty)
{
	set(c->out->when_empty, name, json_string(when_empty));
	set(c->out->model, name, json_array());
	return json_object_get(c->out->model, name);
}

void output_drop(struct ctl *c, const char *name)
{
	(void)json_object_del(c->out->model, name);
}

json_t *output_row(json_t *table)
{
	json_t *row = json_object();

	append(table, row);
	return row;
}

void row_text(json_t *row, const char *column, const char *text)
{
	set(row, column, text != NULL ? one_line(text) : json_null());
}

void row_number(json_t *row, const char *column, uint64_t value)
{
	set(row, column, json_integer((json_int_t)value));
}

void row_flag(json_t *row, const char *column, bool value)
{
	set(row, column, json_boolean(value));
}

json_t *row_list(json_t *row, const char *column)
{
	set(row, column, json_array());
	return json_object_get(row, column);
}

void list_text(json_t *list, const char *text)
{
	append(list, one_line(text));
}

void output_fact(struct ctl *c, const char *name, json_t *value)
{
	set(c->out->model, name, value);
}

/* What stands in a cell of a table; where there is no room for all of it, that shows. */
static void cell_text(const json_t *value, char out[static CELL_MAX])
{
	static const char cut[] = "...";
	const json_t *item;
	size_t at = 0;
	size_t i;

	(void)snprintf(out, CELL_MAX, NOTHING);
	if (json_is_string(value) && json_string_length(value) > 0)
		at = (size_t)snprintf(out, CELL_MAX, "%s", json_string_value(value));
	else if (json_is_integer(value))
		(void)snprintf(out, CELL_MAX, "%" PRIu64, (uint64_t)json_integer_value(value));
	else if (json_is_true(value))
		(void)snprintf(out, CELL_MAX, "yes");
	json_array_foreach(value, i, item)
	{
		if (at < CELL_MAX)
			at += (size_t)snprintf(out + at, CELL_MAX - at, "%s%s", i > 0 ? "," : "",
			    json_string_value(item));
	}
	if (at >= CELL_MAX)
		memcpy(out + CELL_MAX - sizeof(cut), cut, sizeof(cut));
}

static void widen(size_t *width, const char *cell, const char *column)
{
	if (strlen(cell) > *width)
		*width = strlen(cell);
	if (strlen(column) > *width)
		*width = strlen(column);
}

/* 0: nobody has anything there, and the column is left out. */
static void measure(const json_t *table, size_t width[static COLUMNS_MAX])
{
	char cell[CELL_MAX];
	const char *column;
	const json_t *row, *value;
	size_t i, n;

	json_array_foreach(table, i, row)
	{
		n = 0;
		json_object_foreach((json_t *)(uintptr_t)row, column, value)
		{
			cell_text(value, cell);
			if (n < COLUMNS_MAX && strcmp(cell, NOTHING) != 0)
				widen(&width[n], cell, column);
			n++;
		}
	}
}

static bool is_last(const size_t width[static COLUMNS_MAX], size_t n)
{
	while (++n < COLUMNS_MAX)
		if (width[n] > 0)
			return false;
	return true;
}

static void print_cell(const char *text, const size_t width[static COLUMNS_MAX], size_t n)
{
	if (n >= COLUMNS_MAX || width[n] == 0)
		return;
	if (is_last(width, n))
		(void)printf("%s\n", text);
	else
		(void)printf("%-*s  ", (int)width[n], text);
}

/* Columns have names of ours: a-z and '_'. */
static char head_letter(char c)
{
	static const char upper[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	if (c >= 'a' && c <= 'z')
		return upper[c - 'a'];
	if (c == '_')
		return '-';
	return c;
}

static void print_head(const json_t *row, const size_t width[static COLUMNS_MAX])
{
	char cell[CELL_MAX];
	const char *column;
	const json_t *value;
	size_t n = 0;
	size_t i;

	json_object_foreach((json_t *)(uintptr_t)row, column, value)
	{
		for (i = 0; column[i] != '\0' && i < sizeof(cell) - 1; i++)
			cell[i] = head_letter(column[i]);
		cell[i] = '\0';
		print_cell(cell, width, n++);
	}
}

static void print_row(const json_t *row, const size_t width[static COLUMNS_MAX])
{
	char cell[CELL_MAX];
	const char *column;
	const json_t *value;
	size_t n = 0;

	json_object_foreach((json_t *)(uintptr_t)row, column, value)
	{
		cell_text(value, cell);
		print_cell(cell, width, n++);
	}
}

static void print_table(const json_t *table, const char *when_empty, bool quiet)
{
	size_t width[COLUMNS_MAX] = {0};
	const json_t *row;
	size_t i;

	if (json_array_size(table) == 0 && !quiet)
		(void)printf("%s\n", when_empty);
	measure(table, width);
	json_array_foreach(table, i, row)
	{
		if (i == 0)
			print_head(row, width);
		print_row(row, width);
	}
}

void output_line(const struct ctl *c, const json_t *row)
{
	size_t narrow[COLUMNS_MAX] = {0};

	for (size_t i = 0; i < json_object_size(row) && i < COLUMNS_MAX; i++)
		narrow[i] = 1;
	if (c->json) {
		(void)json_dumpf(row, stdout, JSON_COMPACT);
		(void)fputc('\n', stdout);
	} else {
		print_row(row, narrow);
	}
	(void)fflush(stdout);
}

static void print_sentences(const json_t *list, const char *mark, FILE *out)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		(void)fprintf(out, "%s%s\n", mark, json_string_value(item));
	}
}

static void print_member(const struct ctl *c, const char *name, const json_t *value)
{
	const char *when_empty = json_string_value(json_object_get(c->out->when_empty, name));

	if (strcmp(name, MESSAGES) == 0) {
		if (!c->quiet)
			print_sentences(
			    value, "", json_object_size(c->out->texts) > 0 ? stderr : stdout);
	} else if (strcmp(name, WARNINGS) == 0) {
		print_sentences(value, "posternctl: warning: ", stderr);
	} else if (strcmp(name, ERRORS) == 0) {
		print_sentences(value, "posternctl: ", stderr);
	} else if (when_empty != NULL) {
		print_table(value, when_empty, c->quiet);
	} else if (json_object_get(c->out->texts, name) != NULL) {
		(void)fputs(json_string_value(value), stdout);
	}
}

void output_array(struct ctl *c, json_t *array)
{
	json_decref(c->out->array);
	c->out->array = must(array);
}

const json_t *output_model(const struct output *o)
{
	return o->model;
}

/* What an array has no place for still reaches a person. */
static void print_json(const struct ctl *c)
{
	const struct output *o = c->out;

	(void)json_dumpf(o->array != NULL ? o->array : o->model, stdout,
	    JSON_INDENT(2) | JSON_REAL_PRECISION(REAL_DIGITS));
	(void)fputc('\n', stdout);
	if (o->array == NULL)
		return;
	print_member(c, WARNINGS, json_object_get(o->model, WARNINGS));
	print_member(c, ERRORS, json_object_get(o->model, ERRORS));
}

int output_print(struct ctl *c, int status)
{
	const char *name;
	json_t *value;

	set(c->out->model, "exit", json_integer(status));
	if (c->json) {
		print_json(c);
	} else {
		json_object_foreach(c->out->model, name, value)
		{
			print_member(c, name, value);
		}
	}
	if (fflush(stdout) != 0 || ferror(stdout)) {
		(void)fprintf(stderr, "posternctl: standard output cannot be written\n");
		return status == CTL_OK ? CTL_FAILED : status;
	}
	return status;
}
