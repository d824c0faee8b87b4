/* explore_world - see explore_world.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "clock.h"
#include "explore_chance.h"
#include "explore_world.h"

enum {
	PORT_BASE =
	    20000, /* message i comes from port PORT_BASE + i: so an answer tells what it answers */
	RECENT = 12, /* the attacker prefers what is new */
	WINDOW_S = 60,
};

void violate(struct world *w, enum violation v)
{
	w->violations |= v;
}

uint64_t client_clock(const struct world *w)
{
	uint64_t truth = w->base_real_ns + (w->l.boot_ms - w->base_boot_ms) * NS_PER_MS;

	return (uint64_t)((int64_t)truth + w->client_off_s * NS_PER_S);
}

void set_server_clock(struct world *w, int64_t off_s)
{
	uint64_t truth = w->base_real_ns + (w->l.boot_ms - w->base_boot_ms) * NS_PER_MS;

	w->server_off_s = off_s;
	w->l.real_ns = (uint64_t)((int64_t)truth + off_s * NS_PER_S);
}

void pass(struct world *w, uint64_t ms)
{
	lab_pass(&w->l, ms);
	core_tick(w->l.core);
}

/* The kernel opened a door: its address says for which attempt. */
static void on_act(void *arg, const struct msg_door *m)
{
	struct world *w = arg;
	unsigned attempt = (unsigned)m->address[14] << 8 | m->address[15];

	if (w->acted[attempt] && !(w->was_live[attempt] && w->acted_epoch[attempt] != w->epoch))
		violate(w, P1);
	if ((int)attempt < w->newest_acted)
		violate(w, P2);
	w->acted[attempt] = true;
	w->acted_epoch[attempt] = w->epoch;
	w->newest_acted = (int)attempt;
}

/* --- a store whose commits may be lies --- */

struct copy {
	struct store *to;
	enum store_table table;
};

static int copy_one(
    void *arg, const uint8_t key[static STORE_KEY_BYTES], const uint8_t *value, size_t len)
{
	const struct copy *c = arg;

	return c->to->ops->put(c->to, c->table, key, value, len);
}

static struct store *copy_store(struct store *from)
{
	struct store *to = store_memory_new();

	to->ops->begin(to);
	for (unsigned t = 0; t < STORE_TABLES; t++) {
		struct copy c = {.to = to, .table = (enum store_table)t};

		from->ops->each(from, c.table, copy_one, &c);
	}
	to->ops->commit(to);
	return to;
}

/* With BUG_COMMIT_AFTER the last messages' commits have not happened when the process dies. */
void remember_lie(struct world *w)
{
	if (planted() != BUG_COMMIT_AFTER || w->lie)
		return;
	w->lie = copy_store(w->l.store);
}

void forget_lie(struct world *w)
{
	if (w->lie)
		w->lie->ops->close(w->lie);
	w->lie = NULL;
}

/* --- the process --- */

/* Dies; what it asked the monitor for may be done yet, or not. */
void die(struct world *w, bool asked_is_done)
{
	if (asked_is_done)
		lab_orphans(&w->l);
	if (w->lie) {
		core_free(w->l.core);
		w->l.core = NULL;
		w->l.store->ops->close(w->l.store);
		w->l.store = w->lie;
		w->lie = NULL;
	}
	lab_restart(&w->l);
	lab_settle(&w->l);
	w->l.sent = 0;
}

void lose_store(struct world *w, unsigned live_attempt)
{
	core_free(w->l.core);
	w->l.core = NULL;
	w->l.store->ops->close(w->l.store);
	w->l.store = store_memory_new();
	lab_restart(&w->l);
	w->epoch++;
	if (live_attempt < ATTEMPTS_MAX)
		w->was_live[live_attempt] = true;
	/* The server no longer knows what it reacted to. */
	for (unsigned i = 0; i < w->messages; i++)
		w->message[i].reactions = 0;
}

/* --- messages --- */

/* What was sent since: each answer is held against the message that it answers. */
void judge_answers(struct world *w, unsigned from)
{
	for (unsigned i = from; i < w->l.sent; i++) {
		unsigned to = (unsigned)w->l.packet[i].to_port - PORT_BASE;

		assert_true(to < w->messages);
		if (++w->message[to].reactions > 1)
			violate(w, ORACLE);
	}
}

void deliver(struct world *w, unsigned i, bool elsewhere)
{
	struct message *msg = &w->message[i];
	const uint8_t thief[4] = {203, 0, 113, 66};
	struct address own = msg->m.from;

	if (elsewhere)
		msg->m.from = address_v4(thief);
	assert_int_equal(lab_deliver(&w->l, &msg->m), 0);
	msg->m.from = own;
	msg->at_server = true;
}

/* LATE: acted on by an M1 alone, long after it was made. */
void deliver_and_settle(struct world *w, unsigned i, bool elsewhere)
{
	unsigned before = w->l.sent;
	const struct message *msg = &w->message[i];
	bool acted = w->acted[msg->attempt];

	deliver(w, i, elsewhere);
	lab_settle(&w->l);
	judge_answers(w, before);
	if (w->is_calm && !msg->is_m3 && !acted && w->acted[msg->attempt] &&
	    w->l.boot_ms - msg->made_ms > (WINDOW_S + 1) * 1000)
		violate(w, LATE);
}

static struct message *new_message(struct world *w, unsigned attempt)
{
	struct message *msg = &w->message[w->messages++];

	assert_true(w->messages < MESSAGES_MAX);
	memset(msg, 0, sizeof(*msg));
	msg->attempt = attempt;
	msg->made_ms = w->l.boot_ms;
	w->c->port = (uint16_t)(PORT_BASE + w->messages - 1);
	return msg;
}

static uint64_t next_time(struct world *w)
{
	uint64_t now = (uint64_t)((int64_t)client_clock(w) + w->offset_ns);

	if ((int64_t)now <= 0)
		now = 1;
	w->last_t = now > w->last_t ? now : w->last_t + 1;
	return w->last_t;
}

unsigned make_m1(struct world *w, const struct request *q, unsigned attempt)
{
	struct message *msg = new_message(w, attempt);

	msg->m = lab_m1(&w->l, w->c, q, next_time(w));
	return w->messages - 1;
}

/* An M3 for M1 i to the challenge p; first NULL, or the M3 whose body is sent again. */
unsigned make_m3(struct world *w, unsigned i, const struct reply *p, const struct message *first)
{
	struct message *msg = new_message(w, w->message[i].attempt);

	msg->is_m3 = true;
	msg->m1 = i;
	if (first) {
		w->c->last_t = next_time(w) - 1;
		msg->m = lab_m3_again(&w->l, w->c, &first->m);
	} else {
		msg->m = lab_m3(&w->l, w->c, &w->message[i].m, p, next_time(w), NULL);
	}
	msg->m.port = w->c->port;
	return w->messages - 1;
}

/* The answer to message i, if one came and was not lost on its way. */
bool hear(struct world *w, unsigned i, struct reply *p, bool lost)
{
	bool heard = false;

	for (unsigned k = 0; k < w->l.sent; k++) {
		struct lab_message *m = &w->message[i].m;

		if (w->l.packet[k].to_port == m->port && !lost &&
		    lab_read(&w->l, m, &w->l.packet[k], p))
			heard = true;
	}
	w->l.sent = 0;
	if (heard)
		w->offset_ns = (int64_t)(p->server_time - client_clock(w));
	return heard;
}

void replay_some(struct world *w, unsigned times)
{
	for (unsigned k = 0; k < times && w->messages > 0; k++) {
		unsigned span = w->messages < RECENT || percent(20) ? w->messages : RECENT;

		deliver_and_settle(w, w->messages - 1 - below(span), percent(30));
		w->l.sent = 0;
	}
}

/* Only what the server has seen: who can hold back what it has not seen can as well drop it. */
void replay_seen(struct world *w)
{
	unsigned i = below(w->messages);

	if (w->message[i].at_server) {
		deliver_and_settle(w, i, percent(30));
		w->l.sent = 0;
	}
}

void start_world(struct world *w, bool calm)
{
	memset(w, 0, offsetof(struct world, message));
	memset(w->acted, 0, sizeof(*w) - offsetof(struct world, acted));
	lab_start(&w->l,
	    "udp-port = 62201\nclient-rate = 1000000\nclient-burst = 1000000\n"
	    "service \"ssh\" { proto = tcp port = 22 hold = 1 max-hold = 60 }\n",
	    "service=ssh", 1);
	w->c = &w->l.client[0];
	w->l.acted = on_act;
	w->l.acted_arg = w;
	w->base_real_ns = w->l.real_ns;
	w->base_boot_ms = w->l.boot_ms;
	w->newest_acted = -1;
	w->is_calm = calm;
}
