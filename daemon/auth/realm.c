/* realm - made, derived, freed. */
#include <stdlib.h>

#include "realm.h"
#include "secret.h"

struct realm *realm_new(uint32_t generation)
{
	struct realm *r = calloc(1, sizeof(*r));

	if (!r)
		abort();
	r->generation = generation;
	r->keys = secret_new(sizeof(*r->keys));
	return r;
}

void realm_derive(struct realm *r)
{
	uint8_t secret[KEY_BYTES];

	for (unsigned i = 0; i < KEY_BYTES; i++)
		secret[i] = r->keys->server.secret[i];
	keypair_from_secret(&r->keys->server, secret);
	secret_wipe(secret, sizeof(secret));
	for (unsigned i = 0; i < r->keys->doors; i++)
		door_keys_derive(&r->keys->door[i], r->keys->door_key[i]);
}

void realm_free(struct realm *r)
{
	if (!r)
		return;
	clients_free(r->clients);
	secret_free(r->keys);
	free(r);
}

int realm_service(const struct realm *r, const char *name, uint8_t proto, uint16_t port)
{
	int i = config_service(&r->config, name);

	if (i < 0 || r->config.service[i].proto != proto ||
	    !service_is_known_by(&r->config.service[i], port))
		return -1;
	return i;
}
