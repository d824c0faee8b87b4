/* gpg_keyring - keys: found, looked at, taken in, handed out, made. */
#include <stdio.h>
#include <string.h>

#include "gpg_inside.h"

/* What an OpenPGP message has beside the numbers of its signature, and of its session key. */
enum {
	SIGNATURE_FRAME = 60,
	SESSION_FRAME = 16,
	CURVE_SIGNATURE = 68,
	CURVE_SESSION = 85,
	POINTS = 3, /* of an unknown kind: that many times its length */
};

static unsigned bytes_of(const struct _gpgme_subkey *s, bool sign)
{
	const unsigned frame = sign ? SIGNATURE_FRAME : SESSION_FRAME;

	switch (s->pubkey_algo) {
	case GPGME_PK_RSA:
	case GPGME_PK_RSA_E:
	case GPGME_PK_RSA_S:
		return frame + s->length / 8 + 2;
	case GPGME_PK_EDDSA:
		return frame + CURVE_SIGNATURE;
	case GPGME_PK_ECDH:
		return s->length > 256 ? frame + POINTS * s->length / 8 : frame + CURVE_SESSION;
	default:
		return frame + POINTS * s->length / 8;
	}
}

static void read_subkey(const struct _gpgme_subkey *s, struct gpg_key *out)
{
	unsigned bytes;

	if (s->revoked || s->expired || s->disabled || s->invalid)
		return;
	if (s->can_sign) {
		bytes = bytes_of(s, true);
		out->can_sign = true;
		out->sign_bytes = bytes > out->sign_bytes ? bytes : out->sign_bytes;
	}
	if (s->can_encrypt) {
		bytes = bytes_of(s, false);
		out->can_encrypt = true;
		out->encrypt_bytes = bytes > out->encrypt_bytes ? bytes : out->encrypt_bytes;
	}
}

static void read_user(const char *uid, char *out, size_t cap)
{
	size_t i = 0;

	for (; uid && uid[i] && i + 1 < cap; i++) {
		out[i] = uid[i];
		if (out[i] < ' ' || out[i] >= 0x7f)
			out[i] = '?';
	}
	out[i] = '\0';
}

/* False when it has no fingerprint that we could pin. */
static bool read_key(gpgme_key_t k, struct gpg_key *out)
{
	*out = (struct gpg_key){.can_sign = false};
	if (!k->fpr || !gpg_is_fingerprint(k->fpr))
		return false;
	(void)snprintf(out->fingerprint, sizeof(out->fingerprint), "%s", k->fpr);
	read_user(k->uids ? k->uids->uid : NULL, out->user, sizeof(out->user));
	if (k->revoked || k->expired || k->disabled || k->invalid)
		return true;
	for (const struct _gpgme_subkey *s = k->subkeys; s; s = s->next)
		read_subkey(s, out);
	return true;
}

static enum gpg_status no_such_key(
    char *why, const char *home, const char *fingerprint, bool secret)
{
	(void)snprintf(why, GPG_WHY_MAX, "%s: %s%s%s is not in this keyring", home,
	    secret ? "the secret half of " : "", fingerprint ? "the key " : "a key",
	    fingerprint ? fingerprint : "");
	return GPG_NO_KEY;
}

enum gpg_status gpg_find(const char *home, const char *fingerprint, bool secret,
    struct gpg_key *out, char why[static GPG_WHY_MAX])
{
	gpgme_ctx_t ctx = NULL;
	gpgme_key_t key = NULL;
	enum gpg_status status = GPG_FAILED;
	gpgme_error_t err = gpg_context(home, false, &ctx);

	if (!err)
		err = gpgme_op_keylist_start(ctx, fingerprint, secret);
	if (!err)
		err = gpgme_op_keylist_next(ctx, &key);
	if (!err && read_key(key, out) &&
	    (!fingerprint || strcmp(out->fingerprint, fingerprint) == 0))
		status = GPG_OK;
	else if (!err || gpgme_err_code(err) == GPG_ERR_EOF)
		status = no_such_key(why, home, fingerprint, secret);
	else
		gpg_say(why, home, err);
	gpgme_key_unref(key);
	gpgme_release(ctx);
	return status;
}

static enum gpg_status refuse(char *why, const char *what)
{
	(void)snprintf(why, GPG_WHY_MAX, "%s", what);
	return GPG_REFUSED;
}

/* Exactly one, and public. */
static enum gpg_status look(gpgme_ctx_t ctx, gpgme_data_t in, struct gpg_key *out, char *why)
{
	gpgme_key_t key = NULL, more = NULL;
	enum gpg_status status = GPG_OK;
	gpgme_error_t err = gpgme_op_keylist_from_data_start(ctx, in, 0);

	if (!err)
		err = gpgme_op_keylist_next(ctx, &key);
	if (err)
		status = refuse(why, "there is no OpenPGP key in it");
	else if (gpgme_op_keylist_next(ctx, &more) == 0)
		status = refuse(why, "there is more than one key in it: export the one alone");
	else if (key->secret)
		status = refuse(why, "that is a secret key: export the public one, gpg --export");
	else if (!read_key(key, out))
		status = refuse(why, "that kind of key is too old: make another");
	gpgme_key_unref(more);
	gpgme_key_unref(key);
	return status;
}

enum gpg_status gpg_look(const char *home, const uint8_t *bytes, size_t len, struct gpg_key *out,
    char why[static GPG_WHY_MAX])
{
	gpgme_ctx_t ctx = NULL;
	gpgme_data_t in = NULL;
	enum gpg_status status = GPG_FAILED;
	gpgme_error_t err = gpg_context(home, false, &ctx);

	if (!err)
		err = gpgme_data_new_from_mem(&in, (const char *)bytes, len, 0);
	if (err)
		gpg_say(why, home, err);
	else if (gpgme_data_identify(in, 0) == GPGME_DATA_TYPE_PGP_OTHER)
		status = refuse(why, "there is no public key in it: export it with gpg --export");
	else
		status = look(ctx, in, out, why);
	gpgme_data_release(in);
	gpgme_release(ctx);
	return status;
}

enum gpg_status gpg_import(
    const char *home, const uint8_t *bytes, size_t len, char why[static GPG_WHY_MAX])
{
	gpgme_ctx_t ctx = NULL;
	gpgme_data_t in = NULL;
	const struct _gpgme_op_import_result *r;
	gpgme_error_t err = gpg_context(home, false, &ctx);

	if (!err)
		err = gpgme_data_new_from_mem(&in, (const char *)bytes, len, 0);
	if (!err)
		err = gpgme_op_import(ctx, in);
	r = err ? NULL : gpgme_op_import_result(ctx);
	if (r && r->considered == 0)
		err = gpgme_error(GPG_ERR_NO_DATA);
	if (err)
		gpg_say(why, home, err);
	gpgme_data_release(in);
	gpgme_release(ctx);
	return err ? GPG_FAILED : GPG_OK;
}

enum gpg_status gpg_export(const char *home, const char *fingerprint, uint8_t *out, size_t cap,
    size_t *len, char why[static GPG_WHY_MAX])
{
	gpgme_ctx_t ctx = NULL;
	gpgme_data_t data = NULL;
	ssize_t n = 0;
	gpgme_error_t err = gpg_context(home, false, &ctx);

	*len = 0;
	if (!err)
		err = gpgme_data_new(&data);
	if (!err)
		err = gpgme_op_export(ctx, fingerprint, GPGME_EXPORT_MODE_MINIMAL, data);
	if (!err && gpgme_data_seek(data, 0, SEEK_SET) != 0)
		err = gpgme_error(GPG_ERR_GENERAL);
	while (!err && (n = gpgme_data_read(data, out + *len, cap - *len)) > 0)
		*len += (size_t)n;
	if (err)
		gpg_say(why, home, err);
	else if (*len == 0 || *len == cap)
		(void)snprintf(why, GPG_WHY_MAX, "%s: the key %s is %s", home, fingerprint,
		    *len == 0 ? "not in this keyring" : "too long");
	gpgme_data_release(data);
	gpgme_release(ctx);
	return err || *len == 0 || *len == cap ? GPG_FAILED : GPG_OK;
}

enum gpg_status gpg_generate(
    const char *home, const char *user, struct gpg_key *out, char why[static GPG_WHY_MAX])
{
	const unsigned flags = GPGME_CREATE_NOPASSWD | GPGME_CREATE_NOEXPIRE;
	gpgme_ctx_t ctx = NULL;
	gpgme_key_t key = NULL;
	const struct _gpgme_op_genkey_result *made;
	enum gpg_status status = GPG_FAILED;
	gpgme_error_t err = gpg_context(home, false, &ctx);

	if (!err)
		err = gpgme_op_createkey(ctx, user, "ed25519", 0, 0, NULL,
		    flags | GPGME_CREATE_SIGN | GPGME_CREATE_CERT);
	made = err ? NULL : gpgme_op_genkey_result(ctx);
	if (!err && (!made || !made->fpr))
		err = gpgme_error(GPG_ERR_GENERAL);
	if (!err)
		err = gpgme_get_key(ctx, made->fpr, &key, 1);
	if (!err)
		err = gpgme_op_createsubkey(ctx, key, "cv25519", 0, 0, flags | GPGME_CREATE_ENCR);
	if (err)
		gpg_say(why, home, err);
	else
		status = gpg_find(home, key->fpr, true, out, why);
	gpgme_key_unref(key);
	gpgme_release(ctx);
	return status;
}
