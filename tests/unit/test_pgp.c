/* Messages that gpg opens and challenges that it seals, while all others go on. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "auth_lab.h"
#include "inside.h"
#include "secret.h"

enum { GONE_MS = 5001, CHALLENGES_BYTES = 16 << 20 };

static int setup(void **state)
{
	struct lab *l = calloc(1, sizeof(*l));

	if (!l)
		return -1;
	lab_start(l, NULL, NULL, LAB_CLIENTS);
	lab_use_pgp(l);
	*state = l;
	return 0;
}

static struct lab_message ping(struct lab *l, unsigned client)
{
	struct request q = lab_request(VERB_PING);

	return lab_m1(l, &l->client[client], &q, 0);
}

static void deliver(struct lab *l, const struct lab_message *m)
{
	assert_int_equal(lab_deliver(l, m), 0);
	lab_turn(l);
}

static void test_a_knock_and_its_challenge(void **state)
{
	struct lab *l = *state;
	struct reply p;

	assert_true(lab_prove(l, &l->client[0]));
	assert_int_equal(lab_open_service(l, &l->client[0], "ssh", &p), VERDICT_OK);
	assert_int_equal(p.doors, 1);
	assert_non_null(lab_door(l, &l->client[0].address, 0));
}

/* Nothing that did not hold up so far is handed over. */
static void test_gpg_comes_last(void **state)
{
	struct lab *l = *state;
	struct lab_message m = ping(l, 0), stranger;

	assert_true(lab_prove(l, &l->client[0]));
	l->pgp_held = true;
	deliver(l, &m); /* older than the mark */
	assert_int_equal(l->pgp_asked, 0);
	assert_int_equal(lab_count(l, COUNT_REPLAY), 1);
	secret_random(l->client[1].derived.label, SHORT_KEY_BYTES);
	stranger = ping(l, 1);
	deliver(l, &stranger);
	assert_int_equal(l->pgp_asked, 0);
	assert_int_equal(lab_count(l, COUNT_LABEL), 1);
}

static void test_one_of_a_client_waits(void **state)
{
	struct lab *l = *state;
	struct lab_message first = ping(l, 0), second = ping(l, 0), other = ping(l, 1);

	l->pgp_held = true;
	deliver(l, &first);
	deliver(l, &second);
	deliver(l, &first);
	assert_int_equal(l->pgp_asked, 1);
	assert_int_equal(lab_count(l, COUNT_PGP_BUSY), 2);
	deliver(l, &other);
	assert_int_equal(l->pgp_asked, 2);
	assert_int_equal(l->sent, 0);
}

/* Each was answered, so each has a place again. */
static void test_places_come_back(void **state)
{
	static const enum pgp_status how[] = {PGP_OK, PGP_REFUSED, PGP_FAILED};
	struct lab *l = *state;

	for (unsigned i = 0; i < 120; i++) {
		struct lab_message m = ping(l, i % LAB_CLIENTS);

		l->pgp_held = true;
		lab_pass(l, 1000);
		deliver(l, &m);
		assert_int_equal(l->pgp_asked, 1);
		lab_pgp(l, 0, how[i % 3]);
		l->pgp_held = false;
		lab_settle(l);
		l->sent = 0;
	}
	assert_int_equal(lab_count(l, COUNT_PGP_BUSY), 0);
	assert_int_equal(lab_count(l, COUNT_PGP_FAILED), 40);
	assert_int_equal(lab_count(l, COUNT_FORGED), 40);
}

/* Two of a client, the newer by noise: what gpg opens later is older than the mark by then. */
static void test_overtaken(void **state)
{
	struct lab *l = *state;
	struct lab_message m, noise;
	struct reply p;

	assert_true(lab_prove(l, &l->client[0]));
	m = ping(l, 0);
	l->pgp_held = true;
	deliver(l, &m);
	l->options = "service=ssh,envelope=any";
	l->pgp = false;
	noise = ping(l, 0);
	l->pgp = true;
	/* The other envelope is heard under a realm that lets it; what waited is forgotten with the old one. */
	core_swap(l->core, lab_realm(l));
	assert_int_equal(lab_count(l, COUNT_PGP_FAILED), 1);
	deliver(l, &noise);
	lab_pgp(l, 0, PGP_OK);
	lab_turn(l);
	assert_int_equal(lab_count(l, COUNT_PGP_LATE), 1);
	assert_int_equal(l->sent, 1);
	l->pgp = false;
	assert_true(lab_reply(l, &noise, &p) && p.verdict == VERDICT_OK);
}

static void test_the_mark_is_looked_at_again(void **state)
{
	struct lab *l = *state;
	struct lab_message old, newer;
	struct reply p;

	l->options = "service=ssh,envelope=any";
	core_swap(l->core, lab_realm(l));
	assert_true(lab_prove(l, &l->client[0]));
	old = ping(l, 0);
	l->pgp = false;
	newer = ping(l, 0);
	l->pgp = true;
	l->pgp_held = true;
	deliver(l, &old);
	deliver(l, &newer);
	assert_int_equal(l->sent, 1);
	lab_pgp(l, 0, PGP_OK);
	lab_turn(l);
	assert_int_equal(l->sent, 1);
	assert_int_equal(lab_count(l, COUNT_REPLAY), 1);
	l->pgp = false;
	assert_true(lab_reply(l, &newer, &p) && p.verdict == VERDICT_OK);
}

static void test_gpg_that_never_answers(void **state)
{
	struct lab *l = *state;
	struct lab_message m = ping(l, 0), again;

	l->pgp_held = true;
	deliver(l, &m);
	assert_true(core_tick_due(l->core) > 0);
	lab_pass(l, GONE_MS);
	core_tick(l->core);
	assert_int_equal(lab_count(l, COUNT_PGP_FAILED), 1);
	again = ping(l, 0);
	deliver(l, &again);
	assert_int_equal(l->pgp_asked, 2);
	lab_pgp(l, 0, PGP_OK); /* the first, at last */
	assert_int_equal(lab_count(l, COUNT_PGP_LATE), 1);
	core_pgp_gone(l->core);
	assert_int_equal(lab_count(l, COUNT_PGP_FAILED), 2);
	assert_int_equal(l->sent, 0);
}

static void test_a_challenge_that_cannot_be_sealed(void **state)
{
	struct lab *l = *state;
	struct lab_message m = ping(l, 0);

	l->pgp_held = true;
	deliver(l, &m);
	lab_pgp(l, 0, PGP_OK);
	lab_turn(l);
	assert_int_equal(l->pgp_asked, 1);
	assert_int_equal(l->pgp_ask[0].head.type, MSG_PGP_SEAL);
	lab_pgp(l, 0, PGP_FAILED);
	assert_int_equal(l->sent, 0);
	l->pgp_held = false;
	assert_true(lab_prove(l, &l->client[0]));
}

/* Its M3 comes while a newer challenge is being sealed: the older one counts no more. */
static void test_a_newer_challenge_replaces_the_older(void **state)
{
	struct lab *l = *state;
	struct lab_message first = ping(l, 0), second, m3;
	struct reply p;

	lab_knock(l, &first);
	assert_true(lab_reply(l, &first, &p) && p.verdict == VERDICT_CHALLENGE);
	second = ping(l, 0);
	l->pgp_held = true;
	deliver(l, &second);
	lab_pgp(l, 0, PGP_OK);
	lab_turn(l);
	m3 = lab_m3(l, &l->client[0], &first, &p, 0, NULL);
	deliver(l, &m3);
	assert_int_equal(l->sent, 0);
	l->pgp_held = false;
	lab_settle(l);
	assert_true(lab_reply(l, &second, &p) && p.verdict == VERDICT_CHALLENGE);
	m3 = lab_m3(l, &l->client[0], &second, &p, 0, NULL);
	lab_knock(l, &m3);
	assert_true(lab_reply(l, &m3, &p) && p.verdict == VERDICT_OK);
}

static void test_no_reply_is_no_byte(void **state)
{
	struct lab *l = *state;
	struct request q = lab_open("ssh");
	struct lab_message m;

	assert_true(lab_prove(l, &l->client[0]));
	q.flags = 0;
	m = lab_m1(l, &l->client[0], &q, 0);
	lab_knock(l, &m);
	assert_non_null(lab_door(l, &l->client[0].address, 0));
	/* In doubt it is silence, and nothing to be sealed. */
	q = lab_open("web");
	q.flags = 0;
	m = lab_m1(l, &l->client[1], &q, 0);
	lab_knock(l, &m);
	assert_null(lab_door(l, &l->client[1].address, 1));
	assert_int_equal(l->sent, 0);
}

/* A client of OpenPGP is not heard with its other keys. */
static void test_noise_is_not_enough(void **state)
{
	struct lab *l = *state;
	struct lab_message m;

	l->pgp = false;
	m = ping(l, 0);
	l->pgp = true;
	lab_knock(l, &m);
	assert_int_equal(l->sent, 0);
	assert_int_equal(lab_count(l, COUNT_ENVELOPE), 1);
}

static void test_gone_while_all_wait(void **state)
{
	struct lab *l = *state;

	l->pgp_held = true;
	for (unsigned i = 0; i < LAB_CLIENTS; i++) {
		struct lab_message m = ping(l, i);

		deliver(l, &m);
	}
	assert_int_equal(l->pgp_asked, LAB_CLIENTS);
	lab_pgp(l, 3, PGP_OK); /* that one is being sealed */
	lab_turn(l);
	core_pgp_gone(l->core);
	assert_int_equal(lab_count(l, COUNT_PGP_FAILED), LAB_CLIENTS);
	l->pgp_asked = 0;
	l->pgp_held = false;
	assert_true(lab_prove(l, &l->client[0]));
}

/* By either envelope: as many as there may be wait already, of clients that never answer. */
static void test_challenges_are_bounded(void **state)
{
	struct lab *l = *state;
	struct lab_message m = ping(l, 0), again;
	uint8_t cid[CID_BYTES] = {0xff};
	struct reply p;

	assert_true(CHALLENGES_MAX * sizeof(struct challenge) <= CHALLENGES_BYTES);
	for (unsigned i = 0; i < CHALLENGES_MAX; i++) {
		memcpy(cid + 1, &i, sizeof(i));
		assert_non_null(challenge_new(l->core, cid));
	}
	lab_knock(l, &m);
	assert_true(lab_reply(l, &m, &p));
	assert_int_equal(p.verdict, VERDICT_BUSY);
	assert_int_equal(lab_count(l, COUNT_CHALLENGES_FULL), 1);
	/* A client that has one gets another in its place, and all come to their end. */
	assert_non_null(challenge_new(l->core, cid));
	lab_pass(l, CHALLENGE_MS + 1);
	core_tick(l->core);
	again = ping(l, 0);
	lab_knock(l, &again);
	assert_true(lab_reply(l, &again, &p));
	assert_int_equal(p.verdict, VERDICT_CHALLENGE);
}

int main(void)
{
#define IN_LAB(t) cmocka_unit_test_setup_teardown(t, setup, lab_teardown)
	const struct CMUnitTest tests[] = {
	    IN_LAB(test_a_knock_and_its_challenge),
	    IN_LAB(test_gpg_comes_last),
	    IN_LAB(test_one_of_a_client_waits),
	    IN_LAB(test_places_come_back),
	    IN_LAB(test_overtaken),
	    IN_LAB(test_the_mark_is_looked_at_again),
	    IN_LAB(test_gpg_that_never_answers),
	    IN_LAB(test_a_challenge_that_cannot_be_sealed),
	    IN_LAB(test_a_newer_challenge_replaces_the_older),
	    IN_LAB(test_no_reply_is_no_byte),
	    IN_LAB(test_noise_is_not_enough),
	    IN_LAB(test_gone_while_all_wait),
	    IN_LAB(test_challenges_are_bounded),
	    cmocka_unit_test_setup_teardown(test_challenges_are_bounded, lab_setup, lab_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
