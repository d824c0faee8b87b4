/* ask - doors that the monitor was asked for. It answers in order, so the list is a queue. */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "errors.h"
#include "fault.h"
#include "inside.h"

/*
 * A door in the kernel is a port's, whatever the service was called when it was
 * opened: one whose service has another name by now is closed under that.
 */
int session_service_now(const struct core *c, const struct session *s)
{
	return s->service >= 0 ? s->service
			       : config_service_by_port(&c->realm->config, s->r.proto, s->r.port);
}

/* The monitor refuses more, and a reload may have lowered it since. */
static uint32_t clamped(const struct core *c, int service, uint32_t seconds)
{
	uint32_t most = service < 0 ? 0 : c->realm->config.service[service].max_hold_s;

	return seconds > most ? most : seconds;
}

static void append(struct core *c, struct ask *a)
{
	DL_APPEND(c->asks, a);
	if (!c->ask_unsent)
		c->ask_unsent = a;
}

struct ask *ask_door(
    struct core *c, enum message_type type, const struct session *s, uint32_t seconds)
{
	int service = session_service_now(c, s);
	struct ask *a = calloc(1, sizeof(*a));

	if (!a)
		abort();
	a->m.head.type = type;
	a->m.head.len = sizeof(a->m);
	a->m.id = ++c->next_ask;
	a->m.generation = c->realm->generation;
	a->m.service = service < 0 ? UINT32_MAX : (uint32_t)service;
	memcpy(a->m.address, s->r.admit.addr.b, ADDRESS_BYTES);
	a->m.prefix_len = s->r.admit.len;
	a->m.idle_s = s->r.narrowing.idle_s;
	a->m.source_port = s->r.narrowing.source_port;
	a->m.once = s->r.narrowing.once ? 1 : 0;
	a->m.seconds = type == MSG_DOOR_OPEN ? clamped(c, service, seconds) : seconds;
	if (service >= 0 && service_is_random(&c->realm->config.service[service]))
		a->m.port = s->r.port;
	a->session = s->id;
	append(c, a);
	return a;
}

struct ask *ask_ban(
    struct core *c, enum message_type type, const struct address *from, uint32_t seconds)
{
	struct ask *a = calloc(1, sizeof(*a));

	if (!a)
		abort();
	a->is_ban = true;
	a->m.id = ++c->next_ask;
	a->ban.m =
	    (struct msg_ban){.head = {type, sizeof(a->ban.m)}, .id = a->m.id, .seconds = seconds};
	memcpy(a->ban.m.address, from->b, ADDRESS_BYTES);
	append(c, a);
	return a;
}

/* The answer to the oldest ask: always to the one that was sent first. */
static void answered(struct core *c, enum door_status status, uint32_t seconds)
{
	struct ask *a = c->asks;

	DL_DELETE(c->asks, a);
	c->in_flight--;
	if (!a->is_ban && status != DOOR_OK && status != DOOR_NOT_THERE && status != DOOR_OWN)
		count(&c->counters, COUNT_DOOR_FAILED);
	if (a->done)
		a->done(c, a, status, seconds);
	free(a);
}

/* What a kernel would say that does all that it is asked to. */
static void pretend(struct core *c, const struct ask *a)
{
	const struct session *s = sessions_find(c->sessions, a->session);
	uint32_t seconds = a->m.seconds;

	if (a->is_ban) {
		answered(c, DOOR_NOT_THERE, 0);
		return;
	}
	if (a->m.head.type == MSG_DOOR_QUERY && s)
		seconds = session_rest_s(s, c->w.boot_ms(c->w.arg));
	answered(c, s ? DOOR_OK : DOOR_NOT_THERE, seconds);
}

static int send_ask(struct core *c, const struct ask *a)
{
	if (a->is_ban)
		return c->w.ban(c->w.arg, &a->ban.m);
	if (c->w.ask(c->w.arg, &a->m) < 0)
		return -1;
	if (a->m.head.type == MSG_DOOR_OPEN)
		FAULT("auth.asked");
	return 0;
}

void ask_pump(struct core *c)
{
	while (c->ask_unsent && c->in_flight < ASKS_IN_FLIGHT) {
		struct ask *a = c->ask_unsent;

		if (!c->w.dry_run && send_ask(c, a) < 0)
			return;
		a->sent = true;
		c->in_flight++;
		c->ask_unsent = a->next;
		if (c->w.dry_run)
			pretend(c, a);
	}
}

int core_door_done(struct core *c, const struct msg_door_done *m)
{
	const struct ask *a = c->asks;

	if (!a || !a->sent || a->m.id != m->id || m->status > DOOR_OWN)
		return -E_STATE;
	FAULT("auth.door");
	answered(c, (enum door_status)m->status, m->seconds);
	ask_pump(c);
	return 0;
}

void core_pump(struct core *c)
{
	ask_pump(c);
}

void asks_free(struct core *c)
{
	struct ask *a, *next;

	DL_FOREACH_SAFE(c->asks, a, next)
		free(a);
	c->asks = NULL;
	c->ask_unsent = NULL;
}
