/*
 * factors - what a client's user must know or have beside its keys, as the
 * clients file keeps it: a PIN (its Argon2id hash) and one-time codes (RFC 6238).
 *
 *   pin=KIB:PASSES:SALT:HASH   16 and 32 bytes in base64
 *   totp=SECRET[:DIGITS]       base32; 6 to 8 digits, 6 if not given
 */
#ifndef POSTERN_CONFIG_FACTORS_H
#define POSTERN_CONFIG_FACTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	PIN_LEN_MIN = 4,
	PIN_LEN_MAX = 32,
	PIN_SALT_BYTES = 16,
	PIN_HASH_BYTES = 32,
	/* What a new PIN costs whoever checks or guesses it. */
	PIN_KIB = 4096,
	PIN_PASSES = 3,
	/* The auth process does nothing else meanwhile. */
	PIN_KIB_MIN = 64,
	PIN_KIB_MAX = 65536,
	PIN_PASSES_MAX = 10,
	PIN_TEXT = 96,
	CODE_SECRET_MIN = 10,
	CODE_SECRET_NEW = 20, /* as long as SHA-1's output: RFC 4226, section 4 */
	CODE_SECRET_MAX = 32,
	CODE_DIGITS_MIN = 6,
	CODE_DIGITS_MAX = 8,
	CODE_STEP_S = 30,
	CODE_TEXT = 64,
};

/* All zeros: there is none. */
struct pin_check {
	uint32_t kib; /* memory */
	uint8_t passes;
	uint8_t salt[PIN_SALT_BYTES];
	uint8_t hash[PIN_HASH_BYTES];
};

struct code_check {
	uint8_t digits;
	uint8_t secret_len;
	uint8_t secret[CODE_SECRET_MAX];
};

/* To and from text. text is borrowed; those that return int: 0 or -1. */
int pin_parse(const char *text, struct pin_check *out) __attribute__((warn_unused_result));
void pin_text(const struct pin_check *p, char out[static PIN_TEXT]);
int code_parse(const char *text, struct code_check *out) __attribute__((warn_unused_result));
void code_text(const struct code_check *k, char out[static CODE_TEXT]);

/* New ones; code_make() aborts without memory, pin_make() returns -1. */
int pin_make(const uint8_t *pin, size_t len, struct pin_check *out)
    __attribute__((warn_unused_result));
void code_make(unsigned digits, struct code_check *out);

/*
 * Is it this one? Takes p->kib of memory for the time of the call, and about p->kib * p->passes
 * microseconds. Without that memory no PIN is right.
 */
bool pin_right(const struct pin_check *p, const uint8_t *pin, size_t len);

/*
 * Is it a code of now_s (since 1970), or of one step before or after? Only one of a step newer
 * than *used is; *used is then that step, so that no code is right twice.
 */
bool code_right(const struct code_check *k, const char *code, uint64_t now_s, uint64_t *used);

#endif
