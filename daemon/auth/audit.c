/*
 * audit - the journal: one record for each decision, and for the end of what
 * one began. The last JOURNAL_MAX of them lie in the store. They are written
 * with whatever is written next, so that a knock costs no sync more for them.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "inside.h"

enum {
	LATE_MAX = 4096,   /* that wait for a store that fails: more are not kept */
	LATE_FLUSH = 1024, /* each time so many wait, they are written at once */
	SCAN_MAX = 1024,   /* records that one page looks at, so that nobody waits for long */
	PORT_TEXT = sizeof("255/65535"),
};

_Static_assert((int)EVENT_ADMITS == (int)ADMITS_MAX, "message.h and request.h agree");
_Static_assert((int)EVENT_SESSIONS == (int)JOURNAL_SESSIONS, "message.h and record.h agree");
_Static_assert((int)COMMAND_CLIENT_BYTES > (int)CONFIG_NAME_MAX, "message.h and config.h agree");

struct late_entry {
	struct late_entry *prev, *next;
	uint8_t key[STORE_KEY_BYTES];
	size_t len;
	uint8_t value[];
};

/* One more item; what does not fit is left out. */
static void add_what(char what[static JOURNAL_WHAT_MAX + 1], const char *item)
{
	const size_t used = strlen(what);

	if (used + strlen(item) + 1 <= JOURNAL_WHAT_MAX)
		snprintf(
		    what + used, JOURNAL_WHAT_MAX + 1 - used, "%s%s", used > 0 ? "," : "", item);
}

/* What a shell will run is put together as it will be; other arguments are told apart. */
static void add_arguments(struct job *j, const struct request *q)
{
	const char *between = strcmp(q->command, COMMAND_LINE_NAME) == 0 ? "" : " ";
	size_t used = 0;

	_Static_assert(
	    (int)sizeof(q->argument[0]) == ARGUMENT_MAX + 1, "each has room, and a blank");
	for (unsigned i = 0; i < q->arguments; i++)
		used += (size_t)snprintf(j->arguments + used, sizeof(j->arguments) - used, "%s%s",
		    i > 0 ? between : "", q->argument[i]);
}

void audit_asked(struct job *j, const struct request *q)
{
	char port[PORT_TEXT];

	j->verb = q->verb;
	j->what[0] = '\0';
	for (unsigned i = 0; i < q->services; i++)
		add_what(j->what, q->service[i]);
	for (unsigned i = 0; i < q->ports; i++) {
		const struct port *p = &q->port[i];

		if (p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP)
			snprintf(port, sizeof(port), "%s/%u",
			    p->proto == IPPROTO_TCP ? "tcp" : "udp", p->number);
		else
			snprintf(port, sizeof(port), "%u/%u", p->proto, p->number);
		add_what(j->what, port);
	}
	if (q->command[0] != '\0')
		add_what(j->what, q->command);
	add_arguments(j, q);
}

/* Which events a script is told of; EVENTS: not of this. */
static enum event_kind event_of(enum journal_event e)
{
	switch (e) {
	case JOURNAL_GRANTED:
		return EVENT_GRANTED;
	case JOURNAL_CLOSED:
		return EVENT_CLOSED;
	case JOURNAL_ENDED:
		return EVENT_ENDED;
	case JOURNAL_SUSPENDED:
		return EVENT_SUSPENDED;
	case JOURNAL_RESUMED:
		return EVENT_RESUMED;
	case JOURNAL_BANNED:
		return EVENT_BANNED;
	case JOURNAL_UNBANNED:
		return EVENT_UNBANNED;
	case JOURNAL_TRAPPED:
		return EVENT_TRAPPED;
	case JOURNAL_ANSWERED:
	case JOURNAL_CHALLENGED:
	case JOURNAL_DROPPED:
	case JOURNAL_SHORTENED:
		break;
	}
	return EVENTS;
}

static void tell_script(struct core *c, const struct journal_record *r)
{
	struct msg_event m = {.head = {MSG_EVENT, sizeof(m)},
	    .time_ns = r->time_ns,
	    .event = event_of(r->event),
	    .has_address = r->has_from || r->has_admit,
	    .admits = (uint8_t)(r->has_admit + r->has_second),
	    .admit_len = {r->admit.len, r->second.len},
	    .sessions = r->sessions};

	if (m.event == EVENTS || c->realm->config.event_script[0] == '\0' || !c->w.event)
		return;
	memcpy(m.address, r->has_from ? r->from.b : r->admit.addr.b, sizeof(m.address));
	memcpy(m.admit[0], r->admit.addr.b, sizeof(m.admit[0]));
	memcpy(m.admit[1], r->second.addr.b, sizeof(m.admit[1]));
	memcpy(m.session, r->session, sizeof(m.session));
	memcpy(m.client, r->client, strlen(r->client));
	if (r->verdict != JOURNAL_NO_VERDICT)
		snprintf(
		    m.verdict, sizeof(m.verdict), "%s", verdict_word((enum verdict)r->verdict));
	memcpy(m.what, r->what, strnlen(r->what, sizeof(m.what) - 1));
	memcpy(m.reason, r->reason, strnlen(r->reason, sizeof(m.reason) - 1));
	if (c->w.event(c->w.arg, &m) < 0)
		count(&c->counters, COUNT_EVENT_LOST);
}

/* The record is complete but for its number and time. */
static void add(struct core *c, struct journal_record *r)
{
	uint8_t key[STORE_KEY_BYTES], value[STORE_VALUE_MAX];
	struct late_entry *e;
	size_t len;

	r->time_ns = c->w.real_ns(c->w.arg);
	tell_script(c, r);
	if (c->late_entries_len == LATE_MAX) {
		count(&c->counters, COUNT_JOURNAL_LOST);
		return;
	}
	r->number = c->journal_next++;
	journal_key(r->number, key);
	len = journal_record_encode(r, key, value);
	e = calloc(1, sizeof(*e) + len);
	if (!e)
		abort();
	e->len = len;
	memcpy(e->key, key, sizeof(key));
	memcpy(e->value, value, len);
	DL_APPEND(c->late_entries, e);
	c->late_entries_len++;
	if (c->late_entries_len % LATE_FLUSH == 0 && !c->in_transaction && keep_flush(c) < 0)
		keep_abort(c);
}

static struct journal_record record_of(const struct job *j, enum journal_event event)
{
	struct journal_record r = {.event = event,
	    .verdict = (uint8_t)j->reply.verdict,
	    .verb = (uint8_t)j->verb,
	    .has_from = true,
	    .from = j->x.route.client,
	    .attempt = j->key.id,
	    .has_exit_status = j->reply.has_exit_status,
	    .exit_status = j->reply.exit_status};

	memcpy(r.client, j->client, sizeof(r.client));
	memcpy(r.what, j->what, sizeof(r.what));
	memcpy(r.arguments, j->arguments, sizeof(r.arguments));
	return r;
}

/* A request names two at most: it has a step for each of them and each service. */
static void add_admits(struct journal_record *r, const struct job *j)
{
	r->has_admit = true;
	r->admit = j->step[0].r.admit;
	for (unsigned i = 1; i < j->steps && !r->has_second; i++) {
		r->second = j->step[i].r.admit;
		r->has_second = !prefix_equal(&r->second, &r->admit);
	}
}

void audit_job(struct core *c, const struct job *j)
{
	struct journal_record r = record_of(j, JOURNAL_ANSWERED);

	if (j->kind == JOB_KNOWN)
		return; /* nothing is decided anew */
	memcpy(r.reason, j->reply.reason, sizeof(r.reason));
	if (j->kind == JOB_OPEN && j->reply.doors > 0) {
		r.event = JOURNAL_GRANTED;
		add_admits(&r, j);
		for (unsigned i = 0; i < j->reply.doors && i < JOURNAL_SESSIONS; i++)
			r.session[r.sessions++] = j->reply.door[i].session;
	}
	add(c, &r);
}

void audit_challenge(struct core *c, const struct job *j)
{
	struct journal_record r = record_of(j, JOURNAL_CHALLENGED);

	snprintf(r.reason, sizeof(r.reason), "%s", j->why);
	add(c, &r);
}

void audit_event(struct core *c, const struct job *j, enum journal_event e, const char *why)
{
	struct journal_record r = record_of(j, e);

	r.verdict = JOURNAL_NO_VERDICT;
	snprintf(r.reason, sizeof(r.reason), "%s", why);
	add(c, &r);
}

void audit_client(struct core *c, const struct client *cl, enum journal_event e)
{
	struct journal_record r = {.event = e, .verdict = JOURNAL_NO_VERDICT};

	memcpy(r.client, cl->name, sizeof(r.client));
	add(c, &r);
}

void audit_address(struct core *c, const struct address *a, const char *client,
    enum journal_event e, const char *why)
{
	struct journal_record r = {
	    .event = e, .verdict = JOURNAL_NO_VERDICT, .has_from = !address_is_zero(a), .from = *a};

	snprintf(r.client, sizeof(r.client), "%s", client);
	snprintf(r.reason, sizeof(r.reason), "%s", why);
	add(c, &r);
}

const char *audit_along(const struct core *c, const struct route *r, char out[static ALONG_BYTES])
{
	char names[SEQUENCE_NAMES_BYTES];

	out[0] = '\0';
	if (r->carrier == CARRIER_SEQUENCE)
		snprintf(out, ALONG_BYTES, " sequence=%s",
		    sequence_names(&c->realm->config, r->along, names));
	return out;
}

void audit_trapped(struct core *c, const struct address *a, const char *service)
{
	struct journal_record r = {
	    .event = JOURNAL_TRAPPED, .verdict = JOURNAL_NO_VERDICT, .has_from = true, .from = *a};

	snprintf(r.what, sizeof(r.what), "%s", service);
	add(c, &r);
}

void audit_session(struct core *c, const struct session *s, enum journal_event e, const char *why)
{
	struct journal_record r = {.event = e,
	    .verdict = JOURNAL_NO_VERDICT,
	    .has_admit = true,
	    .admit = s->r.admit,
	    .sessions = 1,
	    .session = {s->id}};

	memcpy(r.client, session_client(c, s), sizeof(r.client));
	snprintf(r.what, sizeof(r.what), "%s", s->r.service);
	snprintf(r.reason, sizeof(r.reason), "%s", why);
	add(c, &r);
}

/* --- the store --- */

static int see_number(
    void *arg, const uint8_t key[static STORE_KEY_BYTES], const uint8_t *value, size_t len)
{
	struct core *c = arg;
	struct journal_record r;

	if (journal_record_decode(&r, key, value, len) == 0 && r.number >= c->journal_next)
		c->journal_next = r.number + 1;
	return 0;
}

int audit_load(struct core *c)
{
	c->journal_next = 1;
	return c->w.store->ops->each(c->w.store, STORE_JOURNAL, see_number, c) == 0 ? 0 : -1;
}

int audit_write(struct core *c)
{
	const struct late_entry *e;

	if (c->late_entries && keep_begin(c) < 0)
		return -1;
	DL_FOREACH(c->late_entries, e)
		if (c->w.store->ops->put(c->w.store, STORE_JOURNAL, e->key, e->value, e->len) != 0)
			return -1;
	return 0;
}

void audit_forget(struct core *c)
{
	struct late_entry *e, *next;

	DL_FOREACH_SAFE(c->late_entries, e, next)
		free(e);
	c->late_entries = NULL;
	c->late_entries_len = 0;
}

/* --- reading --- */

/* Is the word one of the list's? */
static bool lists(const char *list, const char *word)
{
	const size_t len = strlen(word);

	for (; *list; list += strcspn(list, ","), list += *list == ',')
		if (strcspn(list, ",") == len && memcmp(list, word, len) == 0)
			return true;
	return false;
}

static bool is_wanted(const struct journal_query *q, const struct journal_record *r)
{
	return r->time_ns >= q->since_ns &&
	       (q->client[0] == '\0' || strcmp(q->client, r->client) == 0) &&
	       (q->verdict == JOURNAL_NO_VERDICT || q->verdict == r->verdict) &&
	       (q->service[0] == '\0' || lists(r->what, q->service));
}

/* False: overwritten, damaged, or not there. */
static bool read_one(struct core *c, uint64_t number, struct journal_record *r)
{
	uint8_t key[STORE_KEY_BYTES];
	const uint8_t *value;
	size_t len;

	journal_key(number, key);
	return c->w.store->ops->get(c->w.store, STORE_JOURNAL, key, &value, &len) == 0 &&
	       journal_record_decode(r, key, value, len) == 0 && r->number == number;
}

/* From number at in the query's direction; *at is then where to go on. */
static void walk(
    struct core *c, const struct journal_query *q, uint64_t *at, journal_visit *visit, void *arg)
{
	const uint64_t oldest = core_journal_oldest(c);
	struct journal_record r;
	unsigned told = 0;

	for (unsigned n = 0; n < SCAN_MAX && told < q->most; n++) {
		if (q->back ? *at <= oldest : *at >= c->journal_next)
			break;
		if (!q->back && *at < oldest)
			*at = oldest;
		if (q->back)
			--*at;
		if (read_one(c, *at, &r) && is_wanted(q, &r)) {
			visit(arg, &r);
			told++;
		}
		if (!q->back)
			++*at;
	}
}

int core_journal(
    struct core *c, const struct journal_query *q, journal_visit *visit, void *arg, uint64_t *next)
{
	uint64_t at = q->from;

	/* Beyond the newest: the store was begun anew since. */
	if (at > c->journal_next)
		at = q->back ? c->journal_next : 1;
	if (c->late_entries && keep_flush(c) < 0)
		return -1;
	if (keep_begin(c) < 0)
		return -1;
	walk(c, q, &at, visit, arg);
	keep_abort(c);
	*next = at;
	return 0;
}

uint64_t core_journal_oldest(const struct core *c)
{
	return c->journal_next > JOURNAL_MAX ? c->journal_next - JOURNAL_MAX : 1;
}

uint64_t core_journal_next(const struct core *c)
{
	return c->journal_next;
}
