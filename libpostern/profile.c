#include "profile.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static const char first_line[] = "# postern profile";

enum { VALUE_MAX = 256, SERVICE_WORDS = 3, PORT_DIGITS = 5 };

/* A part of the text, borrowed. */
struct slice {
	const char *at;
	size_t len;
};

struct parse {
	struct postern_profile *p;
	const char *file;
	unsigned line;
	struct trouble *t;
	const char *key; /* of the current line */
};

typedef int read_fn(struct parse *s, char *value);

struct directive {
	const char *key;
	read_fn *read;
	bool required;
	bool repeats;
};

static int complain(struct parse *s, const char *what)
{
	trouble_say(s->t, "%s:%u: %s: %s", s->file, s->line, s->key, what);
	return -1;
}

/* ---- values ---- */

static int read_version(struct parse *s, char *value)
{
	if (strcmp(value, "1") == 0)
		return 0;
	return complain(s, "is not a version that this program speaks (1): update postern");
}

static int read_name(struct parse *s, char *value)
{
	if (!name_is_valid(value))
		return complain(s, "must be 1 to 32 of a-z, 0-9, '-' and '_'");
	memcpy(s->p->name, value, strlen(value) + 1);
	return 0;
}

/*
 * Also what ssh-config prints, so nothing that ssh or a terminal could take for more than a name.
 */
static bool is_host(const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		bool other = (c >= '0' && c <= '9') || c == '.' || c == ':' || c == '_' || c == '%';
		if (!letter && !other && (c != '-' || i == 0))
			return false;
	}
	return len > 0 && len <= PROFILE_HOST_MAX;
}

static int read_server(struct parse *s, char *value)
{
	if (!is_host(value))
		return complain(s, "must be a host name or an address");
	if (s->p->servers == PROFILE_SERVERS_MAX)
		return complain(s, "more than 8 servers: remove some");
	memcpy(s->p->server[s->p->servers++], value, strlen(value) + 1);
	return 0;
}

/* Decimal alone: no sign, no space, no leading zero that somebody may take for octal. */
static int read_number(const char *text, uint16_t *out)
{
	uint32_t n = 0;
	size_t len = strlen(text);

	if (len == 0 || len > PORT_DIGITS || text[0] == '0')
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		n = n * 10 + (uint32_t)(text[i] - '0');
	}
	if (n > UINT16_MAX)
		return -1;
	*out = (uint16_t)n;
	return 0;
}

static int read_port(struct parse *s, char *value)
{
	if (read_number(value, &s->p->port) < 0)
		return complain(s, "must be a number from 1 to 65535");
	s->p->settings.udp_port = s->p->port;
	return 0;
}

/* Never quotes the value: it may be a secret. */
static int read_bytes_of(struct parse *s, const char *value, uint8_t *out, size_t len)
{
	static const uint8_t zeros[KEY_BYTES];

	if (base64_decode(out, len, value) < 0)
		return complain(s, len == KEY_BYTES ? "must be 32 bytes in base64 (44 characters)"
						    : "must be 8 bytes in base64 (12 characters)");
	if (secret_equal(out, zeros, len))
		return complain(s, "is all zeros, which is no key: ask for a new profile");
	return 0;
}

static int read_server_key(struct parse *s, char *value)
{
	return read_bytes_of(s, value, s->p->server_key, KEY_BYTES);
}

static int read_door_key(struct parse *s, char *value)
{
	return read_bytes_of(s, value, s->p->secrets->door_key[DOOR_KEY_CURRENT], KEY_BYTES);
}

static int read_former_key(struct parse *s, char *value)
{
	s->p->has_former_key = true;
	return read_bytes_of(s, value, s->p->secrets->door_key[DOOR_KEY_FORMER], KEY_BYTES);
}

static int read_cid(struct parse *s, char *value)
{
	return read_bytes_of(s, value, s->p->cid, CID_BYTES);
}

static int read_private_key(struct parse *s, char *value)
{
	return read_bytes_of(s, value, s->p->secrets->own.secret, KEY_BYTES);
}

static int read_secret(struct parse *s, char *value)
{
	return read_bytes_of(s, value, s->p->secrets->client_secret, KEY_BYTES);
}

static int protocol_of(const char *word)
{
	if (strcmp(word, "tcp") == 0)
		return IPPROTO_TCP;
	return strcmp(word, "udp") == 0 ? IPPROTO_UDP : -1;
}

static int read_service(struct parse *s, char *value)
{
	struct postern_profile *p = s->p;
	char *word[SERVICE_WORDS] = {0};
	char *rest = NULL;
	uint16_t port = 0;

	for (int i = 0; i < SERVICE_WORDS; i++)
		word[i] = strtok_r(i == 0 ? value : NULL, " \t", &rest);
	if (!word[2] || strtok_r(NULL, " \t", &rest))
		return complain(s, "must be NAME PROTOCOL PORT, like 'ssh tcp 22'");
	if (!name_is_valid(word[0]))
		return complain(s, "the name must be 1 to 32 of a-z, 0-9, '-' and '_'");
	int protocol = protocol_of(word[1]);
	if (protocol < 0)
		return complain(s, "the protocol must be tcp or udp");
	if (read_number(word[2], &port) < 0)
		return complain(s, "the port must be a number from 1 to 65535");
	if (p->services == PROFILE_SERVICES_MAX)
		return complain(s, "more than 256 services: remove some");
	for (unsigned i = 0; i < p->services; i++) {
		if (strcmp(p->service_name[i], word[0]) == 0)
			return complain(s, "this name stands above already: remove one");
	}
	memcpy(p->service_name[p->services], word[0], strlen(word[0]) + 1);
	p->service[p->services] = (struct postern_service){
	    .name = p->service_name[p->services], .protocol = (uint8_t)protocol, .port = port};
	p->services++;
	return 0;
}

static int read_carrier(struct parse *s, char *value)
{
	s->p->sender = sender_by_name(value);
	return s->p->sender ? 0 : complain(s, "is not known to this program (udp): update postern");
}

static int read_envelope(struct parse *s, char *value)
{
	s->p->envelope = strcmp(value, "noise") == 0 ? envelope_by_name(value) : NULL;
	return s->p->envelope ? 0
			      : complain(s, "is not known to this program (noise): update postern");
}

static int read_cover(struct parse *s, char *value)
{
	s->p->cover = cover_by_name(value);
	return s->p->cover ? 0 : complain(s, "is not known to this program (none, png): update postern");
}

static int read_confirm(struct parse *s, char *value)
{
	if (strcmp(value, "reply") == 0)
		return 0;
	return complain(s, "is not known to this program (reply): update postern");
}

static const struct directive directives[] = {
    {"version", read_version, true, false},
    {"name", read_name, true, false},
    {"server", read_server, true, true},
    {"port", read_port, true, false},
    {"server-key", read_server_key, true, false},
    {"door-key", read_door_key, true, false},
    {"former-door-key", read_former_key, false, false},
    {"cid", read_cid, true, false},
    {"private-key", read_private_key, true, false},
    {"secret", read_secret, true, false},
    {"service", read_service, false, true},
    {"carrier", read_carrier, false, false},
    {"envelope", read_envelope, false, false},
    {"cover", read_cover, false, false},
    {"confirm", read_confirm, false, false},
};

enum { DIRECTIVES = sizeof(directives) / sizeof(directives[0]) };

/* ---- lines ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct slice trim(struct slice s)
{
	while (s.len > 0 && is_blank(s.at[0])) {
		s.at++;
		s.len--;
	}
	while (s.len > 0 && is_blank(s.at[s.len - 1]))
		s.len--;
	return s;
}

/* Takes the next line, without its newline, off text. */
static struct slice next_line(struct slice *text)
{
	const char *end = memchr(text->at, '\n', text->len);
	struct slice line = {text->at, end ? (size_t)(end - text->at) : text->len};
	size_t taken = line.len + (end ? 1 : 0);

	text->at += taken;
	text->len -= taken;
	return line;
}

static bool equals(struct slice s, const char *text)
{
	return s.len == strlen(text) && memcmp(s.at, text, s.len) == 0;
}

/* Splits "key = value"; false when there is no '='. */
static bool split(struct slice line, struct slice *key, struct slice *value)
{
	const char *sign = line.len > 0 ? memchr(line.at, '=', line.len) : NULL;

	if (!sign)
		return false;
	*key = trim((struct slice){line.at, (size_t)(sign - line.at)});
	*value = trim((struct slice){sign + 1, line.len - (size_t)(sign - line.at) - 1});
	return true;
}

static int find_directive(struct slice key)
{
	for (int i = 0; i < DIRECTIVES; i++) {
		if (equals(key, directives[i].key))
			return i;
	}
	return -1;
}

static void read_directive(struct parse *s, const struct directive *d, struct slice value)
{
	char copy[VALUE_MAX + 1];

	s->key = d->key;
	if (value.len == 0) {
		complain(s, "has no value");
	} else if (value.len > VALUE_MAX || memchr(value.at, '\0', value.len)) {
		complain(s, "is longer than 256 characters, or has a NUL in it");
	} else {
		memcpy(copy, value.at, value.len);
		copy[value.len] = '\0';
		(void)d->read(s, copy);
		secret_wipe(copy, sizeof(copy));
	}
}

static void parse_line(struct parse *s, struct slice line, unsigned seen[static DIRECTIVES])
{
	struct slice key, value;

	line = trim(line);
	if (line.len == 0 || line.at[0] == '#')
		return;
	if (!split(line, &key, &value)) {
		trouble_say(
		    s->t, "%s:%u: must be 'key = value', or begin with '#'", s->file, s->line);
		return;
	}
	int i = find_directive(key);
	if (i < 0) {
		int shown = key.len < 32 ? (int)key.len : 32;
		trouble_say(s->t, "%s:%u: %.*s: there is no such key: remove it, or update postern",
		    s->file, s->line, shown, key.at);
		return;
	}
	if (seen[i] && !directives[i].repeats) {
		trouble_say(s->t, "%s:%u: %s: stands in line %u already: remove one", s->file,
		    s->line, directives[i].key, seen[i]);
		return;
	}
	seen[i] = s->line;
	read_directive(s, &directives[i], value);
}

static void check_whole(struct parse *s, const unsigned seen[static DIRECTIVES])
{
	for (int i = 0; i < DIRECTIVES; i++) {
		if (directives[i].required && !seen[i])
			trouble_say(s->t, "%s: %s: is missing: ask for a new profile", s->file,
			    directives[i].key);
	}
}

static void derive(struct postern_profile *p)
{
	struct profile_secrets *x = p->secrets;
	uint8_t own[KEY_BYTES];

	memcpy(own, x->own.secret, sizeof(own));
	keypair_from_secret(&x->own, own);
	secret_wipe(own, sizeof(own));
	client_keys_derive(&x->client, x->client_secret);
	door_keys_derive(&x->door[DOOR_KEY_CURRENT], x->door_key[DOOR_KEY_CURRENT]);
	if (p->has_former_key)
		door_keys_derive(&x->door[DOOR_KEY_FORMER], x->door_key[DOOR_KEY_FORMER]);
}

int profile_parse(
    struct postern_profile *p, const char *file, const char *text, size_t len, struct trouble *t)
{
	struct parse s = {.p = p, .file = file, .t = t, .line = 1, .key = ""};
	struct slice rest = {text, len};
	unsigned seen[DIRECTIVES] = {0};
	unsigned before = t->count;

	if (len == 0 || !equals(trim(next_line(&rest)), first_line)) {
		trouble_say(
		    t, "%s:1: is not a profile: its first line must be '%s'", file, first_line);
		return -1;
	}
	while (rest.len > 0) {
		s.line++;
		parse_line(&s, next_line(&rest), seen);
	}
	check_whole(&s, seen);
	if (t->count != before)
		return -1;
	derive(p);
	return 0;
}

/* ---- the rest ---- */

struct postern_profile *profile_new(void)
{
	struct postern_profile *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->secrets = secret_new(sizeof(*p->secrets));
	p->sender = sender_by_name("udp");
	p->envelope = envelope_by_name("noise");
	p->cover = cover_by_name("none");
	return p;
}

void profile_free(struct postern_profile *p)
{
	if (!p)
		return;
	secret_free(p->secrets);
	free(p->path);
	free(p->state_dir);
	free(p);
}

const char *profile_service_name(const struct postern_profile *p, uint8_t protocol, uint16_t port)
{
	for (unsigned i = 0; i < p->services; i++) {
		if (p->service[i].protocol == protocol && p->service[i].port == port)
			return p->service[i].name;
	}
	return NULL;
}

static char *put(char *at, const char *text, size_t len)
{
	if (len > 0)
		memcpy(at, text, len);
	return at + len;
}

static char *put_key(char *at, const char *key, const uint8_t bytes[static KEY_BYTES])
{
	char text[BASE64_32];

	base64_encode(text, sizeof(text), bytes, KEY_BYTES);
	at = put(at, key, strlen(key));
	at = put(at, " = ", 3);
	at = put(at, text, strlen(text));
	secret_wipe(text, sizeof(text));
	return put(at, "\n", 1);
}

size_t profile_rekey(const char *text, size_t len, const uint8_t current[static KEY_BYTES],
    const uint8_t *former, char *out)
{
	struct slice rest = {text, len};
	char *at = out;

	while (rest.len > 0) {
		const char *start = rest.at;
		struct slice key, value;
		bool is_pair = split(trim(next_line(&rest)), &key, &value);
		if (is_pair && equals(key, "former-door-key"))
			continue;
		if (!is_pair || !equals(key, "door-key")) {
			at = put(at, start, (size_t)(rest.at - start));
			continue;
		}
		at = put_key(at, "door-key", current);
		if (former)
			at = put_key(at, "former-door-key", former);
	}
	return (size_t)(at - out);
}
