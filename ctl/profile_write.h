/*
 * profile_write - the text of a client's profile: all that it needs, once.
 * What reads it is the client's; its form is in postern-profile(5).
 */
#ifndef POSTERN_CTL_PROFILE_WRITE_H
#define POSTERN_CTL_PROFILE_WRITE_H

#include <stdint.h>

#include "clients.h"
#include "config.h"

enum {
	PARTS_SERVERS_MAX = 8,
	PARTS_SERVICES_MAX = 32,
	PARTS_HOST_MAX = 253,
};

/* All borrowed. */
struct profile_parts {
	const char *name;
	size_t servers;
	const char *server[PARTS_SERVERS_MAX];
	uint16_t port;
	const uint8_t *server_key; /* KEY_BYTES each, but for cid */
	const uint8_t *door_key;
	const uint8_t *cid; /* CID_BYTES */
	const uint8_t *private_key;
	const uint8_t *secret;
	const struct config *config; /* whose services they are */
	const struct client *client; /* which of them it has */
	const char *openpgp_key;     /* fingerprints; NULL: no OpenPGP */
	const char *openpgp_server;
	const uint8_t *openpgp_block; /* the server's public key */
	size_t openpgp_block_len;
};

/* A host name or an address, of a form that the client takes. */
bool profile_is_host(const char *text);

/* Is there anything that the client may knock by and the server hears? */
bool profile_has_way(const struct config *c, const struct client *k);

/* Given; ctl_text_free(). */
char *profile_write(const struct profile_parts *p);

#endif
