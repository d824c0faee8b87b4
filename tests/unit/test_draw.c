/* Services whose port is random: each session has one of its own. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "auth_lab.h"
#include "session.h"

enum { LO = 20000, HI = 20255, PORTS = HI - LO + 1, CLIENTS = PORTS / SESSIONS_PER_CLIENT + 1 };

static const char config[] =
    "udp-port = 62201\n"
    "service \"db\" { proto = tcp port = \"random 20000-20255\" forward = \"10.0.0.5:5432\" "
    "max-hold = 3600 }\n"
    "service \"ssh\" { proto = tcp port = 22 }\n";
static const char elsewhere[] =
    "udp-port = 62201\n"
    "service \"ssh\" { proto = tcp port = 22 }\n"
    "service \"db\" { proto = tcp port = \"random 21000-21255\" forward = \"10.0.0.5:5432\" }\n";

static int setup(void **state)
{
	static struct lab l;

	memset(&l, 0, sizeof(l));
	lab_start(&l, config, "service=db,service=ssh", CLIENTS);
	for (unsigned i = 0; i < CLIENTS; i++)
		assert_true(lab_prove(&l, &l.client[i]));
	*state = &l;
	return 0;
}

static int teardown(void **state)
{
	lab_stop(*state);
	return 0;
}

/* Opens, and returns the port that the client is told and the monitor was. */
static uint16_t open_db(struct lab *l, unsigned client, int verdict)
{
	struct request q = lab_open("db");
	struct reply p;

	q.attempt += l->boot_ms; /* another each time */
	lab_pass(l, 1000);
	assert_int_equal(lab_ask(l, &l->client[client], &q, &p), verdict);
	assert_int_equal(p.doors, 1);
	assert_int_equal(p.door[0].port.proto, 6);
	assert_true(p.door[0].port.number >= LO && p.door[0].port.number <= HI);
	for (unsigned i = 0; i < l->doors; i++)
		if (l->door[i].m.port == p.door[0].port.number)
			return p.door[0].port.number;
	fail();
	return 0;
}

static void test_a_session_keeps_its_port(void **state)
{
	struct lab *l = *state;
	const uint16_t port = open_db(l, 0, VERDICT_OK);

	assert_int_not_equal(open_db(l, 1, VERDICT_OK), port);
	assert_int_equal(open_db(l, 0, VERDICT_REFRESHED), port);
	lab_restart(l);
	assert_int_equal(open_db(l, 0, VERDICT_REFRESHED), port);
	assert_int_equal(l->doors, 2);
}

static void test_list_and_close_know_it(void **state)
{
	struct lab *l = *state;
	const uint16_t port = open_db(l, 0, VERDICT_OK);
	struct request list = lab_request(VERB_LIST), close = lab_request(VERB_CLOSE);
	struct reply p;

	assert_int_equal(lab_ask(l, &l->client[0], &list, &p), VERDICT_OK);
	assert_int_equal(p.doors, 1);
	assert_int_equal(p.door[0].port.number, port);
	close.services = 1;
	strcpy(close.service[0], "db");
	assert_int_equal(lab_ask(l, &l->client[0], &close, NULL), VERDICT_OK);
	assert_int_equal(l->door[0].m.port, port);
	assert_int_equal(l->door[0].end_ms, 0);
}

/* Sessions until there is no port left: all of them are different, and one that ends makes room. */
static void test_none_is_given_twice(void **state)
{
	struct lab *l = *state;
	struct request q = lab_open("db"), close;
	bool seen[PORTS] = {false};
	uint64_t session = 0;
	uint16_t port = 0;
	struct reply p;

	q.has_source_port = true;
	q.has_hold = true;
	q.hold_s = 3600;
	for (unsigned i = 0; i < PORTS; i++) {
		q.attempt++;
		q.source_port = (uint16_t)(40000 + i);
		lab_pass(l, 1000);
		assert_int_equal(
		    lab_ask(l, &l->client[i / SESSIONS_PER_CLIENT], &q, &p), VERDICT_OK);
		assert_true(p.door[0].port.number >= LO && p.door[0].port.number <= HI);
		assert_false(seen[p.door[0].port.number - LO]);
		seen[p.door[0].port.number - LO] = true;
		if (i == 0) {
			session = p.door[0].session;
			port = p.door[0].port.number;
		}
	}
	q.attempt++;
	assert_int_equal(lab_ask(l, &l->client[CLIENTS - 1], &q, &p), VERDICT_QUOTA);
	assert_string_equal(p.reason, "the service has a door at each of its ports");
	close = lab_request(VERB_CLOSE);
	close.has_session = true;
	close.session = session;
	assert_int_equal(lab_ask(l, &l->client[0], &close, NULL), VERDICT_OK);
	q.attempt++;
	lab_pass(l, 1000);
	assert_int_equal(lab_ask(l, &l->client[CLIENTS - 1], &q, &p), VERDICT_OK);
	assert_int_equal(p.door[0].port.number, port);
}

/* Whoever asks for a port of them gets none, drawn or not. */
static void test_it_cannot_be_asked_for(void **state)
{
	struct lab *l = *state;
	struct request q = lab_request(VERB_OPEN);

	q.ports = 1;
	q.port[0] = (struct port){.proto = 6, .number = open_db(l, 0, VERDICT_OK)};
	assert_int_equal(lab_ask(l, &l->client[0], &q, NULL), VERDICT_DENIED);
	q.attempt++;
	q.port[0].number = 22;
	assert_int_equal(lab_ask(l, &l->client[0], &q, NULL), VERDICT_OK);
}

/* Drawn anew from other ports, and the session at one of the old is over. */
static void test_other_ports_after_a_reload(void **state)
{
	struct lab *l = *state;
	struct request list = lab_request(VERB_LIST), q = lab_open("db");
	struct reply p;

	open_db(l, 0, VERDICT_OK);
	l->config_text = elsewhere;
	core_swap(l->core, lab_realm(l));
	lab_settle(l);
	assert_int_equal(lab_ask(l, &l->client[0], &list, &p), VERDICT_OK);
	assert_int_equal(p.doors, 0);
	q.attempt = 77;
	assert_int_equal(lab_ask(l, &l->client[0], &q, &p), VERDICT_OK);
	assert_true(p.door[0].port.number >= 21000 && p.door[0].port.number <= 21255);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_a_session_keeps_its_port),
	    TEST(test_list_and_close_know_it),
	    TEST(test_none_is_given_twice),
	    TEST(test_it_cannot_be_asked_for),
	    TEST(test_other_ports_after_a_reload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
