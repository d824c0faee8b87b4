#include "report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "log.h"

static const char mark[] = ": warning: ";

static void say(struct report *r, const char *file, unsigned line, const char *kind,
    const char *format, va_list args) __attribute__((format(printf, 5, 0)));

static void say(struct report *r, const char *file, unsigned line, const char *kind,
    const char *format, va_list args)
{
	char text[REPORT_LINE_MAX];
	int n;

	if (line != 0)
		n = snprintf(text, sizeof(text), "%s:%u: %s", file, line, kind);
	else
		n = snprintf(text, sizeof(text), "%s: %s", file, kind);
	if (n >= 0 && (size_t)n < sizeof(text))
		(void)vsnprintf(text + n, sizeof(text) - (size_t)n, format, args);
	if (r->say != NULL)
		r->say(r->arg, text);
}

void report_error(struct report *r, const char *file, unsigned line, const char *format, ...)
{
	va_list args;

	r->errors++;
	va_start(args, format);
	say(r, file, line, "", format, args);
	va_end(args);
}

void report_warning(struct report *r, const char *file, unsigned line, const char *format, ...)
{
	va_list args;

	r->warnings++;
	va_start(args, format);
	say(r, file, line, "warning: ", format, args);
	va_end(args);
}

bool report_is_warning(const char *line)
{
	return strstr(line, mark) != NULL;
}

bool report_unmark(const char *line, char out[static REPORT_LINE_MAX])
{
	const char *at = strstr(line, mark);
	const int head = at != NULL ? (int)(at - line) : 0;

	if (at == NULL)
		(void)snprintf(out, REPORT_LINE_MAX, "%s", line);
	else
		(void)snprintf(out, REPORT_LINE_MAX, "%.*s: %s", head, line, at + sizeof(mark) - 1);
	return at != NULL;
}

void report_collect(char *text, size_t size, const char *line)
{
	static const char more[] = "and more, which the log tells\n";
	const size_t used = strlen(text), len = strlen(line);

	if (used + len + 1 + sizeof(more) <= size) {
		(void)snprintf(text + used, size - used, "%s\n", line);
	} else if (used + sizeof(more) <= size && strstr(text, more) == NULL) {
		memcpy(text + used, more, sizeof(more));
	}
}

void report_log(const char *line)
{
	char text[REPORT_LINE_MAX];

	if (report_unmark(line, text))
		log_warning("config", "%s", text);
	else
		log_error("config", "%s", text);
}
