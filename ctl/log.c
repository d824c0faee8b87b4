/*
 * log - the journal of the daemon that runs: what it decided, and for whom.
 */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "address.h"
#include "clock.h"
#include "command.h"
#include "daemon.h"
#include "output.h"

enum {
	LAST_DEFAULT = 1000,
	LAST_FOLLOWING = 10,
	LAST_MOST = 65536, /* as many as there are */
	FOLLOW_MS = 300,
	DECIMAL = 10,
	HEX_TEXT = 17,
	ADMITS_TEXT = 2 * PREFIX_TEXT + 1,
	TIME_TEXT = sizeof("2026-11-22T05:01:27.123Z") + 16,
};

/* A walk through the journal, page by page. */
struct walk {
	struct ctl *c;
	json_t *rows; /* gathered; NULL: each is printed as it comes */
	struct control_request request;
	uint64_t left, newest;
	bool more;
};

static const char *time_text(uint64_t ns, char out[static TIME_TEXT])
{
	const time_t s = (time_t)(ns / NS_PER_S);
	struct tm tm = {.tm_isdst = 0};
	size_t len;

	(void)gmtime_r(&s, &tm);
	len = strftime(out, TIME_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(out + len, TIME_TEXT - len, ".%03uZ", (unsigned)(ns % NS_PER_S / NS_PER_MS));
	return out;
}

static const char *or_null(const char *text)
{
	return text[0] != '\0' ? text : NULL;
}

/* As text: 64 bits are more than many readers of JSON hold in a number. */
static const char *hex_text(uint64_t id, char out[static HEX_TEXT])
{
	(void)snprintf(out, HEX_TEXT, "%016" PRIx64, id);
	return out;
}

static const char *admits_text(const struct control_record *r, char out[static ADMITS_TEXT])
{
	const struct prefix first = {.addr = address_v6(r->admit), .len = r->admit_len};
	const struct prefix second = {.addr = address_v6(r->second), .len = r->second_len};
	char one[PREFIX_TEXT], other[PREFIX_TEXT];

	(void)snprintf(out, ADMITS_TEXT, "%s%s%s", prefix_text(&first, one),
	    r->has_second ? "," : "", r->has_second ? prefix_text(&second, other) : "");
	return out;
}

static void fill_row(json_t *row, const struct control_record *r)
{
	const struct address from = address_v6(r->from);
	char text[ADMITS_TEXT + ADDRESS_TEXT + TIME_TEXT];
	json_t *sessions;
	unsigned i;

	row_text(row, "time", time_text(r->time_ns, text));
	row_text(row, "event", r->event);
	row_text(row, "client", or_null(r->client));
	row_text(row, "from", r->has_from ? address_text(&from, text) : NULL);
	row_text(row, "verb", or_null(r->verb));
	row_text(row, "what", or_null(r->what));
	row_text(row, "verdict", or_null(r->verdict));
	row_text(row, "reason", or_null(r->reason));
	row_text(row, "address", r->has_admit ? admits_text(r, text) : NULL);
	sessions = row_list(row, "sessions");
	for (i = 0; i < r->sessions && i < CONTROL_RECORD_SESSIONS; i++)
		list_text(sessions, hex_text(r->session[i], text));
	if (r->has_exit_status)
		row_number(row, "exit_status", r->exit_status);
	else
		row_text(row, "exit_status", NULL);
	row_text(row, "arguments", or_null(r->arguments));
	row_text(row, "attempt", r->attempt != 0 ? hex_text(r->attempt, text) : NULL);
	row_number(row, "number", r->number);
}

static void take_record(void *arg, const struct control_record *r)
{
	struct walk *w = arg;
	json_t *row;

	if (w->rows != NULL) {
		fill_row(output_row(w->rows), r);
		return;
	}
	row = json_object();
	fill_row(row, r);
	output_line(w->c, row);
	json_decref(row);
}

static void take_page(void *arg, const struct control_page *p)
{
	struct walk *w = arg;

	w->request.from = p->next;
	w->newest = p->newest;
	w->more = p->more != 0;
}

/* One page on. Returns what daemon_ask() does. */
static int turn_page(struct walk *w, const char *client, const char *service, bool patient)
{
	const struct daemon_listener l = {.record = take_record, .page = take_page, .arg = w};
	const struct daemon_question q = {.type = CONTROL_LOG,
	    .name = client,
	    .word = service,
	    .listener = &l,
	    .may_be_away = patient,
	    .may_break_off = patient,
	    .more = &w->request};
	char text[CONTROL_TEXT_MAX];

	return daemon_ask(w->c, &q, text);
}

/* The newest into rows, the newest first. */
static int gather(struct walk *w, uint64_t last, const char *client, const char *service)
{
	uint64_t newest = 0, before;
	int status = CTL_OK;

	w->request.back = 1;
	w->request.from = UINT64_MAX;
	w->more = true;
	while (status == CTL_OK && w->more && json_array_size(w->rows) < last) {
		before = w->request.from;
		w->more = false; /* unless a page says so */
		w->request.most = (uint32_t)(last - json_array_size(w->rows));
		status = turn_page(w, client, service, false);
		if (newest == 0)
			newest = w->newest;
		w->more = w->more && w->request.from < before; /* each goes on, or it is the last */
	}
	w->newest = newest;
	return status;
}

static void sleep_ms(long ms)
{
	struct timespec t = {.tv_sec = ms / MS_PER_S, .tv_nsec = ms % MS_PER_S * NS_PER_MS};

	(void)nanosleep(&t, NULL);
}

/* For ever, or until it goes wrong. The daemon may be started anew meanwhile. */
static int follow(struct walk *w, const char *client, const char *service)
{
	int status = CTL_OK;

	w->request.back = 0;
	w->request.from = w->newest;
	w->request.most = UINT32_MAX;
	while (status == CTL_OK || status == CTL_NOT_RUNNING) {
		w->more = false;
		status = turn_page(w, client, service, true);
		if (ferror(stdout))
			return CTL_FAILED;
		if (status != CTL_OK || !w->more)
			sleep_ms(FOLLOW_MS);
	}
	return status;
}

/* How long ago: 90s, 10m, 12h, 7d. Returns 0, or -1: it is no such thing. */
static int read_ago(const char *text, uint64_t *since_ns)
{
	static const struct {
		const char *unit;
		uint64_t s;
	} units[] = {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
	const uint64_t now = clock_real_ns();
	char *end;
	uint64_t n;
	size_t i;

	if (text[0] < '0' || text[0] > '9')
		return -1;
	errno = 0;
	n = strtoull(text, &end, DECIMAL);
	for (i = 0; errno == 0 && i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].unit) != 0)
			continue;
		*since_ns = n <= now / NS_PER_S / units[i].s ? now - n * units[i].s * NS_PER_S : 0;
		return 0;
	}
	return -1;
}

/* A date, or a date and time of day, in UTC. Returns 0, or -1: it is no such thing. */
static int read_date(const char *text, uint64_t *since_ns)
{
	static const char *const forms[] = {"%Y-%m-%d", "%Y-%m-%dT%H:%MZ", "%Y-%m-%dT%H:%M:%SZ"};
	size_t i;

	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct tm tm = {.tm_isdst = 0};
		const char *end = strptime(text, forms[i], &tm);
		const int day = tm.tm_mday;
		time_t t;

		if (end == NULL || *end != '\0')
			continue;
		t = timegm(&tm);
		if (t < 0 || tm.tm_mday != day)
			return -1;
		*since_ns = (uint64_t)t * NS_PER_S;
		return 0;
	}
	return -1;
}

static int read_since(struct ctl *c, const char *text, uint64_t *since_ns)
{
	if (text == NULL || read_ago(text, since_ns) == 0 || read_date(text, since_ns) == 0)
		return CTL_OK;
	return output_fail(c, CTL_USAGE,
	    "--since %s: write 10m, 12h, 7d, 2030-12-31 or 2030-12-31T18:00Z (UTC)", text);
}

static int read_last(struct ctl *c, const char *text, uint64_t *last)
{
	char *end;

	if (text == NULL)
		return CTL_OK;
	*last = strtoull(text, &end, DECIMAL);
	if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && *last > 0 && *last <= LAST_MOST)
		return CTL_OK;
	return output_fail(c, CTL_USAGE, "--last %s: it is a number from 1 to %d", text, LAST_MOST);
}

/* They were gathered from the newest back. */
static void tell_rows(struct walk *w, json_t *table)
{
	size_t i = json_array_size(w->rows);

	while (i-- > 0) {
		json_t *row = json_array_get(w->rows, i);

		if (table != NULL)
			(void)json_array_append(table, row);
		else
			output_line(w->c, row);
	}
	json_decref(w->rows);
	w->rows = NULL;
}

int cmd_log(struct ctl *c, const struct arguments *a)
{
	const bool following = arguments_value(a, "follow") != NULL;
	const char *client = arguments_value(a, "client"), *service = arguments_value(a, "service");
	const char *verdict = arguments_value(a, "verdict");
	uint64_t last = following ? LAST_FOLLOWING : LAST_DEFAULT;
	struct walk w = {.c = c};
	json_t *table = NULL;
	int status;

	if (read_since(c, arguments_value(a, "since"), &w.request.since_ns) != CTL_OK ||
	    read_last(c, arguments_value(a, "last"), &last) != CTL_OK)
		return CTL_USAGE;
	(void)snprintf(
	    w.request.verdict, sizeof(w.request.verdict), "%s", verdict != NULL ? verdict : "");
	if (!following)
		table = output_table(c, "log", "nothing is recorded");
	w.rows = json_array();
	status = gather(&w, last, client, service);
	tell_rows(&w, table);
	if (status == CTL_OK && following)
		return follow(&w, client, service);
	if (status != CTL_OK && !following)
		output_drop(c, "log");
	return status;
}
