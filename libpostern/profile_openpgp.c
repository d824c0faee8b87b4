/* What a profile says of OpenPGP keys. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "profile_keys.h"

enum { PART_MAX = 256 };

static int read_fingerprint(
    struct profile_reading *s, const char *value, char out[static GPG_FINGERPRINT_TEXT])
{
	if (!gpg_is_fingerprint(value))
		return profile_complain(
		    s, "must be the whole fingerprint of a key: 40 of 0 to 9 and A to F");
	memcpy(out, value, strlen(value) + 1);
	return 0;
}

int profile_read_openpgp_key(struct profile_reading *s, char *value)
{
	return read_fingerprint(s, value, s->p->openpgp.own);
}

int profile_read_openpgp_server(struct profile_reading *s, char *value)
{
	return read_fingerprint(s, value, s->p->openpgp.server);
}

int profile_read_openpgp_home(struct profile_reading *s, char *value)
{
	if (value[0] != '/' && strncmp(value, "~/", 2) != 0)
		return profile_complain(s, "must be the whole path of a folder, from / or ~/ on");
	s->p->openpgp.home = strdup(value);
	if (!s->p->openpgp.home)
		abort();
	return 0;
}

/* A line holds a part of it. */
int profile_read_openpgp_block(struct profile_reading *s, char *value)
{
	struct openpgp_client *o = &s->p->openpgp;
	uint8_t part[PART_MAX];
	size_t len;
	uint8_t *more;

	if (sodium_base642bin(part, sizeof(part), value, strlen(value), NULL, &len, NULL,
		sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    len == 0)
		return profile_complain(s, "must be base64");
	if (o->block_len + len > OPENPGP_BLOCK_MAX)
		return profile_complain(s, "is too long for a key: ask for a new profile");
	more = realloc(o->block, o->block_len + len);
	if (!more)
		abort();
	o->block = more;
	memcpy(o->block + o->block_len, part, len);
	o->block_len += len;
	return 0;
}
