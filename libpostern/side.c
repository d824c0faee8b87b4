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

static void way_close(struct way *w, int why)
{
	if (w->sock >= 0)
		(void)close(w->sock);
	w->sock = -1;
	w->error = why;
}

static void way_open(const struct sender *sender, const struct target *t, struct way *w)
{
	struct sockaddr_storage own;
	socklen_t len = sizeof(own);

	w->error = 0;
	w->sock = sender->open((const struct sockaddr *)&t->addr, t->len);
	if (w->sock < 0) {
		way_close(w, errno);
		return;
	}
	if (getsockname(w->sock, (struct sockaddr *)&own, &len) == 0)
		address_of(&own, len, w->local);
}

/*
 * The address that must be seen when it is to be strict: the one that the current way sends from.
 */
static void set_own_address(struct side *s)
{
	struct request *q = &s->exchange->request;
	const char *local = s->way[s->current].local;
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
		if (s->way[next].error == 0) {
			s->current = next;
			return true;
		}
	}
	return false;
}

void side_open(struct postern_knock *k, struct side *s)
{
	struct memory memory = {draw, learn, &k->state};

	for (unsigned i = 0; i < s->targets.len; i++)
		way_open(k->profile->sender, &s->targets.at[i], &s->way[i]);
	s->exchange = exchange_new(k->profile, &memory);
	uint64_t attempt = s->exchange->request.attempt;
	s->exchange->request = k->request;
	s->exchange->request.attempt = attempt;
	s->exchange->retries = k->retries;
	s->current = s->targets.len - 1;
	if (!use_next(s)) {
		s->current = 0;
		exchange_stop(s->exchange, EXCHANGE_FAILED, s->way[0].error);
	}
}

void side_close(struct side *s)
{
	for (unsigned i = 0; i < s->targets.len; i++)
		way_close(&s->way[i], 0);
	exchange_free(s->exchange);
	s->exchange = NULL;
}

static bool is_time_for_another(const struct side *s)
{
	const struct exchange *x = s->exchange;

	return !s->heard && x->phase == EXCHANGE_KNOCKING && x->sends > 0 &&
	       x->sends % TRIES_EACH == 0;
}

static void give_up_way(struct side *s, struct way *w, struct moment now)
{
	way_close(w, errno);
	if (use_next(s))
		s->exchange->due_ns = now.mono_ns;
	else
		exchange_stop(s->exchange, EXCHANGE_FAILED, w->error);
}

void side_send(struct postern_knock *k, struct side *s, struct moment now)
{
	struct exchange *x = s->exchange;
	uint8_t packet[VEIL_ROOM];

	if (is_time_for_another(s))
		(void)use_next(s);
	if (k->strict)
		set_own_address(s);
	size_t len = exchange_send(x, now, packet);
	if (len == 0)
		return;
	struct way *w = &s->way[s->current];
	exchange_sent(x, moment_now());
	int sent = k->profile->sender->send(w->sock, packet, len);
	if (sent == SENDER_TOO_LONG)
		exchange_narrow(x, now.mono_ns);
	else if (sent == SENDER_NO_WAY)
		give_up_way(s, w, now);
}

static void receive_from(struct side *s, unsigned i, const struct sender *sender)
{
	uint8_t packet[RECEIVE_MAX];

	for (int n = 0; n < PACKETS_EACH_TURN; n++) {
		int len = sender->receive(s->way[i].sock, packet, sizeof(packet));
		if (len < 0)
			return;
		if (!exchange_receive(s->exchange, moment_now(), packet, (size_t)len))
			continue;
		s->current = i;
		s->heard = true;
	}
}

void side_receive(struct side *s)
{
	const struct sender *sender = s->exchange->profile->sender;

	for (unsigned i = 0; i < s->targets.len; i++) {
		if (s->way[i].error == 0 && s->way[i].sock >= 0)
			receive_from(s, i, sender);
	}
}
