/* swap - another configuration, other clients: what stays of the sessions that there are. */
#include <string.h>

#include "clock.h"
#include "inside.h"

/* What the law of today leaves a session: seconds from now, 0 for nothing. */
static uint32_t left_s(const struct core *c, const struct session *s)
{
	const struct policy_case p = {.realm = c->realm,
	    .client = clients_by_cid(c->realm->clients, s->r.cid),
	    .now_ns = c->w.real_ns(c->w.arg)};

	return p.client && s->service >= 0 ? policy_left_s(&p, (unsigned)s->service, &s->r.admit)
					   : 0;
}

static void shorten(struct core *c, struct session *s, uint64_t now_ms, uint64_t end_ms)
{
	char admit[PREFIX_TEXT];

	log_info("shortened", "client=%s service=%s address=%s session=%016llx rest_s=%llu",
	    session_client(c, s), s->r.service, prefix_text(&s->r.admit, admit),
	    (unsigned long long)s->id, (unsigned long long)((end_ms - now_ms) / MS_PER_S));
	audit_session(c, s, JOURNAL_SHORTENED, "law");
	s->r.end_ms = end_ms;
	keep_session_later(c, s->id);
	(void)ask_door(c, MSG_DOOR_SHORTEN, s, session_door_rest_s(c, s));
}

bool session_is_lawful(struct core *c, struct session *s)
{
	const uint64_t now = c->w.boot_ms(c->w.arg);
	const uint32_t left = left_s(c, s);

	if (left == 0) {
		session_close_alone(c, s);
		return false;
	}
	if (s->r.end_ms > now + (uint64_t)left * MS_PER_S)
		shorten(c, s, now, now + (uint64_t)left * MS_PER_S);
	return true;
}

/* For the records of what ends, when its client is known no more. */
static void remember_names(struct core *c)
{
	for (struct session *s = sessions_first(c->sessions); s; s = sessions_next(s)) {
		const struct client *cl = clients_by_cid(c->realm->clients, s->r.cid);

		if (cl)
			memcpy(s->client, cl->name, sizeof(s->client));
	}
}

const char *session_client(const struct core *c, const struct session *s)
{
	const struct client *cl = clients_by_cid(c->realm->clients, s->r.cid);

	return cl ? cl->name : s->client;
}

void core_swap(struct core *c, struct realm *realm)
{
	while (core_turn(c)) {
	}
	core_pgp_gone(c); /* they were let in by the realm before */
	remember_names(c);
	realm_free(c->realm);
	c->realm = realm;
	peers_free(c->peers);
	c->peers = peers_new(realm->clients, realm->config.client_rate, realm->config.client_burst);
	for (struct session *s = sessions_first(c->sessions), *next; s; s = next) {
		next = sessions_next(s);
		sessions_move(
		    c->sessions, s, realm_service(realm, s->r.service, s->r.proto, s->r.port));
		if (session_service_now(c, s) < 0)
			session_close_alone(c, s);
		else if (!s->closing)
			(void)session_is_lawful(c, s);
	}
	ask_pump(c);
}
