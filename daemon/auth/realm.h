/*
 * realm - what is in force: configuration, clients and the server's keys, read
 * together and replaced together.
 */
#ifndef POSTERN_AUTH_REALM_H
#define POSTERN_AUTH_REALM_H

#include <stddef.h>
#include <stdint.h>

#include "clients.h"
#include "config.h"
#include "keys.h"
#include "message.h"

/* In guarded memory. door[0] is the current one. */
struct realm_keys {
	struct keypair server;
	unsigned doors;
	uint8_t door_key[DOOR_KEYS_MAX][KEY_BYTES];
	struct door_keys door[DOOR_KEYS_MAX];
};

struct realm {
	uint32_t generation;
	struct config config;
	struct clients *clients;
	struct realm_keys *keys;
};

/* An empty one, for the parsers to fill. Aborts when there is no memory. */
struct realm *realm_new(uint32_t generation);
/* Computes what follows from the keys; to be called when config, clients, server.secret and door_key are there. */
void realm_derive(struct realm *r);
/* Wipes. NULL is fine. */
void realm_free(struct realm *r);

/* The index of the service that has this name and still guards this, or -1. */
int realm_service(const struct realm *r, const char *name, uint8_t proto, uint16_t port);

#endif
