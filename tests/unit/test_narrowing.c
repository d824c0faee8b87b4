/* Doors that close by more than their time, or for more than themselves, as the auth core sees them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "auth_lab.h"
#include "session.h"

enum { SSH, WEB };

static const char narrow[] =
    "udp-port = 62201\n"
    "service \"ssh\" { proto = tcp port = 22 hold = 60 max-hold = 600 }\n"
    "service \"web\" { proto = tcp port = 443 hold = 30 idle = 20 cut = yes }\n";

static int setup(void **state)
{
	static struct lab l;

	memset(&l, 0, sizeof(l));
	lab_start(&l, narrow, "service=ssh,service=web,cut", 1);
	assert_true(lab_prove(&l, &l.client[0]));
	*state = &l;
	return 0;
}

/* The kernel closes it, as behind a first connection or when it is idle. */
static void close_early(struct lab *l, unsigned service)
{
	struct lab_door *d = lab_door(l, &l->client[0].address, service);

	assert_non_null(d);
	d->end_ms = 0;
}

static unsigned listed(struct lab *l)
{
	struct request list = lab_request(VERB_LIST);
	struct reply p;

	assert_int_equal(lab_ask(l, &l->client[0], &list, &p), VERDICT_OK);
	return p.doors;
}

static void test_what_is_asked_for_reaches_the_monitor(void **state)
{
	struct lab *l = *state;
	struct request q = lab_open("ssh");
	struct reply p;

	q.single_use = true;
	q.has_idle = true;
	q.idle_s = 25;
	q.has_source_port = true;
	q.source_port = 40000;
	assert_int_equal(lab_ask(l, &l->client[0], &q, &p), VERDICT_OK);
	assert_int_equal(p.idle_s, 20); /* which is told */
	assert_int_equal(l->door[0].m.once, 1);
	assert_int_equal(l->door[0].m.idle_s, 20);
	assert_int_equal(l->door[0].m.source_port, 40000);
}

static void test_a_used_door_is_no_session_any_more(void **state)
{
	struct lab *l = *state;
	struct request q = lab_open("ssh");
	struct reply p, again;

	q.single_use = true;
	assert_int_equal(lab_ask(l, &l->client[0], &q, &p), VERDICT_OK);
	assert_int_equal(listed(l), 1);
	close_early(l, SSH);
	assert_int_equal(listed(l), 0);
	assert_int_equal(lab_count(l, COUNT_ENDED), 1);
	q.attempt++;
	assert_int_equal(
	    lab_ask(l, &l->client[0], &q, &again), VERDICT_OK); /* a new one, not refreshed */
	assert_int_not_equal(again.door[0].session, p.door[0].session);
}

/* A plain door and a narrower one are two. */
static void test_narrower_is_another_door(void **state)
{
	struct lab *l = *state;
	struct request q = lab_open("ssh");

	assert_int_equal(lab_ask(l, &l->client[0], &q, NULL), VERDICT_OK);
	q.attempt++;
	q.single_use = true;
	assert_int_equal(lab_ask(l, &l->client[0], &q, NULL), VERDICT_OK);
	q.attempt++;
	assert_int_equal(lab_ask(l, &l->client[0], &q, NULL), VERDICT_REFRESHED);
}

static void test_what_is_used_makes_room_for_more(void **state)
{
	struct lab *l = *state;
	struct request q = lab_open("ssh");

	q.has_source_port = true;
	q.single_use = true;
	for (unsigned i = 0; i < SESSIONS_PER_CLIENT; i++) {
		q.attempt++;
		q.source_port = (uint16_t)(40000 + i);
		assert_int_equal(lab_ask(l, &l->client[0], &q, NULL), VERDICT_OK);
		lab_pass(l, 1000); /* its share of work */
	}
	q.attempt++;
	q.source_port++;
	assert_int_equal(lab_ask(l, &l->client[0], &q, NULL), VERDICT_QUOTA);
	for (unsigned i = 0; i < l->doors; i++)
		l->door[i].end_ms = 0;
	q.attempt++;
	assert_int_equal(
	    lab_ask(l, &l->client[0], &q, NULL), VERDICT_QUOTA); /* and they are looked at */
	q.attempt++;
	assert_int_equal(lab_ask(l, &l->client[0], &q, NULL), VERDICT_OK);
}

static void test_a_close_may_cut(void **state)
{
	struct lab *l = *state;
	struct request close = lab_request(VERB_CLOSE);

	close.services = 1;
	strcpy(close.service[0], "ssh");
	assert_int_equal(lab_open_service(l, &l->client[0], "ssh", NULL), VERDICT_OK);
	assert_int_equal(lab_ask(l, &l->client[0], &close, NULL), VERDICT_OK);
	assert_int_equal(l->cuts, 0);
	assert_int_equal(lab_open_service(l, &l->client[0], "ssh", NULL), VERDICT_OK);
	close.attempt++;
	close.flags |= REQUEST_CUT;
	assert_int_equal(lab_ask(l, &l->client[0], &close, NULL), VERDICT_OK);
	assert_int_equal(l->cuts, 1);
}

static void end_of_time(struct lab *l)
{
	lab_pass(l, 31000);
	core_tick(l->core);
	lab_settle(l);
}

/* Others may have the same address; nobody else has the port of an exact door. */
static void test_cutting_is_a_permission(void **state)
{
	struct lab *l = *state;
	struct request close = lab_request(VERB_CLOSE), open = lab_open("ssh");

	lab_stop(l);
	memset(l, 0, sizeof(*l));
	lab_start(l, narrow, NULL, 1);
	assert_true(lab_prove(l, &l->client[0]));
	close.services = 1;
	strcpy(close.service[0], "ssh");
	close.flags |= REQUEST_CUT;
	assert_int_equal(lab_open_service(l, &l->client[0], "ssh", NULL), VERDICT_OK);
	assert_int_equal(lab_ask(l, &l->client[0], &close, NULL), VERDICT_DENIED);
	close.flags &= (uint16_t)~REQUEST_CUT;
	close.attempt++;
	assert_int_equal(lab_ask(l, &l->client[0], &close, NULL), VERDICT_OK);
	open.has_source_port = true;
	open.source_port = 40000;
	assert_int_equal(lab_ask(l, &l->client[0], &open, NULL), VERDICT_OK);
	close.flags |= REQUEST_CUT;
	close.attempt++;
	assert_int_equal(lab_ask(l, &l->client[0], &close, NULL), VERDICT_OK);
	assert_int_equal(l->cuts, 1);
}

static void test_a_service_may_cut_at_the_end(void **state)
{
	struct lab *l = *state;

	assert_int_equal(lab_open_service(l, &l->client[0], "web", NULL), VERDICT_OK);
	close_early(l, WEB);
	assert_int_equal(listed(l), 0);
	assert_int_equal(l->cuts, 0); /* an idle door's connections have until its time is over */
	end_of_time(l);
	assert_int_equal(l->cuts, 1);
	assert_int_equal(lab_count(l, COUNT_ENDED), 1);
	end_of_time(l);
	assert_int_equal(l->cuts, 1);
}

static void test_what_ended_while_we_were_away_is_cut(void **state)
{
	struct lab *l = *state;

	assert_int_equal(lab_open_service(l, &l->client[0], "web", NULL), VERDICT_OK);
	lab_pass(l, 31000);
	lab_restart(l);
	lab_settle(l);
	core_tick(l->core);
	lab_settle(l);
	assert_int_equal(l->cuts, 1);
}

/* The rest of an idle door is that of its idleness; its time is not over then. */
static void test_a_restart_leaves_an_idle_door_its_time(void **state)
{
	struct lab *l = *state;

	assert_int_equal(lab_open_service(l, &l->client[0], "web", NULL), VERDICT_OK);
	lab_door(l, &l->client[0].address, WEB)->end_ms = l->boot_ms + 5000;
	lab_restart(l);
	lab_settle(l);
	lab_pass(l, 6000);
	core_tick(l->core);
	lab_settle(l);
	assert_int_equal(lab_count(l, COUNT_ENDED), 0);
}

/* Everybody else's rules are flushed, and the guard's with them. */
static void lose_doors(struct lab *l)
{
	for (unsigned i = 0; i < l->doors; i++)
		l->door[i].end_ms = 0;
}

static void test_doors_that_were_lost(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];

	assert_int_equal(lab_open_service(l, c, "ssh", NULL), VERDICT_OK);
	lab_pass(l, 10000);
	lose_doors(l);
	core_doors_mended(l->core, true);
	lab_settle(l);
	assert_int_equal(lab_count(l, COUNT_ENDED), 0); /* it is put back, for its rest */
	assert_int_equal(lab_door(l, &c->address, SSH)->end_ms, l->boot_ms + 50000);
	core_doors_mended(l->core, true);
	lab_settle(l);
	assert_int_equal(lab_door(l, &c->address, SSH)->opened, 2); /* it is there */
	lose_doors(l);
	core_doors_mended(l->core, false);
	lab_settle(l);
	assert_int_equal(lab_count(l, COUNT_ENDED), 1); /* by a person's hand */
	core_doors_mended(l->core, true);
	lab_settle(l);
	assert_null(lab_door(l, &c->address, SSH));
	assert_int_equal(lab_open_service(l, c, "ssh", NULL), VERDICT_OK);
	lose_doors(l);
	assert_int_equal(listed(l), 0); /* noticed as well when somebody looks */
	assert_int_equal(lab_count(l, COUNT_ENDED), 2);
}

/* Nobody knows whether it had closed by that. */
static void test_narrow_doors_that_were_lost(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	struct request once = lab_open("ssh"), exact = lab_open("ssh");

	once.single_use = true;
	exact.has_source_port = true;
	exact.source_port = 40000;
	exact.attempt++;
	assert_int_equal(lab_ask(l, c, &once, NULL), VERDICT_OK);
	lose_doors(l);
	core_doors_mended(l->core, true);
	lab_settle(l);
	assert_int_equal(lab_count(l, COUNT_ENDED), 1);
	assert_int_equal(lab_ask(l, c, &exact, NULL), VERDICT_OK);
	lose_doors(l);
	core_doors_mended(l->core, true);
	lab_settle(l);
	assert_int_equal(lab_count(l, COUNT_ENDED), 2);
	assert_null(lab_door(l, &c->address, SSH));
}

/* Also while the doors are on their way back, and what the monitor refuses is over. */
static void test_who_closes_has_the_last_word(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	bool known;

	assert_int_equal(lab_open_service(l, c, "ssh", NULL), VERDICT_OK);
	lose_doors(l);
	core_doors_mended(l->core, true);
	assert_int_equal(core_close_client(l->core, c->name, &known), 1);
	lab_settle(l);
	assert_null(lab_door(l, &c->address, SSH));
	core_doors_mended(l->core, true);
	lab_settle(l);
	assert_null(lab_door(l, &c->address, SSH));
	assert_int_equal(lab_open_service(l, c, "ssh", NULL), VERDICT_OK);
	lose_doors(l);
	core_doors_mended(l->core, true);
	lab_monitor(l); /* it is asked for again now */
	assert_int_equal(core_close_client(l->core, c->name, &known), 1);
	lab_settle(l);
	assert_null(lab_door(l, &c->address, SSH));
	assert_int_equal(lab_count(l, COUNT_ENDED), 0);
	assert_int_equal(lab_open_service(l, c, "ssh", NULL), VERDICT_OK);
	lose_doors(l);
	core_doors_mended(l->core, true);
	l->next_status = DOOR_REFUSED;
	lab_settle(l);
	assert_int_equal(lab_count(l, COUNT_ENDED), 1);
}

/* The new law comes behind the word of the loss, and counts for what is asked for by that. */
static void test_a_revocation_has_the_last_word(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];

	assert_int_equal(lab_open_service(l, c, "ssh", NULL), VERDICT_OK);
	lose_doors(l);
	core_doors_mended(l->core, true);
	l->options = "service=web";
	core_swap(l->core, lab_realm(l));
	lab_settle(l);
	assert_null(lab_door(l, &c->address, SSH));
	l->options = "service=ssh";
	core_swap(l->core, lab_realm(l));
	core_doors_mended(l->core, true);
	lab_settle(l);
	assert_null(lab_door(l, &c->address, SSH));
}

enum { OPENERS = 5, EACH = 60, ALIVE = 270 };

/* Those of a full service that are closed already are found, however many are alive before them. */
static void test_a_full_service_looks_at_all_its_doors(void **state)
{
	struct lab *l = *state;
	struct request q = lab_open("ssh");

	lab_stop(l);
	memset(l, 0, sizeof(*l));
	lab_start(l,
	    "udp-port = 62201\nclient-rate = 1000\nclient-burst = 1000\n"
	    "service \"ssh\" { proto = tcp port = 22 doors = 300 single-use = yes }\n",
	    "service=ssh", OPENERS + 1);
	for (unsigned i = 0; i <= OPENERS; i++)
		assert_true(lab_prove(l, &l->client[i]));
	q.admits = 1;
	for (unsigned i = 0; i < OPENERS * EACH; i++, q.attempt++) {
		const uint8_t v4[4] = {10, 0, (uint8_t)(i / EACH), (uint8_t)(i % EACH + 1)};
		const struct address to = address_v4(v4);

		q.admit[0] = prefix_host(&to);
		assert_int_equal(lab_ask(l, &l->client[i / EACH], &q, NULL), VERDICT_OK);
	}
	for (unsigned i = ALIVE; i < OPENERS * EACH; i++)
		l->door[i].end_ms = 0;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(
		    lab_open_service(l, &l->client[OPENERS], "ssh", NULL), VERDICT_QUOTA);
	assert_int_equal(lab_open_service(l, &l->client[OPENERS], "ssh", NULL), VERDICT_OK);
	assert_int_equal(lab_count(l, COUNT_ENDED), OPENERS * EACH - ALIVE);
}

static void close_service(struct lab *l, struct lab_client *c, const char *service)
{
	struct request q = lab_request(VERB_CLOSE);

	q.services = 1;
	strcpy(q.service[0], service);
	assert_int_equal(lab_ask(l, c, &q, NULL), VERDICT_OK);
}

/* Two at one address; what the kernel closed behind them, neither opens by leaving. */
static void check_shared(struct lab *l, const struct request *q, unsigned service)
{
	struct lab_client *a = &l->client[0], *b = &l->client[1];

	lab_stop(l);
	memset(l, 0, sizeof(*l));
	lab_start(l, narrow, "service=ssh,service=web", 2);
	b->address = a->address;
	assert_true(lab_prove(l, a) && lab_prove(l, b));
	assert_int_equal(lab_ask(l, a, q, NULL), VERDICT_OK);
	assert_int_equal(lab_ask(l, b, q, NULL), VERDICT_OK);
	assert_int_equal(l->doors, 1);
	close_early(l, service);
	close_service(l, a, q->service[0]);
	assert_null(lab_door(l, &a->address, service));
	close_service(l, b, q->service[0]);
	assert_null(lab_door(l, &a->address, service));
	assert_int_equal(lab_count(l, COUNT_CLOSED), 2);
}

static void test_leaving_opens_nothing_again(void **state)
{
	struct request once = lab_open("ssh"), idle = lab_open("web");

	once.single_use = true;
	check_shared(*state, &once, SSH);
	check_shared(*state, &idle, WEB);
}

static int teardown(void **state)
{
	lab_stop(*state);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_what_is_asked_for_reaches_the_monitor),
	    TEST(test_a_used_door_is_no_session_any_more),
	    TEST(test_narrower_is_another_door),
	    TEST(test_doors_that_were_lost),
	    TEST(test_narrow_doors_that_were_lost),
	    TEST(test_who_closes_has_the_last_word),
	    TEST(test_a_revocation_has_the_last_word),
	    TEST(test_a_full_service_looks_at_all_its_doors),
	    TEST(test_what_is_used_makes_room_for_more),
	    TEST(test_a_close_may_cut),
	    TEST(test_cutting_is_a_permission),
	    TEST(test_a_service_may_cut_at_the_end),
	    TEST(test_what_ended_while_we_were_away_is_cut),
	    TEST(test_a_restart_leaves_an_idle_door_its_time),
	    TEST(test_leaving_opens_nothing_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
