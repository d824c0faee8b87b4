#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* The hooks are tried whatever the build has: compiled in here, once more. */
#ifndef POSTERN_FAULT_HOOKS
#define POSTERN_FAULT_HOOKS 1
#endif
#include "fault.c"

/* Passes step count times in a child that has POSTERN_FAULT; returns its wait status. */
static int passed(const char *want, const char *step, unsigned count)
{
	pid_t pid = fork();
	int status = 0;

	assert_true(pid >= 0);
	if (pid == 0) {
		if (want != NULL)
			(void)setenv("POSTERN_FAULT", want, 1);
		else
			(void)unsetenv("POSTERN_FAULT");
		fault_start();
		while (count-- > 0)
			FAULT(step);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void assert_killed(int status)
{
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void test_dies_at_the_named_step(void **state)
{
	(void)state;
	assert_killed(passed("auth.committed", "auth.committed", 1));
	assert_int_equal(passed("auth.committed", "auth.commit", 5), 0);
	assert_int_equal(passed("auth.committed", "auth.committed.not", 5), 0);
	assert_int_equal(passed(NULL, "auth.committed", 5), 0);
}

static void test_dies_at_the_named_pass(void **state)
{
	(void)state;
	assert_int_equal(passed("auth.committed:3", "auth.committed", 2), 0);
	assert_killed(passed("auth.committed:3", "auth.committed", 3));
}

static void test_forbidden_lives_without_a_sandbox(void **state)
{
	(void)state;
	assert_int_equal(passed("capture.forbidden", "capture.forbidden", 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_dies_at_the_named_step),
	    cmocka_unit_test(test_dies_at_the_named_pass),
	    cmocka_unit_test(test_forbidden_lives_without_a_sandbox),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
