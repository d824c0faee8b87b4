/*
 * answer - what became of a knock: for a program, and in a sentence for a person.
 */
#include <errno.h>
#include <string.h>

#include "knock.h"

static void fill_reply(const struct postern_profile *p, struct side *s)
{
	const struct reply *r = &s->exchange->reply;
	struct postern_answer *a = &s->answer;

	a->answered = true;
	a->verdict = (enum postern_verdict)r->verdict;
	memcpy(s->reason, r->reason, sizeof(s->reason));
	a->reason = s->reason;
	a->doors = r->doors;
	a->door = s->door;
	for (unsigned i = 0; i < r->doors; i++) {
		const struct door *d = &r->door[i];
		s->door[i] = (struct postern_door){
		    .service = profile_service_name(p, d->port.proto, d->port.number),
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

void answer_fill(const struct postern_knock *k, struct side *s)
{
	const struct exchange *x = s->exchange;
	struct postern_answer *a = &s->answer;
	const struct target *target = &s->targets.at[s->heard ? s->current : 0];
	const struct path *path = &s->path[s->heard ? s->current : 0];
	char seen[ADDRESS_TEXT];

	*a = (struct postern_answer){.family = s->targets.family,
	    .status = status_of(x),
	    .challenged = x->challenged,
	    .sent = x->sent,
	    .clock_ahead_ns = x->clock_ahead_ns,
	    .round_trip_ns = x->round_trip_ns,
	    .reason = ""};
	memcpy(a->server, target->text, sizeof(a->server));
	memcpy(a->local, path->local, sizeof(a->local));
	if (x->reply.has_address_seen) {
		address_text(&x->reply.address_seen, seen);
		memcpy(a->seen, seen, strlen(seen) + 1);
	}
	if (x->outcome == EXCHANGE_REPLIED)
		fill_reply(k->profile, s);
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
		return "wants a PIN or a one-time code, which this program cannot give";
	case VERDICT_ADDRESS:
		return "does not open for this address: knock from another, or ask the server's "
		       "administrator";
	case VERDICT_QUOTA:
		return "has as many doors open as this client may have: close some with 'postern "
		       "close'";
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

static void tell(struct postern_knock *k, const struct side *s)
{
	const struct exchange *x = s->exchange;
	const struct postern_profile *p = k->profile;
	const struct postern_answer *a = &s->answer;
	struct trouble *t = &k->lib->errors;
	const char *why = s->path[s->current].error.what;

	switch (x->outcome) {
	case EXCHANGE_REPLIED:
		if (x->reply.reason[0])
			trouble_say(t, "%s: %s %s (it says: %s)", p->name, a->server,
			    advice(x->reply.verdict), x->reply.reason);
		else
			trouble_say(t, "%s: %s %s", p->name, a->server, advice(x->reply.verdict));
		break;
	case EXCHANGE_STRANGE:
		trouble_say(t,
		    "%s: %s sees %s, but this is sent from %s: there is a NAT, or somebody, in "
		    "between; without --strict it goes through",
		    p->name, a->server, a->seen, a->local);
		break;
	case EXCHANGE_FAILED:
		trouble_say(t, "%s: cannot knock at %s by %s: %s: %s", p->name, a->server,
		    x->sender->name, strerror(x->error),
		    why[0] ? why : "check the network and the disk");
		break;
	case EXCHANGE_NONE:
	case EXCHANGE_SILENCE:
	case EXCHANGE_STOPPED:
		trouble_say(t,
		    "%s: no answer from %s port %u (%s) after %u packets: check the network, and "
		    "with "
		    "the server's administrator whether it runs and still knows this client",
		    p->name, a->server, (unsigned)p->port, p->sender->name, a->sent);
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
	return (int)best;
}
