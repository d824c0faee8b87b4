/*
 * report - where parsers of configuration tell what is wrong: all of it, each
 * with file and line. A parser returns failure when errors is not 0.
 */
#ifndef POSTERN_COMMON_REPORT_H
#define POSTERN_COMMON_REPORT_H

#include <stdbool.h>
#include <stddef.h>

enum { REPORT_LINE_MAX = 512 };

struct report {
	/* Takes "posternd.conf:14: hold: 0 is below the minimum 1". */
	void (*say)(void *arg, const char *line);
	void *arg;
	unsigned errors;
	unsigned warnings;
};

/* line 0: the file as a whole. The text ends with what to do. */
void report_error(struct report *r, const char *file, unsigned line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void report_warning(struct report *r, const char *file, unsigned line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Which of the two a line that say() got comes from. */
bool report_is_warning(const char *line);
/* The line without its mark, for who marks warnings himself. Returns whether it is one. */
bool report_unmark(const char *line, char out[static REPORT_LINE_MAX]);
/*
 * A line that say() got, with a newline, to the end of text, which has size bytes with its NUL. As
 * many as fit: then that there are more, once.
 */
void report_collect(char *text, size_t size, const char *line);
/* A line that say() got, to the log as an error or a warning. */
void report_log(const char *line);

#endif
