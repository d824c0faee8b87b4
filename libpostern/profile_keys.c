#include "profile_keys.h"

#include <netinet/in.h>
#include <string.h>

enum { SERVICE_WORDS = 4, PORT_DIGITS = 5 };

int profile_complain(struct profile_reading *s, const char *what)
{
	if (s->line == 0)
		trouble_say(s->t, "%s: %s: %s", s->file, s->key, what);
	else
		trouble_say(s->t, "%s:%u: %s: %s", s->file, s->line, s->key, what);
	return -1;
}

static int read_version(struct profile_reading *s, char *value)
{
	if (strcmp(value, "1") == 0)
		return 0;
	return profile_complain(s, "is not a version that this program speaks (1): update postern");
}

static int read_name(struct profile_reading *s, char *value)
{
	if (!name_is_valid(value))
		return profile_complain(s, "must be 1 to 32 of a-z, 0-9, '-' and '_'");
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

static int read_server(struct profile_reading *s, char *value)
{
	if (!is_host(value))
		return profile_complain(s, "must be a host name or an address");
	if (s->p->servers == PROFILE_SERVERS_MAX)
		return profile_complain(s, "more than 8 servers: remove some");
	memcpy(s->p->server[s->p->servers++], value, strlen(value) + 1);
	return 0;
}

int profile_read_number(const char *text, uint16_t *out)
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

/* Never quotes the value: it may be a secret. */
static int read_bytes_of(struct profile_reading *s, const char *value, uint8_t *out, size_t len)
{
	static const uint8_t zeros[KEY_BYTES];

	if (base64_decode(out, len, value) < 0)
		return profile_complain(s, len == KEY_BYTES
					       ? "must be 32 bytes in base64 (44 characters)"
					       : "must be 8 bytes in base64 (12 characters)");
	if (secret_equal(out, zeros, len))
		return profile_complain(s, "is all zeros, which is no key: ask for a new profile");
	return 0;
}

static int read_server_key(struct profile_reading *s, char *value)
{
	return read_bytes_of(s, value, s->p->server_key, KEY_BYTES);
}

static int read_door_key(struct profile_reading *s, char *value)
{
	return read_bytes_of(s, value, s->p->secrets->door_key[DOOR_KEY_CURRENT], KEY_BYTES);
}

static int read_former_key(struct profile_reading *s, char *value)
{
	s->p->has_former_key = true;
	return read_bytes_of(s, value, s->p->secrets->door_key[DOOR_KEY_FORMER], KEY_BYTES);
}

static int read_cid(struct profile_reading *s, char *value)
{
	return read_bytes_of(s, value, s->p->cid, CID_BYTES);
}

static int read_private_key(struct profile_reading *s, char *value)
{
	return read_bytes_of(s, value, s->p->secrets->own.secret, KEY_BYTES);
}

static int read_secret(struct profile_reading *s, char *value)
{
	return read_bytes_of(s, value, s->p->secrets->client_secret, KEY_BYTES);
}

static int protocol_of(const char *word)
{
	if (strcmp(word, "tcp") == 0)
		return IPPROTO_TCP;
	return strcmp(word, "udp") == 0 ? IPPROTO_UDP : -1;
}

static int complain_of_service(struct profile_reading *s)
{
	return profile_complain(s, "must be NAME PROTOCOL PORT, like 'ssh tcp 22' or 'ssh tcp 22 "
				   "trap', or NAME gateway");
}

static int read_service(struct profile_reading *s, char *value)
{
	struct postern_profile *p = s->p;
	char *word[SERVICE_WORDS] = {0};
	char *rest = NULL;
	uint16_t port = 0;

	for (int i = 0; i < SERVICE_WORDS; i++)
		word[i] = strtok_r(i == 0 ? value : NULL, " \t", &rest);
	const bool gateway = word[1] && !word[2] && strcmp(word[1], "gateway") == 0;
	const bool trap = word[3] && strcmp(word[3], "trap") == 0;
	if (!word[1] || (!word[2] && !gateway) || (word[3] && !trap) ||
	    strtok_r(NULL, " \t", &rest))
		return complain_of_service(s);
	if (!name_is_valid(word[0]))
		return profile_complain(s, "the name must be 1 to 32 of a-z, 0-9, '-' and '_'");
	int protocol = gateway ? 0 : protocol_of(word[1]);
	if (protocol < 0)
		return profile_complain(s, "the protocol must be tcp or udp");
	if (trap && protocol != IPPROTO_TCP)
		return profile_complain(s, "only a TCP service has a trap");
	if (!gateway && strcmp(word[2], "random") != 0 && profile_read_number(word[2], &port) < 0)
		return profile_complain(s, "the port must be a number from 1 to 65535, or random");
	if (p->services == PROFILE_SERVICES_MAX)
		return profile_complain(s, "more than 256 services: remove some");
	for (unsigned i = 0; i < p->services; i++) {
		if (strcmp(p->service_name[i], word[0]) == 0)
			return profile_complain(s, "this name stands above already: remove one");
	}
	memcpy(p->service_name[p->services], word[0], strlen(word[0]) + 1);
	p->service[p->services] = (struct postern_service){
	    .name = p->service_name[p->services], .protocol = (uint8_t)protocol, .port = port};
	p->service_trap[p->services] = trap;
	p->services++;
	return 0;
}

const struct profile_key profile_keys[] = {
    {"version", read_version, true, false, false},
    {"name", read_name, true, false, false},
    {"server", read_server, true, true, false},
    {"server-key", read_server_key, true, false, false},
    {"door-key", read_door_key, true, false, false},
    {"former-door-key", read_former_key, false, false, false},
    {"cid", read_cid, true, false, false},
    {"private-key", read_private_key, true, false, false},
    {"secret", read_secret, true, false, false},
    {"service", read_service, false, true, false},
    {"port", profile_read_port, false, false, true},
    {"tcp-port", profile_read_tcp_port, false, false, true},
    {"http", profile_read_http, false, false, true},
    {"http-cookie", profile_read_http_cookie, false, false, true},
    {"via", profile_read_via, false, false, true},
    {"preset", profile_read_preset, false, false, true},
    {"carrier", profile_read_carrier, false, false, true},
    {"envelope", profile_read_envelope, false, false, true},
    {"cover", profile_read_cover, false, false, true},
    {"photos", profile_read_photos, false, false, true},
    {"confirm", profile_read_confirm, false, false, true},
    {"sequence", profile_read_sequence, false, false, true},
    {"sequence-range", profile_read_sequence_range, false, false, true},
    {"sequence-count", profile_read_sequence_count, false, false, true},
    {"sequence-id", profile_read_sequence_id, false, false, true},
    {"sequence-pieces", profile_read_sequence_pieces, false, false, true},
    {"dummies", profile_read_dummies, false, false, true},
    {"gap", profile_read_gap, false, false, true},
    {"openpgp-key", profile_read_openpgp_key, false, false, false},
    {"openpgp-server", profile_read_openpgp_server, false, false, false},
    {"openpgp-home", profile_read_openpgp_home, false, false, false},
    {"openpgp-block", profile_read_openpgp_block, false, true, false},
    {NULL, NULL, false, false, false},
};
