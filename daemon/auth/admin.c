/* admin - sessions as the administrator sees them and ends them. */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "inside.h"

uint64_t *core_sessions(struct core *c, size_t *n)
{
	uint64_t *ids = NULL;

	*n = sessions_count(c->sessions);
	if (*n == 0)
		return NULL;
	ids = calloc(*n, sizeof(*ids));
	if (!ids)
		abort();
	*n = 0;
	for (struct session *s = sessions_first(c->sessions); s; s = sessions_next(s))
		ids[(*n)++] = s->id;
	return ids;
}

static void viewed(struct core *c, const struct ask *a, enum door_status status, uint32_t seconds)
{
	const struct session *s = sessions_find(c->sessions, a->session);
	struct session_view v;

	if (!s || status != DOOR_OK) {
		session_queried(c, a, status);
		if (a->view)
			a->view(a->arg, NULL);
		return;
	}
	if (!a->view)
		return;
	v = (struct session_view){.id = s->id,
	    .client = session_client(c, s),
	    .service = s->r.service,
	    .admit = s->r.admit,
	    .proto = s->r.proto,
	    .port = s->r.port,
	    .rest_s = seconds,
	    .idle_s = s->r.narrowing.idle_s,
	    .source_port = s->r.narrowing.source_port,
	    .once = s->r.narrowing.once};
	a->view(a->arg, &v);
}

void core_view(struct core *c, uint64_t id, core_view_fn *done, void *arg)
{
	const struct session *s = sessions_find(c->sessions, id);
	struct ask *a;

	if (!s) {
		done(arg, NULL);
		return;
	}
	a = ask_door(c, MSG_DOOR_QUERY, s, 0);
	a->done = viewed;
	a->view = done;
	a->arg = arg;
}

void core_view_forget(struct core *c, void *arg)
{
	struct ask *a;

	DL_FOREACH(c->asks, a)
		if (a->arg == arg) {
			a->view = NULL;
			a->ban.told = NULL;
		}
}

unsigned core_close(struct core *c, uint64_t id)
{
	struct session *s = sessions_find(c->sessions, id);

	if (!s)
		return 0;
	session_close_alone(c, s);
	ask_pump(c);
	return 1;
}

unsigned core_close_client(struct core *c, const char *name, bool *known)
{
	const struct client *cl = clients_by_name(c->realm->clients, name);
	struct session *s = cl ? sessions_of(c->sessions, cl->cid, NULL) : NULL;
	struct session *next;
	unsigned n = 0;

	*known = cl != NULL;
	if (cl)
		n = approve_withdraw(c, cl->cid);
	for (; s; s = next, n++) {
		next = s->owner_next; /* it may be gone at once */
		session_close_alone(c, s);
	}
	ask_pump(c);
	return n;
}
