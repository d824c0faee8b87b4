/* Commands as the auth core sees them: who may, with what arguments, and what comes back. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "auth_lab.h"
#include "errors.h"

static const char config[] =
    "udp-port = 62201\ncommand-line-user = nobody\n"
    "service \"ssh\" { proto = tcp port = 22 }\n"
    "command \"restart\" { run = {\"/bin/true\"} arguments = {\"[a-z]+\"} user = nobody }\n"
    "command \"other\" { run = {\"/bin/true\"} user = nobody }\n";

static int setup_with(void **state, const char *options)
{
	static struct lab l;

	memset(&l, 0, sizeof(l));
	lab_start(&l, config, options, 1);
	assert_true(lab_prove(&l, &l.client[0]));
	*state = &l;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, "service=ssh,command=restart");
}

static int setup_line(void **state)
{
	return setup_with(state, "service=ssh,command-line");
}

static int teardown(void **state)
{
	lab_stop(*state);
	return 0;
}

static struct request run(const char *command, const char *argument)
{
	struct request q = lab_request(VERB_RUN);

	strcpy(q.command, command);
	if (argument)
		strcpy(q.argument[q.arguments++], argument);
	return q;
}

static void end(struct lab *l, enum run_status status, uint8_t exit_status, const char *output)
{
	struct msg_command_done m = {.head = {MSG_COMMAND_DONE, sizeof(m)},
	    .id = l->run.id,
	    .status = status,
	    .exit_status = exit_status,
	    .output_len = (uint16_t)strlen(output)};

	memcpy(m.output, output, strlen(output));
	assert_int_equal(core_command_done(l->core, &m), 0);
	assert_int_equal(core_command_done(l->core, &m), -E_STATE); /* once */
	lab_settle(l);
}

static void test_a_command_and_what_it_said(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	const struct request q = run("restart", "nginx");
	struct lab_message m = lab_m1(l, c, &q, 0), retry;
	struct reply p;

	lab_knock(l, &m);
	assert_int_equal(l->runs, 1);
	assert_string_equal(l->run.client, c->name);
	assert_int_equal(l->run.command, 0);
	assert_string_equal(l->run.argument[0], "nginx");
	assert_false(lab_reply(l, &m, &p)); /* it is not over yet */
	/* The client asks again: it runs once, and the newest message is answered. */
	retry = lab_m1(l, c, &q, 0);
	lab_knock(l, &retry);
	assert_int_equal(l->runs, 1);
	end(l, RUN_ENDED, 3, "done\n");
	assert_true(lab_reply(l, &retry, &p));
	assert_int_equal(p.verdict, VERDICT_OK);
	assert_true(p.has_exit_status);
	assert_int_equal(p.exit_status, 3);
	assert_int_equal(p.output_len, 5);
	assert_memory_equal(p.output, "done\n", 5);
	/* And once more, later: the same verdict, without output, and nothing is run. */
	assert_int_equal(lab_ask(l, c, &q, &p), VERDICT_OK);
	assert_int_equal(p.exit_status, 3);
	assert_int_equal(p.output_len, 0);
	assert_int_equal(l->runs, 1);
}

static void check_denied(struct lab *l, struct request q)
{
	q.attempt++;
	assert_int_equal(lab_ask(l, &l->client[0], &q, NULL), VERDICT_DENIED);
	assert_int_equal(l->runs, 0);
	lab_pass(l, 1000);
}

static void test_who_may_what(void **state)
{
	struct lab *l = *state;

	check_denied(l, run("other", NULL)); /* there is one, but not for this client */
	check_denied(l, run("none", NULL));
	check_denied(l, run("restart", NULL));
	check_denied(l, run("restart", "nginx; id"));
	check_denied(l, run("command-line", "id"));
}

static void test_any_line_for_whom_that_is_allowed(void **state)
{
	struct lab *l = *state;
	const struct request q = run("command-line", "id; reboot");
	struct lab_message m = lab_m1(l, &l->client[0], &q, 0);
	struct reply p;

	lab_knock(l, &m);
	assert_int_equal(l->run.command, COMMAND_LINE);
	assert_string_equal(l->run.argument[0], "id; reboot");
	end(l, RUN_ENDED, 0, "");
	assert_true(lab_reply(l, &m, &p));
	assert_int_equal(p.verdict, VERDICT_OK);
}

static void test_how_it_may_fail(void **state)
{
	static const struct {
		enum run_status status;
		enum verdict verdict;
	} cases[] = {{RUN_TIMEOUT, VERDICT_COMMAND}, {RUN_REFUSED, VERDICT_COMMAND},
	    {RUN_BUSY, VERDICT_BUSY}, {RUN_FAILED, VERDICT_COMMAND}};
	struct lab *l = *state;
	struct request q = run("restart", "nginx");
	struct reply p;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		q.attempt++;
		struct lab_message m = lab_m1(l, &l->client[0], &q, 0);

		lab_knock(l, &m);
		end(l, cases[i].status, 0, "");
		assert_true(lab_reply(l, &m, &p));
		assert_int_equal(p.verdict, cases[i].verdict);
		lab_pass(l, 1000);
	}
	l->deaf = true;
	q.attempt++;
	assert_int_equal(lab_ask(l, &l->client[0], &q, NULL), VERDICT_BUSY);
}

/* Nobody takes the places of the others. */
static void test_so_many_at_a_time(void **state)
{
	struct lab *l = *state;
	struct request q = run("restart", "nginx");
	struct lab_message m;
	struct reply p;

	for (unsigned i = 0; i < 4; i++) {
		q.attempt++;
		m = lab_m1(l, &l->client[0], &q, 0);
		lab_knock(l, &m);
		lab_pass(l, 1000);
	}
	assert_int_equal(l->runs, 4);
	q.attempt++;
	assert_int_equal(lab_ask(l, &l->client[0], &q, NULL), VERDICT_BUSY);
	assert_int_equal(l->runs, 4);
	end(l, RUN_ENDED, 0, "");
	assert_true(lab_reply(l, &m, &p));
	q.attempt++;
	m = lab_m1(l, &l->client[0], &q, 0);
	lab_knock(l, &m);
	assert_int_equal(l->runs, 5);
}

/* Whether it ran nobody knows; it does not run again. */
static void test_a_crash_in_between(void **state)
{
	struct lab *l = *state;
	const struct request q = run("restart", "nginx");
	struct lab_message m = lab_m1(l, &l->client[0], &q, 0);

	lab_knock(l, &m);
	lab_restart(l);
	lab_settle(l);
	assert_int_equal(lab_ask(l, &l->client[0], &q, NULL), VERDICT_RESULT_UNKNOWN);
	assert_int_equal(l->runs, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_a_command_and_what_it_said, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_who_may_what, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_any_line_for_whom_that_is_allowed, setup_line, teardown),
	    cmocka_unit_test_setup_teardown(test_how_it_may_fail, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_so_many_at_a_time, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_crash_in_between, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
