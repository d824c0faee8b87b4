#include "options.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_HOLD_MAX_S = 30 * 86400, DATE_TIME_LEN = 17, FINGERPRINT_V4 = 40, FINGERPRINT_V5 = 64 };

/* One line while its options are read. */
struct reading {
	struct client *client;
	const struct config *config;
	const struct place *at;
};

static void __attribute__((format(printf, 3, 4)))
fault(const struct reading *g, const char *value, const char *format, ...)
{
	char text[REPORT_LINE_MAX];
	char quoted[LOG_QUOTE_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	report_error(g->at->r, g->at->file, g->at->line, "%s: %s %s", g->client->name,
	    log_quote(quoted, value, strlen(value)), text);
}

static void take_service(const struct reading *g, const char *value)
{
	int i = config_service(g->config, value);

	if (i < 0)
		fault(g, value,
		    "is not a service of posternd.conf; name it there, or take service= away here");
	else
		g->client->service[i / 64] |= UINT64_C(1) << (i % 64);
}

static void take_command(const struct reading *g, const char *value)
{
	int i = config_command(g->config, value);

	if (i < 0)
		fault(g, value,
		    "is not a command of posternd.conf; name it there, or take command= away here");
	else
		g->client->command[i / 64] |= UINT64_C(1) << (i % 64);
}

static void take_cut(const struct reading *g, const char *value)
{
	(void)value;
	g->client->cut = true;
}

static void take_command_line(const struct reading *g, const char *value)
{
	(void)value;
	g->client->command_line = true;
}

static void take_prefix(
    const struct reading *g, const char *value, struct prefix **list, uint8_t *len)
{
	struct prefix p;
	struct prefix *more;

	if (prefix_parse(value, &p) != 0) {
		fault(g, value,
		    "is not an address or prefix, such as 10.0.0.0/8 or 2001:db8::/32 "
		    "with no bit set behind its length");
		return;
	}
	if (*len >= CLIENT_PREFIXES_MAX) {
		fault(g, value, "is one prefix too many; there may be %d", CLIENT_PREFIXES_MAX);
		return;
	}
	more = realloc(*list, (*len + 1U) * sizeof(p));
	if (more == NULL)
		abort();
	more[(*len)++] = p;
	*list = more;
}

static void take_from(const struct reading *g, const char *value)
{
	take_prefix(g, value, &g->client->from, &g->client->from_len);
}

static void take_admit(const struct reading *g, const char *value)
{
	take_prefix(g, value, &g->client->admit, &g->client->admit_len);
}

static void take_address(const struct reading *g, const char *value)
{
	if (strcmp(value, "source") == 0)
		g->client->address = ADDRESS_SOURCE;
	else if (strcmp(value, "named") == 0)
		g->client->address = ADDRESS_NAMED;
	else if (strcmp(value, "list") == 0)
		g->client->address = ADDRESS_LIST;
	else
		fault(g, value, "is not known; address= can be source, named or list");
}

static bool fits_form(const char *text, const char *form)
{
	for (; *form != '\0'; form++, text++) {
		if (*form == '0' ? *text < '0' || *text > '9' : *text != *form)
			return false;
	}
	return *text == '\0';
}

static int number_at(const char *text, size_t len)
{
	int v = 0;

	while (len-- > 0)
		v = 10 * v + (*text++ - '0');
	return v;
}

/* Days that no month has come out of timegm() as other days. */
static bool same_date(const struct tm *a, const struct tm *b)
{
	return a->tm_year == b->tm_year && a->tm_mon == b->tm_mon && a->tm_mday == b->tm_mday &&
	       a->tm_hour == b->tm_hour && a->tm_min == b->tm_min;
}

static void take_expires(const struct reading *g, const char *value)
{
	struct tm want = {.tm_isdst = 0};
	struct tm got;
	time_t t;

	if (!fits_form(value, "0000-00-00") && !fits_form(value, "0000-00-00T00:00Z")) {
		fault(g, value, "is not a date; write expires=2030-12-31 or 2030-12-31T18:00Z");
		return;
	}
	want.tm_year = number_at(value, 4) - 1900;
	want.tm_mon = number_at(value + 5, 2) - 1;
	want.tm_mday = number_at(value + 8, 2);
	if (strlen(value) == DATE_TIME_LEN) {
		want.tm_hour = number_at(value + 11, 2);
		want.tm_min = number_at(value + 14, 2);
	}
	got = want;
	t = timegm(&got);
	if (!same_date(&want, &got) || t <= 0)
		fault(g, value, "is a date that no calendar has, or before 1970");
	else
		g->client->expires_s = t;
}

/* From 1 to most; 0: it is not. */
static uint32_t number_of(const char *value, uint32_t most)
{
	size_t len = strlen(value);
	unsigned long v = 0;

	if (len > 0 && len <= 9 && strspn(value, "0123456789") == len)
		v = strtoul(value, NULL, 10);
	return v <= most ? (uint32_t)v : 0;
}

static void take_max_hold(const struct reading *g, const char *value)
{
	g->client->max_hold_s = number_of(value, MAX_HOLD_MAX_S);
	if (g->client->max_hold_s == 0)
		fault(g, value, "is not a number of seconds from 1 to %d", MAX_HOLD_MAX_S);
}

static void take_doors(const struct reading *g, const char *value)
{
	g->client->doors_max = (uint8_t)number_of(value, CLIENT_DOORS_MAX);
	if (g->client->doors_max == 0)
		fault(g, value, "is not a number of doors from 1 to %d", CLIENT_DOORS_MAX);
}

static void take_hours(const struct reading *g, const char *value)
{
	struct client *c = g->client;
	struct hours h, *more;

	if (hours_parse(value, &h) < 0) {
		fault(g, value,
		    "is not a time of the week; write hours=mon-fri@08:00-18:00, sat@09:00-12:00 "
		    "or 00:00-06:00, in UTC");
		return;
	}
	if (c->hours_len >= HOURS_MAX) {
		fault(g, value, "is one time too many; there may be %d", HOURS_MAX);
		return;
	}
	more = realloc(c->hours, (c->hours_len + 1U) * sizeof(h));
	if (more == NULL)
		abort();
	more[c->hours_len++] = h;
	c->hours = more;
}

bool fingerprint_read(char out[static FINGERPRINT_TEXT], const char *text)
{
	size_t len = strlen(text);

	if ((len != FINGERPRINT_V4 && len != FINGERPRINT_V5) ||
	    strspn(text, "0123456789abcdefABCDEF") != len)
		return false;
	for (size_t i = 0; i <= len; i++)
		out[i] = (char)toupper((unsigned char)text[i]);
	return true;
}

static void take_openpgp(const struct reading *g, const char *value)
{
	char fingerprint[FINGERPRINT_TEXT];

	if (!fingerprint_read(fingerprint, value)) {
		fault(g, value,
		    "is not the whole fingerprint of an OpenPGP key, 40 hexadecimal digits");
		return;
	}
	g->client->openpgp = strdup(fingerprint);
	if (g->client->openpgp == NULL)
		abort();
}

static void take_envelope(const struct reading *g, const char *value)
{
	if (strcmp(value, "any") == 0)
		g->client->any_envelope = true;
	else if (strcmp(value, "openpgp") != 0)
		fault(g, value, "is not known; envelope= can be openpgp or any");
}

const struct client_carrier client_carriers[CLIENT_CARRIERS] = {{"udp", CARRIER_UDP},
    {"tcp", CARRIER_TCP}, {"icmp", CARRIER_ICMP}, {"http", CARRIER_HTTP},
    {"sequence", CARRIER_SEQUENCE}};

static void take_carrier(const struct reading *g, const char *value)
{
	for (size_t i = 0; i < CLIENT_CARRIERS; i++) {
		if (strcmp(client_carriers[i].name, value) == 0) {
			g->client->carriers |= (uint8_t)(1U << client_carriers[i].id);
			return;
		}
	}
	fault(g, value, "is not known; carrier= can be udp, tcp, icmp, http or sequence");
}

static void take_sequence(const struct reading *g, const char *value)
{
	int i = config_sequence(g->config, value);

	if (i < 0)
		fault(g, value,
		    "is not a sequence of posternd.conf; name it there, or take sequence= away "
		    "here");
	else
		g->client->sequences |= UINT64_C(1) << g->config->sequence[i].id;
}

/* What is wrong with these two is told without them: they are secret. */
static void take_pin(const struct reading *g, const char *value)
{
	if (pin_parse(value, &g->client->pin) < 0)
		fault(g, "pin",
		    "is not what posternctl wrote; make it anew: posternctl client pin %s",
		    g->client->name);
}

static void take_totp(const struct reading *g, const char *value)
{
	if (code_parse(value, &g->client->code) < 0)
		fault(g, "totp",
		    "is not 10 to 32 bytes in base32, with :6, :7 or :8 for the digits; or make it "
		    "anew: posternctl client totp %s",
		    g->client->name);
}

static void take_challenge(const struct reading *g, const char *value)
{
	(void)value;
	g->client->challenge = true;
}

static void take_disabled(const struct reading *g, const char *value)
{
	(void)value;
	g->client->disabled = true;
}

static const struct option {
	const char *name;
	bool has_value;
	bool may_repeat;
	void (*take)(const struct reading *g, const char *value);
} table[] = {
    {"service", true, true, take_service},
    {"command", true, true, take_command},
    {"command-line", false, false, take_command_line},
    {"cut", false, false, take_cut},
    {"from", true, true, take_from},
    {"address", true, false, take_address},
    {"admit", true, true, take_admit},
    {"expires", true, false, take_expires},
    {"max-hold", true, false, take_max_hold},
    {"hours", true, true, take_hours},
    {"doors", true, false, take_doors},
    {"challenge", false, false, take_challenge},
    {"carrier", true, true, take_carrier},
    {"sequence", true, true, take_sequence},
    {"pin", true, false, take_pin},
    {"totp", true, false, take_totp},
    {"openpgp", true, false, take_openpgp},
    {"envelope", true, false, take_envelope},
    {"disabled", false, false, take_disabled},
};

enum { TABLE_LEN = sizeof(table) / sizeof(table[0]) };

static void take_option(const struct reading *g, char *word, unsigned *seen)
{
	char *value = strchr(word, '=');
	size_t i;

	if (value != NULL)
		*value++ = '\0';
	for (i = 0; i < TABLE_LEN && strcmp(table[i].name, word) != 0; i++) {
	}
	if (i == TABLE_LEN)
		fault(g, word, "is not an option; see postern-clients(5)");
	else if (table[i].has_value != (value != NULL))
		fault(
		    g, word, table[i].has_value ? "needs a value: %s=..." : "takes no value", word);
	else if ((*seen & 1U << i) != 0 && !table[i].may_repeat)
		fault(g, word, "is given twice; keep one of them");
	else
		table[i].take(g, value);
	if (i < TABLE_LEN)
		*seen |= 1U << i;
}

void options_parse(
    struct client *c, const struct config *config, char *options, const struct place *at)
{
	struct reading g = {.client = c, .config = config, .at = at};
	unsigned before = at->r->errors;
	unsigned seen = 0;
	char *word;

	while ((word = strsep(&options, ",")) != NULL)
		take_option(&g, word, &seen);
	if (at->r->errors != before)
		return;
	if (c->address == ADDRESS_LIST && c->admit_len == 0)
		fault(&g, "address=list", "needs a list; add admit=PREFIX");
	if (c->sequences != 0 && !client_may_knock_by(c, CARRIER_SEQUENCE))
		fault(&g, "sequence",
		    "does nothing when carrier= names others alone; add carrier=sequence");
	if (c->any_envelope && c->openpgp == NULL)
		fault(
		    &g, "envelope", "does nothing without an OpenPGP key; add openpgp=FINGERPRINT");
	if (c->address != ADDRESS_LIST && c->admit_len > 0)
		fault(&g, "admit", "does nothing without address=list; add that");
}
