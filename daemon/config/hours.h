/*
 * hours - when in a week something may be: spans of days and times, all UTC.
 */
#ifndef POSTERN_CONFIG_HOURS_H
#define POSTERN_CONFIG_HOURS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HOURS_MAX = 8, WEEK_MIN = 7 * 24 * 60 };

/* One span on each of its days. */
struct hours {
	uint8_t days;	   /* bit 0: it begins on a Monday */
	uint16_t from_min; /* of the day */
	uint16_t len_min;  /* may run into the next day */
};

/* "mon-fri@08:00-18:00", "sat@22:00-06:00" or "08:00-18:00" for every day. Returns 0 or -1. */
int hours_parse(const char *text, struct hours *out) __attribute__((warn_unused_result));

enum { HOURS_TEXT = sizeof("mon-fri@08:00-18:00") };
/* As it is written; h is what hours_parse() made. Returns out. */
const char *hours_text(const struct hours *h, char out[static HOURS_TEXT]);

/*
 * How many seconds from now_s (since 1970) on it may be without a break: 0 when not now, UINT32_MAX
 * when always.
 */
uint32_t hours_left_s(const struct hours *h, size_t n, int64_t now_s);

#endif
