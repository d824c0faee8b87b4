/* What a profile says of OpenPGP keys, and what is told before gpg is asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "profile.h"
#include "secret.h"

#define KEY "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
#define PLAIN \
	"# postern profile\nversion = 1\nname = alice\nserver = host.example.org\nport = 62201\n" \
	"server-key = " KEY "\ndoor-key = " KEY "\ncid = CQkJCQkJCQk=\nprivate-key = " KEY \
	"\nsecret = " KEY "\n"
#define OWN "0123456789ABCDEF0123456789ABCDEF01234567"
#define SERVER "89ABCDEF0123456789ABCDEF0123456789ABCDEF"
#define KEYS "openpgp-key = " OWN "\nopenpgp-server = " SERVER "\n"

static struct trouble t;

static struct postern_profile *parse(const char *text)
{
	struct postern_profile *p = profile_new();

	assert_non_null(p);
	trouble_clear(&t);
	if (profile_parse(p, "a", text, strlen(text), &t) == 0)
		return p;
	profile_free(p);
	return NULL;
}

static void keys_are_read(void **state)
{
	(void)state;
	struct postern_profile *p = parse(PLAIN KEYS
	    "openpgp-home = ~/.gnupg\nopenpgp-block = AQID\nopenpgp-block = BAU=\nenvelope = "
	    "openpgp\n");

	assert_non_null(p);
	assert_ptr_equal(p->envelope, &envelope_openpgp);
	assert_string_equal(p->openpgp.own, OWN);
	assert_string_equal(p->openpgp.server, SERVER);
	assert_string_equal(p->openpgp.home, "~/.gnupg");
	assert_int_equal(p->openpgp.block_len, 5);
	assert_memory_equal(p->openpgp.block, "\1\2\3\4\5", 5);
	profile_free(p);
	/* There may be keys, and another envelope. */
	p = parse(PLAIN KEYS);
	assert_non_null(p);
	assert_ptr_equal(p->envelope, &envelope_noise);
	profile_free(p);
}

static void faults_are_told(void **state)
{
	(void)state;
	static const struct {
		const char *text, *said;
	} cases[] = {
	    {PLAIN "envelope = openpgp\n", "openpgp needs openpgp-key and openpgp-server"},
	    {PLAIN "envelope = openpgp\nopenpgp-key = " OWN "\n", "openpgp needs"},
	    {PLAIN "openpgp-key = 89ABCDEF01234567\n", "a:11: openpgp-key: must be the whole"},
	    {PLAIN "openpgp-server = " OWN "0\n", "a:11: openpgp-server: must be the whole"},
	    {PLAIN "openpgp-home = gnupg\n", "openpgp-home: must be the whole path"},
	    {PLAIN "openpgp-block = a.b\n", "openpgp-block: must be base64"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_null(parse(cases[i].text));
		if (!strstr(t.text, cases[i].said))
			fail_msg("%s instead of %s", t.text, cases[i].said);
	}
}

static void a_block_is_bounded(void **state)
{
	(void)state;
	static char text[PROFILE_TEXT_MAX];
	char line[300] = "openpgp-block = ";

	memset(line + strlen(line), 'A', 240);
	strcpy(text, PLAIN);
	for (int i = 0; i < OPENPGP_BLOCK_MAX / 180 + 1; i++) {
		strcat(text, line);
		strcat(text, "\n");
	}
	assert_null(parse(text));
	assert_non_null(strstr(t.text, "is too long for a key"));
}

/* gpg's agent would only say that something is too long. */
static void a_path_that_is_too_long_is_told(void **state)
{
	(void)state;
	struct openpgp_client o;
	char home[200];

	memset(home, 'a', sizeof(home));
	home[0] = '/';
	home[sizeof(home) - 1] = '\0';
	openpgp_init(&o);
	o.home = strdup(home);
	trouble_clear(&t);
	assert_int_equal(openpgp_check(&o, "alice", &t), -1);
	assert_non_null(strstr(t.text, "longer than 87 bytes"));
	openpgp_free(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keys_are_read),
	    cmocka_unit_test(faults_are_told),
	    cmocka_unit_test(a_block_is_bounded),
	    cmocka_unit_test(a_path_that_is_too_long_is_told),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
