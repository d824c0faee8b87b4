/* gpg - the two operations. */
#include "gpg.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gpg_inside.h"

void gpg_say(char why[static GPG_WHY_MAX], const char *what, gpgme_error_t err)
{
	(void)snprintf(why, GPG_WHY_MAX, "%s: %s", what, gpgme_strerror(err));
}

int gpg_start(char why[static GPG_WHY_MAX])
{
	gpgme_error_t err;

	if (!gpgme_check_version("1.14.0")) {
		(void)snprintf(why, GPG_WHY_MAX, "gpgme is older than 1.14");
		return -1;
	}
	err = gpgme_engine_check_version(GPGME_PROTOCOL_OpenPGP);
	if (err) {
		gpg_say(why, "gpg is not there or does not start; install the package gpg", err);
		return -1;
	}
	return 0;
}

bool gpg_is_fingerprint(const char *text)
{
	const size_t len = strlen(text);

	return (len == 40 || len == 64) && strspn(text, "0123456789ABCDEF") == len;
}

gpgme_error_t gpg_context(const char *home, bool ask, gpgme_ctx_t *out)
{
	gpgme_ctx_t ctx = NULL;
	gpgme_error_t err = gpgme_new(&ctx);

	if (!err)
		err = gpgme_set_protocol(ctx, GPGME_PROTOCOL_OpenPGP);
	if (!err)
		err = gpgme_ctx_set_engine_info(ctx, GPGME_PROTOCOL_OpenPGP, NULL, home);
	if (!err)
		err = gpgme_set_pinentry_mode(
		    ctx, ask ? GPGME_PINENTRY_MODE_DEFAULT : GPGME_PINENTRY_MODE_CANCEL);
	if (err) {
		gpgme_release(ctx);
		return err;
	}
	gpgme_set_offline(ctx, 1);
	*out = ctx;
	return 0;
}

/* --- where output goes: it is given up at the first byte too many --- */

struct sink {
	struct gpg_result *out;
	bool full;
};

static ssize_t sink_write(void *arg, const void *bytes, size_t len)
{
	struct sink *s = arg;

	if (len > GPG_DATA_MAX - s->out->len) {
		s->full = true;
		errno = EFBIG;
		return -1;
	}
	memcpy(s->out->data + s->out->len, bytes, len);
	s->out->len += len;
	return (ssize_t)len;
}

static struct gpgme_data_cbs sink_calls = {.write = sink_write};

static void finish(
    struct gpg_result *out, enum gpg_status status, const char *what, gpgme_error_t err)
{
	out->status = status;
	if (status == GPG_OK)
		return;
	out->len = 0;
	if (err)
		gpg_say(out->why, what, err);
	else
		(void)snprintf(out->why, sizeof(out->why), "%s", what);
}

/* --- sign and encrypt --- */

static bool is_usable(gpgme_key_t k)
{
	return !k->revoked && !k->expired && !k->disabled && !k->invalid;
}

static gpgme_error_t add_signer(gpgme_ctx_t ctx, const char *fingerprint)
{
	gpgme_key_t key = NULL;
	gpgme_error_t err = gpgme_get_key(ctx, fingerprint, &key, 1);

	if (!err)
		err = gpgme_signers_add(ctx, key);
	gpgme_key_unref(key);
	return err;
}

static enum gpg_status status_of(gpgme_error_t err)
{
	switch (gpgme_err_code(err)) {
	case GPG_ERR_UNUSABLE_PUBKEY:
	case GPG_ERR_UNUSABLE_SECKEY:
	case GPG_ERR_NO_SECKEY:
	case GPG_ERR_NO_PUBKEY:
	case GPG_ERR_INV_NAME:
	case GPG_ERR_AMBIGUOUS_NAME:
	case GPG_ERR_EOF: /* gpgme_get_key() found none */
		return GPG_NO_KEY;
	case GPG_ERR_CANCELED:
	case GPG_ERR_FULLY_CANCELED:
	case GPG_ERR_BAD_PASSPHRASE:
		return GPG_CANCELLED;
	default:
		return GPG_FAILED;
	}
}

static gpgme_error_t seal(
    gpgme_ctx_t ctx, gpgme_key_t peer, gpgme_data_t in, struct gpg_result *out)
{
	struct sink sink = {.out = out};
	gpgme_key_t to[] = {peer, NULL};
	gpgme_data_t data = NULL;
	gpgme_error_t err = gpgme_data_new_from_cbs(&data, &sink_calls, &sink);

	if (!err)
		err = gpgme_op_encrypt_sign(ctx, to,
		    GPGME_ENCRYPT_ALWAYS_TRUST | GPGME_ENCRYPT_NO_COMPRESS |
			GPGME_ENCRYPT_NO_ENCRYPT_TO,
		    in, data);
	gpgme_data_release(data);
	return err;
}

void gpg_seal(const struct gpg_keys *k, const uint8_t *plain, size_t len, struct gpg_result *out)
{
	gpgme_ctx_t ctx = NULL;
	gpgme_key_t peer = NULL;
	gpgme_data_t in = NULL;
	const char *what = "gpg cannot be started";
	gpgme_error_t err = gpg_context(k->home, k->ask, &ctx);

	out->len = 0;
	if (!err) {
		what = "the key to sign with cannot be used";
		err = k->own ? add_signer(ctx, k->own) : 0;
	}
	if (!err) {
		what = "the key to encrypt to cannot be used";
		err = gpgme_get_key(ctx, k->peer, &peer, 0);
	}
	if (!err && (strcmp(peer->fpr, k->peer) != 0 || !is_usable(peer)))
		err = gpgme_error(GPG_ERR_UNUSABLE_PUBKEY);
	if (!err) {
		what = "signing and encrypting failed";
		err = gpgme_data_new_from_mem(&in, (const char *)plain, len, 0);
	}
	if (!err)
		err = seal(ctx, peer, in, out);
	finish(out, err ? status_of(err) : GPG_OK, what, err);
	gpgme_data_release(in);
	gpgme_key_unref(peer);
	gpgme_release(ctx);
}

/* --- decrypt and verify --- */

static bool is_strong(gpgme_hash_algo_t hash)
{
	return hash == GPGME_MD_SHA256 || hash == GPGME_MD_SHA384 || hash == GPGME_MD_SHA512;
}

/* Encrypted to a key of ours, by what protects it against change. */
static bool was_sealed(gpgme_ctx_t ctx)
{
	const struct _gpgme_op_decrypt_result *d = gpgme_op_decrypt_result(ctx);

	return d && d->recipients && !d->unsupported_algorithm && !d->wrong_key_usage &&
	       !d->legacy_cipher_nomdc;
}

/* The signature's is that of a subkey: the pinned one is that of the primary it belongs to. */
static bool is_of(gpgme_ctx_t ctx, const struct _gpgme_signature *s, const char *peer)
{
	gpgme_key_t key = NULL;
	bool is = s->fpr && gpgme_get_key(ctx, s->fpr, &key, 0) == 0 && key->fpr &&
		  strcmp(key->fpr, peer) == 0 && is_usable(key);

	gpgme_key_unref(key);
	return is;
}

static const char *fault(gpgme_ctx_t ctx, const char *peer)
{
	const struct _gpgme_op_verify_result *v = gpgme_op_verify_result(ctx);
	const struct _gpgme_signature *s = v ? v->signatures : NULL;

	if (!was_sealed(ctx))
		return "it is not encrypted as it must be";
	if (!s || s->next)
		return s ? "it has more than one signature" : "it is not signed";
	if (gpgme_err_code(s->status) != GPG_ERR_NO_ERROR || s->wrong_key_usage)
		return "its signature is not valid";
	if (!is_strong(s->hash_algo))
		return "its signature is by a weak hash";
	return is_of(ctx, s, peer) ? NULL : "another key signed it";
}

void gpg_open(const struct gpg_keys *k, const uint8_t *message, size_t len, struct gpg_result *out)
{
	struct sink sink = {.out = out};
	gpgme_ctx_t ctx = NULL;
	gpgme_data_t in = NULL, data = NULL;
	gpgme_error_t err = gpg_context(k->home, k->ask, &ctx);
	const char *wrong;

	out->len = 0;
	if (!err)
		err = gpgme_data_new_from_mem(&in, (const char *)message, len, 0);
	if (!err)
		err = gpgme_data_new_from_cbs(&data, &sink_calls, &sink);
	if (err) {
		finish(out, GPG_FAILED, "gpg cannot be started", err);
		goto out;
	}
	err = gpgme_op_decrypt_verify(ctx, in, data);
	if (sink.full) {
		finish(out, GPG_REFUSED, "it holds more than it may", 0);
	} else if (err) {
		/* All but a person's no is the message's fault, as far as can be told. */
		finish(out, status_of(err) == GPG_CANCELLED ? GPG_CANCELLED : GPG_REFUSED,
		    "gpg does not take it", err);
	} else {
		wrong = fault(ctx, k->peer);
		finish(out, wrong ? GPG_REFUSED : GPG_OK, wrong, 0);
	}
out:
	gpgme_data_release(data);
	gpgme_data_release(in);
	gpgme_release(ctx);
}
