#include "unit.h"

#include "request.h"

static void knows_names(void **state)
{
	(void)state;
	static const char *const good[] = {
	    "a", "ssh", "web_2-x", "-", "_", "0", "abcdefghijklmnopqrstuvwxyz012345"};
	static const char *const bad[] = {"", "A", "ssh ", " ssh", "s.h", "s/h", "s\n", "\xc3\xa9",
	    "abcdefghijklmnopqrstuvwxyz0123456", "*"};

	for (size_t i = 0; i < COUNT_OF(good); i++)
		assert_true(name_is_valid(good[i]));
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_false(name_is_valid(bad[i]));
}

/* Others read these words in logs and --json: each is a name of its own, for ever. */
static void has_a_word_for_each_verdict(void **state)
{
	(void)state;
	static const char *const words[] = {"ok", "refreshed", "challenge", "denied", "malformed",
	    "unknown-field", "code-or-pin", "address", "quota", "busy", "result-unknown",
	    "firewall-failed", "command-failed", "expired"};

	for (size_t i = 0; i < COUNT_OF(words); i++)
		assert_string_equal(verdict_word((enum verdict)i), words[i]);
	assert_string_equal(verdict_word((enum verdict)COUNT_OF(words)), "unknown");
}

static void has_a_word_for_each_verb(void **state)
{
	(void)state;
	static const char *const words[] = {
	    "unknown", "open", "close", "run", "ping", "list", "unknown"};

	for (size_t i = 0; i < COUNT_OF(words); i++)
		assert_string_equal(verb_word((enum verb)i), words[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(knows_names),
	    cmocka_unit_test(has_a_word_for_each_verdict),
	    cmocka_unit_test(has_a_word_for_each_verb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
