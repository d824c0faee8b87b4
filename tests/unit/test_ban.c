/* Bans: an address that is proven has its strikes, and no other; a knock that is right lifts a ban. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "auth_lab.h"
#include "clock.h"
#include "factors.h"

enum { AFTER = 3, FOR_S = 100, DECAY_MS = 60000, SLOWEST_MS = 10000 };

#define CONFIG(after) \
	"udp-port = 62201\n" \
	"suspend-after = 0\n" \
	"ban-after = " after "\n" \
	"ban-for = 100\n" \
	"ban-except = {198.51.100.2}\n" \
	"client-burst = 100\n" \
	"service \"ssh\" { proto = tcp port = 22 }\n" \
	"service \"web\" { proto = tcp port = 443 }\n"

static int start(void **state, const char *config)
{
	struct lab *l = calloc(1, sizeof(*l));

	if (!l)
		return -1;
	lab_start(l, config, "service=ssh", 4);
	*state = l;
	return lab_prove(l, &l->client[0]) && lab_prove(l, &l->client[1]) ? 0 : -1;
}

static int setup(void **state)
{
	return start(state, CONFIG("3"));
}

static int setup_off(void **state)
{
	return start(state, CONFIG("0"));
}

/* One try at a service that is not its own; its M3 is left for the caller to send again. */
static struct lab_message try_proven(struct lab *l, struct lab_client *c)
{
	struct request q = lab_open("web");
	struct lab_message m1, m3;
	struct reply p;

	lab_pass(l, SLOWEST_MS);
	q.flags |= REQUEST_CHALLENGE;
	m1 = lab_m1(l, c, &q, 0);
	lab_knock(l, &m1);
	assert_true(lab_reply(l, &m1, &p));
	assert_int_equal(p.verdict, VERDICT_CHALLENGE);
	m3 = lab_m3(l, c, &m1, &p, 0, NULL);
	lab_knock(l, &m3);
	assert_true(lab_reply(l, &m3, &p));
	assert_int_equal(p.verdict, VERDICT_DENIED);
	return m3;
}

static void get_banned(struct lab *l, struct lab_client *c)
{
	for (unsigned i = 0; i < AFTER; i++) {
		assert_false(lab_banned(l, &c->address));
		(void)try_proven(l, c);
	}
	assert_true(lab_banned(l, &c->address));
}

static void test_proven_tries_ban(void **state)
{
	struct lab *l = *state;

	get_banned(l, &l->client[0]);
	assert_int_equal(lab_count(l, COUNT_BAN_STRIKE), AFTER);
	assert_int_equal(lab_count(l, COUNT_BANNED), 1);
	/* Who is banned and tries on is banned on. */
	lab_pass(l, (FOR_S - 10) * MS_PER_S);
	for (unsigned i = 0; i < AFTER; i++)
		(void)try_proven(l, &l->client[0]);
	lab_pass(l, (FOR_S - 10) * MS_PER_S);
	assert_true(lab_banned(l, &l->client[0].address));
	lab_pass(l, 10 * MS_PER_S);
	assert_false(lab_banned(l, &l->client[0].address));
}

/* What only says where it comes from. */
static void test_unproven_tries_ban_nobody(void **state)
{
	struct lab *l = *state;

	for (unsigned i = 0; i < 4 * AFTER; i++) {
		lab_pass(l, SLOWEST_MS);
		assert_int_equal(lab_open_service(l, &l->client[0], "web", NULL), VERDICT_DENIED);
	}
	assert_int_equal(lab_count(l, COUNT_STRIKE), 4 * AFTER);
	assert_int_equal(lab_count(l, COUNT_BAN_STRIKE), 0);
	assert_int_equal(l->bans, 0);
}

static void test_an_answer_counts_once(void **state)
{
	struct lab *l = *state;
	struct lab_message m3 = try_proven(l, &l->client[0]), again;

	for (unsigned i = 0; i < 4 * AFTER; i++) {
		lab_knock(l, &m3);
		again = lab_m3_again(l, &l->client[0], &m3);
		lab_knock(l, &again);
		again.from = l->client[2].address;
		lab_knock(l, &again);
		l->sent = 0;
	}
	assert_int_equal(lab_count(l, COUNT_BAN_STRIKE), 1);
	assert_int_equal(l->bans, 0);
}

static void test_time_forgives(void **state)
{
	struct lab *l = *state;

	for (unsigned i = 0; i < 4 * AFTER; i++) {
		(void)try_proven(l, &l->client[0]);
		lab_pass(l, DECAY_MS);
	}
	assert_int_equal(l->bans, 0);
}

static void test_some_are_excepted(void **state)
{
	struct lab *l = *state;

	for (unsigned i = 0; i < 4 * AFTER; i++)
		(void)try_proven(l, &l->client[1]);
	assert_int_equal(l->bans, 0);
}

struct order {
	struct lab *l;
	struct address who;
	bool was_banned;
};

static void door_opens(void *arg, const struct msg_door *m)
{
	struct order *o = arg;

	(void)m;
	o->was_banned = lab_banned(o->l, &o->who);
}

static void test_a_right_knock_lifts_it_before_the_door(void **state)
{
	struct lab *l = *state;
	struct order o = {.l = l, .who = l->client[0].address, .was_banned = true};

	get_banned(l, &l->client[0]);
	l->acted = door_opens;
	l->acted_arg = &o;
	lab_pass(l, SLOWEST_MS);
	assert_int_equal(lab_open_service(l, &l->client[0], "ssh", NULL), VERDICT_OK);
	assert_false(o.was_banned);
	assert_int_equal(lab_count(l, COUNT_UNBANNED), 1);
	/* And its strikes are forgotten. */
	for (unsigned i = 1; i < AFTER; i++)
		(void)try_proven(l, &l->client[0]);
	assert_false(lab_banned(l, &l->client[0].address));
}

static void test_whom_the_door_is_for_is_let_in_too(void **state)
{
	struct lab *l = *state;
	struct request q = lab_open("ssh");

	get_banned(l, &l->client[0]);
	q.admits = 1;
	q.admit[0] = prefix_host(&l->client[0].address);
	assert_int_equal(lab_ask(l, &l->client[1], &q, NULL), VERDICT_OK);
	assert_false(lab_banned(l, &l->client[0].address));
}

static void test_any_right_knock_lifts_it(void **state)
{
	struct lab *l = *state;
	struct request q = lab_request(VERB_PING);

	get_banned(l, &l->client[0]);
	lab_pass(l, SLOWEST_MS);
	assert_int_equal(lab_open_service(l, &l->client[0], "web", NULL), VERDICT_DENIED);
	lab_pass(l, SLOWEST_MS);
	assert_true(lab_banned(l, &l->client[0].address));
	assert_int_equal(lab_ask(l, &l->client[0], &q, NULL), VERDICT_OK);
	assert_false(lab_banned(l, &l->client[0].address));
}

/* The keys alone shall not buy more guesses. */
static void test_a_pin_is_not_gone_round(void **state)
{
	static const uint8_t pin[] = "4711";
	struct lab *l = *state;
	struct request ping = lab_request(VERB_PING);
	char word[PIN_TEXT], options[PIN_TEXT + sizeof("service=ssh,pin=")];
	struct pin_check check = {.kib = 64};

	get_banned(l, &l->client[0]);
	assert_int_equal(pin_make(pin, sizeof(pin) - 1, &check), 0);
	pin_text(&check, word);
	(void)snprintf(options, sizeof(options), "service=ssh,pin=%s", word);
	l->options = options;
	core_swap(l->core, lab_realm(l));
	lab_pass(l, SLOWEST_MS);
	assert_int_equal(lab_ask(l, &l->client[0], &ping, NULL), VERDICT_OK);
	assert_true(lab_banned(l, &l->client[0].address));
}

static void told(void *arg, enum door_status status)
{
	*(int *)arg = (int)status;
}

static int unban(struct lab *l, const struct address *a)
{
	int status = -1;

	core_unban(l->core, a, told, &status);
	lab_settle(l);
	return status;
}

static void test_the_administrator_lifts_it(void **state)
{
	struct lab *l = *state;
	int forgotten = -1;

	assert_int_equal(unban(l, &l->client[0].address), DOOR_NOT_THERE);
	get_banned(l, &l->client[0]);
	assert_int_equal(unban(l, &l->client[0].address), DOOR_OK);
	get_banned(l, &l->client[0]);
	assert_int_equal(unban(l, NULL), DOOR_OK);
	assert_false(lab_banned(l, &l->client[0].address));
	core_unban(l->core, NULL, told, &forgotten);
	core_view_forget(l->core, &forgotten);
	lab_settle(l);
	assert_int_equal(forgotten, -1);
}

struct found {
	unsigned banned, unbanned;
};

static void look(void *arg, const struct journal_record *r)
{
	struct found *f = arg;

	if (r->event == JOURNAL_BANNED) {
		assert_string_equal(r->client, "c0");
		assert_string_equal(r->reason, "forbidden");
		assert_true(r->has_from);
		f->banned++;
	}
	f->unbanned += r->event == JOURNAL_UNBANNED;
}

static struct found journal(struct lab *l)
{
	const struct journal_query q = {.from = 1,
	    .most = UINT32_MAX,
	    .verdict = JOURNAL_NO_VERDICT,
	    .client = "",
	    .service = ""};
	struct found f = {0};
	uint64_t next;

	assert_int_equal(core_journal(l->core, &q, look, &f, &next), 0);
	return f;
}

static void test_journal_has_what_the_kernel_did(void **state)
{
	struct lab *l = *state;
	struct found f;

	l->ban_status = DOOR_FULL;
	for (unsigned i = 0; i < AFTER; i++)
		(void)try_proven(l, &l->client[0]);
	assert_int_equal(l->bans, 1);
	f = journal(l);
	assert_int_equal(f.banned, 0);
	l->ban_status = DOOR_OK;
	get_banned(l, &l->client[0]);
	lab_pass(l, SLOWEST_MS);
	assert_int_equal(lab_open_service(l, &l->client[0], "ssh", NULL), VERDICT_OK);
	assert_int_equal(lab_open_service(l, &l->client[0], "ssh", NULL), VERDICT_REFRESHED);
	f = journal(l);
	assert_int_equal(f.banned, 1);
	assert_int_equal(f.unbanned, 1);
}

static void test_off(void **state)
{
	struct lab *l = *state;

	for (unsigned i = 0; i < 4 * AFTER; i++)
		(void)try_proven(l, &l->client[0]);
	lab_pass(l, SLOWEST_MS);
	assert_int_equal(lab_open_service(l, &l->client[0], "ssh", NULL), VERDICT_OK);
	assert_int_equal(l->bans + l->unbans, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, lab_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_proven_tries_ban),
	    TEST(test_unproven_tries_ban_nobody),
	    TEST(test_an_answer_counts_once),
	    TEST(test_time_forgives),
	    TEST(test_some_are_excepted),
	    TEST(test_a_right_knock_lifts_it_before_the_door),
	    TEST(test_whom_the_door_is_for_is_let_in_too),
	    TEST(test_any_right_knock_lifts_it),
	    TEST(test_a_pin_is_not_gone_round),
	    TEST(test_the_administrator_lifts_it),
	    TEST(test_journal_has_what_the_kernel_did),
	    cmocka_unit_test_setup_teardown(test_off, setup_off, lab_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
