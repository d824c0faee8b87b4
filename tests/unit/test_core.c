/* The auth core from message to door and answer, with real messages. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "auth_lab.h"
#include "clock.h"
#include "errors.h"
#include "noise.h"

enum { SSH, WEB };

enum { QUEUE_PLACES = 128 }; /* QUEUE_MAX of inside.h */

static void test_unknown_client_is_challenged_then_let_in(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	struct request q = lab_open("ssh");
	struct lab_message m1 = lab_m1(l, c, &q, 0), m3;
	struct reply p;

	lab_knock(l, &m1);
	assert_true(lab_reply(l, &m1, &p));
	assert_int_equal(p.verdict, VERDICT_CHALLENGE);
	assert_true(p.has_asked && p.asked == 0 && p.has_wait && p.wait_s == 10);
	assert_false(p.has_door_key);
	assert_true(address_equal(&p.address_seen, &c->address));
	assert_null(lab_door(l, &c->address, SSH));
	m3 = lab_m3(l, c, &m1, &p, 0, NULL);
	lab_knock(l, &m3);
	assert_true(lab_reply(l, &m3, &p));
	assert_int_equal(p.verdict, VERDICT_OK);
	assert_int_equal(p.doors, 1);
	assert_int_equal(p.door[0].seconds, 60);
	assert_int_equal(p.door[0].port.number, 22);
	assert_non_null(lab_door(l, &c->address, SSH));
	assert_int_equal(lab_open_service(l, c, "web", NULL), VERDICT_OK);
	assert_int_equal(l->sent, 0);
}

static void test_replay_is_silence(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	struct request q = lab_open("ssh");
	struct lab_message m;
	struct reply p;

	assert_true(lab_prove(l, c));
	m = lab_m1(l, c, &q, 0);
	lab_knock(l, &m);
	assert_true(lab_reply(l, &m, &p));
	lab_knock(l, &m);
	m.from = l->client[1].address;
	lab_knock(l, &m);
	lab_restart(l);
	lab_settle(l);
	lab_knock(l, &m);
	assert_int_equal(l->sent, 0);
	assert_null(lab_door(l, &l->client[1].address, SSH));
	assert_int_equal(lab_count(l, COUNT_REPLAY), 1);
}

static void test_same_message_twice_in_a_turn_has_one_effect(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	struct request q = lab_open("ssh");
	struct lab_message m;

	assert_true(lab_prove(l, c));
	m = lab_m1(l, c, &q, 0);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(lab_deliver(l, &m), 0);
	lab_settle(l);
	assert_int_equal(l->sent, 1);
	assert_int_equal(lab_door(l, &c->address, SSH)->opened, 1);
	assert_int_equal(lab_count(l, COUNT_REPEAT), 99);
	assert_int_equal(lab_count(l, COUNT_RATE), 0);
}

/* Far more turns than there are places in the queue, with one to four messages in each. */
static void test_places_in_the_queue_come_back(void **state)
{
	struct lab *l = *state;
	struct request q = lab_request(VERB_PING);
	struct lab_message m[4];
	struct reply p;

	for (unsigned i = 0; i < 4; i++)
		assert_true(lab_prove(l, &l->client[i]));
	for (unsigned turn = 0; turn < 3 * QUEUE_PLACES; turn++) {
		const unsigned n = 1 + turn % 4;

		for (unsigned i = 0; i < n; i++) {
			m[i] = lab_m1(l, &l->client[i], &q, 0);
			assert_true(core_has_room(l->core));
			assert_int_equal(lab_deliver(l, &m[i]), 0);
		}
		lab_settle(l);
		for (unsigned i = 0; i < n; i++)
			assert_true(lab_reply(l, &m[i], &p));
		lab_pass(l, 1000);
	}
	assert_int_equal(lab_count(l, COUNT_QUEUE), 0);
}

static void test_overtaken_message_is_silence(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	struct request q = lab_open("ssh"), q2 = lab_open("web");
	struct lab_message old, new;
	struct reply p;

	assert_true(lab_prove(l, c));
	old = lab_m1(l, c, &q, 0);
	new = lab_m1(l, c, &q2, 0);
	lab_knock(l, &new);
	assert_true(lab_reply(l, &new, &p));
	lab_knock(l, &old);
	assert_int_equal(l->sent, 0);
	assert_null(lab_door(l, &c->address, SSH));
}

static void test_retry_is_answered_again_and_done_once(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	struct request q = lab_open("ssh");
	struct reply first, second;

	assert_true(lab_prove(l, c));
	assert_int_equal(lab_ask(l, c, &q, &first), VERDICT_OK);
	lab_pass(l, 2000);
	assert_int_equal(lab_ask(l, c, &q, &second), VERDICT_OK);
	assert_int_equal(second.door[0].session, first.door[0].session);
	assert_int_equal(second.door[0].seconds, 58);
	assert_int_equal(lab_door(l, &c->address, SSH)->opened, 1);
	core_tick(l->core);
	lab_restart(l);
	lab_settle(l);
	assert_int_equal(lab_ask(l, c, &q, &second), VERDICT_OK);
	assert_int_equal(lab_door(l, &c->address, SSH)->opened, 1);
	/* The same id with another request gets the old answer. */
	strcpy(q.service[0], "web");
	assert_int_equal(lab_ask(l, c, &q, &second), VERDICT_OK);
	assert_int_equal(second.door[0].port.number, 22);
	assert_null(lab_door(l, &c->address, WEB));
}

static void test_retry_while_under_way_is_answered_at_its_end(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	struct request q = lab_open("ssh");
	struct lab_message m[6];
	struct reply p;

	assert_true(lab_prove(l, c));
	m[0] = lab_m1(l, c, &q, 0);
	assert_int_equal(lab_deliver(l, &m[0]), 0);
	lab_turn(l);
	assert_int_equal(l->asked, 1);
	/* Four newer attempts push it out of the record; it is under way all the same. */
	for (unsigned i = 1; i < 5; i++) {
		struct request other = lab_open("web");

		m[i] = lab_m1(l, c, &other, 0);
		assert_int_equal(lab_deliver(l, &m[i]), 0);
		lab_turn(l);
	}
	m[5] = lab_m1(l, c, &q, 0);
	assert_int_equal(lab_deliver(l, &m[5]), 0);
	lab_turn(l);
	assert_int_equal(l->sent, 0);
	lab_settle(l);
	assert_int_equal(lab_door(l, &c->address, SSH)->opened, 1);
	assert_true(lab_reply(l, &m[5], &p));
	assert_int_equal(p.verdict, VERDICT_OK);
}

static void test_crash_between_commit_and_door(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	struct request q = lab_open("ssh"), list = lab_request(VERB_LIST);
	struct lab_message m;
	struct reply p;

	assert_true(lab_prove(l, c));
	m = lab_m1(l, c, &q, 0);
	assert_int_equal(lab_deliver(l, &m), 0);
	lab_turn(l);
	assert_int_equal(l->asked, 1);
	lab_restart(l);
	lab_settle(l);
	lab_knock(l, &m);
	assert_int_equal(l->sent, 0);
	assert_int_equal(lab_ask(l, c, &q, &p), VERDICT_RESULT_UNKNOWN);
	assert_null(lab_door(l, &c->address, SSH));
	assert_int_equal(lab_ask(l, c, &list, &p), VERDICT_OK);
	assert_int_equal(p.doors, 0);
}

static void test_store_that_fails_refuses(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	struct request q = lab_open("ssh");
	struct reply p;

	assert_true(lab_prove(l, c));
	core_tick(l->core);
	store_memory_fail(l->store, 1);
	assert_int_equal(lab_ask(l, c, &q, NULL), -1);
	assert_null(lab_door(l, &c->address, SSH));
	assert_int_equal(lab_count(l, COUNT_STORE_FAILED), 1);
	assert_int_equal(lab_ask(l, c, &q, &p), VERDICT_OK);
}

static void test_no_reply_wanted(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	struct request q = lab_open("ssh");

	q.flags = 0;
	assert_int_equal(lab_ask(l, c, &q, NULL), -1);
	assert_null(lab_door(l, &c->address, SSH));
	assert_int_equal(lab_count(l, COUNT_DOUBT), 1);
	assert_true(lab_prove(l, c));
	assert_int_equal(lab_ask(l, c, &q, NULL), -1);
	assert_non_null(lab_door(l, &c->address, SSH));
	q = lab_open("nothing");
	q.flags = 0;
	assert_int_equal(lab_ask(l, c, &q, NULL), -1);
	assert_int_equal(l->sent, 0);
}

static void test_clocks_in_doubt_are_challenged(void **state)
{
	static const int64_t off_s[] = {61, -61, 3600, -3600, -1699999999};
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	uint64_t right = l->real_ns;

	assert_true(lab_prove(l, c));
	for (unsigned i = 0; i < sizeof(off_s) / sizeof(off_s[0]); i++) {
		struct request q = lab_open("ssh");
		struct lab_message m1, m3;
		struct reply p;

		lab_pass(l, 1000);
		right = l->real_ns;
		m1 = lab_m1(l, c, &q, 0);
		l->real_ns = (uint64_t)((int64_t)l->real_ns + off_s[i] * NS_PER_S);
		lab_knock(l, &m1);
		assert_true(lab_reply(l, &m1, &p));
		assert_int_equal(p.verdict, VERDICT_CHALLENGE);
		assert_int_equal(p.server_time, l->real_ns);
		m3 = lab_m3(l, c, &m1, &p, m1.t + 1, NULL);
		lab_knock(l, &m3);
		assert_true(lab_reply(l, &m3, &p));
		assert_true(p.verdict == VERDICT_OK || p.verdict == VERDICT_REFRESHED);
		l->real_ns = right;
	}
	lab_pass(l, 1000);
	assert_int_equal(lab_open_service(l, c, "ssh", NULL), VERDICT_REFRESHED);
}

static void test_door_key_rotation(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	struct request q = lab_request(VERB_PING);
	struct lab_message m;
	struct reply p;

	assert_true(lab_prove(l, c));
	memcpy(l->door_key[1], l->door_key[0], KEY_BYTES);
	memset(l->door_key[0], 7, KEY_BYTES);
	l->door_keys = 2;
	core_swap(l->core, lab_realm(l));
	m = lab_m1(l, c, &q, 0);
	lab_knock(l, &m);
	assert_true(lab_reply(l, &m, &p));
	assert_false(p.has_door_key);
	memcpy(l->door_key[0], l->door_key[1], KEY_BYTES); /* a client that has the old one alone */
	m = lab_m1(l, c, &q, 0);
	memset(l->door_key[0], 7, KEY_BYTES);
	m.door_key = 1;
	lab_knock(l, &m);
	assert_true(lab_reply(l, &m, &p));
	assert_true(p.has_door_key);
	assert_memory_equal(p.door_key, l->door_key[0], KEY_BYTES);
}

/* The port is still guarded, so what the old name let in must go as well. */
static void test_renamed_services_doors_are_closed(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];

	assert_true(lab_prove(l, c));
	assert_int_equal(lab_open_service(l, c, "ssh", NULL), VERDICT_OK);
	assert_non_null(lab_door(l, &c->address, SSH));
	l->config_text = "udp-port = 62201\n"
			 "service \"shell\" { proto = tcp port = 22 }\n";
	l->options = "service=shell";
	core_swap(l->core, lab_realm(l));
	lab_settle(l);
	assert_null(lab_door(l, &c->address, SSH));
	assert_int_equal(lab_count(l, COUNT_CLOSED), 1);
}

static void test_no_answer_is_longer_than_its_request(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	struct lab_packet packet;

	assert_true(lab_prove(l, c));
	for (unsigned i = 0; i < 300; i++) {
		struct request q = lab_request(VERB_PING);
		struct lab_message m = lab_m1(l, c, &q, 0);
		struct reply p;

		lab_pass(l, 1000);
		lab_knock(l, &m);
		assert_true(lab_take(l, &packet));
		assert_true(packet.len <= m.len);
		assert_true(lab_read(l, &m, &packet, &p));
	}
}

static void test_bucket_limits_one_client_alone(void **state)
{
	struct lab *l = *state;
	struct lab_client *a = &l->client[0], *b = &l->client[1];
	struct request q = lab_request(VERB_PING);
	unsigned answered = 0;

	assert_true(lab_prove(l, a) && lab_prove(l, b));
	for (unsigned i = 0; i < 200; i++)
		answered += lab_ask(l, a, &q, NULL) == VERDICT_OK;
	assert_int_equal(answered, 19); /* a burst of 20, one of which proved it */
	assert_int_equal(lab_ask(l, b, &q, NULL), VERDICT_OK);
	lab_pass(l, 1000);
	assert_int_equal(lab_ask(l, a, &q, NULL), VERDICT_OK);
}

static void test_door_key_alone_buys_no_diffie_hellman(void **state)
{
	struct lab *l = *state;
	struct lab_client stranger = l->client[7], *known = &l->client[0];
	struct request q = lab_open("ssh");
	struct lab_message unknown, forged;
	uint64_t before;

	assert_true(lab_prove(l, known));
	unknown = lab_m1(l, &stranger, &q, 0);
	memcpy(stranger.cid, known->cid, CID_BYTES); /* a cid that it saw */
	forged = lab_m1(l, &stranger, &q, 0);
	before = noise_dh_count();
	for (unsigned i = 0; i < 50; i++) {
		lab_knock(l, &unknown);
		lab_knock(l, &forged);
	}
	assert_int_equal(noise_dh_count(), before);
	assert_int_equal(lab_count(l, COUNT_CLIENT), 50);
	assert_int_equal(lab_count(l, COUNT_LABEL), 50);
	assert_int_equal(l->sent, 0);
}

/* Whether in the same turn or in a later one; and its client is answered once. */
static void test_a_packet_seen_twice_counts_once(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	struct request q = lab_open("ssh");
	struct lab_message m;
	unsigned sent;

	assert_true(lab_prove(l, c));
	sent = l->sent;
	lab_pass(l, 200);
	m = lab_m1(l, c, &q, 0);
	for (l->capture = 1; l->capture <= 3; l->capture++)
		assert_int_equal(lab_deliver(l, &m), 0);
	lab_settle(l);
	assert_int_equal(l->sent, sent + 1);
	l->capture = 4; /* a moment later: a file, say */
	lab_knock(l, &m);
	assert_int_equal(lab_count(l, COUNT_DUPLICATE), 3);
	assert_int_equal(lab_count(l, COUNT_OPENED), 1);
	assert_int_equal(lab_count(l, COUNT_REPLAY), 0);
	/* What one capture sees twice came twice. */
	lab_knock(l, &m);
	assert_int_equal(lab_count(l, COUNT_REPLAY), 1);
	/* And so did what has another time. */
	lab_pass(l, 1000);
	l->capture = 1;
	lab_knock(l, &m);
	assert_int_equal(lab_count(l, COUNT_REPLAY), 2);
	l->capture = 2;
	lab_knock(l, &m);
	assert_int_equal(lab_count(l, COUNT_REPLAY), 2);
	assert_int_equal(lab_count(l, COUNT_DUPLICATE), 4);
	assert_int_equal(l->sent, sent + 1);
}

/* The answer to a challenge, too. */
static void test_an_answer_seen_twice_is_answered_once(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	struct request q = lab_open("ssh");
	struct lab_message m1, m3;
	struct reply p;
	unsigned sent;

	l->capture = 1;
	m1 = lab_m1(l, c, &q, 0);
	lab_knock(l, &m1);
	assert_true(lab_reply(l, &m1, &p));
	assert_int_equal(p.verdict, VERDICT_CHALLENGE);
	m3 = lab_m3(l, c, &m1, &p, 0, NULL);
	sent = l->sent;
	lab_knock(l, &m3);
	l->capture = 2;
	lab_knock(l, &m3);
	assert_int_equal(l->sent, sent + 1);
	assert_int_equal(lab_count(l, COUNT_DUPLICATE), 1);
	assert_int_equal(lab_count(l, COUNT_ANSWER_AGAIN), 0);
}

static void test_dishonest_captures_are_found_out(void **state)
{
	struct lab *l = *state;
	struct msg_knock k = {
	    .head = {.type = MSG_KNOCK, .len = sizeof(k)}, .carrier = CARRIER_UDP};

	assert_int_equal(core_receive(l->core, &k, 1), 0);
	k.plain_len = KNOCK_PLAIN_MAX + 1;
	assert_int_equal(core_receive(l->core, &k, 1), -E_FORMAT);
	k.plain_len = KNOCK_PLAIN_MAX;
	k.door_key = DOOR_KEYS_MAX;
	assert_int_equal(core_receive(l->core, &k, 1), -E_FORMAT);
	k.door_key = 0;
	k.carrier = 77;
	assert_int_equal(core_receive(l->core, &k, 1), 0);
	assert_int_equal(lab_count(l, COUNT_FORM), 2);
}

static void test_monitor_that_answers_out_of_turn(void **state)
{
	struct lab *l = *state;
	struct msg_door_done done = {.head = {.type = MSG_DOOR_DONE, .len = sizeof(done)}, .id = 1};

	assert_int_equal(core_door_done(l->core, &done), -E_STATE);
}

static void test_dry_run_decides_and_does_nothing(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];

	assert_true(lab_prove(l, c));
	l->dry_run = true;
	lab_restart(l);
	assert_int_equal(lab_open_service(l, c, "ssh", NULL), -1);
	assert_int_equal(lab_count(l, COUNT_VERDICT + VERDICT_OK), 1);
	assert_int_equal(l->asked, 0);
	assert_null(lab_door(l, &c->address, SSH));
}

/* Nothing is sent, so nobody could answer a challenge: what is in doubt is decided, too. */
static void test_dry_run_decides_what_it_would_challenge(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];

	l->dry_run = true;
	lab_restart(l);
	assert_int_equal(lab_open_service(l, c, "ssh", NULL), -1);
	assert_int_equal(lab_count(l, COUNT_CHALLENGED), 0);
	assert_int_equal(lab_count(l, COUNT_VERDICT + VERDICT_OK), 1);
	assert_int_equal(lab_open_service(l, c, "nosuch", NULL), -1);
	assert_int_equal(lab_count(l, COUNT_VERDICT + VERDICT_DENIED), 1);
	assert_int_equal(l->sent, 0);
	assert_int_equal(l->asked, 0);
}

/* One damaged record costs its client a challenge, and the others nothing. */
static void test_damaged_record_is_begun_anew(void **state)
{
	static const uint8_t junk[40] = {1, 1, 0xff, 0xff};
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	struct request q = lab_open("ssh");
	struct lab_message m, other;
	struct reply p;

	assert_true(lab_prove(l, c));
	assert_true(lab_prove(l, &l->client[1]));
	assert_int_equal(l->store->ops->begin(l->store), 0);
	assert_int_equal(
	    l->store->ops->put(l->store, STORE_CLIENTS, c->cid, junk, sizeof(junk)), 0);
	assert_int_equal(l->store->ops->commit(l->store), 0);
	m = lab_m1(l, c, &q, 0);
	other = lab_m1(l, &l->client[1], &q, 0);
	assert_int_equal(lab_deliver(l, &m), 0);
	assert_int_equal(lab_deliver(l, &other), 0);
	lab_settle(l);
	assert_true(lab_reply(l, &m, &p));
	assert_int_equal(p.verdict, VERDICT_CHALLENGE);
	assert_true(lab_reply(l, &other, &p));
	assert_int_equal(p.verdict, VERDICT_OK);
	assert_int_equal(lab_count(l, COUNT_STORE_FAILED), 0);
	assert_true(lab_prove(l, c));
	assert_int_equal(lab_open_service(l, c, "ssh", NULL), VERDICT_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_unknown_client_is_challenged_then_let_in),
	    TEST(test_replay_is_silence),
	    TEST(test_same_message_twice_in_a_turn_has_one_effect),
	    TEST(test_places_in_the_queue_come_back),
	    TEST(test_overtaken_message_is_silence),
	    TEST(test_retry_is_answered_again_and_done_once),
	    TEST(test_retry_while_under_way_is_answered_at_its_end),
	    TEST(test_crash_between_commit_and_door),
	    TEST(test_store_that_fails_refuses),
	    TEST(test_no_reply_wanted),
	    TEST(test_clocks_in_doubt_are_challenged),
	    TEST(test_door_key_rotation),
	    TEST(test_damaged_record_is_begun_anew),
	    TEST(test_renamed_services_doors_are_closed),
	    TEST(test_no_answer_is_longer_than_its_request),
	    TEST(test_bucket_limits_one_client_alone),
	    TEST(test_door_key_alone_buys_no_diffie_hellman),
	    TEST(test_dishonest_captures_are_found_out),
	    TEST(test_a_packet_seen_twice_counts_once),
	    TEST(test_an_answer_seen_twice_is_answered_once),
	    TEST(test_monitor_that_answers_out_of_turn),
	    TEST(test_dry_run_decides_and_does_nothing),
	    TEST(test_dry_run_decides_what_it_would_challenge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
