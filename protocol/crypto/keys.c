#include "keys.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "secret.h"

static const char door_context[crypto_kdf_CONTEXTBYTES + 1] = "postern1";
static const char client_context[crypto_kdf_CONTEXTBYTES + 1] = "postcli1";

/* The numbers of the derived keys: part of the protocol. */
enum {
	DOOR_VEIL_TO_SERVER = 1,
	DOOR_VEIL_TO_CLIENT,
	DOOR_GATE_TO_SERVER,
	DOOR_GATE_TO_CLIENT,
	DOOR_SEQUENCE_TAG,
	DOOR_SEQUENCE_MASK,
	DOOR_PICTURE,
	DOOR_PORTS,
};

enum { CLIENT_PSK = 1, CLIENT_LABEL };

static_assert(KEY_BYTES == crypto_kdf_KEYBYTES, "a master key is one of ours");
static_assert(KEY_BYTES == crypto_scalarmult_curve25519_BYTES, "and a point");

void keypair_generate(struct keypair *out)
{
	uint8_t secret[KEY_BYTES];

	secret_random(secret, sizeof(secret));
	keypair_from_secret(out, secret);
	secret_wipe(secret, sizeof(secret));
}

void keypair_from_secret(struct keypair *out, const uint8_t secret[static KEY_BYTES])
{
	memmove(out->secret, secret, KEY_BYTES); /* may be the same place */
	/* The base point is of prime order: no secret gives a point to refuse. */
	if (crypto_scalarmult_curve25519_base(out->public, out->secret) != 0)
		abort();
}

static void derive(
    uint8_t *out, size_t len, uint64_t id, const char *context, const uint8_t *master)
{
	/* Fails for lengths outside 16 to 64 alone. */
	if (crypto_kdf_derive_from_key(out, len, id, context, master) != 0)
		abort();
}

void door_keys_derive(struct door_keys *out, const uint8_t door_key[static KEY_BYTES])
{
	const struct {
		uint8_t *key;
		size_t len;
		uint64_t id;
	} table[] = {
	    {out->to_server.veil, KEY_BYTES, DOOR_VEIL_TO_SERVER},
	    {out->to_client.veil, KEY_BYTES, DOOR_VEIL_TO_CLIENT},
	    {out->to_server.gate, SHORT_KEY_BYTES, DOOR_GATE_TO_SERVER},
	    {out->to_client.gate, SHORT_KEY_BYTES, DOOR_GATE_TO_CLIENT},
	    {out->sequence_tag, SHORT_KEY_BYTES, DOOR_SEQUENCE_TAG},
	    {out->sequence_mask, SHORT_KEY_BYTES, DOOR_SEQUENCE_MASK},
	    {out->picture, KEY_BYTES, DOOR_PICTURE},
	    {out->ports, KEY_BYTES, DOOR_PORTS},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		derive(table[i].key, table[i].len, table[i].id, door_context, door_key);
}

void client_keys_derive(struct client_keys *out, const uint8_t client_secret[static KEY_BYTES])
{
	derive(out->psk, KEY_BYTES, CLIENT_PSK, client_context, client_secret);
	derive(out->label, SHORT_KEY_BYTES, CLIENT_LABEL, client_context, client_secret);
}
