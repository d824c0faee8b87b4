#include "directives.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum { DAY_S = 86400 };

static const struct directive_word firewalls[] = {{"nftables", 0}, {NULL, 0}};
static const struct directive_word stores[] = {{"lmdb", 0}, {NULL, 0}};
static const struct directive_word silences[] = {
    {"drop", SILENCE_DROP}, {"closed", SILENCE_CLOSED}, {NULL, 0}};
static const struct directive_word challenges[] = {
    {"doubt", CHALLENGE_DOUBT}, {"always", CHALLENGE_ALWAYS}, {NULL, 0}};
static const struct directive_word targets[] = {
    {"syslog", LOG_TO_SYSLOG}, {"stderr", LOG_TO_STDERR}, {NULL, 0}};
static const struct directive_word levels[] = {{"error", LOG_LEVEL_ERROR},
    {"warning", LOG_LEVEL_WARNING}, {"info", LOG_LEVEL_INFO}, {"debug", LOG_LEVEL_DEBUG},
    {NULL, 0}};
static const struct directive_word protocols[] = {
    {"tcp", IPPROTO_TCP}, {"udp", IPPROTO_UDP}, {NULL, 0}};

#define AT(type, member) offsetof(struct type, member), sizeof(((struct type *)0)->member)

const struct directive directives_global[] = {
    {"interface", DIRECTIVE_INTERFACES, AT(config, plain), 0, 0, "any", NULL,
	"where knocks come in: one name, a list {eth0, wlan0}, or any"},
    {"udp-port", DIRECTIVE_NUMBER, AT(config, udp_port), 1, 65535, NULL, NULL,
	"the knock port; nothing else may use it"},
    {"silence", DIRECTIVE_WORD, AT(config, silence), 0, 0, "drop", silences,
	"how a guarded port keeps silent: as this host's other ports do"},
    {"challenge", DIRECTIVE_WORD, AT(config, challenge), 0, 0, "doubt", challenges,
	"when a client must answer once more before anything opens"},
    {"window", DIRECTIVE_NUMBER, AT(config, window_s), 1, 3600, "60", NULL,
	"seconds that a client's clock may be off without a challenge"},
    {"client-rate", DIRECTIVE_NUMBER, AT(config, client_rate), 1, 1000000, "10", NULL,
	"knocks a second that one client may cost work with"},
    {"client-burst", DIRECTIVE_NUMBER, AT(config, client_burst), 1, 1000000, "20", NULL,
	"how many of them may come at once"},
    {"max-sessions", DIRECTIVE_NUMBER, AT(config, sessions_max), 1, 1000000, "65536", NULL,
	"open doors of all clients together"},
    {"log", DIRECTIVE_WORD, AT(config, log_target), 0, 0, "syslog", targets, "where the log goes"},
    {"log-level", DIRECTIVE_WORD, AT(config, log_level), 0, 0, "info", levels,
	"the least important lines that are still written"},
    {"server-key", DIRECTIVE_PATH, AT(config, server_key), 0, 0, "server.key", NULL,
	"file with the server's private key"},
    {"door-key", DIRECTIVE_PATH, AT(config, door_key), 0, 0, "door.key", NULL,
	"file with the key that all clients share"},
    {"clients", DIRECTIVE_PATH, AT(config, clients), 0, 0, "clients", NULL,
	"file with the clients"},
    {"state-dir", DIRECTIVE_PATH, AT(config, state_dir), 0, 0, "/var/lib/postern", NULL,
	"folder for what must outlive a restart"},
    {"run-dir", DIRECTIVE_PATH, AT(config, run_dir), 0, 0, "/run/postern", NULL,
	"folder for the control socket"},
    {"capture-user", DIRECTIVE_USER, AT(config, capture_user), 0, 0, "_postern-capture", NULL,
	"user that the capture processes run as"},
    {"auth-user", DIRECTIVE_USER, AT(config, auth_user), 0, 0, "_postern-auth", NULL,
	"user that the auth process runs as"},
    {"capture", DIRECTIVE_NAME, AT(config, plain.capture), 0, 0, "pcap", directives_captures,
	"how packets are captured"},
    {"capture-file", DIRECTIVE_PATH, AT(config, plain.file), 0, 0, "/run/postern/capture.pcap",
	NULL, "what savefile reads: a file, a FIFO, or - for standard input"},
    {"firewall", DIRECTIVE_NAME, AT(config, firewall), 0, 0, "nftables", firewalls,
	"what opens and closes the doors"},
    {"store", DIRECTIVE_NAME, AT(config, store), 0, 0, "lmdb", stores,
	"what remembers spent knocks and open doors"},
    {.name = NULL},
};

const struct directive directives_service[] = {
    {"proto", DIRECTIVE_WORD, AT(service, proto), 0, 0, NULL, protocols, "the service's protocol"},
    {"port", DIRECTIVE_NUMBER, AT(service, port), 1, 65535, NULL, NULL, "the service's port"},
    {"hold", DIRECTIVE_NUMBER, AT(service, hold_s), 1, 30 * DAY_S, "60", NULL,
	"seconds that a door stays open when the client does not say"},
    {"max-hold", DIRECTIVE_NUMBER, AT(service, max_hold_s), 1, 30 * DAY_S, "3600", NULL,
	"the longest that a client may ask for, in seconds"},
    {"min-prefix-v4", DIRECTIVE_NUMBER, AT(service, min_prefix_v4), 8, 32, "32", NULL,
	"the widest IPv4 prefix that a door may admit; 32: single hosts alone"},
    {"min-prefix-v6", DIRECTIVE_NUMBER, AT(service, min_prefix_v6), 16, 128, "128", NULL,
	"the same for IPv6; 128: single hosts alone"},
    {.name = NULL},
};

const struct directive directives_source[] = {
    {"interface", DIRECTIVE_INTERFACE, AT(source_config, interface), 0, 0, "any", NULL,
	"where knocks come in: one name, or any"},
    {"capture", DIRECTIVE_NAME, AT(source_config, capture), 0, 0, "pcap", directives_captures,
	"how packets are captured"},
    {"filter", DIRECTIVE_TEXT, AT(source_config, filter), 0, 0, "", NULL,
	"what packets must match besides, in the words of pcap-filter(7)"},
    {"workers", DIRECTIVE_NUMBER, AT(source_config, workers), 1, CONFIG_WORKERS_MAX, "1", NULL,
	"processes that share the packets; more than one with afpacket alone"},
    {"file", DIRECTIVE_PATH, AT(source_config, file), 0, 0, "/run/postern/capture.pcap", NULL,
	"what savefile reads: a file, a FIFO, or - for standard input"},
    {.name = NULL},
};

size_t directives_count(const struct directive *table)
{
	size_t n = 0;

	while (table[n].name != NULL)
		n++;
	return n;
}

/* The members have different widths. */
static void put_number(void *at, size_t size, uint32_t v)
{
	uint8_t v8 = (uint8_t)v;
	uint16_t v16 = (uint16_t)v;

	if (size == sizeof(v8))
		memcpy(at, &v8, sizeof(v8));
	else if (size == sizeof(v16))
		memcpy(at, &v16, sizeof(v16));
	else if (size == sizeof(v))
		memcpy(at, &v, sizeof(v));
	else
		abort();
}

static uint32_t get_number(const void *at, size_t size)
{
	uint8_t v8 = 0;
	uint16_t v16 = 0;
	uint32_t v32 = 0;

	if (size == sizeof(v8))
		memcpy(&v8, at, sizeof(v8));
	else if (size == sizeof(v16))
		memcpy(&v16, at, sizeof(v16));
	else if (size == sizeof(v32))
		memcpy(&v32, at, sizeof(v32));
	else
		abort();
	return v8 + v16 + v32;
}

static int set_number(const struct directive *d, void *at, const char *value, char *why)
{
	char quoted[LOG_QUOTE_MAX];
	char *end;
	unsigned long long v;

	errno = 0;
	v = strtoull(value, &end, 10);
	if (value[0] < '0' || value[0] > '9' || *end != '\0') {
		(void)snprintf(why, DIRECTIVE_WHY_MAX, "%s is not a whole number; give %u to %u",
		    log_quote(quoted, value, strlen(value)), d->least, d->most);
		return -1;
	}
	if (v < d->least) {
		(void)snprintf(why, DIRECTIVE_WHY_MAX, "%llu is below the minimum %u", v, d->least);
		return -1;
	}
	if (errno == ERANGE || v > d->most) {
		(void)snprintf(
		    why, DIRECTIVE_WHY_MAX, "%s is above the maximum %u", value, d->most);
		return -1;
	}
	put_number(at, d->size, (uint32_t)v);
	return 0;
}

static void list_words(const struct directive *d, const char *joint, FILE *out)
{
	const struct directive_word *w;

	for (w = d->words; w->word != NULL; w++)
		(void)fprintf(out, "%s%s", w == d->words ? "" : joint, w->word);
}

static const struct directive_word *find_word(const struct directive *d, const char *value)
{
	const struct directive_word *w;

	for (w = d->words; w->word != NULL; w++) {
		if (strcmp(w->word, value) == 0)
			return w;
	}
	return NULL;
}

/* Names that were right once. */
static const struct {
	const char *name, *said;
} past_captures[] = {
    {"ulog", "Linux 3.17 dropped ULOG; use nflog, which took its place"},
    {"queue", "Linux 3.5 dropped QUEUE; use nflog, which needs no verdict"},
};

static const char *find_past(const struct directive *d, const char *value)
{
	for (size_t i = 0; i < sizeof(past_captures) / sizeof(past_captures[0]); i++) {
		if (d->words == directives_captures && strcmp(value, past_captures[i].name) == 0)
			return past_captures[i].said;
	}
	return NULL;
}

static void explain_word(const struct directive *d, const char *value, char *why)
{
	char quoted[LOG_QUOTE_MAX];
	const char *past = find_past(d, value);

	if (past != NULL) {
		(void)snprintf(why, DIRECTIVE_WHY_MAX, "%s", past);
		return;
	}
	FILE *out = fmemopen(why, DIRECTIVE_WHY_MAX, "w");

	if (out == NULL)
		abort();
	(void)fprintf(out, "%s is not known; it can be ", log_quote(quoted, value, strlen(value)));
	list_words(d, " or ", out);
	(void)fclose(out);
}

static int set_word(const struct directive *d, void *at, const char *value, char *why)
{
	const struct directive_word *w = find_word(d, value);

	if (w == NULL) {
		explain_word(d, value, why);
		return -1;
	}
	if (d->kind == DIRECTIVE_NAME)
		(void)snprintf(at, d->size, "%s", value);
	else
		put_number(at, d->size, (uint32_t)w->value);
	return 0;
}

static bool is_printable(const char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	}
	return true;
}

static bool is_folder(const struct directive *d)
{
	return strstr(d->name, "-dir") != NULL;
}

static int set_path(const struct directive *d, void *at, const char *value, char *why)
{
	if (value[0] == '\0' || !is_printable(value)) {
		(void)snprintf(why, DIRECTIVE_WHY_MAX, "this is not a path; give the name of a %s",
		    is_folder(d) ? "folder" : "file");
		return -1;
	}
	/* Processes have no common working directory. */
	if (is_folder(d) && value[0] != '/') {
		(void)snprintf(why, DIRECTIVE_WHY_MAX, "give the whole path, from / on");
		return -1;
	}
	if (strlen(value) >= d->size) {
		(void)snprintf(why, DIRECTIVE_WHY_MAX,
		    "the path is longer than %zu bytes; give a shorter one", d->size - 1);
		return -1;
	}
	(void)snprintf(at, d->size, "%s", value);
	return 0;
}

static int set_user(const struct directive *d, void *at, const char *value, char *why)
{
	static const char letters[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	char quoted[LOG_QUOTE_MAX];
	size_t len = strlen(value);

	if (len == 0 || value[0] == '-' || strspn(value, letters) != len || len >= d->size) {
		(void)snprintf(why, DIRECTIVE_WHY_MAX, "%s is not the name of a user",
		    log_quote(quoted, value, len));
		return -1;
	}
	if (strcmp(value, "root") == 0) {
		(void)snprintf(why, DIRECTIVE_WHY_MAX,
		    "root may do too much; give a user that nothing else runs as");
		return -1;
	}
	(void)snprintf(at, d->size, "%s", value);
	return 0;
}

static bool is_interface(const char *value)
{
	size_t len = strlen(value);

	return len > 0 && len < CONFIG_INTERFACE_MAX && strpbrk(value, " /:\t\n\r") == NULL &&
	       is_printable(value) && strcmp(value, ".") != 0 && strcmp(value, "..") != 0;
}

static const char *interface_fault(const struct plain_sources *c, const char *value)
{
	unsigned i;

	if (!is_interface(value))
		return "is not the name of an interface";
	if (c->interfaces > 0 && (strcmp(value, "any") == 0 || strcmp(c->interface[0], "any") == 0))
		return "cannot stand beside the others: any takes them all";
	for (i = 0; i < c->interfaces; i++) {
		if (strcmp(c->interface[i], value) == 0)
			return "stands there twice";
	}
	return c->interfaces >= CONFIG_SOURCES_MAX ? "is one more than there can be" : NULL;
}

static int add_interface(struct plain_sources *c, const char *value, char *why)
{
	char quoted[LOG_QUOTE_MAX];
	const char *fault = interface_fault(c, value);

	if (fault != NULL) {
		(void)snprintf(why, DIRECTIVE_WHY_MAX, "%s %s",
		    log_quote(quoted, value, strlen(value)), fault);
		return -1;
	}
	(void)snprintf(c->interface[c->interfaces++], CONFIG_INTERFACE_MAX, "%s", value);
	return 0;
}

static int set_interface(const struct directive *d, void *at, const char *value, char *why)
{
	char quoted[LOG_QUOTE_MAX];

	if (!is_interface(value)) {
		(void)snprintf(why, DIRECTIVE_WHY_MAX, "%s is not the name of an interface",
		    log_quote(quoted, value, strlen(value)));
		return -1;
	}
	(void)snprintf(at, d->size, "%s", value);
	return 0;
}

static int set_text(const struct directive *d, void *at, const char *value, char *why)
{
	if (!is_printable(value) || strlen(value) >= d->size) {
		(void)snprintf(why, DIRECTIVE_WHY_MAX,
		    "give at most %zu characters, all of them printable", d->size - 1);
		return -1;
	}
	(void)snprintf(at, d->size, "%s", value);
	return 0;
}

bool directive_is_plain(const struct directive *d)
{
	return d->offset >= offsetof(struct config, plain) &&
	       d->offset < offsetof(struct config, plain) + sizeof(struct plain_sources) &&
	       d >= directives_global &&
	       d < directives_global + sizeof(directives_global) / sizeof(directives_global[0]);
}

int directive_set(
    const struct directive *d, void *base, const char *value, char why[static DIRECTIVE_WHY_MAX])
{
	void *at = (char *)base + d->offset;

	switch (d->kind) {
	case DIRECTIVE_NUMBER:
		return set_number(d, at, value, why);
	case DIRECTIVE_WORD:
	case DIRECTIVE_NAME:
		return set_word(d, at, value, why);
	case DIRECTIVE_PATH:
		return set_path(d, at, value, why);
	case DIRECTIVE_USER:
		return set_user(d, at, value, why);
	case DIRECTIVE_TEXT:
		return set_text(d, at, value, why);
	case DIRECTIVE_INTERFACE:
		return set_interface(d, at, value, why);
	case DIRECTIVE_INTERFACES:
		return add_interface(at, value, why);
	}
	abort();
}

static void print_quoted(const char *text, FILE *out)
{
	(void)fputc('"', out);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			(void)fputc('\\', out);
		(void)fputc(*text, out);
	}
	(void)fputc('"', out);
}

static void print_word(const struct directive *d, const void *at, FILE *out)
{
	uint32_t value = get_number(at, d->size);
	const struct directive_word *w;

	for (w = d->words; w->word != NULL; w++) {
		if ((uint32_t)w->value == value)
			(void)fputs(w->word, out);
	}
}

static void print_interfaces(const struct plain_sources *c, FILE *out)
{
	unsigned i;

	(void)fputc('{', out);
	for (i = 0; i < c->interfaces; i++) {
		(void)fputs(i > 0 ? ", " : "", out);
		print_quoted(c->interface[i], out);
	}
	(void)fputc('}', out);
}

void directive_print(const struct directive *d, const void *base, FILE *out)
{
	const void *at = (const char *)base + d->offset;

	switch (d->kind) {
	case DIRECTIVE_NUMBER:
		(void)fprintf(out, "%u", get_number(at, d->size));
		return;
	case DIRECTIVE_WORD:
		print_word(d, at, out);
		return;
	case DIRECTIVE_NAME:
		(void)fputs(at, out);
		return;
	case DIRECTIVE_PATH:
	case DIRECTIVE_USER:
	case DIRECTIVE_TEXT:
	case DIRECTIVE_INTERFACE:
		print_quoted(at, out);
		return;
	case DIRECTIVE_INTERFACES:
		print_interfaces(at, out);
		return;
	}
}

void directive_range(const struct directive *d, FILE *out)
{
	switch (d->kind) {
	case DIRECTIVE_NUMBER:
		(void)fprintf(out, "%u to %u", d->least, d->most);
		return;
	case DIRECTIVE_WORD:
	case DIRECTIVE_NAME:
		list_words(d, ", ", out);
		return;
	case DIRECTIVE_PATH:
		(void)fputs("path", out);
		return;
	case DIRECTIVE_USER:
		(void)fputs("user", out);
		return;
	case DIRECTIVE_TEXT:
		(void)fputs("text", out);
		return;
	case DIRECTIVE_INTERFACE:
		(void)fputs("interface", out);
		return;
	case DIRECTIVE_INTERFACES:
		(void)fputs("interfaces", out);
		return;
	}
}
