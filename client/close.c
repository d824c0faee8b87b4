#include "knocking.h"

#include <inttypes.h>
#include <stdio.h>

#include "model.h"

enum { WHAT_MAX = 64, SESSIONS_MAX = 64, ROUNDS_MAX = 16, LIST_SURELY_WHOLE = 10 };

struct sessions {
	size_t len;
	uint64_t id[SESSIONS_MAX];
};

static void note_closed(json_t *closed, const char *what)
{
	(void)json_array_append_new(closed, model_text(what));
}

/* It is one door, whichever family the word comes over. */
static int set_close(struct knocking *k, const struct settings *s)
{
	int status = postern_knock_set(k->knock, POSTERN_ANY, 1);

	if (status == POSTERN_OK && s->kill)
		status = postern_knock_set(k->knock, POSTERN_CUT, 1);
	return status;
}

static int close_session(
    struct knocking *k, const struct settings *s, uint64_t session, json_t *model, json_t *closed)
{
	char what[WHAT_MAX];

	int status = knocking_make(k, s, POSTERN_CLOSE, model);
	if (status != POSTERN_OK)
		return status;
	status = postern_knock_session(k->knock, session);
	if (status == POSTERN_OK)
		status = set_close(k, s);
	if (status != POSTERN_OK)
		return model_status(model, k->lib, status);
	status = knocking_run(k, model);
	(void)snprintf(what, sizeof(what), "session %016" PRIx64, session);
	if (status == POSTERN_OK)
		note_closed(closed, what);
	return status;
}

/* All doors of one service, for whatever address: so the word need come over one family alone. */
static int close_service(struct knocking *k, const struct settings *s, const char *service,
    json_t *model, json_t *closed)
{
	int status = knocking_make(k, s, POSTERN_CLOSE, model);

	if (status != POSTERN_OK)
		return status;
	status = postern_knock_service(k->knock, service);
	if (status == POSTERN_OK)
		status = set_close(k, s);
	if (status != POSTERN_OK)
		return model_status(model, k->lib, status);
	status = knocking_run(k, model);
	if (status == POSTERN_OK)
		note_closed(closed, service);
	return status;
}

/* The i-th of the services that are named, or else of all that the profile has; NULL: there are no more. */
static const char *service_at(const struct knocking *k, const struct settings *s, size_t i)
{
	if (s->operands > 1)
		return i + 1 < s->operands ? s->operand[i + 1] : NULL;
	const struct postern_service *service = postern_profile_service(k->profile, i);
	return service ? service->name : NULL;
}

/*
 * One after the other. What goes wrong with one ends it, unless no answer was to come, or these are
 * the last words, of which each gets its part of the time. Returns the first status that is not OK.
 */
static int close_services(
    struct knocking *k, const struct settings *s, json_t *model, json_t *closed)
{
	int status = POSTERN_OK;
	size_t left = 0;

	while (service_at(k, s, left))
		left++;
	for (size_t i = 0; left > 0; i++, left--) {
		if (k->ending)
			ending_part(k->ending, left);
		const int one = close_service(k, s, service_at(k, s, i), model, closed);
		status = status == POSTERN_OK ? one : status;
		if (one != POSTERN_OK && !k->ending && !knocking_is_unconfirmed(k))
			break;
	}
	model_result(model, status);
	return status;
}

static int list_sessions(
    struct knocking *k, const struct settings *s, json_t *model, struct sessions *out)
{
	const struct postern_answer *a;

	out->len = 0;
	int status = knocking_make(k, s, POSTERN_LIST, model);
	if (status != POSTERN_OK)
		return status;
	status = postern_knock_set(k->knock, POSTERN_ANY, 1);
	if (status != POSTERN_OK)
		return model_status(model, k->lib, status);
	status = knocking_run(k, model);
	for (size_t i = 0; status == POSTERN_OK && (a = postern_knock_answer(k->knock, i)); i++) {
		if (a->status != POSTERN_OK)
			continue;
		for (size_t d = 0; d < a->doors && out->len < SESSIONS_MAX; d++)
			out->id[out->len++] = a->door[d].session;
		break;
	}
	return status;
}

/* Was it refused because it is not there any more? With a reason it is there. */
static bool is_gone(const struct knocking *k, int status)
{
	const struct postern_answer *a;

	for (size_t i = 0;
	     status == POSTERN_DENIED && k->knock && (a = postern_knock_answer(k->knock, i)); i++) {
		if (a->answered && a->verdict == POSTERN_VERDICT_DENIED && a->reason[0] == '\0')
			return true;
	}
	return false;
}

/* One of those that were listed. What has closed by itself meanwhile is closed. */
static int close_listed(
    struct knocking *k, const struct settings *s, uint64_t session, json_t *model, json_t *closed)
{
	const int status = close_session(k, s, session, model, closed);

	if (!is_gone(k, status))
		return status;
	(void)json_object_del(model, "error");
	model_result(model, POSTERN_OK);
	return POSTERN_OK;
}

/*
 * Each by its number: what is open is known to the server alone. A list that is
 * long may have been cut to fit its packet: then once more.
 */
static int close_all(struct knocking *k, const struct settings *s, json_t *model, json_t *closed)
{
	struct sessions sessions;
	int status = POSTERN_OK;

	for (int round = 0; status == POSTERN_OK && round < ROUNDS_MAX; round++) {
		status = list_sessions(k, s, model, &sessions);
		for (size_t i = 0; status == POSTERN_OK && i < sessions.len; i++)
			status = close_listed(k, s, sessions.id[i], model, closed);
		if (sessions.len < LIST_SURELY_WHOLE)
			break;
	}
	return status;
}

int knocking_close(struct knocking *k, const struct settings *s, json_t *model)
{
	json_t *closed = json_array();

	model_set(model, "closed", closed);
	int status = knocking_load(k, s->operand[0], model);
	return status == POSTERN_OK ? close_services(k, s, model, closed) : status;
}

int command_close(struct postern *p, const struct settings *s, json_t *model)
{
	struct knocking k = {.lib = p};
	json_t *closed = json_array();

	model_set(model, "closed", closed);
	if ((s->operands > 1) + s->has_session + s->all > 1)
		return model_error(model, POSTERN_BAD_ARGUMENT,
		    "close: name services, or a session, or say --all: one of these");
	int status = knocking_load(&k, s->operand[0], model);
	if (status == POSTERN_OK && s->has_session)
		status = close_session(&k, s, s->session, model, closed);
	else if (status == POSTERN_OK && s->operands > 1)
		status = close_services(&k, s, model, closed);
	else if (status == POSTERN_OK)
		status = close_all(&k, s, model, closed);
	knocking_end(&k);
	return status;
}
