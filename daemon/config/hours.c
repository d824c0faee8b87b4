/* hours - see hours.h. */
#include "hours.h"

#include <stdio.h>
#include <string.h>

enum {
	DAYS = 7,
	DAY_NAME = 3,
	HOUR_MIN = 60,
	DAY_MIN = 24 * HOUR_MIN,
	MIN_S = 60,
	EVERY_DAY = (1 << DAYS) - 1,
	TIME_TEXT = 5, /* "08:00" */
	SPAN_TEXT = 2 * TIME_TEXT + 1,
	EPOCH_MIN = 3 * DAY_MIN, /* 1970 began on a Thursday */
};

static const char names[DAYS][DAY_NAME + 1] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

/* Monday is 0; -1: it is none. */
static int day_of(const char *text)
{
	for (int i = 0; i < DAYS; i++)
		if (strncmp(text, names[i], DAY_NAME) == 0)
			return i;
	return -1;
}

/* "mon" or "fri-mon", of len bytes. */
static int parse_days(const char *text, size_t len, uint8_t *out)
{
	int first, last;

	if (len != DAY_NAME && (len != 2 * DAY_NAME + 1 || text[DAY_NAME] != '-'))
		return -1;
	first = day_of(text);
	last = len == DAY_NAME ? first : day_of(text + DAY_NAME + 1);
	if (first < 0 || last < 0)
		return -1;
	*out = (uint8_t)(1U << first);
	for (int day = first; day != last;) {
		day = (day + 1) % DAYS;
		*out |= (uint8_t)(1U << day);
	}
	return 0;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Minutes of the day, 24:00 included; -1: that is no time. */
static int time_of(const char *t)
{
	int hour, minute;

	if (!is_digit(t[0]) || !is_digit(t[1]) || t[2] != ':' || !is_digit(t[3]) || !is_digit(t[4]))
		return -1;
	hour = 10 * (t[0] - '0') + t[1] - '0';
	minute = 10 * (t[3] - '0') + t[4] - '0';
	if (minute >= HOUR_MIN || HOUR_MIN * hour + minute > DAY_MIN)
		return -1;
	return HOUR_MIN * hour + minute;
}

int hours_parse(const char *text, struct hours *out)
{
	const char *at = strchr(text, '@'), *span = at ? at + 1 : text;
	int from, to;

	out->days = EVERY_DAY;
	if (at && parse_days(text, (size_t)(at - text), &out->days) < 0)
		return -1;
	if (strlen(span) != SPAN_TEXT || span[TIME_TEXT] != '-')
		return -1;
	from = time_of(span);
	to = time_of(span + TIME_TEXT + 1);
	if (from < 0 || to < 0 || from == to || from == DAY_MIN)
		return -1;
	out->from_min = (uint16_t)from;
	out->len_min = (uint16_t)(to > from ? to - from : to + DAY_MIN - from);
	return 0;
}

static bool has_day(const struct hours *h, int day)
{
	return (h->days >> (day + DAYS) % DAYS & 1) != 0;
}

/* "fri-mon@", "sat@"; nothing where it is each day. Returns its length. */
static size_t days_text(const struct hours *h, char out[static HOURS_TEXT])
{
	int first = 0, last;

	if (h->days == EVERY_DAY)
		return 0;
	while (!has_day(h, first) || has_day(h, first - 1))
		first++;
	for (last = first; has_day(h, last + 1);)
		last++;
	return (size_t)snprintf(out, HOURS_TEXT, "%s%s%s@", names[first % DAYS],
	    last > first ? "-" : "", last > first ? names[last % DAYS] : "");
}

const char *hours_text(const struct hours *h, char out[static HOURS_TEXT])
{
	const size_t at = days_text(h, out);
	unsigned to = ((unsigned)h->from_min + h->len_min) % DAY_MIN;

	if (to == 0)
		to = DAY_MIN;
	(void)snprintf(out + at, HOURS_TEXT - at, "%02u:%02u-%02u:%02u", h->from_min / HOUR_MIN,
	    h->from_min % HOUR_MIN, to / HOUR_MIN, to % HOUR_MIN);
	return out;
}

/* Minutes that are left of a span at a minute of the week; 0: it is outside. */
static unsigned left_of(const struct hours *h, unsigned minute)
{
	unsigned most = 0;

	for (unsigned day = 0; day < DAYS; day++) {
		const unsigned begin = day * DAY_MIN + h->from_min;
		const unsigned since = (minute + WEEK_MIN - begin) % WEEK_MIN;

		if ((h->days >> day & 1) != 0 && since < h->len_min && h->len_min - since > most)
			most = h->len_min - since;
	}
	return most;
}

uint32_t hours_left_s(const struct hours *h, size_t n, int64_t now_s)
{
	const unsigned now = (unsigned)((now_s / MIN_S + EPOCH_MIN) % WEEK_MIN);
	unsigned left = 0, more;

	do {
		more = 0;
		for (size_t i = 0; i < n; i++) {
			const unsigned its = left_of(&h[i], (now + left) % WEEK_MIN);

			more = its > more ? its : more;
		}
		left += more;
	} while (more > 0 && left < WEEK_MIN);
	if (left >= WEEK_MIN)
		return UINT32_MAX;
	return left == 0 ? 0 : left * MIN_S - (uint32_t)(now_s % MIN_S);
}
