/* firewall_walk, firewall_probe, firewall_session: where a packet would end, in rulesets made by hand. */
#include "unit.h"

#include <stdio.h>

#include "firewall_session.h"
#include "firewall_walk.h"
#include "mark.h"

enum { JSON_MAX = 8192 };

static const struct place input = {"inet", "t", "in"};

/* A ruleset of chain "in" with these rules, which are given as lists of statements, and a side chain. */
static struct walk walk_with(
    const char *policy, const char *rules, const char *side, const struct probe *p)
{
	char json[JSON_MAX];
	struct ruleset rs;
	struct walk w;

	(void)snprintf(json, sizeof(json),
	    "{\"nftables\": [{\"chain\": {\"family\": \"inet\", \"table\": \"t\", \"name\": \"in\","
	    " \"type\": \"filter\", \"hook\": \"input\", \"prio\": 0, \"policy\": \"%s\"}},"
	    " {\"chain\": {\"family\": \"inet\", \"table\": \"t\", \"name\": \"side\"}},"
	    " {\"set\": {\"family\": \"inet\", \"table\": \"t\", \"name\": \"ports\","
	    " \"elem\": [80, {\"range\": [20, 30]}, {\"elem\": {\"val\": 443, \"timeout\": 9}}]}}"
	    "%s%s%s%s%s]}",
	    policy,
	    rules[0] ? ", {\"rule\": {\"family\": \"inet\", \"table\": \"t\", \"chain\": \"in\", "
		       "\"expr\": "
		     : "",
	    rules, rules[0] ? "}}" : "",
	    side[0] ? ", {\"rule\": {\"family\": \"inet\", \"table\": \"t\", \"chain\": \"side\", "
		      "\"expr\": "
		    : "",
	    side);
	if (side[0]) {
		size_t len = strlen(json);

		(void)snprintf(json + len - 2, sizeof(json) - len + 2, "}}]}");
	}
	assert_int_equal(ruleset_parse(&rs, json), 0);
	w = walk_chain(&rs, &input, p);
	ruleset_free(&rs);
	return w;
}

static const struct probe ssh = {
    .proto = 6, .dport = 22, .state = "new", .ct_mark = MARK_DOOR, .mark = MARK_DOOR};

/* Two rules in one string: the first list ends the rule, the rest is put behind by hand. */
#define NEXT "}}, {\"rule\": {\"family\": \"inet\", \"table\": \"t\", \"chain\": \"in\", \"expr\": "
#define MATCH(op, left, right) \
	"{\"match\": {\"op\": \"" op "\", \"left\": " left ", \"right\": " right "}}"
#define PORT "{\"payload\": {\"protocol\": \"tcp\", \"field\": \"dport\"}}"
#define UDP_PORT "{\"payload\": {\"protocol\": \"udp\", \"field\": \"dport\"}}"
#define TH_PORT "{\"payload\": {\"protocol\": \"th\", \"field\": \"dport\"}}"
#define SADDR "{\"payload\": {\"protocol\": \"ip\", \"field\": \"saddr\"}}"
#define CT(key) "{\"ct\": {\"key\": \"" key "\"}}"
#define META(key) "{\"meta\": {\"key\": \"" key "\"}}"
#define AND(left, mask) "{\"&\": [" left ", " mask "]}"
#define ACCEPT "{\"accept\": null}"
#define DROP "{\"drop\": null}"
#define COUNTER "{\"counter\": {\"packets\": 0, \"bytes\": 0}}"

static void check(const char *rules, enum fate expected)
{
	struct walk w = walk_with("drop", rules, "", &ssh);

	if (w.fate != expected)
		print_error("%s\n", rules);
	assert_int_equal(w.fate, expected);
}

static void test_policy(void **state)
{
	(void)state;
	assert_int_equal(walk_with("drop", "", "", &ssh).fate, FATE_DROP);
	assert_int_equal(walk_with("accept", "", "", &ssh).fate, FATE_ACCEPT);
}

static void test_what_surely_matches(void **state)
{
	static const char *const rules[] = {
	    "[" ACCEPT "]",
	    "[" COUNTER ", " ACCEPT "]",
	    "[" MATCH("==", PORT, "22") ", " ACCEPT "]",
	    "[" MATCH("==", TH_PORT, "22") ", " ACCEPT "]",
	    "[" MATCH("==", PORT, "{\"set\": [22, 80]}") ", " ACCEPT "]",
	    "[" MATCH("==", PORT, "{\"set\": [{\"range\": [1, 100]}]}") ", " ACCEPT "]",
	    "[" MATCH("==", PORT, "{\"range\": [22, 22]}") ", " ACCEPT "]",
	    "[" MATCH("==", PORT, "\"@ports\"") ", " ACCEPT "]",
	    "[" MATCH("!=", PORT, "80") ", " ACCEPT "]",
	    "[" MATCH("<", PORT, "1024") ", " ACCEPT "]",
	    "[" MATCH("==", AND(CT("mark"), "65536"), "65536") ", " ACCEPT "]",
	    "[" MATCH("!=", AND(CT("mark"), "983040"), "0") ", " ACCEPT "]",
	    "[" MATCH("==", AND(META("mark"), "65536"), "65536") ", " ACCEPT "]",
	    "[" MATCH("in", CT("state"), "\"new\"") ", " ACCEPT "]",
	    "[" MATCH("in", CT("state"), "[\"new\", \"established\"]") ", " ACCEPT "]",
	    "[" MATCH("!=", CT("state"), "\"invalid\"") ", " ACCEPT "]",
	    "[" MATCH("==", META("l4proto"), "\"tcp\"") ", " ACCEPT "]",
	    "[" MATCH("==", META("l4proto"), "{\"set\": [\"icmp\", 6]}") ", " ACCEPT "]",
	    "[" MATCH("==", META("nfproto"), "\"ipv4\"") ", " ACCEPT "]",
	    "[" MATCH("!=", META("iifname"), "\"lo\"") ", " ACCEPT "]",
	    "[" MATCH("==", "{\"fib\": {\"result\": \"type\", \"flags\": \"daddr\"}}",
		"\"local\"") ", " ACCEPT "]",
	    "[" MATCH("==",
		AND("{\"payload\": {\"protocol\": \"tcp\", \"field\": \"flags\"}}",
		    "[\"fin\", \"syn\", \"rst\", \"ack\"]"),
		"\"syn\"") ", " ACCEPT "]",
	    "[{\"vmap\": {\"key\": " PORT ", \"data\": {\"set\": [[80, " DROP "], [22, " ACCEPT
	    "]]}}}]",
	    "[{\"vmap\": {\"key\": " CT("state") ", \"data\": {\"set\": [[\"established\", " DROP
						 "], [\"new\", " ACCEPT "]]}}}]",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rules); i++)
		check(rules[i], FATE_ACCEPT);
}

static void test_what_surely_does_not(void **state)
{
	static const char *const rules[] = {
	    "[" MATCH("==", PORT, "23") ", " ACCEPT "]",
	    "[" MATCH("!=", PORT, "22") ", " ACCEPT "]",
	    "[" MATCH("==", UDP_PORT, "22") ", " ACCEPT "]",
	    "[" MATCH("!=", UDP_PORT, "23") ", " ACCEPT "]",
	    "[" MATCH("==", PORT, "{\"set\": [21, {\"range\": [23, 99]}]}") ", " ACCEPT "]",
	    "[" MATCH(">", PORT, "22") ", " ACCEPT "]",
	    "[" MATCH("==", AND(CT("mark"), "131072"), "131072") ", " ACCEPT "]",
	    "[" MATCH("==", CT("mark"), "1") ", " ACCEPT "]",
	    "[" MATCH("in", CT("state"), "[\"established\", \"related\"]") ", " ACCEPT "]",
	    "[" MATCH("in", CT("status"), "\"dnat\"") ", " ACCEPT "]",
	    "[" MATCH("==", META("l4proto"), "\"icmp\"") ", " ACCEPT "]",
	    "[" MATCH("==", META("nfproto"), "\"ipv6\"") ", " ACCEPT "]",
	    "[" MATCH("==", META("iifname"), "\"lo\"") ", " ACCEPT "]",
	    "[" MATCH("==", "{\"payload\": {\"protocol\": \"ip6\", \"field\": \"saddr\"}}",
		"\"fd00::1\"") ", " ACCEPT "]",
	    "[" MATCH("==", "{\"payload\": {\"protocol\": \"icmp\", \"field\": \"type\"}}",
		"\"echo-request\"") ", " ACCEPT "]",
	    "[{\"vmap\": {\"key\": " PORT ", \"data\": {\"set\": [[80, " ACCEPT "]]}}}]",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rules); i++) {
		struct walk w = walk_with("drop", rules[i], "", &ssh);

		if (w.fate != FATE_DROP || w.may_accept)
			print_error("%s\n", rules[i]);
		assert_int_equal(w.fate, FATE_DROP);
		assert_false(w.may_accept);
	}
}

static void test_what_may_match(void **state)
{
	static const struct {
		const char *rules;
		bool names_port;
	} cases[] = {
	    {"[" MATCH("==", SADDR, "\"10.0.0.1\"") ", " ACCEPT "]", false},
	    {"[" MATCH("!=", SADDR, "\"10.0.0.1\"") ", " ACCEPT "]", false},
	    {"[" MATCH("==", SADDR, "\"10.0.0.1\"") ", " MATCH("==", PORT, "22") ", " ACCEPT "]",
		true},
	    {"[" MATCH("==", META("iifname"), "\"eth0\"") ", " ACCEPT "]", false},
	    {"[" MATCH("==", META("skuid"), "0") ", " ACCEPT "]", false},
	    {"[{\"limit\": {\"rate\": 3, \"per\": \"minute\"}}, " ACCEPT "]", false},
	    {"[{\"xt\": {\"type\": \"match\", \"name\": \"recent\"}}, " ACCEPT "]", false},
	    {"[" MATCH("==", "{\"concat\": [" SADDR ", " PORT "]}", "\"@pairs\"") ", " ACCEPT "]",
		false},
	    {"[" MATCH("==", PORT, "\"@unknown\"") ", " ACCEPT "]", true},
	    {"[{\"vmap\": {\"key\": " META("iifname") ", \"data\": {\"set\": [[\"eth0\", " ACCEPT
						      "]]}}}]",
		false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct walk w = walk_with("drop", cases[i].rules, "", &ssh);

		if (w.fate != FATE_DROP || !w.may_accept || w.port_accept != cases[i].names_port)
			print_error("%s\n", cases[i].rules);
		assert_int_equal(w.fate, FATE_DROP);
		assert_true(w.may_accept);
		assert_int_equal(w.port_accept, cases[i].names_port);
	}
}

static void test_the_first_decision_counts(void **state)
{
	(void)state;
	check("[" DROP "]" NEXT "[" ACCEPT "]", FATE_DROP);
	check("[" ACCEPT "]" NEXT "[" DROP "]", FATE_ACCEPT);
	check("[" MATCH("==", PORT, "80") ", " DROP "]" NEXT "[" ACCEPT "]", FATE_ACCEPT);
	/* Conditions of one rule are all to hold. */
	check("[" MATCH("==", PORT, "22") ", " MATCH("==", META("nfproto"), "\"ipv6\"") ", " ACCEPT
											"]",
	    FATE_DROP);
}

static void test_other_answers(void **state)
{
	struct probe udp = ssh;

	(void)state;
	udp.proto = 17;
	check("[{\"reject\": {\"type\": \"tcp reset\"}}]", FATE_CLOSED);
	check("[{\"reject\": null}]", FATE_REJECT);
	check("[{\"reject\": {\"type\": \"icmpx\", \"expr\": \"admin-prohibited\"}}]", FATE_REJECT);
	assert_int_equal(walk_with("drop", "[{\"reject\": null}]", "", &udp).fate, FATE_CLOSED);
	assert_int_equal(
	    walk_with("drop",
		"[{\"reject\": {\"type\": \"icmpx\", \"expr\": \"port-unreachable\"}}]", "", &udp)
		.fate,
	    FATE_CLOSED);
	assert_int_equal(
	    walk_with("drop",
		"[{\"reject\": {\"type\": \"icmpx\", \"expr\": \"host-unreachable\"}}]", "", &udp)
		.fate,
	    FATE_REJECT);
	check("[{\"dnat\": {\"addr\": \"10.0.0.2\", \"port\": 80}}]", FATE_DNAT);
	assert_true(walk_with("accept",
	    "[" MATCH("==", SADDR, "\"10.0.0.1\"") ", {\"dnat\": {\"port\": 80}}]", "", &ssh)
			.may_dnat);
}

#define JUMP "{\"jump\": {\"target\": \"side\"}}"
#define GOTO "{\"goto\": {\"target\": \"side\"}}"
#define RETURN "{\"return\": null}"

static enum fate with_side(const char *rules, const char *side)
{
	return walk_with("drop", rules, side, &ssh).fate;
}

static void test_jumps(void **state)
{
	struct walk w;

	(void)state;
	assert_int_equal(with_side("[" JUMP "]", "[" ACCEPT "]"), FATE_ACCEPT);
	assert_int_equal(with_side("[" GOTO "]", "[" ACCEPT "]"), FATE_ACCEPT);
	assert_int_equal(with_side("[" JUMP "]" NEXT "[" ACCEPT "]", "[" RETURN "]"), FATE_ACCEPT);
	/* What follows a goto is never asked. */
	assert_int_equal(with_side("[" GOTO "]" NEXT "[" ACCEPT "]", "[" COUNTER "]"), FATE_DROP);
	assert_int_equal(with_side("[" RETURN "]" NEXT "[" ACCEPT "]", "[" COUNTER "]"), FATE_DROP);
	/* An unsure way into a chain that names the port. */
	w = walk_with("drop", "[" MATCH("==", META("iifname"), "\"eth0\"") ", " JUMP "]",
	    "[" MATCH("==", PORT, "22") ", " ACCEPT "]", &ssh);
	assert_true(w.fate == FATE_DROP && w.may_accept && w.port_accept);
	/* An unsure return makes the rest unsure. */
	w = walk_with("drop",
	    "[" MATCH("==", META("iifname"), "\"eth0\"") ", " RETURN "]" NEXT "[" ACCEPT "]", "",
	    &ssh);
	assert_true(w.fate == FATE_DROP && w.may_accept);
	/* Chains that jump in a ring end, too (no kernel takes them). */
	assert_int_equal(with_side("[" JUMP "]", "[" JUMP "]"), FATE_DROP);
}

#define SCRAPS "{\"nftables\": [{\"rule\": {}}, {\"chain\": null}, {\"set\": []}]}"

static void test_garbage_is_refused_or_harmless(void **state)
{
	static const char *const texts[] = {
	    "",
	    "[",
	    "null",
	    "[]",
	    "{}",
	    "{\"nftables\": 7}",
	    "{\"nftables\": [7, null, {}]}",
	    SCRAPS,
	};
	struct ruleset rs;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		if (ruleset_parse(&rs, texts[i]) == 0)
			assert_int_equal(walk_chain(&rs, &input, &ssh).fate, FATE_ACCEPT);
		ruleset_free(&rs);
	}
}

static void test_whose_chains_are_iptables(void **state)
{
	const struct place yes = {"ip", "filter", "INPUT"}, also = {"ip6", "mangle", "PREROUTING"};
	const struct place lower = {"ip", "filter", "input"}, inet = {"inet", "filter", "INPUT"},
			   own = {"ip", "mine", "INPUT"};

	(void)state;
	assert_true(place_is_iptables(&yes) && place_is_iptables(&also));
	assert_false(
	    place_is_iptables(&lower) || place_is_iptables(&inet) || place_is_iptables(&own));
}

static void check_session(const char *text, const char *remote, unsigned remote_port,
    const char *local, unsigned local_port)
{
	char address[ADDRESS_TEXT];
	struct flow f;

	assert_true(session_parse(text, &f));
	assert_string_equal(address_text(&f.remote, address), remote);
	assert_string_equal(address_text(&f.local, address), local);
	assert_int_equal(f.remote_port, remote_port);
	assert_int_equal(f.local_port, local_port);
}

#define LONG_WORD \
	"11111111111111111111111111111111111111111111111111111111111111111111 1 10.0.0.2 22"

static void test_sessions(void **state)
{
	static const char *const bad[] = {"", "10.0.0.1", "10.0.0.1 1 10.0.0.2",
	    "10.0.0.1 0 10.0.0.2 22", "10.0.0.1 65536 10.0.0.2 22", "host 1 10.0.0.2 22",
	    "10.0.0.1 1x 10.0.0.2 22", "10.0.0.1 1 10.0.0.2 -1", LONG_WORD};
	struct flow f;

	(void)state;
	check_session("10.0.0.1 50000 10.0.0.2 22", "10.0.0.1", 50000, "10.0.0.2", 22);
	check_session("fd88::1 1 fd88::2 65535", "fd88::1", 1, "fd88::2", 65535);
	check_session("fe80::1%eth0 50000 fe80::2%eth0 22", "fe80::1", 50000, "fe80::2", 22);
	check_session(
	    "::ffff:10.0.0.1 50000 ::ffff:10.0.0.2 22", "10.0.0.1", 50000, "10.0.0.2", 22);
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_false(session_parse(bad[i], &f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_policy),
	    cmocka_unit_test(test_what_surely_matches),
	    cmocka_unit_test(test_what_surely_does_not),
	    cmocka_unit_test(test_what_may_match),
	    cmocka_unit_test(test_the_first_decision_counts),
	    cmocka_unit_test(test_other_answers),
	    cmocka_unit_test(test_jumps),
	    cmocka_unit_test(test_garbage_is_refused_or_harmless),
	    cmocka_unit_test(test_whose_chains_are_iptables),
	    cmocka_unit_test(test_sessions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
