/* Doors that somebody must say yes to. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "auth_lab.h"
#include "errors.h"

enum { SSH, DB, WEB, FTP, TIMEOUT_S = 100, HOLD_S = 60 };

static const char config[] =
    "udp-port = 62201\n"
    "service \"ssh\" { proto = tcp port = 22 hold = 60 approve = ask }\n"
    "service \"db\" { proto = tcp port = 5432 hold = 60 approve = other }\n"
    "service \"web\" { proto = tcp port = 443 }\n"
    "service \"ftp\" { proto = tcp port = 21 hold = 60 approve = ask cut = yes }\n"
    "command \"ask\" { run = {\"/bin/true\"} user = nobody timeout = 100 }\n"
    "command \"other\" { run = {\"/bin/true\"} user = nobody timeout = 100 }\n";

static int setup(void **state)
{
	static struct lab l;

	memset(&l, 0, sizeof(l));
	lab_start(&l, config, "service=ssh,service=db,service=web,service=ftp", 2);
	assert_true(lab_prove(&l, &l.client[0]) && lab_prove(&l, &l.client[1]));
	*state = &l;
	return 0;
}

static int teardown(void **state)
{
	lab_stop(*state);
	return 0;
}

static void say(struct lab *l, enum run_status status, uint8_t exit_status)
{
	struct msg_command_done m = {.head = {MSG_COMMAND_DONE, sizeof(m)},
	    .id = l->run.id,
	    .status = status,
	    .exit_status = exit_status};

	assert_int_equal(core_command_done(l->core, &m), 0);
	lab_settle(l);
}

/* A knock that somebody is asked for. */
static struct lab_message knock(struct lab *l, struct lab_client *c, const struct request *q)
{
	struct lab_message m = lab_m1(l, c, q, 0);
	unsigned before = l->runs;

	lab_knock(l, &m);
	assert_int_equal(l->runs, before + 1);
	assert_int_equal(l->sent, 0);
	assert_null(lab_door(l, &c->address, SSH));
	return m;
}

static void test_yes(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	struct request q = lab_open("ssh");
	struct lab_message m = knock(l, c, &q);
	struct reply p;

	assert_int_equal(l->run.command, 0);
	assert_int_equal(l->run.approves, SSH + 1);
	assert_int_equal(l->run.arguments, 0);
	assert_string_equal(l->run.client, "c0");
	assert_memory_equal(l->run.admit, c->address.b, sizeof(l->run.admit));
	lab_pass(l, 3000);
	say(l, RUN_ENDED, 0);
	assert_true(lab_reply(l, &m, &p));
	assert_int_equal(p.verdict, VERDICT_OK);
	/* Its time begins with the yes. */
	assert_int_equal(p.door[0].seconds, HOLD_S);
	/* That was a yes for so long: it is open, and is not prolonged. */
	lab_pass(l, 10000);
	assert_int_equal(lab_open_service(l, c, "ssh", &p), VERDICT_REFRESHED);
	assert_int_equal(p.door[0].seconds, HOLD_S - 10);
	assert_int_equal(l->runs, 1);
}

static void test_no(void **state)
{
	static const struct {
		enum run_status status;
		uint8_t exit_status;
		enum verdict verdict;
		const char *reason;
	} words[] = {{RUN_ENDED, 1, VERDICT_DENIED, "somebody said no"},
	    {RUN_TIMEOUT, 0, VERDICT_DENIED, "nobody said yes in time"},
	    {RUN_BUSY, 0, VERDICT_BUSY, "nobody could be asked: try again"},
	    {RUN_REFUSED, 0, VERDICT_BUSY, "nobody could be asked: try again"},
	    {RUN_FAILED, 0, VERDICT_DENIED, "nobody could be asked"}};
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct request q = lab_open("ssh");
		struct lab_message m = knock(l, c, &q);
		struct reply p;

		say(l, words[i].status, words[i].exit_status);
		assert_true(lab_reply(l, &m, &p));
		assert_int_equal(p.verdict, words[i].verdict);
		assert_string_equal(p.reason, words[i].reason);
		assert_null(lab_door(l, &c->address, SSH));
		lab_pass(l, 1000);
	}
	/* Nothing is left of them after a restart. */
	lab_restart(l);
	lab_settle(l);
	assert_null(lab_door(l, &c->address, SSH));
}

/* A retry finds the attempt; who waits for long is told so, once a message. */
static void test_who_waits_is_told(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	struct request q = lab_open("ssh"), other = lab_open("ssh");
	struct lab_message m = knock(l, c, &q);
	struct reply p;

	lab_pass(l, 1000);
	m = lab_m1(l, c, &q, 0);
	lab_knock(l, &m);
	assert_int_equal(l->runs, 1);
	core_tick(l->core);
	assert_int_equal(l->sent, 0);
	assert_true(core_tick_due(l->core) > 0);
	lab_pass(l, 4000);
	core_tick(l->core);
	assert_true(lab_reply(l, &m, &p));
	assert_int_equal(p.verdict, VERDICT_BUSY);
	assert_string_equal(p.reason, "somebody was asked: try again when he has said yes");
	core_tick(l->core);
	assert_int_equal(l->sent, 0);
	/* One at a time. */
	assert_int_equal(lab_ask(l, c, &other, &p), VERDICT_BUSY);
	assert_int_equal(l->runs, 1);
	say(l, RUN_ENDED, 0);
	assert_int_equal(l->sent, 0);
	assert_non_null(lab_door(l, &c->address, SSH));
	other.attempt++;
	assert_int_equal(lab_ask(l, c, &other, &p), VERDICT_REFRESHED);
}

static void test_each_service_has_its_own(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	struct request q = lab_open("ssh");
	struct lab_message m;
	struct reply p;

	q.services = 3;
	strcpy(q.service[1], "db");
	strcpy(q.service[2], "web");
	m = knock(l, c, &q);
	say(l, RUN_ENDED, 0);
	assert_int_equal(l->runs, 2);
	assert_int_equal(l->run.command, 1);
	assert_int_equal(l->run.approves, DB + 1);
	assert_null(lab_door(l, &c->address, WEB)); /* all or none */
	say(l, RUN_ENDED, 0);
	assert_true(lab_reply(l, &m, &p));
	assert_int_equal(p.verdict, VERDICT_OK);
	assert_int_equal(p.doors, 3);
	/* What needs no yes has none. */
	assert_int_equal(lab_open_service(l, &l->client[1], "web", NULL), VERDICT_OK);
	assert_int_equal(l->runs, 2);
}

/* Whoever was asked was asked about another configuration. */
static void test_a_reload_in_between(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	struct request q = lab_open("ssh");
	struct lab_message m = knock(l, c, &q);
	struct reply p;

	l->generation++;
	core_swap(l->core, lab_realm(l));
	say(l, RUN_ENDED, 0);
	assert_true(lab_reply(l, &m, &p));
	assert_int_equal(p.verdict, VERDICT_BUSY);
	assert_null(lab_door(l, &c->address, SSH));
}

static void test_a_crash_in_between(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	struct request q = lab_open("ssh");

	(void)knock(l, c, &q);
	lab_restart(l);
	lab_settle(l);
	assert_int_equal(lab_ask(l, c, &q, NULL), VERDICT_RESULT_UNKNOWN);
	assert_null(lab_door(l, &c->address, SSH));
	assert_int_equal(l->runs, 1);
}

/* What the administrator closed meanwhile is not opened by a yes that comes after. */
static void test_closed_by_the_administrator(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	struct request q = lab_open("ssh");
	struct lab_message m = knock(l, c, &q);
	struct reply p;
	bool known;

	assert_int_equal(core_close_client(l->core, "c1", &known), 0);
	assert_int_equal(core_close_client(l->core, "c0", &known), 1);
	say(l, RUN_ENDED, 0);
	assert_true(lab_reply(l, &m, &p));
	assert_int_equal(p.verdict, VERDICT_DENIED);
	assert_string_equal(p.reason, "the administrator closed it");
	assert_null(lab_door(l, &c->address, SSH));
}

/* The kernel closed it, behind its connection: that yes was for this one door. */
static void test_a_yes_is_used_up(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	struct request q = lab_open("ssh");
	struct lab_message m;
	struct reply p;

	q.single_use = true;
	m = knock(l, c, &q);
	say(l, RUN_ENDED, 0);
	assert_true(lab_reply(l, &m, &p));
	assert_int_equal(p.verdict, VERDICT_OK);
	q.attempt++;
	assert_int_equal(lab_ask(l, c, &q, &p), VERDICT_REFRESHED); /* not used yet */
	lab_door(l, &c->address, SSH)->end_ms = 0;
	q.attempt++;
	m = knock(l, c, &q);
	assert_int_equal(l->runs, 2);
	say(l, RUN_ENDED, 0);
	assert_true(lab_reply(l, &m, &p));
	assert_int_equal(p.verdict, VERDICT_OK);
	assert_int_equal(p.door[0].seconds, HOLD_S);
	/* With others beside it, it is simpler to knock again. */
	lab_door(l, &c->address, SSH)->end_ms = 0;
	q.attempt++;
	q.services = 2;
	strcpy(q.service[1], "web");
	assert_int_equal(lab_ask(l, c, &q, &p), VERDICT_BUSY);
	assert_string_equal(p.reason, "a door has closed: knock again, to have somebody asked");
	assert_null(lab_door(l, &c->address, SSH));
	assert_null(lab_door(l, &c->address, WEB));
	assert_int_equal(l->runs, 2);
}

/* What was written down before the yes opens nothing, though the service cuts and so keeps what it cannot find. */
static void test_a_crash_is_no_yes(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	struct request q = lab_open("ftp");
	struct lab_message m = lab_m1(l, c, &q, 0);

	lab_knock(l, &m);
	assert_int_equal(l->runs, 1);
	lab_restart(l);
	lab_settle(l);
	q.attempt++;
	m = lab_m1(l, c, &q, 0);
	lab_knock(l, &m);
	assert_int_equal(l->runs, 2);
	assert_null(lab_door(l, &c->address, FTP));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_yes),
	    TEST(test_no),
	    TEST(test_who_waits_is_told),
	    TEST(test_each_service_has_its_own),
	    TEST(test_a_reload_in_between),
	    TEST(test_a_crash_in_between),
	    TEST(test_closed_by_the_administrator),
	    TEST(test_a_yes_is_used_up),
	    TEST(test_a_crash_is_no_yes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
