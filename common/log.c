#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

enum { TAG_MAX = 48 };

static struct {
	enum log_target target;
	enum log_level level;
	int fd;
	unsigned long lost; /* lines that the monitor's socket had no room for */
	char tag[TAG_MAX];
} logger = {.target = LOG_TO_STDERR, .level = LOG_LEVEL_INFO, .fd = STDERR_FILENO};

static const char *level_mark(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return "error: ";
	case LOG_LEVEL_WARNING:
		return "warning: ";
	case LOG_LEVEL_INFO:
	case LOG_LEVEL_DEBUG:
		break;
	}
	return "";
}

static int syslog_priority(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return LOG_ERR;
	case LOG_LEVEL_WARNING:
		return LOG_WARNING;
	case LOG_LEVEL_INFO:
		return LOG_INFO;
	case LOG_LEVEL_DEBUG:
		break;
	}
	return LOG_DEBUG;
}

void log_start(enum log_target target, enum log_level level, const char *tag, int fd)
{
	logger.target = target;
	logger.level = level;
	logger.fd = fd;
	logger.lost = 0;
	(void)snprintf(logger.tag, sizeof(logger.tag), "%s", tag);
	if (target == LOG_TO_SYSLOG)
		openlog("posternd", LOG_PID | LOG_NDELAY, LOG_DAEMON);
}

void log_set_level(enum log_level level)
{
	logger.level = level;
}

/* One write a line, so that the lines of several processes do not mix. */
static void to_stderr(enum log_level level, const char *tag, const char *line)
{
	char out[LOG_LINE_MAX + TAG_MAX + 16];
	int n = snprintf(out, sizeof(out), "%s%s%s%s\n", tag, tag[0] != '\0' ? ": " : "",
	    level_mark(level), line);
	ssize_t ignored;

	if (n < 0)
		return;
	ignored = write(STDERR_FILENO, out, (size_t)n);
	(void)ignored; /* there is nobody left to tell */
}

static int send_record(enum log_level level, const char *line)
{
	uint8_t record[1 + LOG_LINE_MAX];
	size_t len = strlen(line);

	record[0] = (uint8_t)level;
	memcpy(record + 1, line, len);
	return send(logger.fd, record, 1 + len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -1 : 0;
}

/* A full socket must not make a child wait for its monitor: the line is counted instead. */
static void to_monitor(enum log_level level, const char *line)
{
	char lost[64];

	if (logger.lost > 0) {
		(void)snprintf(lost, sizeof(lost), "log_lost lines=%lu", logger.lost);
		if (send_record(LOG_LEVEL_WARNING, lost) == 0)
			logger.lost = 0;
	}
	if (logger.lost > 0 || send_record(level, line) != 0)
		logger.lost++;
}

static void emit(enum log_level level, const char *tag, const char *line)
{
	switch (logger.target) {
	case LOG_TO_STDERR:
		to_stderr(level, tag, line);
		break;
	case LOG_TO_SYSLOG:
		syslog(syslog_priority(level), "%s%s%s", tag, tag[0] != '\0' ? ": " : "", line);
		break;
	case LOG_TO_FD:
		to_monitor(level, line);
		break;
	}
}

static void vlog(enum log_level level, const char *event, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

static void vlog(enum log_level level, const char *event, const char *format, va_list args)
{
	char line[LOG_LINE_MAX];
	int saved_errno = errno;
	int n;

	if (level > logger.level)
		return;
	n = snprintf(line, sizeof(line), "%s%s", event, format[0] != '\0' ? " " : "");
	if (n >= 0 && (size_t)n < sizeof(line))
		n += vsnprintf(line + n, sizeof(line) - (size_t)n, format, args);
	if (n >= (int)sizeof(line))
		memcpy(line + sizeof(line) - sizeof("..."), "...", sizeof("..."));
	emit(level, logger.tag, line);
	errno = saved_errno;
}

void log_error(const char *event, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vlog(LOG_LEVEL_ERROR, event, format, args);
	va_end(args);
}

void log_warning(const char *event, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vlog(LOG_LEVEL_WARNING, event, format, args);
	va_end(args);
}

void log_info(const char *event, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vlog(LOG_LEVEL_INFO, event, format, args);
	va_end(args);
}

void log_debug(const char *event, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vlog(LOG_LEVEL_DEBUG, event, format, args);
	va_end(args);
}

static bool is_printable(uint8_t c)
{
	return c >= 0x20 && c < 0x7f;
}

/*
 * Appends one byte, escaped unless it may stand as it is. Returns how many
 * characters were written, 0 when there is no room for it and a NUL.
 */
static size_t put_byte(char *out, size_t room, uint8_t c, bool plain)
{
	static const char hex[] = "0123456789abcdef";

	if (room < (plain ? 2U : 5U))
		return 0;
	if (plain) {
		out[0] = (char)c;
		return 1;
	}
	out[0] = '\\';
	out[1] = 'x';
	out[2] = hex[c >> 4];
	out[3] = hex[c & 15];
	return 4;
}

const char *log_quote(char out[static LOG_QUOTE_MAX], const void *bytes, size_t len)
{
	static const char cut[] = "\"...";
	const uint8_t *in = bytes;
	size_t room = LOG_QUOTE_MAX - sizeof(cut); /* what may come before the closing quote */
	size_t at = 1;
	size_t i, n;

	out[0] = '"';
	for (i = 0; i < len; i++) {
		n = put_byte(out + at, room - at, in[i],
		    is_printable(in[i]) && in[i] != '"' && in[i] != '\\');
		if (n == 0)
			break;
		at += n;
	}
	if (i < len)
		memcpy(out + at, cut, sizeof(cut));
	else
		memcpy(out + at, "\"", 2);
	return out;
}

void log_relay(const uint8_t *record, size_t len, const char *tag)
{
	char line[LOG_LINE_MAX];
	enum log_level level = LOG_LEVEL_WARNING; /* for what no child of ours says */
	size_t at = 0;
	size_t i, n;

	if (len < 1)
		return;
	if (record[0] <= LOG_LEVEL_DEBUG)
		level = (enum log_level)record[0];
	if (level > logger.level)
		return;
	/* A taken child must not be able to forge a second line or drive a terminal. */
	for (i = 1; i < len; i++) {
		n = put_byte(line + at, sizeof(line) - at, record[i], is_printable(record[i]));
		if (n == 0)
			break;
		at += n;
	}
	line[at] = '\0';
	emit(level, tag, line);
}

bool log_allowed(struct log_limit *l, uint64_t now_ms, uint64_t *missed)
{
	*missed = 0;
	if (now_ms - l->window_start_ms >= l->period_ms) {
		l->window_start_ms = now_ms;
		l->used = 0;
	}
	if (l->used >= l->burst) {
		l->suppressed++;
		return false;
	}
	l->used++;
	*missed = l->suppressed;
	l->suppressed = 0;
	return true;
}
