/*
 * mend - somebody else was at the firewall: which sessions have their door
 * still, and which get it back. Only what is a session now is asked for, behind
 * whatever closes it; the monitor itself puts back no door.
 */
#include "inside.h"

/* By nothing but its time can such a door have closed, and nobody has to say yes to it. */
static bool may_come_back(const struct core *c, const struct session *s)
{
	const struct narrowing *n = &s->r.narrowing;

	return s->service >= 0 && !n->once && n->idle_s == 0 && n->source_port == 0 &&
	       c->realm->config.service[s->service].approve[0] == '\0';
}

/* Tells what came of it all when the last one is answered for. */
static void one_less(struct core *c)
{
	struct mending *m = &c->mending;

	if (--m->waiting > 0)
		return;
	if (m->put_back > 0 || m->gone > 0)
		log_warning("doors-lost", "put_back=%zu gone=%zu", m->put_back, m->gone);
	*m = (struct mending){.waiting = 0};
}

static void put_back(struct core *c, const struct ask *a, enum door_status status, uint32_t seconds)
{
	(void)seconds;
	if (status == DOOR_OK)
		c->mending.put_back++;
	else if (status != DOOR_FAILED) /* else the guard was lost again, and that will be told */
		c->mending.gone += session_was_lost(c, a);
	one_less(c);
}

static void put_back_door(struct core *c, const struct session *s)
{
	const uint32_t rest_s = session_door_rest_s(c, s);

	if (rest_s == 0)
		return;
	c->mending.waiting++;
	ask_door(c, MSG_DOOR_OPEN, s, rest_s)->done = put_back;
}

static void looked_after_loss(
    struct core *c, const struct ask *a, enum door_status status, uint32_t seconds)
{
	struct session *s = sessions_find(c->sessions, a->session);

	(void)seconds;
	if (status == DOOR_NOT_THERE && s && !s->closing) {
		if (!may_come_back(c, s))
			c->mending.gone += session_was_lost(c, a);
		else if (session_is_lawful(c, s))
			put_back_door(c, s);
	}
	one_less(c);
}

void core_doors_mended(struct core *c, bool lost)
{
	for (struct session *s = sessions_first(c->sessions); s; s = sessions_next(s)) {
		if (s->closing || s->unasked)
			continue;
		ask_door(c, MSG_DOOR_QUERY, s, 0)->done = lost ? looked_after_loss : session_looked;
		c->mending.waiting += lost;
	}
	ask_pump(c);
}
