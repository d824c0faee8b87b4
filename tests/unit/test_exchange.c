#include <errno.h>
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
static const int64_t hour = 3600000000000;

static int set_up(void **state)
{
	struct sim *s = malloc(sizeof(*s));

	*state = s;
	if (!s)
		return -1;
	sim_start(s, 1, 1);
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

/* The i-th packet that went this way. */
static const struct sim_packet *recorded(const struct sim *s, bool to_server, unsigned i)
{
	for (unsigned n = 0; n < s->recorded; n++) {
		if (s->record[n].to_server == to_server && i-- == 0)
			return &s->record[n];
	}
	fail_msg("no such packet");
	return NULL;
}

static void one_packet_each_way(void **state)
{
	struct sim *s = *state;
	const struct exchange *x = s->side[0];
	struct address own = sim_address(0);

	sim_run(s, 0);
	assert_granted(s, 0);
	assert_int_equal(s->recorded, 2);
	assert_int_equal(s->server.acted, 1);
	assert_int_equal(x->sent, 1);
	assert_int_equal(x->reply.doors, 1);
	assert_true(x->round_trip_ns == 2 * ms);
	assert_true(x->clock_ahead_ns == 0);
	assert_true(address_equal(&x->reply.address_seen, &own));
	assert_string_equal(s->server.last.service[0], "ssh");
	assert_int_equal(recorded(s, true, 0)->len >= VEIL_MIN_CLIENT, true);
}

static void a_retry_is_newer_and_the_same_attempt(void **state)
{
	struct sim *s = *state;
	struct exchange *x = s->side[0];

	s->server.lose_replies = 2;
	sim_run(s, 0);
	assert_granted(s, 0);
	assert_int_equal(x->sent, 3);
	assert_int_equal(s->server.authentic, 3);
	assert_int_equal(s->server.acted, 1);
	assert_true(x->try[0].t < x->try[1].t && x->try[1].t < x->try[2].t);
	assert_true(recorded(s, true, 1)->at_ns == 300 * ms);
	assert_true(recorded(s, true, 2)->at_ns == 900 * ms);
}

static void silence_ends_after_five_knocks(void **state)
{
	struct sim *s = *state;
	static const unsigned at_ms[] = {0, 300, 900, 2100, 4500};

	s->dead[0] = true;
	sim_run(s, 0);
	assert_int_equal(s->side[0]->outcome, EXCHANGE_SILENCE);
	assert_int_equal(s->side[0]->sent, 5);
	for (unsigned i = 0; i < 5; i++)
		assert_true(recorded(s, true, i)->at_ns == at_ms[i] * ms);
	assert_true(s->now_ns == 6000 * ms);
}

static void no_retries_means_one_knock(void **state)
{
	struct sim *s = *state;

	s->dead[0] = true;
	s->side[0]->retries = 0;
	sim_run(s, 0);
	assert_int_equal(s->side[0]->sent, 1);
	assert_true(s->now_ns == 1500 * ms);
}

static void a_late_reply_to_an_old_knock_counts(void **state)
{
	struct sim *s = *state;

	s->delay_ns[0] = 500 * ms; /* answered after the second and third knock went out */
	sim_run(s, 0);
	assert_granted(s, 0);
	assert_int_equal(s->side[0]->sent, 3);
	assert_true(s->now_ns == second);
	assert_true(s->side[0]->round_trip_ns == second);
	assert_int_equal(s->server.acted, 1);
}

static void a_denial_is_an_answer(void **state)
{
	struct sim *s = *state;

	s->server.verdict = VERDICT_DENIED;
	(void)snprintf(s->server.reason, sizeof(s->server.reason), "not you");
	sim_run(s, 0);
	assert_int_equal(s->side[0]->outcome, EXCHANGE_REPLIED);
	assert_false(exchange_granted(s->side[0]));
	assert_int_equal(s->side[0]->reply.verdict, VERDICT_DENIED);
	assert_string_equal(s->side[0]->reply.reason, "not you");
	assert_int_equal(s->side[0]->sent, 1);
}

static void a_challenge_is_answered(void **state)
{
	struct sim *s = *state;

	s->server.challenges = true;
	sim_run(s, 0);
	assert_granted(s, 0);
	assert_true(s->side[0]->challenged);
	assert_int_equal(s->recorded, 4);
	assert_int_equal(s->server.acted, 1);
	assert_true(s->now_ns == 4 * ms);
}

static void a_wrong_clock_costs_one_round_trip_once(void **state)
{
	struct sim *s = *state;

	s->client_ahead_ns = -hour;
	sim_run(s, 0);
	assert_granted(s, 0);
	assert_int_equal(s->recorded, 4);
	assert_true(s->offset_ns > hour - (int64_t)second && s->offset_ns < hour + (int64_t)second);
	assert_true(s->side[0]->clock_ahead_ns == hour);
}

static void a_lost_result_is_asked_for_again(void **state)
{
	struct sim *s = *state;
	const struct exchange *x = s->side[0];

	s->server.challenges = true;
	sim_run(s, 2 * ms); /* M1 there, M2 here, M3 out */
	assert_int_equal(x->phase, EXCHANGE_ANSWERING);
	s->server.lose_replies = 2;
	sim_run(s, 0);
	assert_granted(s, 0);
	assert_int_equal(s->server.acted, 1);
	assert_int_equal(s->server.answers, 3);
	assert_int_equal(s->server.repeats, 2); /* the same body, or it would not be known */
	assert_int_equal(s->server.authentic, 1);
}

static void a_newer_challenge_is_answered_too(void **state)
{
	struct sim *s = *state;

	/*
	 * Both M1s are on their way before the first M2 is here: the second makes the first void.
	 */
	s->delay_ns[0] = 200 * ms;
	s->server.challenges = true;
	sim_run(s, 0);
	assert_granted(s, 0);
	assert_int_equal(s->server.challenged, 2);
	assert_int_equal(s->server.acted, 1);
	assert_int_equal(s->side[0]->challenged_by, 1);
}

/* The newer challenge got lost: after three answers to the older one it knocks again. */
static void a_forgotten_challenge_is_not_waited_for_in_vain(void **state)
{
	struct sim *s = *state;

	s->delay_ns[0] = 200 * ms;
	s->server.challenges = true;
	sim_run(s, 390 * ms);
	assert_int_equal(s->server.challenged, 1);
	s->server.lose_replies = 1;
	sim_run(s, 0);
	assert_granted(s, 0);
	assert_int_equal(s->server.acted, 1);
	assert_int_equal(s->side[0]->rounds, 2);
	assert_true(s->now_ns < 10 * second);
}

static void a_stale_challenge_is_left_alone(void **state)
{
	struct sim *s = *state;

	s->delay_ns[0] = 200 * ms;
	s->server.challenges = true;
	sim_run(s, 750 * ms); /* two M1s, two M2s; the second is being answered */
	assert_int_equal(s->side[0]->challenged_by, 1);
	unsigned sent = s->side[0]->sent;
	const struct sim_packet *first = recorded(s, false, 0);
	const struct sim_packet *second_one = recorded(s, false, 1);
	assert_false(
	    exchange_receive(s->side[0], sim_moment(s), &sender_udp, first->bytes, first->len));
	assert_false(exchange_receive(
	    s->side[0], sim_moment(s), &sender_udp, second_one->bytes, second_one->len));
	assert_int_equal(s->side[0]->challenged_by, 1);
	assert_int_equal(s->side[0]->sent, sent);
	sim_run(s, 0);
	assert_granted(s, 0);
}

/* The older of two challenges comes after the newer one. */
static void overtaken_challenges(void **state)
{
	struct sim *s = *state;

	s->delay_ns[0] = 200 * ms;
	s->deaf[0] = true;
	s->server.challenges = true;
	sim_run(s, 550 * ms);
	assert_int_equal(s->server.challenged, 2);
	const struct sim_packet *older = recorded(s, false, 0);
	const struct sim_packet *newer = recorded(s, false, 1);
	assert_true(
	    exchange_receive(s->side[0], sim_moment(s), &sender_udp, newer->bytes, newer->len));
	assert_int_equal(s->side[0]->challenged_by, 1);
	uint8_t answer[BODY_MAX];
	memcpy(answer, s->side[0]->answer, sizeof(answer));
	assert_true(
	    exchange_receive(s->side[0], sim_moment(s), &sender_udp, older->bytes, older->len));
	assert_int_equal(s->side[0]->challenged_by, 1);
	assert_memory_equal(answer, s->side[0]->answer, s->side[0]->answer_len);
	s->deaf[0] = false;
	sim_run(s, 0);
	assert_granted(s, 0);
}

static void duplicates_and_disorder_change_nothing(void **state)
{
	struct sim *s = *state;

	s->double_percent = 100;
	s->delay_ns[0] = 100 * ms;
	s->jitter_ns = 400 * ms;
	s->server.challenges = true;
	sim_run(s, 0);
	assert_granted(s, 0);
	assert_int_equal(s->server.acted, 1);
}

static void every_flipped_bit_is_noticed(void **state)
{
	struct sim *s = *state;
	struct exchange *x = s->side[0];
	struct sim_packet p;

	s->deaf[0] = true;
	sim_run(s, 100 * ms);
	p = *recorded(s, false, 0);
	for (size_t bit = 0; bit < p.len * 8; bit++) {
		p.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(exchange_receive(x, sim_moment(s), &sender_udp, p.bytes, p.len));
		p.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t len = 0; len < p.len; len++)
		assert_false(exchange_receive(x, sim_moment(s), &sender_udp, p.bytes, len));
	assert_true(exchange_receive(x, sim_moment(s), &sender_udp, p.bytes, p.len));
	assert_granted(s, 0);
}

static void our_own_packet_come_back_is_none_of_ours(void **state)
{
	struct sim *s = *state;
	struct exchange *x = s->side[0];

	s->dead[0] = true;
	sim_run(s, 100 * ms);
	const struct sim_packet *p = recorded(s, true, 0);
	assert_false(exchange_receive(x, sim_moment(s), &sender_udp, p->bytes, p->len));
	assert_int_equal(x->phase, EXCHANGE_KNOCKING);
}

static void a_reply_to_another_attempt_is_none_of_ours(void **state)
{
	struct sim *s = *state;

	s->server.wrong_attempt = true;
	sim_run(s, 0);
	assert_int_equal(s->side[0]->outcome, EXCHANGE_SILENCE);
	assert_int_equal(s->server.authentic, 5);
}

static void strict_stops_before_it_proves_itself(void **state)
{
	struct sim *s = *state;
	struct exchange *x = s->side[0];

	x->request.flags |= REQUEST_STRICT;
	x->request.has_own_address = true;
	x->request.own_address = sim_address(0);
	s->server.challenges = true;
	s->server.wrong_address = true;
	sim_run(s, 0);
	assert_int_equal(x->outcome, EXCHANGE_STRANGE);
	assert_int_equal(s->server.answers, 0);
	assert_int_equal(s->server.acted, 0);
}

static void strict_goes_on_when_the_address_is_right(void **state)
{
	struct sim *s = *state;
	struct exchange *x = s->side[0];

	x->request.flags |= REQUEST_STRICT;
	x->request.has_own_address = true;
	x->request.own_address = sim_address(0);
	s->server.challenges = true;
	sim_run(s, 0);
	assert_granted(s, 0);
}

static void the_former_door_key_is_tried_now_and_then(void **state)
{
	struct sim *s = *state;
	struct profile_secrets *x = s->profile->secrets;

	/* The profile has a newer key than the server: a server put back from its backup. */
	s->profile->has_former_key = true;
	x->door[DOOR_KEY_FORMER] = x->door[DOOR_KEY_CURRENT];
	secret_random(&x->door[DOOR_KEY_CURRENT], sizeof(x->door[DOOR_KEY_CURRENT]));
	sim_run(s, 0);
	assert_granted(s, 0);
	assert_int_equal(s->side[0]->sent, 3);
	assert_int_equal(s->side[0]->reply_key, DOOR_KEY_FORMER);
	assert_int_equal(s->server.authentic, 1);
}

static int draw_nothing(void *arg, uint64_t clock_ns, uint64_t *t_ns)
{
	(void)arg;
	(void)clock_ns;
	(void)t_ns;
	errno = ENOSPC;
	return -1;
}

static void without_a_t_nothing_is_sent(void **state)
{
	struct sim *s = *state;

	s->side[0]->memory.draw = draw_nothing;
	sim_run(s, 0);
	assert_int_equal(s->recorded, 0);
	assert_int_equal(s->side[0]->outcome, EXCHANGE_FAILED);
	assert_int_equal(s->side[0]->error, ENOSPC);
}

/* ---- 20 % lost each way ---- */

enum { RUNS = 500 };

struct odds {
	unsigned in_time; /* granted within 5 s, of RUNS */
	unsigned acted_twice;
};

static struct odds try_often(unsigned sides, bool challenges, uint64_t delay_ns)
{
	struct sim *s = malloc(sizeof(*s));
	struct odds o = {0};

	assert_non_null(s);
	for (uint32_t run = 0; run < RUNS; run++) {
		sim_start(s, sides, run + 1);
		s->loss_percent = 20;
		s->delay_ns[0] = delay_ns;
		s->delay_ns[1] = delay_ns;
		s->server.challenges = challenges;
		sim_run(s, 0);
		bool all = true;
		for (unsigned i = 0; i < sides; i++)
			all = all && exchange_granted(s->side[i]) && s->done_ns[i] <= 5 * second;
		o.in_time += all;
		o.acted_twice += s->server.acted > sides;
		sim_end(s);
	}
	free(s);
	return o;
}

static void the_wait_begins_when_the_message_is_out(void **state)
{
	struct sim *s = *state;
	struct exchange *x = s->side[0];
	struct exchange_packet out;
	struct moment now = sim_moment(s);

	exchange_wake(x, now.mono_ns);
	assert_true(exchange_send(x, now, &out));
	assert_true(out.message.first);
	exchange_hold(x);
	assert_true(x->due_ns == UINT64_MAX);
	now.mono_ns += 10 * second;
	assert_false(exchange_send(x, now, &out));
	exchange_release(x, now.mono_ns);
	assert_true(x->due_ns == now.mono_ns + 300 * ms);
	exchange_release(x, now.mono_ns + second); /* it is not held any more */
	assert_true(x->due_ns == now.mono_ns + 300 * ms);
	exchange_hold(x);
	exchange_hurry(x, now.mono_ns);
	assert_true(exchange_send(x, now, &out));
	exchange_stop(x, EXCHANGE_STOPPED, 0);
	exchange_hold(x);
	assert_false(x->held);
}

/* An answer counts for the M1s that went by its own carrier. */
static void each_knock_has_its_carrier(void **state)
{
	struct sim *s = *state;
	struct exchange *x = s->side[0];
	struct exchange_packet out;

	s->delay_ns[0] = 200 * ms;
	sim_run(s, 200 * ms); /* the first is at the server, its answer on the way */
	assert_int_equal(x->tries, 1);
	exchange_carrier(x, &sender_sequence, x->cover);
	assert_true(exchange_send(x, (struct moment){300 * ms, sim_moment(s).real_ns}, &out));
	assert_ptr_equal(out.sender, &sender_sequence);
	assert_int_equal(x->tries, 2);
	const struct sim_packet *answer = recorded(s, false, 0);
	assert_false(
	    exchange_receive(x, sim_moment(s), &sender_sequence, answer->bytes, answer->len));
	assert_true(exchange_receive(x, sim_moment(s), &sender_udp, answer->bytes, answer->len));
	assert_granted(s, 0);
}

/* Grey noise that is never the same. */
static int take_picture(void *arg, size_t veil_len, size_t longest, struct picture *out)
{
	static uint8_t sample[256 * 256 * 3];
	unsigned *taken = arg;

	(void)veil_len;
	assert_int_equal(longest, 32 * 1382); /* plain pieces */
	secret_random(sample, sizeof(sample));
	for (size_t i = 0; i < sizeof(sample); i++)
		sample[i] = (uint8_t)(100 + sample[i] % 4);
	*out = (struct picture){.width = 200, .height = 190, .channels = 3, .sample = sample};
	(*taken)++;
	return 0;
}

static void a_picture_for_each_knock(void **state)
{
	struct sim *s = *state;
	struct exchange *x = s->side[0];
	struct exchange_packet out;
	uint8_t veil[VEIL_ROOM];
	struct moment now = sim_moment(s);
	unsigned taken = 0;

	exchange_carrier(x, &sender_sequence, &cover_png);
	x->pictures = (struct pictures){.take = take_picture, .arg = &taken};
	exchange_wake(x, now.mono_ns);
	for (unsigned i = 1; i <= 3; i++) {
		exchange_hurry(x, now.mono_ns);
		assert_true(exchange_send(x, now, &out));
		assert_int_equal(taken, i);
		assert_true(out.message.first && out.message.is_picture);
		assert_true(out.message.len <= COVER_MAX);
		assert_memory_equal(out.message.bytes, "\x89PNG", 4);
		struct cover_args args = {
		    .picture_key = out.message.door->picture, .set_id = out.message.set_id};
		int len =
		    cover_png.unwrap(&args, out.message.bytes, out.message.len, veil, sizeof(veil));
		assert_int_equal(len, 200 * 190 / PICTURE_RATE);
		assert_true(veil_gate_ok(&out.message.door->to_server, veil, (size_t)len));
	}
}

static void without_a_picture_nothing_is_sent(void **state)
{
	struct sim *s = *state;
	struct exchange *x = s->side[0];
	struct exchange_packet out;

	exchange_carrier(x, &sender_sequence, &cover_png);
	exchange_wake(x, 0);
	assert_false(exchange_send(x, sim_moment(s), &out));
	assert_int_equal(x->outcome, EXCHANGE_FAILED);
	assert_int_equal(x->error, ENODATA);
}

static void assert_odds(unsigned sides, bool challenges, uint64_t delay_ns, unsigned least)
{
	struct odds o = try_often(sides, challenges, delay_ns);

	print_message("%u families, challenge %d, %u ms each way: %u of %u in 5 s\n", sides,
	    challenges, (unsigned)(delay_ns / ms), o.in_time, (unsigned)RUNS);
	assert_int_equal(o.acted_twice, 0);
	assert_true(o.in_time >= least);
}

static void a_fifth_lost_lets_95_of_100_in(void **state)
{
	(void)state;
	assert_odds(1, false, ms, RUNS * 97 / 100);
	assert_odds(1, false, 100 * ms, RUNS * 97 / 100);
}

static void a_fifth_lost_lets_95_of_100_in_through_a_challenge(void **state)
{
	(void)state;
	assert_odds(1, true, ms, RUNS * 95 / 100);
	assert_odds(1, true, 100 * ms, RUNS * 95 / 100);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(one_packet_each_way),
	    TEST(a_retry_is_newer_and_the_same_attempt),
	    TEST(silence_ends_after_five_knocks),
	    TEST(no_retries_means_one_knock),
	    TEST(a_late_reply_to_an_old_knock_counts),
	    TEST(a_denial_is_an_answer),
	    TEST(a_challenge_is_answered),
	    TEST(a_wrong_clock_costs_one_round_trip_once),
	    TEST(a_lost_result_is_asked_for_again),
	    TEST(a_newer_challenge_is_answered_too),
	    TEST(a_forgotten_challenge_is_not_waited_for_in_vain),
	    TEST(a_stale_challenge_is_left_alone),
	    TEST(overtaken_challenges),
	    TEST(duplicates_and_disorder_change_nothing),
	    TEST(every_flipped_bit_is_noticed),
	    TEST(our_own_packet_come_back_is_none_of_ours),
	    TEST(a_reply_to_another_attempt_is_none_of_ours),
	    TEST(strict_stops_before_it_proves_itself),
	    TEST(strict_goes_on_when_the_address_is_right),
	    TEST(the_former_door_key_is_tried_now_and_then),
	    TEST(without_a_t_nothing_is_sent),
	    TEST(the_wait_begins_when_the_message_is_out),
	    TEST(each_knock_has_its_carrier),
	    TEST(a_picture_for_each_knock),
	    TEST(without_a_picture_nothing_is_sent),
	    cmocka_unit_test(a_fifth_lost_lets_95_of_100_in),
	    cmocka_unit_test(a_fifth_lost_lets_95_of_100_in_through_a_challenge),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
