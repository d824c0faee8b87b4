#include "knocking.h"

#include <stdio.h>

#include "model.h"

enum { NAMED_MAX = 128 };

static int ask_services(struct knocking *k, const struct settings *s)
{
	const struct postern_service *service;
	int status = POSTERN_OK;

	for (unsigned i = 1; status == POSTERN_OK && i < s->operands; i++)
		status = postern_knock_service(k->knock, s->operand[i]);
	if (s->operands > 1)
		return status;
	for (size_t i = 0;
	     status == POSTERN_OK && (service = postern_profile_service(k->profile, i)); i++)
		status = postern_knock_service(k->knock, service->name);
	return status;
}

/* With the address named, it is the same door whichever family the knock goes over. */
static int ask_addresses(struct knocking *k, const struct settings *s, char named[static NAMED_MAX])
{
	int status = POSTERN_OK;

	if (s->addresses == 0)
		return POSTERN_OK;
	for (unsigned i = 0; status == POSTERN_OK && i < s->addresses; i++)
		status = postern_knock_admit(k->knock, s->address[i]);
	(void)snprintf(named, NAMED_MAX, "%s%s%s", s->address[0], s->addresses > 1 ? " and " : "",
	    s->addresses > 1 ? s->address[1] : "");
	k->named = named;
	return status == POSTERN_OK ? postern_knock_set(k->knock, POSTERN_ANY, 1) : status;
}

static int ask(struct knocking *k, const struct settings *s, char named[static NAMED_MAX])
{
	int status = ask_services(k, s);

	if (status == POSTERN_OK)
		status = ask_addresses(k, s, named);
	if (status == POSTERN_OK && s->has_hold)
		status = postern_knock_set(k->knock, POSTERN_HOLD_S, s->hold_s);
	if (status == POSTERN_OK && s->has_idle)
		status = postern_knock_set(k->knock, POSTERN_IDLE_S, s->idle_s);
	if (status == POSTERN_OK && s->single_use)
		status = postern_knock_set(k->knock, POSTERN_SINGLE_USE, 1);
	if (status == POSTERN_OK && s->has_source_port)
		status = postern_knock_set(k->knock, POSTERN_SOURCE_PORT, s->source_port);
	if (status == POSTERN_OK && s->strict)
		status = postern_knock_set(k->knock, POSTERN_STRICT, 1);
	return status;
}

int knocking_open(struct knocking *k, const struct settings *s, json_t *model)
{
	char named[NAMED_MAX];
	int status = knocking_load(k, s->operand[0], model);

	if (status == POSTERN_OK)
		status = knocking_make(k, s, POSTERN_OPEN, model);
	if (status != POSTERN_OK)
		return status;
	status = ask(k, s, named);
	if (status == POSTERN_OK)
		status = knocking_run(k, model);
	else
		(void)model_status(model, k->lib, status);
	k->named = NULL;
	return status;
}

int command_open(struct postern *p, const struct settings *s, json_t *model)
{
	struct knocking k = {.lib = p};
	int status = knocking_open(&k, s, model);

	knocking_end(&k);
	return status;
}
