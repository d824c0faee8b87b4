#include "openpgp_client.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "errors.h"
#include "gpg_work.h"
#include "request.h"
#include "secret.h"
#include "state.h"

enum {
	CHECK_MS = 15000,
	FRAME = 100, /* what else an OpenPGP message has around what it says */
	CHALLENGE_REPLY_MAX = 64,
};

/* ---- in the process that can be killed ---- */

/* What is asked; a copy of it is in the new process. */
struct question {
	struct gpg_keys keys;
	const struct openpgp_client *client;
	const uint8_t *bytes;
	size_t len;
};

static void do_seal(const void *arg, struct gpg_result *out)
{
	const struct question *q = arg;

	gpg_seal(&q->keys, q->bytes, q->len, out);
}

static void do_open(const void *arg, struct gpg_result *out)
{
	const struct question *q = arg;

	gpg_open(&q->keys, q->bytes, q->len, out);
}

/* Own key, then the server's. */
struct found {
	struct gpg_key own, server;
	size_t sealed; /* one byte, sealed */
};

/* The key that came with the profile is the one that the profile names, or it is left alone. */
static enum gpg_status take_server_key(const struct question *q, struct gpg_key *key, char *why)
{
	const struct openpgp_client *o = q->client;
	enum gpg_status status = gpg_find(q->keys.home, o->server, false, key, why);
	struct gpg_key came;

	if (status == GPG_OK || !o->block)
		return status;
	status = gpg_look(q->keys.home, o->block, o->block_len, &came, why);
	if (status != GPG_OK)
		return status;
	if (strcmp(came.fingerprint, o->server) != 0)
		return GPG_NO_KEY;
	status = gpg_import(q->keys.home, o->block, o->block_len, why);
	return status == GPG_OK ? gpg_find(q->keys.home, o->server, false, key, why) : status;
}

static void do_find(const void *arg, struct gpg_result *out)
{
	const struct question *q = arg;
	struct found f = {.sealed = 0};

	out->status = gpg_find(q->keys.home, q->client->own, true, &f.own, out->why);
	if (out->status == GPG_OK)
		out->status = take_server_key(q, &f.server, out->why);
	if (out->status != GPG_OK)
		return;
	memcpy(out->data, &f, sizeof(f));
	out->len = sizeof(f);
}

static void do_ready(const void *arg, struct gpg_result *out)
{
	const struct question *q = arg;
	struct found f;
	size_t sealed;

	do_find(arg, out);
	if (out->status != GPG_OK)
		return;
	memcpy(&f, out->data, sizeof(f));
	gpg_seal(&q->keys, (const uint8_t *)"", 1, out);
	if (out->status != GPG_OK)
		return;
	sealed = out->len;
	f.sealed = sealed;
	memcpy(out->data, &f, sizeof(f));
	out->len = sizeof(f);
}

/* ---- here ---- */

static struct question question_of(struct openpgp_client *o, const uint8_t *bytes, size_t len)
{
	return (struct question){
	    .keys = {.home = o->home, .own = o->own, .peer = o->server, .ask = true},
	    .client = o,
	    .bytes = bytes,
	    .len = len};
}

/* Returns a length, or an error of errors.h and why. */
static int work(
    struct openpgp_client *o, gpg_fn *fn, const struct question *q, uint8_t *out, size_t cap)
{
	struct gpg_result *r = calloc(1, sizeof(*r));
	int len;

	if (!r)
		abort();
	gpg_work_run(fn, q, GPG_PATIENCE_MS, r);
	if (r->status == GPG_OK && r->len <= cap) {
		memcpy(out, r->data, r->len);
		len = (int)r->len;
	} else if (r->status == GPG_OK) {
		len = -E_SHORT;
	} else {
		memcpy(o->why, r->why, sizeof(o->why));
		len = r->status == GPG_REFUSED ? -E_FORGED : -E_KEY;
	}
	secret_wipe(r, sizeof(*r));
	free(r);
	return len;
}

static int sign_encrypt(void *arg, const uint8_t *plain, size_t len, uint8_t *out, size_t cap)
{
	struct openpgp_client *o = arg;
	struct question q = question_of(o, plain, len);

	return work(o, do_seal, &q, out, cap);
}

/* The same message is tried against each request that is out: gpg looks at it once. */
static int decrypt_verify(void *arg, const uint8_t *message, size_t len, uint8_t *out, size_t cap)
{
	struct openpgp_client *o = arg;
	struct question q = question_of(o, message, len);
	uint8_t hash[PGP_HASH_BYTES];

	crypto_generichash(hash, sizeof(hash), message, len, NULL, 0);
	if (o->opened == 0 || memcmp(hash, o->last, sizeof(hash)) != 0) {
		/* Somebody who has the door key may send us many. */
		if (o->opened == OPENPGP_TRIES_MAX)
			return -E_FULL;
		o->opened++;
		memcpy(o->last, hash, sizeof(hash));
		o->last_len = work(o, do_open, &q, o->last_text, sizeof(o->last_text));
	}
	if (o->last_len > 0 && (size_t)o->last_len > cap)
		return -E_SHORT;
	if (o->last_len > 0)
		memcpy(out, o->last_text, (size_t)o->last_len);
	return o->last_len;
}

void openpgp_init(struct openpgp_client *o)
{
	*o = (struct openpgp_client){.ops = {sign_encrypt, decrypt_verify, o}};
}

void openpgp_free(struct openpgp_client *o)
{
	secret_wipe(o->last_text, sizeof(o->last_text));
	free(o->home);
	free(o->block);
	o->home = NULL;
	o->block = NULL;
}

static void advise(const struct openpgp_client *o, const char *profile, const struct gpg_result *r,
    struct trouble *t)
{
	if (r->status == GPG_NO_KEY && strstr(r->why, o->own))
		trouble_say(t,
		    "%s: %s: bring it there with 'gpg --export-secret-keys %s | gpg --homedir %s "
		    "--import', or name the keyring that has it in the profile: openpgp-home",
		    profile, r->why, o->own, o->home);
	else if (r->status == GPG_NO_KEY)
		trouble_say(t,
		    "%s: %s: it is the server's; ask its administrator for the file and run 'gpg "
		    "--homedir %s --import FILE'",
		    profile, r->why, o->home);
	else
		trouble_say(t, "%s: %s: OpenPGP does not work with the keyring %s", profile, r->why,
		    o->home);
}

static int check_found(
    const struct found *f, const struct openpgp_client *o, const char *profile, struct trouble *t)
{
	const struct gpg_key *bad = NULL;

	if (!f->own.can_sign || !f->own.can_encrypt)
		bad = &f->own;
	else if (!f->server.can_sign || !f->server.can_encrypt)
		bad = &f->server;
	if (!bad)
		return 0;
	trouble_say(t,
	    "%s: the key %s in %s cannot both sign and be encrypted to now: it has expired, was "
	    "revoked, or lacks a subkey",
	    profile, bad->fingerprint, o->home);
	return -1;
}

static int ask(struct openpgp_client *o, const char *profile, gpg_fn *fn, int timeout_ms,
    struct found *f, struct trouble *t)
{
	struct question q = question_of(o, NULL, 0);
	struct gpg_result *r;
	int status = -1;

	if (strlen(o->home) > GPG_HOME_MAX) {
		trouble_say(t,
		    "%s: the path of the keyring %s is longer than %d bytes, and gpg's agent takes "
		    "none so long: name another in the profile: openpgp-home",
		    profile, o->home, GPG_HOME_MAX);
		return -1;
	}
	if (state_make_folder(o->home) < 0) {
		trouble_say(
		    t, "%s: the keyring %s cannot be made: %s", profile, o->home, strerror(errno));
		return -1;
	}
	r = calloc(1, sizeof(*r));
	if (!r)
		abort();
	gpg_work_run(fn, &q, timeout_ms, r);
	if (r->status != GPG_OK || r->len != sizeof(*f)) {
		advise(o, profile, r, t);
	} else {
		memcpy(f, r->data, sizeof(*f));
		status = check_found(f, o, profile, t);
	}
	free(r);
	return status;
}

int openpgp_check(struct openpgp_client *o, const char *profile, struct trouble *t)
{
	struct found f;

	return ask(o, profile, do_find, CHECK_MS, &f, t);
}

int openpgp_ready(struct openpgp_client *o, const char *profile, struct trouble *t)
{
	struct found f;

	o->opened = 0;
	o->why[0] = '\0';
	if (ask(o, profile, do_ready, GPG_PATIENCE_MS, &f, t) < 0)
		return -1;
	o->request_extra = f.sealed - 1 + PGP_REQUEST_HEAD;
	o->challenge_most = f.server.sign_bytes + f.own.encrypt_bytes + FRAME + PGP_CHALLENGE_HEAD +
			    CHALLENGE_REPLY_MAX;
	return 0;
}
