/* bans - the monitor bans what its own configuration allows, whatever auth asks for. */
#include "unit.h"

#include "bans.h"

enum { FOR_S = 600 };

static struct msg_ban ask(enum message_type type, const char *address, uint32_t seconds)
{
	struct msg_ban m = {.head = {type, sizeof(m)}, .seconds = seconds};
	struct address a;

	assert_int_equal(address_parse(address, &a), 0);
	memcpy(m.address, a.b, sizeof(m.address));
	return m;
}

static struct config law(void)
{
	struct config c = {.ban_after = 3, .ban_for_s = FOR_S, .ban_except = {.len = 2}};

	assert_int_equal(prefix_parse("192.0.2.0/24", &c.ban_except.at[0]), 0);
	assert_int_equal(prefix_parse("2001:db8:1::/48", &c.ban_except.at[1]), 0);
	return c;
}

static const struct {
	const char *what;
	enum message_type type;
	const char *address;
	uint32_t seconds;
	enum bans_verdict want;
} cases[] = {
    {"a host", MSG_BAN, "198.51.100.1", FOR_S, BANS_FINE},
    {"a host of v6", MSG_BAN, "2001:db8::1", 1, BANS_FINE},
    {"for longer", MSG_BAN, "198.51.100.1", FOR_S + 1, BANS_TIME},
    {"for ever", MSG_BAN, "198.51.100.1", 0, BANS_TIME},
    {"one that is excepted", MSG_BAN, "192.0.2.9", 1, BANS_EXCEPT},
    {"the same of v6", MSG_BAN, "2001:db8:1::9", 1, BANS_EXCEPT},
    {"everybody", MSG_BAN, "::", 1, BANS_ADDRESS},
    {"every v4", MSG_BAN, "0.0.0.0", 1, BANS_ADDRESS},
    {"this host", MSG_BAN, "127.0.0.1", 1, BANS_ADDRESS},
    {"a neighbour by its link", MSG_BAN, "fe80::1", 1, BANS_ADDRESS},
    {"many", MSG_BAN, "224.0.0.1", 1, BANS_ADDRESS},
    {"the end of one", MSG_UNBAN, "198.51.100.1", 0, BANS_FINE},
    {"of an excepted one", MSG_UNBAN, "192.0.2.9", 0, BANS_FINE},
    {"of all", MSG_UNBAN, "::", 0, BANS_FINE},
    {"with a time", MSG_UNBAN, "198.51.100.1", 1, BANS_FORM},
};

static void test_law(void **state)
{
	const struct config c = law();

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const struct msg_ban m = ask(cases[i].type, cases[i].address, cases[i].seconds);
		const enum bans_verdict got = bans_judge(&c, &m);

		if (got != cases[i].want)
			fail_msg("%s: %s, not %s", cases[i].what, bans_verdict_text(got),
			    bans_verdict_text(cases[i].want));
	}
}

static void test_nobody_is_banned_unless_asked_for(void **state)
{
	struct msg_ban m = ask(MSG_BAN, "198.51.100.1", 1);
	struct config c = law();

	(void)state;
	c.ban_after = 0;
	assert_int_equal(bans_judge(&c, &m), BANS_OFF);
	m.head.type = MSG_UNBAN;
	m.seconds = 0;
	assert_int_equal(bans_judge(&c, &m), BANS_FINE);
	m.unused = 1;
	assert_int_equal(bans_judge(&c, &m), BANS_FORM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_law),
	    cmocka_unit_test(test_nobody_is_banned_unless_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
