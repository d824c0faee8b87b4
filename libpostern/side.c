/*
 * side - one family of a knock: its sockets, and which address is used.
 *
 * A family may have several addresses. The first is knocked at twice, then the
 * next, and so on, until something is heard from one; an address that this host
 * cannot reach at all is left at once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "errors.h"
#include "knock.h"

enum { TRIES_EACH = 2, PACKETS_EACH_TURN = 64, RECEIVE_MAX = 2048 };

static uint64_t read_clock(clockid_t id)
{
	struct timespec t;

	if (clock_gettime(id, &t) < 0)
		abort();
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

struct moment moment_now(void)
{
	return (struct moment){read_clock(CLOCK_MONOTONIC), read_clock(CLOCK_REALTIME)};
}

static int draw(void *arg, uint64_t clock_ns, uint64_t *t_ns)
{
	return state_draw(arg, clock_ns, t_ns);
}

static int learn(void *arg, uint64_t server_ns, uint64_t clock_ns)
{
	return state_learn(arg, server_ns, clock_ns);
}

static uint64_t server_time(void *arg, uint64_t clock_ns)
{
	return state_server_time(arg, clock_ns);
}

static void path_close(struct path *p)
{
	if (p->way)
		p->way->sender->close(p->way);
	p->way = NULL;
}

/* Some learn only later what they send from. */
static void name_local(struct path *p)
{
	if (p->way->local.ss_family != AF_UNSPEC)
		address_of(&p->way->local, p->way->local_len, p->local);
}

static void path_open(const struct postern_profile *profile, const struct target *t, struct path *p)
{
	struct sender_want want = {
	    .to = (const struct sockaddr *)&t->addr, .len = t->len, .settings = &profile->settings};

	if (profile->sender->open(&p->way, &want, &p->error) == SENDER_OK)
		name_local(p);
	else
		p->way = NULL;
}

/*
 * The address that must be seen when it is to be strict: the one that the current way sends from.
 */
static void set_own_address(struct side *s)
{
	struct request *q = &s->exchange->request;
	const char *local = s->path[s->current].local;
	char plain[POSTERN_ADDRESS_TEXT];

	(void)memccpy(plain, local, '\0', sizeof(plain));
	plain[strcspn(plain, "%")] = '\0'; /* the scope is no part of it */
	q->has_own_address = address_parse(plain, &q->own_address) == 0;
}

/*
 * The next way that is open, from the one after s->current on; s->current itself when there is no
 * other.
 */
static bool use_next(struct side *s)
{
	for (unsigned i = 1; i <= s->targets.len; i++) {
		unsigned next = (s->current + i) % s->targets.len;
		if (s->path[next].way) {
			s->current = next;
			return true;
		}
	}
	return false;
}

void side_open(struct postern_knock *k, struct side *s)
{
	struct memory memory = {draw, learn, server_time, &k->state};

	for (unsigned i = 0; i < s->targets.len; i++)
		path_open(k->profile, &s->targets.at[i], &s->path[i]);
	s->exchange = exchange_new(k->profile, &memory);
	uint64_t attempt = s->exchange->request.attempt;
	s->exchange->request = k->request;
	s->exchange->request.attempt = attempt;
	s->exchange->retries = k->retries;
	s->current = s->targets.len - 1;
	if (!use_next(s)) {
		s->current = 0;
		exchange_stop(s->exchange, EXCHANGE_FAILED, s->path[0].error.number);
	}
}

void side_close(struct side *s)
{
	for (unsigned i = 0; i < s->targets.len; i++)
		path_close(&s->path[i]);
	exchange_free(s->exchange);
	s->exchange = NULL;
}

static bool is_time_for_another(const struct side *s)
{
	const struct exchange *x = s->exchange;

	return !s->heard && x->phase == EXCHANGE_KNOCKING && x->sends > 0 &&
	       x->sends % TRIES_EACH == 0;
}

static void give_up_path(struct side *s, struct path *p, struct moment now)
{
	path_close(p);
	if (use_next(s))
		exchange_hurry(s->exchange, now.mono_ns);
	else
		exchange_stop(s->exchange, EXCHANGE_FAILED, p->error.number);
}

/* What a send() or step() came to. */
static void take_result(struct side *s, struct path *p, int result)
{
	struct exchange *x = s->exchange;
	struct moment now = moment_now();

	if (result == SENDER_TOO_LONG)
		exchange_narrow(x, now.mono_ns);
	else if (result == SENDER_NO_WAY)
		give_up_path(s, p, now);
	else if (way_due(p->way) != UINT64_MAX)
		exchange_hold(x);
	else
		exchange_release(x, now.mono_ns);
}

void side_send(struct postern_knock *k, struct side *s, struct moment now)
{
	struct exchange *x = s->exchange;
	struct exchange_packet packet;

	if (is_time_for_another(s))
		(void)use_next(s);
	if (k->strict)
		set_own_address(s);
	if (!exchange_send(x, now, &packet))
		return;
	struct path *p = &s->path[s->current];
	exchange_sent(x, moment_now());
	int sent = p->way->sender->send(p->way, &packet.message, now.mono_ns, &p->error);
	take_result(s, p, sent);
}

void side_go_on(struct side *s, struct moment now, bool held)
{
	struct path *p = &s->path[s->current];
	uint64_t before = side_due(s);

	if (before == UINT64_MAX)
		return;
	if (held || s->exchange->phase == EXCHANGE_DONE) {
		way_stop(p->way);
		return;
	}
	int result = way_step(p->way, now.mono_ns, &p->error);
	if (result == SENDER_OK && before <= now.mono_ns)
		exchange_sent(s->exchange, moment_now());
	name_local(p);
	take_result(s, p, result);
}

uint64_t side_due(const struct side *s)
{
	const struct path *p = &s->path[s->current];

	return p->way ? way_due(p->way) : UINT64_MAX;
}

static void receive_from(struct side *s, unsigned i)
{
	struct way *w = s->path[i].way;
	uint8_t packet[RECEIVE_MAX];

	for (int n = 0; n < PACKETS_EACH_TURN; n++) {
		int len = w->sender->receive(w, packet, sizeof(packet));
		if (len < 0)
			return;
		if (!exchange_receive(s->exchange, moment_now(), w->sender, packet, (size_t)len))
			continue;
		s->current = i;
		s->heard = true;
	}
}

void side_receive(struct side *s)
{
	for (unsigned i = 0; i < s->targets.len; i++) {
		if (s->path[i].way)
			receive_from(s, i);
	}
}
