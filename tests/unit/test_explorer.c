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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "clock.h"
#include "explore_chance.h"
#include "explore_world.h"
#include "log.h"

enum {
	STEPS = 60,
	RECENT = 12,
	HISTORIES = 10000,
	PLANTED_HISTORIES = 600,
};

/* Events, as letters of a feature string. */
static const struct {
	const char *name, *events;
	unsigned forgiven;
	bool pgp; /* the client knocks by openpgp */
} features[] = {
    {"nothing odd", "kkkrrrhbx", 0, false},
    {"client clock wrong", "kkkrrrhbxcc", 0, false},
    {"server clock steps", "kkkrrrhbxs", 0, false},
    {"process dies anywhere", "kkkrrrhbxdd", 0, false},
    {"death with a dead clock", "kkkrrrhbx1", 0, false},
    {"disk full now and then", "kkkrrrhbxf", 0, false},
    {"client loses its state", "kkkrrrhbxl", 0, false},
    {"store lost", "kkkrrrhbxo", 0, false},
    {"all but (lost state and bad clock)", "kkkrrrhbxcsd1of", 0, false},
    /* What it says later it may say with an earlier time: P2 is by the order in which it was made. */
    {"lost state and bad clock", "kkkrrrhbxccl", LIVE | P2, false},
    {"gpg late, never, out of order", "kkkrrrhbxppp", 0, true},
    {"gpg, and the process dies", "kkkrrrhbxddpp", 0, true},
    {"gpg, and all but (lost state and bad clock)", "kkkrrrhbxcsd1ofpp", 0, true},
};

enum { FEATURES = sizeof(features) / sizeof(features[0]) };

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

/* One message, one answer of gpg's, or some time. */
static void slow_step(struct world *w)
{
	unsigned span = w->messages < RECENT ? w->messages : RECENT;

	switch (below(5)) {
	case 0:
		hold_back(w);
		deliver(w, w->messages - 1, false);
		break;
	case 1:
		if (span > 0)
			deliver(w, w->messages - 1 - below(span), percent(20));
		break;
	case 2:
	case 3:
		if (w->l.pgp_asked > 0)
			lab_pgp(&w->l, below(w->l.pgp_asked), percent(90) ? PGP_OK : PGP_FAILED);
		break;
	default:
		pass(w, below(3000));
		break;
	}
}

/* gpg takes its time, answers in any order, or dies with all that it was asked. */
static void slow_gpg(struct world *w)
{
	unsigned before = w->l.sent;

	w->l.pgp_held = true;
	for (unsigned n = 3 + below(12); n > 0 && w->messages + 2 < MESSAGES_MAX; n--) {
		slow_step(w);
		if (percent(60))
			lab_settle(&w->l);
	}
	if (percent(30)) {
		core_pgp_gone(w->l.core);
		w->l.pgp_asked = 0;
	}
	while (w->l.pgp_asked > 0)
		lab_pgp(&w->l, below(w->l.pgp_asked), PGP_OK);
	w->l.pgp_held = false;
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
	case 'p':
		slow_gpg(w);
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

/* That the histories are not empty: what happened in all of them. */
static struct {
	uint64_t messages, acted, replays, challenged, proven, again, known, by_pgp, pgp_late;
} total;

static void add_totals(const struct world *w)
{
	total.messages += w->messages;
	for (unsigned i = 0; i < w->attempts; i++)
		total.acted += w->acted[i];
	for (unsigned i = 0; i < w->attempts && w->l.pgp; i++)
		total.by_pgp += w->acted[i];
	total.pgp_late += lab_count(&w->l, COUNT_PGP_LATE) + lab_count(&w->l, COUNT_PGP_FAILED);
	total.replays += lab_count(&w->l, COUNT_REPLAY);
	total.challenged += lab_count(&w->l, COUNT_CHALLENGED);
	total.proven += lab_count(&w->l, COUNT_ANSWER_RIGHT);
	total.again += lab_count(&w->l, COUNT_ANSWER_AGAIN);
	total.known += lab_count(&w->l, COUNT_KNOWN);
}

/* Returns what was violated. */
static unsigned run(struct world *w, uint64_t seed, const char *events, bool pgp)
{
	static const unsigned gaps_ms[] = {100, 1000, 5000, 30000, 61000, 130000, 400000, 3600000};
	size_t n = strlen(events);

	chance_start(seed);
	start_world(w, strpbrk(events, "cs1olp") == NULL);
	if (pgp)
		lab_use_pgp(&w->l);
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

	plant(BUG_NONE);
	memset(&total, 0, sizeof(total));
	for (unsigned i = 0; i < histories; i++) {
		unsigned f = i % FEATURES;
		unsigned found = run(w, first_seed + i, features[f].events, features[f].pgp);

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
	       "%llu challenges, %llu proven, %llu results again, %llu attempts again; "
	       "%llu by openpgp, gpg late or gone %llu times\n",
	    (unsigned long long)total.messages, (unsigned long long)total.acted,
	    (unsigned long long)total.replays, (unsigned long long)total.challenged,
	    (unsigned long long)total.proven, (unsigned long long)total.again,
	    (unsigned long long)total.known, (unsigned long long)total.by_pgp,
	    (unsigned long long)total.pgp_late);
	assert_int_equal(bad, 0);
	assert_true(total.acted > histories && total.replays > histories &&
		    total.proven > histories / 4 && total.again > 0 && total.known > 0 &&
		    total.by_pgp > histories && total.pgp_late > 0);
}

static void find(struct world *w, enum bug b, const char *events, bool pgp, unsigned expected)
{
	unsigned found = 0;

	plant(b);
	for (unsigned i = 0; i < PLANTED_HISTORIES && (found & expected) != expected; i++)
		found |= run(w, first_seed + i, events, pgp);
	plant(BUG_NONE);
	assert_int_equal(found & expected, expected);
}

static void test_planted_bugs_are_found(void **state)
{
	find(*state, BUG_MARK_NOT_SPENT, "kkkrrrhbx", false, ORACLE);
	find(*state, BUG_MARK_NOT_SPENT, "kkkrrrhbxpp", true, ORACLE);
	find(*state, BUG_TRUSTS_MISSING, "kkkrrrhbxo", false, P1 | P2);
	find(*state, BUG_NO_WINDOW, "kkkrrrhbx", false, LATE);
	find(*state, BUG_FORGETS_ATTEMPTS, "kkkrrrhbx", false, P1);
	find(*state, BUG_FORGETS_ATTEMPTS, "kkkrrrhbx", true, P1);
	find(*state, BUG_COMMIT_AFTER, "kkkrrrhbxdd", false, P1 | ORACLE);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		return -1;
	chance_install();
	/* Nobody reads what it would say: the store's failures are many. */
	log_start(LOG_TO_FD, LOG_LEVEL_ERROR, "explorer", open("/dev/null", O_WRONLY | O_CLOEXEC));
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	chance_remove();
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
