/*
 * log - one line an event: a word, then key=value.
 *
 *   log_info("granted", "client=%s service=%s from=%s hold_s=%u", ...);
 *
 * The format is ours, always a literal. Text that anybody else chose goes
 * through log_quote() first. No function here takes a key.
 * The logger is one of the two pieces of global state (the other is the signal flag).
 */
#ifndef POSTERN_COMMON_LOG_H
#define POSTERN_COMMON_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

enum log_target {
	LOG_TO_STDERR,
	LOG_TO_SYSLOG,
	LOG_TO_FD, /* a socket to the monitor, which writes the line for us */
};

enum { LOG_LINE_MAX = 1024, LOG_QUOTE_MAX = 300 };

/* tag: "monitor", "auth", "capture eth0"; copied. fd only for LOG_TO_FD. */
void log_start(enum log_target target, enum log_level level, const char *tag, int fd);
void log_set_level(enum log_level level);

void log_error(const char *event, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_warning(const char *event, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_info(const char *event, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_debug(const char *event, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Printable form of bytes that somebody else chose: quoted, everything but
 * printable ASCII as \xNN, cut with "..." at the end. Returns out.
 */
const char *log_quote(char out[static LOG_QUOTE_MAX], const void *bytes, size_t len);

/* The wire form of LOG_TO_FD: one byte of level, then the line without a newline. The monitor's half: */
void log_relay(const uint8_t *record, size_t len, const char *tag);

/* A line that may come as often as a stranger likes: at most burst lines a period, then a count of what was left out. */
struct log_limit {
	uint32_t burst;
	uint32_t period_ms;
	uint64_t window_start_ms;
	uint32_t used;
	uint64_t suppressed;
};
/* May the line be printed now? When a new period begins after suppression, *missed says how many were left out. */
bool log_allowed(struct log_limit *l, uint64_t now_ms, uint64_t *missed);

#endif
