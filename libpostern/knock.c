#include "knock.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "folder.h"
#include "profile_keys.h"
#include "secret.h"

enum { HOLD_MAX_S = 366 * 86400 };

static int refuse(struct postern_knock *k, const char *what, const char *value)
{
	trouble_say(&k->lib->errors, "'%s': %s", value, what);
	return POSTERN_BAD_ARGUMENT;
}

/* ---- making one ---- */

int postern_knock_new(struct postern *p, struct postern_profile *profile, enum postern_verb verb,
    struct postern_knock **out)
{
	library_begin(p);
	*out = NULL;
	if (verb != POSTERN_OPEN && verb != POSTERN_CLOSE && verb != POSTERN_PING &&
	    verb != POSTERN_LIST && verb != POSTERN_RUN) {
		trouble_say(&p->errors, "there is no such verb: %d", (int)verb);
		return POSTERN_BAD_ARGUMENT;
	}
	struct postern_knock *k = calloc(1, sizeof(*k));
	if (!k) {
		trouble_say(&p->errors, "out of memory: end other programs and try again");
		return POSTERN_SYSTEM;
	}
	k->lib = p;
	k->user = secret_new(sizeof(*k->user));
	k->profile = profile;
	k->request.verb = (enum verb)verb;
	secret_random(&k->request.attempt, sizeof(k->request.attempt));
	k->request.flags = REQUEST_REPLY;
	k->retries = RETRIES_DEFAULT;
	k->family = AF_UNSPEC;
	k->state.fd = -1;
	*out = k;
	return POSTERN_OK;
}

static void close_sides(struct postern_knock *k)
{
	for (unsigned i = 0; i < k->sides; i++)
		side_close(&k->side[i]);
	state_close(&k->state);
	photos_free(k->photos);
	k->photos = NULL;
}

void postern_knock_free(struct postern_knock *k)
{
	if (!k)
		return;
	close_sides(k);
	secret_free(k->user);
	free(k);
}

/* Whatever is set after the start would be half in force: a caller's bug. */
static void must_be_new(const struct postern_knock *k)
{
	if (k->started)
		abort();
}

int postern_knock_service(struct postern_knock *k, const char *name)
{
	struct request *q = &k->request;

	must_be_new(k);
	library_begin(k->lib);
	if (q->verb != VERB_OPEN && q->verb != VERB_CLOSE)
		return refuse(k, "only open and close are about services", name);
	if (!name_is_valid(name))
		return refuse(
		    k, "is not a service's name (1 to 32 of a-z, 0-9, '-' and '_')", name);
	if (q->ports > 0 || q->has_session)
		return refuse(k, "services by name do not go with ports or a session", name);
	for (unsigned i = 0; i < q->services; i++) {
		if (strcmp(q->service[i], name) == 0)
			return POSTERN_OK;
	}
	if (q->verb == VERB_CLOSE && q->services == 1)
		return refuse(k, "is one too many: close takes one service at a time", name);
	if (q->services == SERVICES_MAX)
		return refuse(k, "is one too many: at most 8 services at once; name those", name);
	memcpy(q->service[q->services++], name, strlen(name) + 1);
	return POSTERN_OK;
}

int postern_knock_port(struct postern_knock *k, uint8_t protocol, uint16_t port)
{
	struct request *q = &k->request;

	must_be_new(k);
	library_begin(k->lib);
	if (q->verb != VERB_OPEN || q->services > 0 || q->ports == SERVICES_MAX || port == 0)
		return refuse(
		    k, "up to 8 ports, for open, and not beside services by name", "port");
	q->port[q->ports++] = (struct port){protocol, port};
	return POSTERN_OK;
}

int postern_knock_admit(struct postern_knock *k, const char *prefix)
{
	struct request *q = &k->request;
	struct prefix parsed;

	must_be_new(k);
	library_begin(k->lib);
	if (q->verb != VERB_OPEN)
		return refuse(k, "only open takes an address", prefix);
	if (prefix_parse(prefix, &parsed) < 0)
		return refuse(
		    k, "is not an address or prefix, like 192.0.2.7 or 2001:db8::/64", prefix);
	if (!address_is_admissible(&parsed.addr))
		return refuse(k, "is not an address that a door can be for", prefix);
	for (unsigned i = 0; i < q->admits; i++) {
		if (address_is_v4(&q->admit[i].addr) == address_is_v4(&parsed.addr))
			return refuse(
			    k, "is the second address of its family: name one a family", prefix);
	}
	/* One a family: there is room for it. */
	q->admit[q->admits++] = parsed;
	return POSTERN_OK;
}

int postern_knock_session(struct postern_knock *k, uint64_t session)
{
	must_be_new(k);
	library_begin(k->lib);
	if (k->request.verb != VERB_CLOSE || k->request.services > 0 || k->request.has_session)
		return refuse(k, "one session, for close, and not beside services", "session");
	k->request.has_session = true;
	k->request.session = session;
	return POSTERN_OK;
}

int postern_knock_command(struct postern_knock *k, const char *name)
{
	must_be_new(k);
	library_begin(k->lib);
	if (k->request.verb != VERB_RUN || k->request.command[0] != '\0')
		return refuse(k, "one command, and for run alone", name);
	if (!name_is_valid(name))
		return refuse(
		    k, "is not a command's name (1 to 32 of a-z, 0-9, '-' and '_')", name);
	memcpy(k->request.command, name, strlen(name) + 1);
	return POSTERN_OK;
}

int postern_knock_argument(struct postern_knock *k, const char *text)
{
	struct request *q = &k->request;

	must_be_new(k);
	library_begin(k->lib);
	if (q->verb != VERB_RUN || q->arguments == ARGUMENTS_MAX)
		return refuse(k, "up to 8 arguments, for run alone", text);
	if (text[0] == '\0' || strlen(text) > ARGUMENT_MAX)
		return refuse(k, "an argument has 1 to 128 bytes", text);
	memcpy(q->argument[q->arguments++], text, strlen(text) + 1);
	return POSTERN_OK;
}

static int set_idle(struct postern_knock *k, uint32_t value)
{
	if (k->request.verb != VERB_OPEN || value > HOLD_MAX_S)
		return refuse(k, "at most a year of seconds, for open", "idle");
	k->request.has_idle = true;
	k->request.idle_s = value;
	return POSTERN_OK;
}

static int set_single_use(struct postern_knock *k, bool on)
{
	if (k->request.verb != VERB_OPEN)
		return refuse(k, "only a door that is opened can be for one use", "single-use");
	k->request.single_use = on;
	return POSTERN_OK;
}

static int set_source_port(struct postern_knock *k, uint32_t value)
{
	if (k->request.verb != VERB_OPEN || value == 0 || value > UINT16_MAX)
		return refuse(k, "a port from 1 to 65535, for open", "source port");
	k->request.has_source_port = true;
	k->request.source_port = (uint16_t)value;
	return POSTERN_OK;
}

static int set_cut(struct postern_knock *k, bool on)
{
	if (k->request.verb != VERB_CLOSE)
		return refuse(k, "only close can end connections", "kill");
	k->request.flags &= (uint16_t)~REQUEST_CUT;
	if (on)
		k->request.flags |= REQUEST_CUT;
	return POSTERN_OK;
}

static int set_family(struct postern_knock *k, uint32_t value)
{
	if (value != AF_UNSPEC && value != AF_INET && value != AF_INET6)
		return refuse(k, "AF_INET, AF_INET6 or AF_UNSPEC", "family");
	k->family = (int)value;
	return POSTERN_OK;
}

static int set_hold(struct postern_knock *k, uint32_t value)
{
	if (k->request.verb != VERB_OPEN || value > HOLD_MAX_S)
		return refuse(k, "at most a year of seconds, for open", "hold");
	k->request.has_hold = true;
	k->request.hold_s = value;
	return POSTERN_OK;
}

static int set_retries(struct postern_knock *k, uint32_t value)
{
	if (value > POSTERN_RETRIES_MAX)
		return refuse(k, "at most 15", "retries");
	k->retries = value;
	return POSTERN_OK;
}

static int set_strict(struct postern_knock *k, bool on)
{
	if (k->request.verb != VERB_OPEN)
		return refuse(k, "only open can be strict", "strict");
	k->strict = on;
	k->request.flags &= (uint16_t)~REQUEST_STRICT;
	if (on)
		k->request.flags |= REQUEST_STRICT;
	return POSTERN_OK;
}

int postern_knock_set(struct postern_knock *k, enum postern_option option, uint32_t value)
{
	must_be_new(k);
	library_begin(k->lib);
	switch (option) {
	case POSTERN_FAMILY:
		return set_family(k, value);
	case POSTERN_HOLD_S:
		return set_hold(k, value);
	case POSTERN_RETRIES:
		return set_retries(k, value);
	case POSTERN_CHALLENGE:
		k->request.flags &= (uint16_t)~REQUEST_CHALLENGE;
		if (value)
			k->request.flags |= REQUEST_CHALLENGE;
		return POSTERN_OK;
	case POSTERN_STRICT:
		return set_strict(k, value != 0);
	case POSTERN_IDLE_S:
		return set_idle(k, value);
	case POSTERN_SINGLE_USE:
		return set_single_use(k, value != 0);
	case POSTERN_SOURCE_PORT:
		return set_source_port(k, value);
	case POSTERN_CUT:
		return set_cut(k, value != 0);
	case POSTERN_ANY:
		k->any = value != 0;
		return POSTERN_OK;
	}
	return refuse(k, "there is no such option", "option");
}

/* ---- running it ---- */

static int check_whole(struct postern_knock *k)
{
	const struct request *q = &k->request;

	if (q->verb == VERB_OPEN && q->services == 0 && q->ports == 0)
		return refuse(k, "needs a service or a port", "open");
	if (q->verb == VERB_CLOSE && q->services == 0 && !q->has_session)
		return refuse(k, "needs a service or a session", "close");
	if (q->verb == VERB_RUN && q->command[0] == '\0')
		return refuse(k, "needs a command", "run");
	return POSTERN_OK;
}

int postern_knock_start(struct postern_knock *k)
{
	const struct postern_profile *p = k->profile;

	must_be_new(k);
	library_begin(k->lib);
	k->started = true;
	k->ended = true;
	k->status = check_whole(k);
	if (k->status != POSTERN_OK)
		return k->status;
	k->status = POSTERN_BAD_ARGUMENT;
	if (profile_check_travel(p, p->name, &k->lib->errors) < 0 ||
	    lanes_choose(p, &k->request, &k->lanes, &k->lib->errors) < 0)
		return k->status;
	k->status = POSTERN_SYSTEM;
	if (state_open(&k->state, p->state_dir, p->name, p->cid, &k->lib->errors) < 0)
		return k->status;
	if (k->state.damaged)
		trouble_say(&k->lib->notes,
		    "%s/%s.state was damaged and is begun anew: the server may ask once more who "
		    "this is",
		    p->state_dir, p->name);
	if (p->envelope == &envelope_openpgp &&
	    openpgp_ready(&k->profile->openpgp, p->name, &k->lib->errors) < 0)
		return k->status;
	if (p->cover->has_picture) {
		k->photos = photos_new(p->photos, p->state_dir);
		if (!k->photos) {
			trouble_say(&k->lib->errors, "out of memory");
			return k->status;
		}
	}
	if (!sides_open(k))
		return k->status;
	k->ended = false;
	pair_begin(&k->pair, moment_now());
	return POSTERN_OK;
}

/*
 * The server hands its current door key to a client that used the one before.
 * What was used stays beside the new one until the new one was answered. That
 * it cannot be written is a note: the knock went well, the next one tries again.
 * Returns whether the profile's keys are others now.
 */
static bool keep_door_key(struct postern_knock *k, const struct exchange *x)
{
	static const uint8_t zeros[KEY_BYTES];
	struct postern_profile *p = k->profile;
	const struct reply *r = &x->reply;
	const uint8_t *used = p->secrets->door_key[x->reply_key];
	const uint8_t *current = p->secrets->door_key[DOOR_KEY_CURRENT];

	if (x->outcome != EXCHANGE_REPLIED)
		return false;
	if (!r->has_door_key)
		return p->has_former_key && folder_rekey(p, used, NULL, &k->lib->notes) == 0;
	if (secret_equal(r->door_key, current, KEY_BYTES) ||
	    secret_equal(r->door_key, zeros, KEY_BYTES) ||
	    folder_rekey(p, r->door_key, used, &k->lib->notes) < 0)
		return false;
	trouble_say(
	    &k->lib->notes, "%s: the server has a new door key; it is in the profile now", p->name);
	return true;
}

static int end(struct postern_knock *k)
{
	k->ended = true;
	for (unsigned i = 0; i < k->sides; i++)
		answer_fill(k, &k->side[i]);
	/* Once: the other side's word is about the keys as they were. */
	for (unsigned i = 0; i < k->sides; i++) {
		if (keep_door_key(k, k->side[i].exchange))
			break;
	}
	k->status = answer_conclude(k);
	for (unsigned i = 0; i < k->sides; i++)
		k->pair.side[i] = NULL;
	close_sides(k);
	return k->status;
}

int postern_knock_step(struct postern_knock *k)
{
	if (!k->started)
		abort();
	if (k->ended)
		return k->status;
	for (unsigned i = 0; i < k->sides; i++)
		side_receive(&k->side[i]);
	struct moment now = moment_now();
	pair_settle(&k->pair, now);
	for (unsigned i = 0; i < k->sides; i++)
		side_go_on(k, &k->side[i], now, pair_holds(&k->pair, i));
	for (unsigned i = 0; i < k->sides; i++)
		side_probe(k, &k->side[i], now);
	pair_settle(&k->pair, now);
	for (int i = pair_next(&k->pair, now); i >= 0; i = pair_next(&k->pair, now)) {
		side_send(k, &k->side[i], now);
		pair_settle(&k->pair, now);
	}
	return pair_done(&k->pair) ? end(k) : POSTERN_AGAIN;
}

static int timeout_until(uint64_t due_ns)
{
	uint64_t now_ns = moment_now().mono_ns;

	if (due_ns <= now_ns)
		return 0;
	uint64_t ms = (due_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

static uint64_t next_due(const struct postern_knock *k)
{
	uint64_t due = pair_due(&k->pair);

	for (unsigned i = 0; i < k->sides; i++) {
		uint64_t its = side_due(&k->side[i]);
		due = its < due ? its : due;
		its = k->side[i].probe.due_ns;
		due = its < due ? its : due;
	}
	return due;
}

static size_t gather(const struct path *p, struct pollfd *fds, size_t cap)
{
	return p->way ? p->way->sender->fds(p->way, fds, cap) : 0;
}

size_t postern_knock_poll(struct postern_knock *k, struct pollfd *fds, size_t cap, int *timeout_ms)
{
	size_t len = 0;

	*timeout_ms = k->ended ? 0 : timeout_until(next_due(k));
	for (unsigned i = 0; i < k->sides && !k->ended; i++) {
		const struct side *s = &k->side[i];
		for (unsigned n = 0; n < s->targets.len; n++) {
			size_t used = len < cap ? len : cap;
			len += gather(&s->path[n], fds + used, cap - used);
		}
		size_t used = len < cap ? len : cap;
		len += probe_fds(&s->probe, fds + used, cap - used);
	}
	return len;
}

int postern_knock_run(struct postern_knock *k)
{
	struct pollfd fds[POSTERN_POLL_MAX];
	int timeout_ms;

	int status = postern_knock_start(k);
	while (status == POSTERN_OK || status == POSTERN_AGAIN) {
		status = postern_knock_step(k);
		if (status != POSTERN_AGAIN)
			return status;
		size_t len = postern_knock_poll(k, fds, POSTERN_POLL_MAX, &timeout_ms);
		if (poll(fds, (nfds_t)len, timeout_ms) < 0 && errno != EINTR) {
			trouble_say(
			    &k->lib->errors, "cannot wait for the answer: %s", strerror(errno));
			return POSTERN_SYSTEM;
		}
	}
	return status;
}

/* ---- what came of it ---- */

size_t postern_knock_answers(const struct postern_knock *k)
{
	return k->ended ? k->sides : 0;
}

const struct postern_answer *postern_knock_answer(const struct postern_knock *k, size_t i)
{
	return i < postern_knock_answers(k) ? &k->side[i].answer : NULL;
}
