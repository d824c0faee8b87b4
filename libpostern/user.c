#include "user.h"

#include <stdlib.h>
#include <string.h>

#include "knock.h"
#include "secret.h"

static bool is_code(const char *text)
{
	size_t len = strlen(text);

	return len >= CODE_MIN && len <= CODE_MAX && strspn(text, "0123456789") == len;
}

static bool is_pin(const char *text)
{
	size_t len = strlen(text);

	return len >= PIN_MIN && len <= PIN_MAX;
}

/* Asks once; what cannot be one is none. */
static bool ask(struct postern_knock *k, enum postern_secret what, char *out, size_t size)
{
	const struct postern *lib = k->lib;
	bool good = lib->ask && lib->ask(lib->ask_arg, what, k->profile->name, out, size) == 0;

	out[size - 1] = '\0';
	if (good)
		good = what == POSTERN_PIN ? is_pin(out) : is_code(out);
	if (!good)
		secret_wipe(out, size);
	return good;
}

int user_give(void *arg, uint8_t asked, struct answer *a, uint64_t *took_ns)
{
	struct postern_knock *k = arg;
	struct user_secrets *u = k->user;
	uint64_t begun = moment_now().mono_ns;
	bool good = true;

	if ((asked & ASKED_PIN) && u->pin[0] == '\0')
		good = ask(k, POSTERN_PIN, u->pin, sizeof(u->pin));
	if (good && (asked & ASKED_CODE) && u->code[0] == '\0')
		good = ask(k, POSTERN_CODE, u->code, sizeof(u->code));
	*took_ns = moment_now().mono_ns - begun;
	if (!good)
		return -1;
	if (asked & ASKED_PIN) {
		a->pin_len = (uint8_t)strlen(u->pin);
		memcpy(a->pin, u->pin, a->pin_len);
	}
	if (asked & ASKED_CODE) {
		memcpy(a->code, u->code, sizeof(a->code));
		k->pair.any = true; /* a code is good once, so for one family */
	}
	return 0;
}

void user_tell(void *arg, struct request *q)
{
	const struct postern_knock *k = arg;
	const struct user_secrets *u = k->user;

	if ((q->verb != VERB_OPEN && q->verb != VERB_RUN) ||
	    (u->code[0] == '\0' && u->pin[0] == '\0'))
		return;
	if (q->flags & REQUEST_REPLY) {
		q->flags |= REQUEST_CHALLENGE;
		return;
	}
	memcpy(q->code, u->code, sizeof(q->code));
	q->pin_len = (uint8_t)strlen(u->pin);
	memcpy(q->pin, u->pin, q->pin_len);
}

void postern_set_ask(struct postern *p,
    int (*ask_user)(
	void *arg, enum postern_secret what, const char *profile, char *out, size_t size),
    void *arg)
{
	p->ask = ask_user;
	p->ask_arg = arg;
}

static int keep(struct postern_knock *k, char *into, const char *text, const char *why)
{
	if (k->started)
		abort();
	library_begin(k->lib);
	if (why) {
		trouble_say(&k->lib->errors, "%s", why);
		return POSTERN_BAD_ARGUMENT;
	}
	memcpy(into, text, strlen(text) + 1);
	return POSTERN_OK;
}

int postern_knock_pin(struct postern_knock *k, const char *pin)
{
	return keep(k, k->user->pin, pin, is_pin(pin) ? NULL : "a PIN has 4 to 32 bytes");
}

int postern_knock_code(struct postern_knock *k, const char *code)
{
	return keep(
	    k, k->user->code, code, is_code(code) ? NULL : "a one-time code has 6 to 10 digits");
}
