/* doors - the monitor opens what its own configuration allows, whatever auth asks for. */
#include "unit.h"

#include "doors.h"

enum { NOW = 7, BEFORE = 5 };

static const struct service ssh = {.name = "ssh",
    .proto = 6,
    .port = 22,
    .hold_s = 60,
    .max_hold_s = 3600,
    .min_prefix_v4 = 32,
    .min_prefix_v6 = 128,
    .line = 1};
static const struct service web = {.name = "web",
    .proto = 6,
    .port = 80,
    .hold_s = 60,
    .max_hold_s = 600,
    .min_prefix_v4 = 24,
    .min_prefix_v6 = 64,
    .line = 2};
static const struct service dns = {.name = "dns",
    .proto = 17,
    .port = 53,
    .hold_s = 60,
    .max_hold_s = 600,
    .min_prefix_v4 = 32,
    .min_prefix_v6 = 128,
    .line = 3};

struct law {
	struct config now, before;
	struct doors_law law;
};

/* Now: ssh, web. Before: dns, web, ssh at another port. */
static void make_law(struct law *l)
{
	memset(l, 0, sizeof(*l));
	l->now.services = 2;
	l->now.service[0] = ssh;
	l->now.service[1] = web;
	l->before.services = 3;
	l->before.service[0] = dns;
	l->before.service[1] = web;
	l->before.service[2] = ssh;
	l->before.service[2].port = 2222;
	l->law = (struct doors_law){&l->now, &l->before, NOW, BEFORE};
}

static struct msg_door ask(enum message_type type, uint32_t generation, uint32_t service,
    const char *address, uint8_t len, uint32_t seconds)
{
	struct msg_door m = {.head = {type, sizeof(m)},
	    .generation = generation,
	    .service = service,
	    .prefix_len = len,
	    .seconds = seconds};
	struct address a;

	assert_int_equal(address_parse(address, &a), 0);
	memcpy(m.address, a.b, sizeof(m.address));
	return m;
}

static const struct {
	const char *what;
	enum message_type type;
	uint32_t generation, service;
	const char *address;
	uint8_t len;
	uint32_t seconds;
	enum doors_verdict want;
} cases[] = {
    {"a host", MSG_DOOR_OPEN, NOW, 0, "192.0.2.1", 32, 3600, DOORS_FINE},
    {"a host of v6", MSG_DOOR_OPEN, NOW, 0, "2001:db8::1", 128, 1, DOORS_FINE},
    {"a prefix that is allowed", MSG_DOOR_OPEN, NOW, 1, "192.0.2.0", 24, 600, DOORS_FINE},
    {"the same of v6", MSG_DOOR_OPEN, NOW, 1, "2001:db8::", 64, 600, DOORS_FINE},
    {"no such service", MSG_DOOR_OPEN, NOW, 2, "192.0.2.1", 32, 60, DOORS_SERVICE},
    {"far out of range", MSG_DOOR_OPEN, NOW, UINT32_MAX, "192.0.2.1", 32, 60, DOORS_SERVICE},
    {"a generation to come", MSG_DOOR_OPEN, NOW + 1, 0, "192.0.2.1", 32, 60, DOORS_GENERATION},
    {"one that never was", MSG_DOOR_OPEN, NOW - 1, 0, "192.0.2.1", 32, 60, DOORS_GENERATION},
    {"no time", MSG_DOOR_OPEN, NOW, 0, "192.0.2.1", 32, 0, DOORS_TIME},
    {"a second too long", MSG_DOOR_OPEN, NOW, 0, "192.0.2.1", 32, 3601, DOORS_TIME},
    {"for ever", MSG_DOOR_OPEN, NOW, 0, "192.0.2.1", 32, UINT32_MAX, DOORS_TIME},
    {"too wide", MSG_DOOR_OPEN, NOW, 0, "192.0.2.0", 31, 60, DOORS_WIDTH},
    {"too wide by one", MSG_DOOR_OPEN, NOW, 1, "192.0.2.0", 23, 60, DOORS_WIDTH},
    {"too wide in v6", MSG_DOOR_OPEN, NOW, 1, "2001:db8::", 63, 60, DOORS_WIDTH},
    {"everybody", MSG_DOOR_OPEN, NOW, 1, "0.0.0.0", 0, 60, DOORS_ADDRESS},
    {"host bits", MSG_DOOR_OPEN, NOW, 1, "192.0.2.1", 24, 60, DOORS_FORM},
    {"33 bits of v4", MSG_DOOR_OPEN, NOW, 0, "192.0.2.1", 33, 60, DOORS_FORM},
    {"v6's length on v4", MSG_DOOR_OPEN, NOW, 0, "192.0.2.1", 128, 60, DOORS_FORM},
    {"129 bits of v6", MSG_DOOR_OPEN, NOW, 0, "2001:db8::1", 129, 60, DOORS_FORM},
    {"loopback", MSG_DOOR_OPEN, NOW, 0, "127.0.0.1", 32, 60, DOORS_ADDRESS},
    {"loopback of v6", MSG_DOOR_OPEN, NOW, 0, "::1", 128, 60, DOORS_ADDRESS},
    {"multicast", MSG_DOOR_OPEN, NOW, 0, "224.0.0.1", 32, 60, DOORS_ADDRESS},
    {"multicast of v6", MSG_DOOR_OPEN, NOW, 0, "ff02::1", 128, 60, DOORS_ADDRESS},
    {"link-local", MSG_DOOR_OPEN, NOW, 0, "fe80::1", 128, 60, DOORS_ADDRESS},
    {"broadcast", MSG_DOOR_OPEN, NOW, 0, "255.255.255.255", 32, 60, DOORS_ADDRESS},
    /* Just after a reload: counted as before, judged as now. */
    {"web, as it was", MSG_DOOR_OPEN, BEFORE, 1, "192.0.2.1", 32, 600, DOORS_FINE},
    {"dns, which is gone", MSG_DOOR_OPEN, BEFORE, 0, "192.0.2.1", 32, 60, DOORS_SERVICE},
    {"ssh, which has moved", MSG_DOOR_OPEN, BEFORE, 2, "192.0.2.1", 32, 60, DOORS_SERVICE},
    {"none, even then", MSG_DOOR_OPEN, BEFORE, 3, "192.0.2.1", 32, 60, DOORS_SERVICE},
    /* A door may be older than the law that forbids it; it must be possible to close it. */
    {"close", MSG_DOOR_CLOSE, NOW, 0, "192.0.2.1", 32, 0, DOORS_FINE},
    {"close a wide one", MSG_DOOR_CLOSE, NOW, 0, "10.0.0.0", 8, 0, DOORS_FINE},
    {"close with host bits", MSG_DOOR_CLOSE, NOW, 0, "10.0.0.1", 8, 0, DOORS_FORM},
    {"close with a time", MSG_DOOR_CLOSE, NOW, 0, "192.0.2.1", 32, 1, DOORS_FORM},
    {"shorten", MSG_DOOR_SHORTEN, NOW, 0, "192.0.2.1", 32, 1, DOORS_FINE},
    {"shorten what is longer than the law by now", MSG_DOOR_SHORTEN, NOW, 0, "10.0.0.0", 8, 9999,
	DOORS_FINE},
    {"shorten to nothing", MSG_DOOR_SHORTEN, NOW, 0, "192.0.2.1", 32, 0, DOORS_FORM},
    {"close of no service", MSG_DOOR_CLOSE, NOW, 9, "192.0.2.1", 32, 0, DOORS_SERVICE},
    {"query", MSG_DOOR_QUERY, NOW, 1, "2001:db8::1", 128, 0, DOORS_FINE},
    {"query of old", MSG_DOOR_QUERY, NOW - 1, 1, "2001:db8::1", 128, 0, DOORS_GENERATION},
};

static void test_judgements(void **state)
{
	struct law l;
	struct door_wanted w;

	(void)state;
	make_law(&l);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const struct msg_door m = ask(cases[i].type, cases[i].generation, cases[i].service,
		    cases[i].address, cases[i].len, cases[i].seconds);
		const enum doors_verdict got = doors_judge(&l.law, &m, &w);

		if (got != cases[i].want)
			fail_msg("%s: %s, not %s", cases[i].what, doors_verdict_text(got),
			    doors_verdict_text(cases[i].want));
	}
}

static void test_what_is_opened(void **state)
{
	struct law l;
	struct door_wanted w;
	struct msg_door m = ask(MSG_DOOR_OPEN, BEFORE, 1, "192.0.2.0", 24, 59);
	char text[PREFIX_TEXT];

	(void)state;
	make_law(&l);
	assert_int_equal(doors_judge(&l.law, &m, &w), DOORS_FINE);
	assert_memory_equal(&w.service, &l.now.service[1], sizeof(w.service));
	assert_string_equal(prefix_text(&w.pass.from, text), "192.0.2.0/24");
	assert_int_equal(w.seconds, 59);
}

static void check_narrowed(const struct law *l, struct msg_door m, enum doors_verdict expected)
{
	struct door_wanted w;

	assert_int_equal(doors_judge(&l->law, &m, &w), expected);
	if (expected != DOORS_FINE)
		return;
	assert_int_equal(w.pass.idle_s, m.idle_s);
	assert_int_equal(w.pass.source_port, m.source_port);
	assert_int_equal(w.pass.once, m.once);
}

/* What narrows a door, and that a service's own narrowing is the least. */
static void test_narrowing(void **state)
{
	struct law l;
	struct msg_door m = ask(MSG_DOOR_OPEN, NOW, 0, "192.0.2.1", 32, 60), net = m;

	(void)state;
	make_law(&l);
	l.now.service[0].min_prefix_v4 = 24;
	net.address[15] = 0;
	net.prefix_len = 24;
	m.once = 1;
	check_narrowed(&l, m, DOORS_FINE);
	m.once = 2;
	check_narrowed(&l, m, DOORS_FORM);
	m.once = 0;
	m.source_port = 40000;
	check_narrowed(&l, m, DOORS_FINE);
	m.idle_s = 30;
	check_narrowed(&l, m, DOORS_IDLE); /* no service has it */
	l.now.service[1].idle_s = 30;
	check_narrowed(&l, m, DOORS_FINE);
	l.now.service[0].idle_s = 20;
	check_narrowed(&l, m, DOORS_IDLE); /* longer than this one's */
	m.idle_s = 0;
	check_narrowed(&l, m, DOORS_IDLE);
	m.idle_s = 20;
	check_narrowed(&l, m, DOORS_FINE);
	l.now.service[0].single_use = 1;
	check_narrowed(&l, m, DOORS_NARROW);
	m.once = 1;
	check_narrowed(&l, m, DOORS_FINE);
	l.now.service[0].exact = 1;
	m.source_port = 0;
	check_narrowed(&l, m, DOORS_NARROW);
	l.now.service[0].single_use = l.now.service[0].exact = 0;
	check_narrowed(&l, net, DOORS_FINE);
	net.once = 1;
	check_narrowed(&l, net, DOORS_FORM);
}

static void test_what_the_firewall_has_not(void **state)
{
	static const struct {
		const char *firewall;
		enum doors_verdict idle, narrow;
	} has[] = {
	    {"nftables", DOORS_FINE, DOORS_FINE},
	    {"ipset", DOORS_FINE, DOORS_FIREWALL},
	    {"exec", DOORS_FIREWALL, DOORS_FIREWALL},
	};
	const struct msg_door plain = ask(MSG_DOOR_OPEN, NOW, 0, "192.0.2.1", 32, 60);
	struct law l;

	(void)state;
	make_law(&l);
	l.now.service[1].idle_s = 30;
	for (size_t i = 0; i < COUNT_OF(has); i++) {
		struct msg_door m = plain;

		strcpy(l.now.firewall, has[i].firewall);
		check_narrowed(&l, m, DOORS_FINE);
		m.idle_s = 30;
		check_narrowed(&l, m, has[i].idle);
		m = plain;
		m.once = 1;
		check_narrowed(&l, m, has[i].narrow);
		m = plain;
		m.source_port = 40000;
		check_narrowed(&l, m, has[i].narrow);
	}
}

/* Of a gateway's door there is one form, whatever times other services have and whatever is asked. */
static void test_gateway(void **state)
{
	static const enum message_type types[] = {
	    MSG_DOOR_OPEN, MSG_DOOR_CLOSE, MSG_DOOR_SHORTEN, MSG_DOOR_QUERY};
	struct law l;

	(void)state;
	make_law(&l);
	l.now.service[0].idle_s = 30;
	l.now.service[1] = (struct service){.name = "out",
	    .inside = "lan0",
	    .outside = "wan0",
	    .max_hold_s = 600,
	    .min_prefix_v4 = 32,
	    .min_prefix_v6 = 128};
	for (size_t i = 0; i < COUNT_OF(types); i++) {
		const uint32_t seconds =
		    types[i] == MSG_DOOR_OPEN || types[i] == MSG_DOOR_SHORTEN ? 60 : 0;
		const struct msg_door plain = ask(types[i], NOW, 1, "192.0.2.1", 32, seconds);
		struct msg_door m = plain;

		check_narrowed(&l, m, DOORS_FINE);
		m.once = 1;
		check_narrowed(&l, m, DOORS_FORM);
		m = plain;
		m.source_port = 40000;
		check_narrowed(&l, m, DOORS_FORM);
		m = plain;
		m.idle_s = 30;
		check_narrowed(&l, m, DOORS_FORM);
	}
}

/* A door's port, where the service draws it, is one of the service's; elsewhere there is none to say. */
static void test_random_ports(void **state)
{
	struct law l;
	struct door_wanted w;
	struct msg_door m = ask(MSG_DOOR_OPEN, NOW, 0, "192.0.2.1", 32, 60);

	(void)state;
	make_law(&l);
	m.port = 22;
	assert_int_equal(doors_judge(&l.law, &m, &w), DOORS_PORT);
	l.now.service[0].ports =
	    (struct port_ranges){.at = {{20000, 20999}}, .len = 1, .random = 1};
	l.now.service[0].port = 20000;
	l.before.service[2].ports =
	    (struct port_ranges){.at = {{30000, 30999}}, .len = 1, .random = 1};
	l.before.service[2].port = 30000;
	assert_int_equal(doors_judge(&l.law, &m, &w), DOORS_PORT);
	m.port = 0;
	assert_int_equal(doors_judge(&l.law, &m, &w), DOORS_PORT);
	m.port = 19999;
	assert_int_equal(doors_judge(&l.law, &m, &w), DOORS_PORT);
	m.port = 21000;
	assert_int_equal(doors_judge(&l.law, &m, &w), DOORS_PORT);
	m.port = 20999;
	assert_int_equal(doors_judge(&l.law, &m, &w), DOORS_FINE);
	assert_int_equal(service_ports(&w.service), 1);
	assert_int_equal(service_port(&w.service, 0), 20999);
	assert_string_equal(w.service.name, "ssh");
	/* Counted as before, it is drawn from what there is now. */
	m.generation = BEFORE;
	m.service = 2;
	assert_int_equal(doors_judge(&l.law, &m, &w), DOORS_FINE);
	m.port = 30000;
	assert_int_equal(doors_judge(&l.law, &m, &w), DOORS_PORT);
	l.now.service[0].ports.random = 0;
	assert_int_equal(doors_judge(&l.law, &m, &w), DOORS_SERVICE);
}

/* Only a close may cut. */
static void test_cutting(void **state)
{
	struct law l;
	struct door_wanted w;
	struct msg_door m = ask(MSG_DOOR_CLOSE, NOW, 0, "192.0.2.1", 32, 0);

	(void)state;
	make_law(&l);
	assert_int_equal(doors_judge(&l.law, &m, &w), DOORS_FINE);
	assert_false(w.cut);
	m.cut = 1;
	assert_int_equal(doors_judge(&l.law, &m, &w), DOORS_FINE);
	assert_true(w.cut);
	m.cut = 2;
	assert_int_equal(doors_judge(&l.law, &m, &w), DOORS_FORM);
	m.cut = 1;
	m.unused = 1;
	assert_int_equal(doors_judge(&l.law, &m, &w), DOORS_FORM);
	m = ask(MSG_DOOR_OPEN, NOW, 0, "192.0.2.1", 32, 60);
	m.cut = 1;
	assert_int_equal(doors_judge(&l.law, &m, &w), DOORS_FORM);
}

static void test_nothing_was_before(void **state)
{
	struct law l;
	struct door_wanted w;
	const struct msg_door m = ask(MSG_DOOR_OPEN, BEFORE, 1, "192.0.2.1", 32, 60);

	(void)state;
	make_law(&l);
	l.law.before = NULL;
	assert_int_equal(doors_judge(&l.law, &m, &w), DOORS_GENERATION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_judgements),
	    cmocka_unit_test(test_what_is_opened),
	    cmocka_unit_test(test_narrowing),
	    cmocka_unit_test(test_what_the_firewall_has_not),
	    cmocka_unit_test(test_gateway),
	    cmocka_unit_test(test_random_ports),
	    cmocka_unit_test(test_cutting),
	    cmocka_unit_test(test_nothing_was_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
