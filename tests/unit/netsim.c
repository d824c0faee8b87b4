#include "netsim.h"

#include <stdlib.h>
#include <string.h>

#include "secret.h"

enum { NOON_S = 1700000000 };

/* xorshift: the same each run. */
static uint32_t dice(struct sim *s, uint32_t sides)
{
	s->chance ^= s->chance << 13;
	s->chance ^= s->chance >> 17;
	s->chance ^= s->chance << 5;
	return s->chance % sides;
}

static int draw(void *arg, uint64_t clock_ns, uint64_t *t_ns)
{
	struct sim *s = arg;
	uint64_t now = clock_ns + (uint64_t)s->offset_ns;

	s->last_t = now > s->last_t ? now : s->last_t + 1;
	*t_ns = s->last_t;
	return 0;
}

static int learn(void *arg, uint64_t server_ns, uint64_t clock_ns)
{
	struct sim *s = arg;

	s->offset_ns = (int64_t)(server_ns - clock_ns);
	return 0;
}

static uint64_t server_time(void *arg, uint64_t clock_ns)
{
	const struct sim *s = arg;

	return clock_ns + (uint64_t)s->offset_ns;
}

struct address sim_address(unsigned side)
{
	return side == 0 ? address_v4((const uint8_t[]){192, 0, 2, 7})
			 : address_v6((const uint8_t[16]){0x20, 1, 0xd, 0xb8, [15] = 7});
}

void sim_start(struct sim *s, unsigned sides, uint32_t seed)
{
	static struct trouble t;
	struct memory memory = {draw, learn, server_time, s};
	char text[FAKE_PROFILE_MAX];

	*s = (struct sim){
	    .world_ns = (int64_t)NOON_S * 1000000000, .chance = seed * 2654435761u + 1};
	fake_server_start(&s->server);
	fake_server_profile(&s->server, "server = host\n", 1, text);
	s->profile = profile_new();
	if (!s->profile || profile_parse(s->profile, "sim", text, strlen(text), &t) < 0)
		abort();
	s->pair.sides = sides;
	for (unsigned i = 0; i < sides; i++) {
		s->side[i] = exchange_new(s->profile, &memory);
		s->side[i]->retries = 4;
		s->side[i]->request.verb = VERB_OPEN;
		s->side[i]->request.services = 1;
		memcpy(s->side[i]->request.service[0], "ssh", 4);
		s->pair.side[i] = s->side[i];
		s->delay_ns[i] = NS_PER_MS;
	}
}

void sim_end(struct sim *s)
{
	for (unsigned i = 0; i < s->pair.sides; i++)
		exchange_free(s->side[i]);
	profile_free(s->profile);
}

struct moment sim_moment(const struct sim *s)
{
	return (struct moment){
	    s->now_ns, (uint64_t)(s->world_ns + (int64_t)s->now_ns + s->client_ahead_ns)};
}

static void launch(
    struct sim *s, bool to_server, unsigned side, const uint8_t *bytes, size_t len, uint64_t delay)
{
	for (unsigned i = 0; i < SIM_FLYING_MAX; i++) {
		struct sim_packet *p = &s->flying[i];
		if (p->used)
			continue;
		*p = (struct sim_packet){true, to_server, side, s->now_ns + delay, len, {0}};
		memcpy(p->bytes, bytes, len);
		return;
	}
	abort();
}

void sim_inject(struct sim *s, bool to_server, unsigned side, const uint8_t *bytes, size_t len)
{
	launch(s, to_server, side, bytes, len, 0);
}

static uint64_t delay_of(struct sim *s, unsigned side)
{
	uint32_t jitter = s->jitter_ns > 0 ? dice(s, (uint32_t)s->jitter_ns) : 0;

	return s->delay_ns[side] + jitter;
}

static void transmit(struct sim *s, bool to_server, unsigned side, const uint8_t *bytes, size_t len)
{
	struct sim_packet *kept = &s->record[s->recorded++ % SIM_RECORD_MAX];

	*kept = (struct sim_packet){true, to_server, side, s->now_ns, len, {0}};
	memcpy(kept->bytes, bytes, len);
	if (to_server ? s->dead[side] : s->deaf[side])
		return;
	if (dice(s, 100) >= s->loss_percent)
		launch(s, to_server, side, bytes, len, delay_of(s, side));
	if (dice(s, 100) < s->double_percent)
		launch(s, to_server, side, bytes, len, delay_of(s, side));
}

static void deliver(struct sim *s, struct sim_packet *p)
{
	struct address from = sim_address(p->side);
	uint64_t world_ns = (uint64_t)s->world_ns + s->now_ns;
	uint8_t out[VEIL_ROOM];

	p->used = false;
	if (!p->to_server) {
		(void)exchange_receive(
		    s->side[p->side], sim_moment(s), &sender_udp, p->bytes, p->len);
		return;
	}
	size_t len = fake_server_take(&s->server, world_ns, &from, p->bytes, p->len, out);
	unsigned side = p->side;
	if (len > 0)
		transmit(s, false, side, out, len);
}

static struct sim_packet *next_arrival(struct sim *s)
{
	struct sim_packet *first = NULL;

	for (unsigned i = 0; i < SIM_FLYING_MAX; i++) {
		struct sim_packet *p = &s->flying[i];
		if (p->used && (!first || p->at_ns < first->at_ns))
			first = p;
	}
	return first;
}

static void note_ends(struct sim *s)
{
	for (unsigned i = 0; i < s->pair.sides; i++) {
		if (s->side[i]->phase == EXCHANGE_DONE && s->done_ns[i] == 0)
			s->done_ns[i] = s->now_ns + 1;
	}
}

static void send_due(struct sim *s)
{
	struct exchange_packet out;

	pair_settle(&s->pair, sim_moment(s));
	for (int i; (i = pair_next(&s->pair, sim_moment(s))) >= 0;) {
		if (exchange_send(s->side[i], sim_moment(s), &out))
			transmit(s, true, (unsigned)i, out.message.bytes, out.message.len);
		pair_settle(&s->pair, sim_moment(s));
	}
	note_ends(s);
}

void sim_run(struct sim *s, uint64_t until_ns)
{
	if (s->recorded == 0)
		pair_begin(&s->pair, sim_moment(s));
	for (;;) {
		send_due(s);
		if (pair_done(&s->pair))
			return;
		struct sim_packet *p = next_arrival(s);
		uint64_t due = pair_due(&s->pair);
		uint64_t next = p && p->at_ns < due ? p->at_ns : due;
		if (until_ns > 0 && next > until_ns)
			return;
		s->now_ns = next > s->now_ns ? next : s->now_ns;
		if (p && p->at_ns <= s->now_ns)
			deliver(s, p);
	}
}
