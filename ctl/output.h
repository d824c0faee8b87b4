/*
 * output - what a command has to say, once, for people and for programs.
 *
 * One JSON object; the text is made from it, so the two cannot differ:
 *   command, exit            which command, and its exit status
 *   messages                 sentences: standard output, unless --quiet
 *   warnings, errors         sentences: standard error
 *   tables                   arrays of objects that have the same members: one
 *                            line a row, aligned under a head
 *   texts                    printed as they are
 *   facts                    for programs only
 * Strings are made printable, whoever wrote them.
 */
#ifndef POSTERN_CTL_OUTPUT_H
#define POSTERN_CTL_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "ctl.h"

struct output *output_new(const char *command);
void output_free(struct output *o);

void output_say(struct ctl *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
void output_warn(struct ctl *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Tells an error; returns status. */
int output_fail(struct ctl *c, enum ctl_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A text of several lines, printed as it is, also when quiet; messages then go to standard error. */
void output_text(struct ctl *c, const char *name, const char *text);

/* A table, empty; when it stays so, the sentence is printed. */
json_t *output_table(struct ctl *c, const char *name, const char *when_empty);
/* Takes a table back that has nothing to say, because the asking failed. */
void output_drop(struct ctl *c, const char *name);
/* A row of it, to be filled with row_...(), which make the columns. */
json_t *output_row(json_t *table);
void row_text(json_t *row, const char *column, const char *text); /* NULL: "-" */
void row_number(json_t *row, const char *column, uint64_t value);
void row_flag(json_t *row, const char *column, bool value);
/* A list in one column; begin with row_list(), then append. */
json_t *row_list(json_t *row, const char *column);
void list_text(json_t *list, const char *text);

/* A row printed at once, for what has no end: as a line, or with --json as an object on a line of its own. */
void output_line(const struct ctl *c, const json_t *row);

/* A fact for programs only. */
void output_fact(struct ctl *c, const char *name, json_t *value);

/* With --json print this array (taken) and nothing else on standard output; warnings and errors go to standard error. */
void output_array(struct ctl *c, json_t *array);

/* What was said so far, borrowed. */
const json_t *output_model(const struct output *o);

/* Prints it all and returns status, or CTL_FAILED when it cannot be printed. */
int output_print(struct ctl *c, int status);

#endif
