/* load - see load.h. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keyfile.h"
#include "load.h"
#include "secret.h"

enum { CHUNK = 65536 };

/* Clients' lines as they come in; holds secrets. */
struct lines {
	int fd;
	off_t at;
	size_t len; /* bytes in buffer */
	unsigned line_no;
	char buffer[CHUNK];
};

static int load_config(struct realm *realm, int fd, const char *path, struct report *r)
{
	char *text = malloc(CONFIG_TEXT_MAX + 1);
	int status = -1;

	if (!text)
		abort();
	if (keyfile_read(fd, text, CONFIG_TEXT_MAX + 1) < 0)
		report_error(r, path, 0, "cannot be read: %s", strerror(errno));
	else
		status = config_parse(&realm->config, path, text, r);
	free(text);
	return status;
}

/* Hands over whole lines, and leaves the beginning of the next one in the buffer. */
static void hand_over_lines(struct lines *l, struct clients *cs, const char *name, struct report *r)
{
	char *line = l->buffer, *end = l->buffer + l->len;
	char *newline;

	while ((newline = memchr(line, '\n', (size_t)(end - line)))) {
		*newline = '\0';
		(void)!clients_line(cs, name, ++l->line_no, line, r);
		line = newline + 1;
	}
	l->len = (size_t)(end - line);
	memmove(l->buffer, line, l->len);
}

static int read_lines(struct lines *l, struct clients *cs, const char *name, struct report *r)
{
	ssize_t n;

	/* One byte is kept back, to end a last line that has no newline. */
	while ((n = pread(l->fd, l->buffer + l->len, CHUNK - 1 - l->len, l->at)) > 0) {
		l->at += n;
		l->len += (size_t)n;
		hand_over_lines(l, cs, name, r);
		if (l->len >= CLIENT_LINE_MAX) {
			report_error(r, name, l->line_no + 1,
			    "longer than %d bytes: split it or shorten it", CLIENT_LINE_MAX - 1);
			return -1;
		}
	}
	if (n < 0) {
		report_error(r, name, 0, "cannot be read: %s", strerror(errno));
		return -1;
	}
	if (l->len > 0) {
		l->buffer[l->len++] = '\n';
		hand_over_lines(l, cs, name, r);
	}
	return clients_finish(cs, name, r);
}

/* What is wrong in a file is told with its whole path: relative ones are beside the configuration. */
static const char *path_of(const char *config_path, const char *name, char out[static PATH_MAX])
{
	const char *slash = strrchr(config_path, '/');
	const int dir = slash ? (int)(slash - config_path) : 0;

	if (name[0] == '/' || !slash)
		(void)snprintf(out, PATH_MAX, "%s", name);
	else
		(void)snprintf(out, PATH_MAX, "%.*s/%s", dir, config_path, name);
	return out;
}

static int load_clients(struct realm *realm, int fd, const char *config_path, struct report *r)
{
	struct lines *l = secret_new(sizeof(*l));
	char path[PATH_MAX];
	int status;

	l->fd = fd;
	realm->clients = clients_new(&realm->config);
	status =
	    read_lines(l, realm->clients, path_of(config_path, realm->config.clients, path), r);
	secret_free(l);
	return status;
}

struct keytext {
	char text[KEYFILE_MAX];
	uint8_t keys[DOOR_KEYS_MAX][KEY_BYTES];
};

/* Returns how many there are in k->keys, or -1. */
static int load_keys(struct keytext *k, int fd, const char *name, int most, struct report *r)
{
	if (keyfile_read(fd, k->text, sizeof(k->text)) < 0) {
		report_error(r, name, 0, "cannot be read: %s", strerror(errno));
		return -1;
	}
	return keyfile_parse(name, k->text, k->keys, 1, most, r);
}

static int load_all_keys(
    struct realm *realm, const int *fds, const char *config_path, struct report *r)
{
	struct keytext *k = secret_new(sizeof(*k));
	const struct config *config = &realm->config;
	char path[PATH_MAX];
	int status = -1, n;

	if (load_keys(
		k, fds[LOAD_SERVER_KEY], path_of(config_path, config->server_key, path), 1, r) < 0)
		goto out;
	memcpy(realm->keys->server.secret, k->keys[0], KEY_BYTES);
	n = load_keys(
	    k, fds[LOAD_DOOR_KEY], path_of(config_path, config->door_key, path), DOOR_KEYS_MAX, r);
	if (n < 0)
		goto out;
	memcpy(realm->keys->door_key, k->keys, (size_t)n * KEY_BYTES);
	realm->keys->doors = (unsigned)n;
	realm_derive(realm);
	status = 0;
out:
	secret_free(k);
	return status;
}

struct realm *load_realm(
    const int *fds, uint32_t generation, const char *config_path, struct report *r)
{
	struct realm *realm = realm_new(generation);
	int bad = load_config(realm, fds[LOAD_CONFIG], config_path, r) < 0;

	if (!bad) {
		/* Both, so that all errors are told at once. */
		bad |= load_clients(realm, fds[LOAD_CLIENTS], config_path, r) < 0;
		bad |= load_all_keys(realm, fds, config_path, r) < 0;
	}
	if (bad) {
		realm_free(realm);
		return NULL;
	}
	return realm;
}
