/* page - see page.h. */
#include <string.h>

#include "page.h"

_Static_assert(
    (int)JOURNAL_SESSIONS == (int)CONTROL_RECORD_SESSIONS, "record.h and control.h agree");
_Static_assert(
    (int)JOURNAL_ARGUMENTS_MAX < (int)CONTROL_ARGUMENTS_MAX, "record.h and control.h agree");
_Static_assert((int)JOURNAL_WHAT_MAX < (int)CONTROL_TEXT_MAX, "record.h and control.h agree");

/* Cut to fit; out is zeros. */
static void put(char *out, size_t cap, const char *in)
{
	memcpy(out, in, strnlen(in, cap - 1));
}

static bool is_request(uint32_t type)
{
	return type >= CONTROL_SESSIONS && type <= CONTROL_UNBAN;
}

bool page_request_ok(const void *bytes, size_t len)
{
	struct control_request q;

	if (len != sizeof(q))
		return false;
	memcpy(&q, bytes, sizeof(q));
	return q.head.len == len && is_request(q.head.type) &&
	       memchr(q.name, '\0', sizeof(q.name)) && memchr(q.word, '\0', sizeof(q.word)) &&
	       memchr(q.verdict, '\0', sizeof(q.verdict));
}

static int verdict_of(const char *word, uint8_t *out)
{
	*out = JOURNAL_NO_VERDICT;
	if (word[0] == '\0')
		return 0;
	for (enum verdict v = VERDICT_OK; v <= VERDICT_EXPIRED; v++) {
		if (strcmp(word, verdict_word(v)) != 0)
			continue;
		*out = (uint8_t)v;
		return 0;
	}
	return -1;
}

int page_query(const struct control_request *q, struct journal_query *out)
{
	*out = (struct journal_query){.from = q->from,
	    .back = q->back != 0,
	    .most = q->most < PAGE_RECORDS ? q->most : PAGE_RECORDS,
	    .since_ns = q->since_ns,
	    .client = q->name,
	    .service = q->word};
	return verdict_of(q->verdict, &out->verdict);
}

void page_session(const struct session_view *v, struct control_session *out)
{
	out->session = v->id;
	put(out->client, sizeof(out->client), v->client);
	put(out->service, sizeof(out->service), v->service);
	memcpy(out->address, v->admit.addr.b, sizeof(out->address));
	out->prefix_len = v->admit.len;
	out->proto = v->proto;
	out->port = v->port;
	out->rest_s = v->rest_s;
	out->idle_s = v->idle_s;
	out->source_port = v->source_port;
	out->once = v->once;
}

void page_record(const struct journal_record *r, struct control_record *out)
{
	out->number = r->number;
	out->time_ns = r->time_ns;
	out->attempt = r->attempt;
	memcpy(out->session, r->session, sizeof(out->session));
	put(out->event, sizeof(out->event), journal_event_word(r->event));
	put(out->client, sizeof(out->client), r->client);
	put(out->verb, sizeof(out->verb), r->verb != 0 ? verb_word((enum verb)r->verb) : "");
	put(out->verdict, sizeof(out->verdict),
	    r->verdict != JOURNAL_NO_VERDICT ? verdict_word((enum verdict)r->verdict) : "");
	put(out->what, sizeof(out->what), r->what);
	put(out->reason, sizeof(out->reason), r->reason);
	put(out->arguments, sizeof(out->arguments), r->arguments);
	memcpy(out->from, r->from.b, sizeof(out->from));
	memcpy(out->admit, r->admit.addr.b, sizeof(out->admit));
	memcpy(out->second, r->second.addr.b, sizeof(out->second));
	out->has_from = r->has_from;
	out->has_admit = r->has_admit;
	out->admit_len = r->admit.len;
	out->has_second = r->has_second;
	out->second_len = r->second.len;
	out->sessions = r->sessions;
	out->has_exit_status = r->has_exit_status;
	out->exit_status = r->exit_status;
}

void page_end(
    const struct core *c, const struct journal_query *q, uint64_t next, struct control_page *out)
{
	out->next = next;
	out->newest = core_journal_next(c);
	out->more = q->back ? next > core_journal_oldest(c) : next < core_journal_next(c);
}

static const char *condition_word(uint32_t condition)
{
	switch ((enum source_condition)condition) {
	case SOURCE_IS_STARTING:
		return "starting";
	case SOURCE_IS_UP:
		return "up";
	case SOURCE_IS_WAITING:
		return "waiting";
	case SOURCE_IS_FAILED:
		return "failed";
	}
	return "?";
}

void page_source(const struct msg_source_state *m, struct control_source *out)
{
	put(out->name, sizeof(out->name), m->name);
	put(out->interface, sizeof(out->interface), m->interface);
	put(out->method, sizeof(out->method), config_capture_name(m->method));
	put(out->state, sizeof(out->state), condition_word(m->condition));
	put(out->why, sizeof(out->why), m->why);
	out->since_s = m->since_s;
	out->ready = m->ready;
	out->workers = m->workers;
	out->switched = m->switched;
	out->needs = m->needs;
}
