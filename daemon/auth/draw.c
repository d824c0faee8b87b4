/* draw - the port of a session whose service has a random one. */
#include <string.h>

#include "inside.h"
#include "secret.h"

/* Of the ports that a service draws from, by their order there. */
struct taken {
	const struct service *service;
	bool port[CONFIG_PORTS_MAX];
};

static void take(struct taken *t, const struct session_record *r)
{
	const uint16_t first = service_port(t->service, 0);

	if (r->proto == t->service->proto && service_is_known_by(t->service, r->port))
		t->port[r->port - first] = true;
}

/* Sessions that a job makes, or goes on with. */
static void take_steps(struct taken *t, const struct job *j)
{
	for (unsigned i = 0; i < j->steps; i++)
		take(t, &j->step[i].r);
}

/* Those of sessions, and of ones that are being made: by this job, by others of its turn, by attempts under way. */
static void take_all(struct taken *t, const struct core *c, const struct job *own)
{
	for (unsigned i = 0; i < service_ports(t->service); i++)
		t->port[i] =
		    sessions_at_port(c->sessions, t->service->proto, service_port(t->service, i));
	take_steps(t, own);
	for (const struct job *j = c->turn_jobs; j; j = j->next)
		take_steps(t, j);
	for (const struct job *j = c->jobs; j; j = j->hh.next)
		take_steps(t, j);
}

/* Each that is free is as likely; 0: none is. */
static uint16_t draw(const struct taken *t)
{
	uint16_t port[CONFIG_PORTS_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < service_ports(t->service); i++)
		if (!t->port[i])
			port[n++] = service_port(t->service, i);
	return n == 0 ? 0 : port[secret_random_below(n)];
}

bool draw_port(struct core *c, const struct job *j, struct step *st)
{
	struct taken t = {.service = &c->realm->config.service[st->service]};
	const struct session *has;

	if (!service_is_random(t.service))
		return true;
	has = sessions_match_drawn(c->sessions, &st->r, st->service);
	if (has) {
		st->r.port = has->r.port;
		return true;
	}
	take_all(&t, c, j);
	st->r.port = draw(&t);
	return st->r.port != 0;
}
