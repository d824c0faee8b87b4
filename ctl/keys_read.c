#include "keys_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keyfile.h"
#include "secret.h"

enum { LINE_ROOM = 128 };

static int read_keys(struct ctl *c, const char *path, uint8_t keys[][KEY_BYTES], int most)
{
	struct report r = ctl_report(c);
	char *text = ctl_read(c, path, KEYFILE_MAX - 1, true);
	int n;

	if (text == NULL)
		return -1;
	n = keyfile_parse(path, text, keys, 1, most, &r);
	ctl_text_free(text);
	return n;
}

static int read_all(struct ctl *c, const struct config *config, struct server_keys *k)
{
	uint8_t own[1][KEY_BYTES];
	int n;

	if (ctl_path(c, config->server_key, k->server_path) != 0 ||
	    ctl_path(c, config->door_key, k->door_path) != 0)
		return -1;
	n = read_keys(c, k->server_path, own, 1);
	if (n > 0)
		keypair_from_secret(&k->server, own[0]);
	secret_wipe(own, sizeof(own));
	k->doors = n > 0 ? read_keys(c, k->door_path, k->door, DOOR_KEYS_MAX) : -1;
	return k->doors > 0 ? 0 : -1;
}

struct server_keys *keys_read(struct ctl *c)
{
	const struct config *config = ctl_config(c);
	struct server_keys *k;

	if (config == NULL)
		return NULL;
	k = secret_new(sizeof(*k));
	if (read_all(c, config, k) == 0)
		return k;
	secret_free(k);
	return NULL;
}

char *keys_text(const char *comment, const uint8_t keys[][KEY_BYTES], int n)
{
	size_t room = (size_t)(n + 1) * LINE_ROOM;
	char *text = calloc(1, room);
	char key[BASE64_32];
	size_t at;
	int i;

	if (text == NULL || strlen(comment) + 3 > LINE_ROOM)
		abort();
	at = (size_t)snprintf(text, room, "# %s\n", comment);
	for (i = 0; i < n; i++) {
		base64_encode(key, sizeof(key), keys[i], KEY_BYTES);
		at += (size_t)snprintf(text + at, room - at, "%s\n", key);
	}
	secret_wipe(key, sizeof(key));
	return text;
}
