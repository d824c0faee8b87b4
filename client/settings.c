#include "command.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { LETTERS_MAX = 64, HELP_LETTER = 'h', FIRST_LONG = 256, HEX_DIGITS = 16 };

/* Returns NULL, or what is wrong with the value. */
typedef const char *read_fn(struct settings *s, const char *value);

struct option_spec {
	unsigned bit;
	char letter;
	const char *name;  /* NULL: a letter alone */
	const char *value; /* what the value is called, NULL when there is none */
	const char *help;
	read_fn *read;
};

static const char *set_family(struct settings *s, int family)
{
	const int before = s->family;

	s->family = family;
	return before == AF_UNSPEC || before == family
		   ? NULL
		   : "excludes the other family: leave both -4 and -6 away to knock over both";
}

static const char *read_v4(struct settings *s, const char *value)
{
	(void)value;
	return set_family(s, AF_INET);
}

static const char *read_v6(struct settings *s, const char *value)
{
	(void)value;
	return set_family(s, AF_INET6);
}

/* Digits alone, at most max. */
static bool read_number(const char *text, size_t len, uint32_t max, uint32_t *out)
{
	uint64_t n = 0;

	if (len == 0 || len > 10)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(text[i] - '0');
	}
	if (n > max)
		return false;
	*out = (uint32_t)n;
	return true;
}

/* Seconds, or with a unit. */
static bool read_time(const char *value, uint32_t *out)
{
	static const struct {
		char letter;
		uint32_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}};
	size_t len = strlen(value);
	uint32_t unit = 1;
	uint32_t n = 0;

	for (size_t i = 0; len > 0 && i < sizeof(units) / sizeof(units[0]); i++) {
		if (value[len - 1] == units[i].letter) {
			unit = units[i].seconds;
			len--;
			break;
		}
	}
	if (!read_number(value, len, UINT32_MAX / unit, &n))
		return false;
	*out = n * unit;
	return true;
}

static const char no_time[] = "must be seconds, or like 30m or 2h";

static const char *read_hold(struct settings *s, const char *value)
{
	s->has_hold = read_time(value, &s->hold_s);
	return s->has_hold ? NULL : no_time;
}

static const char *read_idle(struct settings *s, const char *value)
{
	s->has_idle = read_time(value, &s->idle_s);
	return s->has_idle ? NULL : no_time;
}

static const char *read_single_use(struct settings *s, const char *value)
{
	(void)value;
	s->single_use = true;
	return NULL;
}

static const char *read_source_port(struct settings *s, const char *value)
{
	s->has_source_port = read_number(value, strlen(value), UINT16_MAX, &s->source_port);
	return s->has_source_port && s->source_port > 0 ? NULL : "must be a port from 1 to 65535";
}

static const char *read_exact(struct settings *s, const char *value)
{
	(void)value;
	s->exact = true;
	return NULL;
}

static const char *read_kill(struct settings *s, const char *value)
{
	(void)value;
	s->kill = true;
	return NULL;
}

static const char *read_line(struct settings *s, const char *value)
{
	s->line = value;
	return NULL;
}

static const char *read_address(struct settings *s, const char *value)
{
	if (s->addresses == ADDRESSES_MAX)
		return "may be given twice, once a family";
	s->address[s->addresses++] = value;
	return NULL;
}

static const char *read_challenge(struct settings *s, const char *value)
{
	(void)value;
	s->challenge = true;
	return NULL;
}

static const char *read_strict(struct settings *s, const char *value)
{
	(void)value;
	s->strict = true;
	return NULL;
}

static const char *read_retries(struct settings *s, const char *value)
{
	if (!read_number(value, strlen(value), POSTERN_RETRIES_MAX, &s->retries))
		return "must be a number from 0 to 15";
	s->has_retries = true;
	return NULL;
}

static const char *read_json(struct settings *s, const char *value)
{
	(void)value;
	s->json = true;
	return NULL;
}

static const char *read_quiet(struct settings *s, const char *value)
{
	(void)value;
	s->quiet = true;
	return NULL;
}

static const char *read_session(struct settings *s, const char *value)
{
	char *end = NULL;

	if (strspn(value, "0123456789abcdefABCDEF") != strlen(value) ||
	    strlen(value) > HEX_DIGITS || value[0] == '\0')
		return "must be a session's number as 'postern list' shows it";
	s->session = strtoull(value, &end, 16);
	s->has_session = true;
	return NULL;
}

static const char *read_all(struct settings *s, const char *value)
{
	(void)value;
	s->all = true;
	return NULL;
}

static const char *read_name(struct settings *s, const char *value)
{
	s->name = value;
	return NULL;
}

static const char *read_profile(struct settings *s, const char *value)
{
	s->profile = value;
	return NULL;
}

static const char *read_preset(struct settings *s, const char *value)
{
	s->travel[TRAVEL_PRESET] = value;
	return NULL;
}

static const char *read_carrier(struct settings *s, const char *value)
{
	s->travel[TRAVEL_CARRIER] = value;
	return NULL;
}

static const char *read_cover(struct settings *s, const char *value)
{
	s->travel[TRAVEL_COVER] = value;
	return NULL;
}

static const char *read_envelope(struct settings *s, const char *value)
{
	s->travel[TRAVEL_ENVELOPE] = value;
	return NULL;
}

static const char *read_via(struct settings *s, const char *value)
{
	s->travel[TRAVEL_VIA] = value;
	return NULL;
}

static const char *read_pieces(struct settings *s, const char *value)
{
	s->travel[TRAVEL_PIECES] = value;
	return NULL;
}

static const char *read_dummies(struct settings *s, const char *value)
{
	s->travel[TRAVEL_DUMMIES] = value;
	return NULL;
}

static const char *read_gap(struct settings *s, const char *value)
{
	s->travel[TRAVEL_GAP] = value;
	return NULL;
}

static const char *read_confirm(struct settings *s, const char *value)
{
	s->travel[TRAVEL_CONFIRM] = value;
	return NULL;
}

static const char *read_output(struct settings *s, const char *value)
{
	s->output = value;
	return NULL;
}

static const char *read_pin_file(struct settings *s, const char *value)
{
	s->pin_file = value;
	return NULL;
}

static const char *read_code(struct settings *s, const char *value)
{
	s->code = value;
	return NULL;
}

static const struct option_spec specs[] = {
    {TAKES_OUTPUT, 'o', "output", "FILE", "write this new file, not cover.png", read_output},
    {TAKES_NAME, 'n', "name", "NAME", "call it NAME, not what it calls itself", read_name},
    {TAKES_PROFILE, 'p', "profile", "PROFILE", "use this one, not the one for HOST", read_profile},
    {TAKES_HOLD, 't', "hold", "TIME", "keep it open so long: seconds, or like 30m, 2h", read_hold},
    {TAKES_ADDRESS, 'a', "address", "ADDRESS",
	"open for this address or prefix, not for the one this comes from; twice for two families",
	read_address},
    {TAKES_NARROW, 'I', "idle", "TIME", "close it after so long without traffic", read_idle},
    {TAKES_NARROW, '1', "single-use", NULL, "close it behind the first connection",
	read_single_use},
    {TAKES_NARROW, 'P', "source-port", "PORT", "open it for connections from this port alone",
	read_source_port},
    {TAKES_EXACT, 'x', "exact", NULL,
	"open it for this one connection's port alone (not behind a NAT that changes ports)",
	read_exact},
    {TAKES_EXACT, '1', "single-use", NULL, "close it behind this connection", read_single_use},
    {TAKES_KILL, 'K', "kill", NULL, "end the connections as well that came in through the door",
	read_kill},
    {TAKES_LINE, 'l', "command-line", "LINE", "have a shell run this, not a command by its name",
	read_line},
    {TAKES_SESSION, 's', "session", "ID", "close the door of this session", read_session},
    {TAKES_ALL, 'A', "all", NULL, "close all doors of this client", read_all},
    {TAKES_FAMILY, '4', NULL, NULL, "knock over IPv4 alone", read_v4},
    {TAKES_FAMILY, '6', NULL, NULL, "knock over IPv6 alone", read_v6},
    {TAKES_CHALLENGE, 'c', "challenge", NULL, "have the server ask back before it acts",
	read_challenge},
    {TAKES_STRICT, 'S', "strict", NULL, "stop if the server sees another address than this one has",
	read_strict},
    {TAKES_TRAVEL, 'm', "preset", "NAME",
	"knock in this way: quick or hybrid; the options below change a part of it", read_preset},
    {TAKES_TRAVEL, 'k', "carrier", "NAME[,NAME]", "go by these: udp, tcp, icmp, http, sequence",
	read_carrier},
    {TAKES_TRAVEL, 'o', "cover", "NAME", "hide the knock: none or png", read_cover},
    {TAKES_TRAVEL, 'e', "envelope", "NAME", "seal it by noise or openpgp", read_envelope},
    {TAKES_TRAVEL, 'V', "via", "URL", "go by http through socks5://HOST:PORT or http://HOST:PORT",
	read_via},
    {TAKES_TRAVEL, 'i', "pieces", "KIND", "cut a sequence into udp, tcp or clean pieces",
	read_pieces},
    {TAKES_TRAVEL, 'd', "dummies", "MIN-MAX", "send so many packets along that say nothing",
	read_dummies},
    {TAKES_TRAVEL, 'g', "gap", "MS", "pause at most so long between packets of a sequence",
	read_gap},
    {TAKES_TRAVEL, 'C', "confirm", "HOW", "learn what came of it by reply, challenge or none",
	read_confirm},
    {TAKES_USER, 'f', "pin-file", "FILE", "a PIN is the first line of this, - of standard input",
	read_pin_file},
    {TAKES_USER, 'O', "code", "CODE", "the one-time code, if one is asked for", read_code},
    {TAKES_RETRIES, 'r', "retries", "N", "knock again so often when nothing is heard (4)",
	read_retries},
    {TAKES_JSON, 'j', "json", NULL, "print JSON", read_json},
    {TAKES_QUIET, 'q', "quiet", NULL, "print nothing but errors", read_quiet},
};

enum { SPECS = sizeof(specs) / sizeof(specs[0]) };

/* getopt's own forms of what the command takes. */
static void build(const struct command *c, struct option *longs, char letters[static LETTERS_MAX])
{
	size_t len = 0;
	size_t n = 0;

	letters[len++] = ':'; /* errors are ours to tell */
	letters[len++] = HELP_LETTER;
	longs[n++] = (struct option){"help", no_argument, NULL, HELP_LETTER};
	for (size_t i = 0; i < SPECS; i++) {
		if (!(specs[i].bit & c->options))
			continue;
		letters[len++] = specs[i].letter;
		if (specs[i].value)
			letters[len++] = ':';
		if (specs[i].name)
			longs[n++] = (struct option){specs[i].name,
			    specs[i].value ? required_argument : no_argument, NULL,
			    specs[i].letter};
	}
	letters[len] = '\0';
	longs[n] = (struct option){0};
}

static const struct option_spec *spec_of(const struct command *c, int letter)
{
	for (size_t i = 0; i < SPECS; i++) {
		if ((specs[i].bit & c->options) && specs[i].letter == letter)
			return &specs[i];
	}
	return NULL;
}

static int complain(const struct command *c, const char *what, const char *why)
{
	(void)fprintf(stderr, "postern: %s: %s: %s; 'postern help %s' says what it takes\n",
	    c->name, what, why, c->name);
	return -1;
}

static int read_one(const struct command *c, int letter, char **argv, struct settings *out)
{
	const struct option_spec *spec = spec_of(c, letter);
	const char *given = argv[optind - 1];

	if (letter == HELP_LETTER)
		return 1;
	if (letter == ':')
		return complain(c, given, "needs a value");
	if (!spec)
		return complain(c, given, "is not an option of this command");
	const char *why = spec->read(out, optarg);
	return why ? complain(c, spec->name ? spec->name : given, why) : 0;
}

static int check_whole(const struct command *c, const struct settings *s)
{
	if (s->operands < c->least)
		return complain(c, c->operands, "something is missing");
	if (s->operands > c->most)
		return complain(c, s->operand[c->most], "is too much");
	return 0;
}

int settings_read(const struct command *c, int argc, char **argv, struct settings *out)
{
	struct option longs[SPECS + 2];
	char letters[LETTERS_MAX];
	int letter;

	*out = (struct settings){.family = AF_UNSPEC};
	build(c, longs, letters);
	while ((letter = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		int status = read_one(c, letter, argv, out);
		if (status != 0)
			return status;
	}
	out->operands = (unsigned)(argc - optind);
	out->operand = argv + optind;
	return check_whole(c, out);
}

void settings_print(const struct command *c)
{
	for (size_t i = 0; i < SPECS; i++) {
		char left[40];
		if (!(specs[i].bit & c->options))
			continue;
		if (specs[i].name)
			(void)snprintf(left, sizeof(left), "-%c, --%s%s%s", specs[i].letter,
			    specs[i].name, specs[i].value ? " " : "",
			    specs[i].value ? specs[i].value : "");
		else
			(void)snprintf(left, sizeof(left), "-%c", specs[i].letter);
		printf("  %-24s %s\n", left, specs[i].help);
	}
}
