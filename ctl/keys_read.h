/*
 * keys_read - the server's key files, as posternctl needs them.
 */
#ifndef POSTERN_CTL_KEYS_READ_H
#define POSTERN_CTL_KEYS_READ_H

#include "ctl.h"
#include "keys.h"

enum { DOOR_KEYS_MAX = 2 };

/* In memory of secret_new(). */
struct server_keys {
	char server_path[CTL_PATH_MAX];
	char door_path[CTL_PATH_MAX];
	struct keypair server;
	int doors;				/* 1; 2 while a rotation is under way */
	uint8_t door[DOOR_KEYS_MAX][KEY_BYTES]; /* current, previous */
};

/* Given, secret_free(); NULL and told. */
struct server_keys *keys_read(struct ctl *c);

/* Keys as their file has them, under one line of comment. Given, ctl_text_free(). */
char *keys_text(const char *comment, const uint8_t keys[][KEY_BYTES], int n);

#endif
