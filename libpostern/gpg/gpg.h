/*
 * gpg - OpenPGP by gpg, through gpgme: the two operations of the envelope, and
 * what is asked of a keyring.
 *
 * All of it blocks for as long as gpg, its agent and the person at a pinentry
 * like, and gpgme changes what SIGPIPE does; so it belongs into a process that
 * can be killed: gpg_work.h.
 */
#ifndef LIBPOSTERN_GPG_H
#define LIBPOSTERN_GPG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	GPG_DATA_MAX = 2048, /* of either side of an operation */
	GPG_FINGERPRINT_TEXT = 65,
	GPG_WHY_MAX = 300,
	/* A keyring's folder: the agent's longest socket in it must fit a socket address. */
	GPG_HOME_MAX = 108 - (int)sizeof("/S.gpg-agent.browser"),
	GPG_KEY_MAX = 16384, /* a public key, exported */
};

enum gpg_status {
	GPG_OK,
	GPG_REFUSED,   /* a message that is not what it must be: never mind why */
	GPG_NO_KEY,    /* a key is missing, has expired, was revoked or cannot do it */
	GPG_FAILED,    /* gpg does not work here, or said no for another reason */
	GPG_CANCELLED, /* the person at the pinentry did not want to */
	GPG_TOO_LATE,  /* gpg_work.h: killed */
};

/* Whose keys; borrowed for the call. */
struct gpg_keys {
	const char *home;
	const char *own;  /* fingerprint of the key that signs; NULL: that of gpg.conf */
	const char *peer; /* fingerprint of the primary key that the other side is pinned to */
	bool ask;	  /* a person may be asked for a passphrase */
};

struct gpg_result {
	enum gpg_status status;
	size_t len;
	char why[GPG_WHY_MAX];	   /* a sentence, when status is not GPG_OK */
	uint8_t data[GPG_KEY_MAX]; /* of the two operations at most GPG_DATA_MAX */
};

/*
 * Once in a process, before anything else here; later calls are free. Finds
 * the programs, for which it runs them. Returns 0, or -1 and why.
 */
int gpg_start(char why[static GPG_WHY_MAX]);

/* Sign, encrypt, and compress nothing. */
void gpg_seal(const struct gpg_keys *k, const uint8_t *plain, size_t len, struct gpg_result *out);
/*
 * What stands in a message that is encrypted to us, protected against change,
 * and signed once, validly, by the pinned key or a subkey of it, and by nobody
 * else. Beyond GPG_DATA_MAX bytes of literal data it is given up.
 */
void gpg_open(const struct gpg_keys *k, const uint8_t *message, size_t len, struct gpg_result *out);

/* ---- keyrings ---- */

struct gpg_key {
	char fingerprint[GPG_FINGERPRINT_TEXT]; /* of the primary key */
	char user[128];				/* first user id, printable ASCII */
	bool can_sign, can_encrypt;		/* now: neither expired nor revoked */
	unsigned sign_bytes;			/* most that a signature by it takes in a message */
	unsigned encrypt_bytes;			/* most that encrypting to it takes */
};

/*
 * Look a key up by its fingerprint (or, NULL, the first that there is).
 * Returns GPG_OK; GPG_NO_KEY when there is none, with or without secret half as
 * asked; GPG_FAILED. why says so.
 */
enum gpg_status gpg_find(const char *home, const char *fingerprint, bool secret,
    struct gpg_key *out, char why[static GPG_WHY_MAX]);
/*
 * The one public key in bytes, which are not imported yet. GPG_REFUSED: not
 * exactly one key, or a secret one among them.
 */
enum gpg_status gpg_look(const char *home, const uint8_t *bytes, size_t len, struct gpg_key *out,
    char why[static GPG_WHY_MAX]);
/* Take public keys in; those that are there stay. */
enum gpg_status gpg_import(
    const char *home, const uint8_t *bytes, size_t len, char why[static GPG_WHY_MAX]);
/* A public key, as small as it gets. */
enum gpg_status gpg_export(const char *home, const char *fingerprint, uint8_t *out, size_t cap,
    size_t *len, char why[static GPG_WHY_MAX]);
/* Make a pair, ed25519 and cv25519, without passphrase or end. */
enum gpg_status gpg_generate(
    const char *home, const char *user, struct gpg_key *out, char why[static GPG_WHY_MAX]);

/* 40 or 64 hexadecimal digits, in upper case. */
bool gpg_is_fingerprint(const char *text);

#endif
