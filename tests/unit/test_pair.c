#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "netsim.h"
#include "secret.h"

static const uint64_t ms = 1000000;
static const uint64_t second = 1000000000;

static int set_up(void **state)
{
	struct sim *s = malloc(sizeof(*s));

	*state = s;
	if (!s)
		return -1;
	sim_start(s, 2, 1);
	return 0;
}

static int tear_down(void **state)
{
	sim_end(*state);
	free(*state);
	return 0;
}

static void assert_granted(const struct sim *s, unsigned side)
{
	assert_int_equal(s->side[side]->outcome, EXCHANGE_REPLIED);
	assert_true(exchange_granted(s->side[side]));
}

static void both_families_get_their_own_attempt(void **state)
{
	struct sim *s = *state;
	struct address v4 = sim_address(0), v6 = sim_address(1);

	sim_run(s, 0);
	assert_granted(s, 0);
	assert_granted(s, 1);
	assert_int_equal(s->server.acted, 2);
	assert_true(s->side[0]->request.attempt != s->side[1]->request.attempt);
	assert_true(address_equal(&s->side[0]->reply.address_seen, &v4));
	assert_true(address_equal(&s->side[1]->reply.address_seen, &v6));
}

static void the_second_goes_when_the_first_is_answered(void **state)
{
	struct sim *s = *state;

	sim_run(s, 0);
	assert_true(s->record[2].to_server && s->record[2].side == 1);
	assert_true(s->record[2].at_ns == 2 * ms);
	assert_true(s->now_ns == 4 * ms);
}

static void or_fifty_milliseconds_later(void **state)
{
	struct sim *s = *state;

	s->delay_ns[0] = 80 * ms;
	s->delay_ns[1] = 80 * ms;
	sim_run(s, 0);
	assert_true(s->record[1].to_server && s->record[1].side == 1);
	assert_true(s->record[1].at_ns == 50 * ms);
	assert_granted(s, 0);
	assert_granted(s, 1);
	assert_true(s->now_ns == 210 * ms);
}

static void a_dead_family_is_waited_for_a_little_while(void **state)
{
	struct sim *s = *state;

	s->dead[1] = true;
	sim_run(s, 0);
	assert_granted(s, 0);
	assert_int_equal(s->side[1]->outcome, EXCHANGE_SILENCE);
	assert_true(s->now_ns == 3502 * ms); /* it began at 2 ms */
}

/* A door for three seconds would be gone by then. */
static void nor_longer_than_the_door_allows(void **state)
{
	struct sim *s = *state;

	s->server.hold_s = 3;
	s->dead[1] = true;
	sim_run(s, 0);
	assert_granted(s, 0);
	assert_int_equal(s->side[1]->outcome, EXCHANGE_SILENCE);
	assert_true(s->now_ns == 1002 * ms);
}

static void a_dead_first_family_does_not_hold_up_the_second(void **state)
{
	struct sim *s = *state;

	s->dead[0] = true;
	sim_run(s, 0);
	assert_granted(s, 1);
	assert_int_equal(s->side[0]->outcome, EXCHANGE_SILENCE);
	assert_true(s->done_ns[1] == 52 * ms + 1);
	assert_true(s->now_ns == 3500 * ms);
}

static void two_dead_ones_get_all_their_knocks(void **state)
{
	struct sim *s = *state;

	s->dead[0] = true;
	s->dead[1] = true;
	sim_run(s, 0);
	assert_int_equal(s->side[0]->sent, 5);
	assert_int_equal(s->side[1]->sent, 5);
	assert_true(s->now_ns == 7100 * ms);
}

static void a_refusal_does_not_end_the_other(void **state)
{
	struct sim *s = *state;

	s->server.verdict = VERDICT_ADDRESS;
	s->dead[1] = true;
	sim_run(s, 0);
	assert_int_equal(s->side[0]->reply.verdict, VERDICT_ADDRESS);
	assert_int_equal(s->side[1]->sent, 5);
}

/* What is said of the person, or of what was asked for, is said once: a server counts such mistakes. */
static void a_final_refusal_ends_the_other(void **state)
{
	struct sim *s = *state;

	s->server.verdict = VERDICT_CODE_OR_PIN;
	sim_run(s, 0);
	assert_int_equal(s->side[0]->reply.verdict, VERDICT_CODE_OR_PIN);
	assert_int_equal(s->side[1]->outcome, EXCHANGE_STOPPED);
	assert_int_equal(s->side[1]->sent, 0);
	assert_int_equal(s->server.acted, 1);
}

/* Though both were challenged: the second's M3 would be the same mistake once more. */
static void a_final_refusal_comes_late(void **state)
{
	struct sim *s = *state;

	s->delay_ns[0] = 60 * ms;
	s->delay_ns[1] = 60 * ms;
	s->server.verdict = VERDICT_CODE_OR_PIN;
	s->server.challenges = true;
	sim_run(s, 0);
	assert_int_equal(s->side[1]->reply.verdict, VERDICT_CODE_OR_PIN);
	assert_int_equal(s->side[0]->outcome, EXCHANGE_STOPPED);
	assert_int_equal(s->server.acted, 1);
}

static void where_any_is_enough_the_other_is_left_alone(void **state)
{
	struct sim *s = *state;

	s->pair.any = true;
	sim_run(s, 0);
	assert_granted(s, 0);
	assert_int_equal(s->side[1]->outcome, EXCHANGE_STOPPED);
	assert_int_equal(s->side[1]->sent, 0);
	assert_int_equal(s->server.acted, 1);
}

static void where_any_is_enough_a_dead_first_costs_little(void **state)
{
	struct sim *s = *state;

	s->pair.any = true;
	s->dead[0] = true;
	sim_run(s, 0);
	assert_granted(s, 1);
	assert_true(s->now_ns == 302 * ms);
	assert_int_equal(s->side[0]->outcome, EXCHANGE_STOPPED);
}

static void where_any_is_enough_a_refusal_is_not(void **state)
{
	struct sim *s = *state;

	s->pair.any = true;
	s->server.verdict = VERDICT_ADDRESS;
	sim_run(s, 0);
	assert_int_equal(s->side[0]->reply.verdict, VERDICT_ADDRESS);
	assert_int_equal(s->side[1]->reply.verdict, VERDICT_ADDRESS);
}

/* One answers a challenge: the other keeps its M1 to itself until that is over. */
static void a_challenge_of_one_holds_the_other_back(void **state)
{
	struct sim *s = *state;

	s->delay_ns[0] = 20 * ms; /* M2 is here at 40 ms, before the other begins */
	s->server.challenges = true;
	sim_run(s, 0);
	assert_granted(s, 0);
	assert_granted(s, 1);
	assert_int_equal(s->server.challenged, 2); /* each once: none was forgotten */
	assert_true(s->side[1]->try[0].sent.mono_ns == 80 * ms);
}

/* The second family's M1 made the server forget the first one's challenge. */
static void a_challenge_lost_to_the_other_is_made_good(void **state)
{
	struct sim *s = *state;

	s->delay_ns[0] = 60 * ms;
	s->delay_ns[1] = 60 * ms;
	s->server.challenges = true;
	sim_run(s, 0);
	assert_granted(s, 0);
	assert_granted(s, 1);
	assert_int_equal(s->server.acted, 2);
	assert_int_equal(s->side[0]->rounds, 2);
	assert_true(s->now_ns < 700 * ms);
}

/* ... and is never heard of again itself. */
static void even_if_the_other_is_deaf(void **state)
{
	struct sim *s = *state;

	s->delay_ns[0] = 60 * ms;
	s->deaf[1] = true;
	s->server.challenges = true;
	sim_run(s, 0);
	assert_granted(s, 0);
	assert_int_equal(s->side[1]->outcome, EXCHANGE_SILENCE);
	assert_true(s->done_ns[0] < 8 * second);
}

/* The second way is the quicker one by more than the delay, and its replies get lost. */
static void the_quick_family_does_not_always_overtake_the_slow_one(void **state)
{
	struct sim *s = *state;

	s->delay_ns[0] = 150 * ms;
	s->deaf[1] = true;
	sim_run(s, 0);
	assert_granted(s, 0);
	assert_true(s->done_ns[0] <= 601 * ms);
}

enum { RUNS = 300 };

/*
 * 20 % lost each way, both families wanted; in time means the first of them, as a person would see
 * it.
 */
static void assert_odds(
    bool challenges, uint64_t delay_ns, unsigned first_least, unsigned both_least)
{
	struct sim *s = malloc(sizeof(*s));
	unsigned first = 0, both = 0;

	assert_non_null(s);
	for (uint32_t run = 0; run < RUNS; run++) {
		sim_start(s, 2, run + 1);
		s->loss_percent = 20;
		s->delay_ns[0] = delay_ns;
		s->delay_ns[1] = delay_ns;
		s->server.challenges = challenges;
		sim_run(s, 0);
		bool a = exchange_granted(s->side[0]) && s->done_ns[0] <= 5 * second;
		bool b = exchange_granted(s->side[1]) && s->done_ns[1] <= 5 * second;
		first += a || b;
		both += a && b;
		assert_true(s->server.acted <= 2);
		sim_end(s);
	}
	free(s);
	print_message("challenge %d, %u ms each way: one family in %u, both in %u of %u\n",
	    challenges, (unsigned)(delay_ns / ms), first, both, (unsigned)RUNS);
	assert_true(first >= first_least);
	assert_true(both >= both_least);
}

/* While pieces of the one are repeated, the other's newer M1 was answered: they are void. */
static void what_was_overtaken_begins_anew(void **state)
{
	struct sim *s = *state;
	struct exchange_packet out;

	s->pair.lasts_ns = 30 * ms;
	pair_begin(&s->pair, sim_moment(s));
	assert_true(exchange_send(s->side[0], sim_moment(s), &out));
	exchange_hold(s->side[0]);
	assert_int_equal(pair_next(&s->pair, sim_moment(s)), -1);
	assert_true(pair_due(&s->pair) == 80 * ms); /* 50, and what the first takes */
	s->dead[0] = true;
	s->recorded = 1; /* it has begun */
	sim_run(s, 82 * ms);
	assert_granted(s, 1);
	assert_false(s->side[0]->held);
	assert_int_equal(s->side[0]->sent, 2);
}

static void a_fifth_lost(void **state)
{
	(void)state;
	assert_odds(false, ms, RUNS * 99 / 100, RUNS * 95 / 100);
	assert_odds(false, 100 * ms, RUNS * 99 / 100, RUNS * 95 / 100);
}

static void a_fifth_lost_through_challenges(void **state)
{
	(void)state;
	assert_odds(true, ms, RUNS * 95 / 100, RUNS * 85 / 100);
	assert_odds(true, 100 * ms, RUNS * 95 / 100, RUNS * 80 / 100);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(both_families_get_their_own_attempt),
	    TEST(the_second_goes_when_the_first_is_answered),
	    TEST(or_fifty_milliseconds_later),
	    TEST(a_dead_family_is_waited_for_a_little_while),
	    TEST(nor_longer_than_the_door_allows),
	    TEST(a_dead_first_family_does_not_hold_up_the_second),
	    TEST(two_dead_ones_get_all_their_knocks),
	    TEST(a_refusal_does_not_end_the_other),
	    TEST(a_final_refusal_ends_the_other),
	    TEST(a_final_refusal_comes_late),
	    TEST(where_any_is_enough_the_other_is_left_alone),
	    TEST(where_any_is_enough_a_dead_first_costs_little),
	    TEST(where_any_is_enough_a_refusal_is_not),
	    TEST(a_challenge_of_one_holds_the_other_back),
	    TEST(a_challenge_lost_to_the_other_is_made_good),
	    TEST(even_if_the_other_is_deaf),
	    TEST(the_quick_family_does_not_always_overtake_the_slow_one),
	    TEST(what_was_overtaken_begins_anew),
	    cmocka_unit_test(a_fifth_lost),
	    cmocka_unit_test(a_fifth_lost_through_challenges),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
