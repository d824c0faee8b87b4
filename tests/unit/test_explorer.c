/*
 * Random histories over the real auth core: one honest client, one server, and
 * an attacker who records every message and delivers any of them at any time.
 * Clocks step on both sides, the process dies at any point, the store fails or
 * is lost, the network holds back, reorders, doubles and loses.
 *
 *   P1      a message, or an attempt, acted on twice
 *   P2      a message acted on after one that was made later
 *   ORACLE  a message that drew two reactions
 *   LATE    with clocks right and nothing lost: acted on, unproven, after the window
 *   LIVE    an honest knock over a working network that failed within its retries
 *
 * The protocol is spoken for real on both sides; only the results of
 * Diffie-Hellman are remembered, since few keys are used. Bugs that are planted
 * by the linker's --wrap prove that the explorer can fail.
 *
 *   test_explorer [HISTORIES [SEED]]
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "auth_lab.h"
#include "clock.h"
#include "freshness.h"
#include "log.h"
#include "record.h"

enum {
	MESSAGES_MAX = 400, /* of one history */
	ATTEMPTS_MAX = 120,
	STEPS = 60,
	PORT_BASE =
	    20000, /* message i comes from port PORT_BASE + i: so an answer tells what it answers */
	RECENT = 12, /* the attacker prefers what is new */
	WINDOW_S = 60,
	HISTORIES = 10000,
	PLANTED_HISTORIES = 600,
};

enum violation { P1 = 1, P2 = 2, ORACLE = 4, LATE = 8, LIVE = 16 };

/* --- bugs to plant --- */

enum bug {
	BUG_NONE,
	BUG_MARK_NOT_SPENT,   /* a message as old as the mark passes */
	BUG_TRUSTS_MISSING,   /* no mark: taken for proven */
	BUG_NO_WINDOW,	      /* clocks are never in doubt */
	BUG_FORGETS_ATTEMPTS, /* known ids are not known */
	BUG_COMMIT_AFTER,     /* what was committed is lost when the process dies */
};

static enum bug planted;

bool __real_freshness_newer(uint64_t mark, uint64_t t);
bool __wrap_freshness_newer(uint64_t mark, uint64_t t);
enum freshness __real_freshness_judge(
    const struct client_record *r, uint64_t t, uint64_t now_ns, uint64_t window_ns, bool must);
enum freshness __wrap_freshness_judge(
    const struct client_record *r, uint64_t t, uint64_t now_ns, uint64_t window_ns, bool must);
struct attempt *__real_client_record_find(struct client_record *r, uint64_t id);
struct attempt *__wrap_client_record_find(struct client_record *r, uint64_t id);

bool __wrap_freshness_newer(uint64_t mark, uint64_t t)
{
	return __real_freshness_newer(mark, t) || (planted == BUG_MARK_NOT_SPENT && t == mark);
}

enum freshness __wrap_freshness_judge(
    const struct client_record *r, uint64_t t, uint64_t now_ns, uint64_t window_ns, bool must)
{
	struct client_record other = *r;

	if (planted == BUG_MARK_NOT_SPENT && t == r->mark)
		other.mark--;
	if (planted == BUG_TRUSTS_MISSING && r->mark == 0)
		other.proven = true;
	if (planted == BUG_NO_WINDOW)
		window_ns = UINT64_MAX;
	return __real_freshness_judge(&other, t, now_ns, window_ns, must);
}

struct attempt *__wrap_client_record_find(struct client_record *r, uint64_t id)
{
	return planted == BUG_FORGETS_ATTEMPTS ? NULL : __real_client_record_find(r, id);
}

/* --- Diffie-Hellman, remembered --- */

enum { MEMO_SLOTS = 1 << 17 };

struct memo {
	uint8_t in[64], out[32];
	bool used;
};

static struct memo *memo;

int __real_crypto_scalarmult_curve25519(
    unsigned char *q, const unsigned char *n, const unsigned char *p);
int __wrap_crypto_scalarmult_curve25519(
    unsigned char *q, const unsigned char *n, const unsigned char *p);
int __real_crypto_scalarmult_curve25519_base(unsigned char *q, const unsigned char *n);
int __wrap_crypto_scalarmult_curve25519_base(unsigned char *q, const unsigned char *n);

static struct memo *memo_slot(const uint8_t in[static 64])
{
	static const uint8_t key[crypto_shorthash_KEYBYTES];
	uint64_t hash;

	crypto_shorthash((uint8_t *)&hash, in, 64, key);
	return &memo[hash % MEMO_SLOTS];
}

int __wrap_crypto_scalarmult_curve25519(
    unsigned char *q, const unsigned char *n, const unsigned char *p)
{
	uint8_t in[64];
	struct memo *m;

	memcpy(in, n, 32);
	memcpy(in + 32, p, 32);
	m = memo_slot(in);
	if (!m->used || memcmp(m->in, in, sizeof(in)) != 0) {
		if (__real_crypto_scalarmult_curve25519(m->out, n, p) != 0)
			return -1;
		memcpy(m->in, in, sizeof(in));
		m->used = true;
	}
	memcpy(q, m->out, 32);
	return 0;
}

int __wrap_crypto_scalarmult_curve25519_base(unsigned char *q, const unsigned char *n)
{
	static const uint8_t base[32] = {9};

	return __wrap_crypto_scalarmult_curve25519(q, n, base);
}

/* --- chance, the same for a seed --- */

static uint64_t chance_state;
static unsigned keys_drawn;

static uint64_t chance64(void)
{
	uint64_t z = chance_state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static unsigned below(unsigned n)
{
	return (unsigned)(chance64() % n);
}

static bool percent(unsigned p)
{
	return below(100) < p;
}

static const char *chance_name(void)
{
	return "explorer";
}

static uint32_t chance32(void)
{
	return (uint32_t)chance64();
}

/*
 * Keys are drawn in the same order in each history, so that their products can
 * be remembered; none comes twice in one, or an old answer would fit a new challenge.
 */
static void chance_bytes(void *out, const size_t size)
{
	uint8_t *o = out;

	if (size == KEY_BYTES) {
		keys_drawn++;
		memset(out, 0x40, size);
		o[1] = (uint8_t)(keys_drawn >> 8);
		o[2] = (uint8_t)keys_drawn;
		return;
	}
	for (size_t i = 0; i < size; i++)
		o[i] = (uint8_t)chance64();
}

static randombytes_implementation chance_implementation = {
    .implementation_name = chance_name, .random = chance32, .buf = chance_bytes};

/* --- the world --- */

struct message {
	struct lab_message m;
	unsigned attempt;
	bool is_m3, at_server;
	unsigned reactions, m1; /* of an M3: the M1 it goes with */
	uint64_t made_ms;	/* true time */
};

struct world {
	struct lab l;
	struct lab_client *c;
	/* client */
	int64_t client_off_s;
	uint64_t last_t;
	int64_t offset_ns;
	/* truth */
	struct store *store, *lie; /* lie: what would be left if the process died now */
	uint64_t base_real_ns, base_boot_ms;
	int64_t server_off_s;
	unsigned messages, attempts, epoch;
	struct message message[MESSAGES_MAX];
	bool acted[ATTEMPTS_MAX];
	unsigned acted_epoch[ATTEMPTS_MAX];
	bool was_live
	    [ATTEMPTS_MAX]; /* under way when the store was lost: may be done again, and only then */
	int newest_acted;
	bool is_calm; /* LATE is looked for */
	unsigned violations;
};

/* Events, as letters of a feature string. */
static const struct {
	const char *name, *events;
	unsigned forgiven;
} features[] = {
    {"nothing odd", "kkkrrrhbx", 0},
    {"client clock wrong", "kkkrrrhbxcc", 0},
    {"server clock steps", "kkkrrrhbxs", 0},
    {"process dies anywhere", "kkkrrrhbxdd", 0},
    {"death with a dead clock", "kkkrrrhbx1", 0},
    {"disk full now and then", "kkkrrrhbxf", 0},
    {"client loses its state", "kkkrrrhbxl", 0},
    {"store lost", "kkkrrrhbxo", 0},
    {"all but (lost state and bad clock)", "kkkrrrhbxcsd1of", 0},
    /* What it says later it may say with an earlier time: P2 is by the order in which it was made. */
    {"lost state and bad clock", "kkkrrrhbxccl", LIVE | P2},
};

enum { FEATURES = sizeof(features) / sizeof(features[0]) };

static void violate(struct world *w, enum violation v)
{
	w->violations |= v;
}

static uint64_t client_clock(const struct world *w)
{
	uint64_t truth = w->base_real_ns + (w->l.boot_ms - w->base_boot_ms) * NS_PER_MS;

	return (uint64_t)((int64_t)truth + w->client_off_s * NS_PER_S);
}

static void set_server_clock(struct world *w, int64_t off_s)
{
	uint64_t truth = w->base_real_ns + (w->l.boot_ms - w->base_boot_ms) * NS_PER_MS;

	w->server_off_s = off_s;
	w->l.real_ns = (uint64_t)((int64_t)truth + off_s * NS_PER_S);
}

static void pass(struct world *w, uint64_t ms)
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
static void remember_lie(struct world *w)
{
	if (planted != BUG_COMMIT_AFTER || w->lie)
		return;
	w->lie = copy_store(w->l.store);
}

static void forget_lie(struct world *w)
{
	if (w->lie)
		w->lie->ops->close(w->lie);
	w->lie = NULL;
}

/* --- the process --- */

/* Dies; what it asked the monitor for may be done yet, or not. */
static void die(struct world *w, bool asked_is_done)
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

static void lose_store(struct world *w, unsigned live_attempt)
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
static void judge_answers(struct world *w, unsigned from)
{
	for (unsigned i = from; i < w->l.sent; i++) {
		unsigned to = (unsigned)w->l.packet[i].to_port - PORT_BASE;

		assert_true(to < w->messages);
		if (++w->message[to].reactions > 1)
			violate(w, ORACLE);
	}
}

static void deliver(struct world *w, unsigned i, bool elsewhere)
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
static void deliver_and_settle(struct world *w, unsigned i, bool elsewhere)
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

static unsigned make_m1(struct world *w, const struct request *q, unsigned attempt)
{
	struct message *msg = new_message(w, attempt);

	msg->m = lab_m1(&w->l, w->c, q, next_time(w));
	return w->messages - 1;
}

/* An M3 for M1 i to the challenge p; first NULL, or the M3 whose body is sent again. */
static unsigned make_m3(
    struct world *w, unsigned i, const struct reply *p, const struct message *first)
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
static bool hear(struct world *w, unsigned i, struct reply *p, bool lost)
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

static void replay_some(struct world *w, unsigned times)
{
	for (unsigned k = 0; k < times && w->messages > 0; k++) {
		unsigned span = w->messages < RECENT || percent(20) ? w->messages : RECENT;

		deliver_and_settle(w, w->messages - 1 - below(span), percent(30));
		w->l.sent = 0;
	}
}

/* Only what the server has seen: who can hold back what it has not seen can as well drop it. */
static void replay_seen(struct world *w)
{
	unsigned i = below(w->messages);

	if (w->message[i].at_server) {
		deliver_and_settle(w, i, percent(30));
		w->l.sent = 0;
	}
}

/* --- an honest knock --- */

struct knock {
	struct request q;
	unsigned attempt;
	bool lossy;
	unsigned die_at; /* how many deliveries until the process dies; 0 never */
	bool died;
};

static struct request request_of(unsigned attempt)
{
	struct request q = lab_open("ssh");
	const uint8_t door[4] = {10, 77, (uint8_t)(attempt >> 8), (uint8_t)attempt};
	struct address a = address_v4(door);

	q.admits = 1;
	q.admit[0] = prefix_host(&a);
	q.has_hold = true;
	q.hold_s = 1;
	return q;
}

/* On its way something may die: before its effect, between effect and answer, or after all. */
static void travel(struct world *w, struct knock *k, unsigned i)
{
	unsigned before = w->l.sent;

	remember_lie(w);
	if (k->die_at == 0 || --k->die_at > 0) {
		deliver_and_settle(w, i, false);
		if (percent(30))
			deliver_and_settle(w, i, percent(30));
		if (k->die_at == 0)
			forget_lie(w);
		return;
	}
	k->died = true;
	deliver(w, i, false);
	if (percent(80))
		lab_turn(&w->l);
	if (percent(50)) {
		lab_monitor(&w->l);
		if (percent(50))
			lab_turn(&w->l);
	}
	judge_answers(w, before);
	die(w, percent(50));
	if (percent(30))
		deliver_and_settle(w, i, percent(30));
}

static bool is_done(const struct reply *p)
{
	return p->verdict == VERDICT_OK || p->verdict == VERDICT_REFRESHED ||
	       p->verdict == VERDICT_RESULT_UNKNOWN;
}

static bool lost_now(const struct knock *k, unsigned tries)
{
	return k->lossy && tries < 3 && percent(30);
}

/* Having been challenged the client sends its M3 until it hears something. */
static bool prove(struct world *w, struct knock *k, unsigned m1, struct reply *p)
{
	const struct message *first = NULL;

	if (percent(20) && !k->lossy)
		replay_seen(w);
	for (unsigned tries = 0; tries < 5; tries++) {
		unsigned i = make_m3(w, m1, p, first);

		first = first ? first : &w->message[i];
		if (!lost_now(k, tries))
			travel(w, k, i);
		pass(w, 50);
		/* Under the M1's state: an M4 is read with what M2 left. */
		w->message[i].m.state = w->message[m1].m.state;
		if (hear(w, i, p, lost_now(k, tries)))
			return is_done(p);
		pass(w, 300U << tries);
	}
	return false;
}

static bool knock(struct world *w, struct knock *k)
{
	struct reply p;

	k->attempt = w->attempts++;
	assert_true(w->attempts < ATTEMPTS_MAX);
	k->q = request_of(k->attempt);
	for (unsigned tries = 0; tries < (k->lossy ? 6U : 3U); tries++) {
		unsigned i = make_m1(w, &k->q, k->attempt);

		if (!lost_now(k, tries))
			travel(w, k, i);
		pass(w, 50);
		if (!hear(w, i, &p, lost_now(k, tries))) {
			pass(w, 300U << tries);
			continue;
		}
		if (p.verdict == VERDICT_CHALLENGE && prove(w, k, i, &p))
			return true;
		if (p.verdict != VERDICT_CHALLENGE)
			return is_done(&p);
	}
	return false;
}

static void honest(struct world *w, unsigned die_at)
{
	struct knock k = {.lossy = percent(30), .die_at = die_at};

	if (!knock(w, &k) && !k.died)
		violate(w, LIVE);
	forget_lie(w);
}

/* --- events --- */

/* Sent, and kept by the network: it may come later, or never. */
static void hold_back(struct world *w)
{
	unsigned attempt = w->attempts++;
	struct request q = request_of(attempt);

	(void)make_m1(w, &q, attempt);
}

/* Many at once, in any order, the monitor slow. */
static void burst(struct world *w)
{
	unsigned before = w->l.sent;

	for (unsigned n = below(6); n > 0 && w->messages > 0; n--) {
		unsigned span = w->messages < RECENT ? w->messages : RECENT;

		deliver(w, w->messages - 1 - below(span), percent(20));
		if (percent(30))
			(void)core_turn(w->l.core);
	}
	lab_settle(&w->l);
	judge_answers(w, before);
	w->l.sent = 0;
}

static void disk_full(struct world *w)
{
	struct knock k = {.died = true};

	store_memory_fail(w->l.store, 1 + below(3));
	(void)knock(w, &k);
	store_memory_fail(w->l.store, 0);
}

static void boot_in_1970(struct world *w)
{
	int64_t old = w->server_off_s;

	set_server_clock(w, -(int64_t)(w->base_real_ns / NS_PER_S) + 5);
	die(w, percent(50));
	pass(w, 2000);
	if (percent(50))
		honest(w, 0);
	set_server_clock(w, old);
}

static void event(struct world *w, char e)
{
	static const int client_off[] = {0, 0, 0, 50, -50, 300, -300, 3700, -900000};
	static const int server_off[] = {0, 0, 20, -20, 300, -300, 3600, -3600};

	switch (e) {
	case 'k':
		honest(w, 0);
		break;
	case 'r':
		replay_some(w, 1 + below(4));
		break;
	case 'h':
		hold_back(w);
		break;
	case 'b':
		burst(w);
		break;
	case 'x':
		die(w, false);
		break;
	case 'd':
		honest(w, 1 + below(3));
		break;
	case 'c':
		w->client_off_s = client_off[below(9)];
		break;
	case 's':
		set_server_clock(w, server_off[below(8)]);
		break;
	case '1':
		boot_in_1970(w);
		break;
	case 'f':
		disk_full(w);
		break;
	case 'l':
		w->last_t = 0;
		w->offset_ns = 0;
		break;
	case 'o':
		lose_store(w, w->attempts > 0 && percent(50) ? w->attempts - 1 : ATTEMPTS_MAX);
		break;
	default:
		fail();
	}
}

static void start_world(struct world *w, const char *events)
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
	w->is_calm = strpbrk(events, "cs1ol") == NULL;
}

/* That the histories are not empty: what happened in all of them. */
static struct {
	uint64_t messages, acted, replays, challenged, proven, again, known;
} total;

static void add_totals(const struct world *w)
{
	total.messages += w->messages;
	for (unsigned i = 0; i < w->attempts; i++)
		total.acted += w->acted[i];
	total.replays += lab_count(&w->l, COUNT_REPLAY);
	total.challenged += lab_count(&w->l, COUNT_CHALLENGED);
	total.proven += lab_count(&w->l, COUNT_ANSWER_RIGHT);
	total.again += lab_count(&w->l, COUNT_ANSWER_AGAIN);
	total.known += lab_count(&w->l, COUNT_KNOWN);
}

/* Returns what was violated. */
static unsigned run(struct world *w, uint64_t seed, const char *events)
{
	static const unsigned gaps_ms[] = {100, 1000, 5000, 30000, 61000, 130000, 400000, 3600000};
	size_t n = strlen(events);

	chance_state = seed * UINT64_C(0x100000001b3);
	keys_drawn = 0;
	start_world(w, events);
	for (unsigned i = 0; i < STEPS && w->violations == 0; i++) {
		pass(w, gaps_ms[below(8)]);
		if (w->messages + 60 > MESSAGES_MAX || w->attempts + 4 > ATTEMPTS_MAX)
			break;
		event(w, events[below((unsigned)n)]);
	}
	forget_lie(w);
	add_totals(w);
	lab_stop(&w->l);
	return w->violations;
}

static unsigned histories = HISTORIES;
static uint64_t first_seed = 1;

static const char *names_of(unsigned v, char out[static 64])
{
	snprintf(out, 64, "%s%s%s%s%s", v & P1 ? "P1 " : "", v & P2 ? "P2 " : "",
	    v & ORACLE ? "ORACLE " : "", v & LATE ? "LATE " : "", v & LIVE ? "LIVE " : "");
	return out;
}

static void test_no_history_breaks_a_rule(void **state)
{
	struct world *w = *state;
	char names[64];
	unsigned bad = 0, forgiven = 0;
	clock_t began = clock();

	planted = BUG_NONE;
	memset(&total, 0, sizeof(total));
	for (unsigned i = 0; i < histories; i++) {
		unsigned f = i % FEATURES;
		unsigned found = run(w, first_seed + i, features[f].events);

		forgiven += (found & features[f].forgiven) != 0;
		if ((found & ~features[f].forgiven) == 0)
			continue;
		if (bad++ < 10)
			printf("%s, seed %llu: %s\n", features[f].name,
			    (unsigned long long)(first_seed + i), names_of(found, names));
	}
	printf("%u histories, %u forgiven, %u bad, %.1f s\n", histories, forgiven, bad,
	    (double)(clock() - began) / CLOCKS_PER_SEC);
	printf("%llu messages, %llu attempts acted on; since the last death: %llu replays, "
	       "%llu challenges, %llu proven, %llu results again, %llu attempts again\n",
	    (unsigned long long)total.messages, (unsigned long long)total.acted,
	    (unsigned long long)total.replays, (unsigned long long)total.challenged,
	    (unsigned long long)total.proven, (unsigned long long)total.again,
	    (unsigned long long)total.known);
	assert_int_equal(bad, 0);
	assert_true(total.acted > histories && total.replays > histories &&
		    total.proven > histories / 2 && total.again > 0 && total.known > 0);
}

static void find(struct world *w, enum bug b, const char *events, unsigned expected)
{
	unsigned found = 0;

	planted = b;
	for (unsigned i = 0; i < PLANTED_HISTORIES && (found & expected) != expected; i++)
		found |= run(w, first_seed + i, events);
	planted = BUG_NONE;
	assert_int_equal(found & expected, expected);
}

static void test_planted_bugs_are_found(void **state)
{
	find(*state, BUG_MARK_NOT_SPENT, "kkkrrrhbx", ORACLE);
	find(*state, BUG_TRUSTS_MISSING, "kkkrrrhbxo", P1 | P2);
	find(*state, BUG_NO_WINDOW, "kkkrrrhbx", LATE);
	find(*state, BUG_FORGETS_ATTEMPTS, "kkkrrrhbx", P1);
	find(*state, BUG_COMMIT_AFTER, "kkkrrrhbxdd", P1 | ORACLE);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	memo = calloc(MEMO_SLOTS, sizeof(*memo));
	if (!w || !memo)
		return -1;
	randombytes_set_implementation(&chance_implementation);
	/* Nobody reads what it would say: the store's failures are many. */
	log_start(LOG_TO_FD, LOG_LEVEL_ERROR, "explorer", open("/dev/null", O_WRONLY | O_CLOEXEC));
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	free(memo);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_planted_bugs_are_found),
	    cmocka_unit_test(test_no_history_breaks_a_rule),
	};

	if (argc > 1)
		histories = (unsigned)strtoul(argv[1], NULL, 10);
	if (argc > 2)
		first_seed = strtoull(argv[2], NULL, 10);
	return cmocka_run_group_tests(tests, setup, teardown);
}
