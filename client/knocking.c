#include "knocking.h"

#include <errno.h>
#include <string.h>

#include "ask.h"
#include "model.h"

int knocking_load(struct knocking *k, const char *profile, json_t *model)
{
	int status = postern_profile_load(k->lib, profile, &k->profile);
	if (status != POSTERN_OK) {
		model_set(model, "profile", model_text(profile));
		return model_status(model, k->lib, status);
	}
	model_set(model, "profile", model_text(postern_profile_name(k->profile)));
	return POSTERN_OK;
}

static int set_common(struct postern_knock *knock, const struct settings *s)
{
	int status = postern_knock_set(knock, POSTERN_FAMILY, (uint32_t)s->family);

	if (status == POSTERN_OK && s->has_retries)
		status = postern_knock_set(knock, POSTERN_RETRIES, s->retries);
	if (status == POSTERN_OK && s->challenge)
		status = postern_knock_set(knock, POSTERN_CHALLENGE, 1);
	return status;
}

static int set_travel(struct postern_profile *profile, const struct settings *s)
{
	static const char *const key[TRAVELS] = {[TRAVEL_PRESET] = "preset",
	    [TRAVEL_CARRIER] = "carrier",
	    [TRAVEL_COVER] = "cover",
	    [TRAVEL_ENVELOPE] = "envelope",
	    [TRAVEL_VIA] = "via",
	    [TRAVEL_PIECES] = "sequence-pieces",
	    [TRAVEL_DUMMIES] = "dummies",
	    [TRAVEL_GAP] = "gap",
	    [TRAVEL_CONFIRM] = "confirm"};
	int status = POSTERN_OK;

	for (int i = 0; i < TRAVELS && status == POSTERN_OK; i++) {
		if (s->travel[i])
			status = postern_profile_set(profile, key[i], s->travel[i]);
	}
	return status;
}

int knocking_read_pin(const struct settings *s, char pin[static PIN_LINE], json_t *model)
{
	if (ask_file(s->pin_file, pin, PIN_LINE) == 0)
		return POSTERN_OK;
	const int why = errno;
	explicit_bzero(pin, PIN_LINE);
	return model_error(model, POSTERN_BAD_ARGUMENT, "--pin-file: %s: no PIN can be read (%s)",
	    s->pin_file, why == 0 ? "it is empty" : strerror(why));
}

/* What the person said beforehand. */
static int set_user(struct knocking *k, const struct settings *s, json_t *model)
{
	char pin[PIN_LINE] = "";
	int status = POSTERN_OK;

	if (s->code)
		status = postern_knock_code(k->knock, s->code);
	if (status == POSTERN_OK && s->pin)
		status = postern_knock_pin(k->knock, s->pin);
	if (status != POSTERN_OK || !s->pin_file)
		return status == POSTERN_OK ? status : model_status(model, k->lib, status);
	status = knocking_read_pin(s, pin, model);
	if (status != POSTERN_OK)
		return status;
	status = postern_knock_pin(k->knock, pin);
	explicit_bzero(pin, sizeof(pin));
	return status == POSTERN_OK ? status : model_status(model, k->lib, status);
}

int knocking_make(
    struct knocking *k, const struct settings *s, enum postern_verb verb, json_t *model)
{
	postern_knock_free(k->knock);
	k->knock = NULL;
	int status = set_travel(k->profile, s);
	if (status == POSTERN_OK)
		status = postern_knock_new(k->lib, k->profile, verb, &k->knock);
	if (status == POSTERN_OK)
		status = set_common(k->knock, s);
	if (status != POSTERN_OK)
		return model_status(model, k->lib, status);
	/* Nothing else asks for a person; and a file that can be read but once has it once. */
	return verb == POSTERN_OPEN || verb == POSTERN_RUN ? set_user(k, s, model) : POSTERN_OK;
}

int knocking_run(struct knocking *k, json_t *model)
{
	const struct postern_answer *a;
	json_t *answers = json_array();

	int status = k->ending ? ending_run(k->ending, k->knock) : postern_knock_run(k->knock);
	for (size_t i = 0; (a = postern_knock_answer(k->knock, i)); i++)
		(void)json_array_append_new(answers, model_answer(a, k->named));
	model_set(model, "answers", answers);
	return model_status(model, k->lib, status);
}

bool knocking_is_unconfirmed(const struct knocking *k)
{
	const struct postern_answer *a;

	for (size_t i = 0; k->knock && (a = postern_knock_answer(k->knock, i)); i++) {
		if (a->unconfirmed)
			return true;
	}
	return false;
}

void knocking_end(struct knocking *k)
{
	postern_knock_free(k->knock);
	postern_profile_free(k->profile);
	k->knock = NULL;
	k->profile = NULL;
}
