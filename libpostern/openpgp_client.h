/*
 * openpgp_client - a profile's OpenPGP keys, and gpg at work with them, each
 * time in a process of its own with an end: a person who leaves a pinentry
 * alone is waited for GPG_PATIENCE_MS, not for ever.
 */
#ifndef LIBPOSTERN_OPENPGP_CLIENT_H
#define LIBPOSTERN_OPENPGP_CLIENT_H

#include "gpg.h"
#include "openpgp.h"
#include "trouble.h"

enum {
	GPG_PATIENCE_MS = 60000,
	OPENPGP_TRIES_MAX = 24, /* challenges that one knock has gpg look at */
};

struct openpgp_client {
	/* of the profile; own "" when it names no keys */
	char own[GPG_FINGERPRINT_TEXT], server[GPG_FINGERPRINT_TEXT];
	char *home;
	uint8_t *block; /* the server's public key, or NULL */
	size_t block_len;
	/* of openpgp_ready() */
	size_t request_extra;  /* what signing and encrypting add to a request */
	size_t challenge_most; /* the longest challenge, as a body */
	/* at work */
	struct pgp_ops ops;
	unsigned opened;
	char why[GPG_WHY_MAX];	      /* of the last operation that failed; "" for none */
	uint8_t last[PGP_HASH_BYTES]; /* of the message that was opened last ... */
	int last_len;		      /* ... and what was in it, or the error */
	uint8_t last_text[GPG_DATA_MAX];
};

/* Bytes of public key in a profile, over all its lines. */
enum { OPENPGP_BLOCK_MAX = 12288 };

void openpgp_init(struct openpgp_client *o);
void openpgp_free(struct openpgp_client *o);

/*
 * Are both keys in the keyring? The server's is taken in if it came with the
 * profile. Returns 0; -1, and told what to do about it.
 */
int openpgp_check(struct openpgp_client *o, const char *profile, struct trouble *t)
    __attribute__((warn_unused_result));
/*
 * Before a knock: look at the keys, and sign once, so that a passphrase is
 * asked for before the time of the knock is taken. Returns 0; -1 and told.
 */
int openpgp_ready(struct openpgp_client *o, const char *profile, struct trouble *t)
    __attribute__((warn_unused_result));

#endif
