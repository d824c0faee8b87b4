/* Suspension: who tries out what, with a client's keys; and that nobody else can bring it about. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "auth_lab.h"
#include "clock.h"

enum { AFTER = 3, FOR_S = 100, FORGED = 1000000, DECAY_MS = 60000 };

static const char config[] = "udp-port = 62201\n"
			     "suspend-after = 3\n"
			     "suspend-for = 100\n"
			     "client-burst = 100\n"
			     "service \"ssh\" { proto = tcp port = 22 }\n"
			     "service \"web\" { proto = tcp port = 443 }\n";

static int setup(void **state)
{
	struct lab *l = calloc(1, sizeof(*l));

	if (!l)
		return -1;
	lab_start(l, config, "service=ssh", 4);
	if (!lab_prove(l, &l->client[0]))
		return -1;
	*state = l;
	return 0;
}

/* One more; returns the verdict. */
static int try_forbidden(struct lab *l)
{
	lab_pass(l, 1000);
	return lab_open_service(l, &l->client[0], "web", NULL);
}

static int try_allowed(struct lab *l)
{
	int verdict;

	lab_pass(l, 1000);
	verdict = lab_open_service(l, &l->client[0], "ssh", NULL);

	return verdict == VERDICT_REFRESHED ? VERDICT_OK : verdict;
}

static void suspend(struct lab *l)
{
	for (unsigned i = 0; i < AFTER; i++)
		assert_int_equal(try_forbidden(l), VERDICT_DENIED);
	assert_int_equal(try_allowed(l), VERDICT_EXPIRED);
}

static void test_forbidden_services_suspend(void **state)
{
	struct lab *l = *state;

	assert_int_equal(try_forbidden(l), VERDICT_DENIED);
	assert_int_equal(try_forbidden(l), VERDICT_DENIED);
	assert_int_equal(try_allowed(l), VERDICT_OK);
	assert_int_equal(try_forbidden(l), VERDICT_DENIED);
	assert_int_equal(try_allowed(l), VERDICT_EXPIRED);
	assert_int_equal(try_forbidden(l), VERDICT_EXPIRED); /* which is no strike more */
	assert_int_equal(lab_count(l, COUNT_STRIKE), AFTER);
	/* Nobody else is. */
	assert_true(lab_prove(l, &l->client[1]));
	lab_pass(l, FOR_S * MS_PER_S);
	assert_int_equal(try_allowed(l), VERDICT_OK);
}

static int try_over(struct lab *l, const char *address, const char *service)
{
	lab_pass(l, 50);
	assert_int_equal(address_parse(address, &l->client[0].address), 0);
	return lab_open_service(l, &l->client[0], service, NULL);
}

/* A client that knocks over both families is wrong once; who tries two things is wrong twice. */
static void test_both_families_are_one_try(void **state)
{
	static const char v4[] = "198.51.100.77", v6[] = "2001:db8::77";
	struct lab *l = *state;

	assert_int_equal(try_over(l, v4, "web"), VERDICT_DENIED);
	assert_int_equal(try_over(l, v6, "web"), VERDICT_DENIED);
	assert_int_equal(lab_count(l, COUNT_STRIKE), 1);
	assert_int_equal(try_over(l, v6, "web"), VERDICT_DENIED); /* a try of its own ... */
	assert_int_equal(lab_count(l, COUNT_STRIKE), 2);
	assert_int_equal(try_over(l, v4, "web"), VERDICT_DENIED); /* ... and its twin */
	assert_int_equal(lab_count(l, COUNT_STRIKE), 2);
	assert_int_equal(try_over(l, v4, "nothing"), VERDICT_DENIED);
	assert_int_equal(lab_count(l, COUNT_STRIKE), 3);
	assert_int_equal(try_allowed(l), VERDICT_EXPIRED);
}

static int repeat(struct lab *l, const char *address, uint64_t attempt, const char *service)
{
	struct request q = lab_open(service);

	q.attempt = attempt;
	lab_pass(l, 50);
	assert_int_equal(address_parse(address, &l->client[0].address), 0);
	return lab_ask(l, &l->client[0], &q, NULL);
}

/* Who hears no answer sends the same again, over both families at that: one mistake. */
static void test_what_is_sent_again_is_one_try(void **state)
{
	static const char v4[] = "198.51.100.77", v6[] = "2001:db8::77";
	struct lab *l = *state;

	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(repeat(l, v4, 4444, "web"), VERDICT_DENIED);
		assert_int_equal(repeat(l, v6, 6666, "web"), VERDICT_DENIED);
	}
	assert_int_equal(lab_count(l, COUNT_STRIKE), 1);
	/* Under the same number, something else is another try. */
	assert_int_equal(repeat(l, v4, 4444, "nothing"), VERDICT_DENIED);
	assert_int_equal(lab_count(l, COUNT_STRIKE), 2);
	/* And the server does not do the work for nothing for ever. */
	for (unsigned i = 0; i < 40 && lab_count(l, COUNT_STRIKE) < 3; i++)
		(void)repeat(l, v4, 4444, "nothing");
	assert_int_equal(lab_count(l, COUNT_STRIKE), 3);
	assert_int_equal(try_allowed(l), VERDICT_EXPIRED);
}

static void test_two_tries_over_two_families(void **state)
{
	struct lab *l = *state;

	assert_int_equal(try_over(l, "198.51.100.77", "web"), VERDICT_DENIED);
	assert_int_equal(try_over(l, "2001:db8::77", "nothing"), VERDICT_DENIED);
	assert_int_equal(lab_count(l, COUNT_STRIKE), 2);
	lab_pass(l, 20000);
	assert_int_equal(
	    try_over(l, "198.51.100.77", "nothing"), VERDICT_DENIED); /* too late for a twin */
	assert_int_equal(try_allowed(l), VERDICT_EXPIRED);
}

static void test_outlives_a_restart(void **state)
{
	struct lab *l = *state;

	suspend(l);
	lab_restart(l);
	assert_int_equal(try_allowed(l), VERDICT_EXPIRED);
	lab_pass(l, FOR_S * MS_PER_S);
	assert_int_equal(try_allowed(l), VERDICT_OK);
}

static void test_time_forgives(void **state)
{
	struct lab *l = *state;

	for (unsigned i = 0; i < 4 * AFTER; i++) {
		assert_int_equal(try_forbidden(l), VERDICT_DENIED);
		lab_pass(l, DECAY_MS);
	}
	assert_int_equal(lab_count(l, COUNT_SUSPENDED), 0);
}

static void test_resume(void **state)
{
	struct lab *l = *state;

	assert_int_equal(core_resume(l->core, "c0"), RESUME_NOTHING);
	assert_int_equal(core_resume(l->core, "nobody"), RESUME_UNKNOWN);
	suspend(l);
	assert_int_equal(core_resume(l->core, "c0"), RESUME_DONE);
	assert_int_equal(core_resume(l->core, "c0"), RESUME_NOTHING);
	assert_int_equal(try_allowed(l), VERDICT_OK);
	suspend(l);
	store_memory_fail(l->store, 1);
	assert_int_equal(core_resume(l->core, "c0"), RESUME_FAILED);
	assert_int_equal(try_allowed(l), VERDICT_EXPIRED);
}

static void test_clock_that_is_set_back(void **state)
{
	struct lab *l = *state;

	suspend(l);
	l->real_ns -= (uint64_t)10 * FOR_S * NS_PER_S;
	/* Its own is ahead now, so it proves itself; and is let in. */
	assert_true(lab_prove(l, &l->client[0]));
}

/* A message whose label holds, and whose envelope was made with other keys. */
static struct lab_message with_other_key(struct lab *l, struct lab_client *c)
{
	const struct keypair mine = c->keys;
	struct request q = lab_open("ssh");
	struct lab_message m;

	c->keys = l->client[1].keys;
	m = lab_m1(l, c, &q, 0);
	c->keys = mine;
	return m;
}

static void test_wrong_keys_count_once_each(void **state)
{
	struct lab *l = *state;
	struct lab_message m = with_other_key(l, &l->client[0]);

	for (unsigned i = 0; i < 10; i++) {
		lab_pass(l, 100);
		l->capture = 0;
		lab_knock(l, &m); /* the same, again and again */
	}
	assert_int_equal(lab_count(l, COUNT_FORGED), 10);
	assert_int_equal(lab_count(l, COUNT_STRIKE), 1);
	lab_restart(l);
	lab_knock(l, &m);
	assert_int_equal(lab_count(l, COUNT_STRIKE), 0);
	for (unsigned i = 1; i < AFTER; i++) {
		m = with_other_key(l, &l->client[0]);
		lab_knock(l, &m);
	}
	assert_int_equal(l->sent, 0);
	assert_int_equal(try_allowed(l), VERDICT_EXPIRED);
}

/* What does not open spends no challenge of the client's. */
static void test_wrong_keys_leave_a_challenge(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[2];
	struct request q = lab_open("ssh");
	struct lab_message m1 = lab_m1(l, c, &q, 0), m3, forged;
	struct reply p;

	lab_knock(l, &m1);
	assert_true(lab_reply(l, &m1, &p));
	assert_int_equal(p.verdict, VERDICT_CHALLENGE);
	forged = with_other_key(l, c);
	lab_knock(l, &forged);
	lab_knock(l, &forged);
	m3 = lab_m3(l, c, &m1, &p, 0, NULL);
	lab_knock(l, &m3);
	assert_true(lab_reply(l, &m3, &p));
	assert_int_equal(p.verdict, VERDICT_OK);
}

/* What capture hands over of m. */
static struct msg_knock opened(const struct lab *l, const struct lab_message *m)
{
	struct msg_knock k = {.head = {.type = MSG_KNOCK, .len = sizeof(k)},
	    .client_port = m->port,
	    .server_port = LAB_PORT,
	    .request_len = m->len,
	    .carrier = CARRIER_UDP};
	struct door_keys keys;
	struct veiled v;
	int len;

	memcpy(k.client, m->from.b, ADDRESS_BYTES);
	door_keys_derive(&keys, l->door_key[0]);
	len = veil_open(&keys.to_server, CARRIER_UDP, m->veil, m->len, k.plain, &v);
	assert_true(len > 0);
	k.plain_len = (uint16_t)len;
	return k;
}

/* All that somebody can send who has the door key, and has seen or held what the client sent. */
static void test_nobody_else_suspends(void **state)
{
	struct lab *l = *state;
	struct request q = lab_open("web");
	struct lab_message sent = lab_m1(l, &l->client[0], &q, 0), held;
	struct msg_knock spent, fresh;

	lab_knock(l, &sent);
	held = lab_m1(l, &l->client[0], &q, 0);
	spent = opened(l, &sent);
	fresh = opened(l, &held);
	for (unsigned i = 0; i < FORGED; i++) {
		const size_t at = i % 100; /* kind, label, envelope */

		if (i % 16 == 0) {
			assert_int_equal(core_receive(l->core, &spent, 0), 0);
			continue;
		}
		fresh.plain[at] ^= (uint8_t)(1U << (i % 8));
		assert_int_equal(core_receive(l->core, &fresh, 0), 0);
		fresh.plain[at] ^= (uint8_t)(1U << (i % 8));
		if (i % 1024 == 1)
			lab_settle(l);
	}
	lab_settle(l);
	assert_int_equal(lab_count(l, COUNT_STRIKE), 1); /* what it did send itself */
	assert_int_equal(lab_count(l, COUNT_SUSPENDED), 0);
	assert_true(lab_count(l, COUNT_LABEL) > FORGED / 2);
	assert_true(lab_count(l, COUNT_REPLAY) > FORGED / 32);
	l->sent = 0;
	assert_int_equal(try_allowed(l), VERDICT_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, lab_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_forbidden_services_suspend),
	    TEST(test_both_families_are_one_try),
	    TEST(test_what_is_sent_again_is_one_try),
	    TEST(test_two_tries_over_two_families),
	    TEST(test_outlives_a_restart),
	    TEST(test_time_forgives),
	    TEST(test_resume),
	    TEST(test_clock_that_is_set_back),
	    TEST(test_wrong_keys_count_once_each),
	    TEST(test_wrong_keys_leave_a_challenge),
	    TEST(test_nobody_else_suspends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
