/* M3: everything that is not quite the right answer to a challenge. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <liboath/oath.h>

#include "auth_lab.h"
#include "clock.h"
#include "factors.h"

enum { SSH };

struct scene {
	struct lab l;
	struct lab_client *c;
	struct request q;
	struct lab_message m1;
	struct reply p; /* the challenge */
};

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	if (!s)
		return -1;
	lab_start(&s->l, NULL, NULL, 2);
	s->c = &s->l.client[0];
	s->q = lab_open("ssh");
	s->m1 = lab_m1(&s->l, s->c, &s->q, 0);
	lab_knock(&s->l, &s->m1);
	assert_true(lab_reply(&s->l, &s->m1, &s->p));
	assert_int_equal(s->p.verdict, VERDICT_CHALLENGE);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	lab_stop(&s->l);
	free(s);
	return 0;
}

static void assert_silence(struct scene *s, const struct lab_message *m, enum auth_counter why)
{
	uint64_t before = lab_count(&s->l, why);

	lab_knock(&s->l, m);
	assert_int_equal(s->l.sent, 0);
	assert_int_equal(lab_count(&s->l, why), before + 1);
	assert_null(lab_door(&s->l, &s->c->address, SSH));
}

/* The challenge waits on: the right answer opens. */
static void assert_still_waits(struct scene *s, struct lab_message *m3)
{
	struct reply p;

	lab_knock(&s->l, m3);
	assert_true(lab_reply(&s->l, m3, &p));
	assert_int_equal(p.verdict, VERDICT_OK);
	assert_non_null(lab_door(&s->l, &s->c->address, SSH));
}

static void test_wrong_words_are_silence_and_the_challenge_stays(void **state)
{
	struct scene *s = *state;
	const struct answer truth = {.attempt = s->q.attempt, .t = s->m1.t, .seen = s->c->address};
	struct answer wrong[3] = {truth, truth, truth};
	struct lab_message m3;

	wrong[0].attempt++;
	wrong[1].t--;
	wrong[2].seen = s->l.client[1].address;
	for (unsigned i = 0; i < 3; i++) {
		struct lab_message fork = s->m1;

		m3 = lab_m3(&s->l, s->c, &fork, &s->p, 0, &wrong[i]);
		assert_silence(s, &m3, COUNT_ANSWER_WRONG);
	}
	m3 = lab_m3(&s->l, s->c, &s->m1, &s->p, 0, NULL);
	assert_still_waits(s, &m3);
}

static void test_from_elsewhere(void **state)
{
	struct scene *s = *state;
	struct lab_message m3 = lab_m3(&s->l, s->c, &s->m1, &s->p, 0, NULL), again;

	m3.from = s->l.client[1].address;
	assert_silence(s, &m3, COUNT_ANSWER_PLACE);
	again = lab_m3_again(&s->l, s->c, &m3);
	again.from = s->c->address;
	again.port++; /* the port may change */
	assert_still_waits(s, &again);
}

static void test_broken_body(void **state)
{
	struct scene *s = *state;
	struct lab_message m3 = lab_m3(&s->l, s->c, &s->m1, &s->p, 0, NULL), broken = m3;

	broken.body[0] ^= 1;
	broken = lab_m3_again(&s->l, s->c, &broken);
	assert_silence(s, &broken, COUNT_ANSWER_FORGED);
	m3 = lab_m3_again(&s->l, s->c, &m3);
	assert_still_waits(s, &m3);
}

static void test_by_another_client(void **state)
{
	struct scene *s = *state;
	struct lab_message m3 = lab_m3(&s->l, s->c, &s->m1, &s->p, 0, NULL), stolen = m3;

	stolen.client = &s->l.client[1];
	stolen = lab_m3_again(&s->l, &s->l.client[1], &stolen);
	assert_silence(s, &stolen, COUNT_ANSWER_NONE);
	assert_still_waits(s, &m3);
}

static void test_late(void **state)
{
	struct scene *s = *state;
	struct lab_message m3 = lab_m3(&s->l, s->c, &s->m1, &s->p, 0, NULL);

	lab_pass(&s->l, 10000);
	assert_silence(s, &m3, COUNT_ANSWER_NONE);
	core_tick(s->l.core);
	m3 = lab_m3_again(&s->l, s->c, &m3);
	assert_silence(s, &m3, COUNT_ANSWER_NONE);
}

static void test_just_in_time(void **state)
{
	struct scene *s = *state;
	struct lab_message m3 = lab_m3(&s->l, s->c, &s->m1, &s->p, 0, NULL);

	lab_pass(&s->l, 9999);
	core_tick(s->l.core);
	assert_still_waits(s, &m3);
}

/* t of its label counts for answers alone: newer than M1's and than the last answer's. */
static void test_old_label(void **state)
{
	struct scene *s = *state;
	struct lab_message fork = s->m1, m3 = lab_m3(&s->l, s->c, &fork, &s->p, s->m1.t, NULL);

	assert_silence(s, &m3, COUNT_ANSWER_OLD);
	m3 = lab_m3(&s->l, s->c, &s->m1, &s->p, s->m1.t + 1, NULL);
	assert_still_waits(s, &m3);
}

static void test_same_packet_twice_is_silence_same_body_is_not(void **state)
{
	struct scene *s = *state;
	struct lab_message m3 = lab_m3(&s->l, s->c, &s->m1, &s->p, 0, NULL), again, other;
	struct reply first, second;
	struct lab_packet packet[2];

	lab_knock(&s->l, &m3);
	assert_true(lab_take(&s->l, &packet[0]));
	other = m3;
	assert_true(lab_read(&s->l, &other, &packet[0], &first));
	lab_knock(&s->l, &m3);
	assert_int_equal(s->l.sent, 0);
	for (unsigned i = 0; i < 3; i++) {
		again = lab_m3_again(&s->l, s->c, &m3);
		again.port = (uint16_t)(50000 + i);
		lab_knock(&s->l, &again);
		assert_true(lab_take(&s->l, &packet[1]));
		assert_true(lab_read(&s->l, &again, &packet[1], &second));
		assert_memory_equal(&first, &second, sizeof(first));
		assert_true(packet[1].len != packet[0].len ||
			    memcmp(packet[1].veil, packet[0].veil, packet[1].len) != 0);
		/* And that packet, too, once alone. */
		lab_knock(&s->l, &again);
		assert_int_equal(s->l.sent, 0);
	}
	assert_int_equal(lab_door(&s->l, &s->c->address, SSH)->opened, 1);
	assert_int_equal(lab_count(&s->l, COUNT_ANSWER_AGAIN), 3);
	/* Another body after the right one. */
	other = m3;
	other.body[3] ^= 4;
	other = lab_m3_again(&s->l, s->c, &other);
	lab_knock(&s->l, &other);
	assert_int_equal(s->l.sent, 0);
}

static void test_newer_challenge_replaces(void **state)
{
	struct scene *s = *state;
	struct request q = lab_open("web");
	struct lab_message newer = lab_m1(&s->l, s->c, &q, 0), m3, m3_newer;
	struct reply p;

	lab_knock(&s->l, &newer);
	assert_true(lab_reply(&s->l, &newer, &p));
	assert_int_equal(p.verdict, VERDICT_CHALLENGE);
	m3 = lab_m3(&s->l, s->c, &s->m1, &s->p, 0, NULL);
	assert_silence(s, &m3, COUNT_ANSWER_FORGED);
	m3_newer = lab_m3(&s->l, s->c, &newer, &p, 0, NULL);
	lab_knock(&s->l, &m3_newer);
	assert_true(lab_reply(&s->l, &m3_newer, &p));
	assert_int_equal(p.verdict, VERDICT_OK);
}

/* Whatever came of a newer message: an older challenge must not be answered any more. */
static void test_newer_message_ends_the_challenge(void **state)
{
	struct scene *s = *state;
	struct request silent = lab_open("web");
	struct lab_message newer, m3 = lab_m3(&s->l, s->c, &s->m1, &s->p, 0, NULL);

	silent.flags = 0;
	newer = lab_m1(&s->l, s->c, &silent, 0);
	lab_knock(&s->l, &newer);
	assert_int_equal(s->l.sent, 0);
	m3 = lab_m3_again(&s->l, s->c, &m3);
	assert_silence(s, &m3, COUNT_ANSWER_NONE);
}

/* Of two answers in one turn the challenge takes one. */
static void test_two_at_once(void **state)
{
	struct scene *s = *state;
	struct lab_message m3 = lab_m3(&s->l, s->c, &s->m1, &s->p, 0, NULL);
	struct lab_message again = lab_m3_again(&s->l, s->c, &m3);

	assert_int_equal(lab_deliver(&s->l, &m3), 0);
	assert_int_equal(lab_deliver(&s->l, &m3), 0);
	assert_int_equal(lab_deliver(&s->l, &again), 0);
	lab_settle(&s->l);
	assert_int_equal(lab_door(&s->l, &s->c->address, SSH)->opened, 1);
	assert_int_equal(lab_count(&s->l, COUNT_ANSWER_RIGHT), 1);
	assert_int_equal(s->l.sent, 1); /* when it came again the result was not there yet */
}

static void test_restart_forgets_challenges(void **state)
{
	struct scene *s = *state;
	struct lab_message m3 = lab_m3(&s->l, s->c, &s->m1, &s->p, 0, NULL);

	lab_restart(&s->l);
	lab_settle(&s->l);
	assert_silence(s, &m3, COUNT_ANSWER_NONE);
}

static void test_store_that_fails_leaves_the_challenge(void **state)
{
	struct scene *s = *state;
	struct lab_message m3 = lab_m3(&s->l, s->c, &s->m1, &s->p, 0, NULL);

	store_memory_fail(s->l.store, 1);
	lab_knock(&s->l, &m3);
	assert_int_equal(s->l.sent, 0);
	m3 = lab_m3_again(&s->l, s->c, &m3);
	assert_still_waits(s, &m3);
}

/* An answer takes none of its client's tokens: whoever repeats it must not be able to use them up. */
static void test_repeated_answers_cost_no_tokens(void **state)
{
	struct scene *s = *state;
	struct lab_message m3 = lab_m3(&s->l, s->c, &s->m1, &s->p, 0, NULL);
	struct request q = lab_request(VERB_PING);
	struct lab_message ping;
	struct reply p;

	lab_knock(&s->l, &m3);
	assert_true(lab_reply(&s->l, &m3, &p));
	for (unsigned i = 0; i < 500; i++)
		lab_knock(&s->l, &m3);
	ping = lab_m1(&s->l, s->c, &q, 0);
	lab_knock(&s->l, &ping);
	assert_true(lab_reply(&s->l, &ping, &p));
	assert_int_equal(p.verdict, VERDICT_OK);
}

/* A client with a PIN and a code, whose answers to a challenge are a[0], a[1], ... */
struct user {
	struct lab l;
	struct lab_client *c;
	struct code_check code;
};

static int setup_user(void **state)
{
	static char options[512];
	struct user *u = calloc(1, sizeof(*u));
	struct pin_check pin = {.kib = 64};
	char pin_word[PIN_TEXT], code_word[CODE_TEXT];

	if (!u || pin_make((const uint8_t *)"4711", 4, &pin) < 0)
		return -1;
	code_make(6, &u->code);
	pin_text(&pin, pin_word);
	code_text(&u->code, code_word);
	snprintf(options, sizeof(options), "service=ssh,service=web,pin=%s,totp=%s", pin_word,
	    code_word);
	lab_start(&u->l, NULL, options, 4);
	u->c = &u->l.client[0];
	*state = u;
	return 0;
}

static int teardown_user(void **state)
{
	struct user *u = *state;

	lab_stop(&u->l);
	free(u);
	return 0;
}

/* What a device shows now. */
static void show_code(const struct user *u, char out[static CODE_MAX + 1])
{
	assert_int_equal(
	    oath_totp_generate((const char *)u->code.secret, u->code.secret_len,
		(time_t)(u->l.real_ns / NS_PER_S), CODE_STEP_S, 0, u->code.digits, out),
	    OATH_OK);
}

static enum verdict open_with(struct user *u, const char *pin, const char *code)
{
	struct request q = lab_open("ssh");
	struct lab_message m1 = lab_m1(&u->l, u->c, &q, 0), m3, again;
	struct reply p;
	struct reply second;
	struct answer a;

	lab_pass(&u->l, 1000); /* its share of work */
	lab_knock(&u->l, &m1);
	assert_true(lab_reply(&u->l, &m1, &p));
	assert_int_equal(p.verdict, VERDICT_CHALLENGE);
	assert_int_equal(p.asked, ASKED_PIN | ASKED_CODE);
	a = (struct answer){.attempt = q.attempt, .t = m1.t, .seen = u->c->address};
	a.pin_len = (uint8_t)strlen(pin);
	memcpy(a.pin, pin, a.pin_len);
	strcpy(a.code, code);
	m3 = lab_m3(&u->l, u->c, &m1, &p, 0, &a);
	const struct lab_message unread = m3;

	lab_knock(&u->l, &m3);
	assert_true(lab_reply(&u->l, &m3, &p));
	/* It is spent: the same answer has the same end, another has none. */
	again = lab_m3_again(&u->l, u->c, &unread);
	lab_knock(&u->l, &again);
	assert_true(lab_reply(&u->l, &again, &second));
	assert_int_equal(second.verdict, p.verdict);
	return p.verdict;
}

static void test_user_wrong_and_right(void **state)
{
	struct user *u = *state;
	char code[CODE_MAX + 1];

	show_code(u, code);
	assert_int_equal(open_with(u, "", ""), VERDICT_CODE_OR_PIN);
	assert_int_equal(open_with(u, "4711", ""), VERDICT_CODE_OR_PIN);
	assert_int_equal(open_with(u, "4711", strcmp(code, "000000") == 0 ? "000001" : "000000"),
	    VERDICT_CODE_OR_PIN);
	assert_null(lab_door(&u->l, &u->c->address, SSH));
	assert_int_equal(open_with(u, "4711", code), VERDICT_OK);
	assert_non_null(lab_door(&u->l, &u->c->address, SSH));
	/* A used code is used. */
	assert_int_equal(open_with(u, "4711", code), VERDICT_CODE_OR_PIN);
	lab_pass(&u->l, 30000);
	show_code(u, code);
	/* And it is used, too, when the PIN beside it was wrong. */
	assert_int_equal(open_with(u, "4712", code), VERDICT_CODE_OR_PIN);
	assert_int_equal(open_with(u, "4711", code), VERDICT_CODE_OR_PIN);
}

static void test_used_codes_outlive_a_restart(void **state)
{
	struct user *u = *state;
	char code[CODE_MAX + 1];

	show_code(u, code);
	assert_int_equal(open_with(u, "4711", code), VERDICT_OK);
	lab_restart(&u->l);
	lab_settle(&u->l);
	assert_int_equal(open_with(u, "4711", code), VERDICT_CODE_OR_PIN);
	lab_pass(&u->l, 30000);
	show_code(u, code);
	assert_int_equal(open_with(u, "4711", code), VERDICT_REFRESHED);
}

/* What opens nothing needs no user. */
static void test_user_is_asked_for_doors_and_commands(void **state)
{
	struct user *u = *state;
	struct request ping = lab_request(VERB_PING), list = lab_request(VERB_LIST);
	char code[CODE_MAX + 1];

	show_code(u, code);
	assert_int_equal(open_with(u, "4711", code), VERDICT_OK);
	assert_int_equal(lab_ask(&u->l, u->c, &ping, NULL), VERDICT_OK);
	assert_int_equal(lab_ask(&u->l, u->c, &list, NULL), VERDICT_OK);
}

/* Where no answer is to come, M1 has them. */
static void test_user_without_answers(void **state)
{
	struct user *u = *state;
	struct request q = lab_open("web");
	char code[CODE_MAX + 1];
	struct lab_message m1;

	show_code(u, code);
	assert_int_equal(open_with(u, "4711", code), VERDICT_OK);
	lab_pass(&u->l, 60000);
	show_code(u, code);
	q.flags = 0;
	m1 = lab_m1(&u->l, u->c, &q, 0); /* neither */
	lab_knock(&u->l, &m1);
	assert_null(lab_door(&u->l, &u->c->address, 1));
	strcpy(q.code, code);
	m1 = lab_m1(&u->l, u->c, &q, 0); /* no PIN */
	lab_knock(&u->l, &m1);
	assert_null(lab_door(&u->l, &u->c->address, 1));
	q.pin_len = 4;
	memcpy(q.pin, "4711", 4);
	m1 = lab_m1(&u->l, u->c, &q, 0);
	lab_knock(&u->l, &m1);
	assert_non_null(lab_door(&u->l, &u->c->address, 1));
	assert_int_equal(u->l.sent, 0);
	/* Wanting an answer, it must give them to a challenge. */
	q.flags = REQUEST_REPLY;
	q.attempt++;
	q.code[0] = '\0';
	q.pin_len = 0;
	assert_int_equal(lab_ask(&u->l, u->c, &q, NULL), VERDICT_CHALLENGE);
}

/* PINs take their time: a few a turn, and all have their turn. */
static void test_pins_of_many_at_once(void **state)
{
	struct user *u = *state;
	struct lab_message m3[4];
	char code[CODE_MAX + 1];
	unsigned right = 0;

	show_code(u, code);
	for (unsigned i = 0; i < 4; i++) {
		struct request q = lab_open("ssh");
		struct lab_client *c = &u->l.client[i];
		struct lab_message m1 = lab_m1(&u->l, c, &q, 0);
		struct answer a = {
		    .attempt = q.attempt, .t = m1.t, .seen = c->address, .pin_len = 4};
		struct reply p;

		lab_knock(&u->l, &m1);
		assert_true(lab_reply(&u->l, &m1, &p));
		memcpy(a.pin, "4711", 4);
		strcpy(a.code, code);
		m3[i] = lab_m3(&u->l, c, &m1, &p, 0, &a);
	}
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(lab_deliver(&u->l, &m3[i]), 0);
	assert_true(core_turn(u->l.core));
	assert_int_equal(lab_count(&u->l, COUNT_ANSWER_RIGHT), 2);
	lab_settle(&u->l);
	for (unsigned i = 0; i < 4; i++)
		right += lab_door(&u->l, &u->l.client[i].address, SSH) != NULL;
	assert_int_equal(right, 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define USER_TEST(name) cmocka_unit_test_setup_teardown(name, setup_user, teardown_user)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_wrong_words_are_silence_and_the_challenge_stays),
	    TEST(test_from_elsewhere),
	    TEST(test_broken_body),
	    TEST(test_by_another_client),
	    TEST(test_late),
	    TEST(test_just_in_time),
	    TEST(test_old_label),
	    TEST(test_same_packet_twice_is_silence_same_body_is_not),
	    TEST(test_newer_challenge_replaces),
	    TEST(test_newer_message_ends_the_challenge),
	    TEST(test_two_at_once),
	    TEST(test_restart_forgets_challenges),
	    TEST(test_store_that_fails_leaves_the_challenge),
	    TEST(test_repeated_answers_cost_no_tokens),
	    USER_TEST(test_user_wrong_and_right),
	    USER_TEST(test_used_codes_outlive_a_restart),
	    USER_TEST(test_user_is_asked_for_doors_and_commands),
	    USER_TEST(test_user_without_answers),
	    USER_TEST(test_pins_of_many_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
