/*
 * answer - what became of a knock: for a program, and in a sentence for a person.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "knock.h"

/*
 * By its port; or, where that is random or there is none, by its place: the doors are in the order of the services
 * that were named, each for every address. A list has no such order, and one name at most that can be.
 */
static const char *name_of(
    const struct postern_profile *p, const struct request *q, const struct reply *r, unsigned i)
{
	const unsigned admits = q->admits > 0 ? q->admits : 1;
	const struct port *port = &r->door[i].port;
	const char *name =
	    port->number != 0 ? profile_service_name(p, port->proto, port->number) : NULL;
	const struct postern_service *s = NULL;

	if (name)
		return name;
	if (q->verb == VERB_OPEN && i / admits < q->services)
		s = profile_service(p, q->service[i / admits]);
	else if (q->verb != VERB_OPEN)
		s = profile_only_random(p, port->proto);
	return s && s->port == 0 && s->protocol == port->proto ? s->name : NULL;
}

static void fill_reply(const struct postern_profile *p, const struct request *q, struct side *s)
{
	const struct reply *r = &s->exchange->reply;
	struct postern_answer *a = &s->answer;

	a->answered = true;
	a->verdict = (enum postern_verdict)r->verdict;
	memcpy(s->reason, r->reason, sizeof(s->reason));
	a->reason = s->reason;
	a->exit_status = r->has_exit_status ? r->exit_status : -1;
	memcpy(s->output, r->output, r->output_len);
	a->output = s->output;
	a->output_len = r->output_len;
	a->idle_s = r->idle_s;
	a->doors = r->doors;
	a->door = s->door;
	for (unsigned i = 0; i < r->doors; i++) {
		const struct door *d = &r->door[i];
		s->door[i] = (struct postern_door){.service = name_of(p, q, r, i),
		    .protocol = d->port.proto,
		    .port = d->port.number,
		    .seconds = d->seconds,
		    .session = d->session};
	}
}

static enum postern_status status_of(const struct exchange *x)
{
	switch (x->outcome) {
	case EXCHANGE_REPLIED:
		return exchange_granted(x) ? POSTERN_OK : POSTERN_DENIED;
	case EXCHANGE_TESTED:
		return POSTERN_OK;
	case EXCHANGE_ASKED:
	case EXCHANGE_STRANGE:
		return POSTERN_DENIED;
	case EXCHANGE_FAILED:
		return POSTERN_SYSTEM;
	case EXCHANGE_STOPPED:
		return POSTERN_AGAIN;
	case EXCHANGE_NONE:
	case EXCHANGE_SILENCE:
		return POSTERN_NO_ANSWER;
	}
	return POSTERN_NO_ANSWER;
}

/* That the last carrier cannot be used from here is the smaller part of it when others were silent. */
static enum postern_status status_of_all(const struct side *s)
{
	enum postern_status status = status_of(s->exchange);

	for (unsigned i = 0; i < s->tries && status == POSTERN_SYSTEM; i++) {
		if (s->tried[i].error.number == 0)
			status = POSTERN_NO_ANSWER;
	}
	return status;
}

void answer_fill(const struct postern_knock *k, struct side *s)
{
	const struct exchange *x = s->exchange;
	struct postern_answer *a = &s->answer;
	const struct target *target = &s->server.at[s->heard ? s->current : 0];
	bool used = s->heard || x->outcome == EXCHANGE_TESTED;
	const struct path *path = &s->path[used ? s->current : 0];
	char seen[ADDRESS_TEXT];

	*a = (struct postern_answer){.family = s->server.family,
	    .status = status_of_all(s),
	    .challenged = x->challenged,
	    .sent = x->sent,
	    .clock_ahead_ns = x->clock_ahead_ns,
	    .round_trip_ns = x->round_trip_ns,
	    .reason = "",
	    .output = "",
	    .exit_status = -1};
	a->carrier = x->sender->name;
	a->tested = x->outcome == EXCHANGE_TESTED;
	a->unconfirmed = x->outcome == EXCHANGE_SILENCE && x->sent > 0 &&
			 !k->lanes.at[s->lane].answers && knock_door(k) == 0;
	memcpy(a->server, target->text, sizeof(a->server));
	memcpy(a->local, path->local, sizeof(a->local));
	if (x->reply.has_address_seen) {
		address_text(&x->reply.address_seen, seen);
		memcpy(a->seen, seen, strlen(seen) + 1);
	}
	if (x->outcome == EXCHANGE_REPLIED)
		fill_reply(k->profile, &k->request, s);
}

static const char *advice(enum verdict v)
{
	switch (v) {
	case VERDICT_OK:
	case VERDICT_REFRESHED:
		return "granted";
	case VERDICT_CHALLENGE:
		return "asks who this is";
	case VERDICT_DENIED:
		return "refuses: this client may not do that; ask the server's administrator";
	case VERDICT_MALFORMED:
		return "cannot make sense of the request: update postern, here or there";
	case VERDICT_UNKNOWN_FIELD:
		return "is older than this program and does not know a part of the request: ask "
		       "for "
		       "less, or have it updated";
	case VERDICT_CODE_OR_PIN:
		return "refuses: the PIN or the one-time code is wrong, or the code was used "
		       "before";
	case VERDICT_ADDRESS:
		return "does not open for this address: knock from another, or ask the server's "
		       "administrator";
	case VERDICT_QUOTA:
		return "has no room for another door: close one with 'postern close', or wait "
		       "until one closes";
	case VERDICT_BUSY:
		return "is busy: try again in a moment";
	case VERDICT_RESULT_UNKNOWN:
		return "was interrupted and does not know whether it was done: look with 'postern "
		       "list'";
	case VERDICT_FIREWALL:
		return "could not change its firewall: its log says why; tell its administrator";
	case VERDICT_COMMAND:
		return "ran the command, and it failed";
	case VERDICT_EXPIRED:
		return "says that this client has expired or was disabled: ask its administrator";
	}
	return "says something that this program does not know";
}

/* Of a session nothing can be refused but that it is not there: another client's is not told apart. */
static const char *advice_for(const struct request *q, const struct reply *r)
{
	if (r->verdict != VERDICT_DENIED)
		return advice(r->verdict);
	if (r->reason[0] != '\0')
		return "refuses: ask for it as it says, or ask its administrator";
	return q->has_session ? "has no such door of this client open, or no more: 'postern list' "
				"has those that are"
			      : advice(r->verdict);
}

/* The server does not tell a name that was mistyped from one that is forbidden, and counts both against the client. */
static void note_strange_names(struct postern_knock *k)
{
	const struct request *q = &k->request;
	bool denied = false;

	for (unsigned i = 0; i < k->sides; i++) {
		const struct exchange *x = k->side[i].exchange;

		denied = denied || (x->outcome == EXCHANGE_REPLIED &&
				       x->reply.verdict == VERDICT_DENIED && !x->reply.reason[0]);
	}
	for (unsigned i = 0; denied && i < q->services; i++) {
		if (!profile_service(k->profile, q->service[i]))
			trouble_say(&k->lib->notes,
			    "%s: '%s' is none of the services that this profile lists: 'postern "
			    "profiles' shows those",
			    k->profile->name, q->service[i]);
	}
}

/* A sentence while it is put together; cut when it is full. */
struct sentence {
	size_t len;
	char text[TROUBLE_LINE];
};

static void add(struct sentence *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct sentence *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int n = vsnprintf(s->text + s->len, sizeof(s->text) - s->len, format, args);
	va_end(args);
	if (n > 0)
		s->len =
		    s->len + (size_t)n < sizeof(s->text) ? s->len + (size_t)n : sizeof(s->text) - 1;
}

static void add_carrier(
    struct sentence *out, const struct postern_profile *p, const struct sender *s)
{
	add(out, "%s", s->name);
	if (s->id == CARRIER_UDP)
		add(out, " port %u", (unsigned)p->settings.udp_port);
	else if (s->id == CARRIER_TCP)
		add(out, " port %u", (unsigned)p->settings.tcp_port);
}

static void add_tried(struct sentence *out, const struct postern_profile *p, const struct tried *t)
{
	add_carrier(out, p, t->sender);
	if (t->error.number == 0)
		add(out, ": silent after %u packets", t->sent);
	else
		add(out, ": %s%s%s", strerror(t->error.number), t->error.what[0] ? ", " : "",
		    t->error.what);
}

/* What came of the carrier that was the last. */
static struct tried last_tried(const struct side *s)
{
	const struct exchange *x = s->exchange;
	struct tried t = {.sender = x->sender, .sent = x->sent - s->sent_before};

	if (x->outcome == EXCHANGE_FAILED) {
		t.error = s->path[s->current].error;
		t.error.number = t.error.number ? t.error.number : x->error;
	}
	return t;
}

static const char check[] =
    "check the network, and with the server's administrator whether it runs and still knows this "
    "client";

/* More than one carrier was tried. */
static void tell_all(struct postern_knock *k, const struct side *s)
{
	const struct postern_profile *p = k->profile;
	struct tried last = last_tried(s);
	struct sentence out = {.len = 0};

	add(&out, "%s: no answer from %s by any carrier (", p->name, s->answer.server);
	for (unsigned i = 0; i < s->tries; i++) {
		add_tried(&out, p, &s->tried[i]);
		add(&out, "; ");
	}
	add_tried(&out, p, &last);
	trouble_say(&k->lib->errors, "%s): %s", out.text, check);
}

static bool asks_random(const struct postern_profile *p, const struct request *q)
{
	for (unsigned i = 0; i < q->services; i++) {
		const struct postern_service *s = profile_service(p, q->service[i]);

		if (s && s->port == 0 && s->protocol != 0)
			return true;
	}
	return false;
}

static bool asks_trap(const struct postern_profile *p, const struct request *q)
{
	for (unsigned i = 0; i < q->services; i++) {
		const struct postern_service *s = profile_service(p, q->service[i]);

		if (s && s->port != 0 && profile_has_trap(p, s->port))
			return true;
	}
	for (unsigned i = 0; i < q->ports; i++) {
		if (q->port[i].proto == IPPROTO_TCP && profile_has_trap(p, q->port[i].number))
			return true;
	}
	return false;
}

/* Nothing was to come back; what the door said that was tried, or why none was. */
static void tell_unheard(struct postern_knock *k, const struct side *s)
{
	const struct postern_profile *p = k->profile;
	const struct way *w = s->path[s->current].way;
	const char *name = s->exchange->sender->name, *note = w ? w->note : "";
	uint16_t port = knock_door(k);

	if (k->request.verb != VERB_OPEN)
		trouble_say(&k->lib->errors,
		    "%s: sent to %s by %s, which brings no answer back: knock in a way that brings "
		    "one, if you want to know what came of it",
		    p->name, s->answer.server, name);
	else if (port != 0)
		trouble_say(&k->lib->errors,
		    "%s: sent by %s, which brings no answer back, but %s port %u stays closed to "
		    "this host%s%s: see whether the address named is this host's; knock once by "
		    "a carrier that brings an answer, in case the server first asks who this is; "
		    "or ask its administrator whether this client may do that",
		    p->name, name, s->answer.server, (unsigned)port,
		    note[0] ? "; the web server said: " : "", note);
	else if (asks_random(p, &k->request))
		trouble_say(&k->lib->errors,
		    "%s: sent to %s by %s, which brings no answer back, and only that tells which "
		    "port is open: knock in a way that brings one (see CARRIERS and --confirm)",
		    p->name, s->answer.server, name);
	else if (k->request.single_use || k->request.has_source_port)
		trouble_say(&k->lib->errors,
		    "%s: sent to %s by %s, which brings no answer back, and a door for one use or "
		    "one port is not tried for you: try the service itself",
		    p->name, s->answer.server, name);
	else if (knock_met_trap(k))
		trouble_say(&k->lib->errors,
		    "%s: sent to %s by %s, which brings no answer back, and what takes connections "
		    "there resets them or has no room, like a trap where no door is open: knock in "
		    "a way that brings an answer, or try the service itself",
		    p->name, s->answer.server, name);
	else if (asks_trap(p, &k->request))
		trouble_say(&k->lib->errors,
		    "%s: sent to %s by %s, which brings no answer back, and where a trap takes "
		    "connections without a door, the door is not tried for you: try the service "
		    "itself",
		    p->name, s->answer.server, name);
	else
		trouble_say(&k->lib->errors,
		    "%s: sent to %s by %s, which brings no answer back; only a TCP service shows "
		    "from here whether its door is open: try the service itself",
		    p->name, s->answer.server, name);
}

static void tell_silence(struct postern_knock *k, const struct side *s)
{
	const struct postern_profile *p = k->profile;
	struct sentence by = {.len = 0};

	if (s->tries > 0) {
		tell_all(k, s);
		return;
	}
	if (!k->lanes.at[s->lane].answers) {
		tell_unheard(k, s);
		return;
	}
	add_carrier(&by, p, s->exchange->sender);
	trouble_say(&k->lib->errors, "%s: no answer from %s (%s) after %u packets: %s", p->name,
	    s->answer.server, by.text, s->exchange->sent, check);
}

/* What failed before anything was sent. Returns whether it was OpenPGP's. */
static bool tell_openpgp(
    const struct postern_profile *p, const struct exchange *x, struct trouble *t)
{
	if (p->envelope != &envelope_openpgp)
		return false;
	if (x->error == EKEYREJECTED)
		trouble_say(t, "%s: OpenPGP: %s (keyring %s)", p->name,
		    p->openpgp.why[0] ? p->openpgp.why : "a key is refused", p->openpgp.home);
	else if (x->error == EMSGSIZE)
		trouble_say(t,
		    "%s: signed and encrypted with these OpenPGP keys the request is longer than "
		    "the %zu bytes that %s has room for: use ed25519 and cv25519 keys, or ask for "
		    "less",
		    p->name, x->sender->room, x->sender->name);
	else
		return false;
	return true;
}

static void tell_failure(struct postern_knock *k, const struct side *s)
{
	const struct exchange *x = s->exchange;
	const char *why = s->path[s->current].error.what;

	if (tell_openpgp(k->profile, x, &k->lib->errors))
		return;
	if (k->photos && x->error == ENODATA)
		return; /* photos_take() has said it */
	if (s->tries > 0)
		tell_all(k, s);
	else
		trouble_say(&k->lib->errors, "%s: cannot knock at %s by %s: %s: %s",
		    k->profile->name, s->answer.server, x->sender->name, strerror(x->error),
		    why[0] ? why : "check the network and the disk");
}

static void tell(struct postern_knock *k, const struct side *s)
{
	const struct exchange *x = s->exchange;
	const struct postern_profile *p = k->profile;
	const struct postern_answer *a = &s->answer;
	struct trouble *t = &k->lib->errors;

	switch (x->outcome) {
	case EXCHANGE_REPLIED:
		if (x->reply.reason[0])
			trouble_say(t, "%s: %s %s (it says: %s)", p->name, a->server,
			    advice_for(&k->request, &x->reply), x->reply.reason);
		else
			trouble_say(
			    t, "%s: %s %s", p->name, a->server, advice_for(&k->request, &x->reply));
		break;
	case EXCHANGE_ASKED:
		trouble_say(t,
		    "%s: %s asks for %s, and nobody said it: give it, or knock where it can be "
		    "asked for",
		    p->name, a->server,
		    x->reply.asked == ASKED_PIN	   ? "a PIN"
		    : x->reply.asked == ASKED_CODE ? "a one-time code"
						   : "a PIN and a one-time code");
		break;
	case EXCHANGE_STRANGE:
		trouble_say(t,
		    "%s: %s sees %s, but this is sent from %s: there is a NAT, or somebody, in "
		    "between; without --strict it goes through",
		    p->name, a->server, a->seen, a->local);
		break;
	case EXCHANGE_FAILED:
		tell_failure(k, s);
		break;
	case EXCHANGE_TESTED:
	case EXCHANGE_STOPPED: /* of what stopped it, the other family tells */
		break;
	case EXCHANGE_NONE:
	case EXCHANGE_SILENCE:
		tell_silence(k, s);
		break;
	}
}

int answer_conclude(struct postern_knock *k)
{
	static const enum postern_status order[] = {
	    POSTERN_OK, POSTERN_DENIED, POSTERN_NO_ANSWER, POSTERN_SYSTEM};
	enum postern_status best = POSTERN_SYSTEM;

	for (size_t o = sizeof(order) / sizeof(order[0]); o-- > 0;) {
		for (unsigned i = 0; i < k->sides; i++) {
			if (k->side[i].answer.status == order[o])
				best = order[o];
		}
	}
	for (unsigned i = 0; i < k->sides && best != POSTERN_OK; i++)
		tell(k, &k->side[i]);
	if (best == POSTERN_DENIED)
		note_strange_names(k);
	if (best == POSTERN_NO_ANSWER || best == POSTERN_SYSTEM)
		lanes_tell(&k->lanes, k->profile, &k->lib->notes);
	return (int)best;
}
