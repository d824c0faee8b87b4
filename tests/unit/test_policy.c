/* Who may have what: services, addresses, times. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "clock.h"
#include "policy.h"
#include "secret.h"

enum { NOW_S = 1700000000 };

struct scene {
	struct realm *realm;
	struct request q;
	struct address source, server;
	struct policy_case p;
};

static void say(void *arg, const char *line)
{
	(void)arg;
	printf("%s\n", line);
}

static struct address address(const char *text)
{
	struct address a;

	assert_int_equal(address_parse(text, &a), 0);
	return a;
}

static void load(struct scene *s, const char *options, const char *more_config)
{
	struct report r = {.say = say};
	char text[1024], line[CLIENT_LINE_MAX];

	realm_free(s->realm);
	s->realm = realm_new(1);
	snprintf(text, sizeof(text),
	    "udp-port = 1\n%s"
	    "service \"ssh\" { proto = tcp port = 22 hold = 60 max-hold = 600 }\n"
	    "service \"net\" { proto = udp port = 53 hold = 60 min-prefix-v4 = 24 min-prefix-v6 = "
	    "64 }\n"
	    "service \"web\" { proto = tcp port = 443 hold = 30 }\n",
	    more_config);
	assert_int_equal(config_parse(&s->realm->config, "c", text, &r), 0);
	s->realm->clients = clients_new(&s->realm->config);
	snprintf(line, sizeof(line),
	    "bob AAAAAAAAAAE= AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE= "
	    "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI= %s",
	    options);
	assert_int_equal(clients_line(s->realm->clients, "clients", 1, line, &r), 0);
	assert_int_equal(clients_finish(s->realm->clients, "clients", &r), 0);
	s->p = (struct policy_case){.realm = s->realm,
	    .client = clients_at(s->realm->clients, 0),
	    .request = &s->q,
	    .source = &s->source,
	    .server = &s->server,
	    .now_ns = (uint64_t)NOW_S * NS_PER_S};
}

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	if (!s)
		return -1;
	s->source = address("198.51.100.7");
	s->server = address("192.0.2.1");
	load(s, "service=ssh,service=net", "");
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	realm_free(s->realm);
	free(s);
	return 0;
}

static struct ruling open_for(struct scene *s, const char *service, const char *admit)
{
	s->q = (struct request){.verb = VERB_OPEN, .services = 1};
	strcpy(s->q.service[0], service);
	if (admit) {
		s->q.admits = 1;
		assert_int_equal(prefix_parse(admit, &s->q.admit[0]), 0);
	}
	return policy_open(&s->p);
}

static void test_services(void **state)
{
	struct scene *s = *state;
	struct ruling r = open_for(s, "ssh", NULL);

	assert_int_equal(r.verdict, VERDICT_OK);
	assert_int_equal(r.wants, 1);
	assert_int_equal(r.want[0].service, 0);
	assert_true(address_equal(&r.want[0].admit.addr, &s->source));
	assert_int_equal(r.want[0].admit.len, 32);
	/* Forbidden and unknown cannot be told apart. */
	r = open_for(s, "web", NULL);
	assert_int_equal(r.verdict, VERDICT_DENIED);
	assert_null(r.reason);
	r = open_for(s, "none", NULL);
	assert_int_equal(r.verdict, VERDICT_DENIED);
	assert_null(r.reason);
}

static void test_ports(void **state)
{
	struct scene *s = *state;
	struct ruling r;

	s->q = (struct request){.verb = VERB_OPEN, .ports = 2, .port = {{6, 22}, {17, 53}}};
	r = policy_open(&s->p);
	assert_int_equal(r.verdict, VERDICT_OK);
	assert_int_equal(r.wants, 2);
	assert_int_equal(r.want[1].service, 1);
	s->q.port[1].proto = 6;
	assert_int_equal(policy_open(&s->p).verdict, VERDICT_DENIED);
	s->q.port[1] = (struct port){6, 443}; /* there, but not his */
	assert_int_equal(policy_open(&s->p).verdict, VERDICT_DENIED);
}

static void test_all_or_none_and_each_once(void **state)
{
	struct scene *s = *state;
	struct ruling r;

	s->q = (struct request){.verb = VERB_OPEN, .services = 3, .service = {"ssh", "net", "ssh"}};
	r = policy_open(&s->p);
	assert_int_equal(r.verdict, VERDICT_OK);
	assert_int_equal(r.wants, 2);
	strcpy(s->q.service[2], "web");
	r = policy_open(&s->p);
	assert_int_equal(r.verdict, VERDICT_DENIED);
	assert_int_equal(r.wants, 0);
}

static void test_one_admit_a_family(void **state)
{
	struct scene *s = *state;
	struct ruling r;

	s->q = (struct request){
	    .verb = VERB_OPEN, .services = 2, .service = {"ssh", "net"}, .admits = 2};
	assert_int_equal(prefix_parse("203.0.113.9", &s->q.admit[0]), 0);
	assert_int_equal(prefix_parse("2001:db8::9", &s->q.admit[1]), 0);
	r = policy_open(&s->p);
	assert_int_equal(r.verdict, VERDICT_OK);
	assert_int_equal(r.wants, 4);
	assert_int_equal(r.want[1].admit.len, 128);
	assert_int_equal(r.want[2].service, 1);
}

static void test_addresses_refused(void **state)
{
	static const char *const refused[] = {"0.0.0.0", "127.0.0.1", "127.0.0.0/24", "224.0.0.1",
	    "224.0.0.0/24", "169.254.3.4", "255.255.255.255", "192.0.2.1", "::", "::1", "ff02::1",
	    "fe80::1", "0.0.0.0/0", "::/0", "10.0.0.0/23", "2001:db8::/63", "255.255.255.0/24",
	    "::/64", "fe80::/64", "ff00::/64"};
	static const char *const good[] = {"10.0.0.0/24", "10.0.0.1", "2001:db8::/64",
	    "2001:db8::1", "192.0.2.0/24", "203.0.113.128/25"};
	struct scene *s = *state;

	for (unsigned i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		assert_int_equal(open_for(s, "net", refused[i]).verdict, VERDICT_ADDRESS);
	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(open_for(s, "net", good[i]).verdict, VERDICT_OK);
	/* The narrowest, unless the service says otherwise. */
	assert_int_equal(open_for(s, "ssh", "10.0.0.0/31").verdict, VERDICT_ADDRESS);
	assert_int_equal(open_for(s, "ssh", "10.0.0.1").verdict, VERDICT_OK);
	s->source = address("fe80::5");
	assert_int_equal(open_for(s, "ssh", NULL).verdict, VERDICT_ADDRESS);
}

static void test_prefix_that_is_none(void **state)
{
	struct scene *s = *state;

	open_for(s, "net", "10.0.0.0/24");
	s->q.admit[0].len = 64; /* of a family that it is not */
	assert_int_equal(policy_open(&s->p).verdict, VERDICT_ADDRESS);
	s->q.admit[0].len = 24;
	s->q.admit[0].addr.b[15] = 1;
	assert_int_equal(policy_open(&s->p).verdict, VERDICT_ADDRESS);
}

static void test_address_source(void **state)
{
	struct scene *s = *state;

	load(s, "service=ssh,service=net,address=source", "");
	assert_int_equal(open_for(s, "ssh", NULL).verdict, VERDICT_OK);
	assert_int_equal(open_for(s, "ssh", "198.51.100.7").verdict, VERDICT_OK);
	assert_int_equal(open_for(s, "ssh", "198.51.100.8").verdict, VERDICT_ADDRESS);
	assert_int_equal(open_for(s, "net", "198.51.100.0/24").verdict, VERDICT_ADDRESS);
}

static void test_address_list(void **state)
{
	struct scene *s = *state;

	load(
	    s, "service=ssh,service=net,address=list,admit=203.0.113.0/24,admit=2001:db8::/32", "");
	assert_int_equal(open_for(s, "ssh", "203.0.113.4").verdict, VERDICT_OK);
	assert_int_equal(open_for(s, "net", "203.0.113.0/24").verdict, VERDICT_OK);
	assert_int_equal(open_for(s, "ssh", "2001:db8::4").verdict, VERDICT_OK);
	assert_int_equal(open_for(s, "ssh", "203.0.112.4").verdict, VERDICT_ADDRESS);
	assert_int_equal(open_for(s, "ssh", NULL).verdict, VERDICT_ADDRESS);
	s->source = address("203.0.113.200");
	assert_int_equal(open_for(s, "ssh", NULL).verdict, VERDICT_OK);
}

static uint32_t hold(struct scene *s, uint32_t asked)
{
	struct ruling r;

	open_for(s, "ssh", NULL);
	s->q.has_hold = true;
	s->q.hold_s = asked;
	r = policy_open(&s->p);
	assert_int_equal(r.verdict, VERDICT_OK);
	return r.want[0].hold_s;
}

static void test_holds(void **state)
{
	struct scene *s = *state;

	assert_int_equal(open_for(s, "ssh", NULL).want[0].hold_s, 60);
	assert_int_equal(hold(s, 0), 60);
	assert_int_equal(hold(s, 5), 5);
	assert_int_equal(hold(s, 601), 600);
	load(s, "service=ssh,max-hold=20", "");
	assert_int_equal(hold(s, 0), 20);
	assert_int_equal(hold(s, 5), 5);
	assert_int_equal(hold(s, 600), 20);
	/* No door outlives its client's last day. */
	load(s, "service=ssh,expires=2023-11-15", "");
	s->p.now_ns = ((uint64_t)s->p.client->expires_s - 7) * NS_PER_S;
	assert_int_equal(hold(s, 600), 7);
}

static struct narrowing narrowed(struct scene *s, enum verdict expected)
{
	struct ruling r = policy_open(&s->p);

	assert_int_equal(r.verdict, expected);
	return r.want[0].narrowing;
}

static void test_single_use_and_exact(void **state)
{
	struct scene *s = *state;
	struct service *ssh = &s->realm->config.service[0];

	open_for(s, "ssh", NULL);
	assert_false(narrowed(s, VERDICT_OK).once);
	s->q.single_use = true;
	assert_true(narrowed(s, VERDICT_OK).once);
	s->q.single_use = false;
	ssh->single_use = 1;
	assert_true(narrowed(s, VERDICT_OK).once);
	s->q.has_source_port = true;
	s->q.source_port = 40000;
	assert_int_equal(narrowed(s, VERDICT_OK).source_port, 40000);
	s->q.has_source_port = false;
	assert_int_equal(narrowed(s, VERDICT_OK).source_port, 0);
	ssh->exact = 1;
	narrowed(s, VERDICT_DENIED);
}

static void check_idle(struct scene *s, uint32_t asked, enum verdict expected, uint32_t given)
{
	s->q.has_idle = true;
	s->q.idle_s = asked;
	assert_int_equal(narrowed(s, expected).idle_s, expected == VERDICT_OK ? given : 0);
}

/* What is given is one of the configuration's, and never longer than what was asked for. */
static void test_idle_times(void **state)
{
	struct scene *s = *state;
	struct service *service = s->realm->config.service;

	open_for(s, "ssh", NULL);
	check_idle(s, 100, VERDICT_DENIED, 0); /* there is none at all */
	check_idle(s, 0, VERDICT_OK, 0);
	service[1].idle_s = 30;
	service[2].idle_s = 300;
	check_idle(s, 29, VERDICT_DENIED, 0);
	check_idle(s, 30, VERDICT_OK, 30);
	check_idle(s, 299, VERDICT_OK, 30);
	check_idle(s, UINT32_MAX, VERDICT_OK, 300);
	service[0].idle_s = 100;
	check_idle(s, 0, VERDICT_OK, 100); /* the service's own is the most */
	check_idle(s, UINT32_MAX, VERDICT_OK, 100);
	check_idle(s, 99, VERDICT_OK, 30);
	s->q.has_idle = false;
	assert_int_equal(narrowed(s, VERDICT_OK).idle_s, 100);
}

static enum verdict on_firewall(struct scene *s, const char *firewall)
{
	strcpy(s->realm->config.firewall, firewall);
	return policy_open(&s->p).verdict;
}

/* Each firewall is asked for each alone. */
static void test_what_the_firewall_has_not(void **state)
{
	static const struct {
		const char *firewall;
		enum verdict idle, narrow;
	} has[] = {
	    {"nftables", VERDICT_OK, VERDICT_OK},
	    {"ipset", VERDICT_OK, VERDICT_DENIED},
	    {"exec", VERDICT_DENIED, VERDICT_DENIED},
	};
	struct scene *s = *state;

	s->realm->config.service[0].idle_s = 30;
	for (size_t i = 0; i < sizeof(has) / sizeof(has[0]); i++) {
		open_for(s, "ssh", NULL);
		s->q.has_idle = true;
		s->q.idle_s = 30;
		assert_int_equal(on_firewall(s, has[i].firewall), has[i].idle);
		s->q.idle_s = 0; /* the client minds none */
		assert_int_equal(on_firewall(s, has[i].firewall), VERDICT_OK);
		s->q.single_use = true;
		assert_int_equal(on_firewall(s, has[i].firewall), has[i].narrow);
		s->q.single_use = false;
		s->q.has_source_port = true;
		s->q.source_port = 40000;
		assert_int_equal(on_firewall(s, has[i].firewall), has[i].narrow);
	}
}

static void test_a_network_has_no_narrow_door(void **state)
{
	struct scene *s = *state;
	struct service *ssh = &s->realm->config.service[0];

	ssh->min_prefix_v4 = 24;
	ssh->idle_s = 30;
	open_for(s, "ssh", "198.51.100.0/24");
	assert_int_equal(narrowed(s, VERDICT_OK).idle_s, 0);
	s->q.single_use = true;
	narrowed(s, VERDICT_ADDRESS);
	s->q.single_use = false;
	ssh->exact = 1;
	s->q.has_source_port = true;
	s->q.source_port = 40000;
	narrowed(s, VERDICT_ADDRESS);
}

static void test_a_forward_of_one_family(void **state)
{
	struct scene *s = *state;
	struct forwards *f = &s->realm->config.service[0].forward;

	f->len = 1;
	f->at[0] = (struct forward){.to = address("10.0.0.5"), .port = 1};
	open_for(s, "ssh", "198.51.100.1");
	assert_int_equal(policy_open(&s->p).verdict, VERDICT_OK);
	open_for(s, "ssh", "2001:db8::1");
	assert_int_equal(policy_open(&s->p).verdict, VERDICT_ADDRESS);
	f->at[0].to = (struct address){{0}};
	assert_int_equal(policy_open(&s->p).verdict, VERDICT_OK);
}

static void test_expired_and_disabled(void **state)
{
	struct scene *s = *state;

	open_for(s, "ssh", NULL);
	assert_int_equal(policy_client(&s->p).verdict, VERDICT_OK);
	load(s, "service=ssh,disabled", "");
	assert_int_equal(policy_client(&s->p).verdict, VERDICT_EXPIRED);
	load(s, "service=ssh,expires=2023-11-15", "");
	s->p.now_ns = ((uint64_t)s->p.client->expires_s) * NS_PER_S - 1;
	assert_int_equal(policy_client(&s->p).verdict, VERDICT_OK);
	s->p.now_ns++;
	assert_int_equal(policy_client(&s->p).verdict, VERDICT_EXPIRED);
}

static void test_from_must_be_proven(void **state)
{
	struct scene *s = *state;

	open_for(s, "ssh", NULL);
	assert_false(policy_must_prove(&s->p));
	load(s, "service=ssh,from=198.51.100.0/24,from=2001:db8::/32", "");
	assert_int_equal(policy_client(&s->p).verdict, VERDICT_OK);
	assert_true(policy_must_prove(&s->p));
	s->source = address("198.51.101.7");
	assert_int_equal(policy_client(&s->p).verdict, VERDICT_ADDRESS);
	/* A refusal needs no proof. */
	assert_false(policy_must_prove(&s->p));
	s->source = address("2001:db8:1::7");
	assert_int_equal(policy_client(&s->p).verdict, VERDICT_OK);
}

static void test_who_must_prove_himself(void **state)
{
	struct scene *s = *state;

	open_for(s, "ssh", NULL);
	s->q.flags = REQUEST_CHALLENGE;
	assert_true(policy_must_prove(&s->p));
	s->q.flags = 0;
	load(s, "service=ssh,challenge", "");
	assert_true(policy_must_prove(&s->p));
	load(s, "service=ssh", "challenge = always\n");
	assert_true(policy_must_prove(&s->p));
}

static void test_own_address_strict(void **state)
{
	struct scene *s = *state;

	open_for(s, "ssh", NULL);
	s->q.has_own_address = true;
	s->q.own_address = address("10.0.0.4"); /* behind a NAT */
	assert_int_equal(policy_client(&s->p).verdict, VERDICT_OK);
	s->q.flags = REQUEST_STRICT;
	assert_int_equal(policy_client(&s->p).verdict, VERDICT_ADDRESS);
	s->q.own_address = s->source;
	assert_int_equal(policy_client(&s->p).verdict, VERDICT_OK);
}

/* 2023-11-14 was a Tuesday; now it is 22:13:20. */
static void test_hours(void **state)
{
	struct scene *s = *state;
	struct ruling r;

	load(s, "service=ssh,hours=mon-fri@22:00-22:14", "");
	assert_int_equal(policy_client(&s->p).verdict, VERDICT_OK);
	r = open_for(s, "ssh", NULL);
	assert_int_equal(r.want[0].hold_s, 40); /* no door outlasts them */
	s->p.now_ns += 40ULL * NS_PER_S;
	r = policy_client(&s->p);
	assert_int_equal(r.verdict, VERDICT_DENIED);
	assert_string_equal(r.reason, "not at this time");
	load(s, "service=ssh,hours=wed@22:00-23:00", "");
	assert_int_equal(policy_client(&s->p).verdict, VERDICT_DENIED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* Whom a web server or a proxy passes on is not known: the door is for whom the request names. */
static void test_what_was_relayed(void **state)
{
	struct scene *s = *state;

	load(s, "service=ssh,address=named", "");
	s->p.relayed = true;
	s->q = (struct request){.verb = VERB_OPEN, .services = 1, .service = {"ssh"}};
	assert_int_equal(policy_open(&s->p).verdict, VERDICT_ADDRESS);
	s->q.admits = 1;
	s->q.admit[0] = prefix_host(&s->source);
	assert_int_equal(policy_open(&s->p).verdict, VERDICT_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_services),
	    TEST(test_ports),
	    TEST(test_all_or_none_and_each_once),
	    TEST(test_one_admit_a_family),
	    TEST(test_addresses_refused),
	    TEST(test_prefix_that_is_none),
	    TEST(test_address_source),
	    TEST(test_address_list),
	    TEST(test_holds),
	    TEST(test_hours),
	    TEST(test_single_use_and_exact),
	    TEST(test_idle_times),
	    TEST(test_what_the_firewall_has_not),
	    TEST(test_a_network_has_no_narrow_door),
	    TEST(test_a_forward_of_one_family),
	    TEST(test_expired_and_disabled),
	    TEST(test_from_must_be_proven),
	    TEST(test_who_must_prove_himself),
	    TEST(test_own_address_strict),
	    TEST(test_what_was_relayed),
	};

	return secret_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
