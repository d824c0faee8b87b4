/*
 * profile - all that one client needs to knock at one server. Text in, struct
 * out: no file is opened here, so that tests and fuzzers need none.
 *
 * The form is in postern-profile(5): a first line, then `key = value`.
 */
#ifndef LIBPOSTERN_PROFILE_H
#define LIBPOSTERN_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cover.h"
#include "envelope.h"
#include "fits.h"
#include "keys.h"
#include "openpgp_client.h"
#include "postern.h"
#include "request.h"
#include "secret.h"
#include "sender.h"
#include "settings.h"
#include "trouble.h"

enum {
	PROFILE_TEXT_MAX = 32768,
	PROFILE_HOST_MAX = 253,
	PROFILE_SERVERS_MAX = 8,
	PROFILE_SERVICES_MAX = 256,
	PROFILE_CARRIERS_MAX = 8,
};

enum profile_door_key {
	DOOR_KEY_CURRENT,
	DOOR_KEY_FORMER, /* what the current one replaced, until the current one was answered */
	PROFILE_DOOR_KEYS,
};

/* In memory of secret_new(). */
struct profile_secrets {
	struct keypair own;
	struct client_keys client;
	struct door_keys door[PROFILE_DOOR_KEYS];
	uint8_t client_secret[KEY_BYTES];
	uint8_t door_key[PROFILE_DOOR_KEYS][KEY_BYTES];
};

struct postern_profile {
	struct postern *owner; /* where trouble is told */
	char *path;	       /* the file that it came from, or NULL */
	char *state_dir;
	char name[SERVICE_NAME_MAX + 1];
	unsigned servers;
	char server[PROFILE_SERVERS_MAX][PROFILE_HOST_MAX + 1];
	uint16_t port;
	struct settings settings;
	uint8_t server_key[KEY_BYTES];
	uint8_t cid[CID_BYTES];
	unsigned services;
	struct postern_service service[PROFILE_SERVICES_MAX];
	char service_name[PROFILE_SERVICES_MAX][SERVICE_NAME_MAX + 1];
	bool service_trap[PROFILE_SERVICES_MAX]; /* who comes there without a door is trapped */
	bool has_former_key;
	unsigned carriers;
	const struct sender *carrier[PROFILE_CARRIERS_MAX]; /* the first is tried first */
	enum confirm confirm;
	const struct envelope *envelope;
	const struct cover *cover;
	char *photos; /* for cover png: a folder of photographs, or NULL */
	struct openpgp_client openpgp;
	struct profile_secrets *secrets;
};

/* An empty one, given; NULL without memory. */
struct postern_profile *profile_new(void);
void profile_free(struct postern_profile *p);

/*
 * Parse and check the whole text (borrowed; need not end with a NUL). file
 * stands in the sentences: "alice:7: port: ...". Returns 0, or -1 with every
 * error told and p not to be used.
 */
int profile_parse(struct postern_profile *p, const char *file, const char *text, size_t len,
    struct trouble *t) __attribute__((warn_unused_result));

/*
 * The same text with other door keys; all else stays, comments included.
 *   former   the key that may still be needed, or NULL
 *   out      room for len + PROFILE_REKEY_ROOM
 * Returns the new length.
 */
enum { PROFILE_REKEY_ROOM = 2 * (24 + BASE64_32) };
size_t profile_rekey(const char *text, size_t len, const uint8_t current[static KEY_BYTES],
    const uint8_t *former, char *out);

/* What the server calls a service, by what it guards (0: a random port); NULL when the profile does not say. */
const char *profile_service_name(const struct postern_profile *p, uint8_t protocol, uint16_t port);
/* That with a random port, or the gateway (protocol 0), if there is one and no more; else NULL. */
const struct postern_service *profile_only_random(
    const struct postern_profile *p, uint8_t protocol);
/* The service of that name; NULL when the profile has none. */
const struct postern_service *profile_service(const struct postern_profile *p, const char *name);
/* Is there a trap at this TCP port, as far as the profile says? */
bool profile_has_trap(const struct postern_profile *p, uint16_t port);

#endif
