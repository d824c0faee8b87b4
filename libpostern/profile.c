#include "profile.h"

#include <stdlib.h>
#include <string.h>

#include "library.h"
#include "profile_keys.h"

static const char first_line[] = "# postern profile";

enum { VALUE_MAX = 256 };

/* A part of the text, borrowed. */
struct slice {
	const char *at;
	size_t len;
};

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

static int find_key(struct slice key)
{
	for (int i = 0; profile_keys[i].key; i++) {
		if (equals(key, profile_keys[i].key))
			return i;
	}
	return -1;
}

static void read_value(struct profile_reading *s, const struct profile_key *d, struct slice value)
{
	char copy[VALUE_MAX + 1];

	s->key = d->key;
	if (value.len == 0) {
		profile_complain(s, "has no value");
	} else if (value.len > VALUE_MAX || memchr(value.at, '\0', value.len)) {
		profile_complain(s, "is longer than 256 characters, or has a NUL in it");
	} else {
		memcpy(copy, value.at, value.len);
		copy[value.len] = '\0';
		(void)d->read(s, copy);
		secret_wipe(copy, sizeof(copy));
	}
}

static void parse_line(
    struct profile_reading *s, struct slice line, unsigned seen[static PROFILE_KEYS_MAX])
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
	int i = find_key(key);
	if (i < 0) {
		int shown = key.len < 32 ? (int)key.len : 32;
		trouble_say(s->t, "%s:%u: %.*s: there is no such key: remove it, or update postern",
		    s->file, s->line, shown, key.at);
		return;
	}
	if (seen[i] && !profile_keys[i].repeats) {
		trouble_say(s->t, "%s:%u: %s: stands in line %u already: remove one", s->file,
		    s->line, profile_keys[i].key, seen[i]);
		return;
	}
	seen[i] = s->line;
	read_value(s, &profile_keys[i], value);
}

static void check_whole(struct profile_reading *s, const unsigned seen[static PROFILE_KEYS_MAX])
{
	for (int i = 0; profile_keys[i].key; i++) {
		if (profile_keys[i].required && !seen[i])
			trouble_say(s->t, "%s: %s: is missing: ask for a new profile", s->file,
			    profile_keys[i].key);
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
	struct profile_reading s = {.p = p, .file = file, .t = t, .line = 1, .key = ""};
	struct slice rest = {text, len};
	unsigned seen[PROFILE_KEYS_MAX] = {0};
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
	if (t->count == before)
		(void)profile_check_travel(p, file, t);
	if (t->count != before)
		return -1;
	derive(p);
	return 0;
}

/* ---- from a program ---- */

int postern_profile_set(struct postern_profile *p, const char *key, const char *value)
{
	struct postern *lib = p->owner;
	struct profile_reading s = {.p = p, .file = p->name, .t = &lib->errors, .key = key};
	const struct slice given = {value, strlen(value)};

	library_begin(lib);
	int i = find_key((struct slice){key, strlen(key)});
	if (i < 0 || !profile_keys[i].travels) {
		trouble_say(&lib->errors, "'%s': does not say how to knock", key);
		return POSTERN_BAD_ARGUMENT;
	}
	read_value(&s, &profile_keys[i], given);
	return lib->errors.count == 0 ? POSTERN_OK : POSTERN_BAD_ARGUMENT;
}

/* ---- the rest ---- */

struct postern_profile *profile_new(void)
{
	struct postern_profile *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->secrets = secret_new(sizeof(*p->secrets));
	p->carrier[0] = &sender_udp;
	p->carriers = 1;
	p->envelope = envelope_by_name("noise");
	p->cover = cover_by_name("none");
	openpgp_init(&p->openpgp);
	profile_sequence_defaults(&p->settings.sequence);
	return p;
}

void profile_free(struct postern_profile *p)
{
	if (!p)
		return;
	secret_free(p->secrets);
	openpgp_free(&p->openpgp);
	free(p->path);
	free(p->state_dir);
	free(p->photos);
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

const struct postern_service *profile_service(const struct postern_profile *p, const char *name)
{
	for (unsigned i = 0; i < p->services; i++) {
		if (strcmp(p->service[i].name, name) == 0)
			return &p->service[i];
	}
	return NULL;
}

bool profile_has_trap(const struct postern_profile *p, uint16_t port)
{
	for (unsigned i = 0; i < p->services; i++) {
		if (p->service_trap[i] && p->service[i].port == port)
			return true;
	}
	return false;
}

const struct postern_service *profile_only_random(const struct postern_profile *p, uint8_t protocol)
{
	const struct postern_service *found = NULL;

	for (unsigned i = 0; i < p->services; i++) {
		if (p->service[i].protocol != protocol || p->service[i].port != 0)
			continue;
		if (found)
			return NULL;
		found = &p->service[i];
	}
	return found;
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
