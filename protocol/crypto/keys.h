/*
 * keys - what the two sides hold, and what they derive from it.
 * The table of keys is in doc/protocol.md, "Keys".
 */
#ifndef POSTERN_CRYPTO_KEYS_H
#define POSTERN_CRYPTO_KEYS_H

#include <stdint.h>

enum {
	KEY_BYTES = 32,
	SHORT_KEY_BYTES = 16, /* SipHash */
	CID_BYTES = 8,
};

struct keypair {
	uint8_t secret[KEY_BYTES]; /* X25519 */
	uint8_t public[KEY_BYTES];
};

/* One direction of the veil. */
struct veil_keys {
	uint8_t veil[KEY_BYTES];
	uint8_t gate[SHORT_KEY_BYTES];
};

/* All that comes from a door key. */
struct door_keys {
	struct veil_keys to_server;
	struct veil_keys to_client;
	uint8_t sequence_tag[SHORT_KEY_BYTES];
	uint8_t sequence_mask[SHORT_KEY_BYTES];
	uint8_t picture[KEY_BYTES];
	uint8_t ports[KEY_BYTES];
};

/* All that comes from a client secret. */
struct client_keys {
	uint8_t psk[KEY_BYTES];
	uint8_t label[SHORT_KEY_BYTES];
};

void keypair_generate(struct keypair *out);
/* Computes the public half. */
void keypair_from_secret(struct keypair *out, const uint8_t secret[static KEY_BYTES]);
void door_keys_derive(struct door_keys *out, const uint8_t door_key[static KEY_BYTES]);
void client_keys_derive(struct client_keys *out, const uint8_t client_secret[static KEY_BYTES]);

#endif
