/* factors - see factors.h. */
#include "factors.h"

#include <liboath/oath.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "secret.h"

enum {
	DECIMAL = 10,
	KIB = 1024,
	SALT_TEXT = sodium_base64_ENCODED_LEN(PIN_SALT_BYTES, sodium_base64_VARIANT_ORIGINAL),
	STEPS_OFF = 1, /* how far a device's clock may be off, either side */
};

_Static_assert((int)PIN_SALT_BYTES == (int)crypto_pwhash_argon2id_SALTBYTES, "Argon2's salt");

/* A number of 1 to most and the colon behind it; *text is moved on. 0: that is none. */
static uint32_t read_number(const char **text, uint32_t most)
{
	uint32_t v = 0;

	for (; **text >= '0' && **text <= '9' && v <= most; (*text)++)
		v = DECIMAL * v + (uint32_t)(**text - '0');
	if (**text != ':' || v > most)
		return 0;
	(*text)++;
	return v;
}

/* --- PIN --- */

int pin_parse(const char *text, struct pin_check *out)
{
	char salt[SALT_TEXT];
	const char *colon;

	*out = (struct pin_check){.kib = read_number(&text, PIN_KIB_MAX)};
	if (out->kib < PIN_KIB_MIN)
		return -1;
	out->passes = (uint8_t)read_number(&text, PIN_PASSES_MAX);
	colon = strchr(text, ':');
	if (out->passes == 0 || colon == NULL || colon - text != SALT_TEXT - 1)
		return -1;
	memcpy(salt, text, SALT_TEXT - 1);
	salt[SALT_TEXT - 1] = '\0';
	return base64_decode(out->salt, sizeof(out->salt), salt) == 0 &&
		       base64_decode(out->hash, sizeof(out->hash), colon + 1) == 0
		   ? 0
		   : -1;
}

void pin_text(const struct pin_check *p, char out[static PIN_TEXT])
{
	char salt[SALT_TEXT], hash[BASE64_32];

	base64_encode(salt, sizeof(salt), p->salt, sizeof(p->salt));
	base64_encode(hash, sizeof(hash), p->hash, sizeof(p->hash));
	(void)snprintf(
	    out, PIN_TEXT, "%u:%u:%s:%s", (unsigned)p->kib, (unsigned)p->passes, salt, hash);
}

static int hash_pin(
    const struct pin_check *p, const uint8_t *pin, size_t len, uint8_t out[static PIN_HASH_BYTES])
{
	return crypto_pwhash_argon2id(out, PIN_HASH_BYTES, (const char *)pin, len, p->salt,
	    p->passes, (size_t)p->kib * KIB, crypto_pwhash_argon2id_ALG_ARGON2ID13);
}

int pin_make(const uint8_t *pin, size_t len, struct pin_check *out)
{
	*out = (struct pin_check){.kib = PIN_KIB, .passes = PIN_PASSES};
	secret_random(out->salt, sizeof(out->salt));
	return hash_pin(out, pin, len, out->hash);
}

bool pin_right(const struct pin_check *p, const uint8_t *pin, size_t len)
{
	uint8_t hash[PIN_HASH_BYTES];
	bool right = hash_pin(p, pin, len, hash) == 0 && secret_equal(hash, p->hash, sizeof(hash));

	secret_wipe(hash, sizeof(hash));
	return right;
}

/* --- one-time codes --- */

static void free_secret(char *bytes, size_t len)
{
	if (bytes == NULL)
		return;
	secret_wipe(bytes, len);
	free(bytes);
}

int code_parse(const char *text, struct code_check *out)
{
	const size_t len = strcspn(text, ":");
	char *secret = NULL;
	size_t secret_len = 0;
	int r = -1;

	*out = (struct code_check){.digits = CODE_DIGITS_MIN};
	if (text[len] == ':') {
		const char *digits = text + len + 1;

		if (digits[0] < '0' + CODE_DIGITS_MIN || digits[0] > '0' + CODE_DIGITS_MAX ||
		    digits[1] != '\0')
			return -1;
		out->digits = (uint8_t)(digits[0] - '0');
	}
	if (len > 0 && oath_init() == OATH_OK &&
	    oath_base32_decode(text, len, &secret, &secret_len) == OATH_OK &&
	    secret_len >= CODE_SECRET_MIN && secret_len <= CODE_SECRET_MAX) {
		out->secret_len = (uint8_t)secret_len;
		memcpy(out->secret, secret, secret_len);
		r = 0;
	}
	free_secret(secret, secret_len);
	return r;
}

void code_text(const struct code_check *k, char out[static CODE_TEXT])
{
	char *text = NULL;
	size_t len = 0;

	if (oath_base32_encode((const char *)k->secret, k->secret_len, &text, &len) != OATH_OK ||
	    len + sizeof(":8") > CODE_TEXT)
		abort();
	/* Apps want no padding. */
	(void)snprintf(out, CODE_TEXT, "%.*s", (int)strcspn(text, "="), text);
	free_secret(text, len);
	len = strlen(out);
	if (k->digits != CODE_DIGITS_MIN)
		(void)snprintf(out + len, CODE_TEXT - len, ":%u", (unsigned)k->digits);
}

void code_make(unsigned digits, struct code_check *out)
{
	*out = (struct code_check){.digits = (uint8_t)digits, .secret_len = CODE_SECRET_NEW};
	secret_random(out->secret, CODE_SECRET_NEW);
}

bool code_right(const struct code_check *k, const char *code, uint64_t now_s, uint64_t *used)
{
	const uint64_t now = now_s / CODE_STEP_S;
	char want[CODE_DIGITS_MAX + 1];
	uint64_t found = 0;

	if (strlen(code) != k->digits || now < STEPS_OFF)
		return false;
	/* All of them, so that time does not tell which it was. */
	for (uint64_t step = now - STEPS_OFF; step <= now + STEPS_OFF; step++) {
		if (oath_hotp_generate((const char *)k->secret, k->secret_len, step, k->digits,
			false, OATH_HOTP_DYNAMIC_TRUNCATION, want) == OATH_OK &&
		    secret_equal(want, code, k->digits) && step > *used)
			found = step;
	}
	secret_wipe(want, sizeof(want));
	if (found == 0)
		return false;
	*used = found;
	return true;
}
