/* runs: only what the monitor's own configuration allows is run, and no argument reaches a shell. Needs root. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "address.h"
#include "runs.h"

enum { GENERATION = 3, ECHO, TEXT = 4096 };

struct lab {
	struct loop *loop;
	struct runs runs;
	struct config config;
	unsigned answers;
	struct msg_command_done last;
};

static void done(void *arg, const struct msg_command_done *m)
{
	struct lab *l = arg;

	l->last = *m;
	l->answers++;
	loop_stop(l->loop);
}

static void stop(void *arg)
{
	const struct lab *l = arg;

	loop_stop(l->loop);
}

static void configure(struct command_config *c, const char *program, const char *pattern)
{
	*c = (struct command_config){.name = "echo", .user = "nobody", .timeout_s = 20};
	(void)snprintf(c->run.at[0], sizeof(c->run.at[0]), "%s", program);
	c->run.len = 1;
	if (pattern)
		(void)snprintf(c->arguments.at[c->arguments.len++], CONFIG_WORD_MAX, "%s", pattern);
}

static int setup(void **state)
{
	struct lab *l = calloc(1, sizeof(*l));

	l->loop = loop_new();
	runs_open(&l->runs, l->loop, done, l);
	l->config.commands = 1;
	configure(&l->config.command[0], "/bin/echo", ".*");
	*state = l;
	return 0;
}

static int teardown(void **state)
{
	struct lab *l = *state;

	runs_close(&l->runs);
	loop_free(l->loop);
	free(l);
	return 0;
}

static struct msg_command order(const char *argument)
{
	struct msg_command m = {.head = {MSG_COMMAND, sizeof(m)},
	    .id = 77,
	    .generation = GENERATION,
	    .arguments = argument ? 1 : 0,
	    .client = "alice"};
	struct address a;

	assert_int_equal(address_parse("198.51.100.7", &a), 0);
	memcpy(m.address, a.b, sizeof(m.address));
	if (argument)
		(void)snprintf(m.argument[0], sizeof(m.argument[0]), "%s", argument);
	return m;
}

static void serve_it(struct lab *l, const struct msg_command *m)
{
	struct report r = {.say = NULL};
	struct users users;

	assert_int_equal(users_find(&users, &l->config, "f", &r), 0);
	runs_serve(&l->runs, &l->config, &users, GENERATION, m);
	users_free(&users);
}

/* Serves m and waits for the answer. */
static enum run_status serve(struct lab *l, const struct msg_command *m)
{
	const unsigned before = l->answers;

	serve_it(l, m);
	if (l->answers == before)
		assert_int_equal(loop_run(l->loop), 0);
	assert_int_equal(l->answers, before + 1);
	assert_int_equal(l->last.id, 77);
	return (enum run_status)l->last.status;
}

static void assert_output(const struct lab *l, const char *want)
{
	char text[COMMAND_OUTPUT_BYTES + 1] = "";

	memcpy(text, l->last.output, l->last.output_len);
	assert_string_equal(text, want);
}

static void test_runs_what_is_configured(void **state)
{
	struct lab *l = *state;
	const struct msg_command m = order("hello  world");

	assert_int_equal(serve(l, &m), RUN_ENDED);
	assert_int_equal(l->last.exit_status, 0);
	assert_output(l, "hello  world\n");
}

static void test_is_told_for_whom(void **state)
{
	struct lab *l = *state;
	const struct msg_command m = order(NULL);

	configure(&l->config.command[0], "/usr/bin/env", NULL);
	assert_int_equal(serve(l, &m), RUN_ENDED);
	l->last.output[l->last.output_len < COMMAND_OUTPUT_BYTES ? l->last.output_len : 0] = '\0';
	assert_non_null(strstr((const char *)l->last.output,
	    "POSTERN_CLIENT=alice\nPOSTERN_ADDRESS=198.51.100.7\nPOSTERN_COMMAND=echo\n"));
}

/* The next auth, which may use the same number, hears nothing of what the one before it asked for. */
static void test_forgets_with_auth(void **state)
{
	struct lab *l = *state;
	const struct msg_command old = order("of old"), next = order("of now");

	serve_it(l, &old);
	runs_forget(&l->runs);
	assert_int_equal(serve(l, &next), RUN_ENDED);
	assert_output(l, "of now\n");
	while (commands_running(l->runs.commands) > 0) {
		assert_int_equal(loop_timer(l->loop, 10, stop, l), 0);
		assert_int_equal(loop_run(l->loop), 0);
	}
	assert_int_equal(l->answers, 1);
}

/* What would do something in a shell. */
static const char *const injections[] = {"; id", "& id", "&& id", "| id", "|| id", "`id`", "$(id)",
    "${IFS}id", "> /tmp/x", ">> /tmp/x", "< /etc/passwd", "<(id)", ">(id)", "\nid", "\rid",
    "\r\nid", "'; id; '", "\"; id; \"", "\\; id", "$HOME", "${HOME}", "$PATH", "$$", "$?", "$!",
    "$@", "$*", "$#", "$0", "$-", "~", "~root", "*", "/*", "?", "[a-z]", "{a,b}", "{1..9}", "!!",
    "!id", "#", "# id", "-e id", "--version", "--help", "-n", "--", "-", "%s%s%s%n", "%d", "\\n",
    "\\x41", "\\041", "\t", "a b  c", " leading", "trailing ", "''", "\"\"", "'", "\"", "`", "\\",
    "\\\\", "$", "$(", "${", "((1+1))", "$((1+1))", "$[1+1]", "a=b", "a=b id", "exec id", "eval id",
    "source /etc/profile", ". /etc/profile", "id;", "id&", "id|cat", "(id)", "{ id; }",
    "if id; then", "while :; do", "function f {", "f() {", "case x in", "<<EOF", "<<<id", "2>&1",
    "&>/dev/null", ">|x", "|&id", ";;", ";&", "\x01", "\x07", "\x1b[31m", "\x7f", "\xff\xfe",
    "\xc3\xa9", "../../etc/passwd", "/etc/passwd\0.png", "http://127.0.0.1/", "'$(id)'",
    "\"$(id)\"", "`echo id`", "$'\\x69d'", "$\"id\"", "alias id=x", "trap id EXIT", "\x80\x81",
    "id\\\n"};

static void test_no_argument_reaches_a_shell(void **state)
{
	struct lab *l = *state;

	assert_true(COUNT_OF(injections) >= 100);
	configure(&l->config.command[0], "/usr/bin/printf", ".*");
	(void)snprintf(l->config.command[0].run.at[1], CONFIG_WORD_MAX, "%%s|");
	l->config.command[0].run.len = 2;
	for (size_t i = 0; i < COUNT_OF(injections); i++) {
		const struct msg_command m = order(injections[i]);
		char want[TEXT];

		(void)snprintf(want, sizeof(want), "%s|", injections[i]);
		/* "." matches no byte that is no character: then it is refused, which is as good. */
		if (serve(l, &m) == RUN_ENDED)
			assert_output(l, want);
		else
			assert_true((uint8_t)injections[i][0] >= 0x80);
	}
}

static void test_arguments_that_do_not_fit(void **state)
{
	static const char *const bad[] = {
	    "", "abcd", "ab1", "abc ", " abc", "abc\n", "abc\nabc", "ABC"};
	struct lab *l = *state;
	struct msg_command m;

	configure(&l->config.command[0], "/bin/echo", "[a-z]{1,3}");
	m = order("abc");
	assert_int_equal(serve(l, &m), RUN_ENDED);
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		m = order(bad[i]);
		assert_int_equal(serve(l, &m), RUN_REFUSED);
	}
	m = order(NULL);
	assert_int_equal(serve(l, &m), RUN_REFUSED);
	m = order("abc");
	m.arguments = 2;
	(void)snprintf(m.argument[1], sizeof(m.argument[1]), "abc");
	assert_int_equal(serve(l, &m), RUN_REFUSED);
	/* A choice is bound at both ends, too. */
	configure(&l->config.command[0], "/bin/echo", "on|off");
	m = order("off");
	assert_int_equal(serve(l, &m), RUN_ENDED);
	m = order("one");
	assert_int_equal(serve(l, &m), RUN_REFUSED);
}

static void test_what_a_sane_auth_would_not_say(void **state)
{
	struct lab *l = *state;
	struct msg_command m = order("x");

	m.command = 1;
	assert_int_equal(serve(l, &m), RUN_REFUSED);
	m = order("x");
	m.generation--;
	assert_int_equal(serve(l, &m), RUN_REFUSED);
	m = order("x");
	m.arguments = COMMAND_ARGUMENTS + 1;
	assert_int_equal(serve(l, &m), RUN_REFUSED);
	m = order("x");
	memset(m.argument[0], 'x', sizeof(m.argument[0]));
	assert_int_equal(serve(l, &m), RUN_REFUSED);
	m = order("x");
	m.argument[0][5] = 'x'; /* behind its end */
	assert_int_equal(serve(l, &m), RUN_REFUSED);
	m = order("x");
	m.argument[1][0] = 'x'; /* one more than it says */
	assert_int_equal(serve(l, &m), RUN_REFUSED);
	m = order("x");
	memcpy(m.client, "A\nB", 4);
	assert_int_equal(serve(l, &m), RUN_REFUSED);
	m = order("x");
	memset(m.client, 'a', sizeof(m.client));
	assert_int_equal(serve(l, &m), RUN_REFUSED);
}

static void test_a_line_needs_a_user(void **state)
{
	struct lab *l = *state;
	struct msg_command m = order("echo one; ");

	m.command = COMMAND_LINE;
	m.arguments = 2;
	(void)snprintf(m.argument[1], sizeof(m.argument[1]), "id -un");
	assert_int_equal(serve(l, &m), RUN_REFUSED);
	(void)snprintf(l->config.command_line_user, CONFIG_USER_MAX, "nobody");
	assert_int_equal(serve(l, &m), RUN_ENDED);
	assert_output(l, "one\nnobody\n");
}

/* For a door, what that door waits for, and told whose it is. */
static void test_approvals(void **state)
{
	struct lab *l = *state;
	struct msg_command m = order(NULL);

	configure(&l->config.command[0], "/usr/bin/env", NULL);
	l->config.services = 2;
	(void)strcpy(l->config.service[0].name, "web");
	(void)strcpy(l->config.service[1].name, "ssh");
	(void)strcpy(l->config.service[1].approve, "echo");
	memcpy(m.admit, m.address, sizeof(m.admit));
	m.admit_len = 32;
	m.approves = 2;
	assert_int_equal(serve(l, &m), RUN_ENDED);
	assert_non_null(strstr((const char *)l->last.output,
	    "POSTERN_COMMAND=echo\nPOSTERN_SERVICE=ssh\nPOSTERN_ADMIT=198.51.100.7\n"));
	m.approves = 1;
	assert_int_equal(serve(l, &m), RUN_REFUSED);
	m.approves = 3;
	assert_int_equal(serve(l, &m), RUN_REFUSED);
	m.approves = 2;
	m.admit_len = 31; /* with a bit set behind it */
	assert_int_equal(serve(l, &m), RUN_REFUSED);
	m.admit_len = 200;
	assert_int_equal(serve(l, &m), RUN_REFUSED);
	m.admit_len = 32;
	m.command = COMMAND_LINE;
	assert_int_equal(serve(l, &m), RUN_REFUSED);
}

static void test_a_time_that_is_over(void **state)
{
	struct lab *l = *state;
	struct msg_command m = order(NULL);

	configure(&l->config.command[0], "/bin/sleep", NULL);
	(void)snprintf(l->config.command[0].run.at[1], CONFIG_WORD_MAX, "1000");
	l->config.command[0].run.len = 2;
	l->config.command[0].timeout_s = 1;
	assert_int_equal(serve(l, &m), RUN_TIMEOUT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_runs_what_is_configured),
	    TEST(test_is_told_for_whom),
	    TEST(test_forgets_with_auth),
	    TEST(test_no_argument_reaches_a_shell),
	    TEST(test_arguments_that_do_not_fit),
	    TEST(test_what_a_sane_auth_would_not_say),
	    TEST(test_a_line_needs_a_user),
	    TEST(test_approvals),
	    TEST(test_a_time_that_is_over),
	};

	log_start(LOG_TO_STDERR, LOG_LEVEL_ERROR, "test", -1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
