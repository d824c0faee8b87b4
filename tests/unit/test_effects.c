/* What the auth core does to doors: open, extend, share, close, and find again after a restart. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "auth_lab.h"
#include "session.h"
#include "clock.h"
#include "errors.h"
#include "noise.h"

enum { SSH, WEB };

enum { QUEUE_PLACES = 128 }; /* QUEUE_MAX of inside.h */

static void test_door_is_extended_never_doubled(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	struct request q = lab_open("ssh");
	struct reply p, again;

	assert_true(lab_prove(l, c));
	assert_int_equal(lab_open_service(l, c, "ssh", &p), VERDICT_OK);
	lab_pass(l, 30000);
	assert_int_equal(lab_open_service(l, c, "ssh", &again), VERDICT_REFRESHED);
	assert_int_equal(again.door[0].session, p.door[0].session);
	assert_int_equal(again.door[0].seconds, 60);
	assert_int_equal(l->doors, 1);
	/* Nor is it shortened. */
	q.has_hold = true;
	q.hold_s = 5;
	assert_int_equal(lab_ask(l, c, &q, &again), VERDICT_REFRESHED);
	assert_int_equal(again.door[0].seconds, 60);
	lab_pass(l, 61000);
	core_tick(l->core);
	assert_int_equal(lab_count(l, COUNT_ENDED), 1);
	assert_int_equal(lab_open_service(l, c, "ssh", &again), VERDICT_OK);
	assert_int_not_equal(again.door[0].session, p.door[0].session);
}

static void test_holds_are_clamped(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	struct request q = lab_open("web");
	struct reply p;

	assert_true(lab_prove(l, c));
	q.has_hold = true;
	q.hold_s = UINT32_MAX;
	assert_int_equal(lab_ask(l, c, &q, &p), VERDICT_OK);
	assert_int_equal(p.door[0].seconds, 300);
	q = lab_open("ssh");
	q.has_hold = true;
	q.hold_s = 0;
	assert_int_equal(lab_ask(l, c, &q, &p), VERDICT_OK);
	assert_int_equal(p.door[0].seconds, 60);
}

static void test_several_services_are_all_or_none(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	struct request q = lab_open("ssh");
	struct reply p;

	assert_true(lab_prove(l, c));
	q.services = 2;
	strcpy(q.service[1], "web");
	l->next_status = DOOR_FAILED;
	l->fail_after = 1;
	assert_int_equal(lab_ask(l, c, &q, &p), VERDICT_FIREWALL);
	assert_int_equal(p.doors, 0);
	assert_null(lab_door(l, &c->address, SSH));
	assert_null(lab_door(l, &c->address, WEB));
	q.attempt++;
	assert_int_equal(lab_ask(l, c, &q, &p), VERDICT_OK);
	assert_int_equal(p.doors, 2);
	assert_int_not_equal(p.door[0].session, p.door[1].session);
	/* What stood before a failed attempt stands after it. */
	q = lab_open("ssh");
	l->next_status = DOOR_FULL;
	assert_int_equal(lab_ask(l, c, &q, &p), VERDICT_FIREWALL);
	assert_non_null(lab_door(l, &c->address, SSH));
}

static void test_no_door_for_the_host_itself(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	struct request list = lab_request(VERB_LIST);
	struct reply p;

	assert_true(lab_prove(l, c));
	l->next_status = DOOR_OWN; /* only the monitor knows */
	assert_int_equal(lab_open_service(l, c, "ssh", &p), VERDICT_ADDRESS);
	assert_int_equal(p.doors, 0);
	assert_int_equal(lab_count(l, COUNT_DOOR_FAILED), 0);
	assert_int_equal(lab_ask(l, c, &list, &p), VERDICT_OK);
	assert_int_equal(p.doors, 0);
}

static void test_shared_door_stays_for_the_other(void **state)
{
	struct lab *l = *state;
	struct lab_client *a = &l->client[0], *b = &l->client[1];
	struct request q = lab_request(VERB_CLOSE), long_one = lab_open("ssh");
	struct reply p;

	b->address = a->address;
	assert_true(lab_prove(l, a) && lab_prove(l, b));
	assert_int_equal(lab_open_service(l, a, "ssh", &p), VERDICT_OK);
	long_one.has_hold = true;
	long_one.hold_s = 600;
	assert_int_equal(lab_ask(l, b, &long_one, &p), VERDICT_OK);
	assert_int_equal(l->doors, 1);
	/* A short hold of the one does not cut the long one of the other. */
	assert_int_equal(lab_open_service(l, a, "ssh", &p), VERDICT_REFRESHED);
	assert_int_equal(p.door[0].seconds, 60);
	assert_int_equal(l->door[0].end_ms, l->boot_ms + 600000);
	q.services = 1;
	strcpy(q.service[0], "ssh");
	assert_int_equal(lab_ask(l, b, &q, NULL), VERDICT_OK);
	assert_int_equal(l->door[0].end_ms, l->boot_ms + 60000);
	q.attempt++;
	assert_int_equal(lab_ask(l, a, &q, NULL), VERDICT_OK);
	assert_null(lab_door(l, &a->address, SSH));
}

/* Whose door the kernel was never asked for, or refuses, holds no door open for anybody. */
static void check_unopened_rests_on_nothing(struct lab *l, unsigned opened_before)
{
	struct lab_client *a = &l->client[0], *b = &l->client[1];
	struct request both = lab_open("web"), close = lab_request(VERB_CLOSE);
	struct lab_message opening, closing;

	b->address = a->address;
	assert_true(lab_prove(l, a) && lab_prove(l, b));
	strcpy(both.service[1], "ssh");
	both.services = 2;
	close.services = 2;
	strcpy(close.service[0], "ssh");
	strcpy(close.service[1], "web");
	assert_int_equal(lab_open_service(l, a, "ssh", NULL), VERDICT_OK);
	assert_int_equal(lab_open_service(l, a, "web", NULL), VERDICT_OK);
	opening = lab_m1(l, b, &both, 0);
	closing = lab_m1(l, a, &close, 0);
	l->next_status = DOOR_FAILED;
	l->fail_after = opened_before;
	lab_deliver(l, &opening);
	lab_turn(l);
	if (opened_before > 0)
		lab_monitor(l);
	lab_deliver(l, &closing);
	lab_settle(l);
	assert_null(lab_door(l, &a->address, SSH));
	assert_null(lab_door(l, &a->address, WEB));
	assert_int_equal(lab_count(l, COUNT_DOOR_FAILED), 1);
}

static void test_what_was_not_asked_for_holds_nothing_open(void **state)
{
	check_unopened_rests_on_nothing(*state, 0);
}

static void test_what_was_refused_holds_nothing_open(void **state)
{
	check_unopened_rests_on_nothing(*state, 1);
}

/* Whoever closes a client's doors while they are being opened has the last word, on all of them. */
static void test_what_is_closed_while_it_opens_stays_closed(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	struct request both = lab_open("ssh");
	struct lab_message m;
	struct reply p;
	bool known;
	size_t n;

	assert_true(lab_prove(l, c));
	both.services = 2;
	strcpy(both.service[1], "web");
	m = lab_m1(l, c, &both, 0);
	lab_deliver(l, &m);
	lab_turn(l);
	assert_int_equal(l->asked, 1);
	assert_int_equal(core_close_client(l->core, c->name, &known), 2);
	lab_settle(l);
	assert_null(lab_door(l, &c->address, SSH));
	assert_null(lab_door(l, &c->address, WEB));
	assert_true(lab_reply(l, &m, &p));
	assert_int_equal(p.verdict, VERDICT_FIREWALL);
	assert_int_equal(p.doors, 0);
	free(core_sessions(l->core, &n));
	assert_int_equal(n, 0);
}

static void test_close_and_list(void **state)
{
	struct lab *l = *state;
	struct lab_client *a = &l->client[0], *b = &l->client[1];
	struct request list = lab_request(VERB_LIST), close = lab_request(VERB_CLOSE);
	struct reply p;

	assert_true(lab_prove(l, a) && lab_prove(l, b));
	assert_int_equal(lab_open_service(l, a, "ssh", NULL), VERDICT_OK);
	assert_int_equal(lab_open_service(l, a, "web", NULL), VERDICT_OK);
	lab_pass(l, 10000);
	assert_int_equal(lab_ask(l, a, &list, &p), VERDICT_OK);
	assert_int_equal(p.doors, 2);
	assert_int_equal(p.door[0].seconds, 50);
	assert_int_equal(p.door[1].seconds, 20);
	list.attempt++;
	close.has_session = true;
	close.session = p.door[0].session;
	assert_int_equal(lab_ask(l, b, &close, NULL), VERDICT_DENIED);
	assert_non_null(lab_door(l, &a->address, SSH));
	close.attempt++;
	assert_int_equal(lab_ask(l, a, &close, NULL), VERDICT_OK);
	assert_null(lab_door(l, &a->address, SSH));
	close.attempt++;
	assert_int_equal(lab_ask(l, a, &close, NULL), VERDICT_DENIED);
	assert_int_equal(lab_ask(l, a, &list, &p), VERDICT_OK);
	assert_int_equal(p.doors, 1);
	list.attempt++;
	assert_int_equal(lab_ask(l, b, &list, &p), VERDICT_OK);
	assert_int_equal(p.doors, 0);
}

static void test_revoked_clients_doors_are_closed(void **state)
{
	struct lab *l = *state;
	struct lab_client *a = &l->client[0], *b = &l->client[1];
	struct request q = lab_open("ssh");

	assert_true(lab_prove(l, a) && lab_prove(l, b));
	assert_int_equal(lab_open_service(l, a, "ssh", NULL), VERDICT_OK);
	assert_int_equal(lab_open_service(l, b, "ssh", NULL), VERDICT_OK);
	l->clients = 1;
	core_swap(l->core, lab_realm(l));
	lab_settle(l);
	assert_non_null(lab_door(l, &a->address, SSH));
	assert_null(lab_door(l, &b->address, SSH));
	assert_int_equal(lab_ask(l, b, &q, NULL), -1);
	assert_int_equal(lab_count(l, COUNT_CLIENT), 1);
	/* Disabled: told so, and closed, too. */
	l->options = "service=ssh,disabled";
	core_swap(l->core, lab_realm(l));
	lab_settle(l);
	assert_null(lab_door(l, &a->address, SSH));
	assert_int_equal(lab_ask(l, a, &q, NULL), VERDICT_EXPIRED);
}

static void test_doors_for_both_families_from_an_ipv6_source(void **state)
{
	static const uint8_t source[16] = {0x20, 1, 0xd, 0xb8, [15] = 7};
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	struct request q = lab_request(VERB_OPEN);
	struct address v4, v6;
	struct reply p;

	c->address = address_v6(source);
	assert_true(lab_prove(l, c));
	q.ports = 2;
	q.port[0] = (struct port){6, 22};
	q.port[1] = (struct port){6, 443};
	assert_int_equal(address_parse("203.0.113.9", &v4), 0);
	assert_int_equal(address_parse("2001:db8::99", &v6), 0);
	q.admits = 2;
	q.admit[0] = prefix_host(&v4);
	q.admit[1] = prefix_host(&v6);
	assert_int_equal(lab_ask(l, c, &q, &p), VERDICT_OK);
	assert_int_equal(p.doors, 4);
	for (unsigned service = SSH; service <= WEB; service++) {
		assert_non_null(lab_door(l, &v4, service));
		assert_non_null(lab_door(l, &v6, service));
		assert_null(lab_door(l, &c->address, service));
	}
	assert_true(address_equal(&p.address_seen, &c->address));
}

static void test_quota_of_a_client_and_of_all(void **state)
{
	struct lab *l = *state;
	struct lab_client *a = &l->client[0], *b = &l->client[1];
	unsigned opened = 0;
	struct reply p;
	int verdict = VERDICT_OK;

	l->config_text = "udp-port = 62201\nclient-rate = 1000\nclient-burst = 1000\n"
			 "max-sessions = 70\n"
			 "service \"ssh\" { proto = tcp port = 22 }\n";
	l->options = "service=ssh";
	core_swap(l->core, lab_realm(l));
	assert_true(lab_prove(l, a) && lab_prove(l, b));
	for (unsigned i = 0; i < 200 && verdict == VERDICT_OK; i++) {
		struct request q = lab_open("ssh");
		const uint8_t v4[4] = {10, 0, 0, (uint8_t)(i + 1)};
		struct address to = address_v4(v4);

		q.admits = 1;
		q.admit[0] = prefix_host(&to);
		verdict = lab_ask(l, opened < SESSIONS_PER_CLIENT ? a : b, &q, &p);
		/* One has as many as it may: the other goes on until all have. */
		if (verdict == VERDICT_OK)
			opened++;
	}
	assert_int_equal(verdict, VERDICT_QUOTA);
	assert_int_equal(opened, 70);
	assert_int_equal(lab_open_service(l, a, "ssh", NULL), VERDICT_QUOTA);
}

/* What is open lives by the law of today: never for longer than that allows. */
static void test_a_law_that_has_tightened(void **state)
{
	static const struct {
		const char *options;
		uint32_t left_s; /* 0: it closes */
	} laws[] = {
	    {"service=ssh", 600},
	    {"service=ssh,max-hold=60", 60},
	    {"service=ssh,expires=2030-06-01T00:00Z", 40},
	    {"service=ssh,hours=mon-fri@08:00-18:00", 0},
	    {"service=ssh,address=list,admit=10.0.0.0/8", 0},
	    {"service=ssh,address=source,from=10.0.0.0/8", 0},
	    {"service=ssh,disabled", 0},
	    {"service=web", 0},
	};
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];

	l->config_text = "udp-port = 62201\nservice \"ssh\" { proto = tcp port = 22 }\n"
			 "service \"web\" { proto = tcp port = 443 }\n";
	l->real_ns = UINT64_C(1906502360) * NS_PER_S; /* 2030-05-31T23:59:20Z, a Friday */
	assert_true(lab_prove(l, c));
	for (size_t i = 0; i < sizeof(laws) / sizeof(laws[0]); i++) {
		struct request q = lab_open("ssh");

		l->options = "service=ssh";
		core_swap(l->core, lab_realm(l));
		q.has_hold = true;
		q.hold_s = 600;
		assert_true(lab_ask(l, c, &q, NULL) <= VERDICT_REFRESHED);
		l->options = laws[i].options;
		core_swap(l->core, lab_realm(l));
		for (unsigned turn = 0; turn < 2; turn++) {
			const struct lab_door *d;

			lab_settle(l);
			d = lab_door(l, &c->address, 0);
			assert_int_equal(
			    d ? (d->end_ms - l->boot_ms + 999) / 1000 : 0, laws[i].left_s);
			lab_restart(l);
		}
	}
}

/* As many doors as a client may have, or all of them for a service. */
static void test_doors_at_once(void **state)
{
	struct lab *l = *state;
	struct lab_client *a = &l->client[0], *b = &l->client[1];
	struct reply p;

	l->config_text = "udp-port = 62201\n"
			 "service \"ssh\" { proto = tcp port = 22 doors = 1 }\n"
			 "service \"web\" { proto = tcp port = 443 }\n"
			 "service \"dns\" { proto = udp port = 53 }\n";
	l->options = "service=ssh,service=web,service=dns,doors=2";
	core_swap(l->core, lab_realm(l));
	assert_true(lab_prove(l, a) && lab_prove(l, b));
	assert_int_equal(lab_open_service(l, a, "ssh", NULL), VERDICT_OK);
	assert_int_equal(lab_open_service(l, a, "web", NULL), VERDICT_OK);
	assert_int_equal(lab_open_service(l, a, "dns", &p), VERDICT_QUOTA);
	assert_string_equal(p.reason, "this client may have no more doors at once");
	assert_int_equal(lab_open_service(l, a, "ssh", NULL), VERDICT_REFRESHED);
	assert_int_equal(lab_open_service(l, b, "dns", NULL), VERDICT_OK);
	assert_int_equal(lab_open_service(l, b, "ssh", &p), VERDICT_QUOTA);
	assert_string_equal(p.reason, "the service may have no more doors at once");
	/* What is closed makes room; a change of the configuration keeps count. */
	core_swap(l->core, lab_realm(l));
	assert_int_equal(lab_open_service(l, b, "ssh", NULL), VERDICT_QUOTA);
	struct request q = lab_request(VERB_CLOSE);

	q.services = 1;
	strcpy(q.service[0], "ssh");
	assert_int_equal(lab_ask(l, a, &q, NULL), VERDICT_OK);
	assert_int_equal(lab_open_service(l, b, "ssh", NULL), VERDICT_OK);
}

/* What nothing guards any more needs no closing; and a client whose right is gone loses its door. */
static void test_services_that_go(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	struct request list = lab_request(VERB_LIST);
	struct reply p;

	assert_true(lab_prove(l, c));
	assert_int_equal(lab_open_service(l, c, "ssh", NULL), VERDICT_OK);
	assert_int_equal(lab_open_service(l, c, "web", NULL), VERDICT_OK);
	l->config_text = "udp-port = 62201\nservice \"web\" { proto = tcp port = 443 }\n";
	l->options = "service=web";
	core_swap(l->core, lab_realm(l));
	assert_int_equal(l->asked, 0);
	assert_int_equal(lab_ask(l, c, &list, &p), VERDICT_OK);
	assert_int_equal(p.doors, 1);
	assert_int_equal(p.door[0].port.number, 443);
	l->config_text = "udp-port = 62201\n"
			 "service \"dns\" { proto = udp port = 53 }\n"
			 "service \"web\" { proto = tcp port = 443 }\n";
	l->options = "service=dns";
	core_swap(l->core, lab_realm(l));
	lab_settle(l);
	list.attempt++;
	assert_int_equal(lab_ask(l, c, &list, &p), VERDICT_OK);
	assert_int_equal(p.doors, 0);
	assert_int_equal(lab_count(l, COUNT_CLOSED), 2);
}

/* Whoever comes back after being removed finds his mark as it was: what he said before is still said. */
static void test_removed_clients_mark_stays(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[1];
	struct request q = lab_open("ssh");
	struct lab_message m;
	struct reply p;

	assert_true(lab_prove(l, c));
	m = lab_m1(l, c, &q, 0);
	lab_knock(l, &m);
	assert_true(lab_reply(l, &m, &p));
	l->clients = 1;
	core_swap(l->core, lab_realm(l));
	lab_settle(l);
	assert_null(lab_door(l, &c->address, SSH));
	l->clients = 2;
	lab_restart(l);
	lab_settle(l);
	lab_knock(l, &m);
	assert_int_equal(l->sent, 0);
	assert_int_equal(lab_count(l, COUNT_REPLAY), 1);
	assert_null(lab_door(l, &c->address, SSH));
	assert_int_equal(lab_open_service(l, c, "ssh", NULL), VERDICT_OK);
}

static void test_full_socket_to_the_monitor(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	struct request q = lab_open("ssh");
	struct lab_message m;
	struct reply p;

	assert_true(lab_prove(l, c));
	m = lab_m1(l, c, &q, 0);
	l->deaf = true;
	lab_knock(l, &m);
	assert_int_equal(l->sent, 0);
	l->deaf = false;
	core_pump(l->core);
	lab_settle(l);
	assert_true(lab_reply(l, &m, &p));
	assert_int_equal(p.verdict, VERDICT_OK);
}

static void test_sessions_outlive_a_restart_but_not_a_boot(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	struct reply p, again;

	assert_true(lab_prove(l, c));
	assert_int_equal(lab_open_service(l, c, "ssh", &p), VERDICT_OK);
	lab_pass(l, 5000);
	lab_restart(l);
	lab_settle(l);
	assert_int_equal(lab_open_service(l, c, "ssh", &again), VERDICT_REFRESHED);
	assert_int_equal(again.door[0].session, p.door[0].session);
	l->doors = 0;
	l->boot_ms = 5000;
	l->boot_id = "boot-2";
	lab_restart(l);
	lab_settle(l);
	assert_int_equal(lab_open_service(l, c, "ssh", &again), VERDICT_OK);
	assert_int_not_equal(again.door[0].session, p.door[0].session);
}

static void test_kernel_is_believed_after_a_restart(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	struct request list = lab_request(VERB_LIST);
	struct reply p;

	assert_true(lab_prove(l, c));
	assert_int_equal(lab_open_service(l, c, "ssh", NULL), VERDICT_OK);
	assert_int_equal(lab_open_service(l, c, "web", NULL), VERDICT_OK);
	l->door[0].end_ms = 0; /* somebody closed it */
	lab_restart(l);
	lab_settle(l);
	assert_int_equal(lab_ask(l, c, &list, &p), VERDICT_OK);
	assert_int_equal(p.doors, 1);
	assert_int_equal(p.door[0].port.number, 443);
	assert_int_equal(lab_open_service(l, c, "ssh", NULL), VERDICT_OK);
}

static void test_close_names_several(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	struct request close = lab_request(VERB_CLOSE);

	assert_true(lab_prove(l, c));
	assert_int_equal(lab_open_service(l, c, "ssh", NULL), VERDICT_OK);
	assert_int_equal(lab_open_service(l, c, "web", NULL), VERDICT_OK);
	close.services = 2;
	strcpy(close.service[0], "ssh");
	strcpy(close.service[1], "nobody");
	assert_int_equal(lab_ask(l, c, &close, NULL), VERDICT_DENIED);
	assert_non_null(lab_door(l, &c->address, SSH));
	strcpy(close.service[1], "web");
	close.attempt++;
	assert_int_equal(lab_ask(l, c, &close, NULL), VERDICT_OK);
	assert_null(lab_door(l, &c->address, SSH));
	assert_null(lab_door(l, &c->address, WEB));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_door_is_extended_never_doubled),
	    TEST(test_holds_are_clamped),
	    TEST(test_a_law_that_has_tightened),
	    TEST(test_several_services_are_all_or_none),
	    TEST(test_no_door_for_the_host_itself),
	    TEST(test_shared_door_stays_for_the_other),
	    TEST(test_what_is_closed_while_it_opens_stays_closed),
	    TEST(test_what_was_not_asked_for_holds_nothing_open),
	    TEST(test_what_was_refused_holds_nothing_open),
	    TEST(test_close_and_list),
	    TEST(test_revoked_clients_doors_are_closed),
	    TEST(test_doors_for_both_families_from_an_ipv6_source),
	    TEST(test_quota_of_a_client_and_of_all),
	    TEST(test_doors_at_once),
	    TEST(test_services_that_go),
	    TEST(test_removed_clients_mark_stays),
	    TEST(test_full_socket_to_the_monitor),
	    TEST(test_sessions_outlive_a_restart_but_not_a_boot),
	    TEST(test_kernel_is_believed_after_a_restart),
	    TEST(test_close_names_several),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
