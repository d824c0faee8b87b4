/* ipset_rules: what goes to iptables-restore, and what iptables-save's answer is read for. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipset_rules.h"
#include "ipset_sets.h"

static struct config config_of(enum silence silence)
{
	struct config c = {.udp_port = 20123, .silence = silence, .services = 1};

	c.service[0] = (struct service){.name = "ssh", .proto = 6, .port = 22};
	return c;
}

static char *rules(const struct config *c, bool v4, const char *present)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	if (c)
		ipset_rules_write(out, c, v4, present);
	else
		ipset_rules_write_removal(out, present);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void has(const char *text, const char *line)
{
	if (!strstr(text, line))
		assert_string_equal(text, line); /* shows both */
}

static void has_not(const char *text, const char *line)
{
	if (strstr(text, line))
		assert_string_equal("not this", line);
}

static void test_nothing_ends_the_chains_of_others(void **state)
{
	const enum silence silences[] = {SILENCE_DROP, SILENCE_CLOSED};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct config c = config_of(silences[i / 2]);
		char *text = rules(&c, i % 2 == 0, "");

		has_not(text, "ACCEPT");
		has_not(text, "--set-mark"); /* it would wipe the bits of others */
		free(text);
	}
}

static void test_silence(void **state)
{
	struct config c = config_of(SILENCE_DROP);
	char *text = rules(&c, true, "");

	(void)state;
	has(text, "-A postern-port -j DROP\n");
	has(text, "-A postern-knock -j DROP\n");
	has_not(text, "REJECT");
	free(text);
	c = config_of(SILENCE_CLOSED);
	text = rules(&c, false, "");
	has(text, "-j REJECT --reject-with icmp6-port-unreachable\n");
	has(text, "-A postern-port -j MARK --set-xmark 0x400000/0x400000\n");
	has_not(text, "-j DROP\n-A postern-door");
	has_not(text, "-A postern-knock -j DROP\n");
	free(text);
}

static void test_captures_get_what_they_need(void **state)
{
	struct config c = config_of(SILENCE_DROP);
	char *text;

	(void)state;
	c.needs = NEED_NFQUEUE_0;
	text = rules(&c, true, "");
	has(text, "--dport 20123 -j NFQUEUE --queue-num 4477 --queue-bypass\n");
	has(text, "-A postern-guard -p udp -m udp --dport 20123 -j DROP\n");
	free(text);
	c.needs = NEED_UDP;
	text = rules(&c, true, "");
	has(text, "-j CT --notrack\n-A postern-knock -p udp -m udp --dport 20123 -j RETURN\n");
	free(text);
	c.needs = NEED_NFLOG_1;
	c.icmp = 1;
	text = rules(&c, false, "");
	has(text, "-A postern-heard -j NFLOG --nflog-group 4478 --nflog-threshold 1\n");
	has(text, "-p ipv6-icmp -m icmp6 --icmpv6-type 128");
	free(text);
}

static unsigned count(const char *text, const char *what)
{
	const size_t len = strlen(what);
	unsigned n = 0;

	for (size_t at = 0; text[at] != '\0'; at++)
		n += strncmp(text + at, what, len) == 0;
	return n;
}

static void test_idle_doors(void **state)
{
	struct config c = config_of(SILENCE_DROP);
	char *text = rules(&c, true, "");

	(void)state;
	has_not(text, "-j SET");
	free(text);
	c.services = 3;
	c.service[1] = (struct service){.name = "a", .proto = 6, .port = 80, .idle_s = 300};
	c.service[2] = (struct service){.name = "b", .proto = 17, .port = 53, .idle_s = 60};
	text = rules(&c, false, "");
	/* Open is what is in both. */
	has(text, "-A postern-port -m set --match-set postern-held6-60 src,dst "
		  "-m set --match-set postern-idle6-60 src,dst -g postern-idle\n");
	/* Nothing is set back but what is there. */
	has(text, "-A postern-slide -m set --match-set postern-idle6-300 src,dst "
		  "-j SET --add-set postern-idle6-300 src,dst --exist --timeout 300\n");
	assert_int_equal(count(text, "-j SET"), 2);
	has_not(text, "4-60");
	/* Before what lets all flows of doors by. */
	has(text, "--mark 0x30000/0x30000 -g postern-slide\n"
		  "-A postern-guard -m connmark --mark 0x10000/0x10000 -j RETURN\n");
	/* A network's door does not keep a flow from counting. */
	assert_true(strstr(text, "postern-held6-300 src") < strstr(text, "postern-nets6 src"));
	free(text);
}

static void test_bans(void **state)
{
	struct config c = config_of(SILENCE_DROP);
	char *text = rules(&c, true, "");
	const char *dropped;

	(void)state;
	has_not(text, "-A postern-banned");
	has_not(text, "postern-banned4");
	free(text);
	c.ban_after = 3;
	text = rules(&c, true, "");
	/* Behind what is up, before what is guarded; and a jump: what returns is judged like all else. */
	has(text, "-A postern-guard -i lo -j RETURN\n");
	dropped = strstr(text, "-A postern-guard -m set --match-set postern-banned4 src "
			       "-j postern-banned\n");
	assert_non_null(dropped);
	assert_true(strstr(text, "-i lo -j RETURN") < dropped);
	assert_true(dropped < strstr(text, "-g postern-port"));
	has(text, "--limit-iface-in -j RETURN\n"
		  "-A postern-banned -p icmp -m icmp ! --icmp-type 8 -j RETURN\n"
		  "-A postern-banned -j DROP\n");
	has_not(text, "postern-banned6");
	free(text);
	/* What is heard behind this chain alone. */
	c.needs = NEED_UDP;
	c.http_port = 80;
	text = rules(&c, false, "");
	has(text, "-A postern-banned -p ipv6-icmp -m icmp6 ! --icmpv6-type 128 -j RETURN\n"
		  "-A postern-banned -p udp -m udp --dport 20123 -j RETURN\n"
		  "-A postern-banned -p tcp -m tcp --dport 80 -j RETURN\n"
		  "-A postern-banned -j DROP\n");
	free(text);
}

static void test_traps(void **state)
{
	struct config c = config_of(SILENCE_CLOSED);
	const char *last;
	char *text;

	(void)state;
	c.needs = NEED_TRAP_1;
	text = rules(&c, true, "");
	has_not(text, "-A postern-trap");
	has_not(text, "-g postern-trap");
	free(text);
	c.services = 2;
	c.service[1] = (struct service){.name = "many",
	    .proto = 6,
	    .port = 80,
	    .ports = {.at = {{80, 80}, {8000, 8003}}, .len = 2},
	    .trap = TRAP_REPORT};
	text = rules(&c, false, "");
	has(text, "-A postern-trap -m addrtype ! --dst-type LOCAL -m addrtype ! --dst-type LOCAL "
		  "--limit-iface-in -j DROP\n"
		  "-A postern-trap -m limit --limit 500/second --limit-burst 200 "
		  "-j NFLOG --nflog-group 4480 --nflog-threshold 1\n-A postern-trap -j DROP\n");
	has_not(text, "--nflog-group 4479");
	has_not(text, "--dport 22:22");
	/* Behind the doors, before the silence. */
	last = strstr(text, "-A postern-port -p tcp -m tcp --dport 80:80 -g postern-trap\n"
			    "-A postern-port -p tcp -m tcp --dport 8000:8003 -g postern-trap\n");
	assert_non_null(last);
	assert_true(strstr(text, "postern-nets6 src,dst -g postern-door") < last);
	assert_true(last < strstr(text, "-A postern-port -j MARK"));
	free(text);
}

static void test_names_of_sets(void **state)
{
	static const char *const none[] = {"postern-tcp", "postern-next", "postern-banned4",
	    "postern-hosts", "postern-hosts5", "postern-hosts4-60", "postern-held4",
	    "postern-held4-", "postern-held4-0", "postern-held4-060", "postern-idle4-60x",
	    "postern-idle4-4294967356", "postern-idle4-+60", "my-postern-idle4-60",
	    "postern-idle4_60", ""};
	struct config c = config_of(SILENCE_DROP);
	struct ipset_set set[IPSET_SETS_MAX], again;
	char name[IPSET_NAME_MAX];
	unsigned n;

	(void)state;
	c.service[0].idle_s = 2147483;
	n = ipset_sets_of(&c, set);
	assert_int_equal(n, 8);
	for (unsigned i = 0; i < n; i++) {
		assert_true(ipset_set_parse(ipset_set_name(name, &set[i]), &again));
		assert_true(strlen(name) < IPSET_NAME_MAX - 1);
		assert_int_equal(again.form, set[i].form);
		assert_int_equal(again.v4, set[i].v4);
		assert_int_equal(again.idle_s, set[i].idle_s);
	}
	for (unsigned i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		if (ipset_set_parse(none[i], &again))
			assert_string_equal(none[i], "no name of a set");
}

static void test_pieces_of_all_sequences(void **state)
{
	struct config c = config_of(SILENCE_DROP);
	char *text;

	(void)state;
	c.sequences = 2;
	c.sequence[1] = (struct sequence_config){
	    .name = "alpha", .id = 1, .range = {400, 500}, .pieces = PIECES_UDP};
	c.sequence[2] = (struct sequence_config){.name = "beta",
	    .id = 2,
	    .ports = {.at = {7, 8, 9, 10, 11}, .len = 5},
	    .pieces = PIECES_CLEAN};
	text = rules(&c, true, "");
	has(text, "-A postern-raw -p udp -m udp --dport 400:500 -g postern-knock\n");
	has_not(text, "-p tcp -m tcp --dport 400");
	has(text, "-A postern-raw -p tcp -m tcp --dport 11:11 --tcp-flags");
	has_not(text, "-p udp -m udp --dport 11:");
	free(text);
}

static const char saved[] =
    "# Generated\n*mangle\n:PREROUTING ACCEPT [1:2]\n:postern-guard - [0:0]\n"
    "-A PREROUTING -j postern-guard\n-A PREROUTING -j other\n"
    "-A postern-guard -i lo -j RETURN\nCOMMIT\n*nat\n:OUTPUT ACCEPT [0:0]\n"
    "-A OUTPUT -j postern-cuts-of-mine\nCOMMIT\n";

static void test_a_jump_is_added_once(void **state)
{
	struct config c = config_of(SILENCE_DROP);
	char *text = rules(&c, true, saved);

	(void)state;
	has_not(text, "-I PREROUTING -j postern-guard\n");
	has(text, "-I OUTPUT -j postern-cuts\n"); /* what is like it, in another table, is not it */
	has(text, "-I PREROUTING -j postern-raw\n");
	assert_false(ipset_rules_stand(saved));
	free(text);
}

/* All of our jumps, in the way that iptables-save has it; before are the rules in front of that of mangle. */
static char *all_jumps(const char *before, const char *rest)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	fprintf(out,
	    "*raw\n-A PREROUTING -j postern-raw\n-A OUTPUT -j postern-replies\nCOMMIT\n"
	    "*mangle\n%s-A PREROUTING -j postern-guard\n-A OUTPUT -j postern-cuts\n"
	    "-A postern-guard -i lo -j RETURN\n-A postern-cuts -j DROP\nCOMMIT\n"
	    "*filter\n-A INPUT -j other\n-A INPUT -j postern-silence\n"
	    "-A FORWARD -j postern-silence\n%sCOMMIT\n",
	    before, rest);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void test_a_jump_comes_before_what_others_have(void **state)
{
	struct config c = config_of(SILENCE_DROP);
	char *stands = all_jumps("-A OUTPUT -o lo -j ACCEPT\n", ""), *text;
	char *late = all_jumps("-A PREROUTING -p tcp -m tcp --dport 22 -j ACCEPT\n", "");
	char *answers = all_jumps("", "-A postern-silence -p tcp -j REJECT\n");

	(void)state;
	assert_false(ipset_rules_stand(stands)); /* that of OUTPUT comes late */
	free(stands);
	stands = all_jumps("", "");
	assert_true(ipset_rules_stand(stands)); /* a chain that is empty may stand anywhere */
	assert_false(ipset_rules_stand(answers));
	assert_false(ipset_rules_stand(late));
	text = rules(&c, true, late);
	has(text, "-D PREROUTING -j postern-guard\n-I PREROUTING -j postern-guard\n");
	has(text, "-D INPUT -j postern-silence\n-I INPUT -j postern-silence\n");
	has_not(text, "PREROUTING -j postern-raw");
	free(text);
	free(stands);
	free(late);
	free(answers);
}

static void test_removal_is_of_what_is_there(void **state)
{
	char *text = rules(NULL, true, saved);

	(void)state;
	assert_string_equal(text,
	    "*raw\nCOMMIT\n*mangle\n-D PREROUTING -j postern-guard\n-F postern-guard\n"
	    "-X postern-guard\nCOMMIT\n*filter\nCOMMIT\n");
	free(text);
}

static void test_ours_are_told_apart(void **state)
{
	char *text = ipset_rules_ours(saved);

	(void)state;
	assert_string_equal(text,
	    "*mangle\n:postern-guard - [0:0]\n-A PREROUTING -j postern-guard\n"
	    "-A postern-guard -i lo -j RETURN\n*nat\n-A OUTPUT -j postern-cuts-of-mine\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_nothing_ends_the_chains_of_others),
	    cmocka_unit_test(test_silence),
	    cmocka_unit_test(test_captures_get_what_they_need),
	    cmocka_unit_test(test_idle_doors),
	    cmocka_unit_test(test_bans),
	    cmocka_unit_test(test_traps),
	    cmocka_unit_test(test_names_of_sets),
	    cmocka_unit_test(test_pieces_of_all_sequences),
	    cmocka_unit_test(test_a_jump_is_added_once),
	    cmocka_unit_test(test_a_jump_comes_before_what_others_have),
	    cmocka_unit_test(test_removal_is_of_what_is_there),
	    cmocka_unit_test(test_ours_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
