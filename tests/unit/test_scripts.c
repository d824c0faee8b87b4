/* scripts: what is told is in the environment alone, and bounded; what no sane auth says is refused. Needs root. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "address.h"
#include "scripts.h"

enum { TEXT = 4096, STEP_MS = 20, PATIENCE = 500 };

struct lab {
	struct loop *loop;
	struct scripts scripts;
	struct config config;
	char dir[64], out[128];
};

static void stop(void *arg)
{
	loop_stop(arg);
}

static int setup(void **state)
{
	struct lab *l = calloc(1, sizeof(*l));
	char text[512];
	FILE *f;

	if (!l)
		return -1;
	strcpy(l->dir, "/tmp/postern-scripts-XXXXXX");
	if (!mkdtemp(l->dir) || chmod(l->dir, 0777) < 0)
		return -1;
	(void)snprintf(l->out, sizeof(l->out), "%s/out", l->dir);
	(void)snprintf(l->config.event_script, sizeof(l->config.event_script), "%s/script", l->dir);
	strcpy(l->config.event_user, "nobody");
	f = fopen(l->config.event_script, "w");
	if (!f)
		return -1;
	(void)snprintf(text, sizeof(text),
	    "#!/bin/sh\necho \"$#\" >%s/part\nenv | grep ^POSTERN | sort >>%s/part\nid -un "
	    ">>%s/part\n"
	    "mv %s/part %s/out\n",
	    l->dir, l->dir, l->dir, l->dir, l->dir);
	(void)fputs(text, f);
	(void)fclose(f);
	(void)chmod(l->config.event_script, 0755);
	l->loop = loop_new();
	scripts_open(&l->scripts, l->loop);
	*state = l;
	return 0;
}

static int teardown(void **state)
{
	struct lab *l = *state;

	scripts_close(&l->scripts);
	loop_free(l->loop);
	(void)unlink(l->out);
	(void)unlink(l->config.event_script);
	(void)rmdir(l->dir);
	free(l);
	return 0;
}

static struct msg_event event(void)
{
	struct msg_event m = {.head = {MSG_EVENT, sizeof(m)},
	    .event = EVENT_GRANTED,
	    .time_ns = UINT64_C(1767225600000000000),
	    .session = {0xabc, 0xdef},
	    .sessions = 2,
	    .has_address = 1,
	    .admits = 2,
	    .admit_len = {24, 128},
	    .client = "alice",
	    .verdict = "ok",
	    .what = "ssh,$(touch /tmp/postern-no)",
	    .reason = "; id `id`"};
	struct address a;

	assert_int_equal(address_parse("198.51.100.7", &a), 0);
	memcpy(m.address, a.b, sizeof(m.address));
	assert_int_equal(address_parse("203.0.113.0", &a), 0);
	memcpy(m.admit[0], a.b, sizeof(m.admit[0]));
	assert_int_equal(address_parse("2001:db8::7", &a), 0);
	memcpy(m.admit[1], a.b, sizeof(m.admit[1]));
	return m;
}

static int tell(struct lab *l, const struct msg_event *m)
{
	struct report r = {.say = NULL};
	struct users users;
	int rc;

	assert_int_equal(users_find(&users, &l->config, "f", &r), 0);
	rc = scripts_tell(&l->scripts, &l->config, &users, m);
	users_free(&users);
	return rc;
}

static void turn(struct lab *l)
{
	assert_int_equal(loop_timer(l->loop, STEP_MS, stop, l->loop), 0);
	assert_int_equal(loop_run(l->loop), 0);
}

static void test_tells_it_in_the_environment(void **state)
{
	struct lab *l = *state;
	const struct msg_event m = event();
	char got[TEXT] = "";
	FILE *f;

	assert_int_equal(tell(l, &m), 0);
	for (unsigned i = 0; i < PATIENCE && access(l->out, F_OK) != 0; i++)
		turn(l);
	f = fopen(l->out, "r");
	assert_non_null(f);
	assert_true(fread(got, 1, sizeof(got) - 1, f) > 0);
	(void)fclose(f);
	assert_string_equal(got, "0\n"
				 "POSTERN_ADDRESS=198.51.100.7\n"
				 "POSTERN_ADMIT=203.0.113.0/24,2001:db8::7\n"
				 "POSTERN_CLIENT=alice\n"
				 "POSTERN_EVENT=granted\n"
				 "POSTERN_REASON=; id `id`\n"
				 "POSTERN_SESSION=0000000000000abc,0000000000000def\n"
				 "POSTERN_TIME=2026-01-01T00:00:00Z\n"
				 "POSTERN_VERDICT=ok\n"
				 "POSTERN_WHAT=ssh,$(touch /tmp/postern-no)\n"
				 "nobody\n");
	assert_true(access("/tmp/postern-no", F_OK) != 0);
}

static void test_bounded(void **state)
{
	struct lab *l = *state;
	const struct msg_event m = event();

	(void)snprintf(l->config.event_script, sizeof(l->config.event_script),
	    "/usr/bin/yes"); /* never ends */
	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(tell(l, &m), 0);
	assert_int_equal(commands_running(l->scripts.commands), COMMANDS_MAX);
	(void)snprintf(l->config.event_script, sizeof(l->config.event_script), "%s/script", l->dir);
}

static void test_what_no_auth_says(void **state)
{
	struct lab *l = *state;
	struct msg_event m = event();

	m.event = EVENTS;
	assert_int_equal(tell(l, &m), -1);
	m = event();
	m.client[0] = '/';
	assert_int_equal(tell(l, &m), -1);
	m = event();
	m.reason[3] = '\n';
	assert_int_equal(tell(l, &m), -1);
	m = event();
	memset(m.what, 'a', sizeof(m.what));
	assert_int_equal(tell(l, &m), -1);
	m = event();
	m.verdict[10] = 'x'; /* behind its end */
	assert_int_equal(tell(l, &m), -1);
	m = event();
	m.admits = EVENT_ADMITS + 1;
	assert_int_equal(tell(l, &m), -1);
	m = event();
	m.admit[0][15] = 1; /* host bits */
	assert_int_equal(tell(l, &m), -1);
	m = event();
	m.admit_len[0] = 33;
	assert_int_equal(tell(l, &m), -1);
	m = event();
	m.sessions = EVENT_SESSIONS + 1;
	assert_int_equal(tell(l, &m), -1);
	m = event();
	l->config.event_script[0] = '\0';
	assert_int_equal(tell(l, &m), 0);
	assert_int_equal(commands_running(l->scripts.commands), 0);
	l->config.event_script[0] = '/';
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_tells_it_in_the_environment),
	    TEST(test_bounded),
	    TEST(test_what_no_auth_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
