/* ipset_rules: what goes to iptables-restore, and what iptables-save's answer is read for. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipset_rules.h"

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
	    cmocka_unit_test(test_a_jump_is_added_once),
	    cmocka_unit_test(test_removal_is_of_what_is_there),
	    cmocka_unit_test(test_ours_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
