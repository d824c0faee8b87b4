/* reload - all or nothing: which steps are taken, in which order, and what is in force after. */
#include "unit.h"

#include <stdio.h>

#include "reload.h"

enum { FIRST = 1, STEPS_TEXT = 512 };

struct fake {
	struct reload r;
	char steps[STEPS_TEXT]; /* what was done, in order */
	const char *fail;	/* the step that fails; NULL: none */
	bool unsettled;		/* the captures are still starting */
	bool want_in_abort;	/* somebody asks again just then */
};

static void note(struct fake *f, const char *step)
{
	const size_t len = strlen(f->steps);

	assert_true(len + strlen(step) + 2 < sizeof(f->steps));
	(void)snprintf(f->steps + len, sizeof(f->steps) - len, "%s%s", len ? " " : "", step);
}

static int step(struct fake *f, const char *name)
{
	note(f, name);
	return f->fail && strcmp(f->fail, name) == 0 ? -1 : 0;
}

static void fake_begin(void *arg)
{
	note(arg, "begin");
}

static int fake_prepare(void *arg)
{
	return step(arg, "prepare");
}

static int fake_offer(void *arg, uint32_t generation)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "offer-%u", generation);
	return step(arg, text);
}

static int fake_guard(void *arg)
{
	return step(arg, "guard");
}

static void fake_commit(void *arg, uint32_t generation)
{
	struct fake *f = arg;

	assert_int_not_equal(f->r.generation, generation);
	note(f, "commit");
}

static bool fake_settled(void *arg)
{
	const struct fake *f = arg;

	return !f->unsettled;
}

static void fake_abort(void *arg)
{
	struct fake *f = arg;

	note(f, "abort");
	if (f->want_in_abort)
		reload_want(&f->r);
	f->want_in_abort = false;
}

static void fake_end(void *arg, bool ok)
{
	note(arg, ok ? "end" : "failed");
}

static const struct reload_ops ops = {.begin = fake_begin,
    .prepare = fake_prepare,
    .offer = fake_offer,
    .guard = fake_guard,
    .commit = fake_commit,
    .settled = fake_settled,
    .abort = fake_abort,
    .end = fake_end};

static void start(struct fake *f, bool auth_ready)
{
	*f = (struct fake){.fail = NULL};
	reload_init(&f->r, FIRST, &ops, f);
	if (auth_ready)
		reload_auth_ready(&f->r);
	assert_string_equal(f->steps, "");
}

static void expect(struct fake *f, const char *steps, uint32_t generation)
{
	assert_string_equal(f->steps, steps);
	assert_int_equal(f->r.generation, generation);
	f->steps[0] = '\0';
}

static void test_all(void **state)
{
	struct fake f;

	(void)state;
	start(&f, true);
	reload_want(&f.r);
	expect(&f, "begin prepare offer-2", FIRST);
	assert_int_equal(reload_loaded(&f.r, 2, true), 0);
	expect(&f, "guard commit end", 2);
	reload_want(&f.r);
	assert_int_equal(reload_loaded(&f.r, 3, true), 0);
	expect(&f, "begin prepare offer-3 guard commit end", 3);
}

/* Who asked is told when the captures hear, not before. */
static void test_settling(void **state)
{
	struct fake f;

	(void)state;
	start(&f, true);
	f.unsettled = true;
	reload_want(&f.r);
	assert_int_equal(reload_loaded(&f.r, 2, true), 0);
	expect(&f, "begin prepare offer-2 guard commit", 2);
	reload_settle(&f.r);
	expect(&f, "", 2);
	reload_want(&f.r); /* after this one */
	expect(&f, "", 2);
	f.unsettled = false;
	reload_settle(&f.r);
	expect(&f, "end begin prepare offer-3", 2);
	reload_settle(&f.r);
	expect(&f, "", 2);
	f.unsettled = true;
	assert_int_equal(reload_loaded(&f.r, 3, true), 0);
	expect(&f, "guard commit", 3);
	reload_timed_out(&f.r);
	expect(&f, "end", 3);
	reload_want(&f.r);
	assert_int_equal(reload_loaded(&f.r, 4, true), 0);
	reload_auth_gone(&f.r);
	expect(&f, "begin prepare offer-4 guard commit end", 4);
}

static void test_nothing(void **state)
{
	static const struct {
		const char *fail, *steps;
		bool loaded;
		uint32_t next;
	} cases[] = {
	    {"prepare", "begin prepare abort failed", false, 2},
	    {"offer-2", "begin prepare offer-2 abort failed", false, 3},
	    {"guard", "begin prepare offer-2 guard abort failed", true, 3},
	    {NULL, "begin prepare offer-2 abort failed", true, 3}, /* auth says no */
	};
	struct fake f;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		start(&f, true);
		f.fail = cases[i].fail;
		reload_want(&f.r);
		if (cases[i].loaded)
			assert_int_equal(reload_loaded(&f.r, 2, f.fail != NULL), 0);
		expect(&f, cases[i].steps, FIRST);
		/* And the next one goes through. */
		f.fail = NULL;
		reload_want(&f.r);
		f.steps[0] = '\0';
		assert_int_equal(reload_loaded(&f.r, cases[i].next, true), 0);
		expect(&f, "guard commit end", cases[i].next);
	}
}

static void test_wanted_before_auth_is_ready(void **state)
{
	struct fake f;

	(void)state;
	start(&f, false);
	reload_want(&f.r);
	reload_want(&f.r);
	expect(&f, "", FIRST);
	reload_auth_ready(&f.r);
	expect(&f, "begin prepare offer-2", FIRST);
	assert_int_equal(reload_loaded(&f.r, 2, true), 0);
	expect(&f, "guard commit end", 2);
}

static void test_wanted_meanwhile(void **state)
{
	struct fake f;

	(void)state;
	start(&f, true);
	reload_want(&f.r);
	reload_want(&f.r);
	reload_want(&f.r);
	expect(&f, "begin prepare offer-2", FIRST);
	assert_int_equal(reload_loaded(&f.r, 2, true), 0);
	expect(&f, "guard commit end begin prepare offer-3", 2); /* once for both */
}

static void test_auth_dies(void **state)
{
	struct fake f;

	(void)state;
	start(&f, true);
	reload_want(&f.r);
	reload_auth_gone(&f.r);
	expect(&f, "begin prepare offer-2 abort failed", FIRST);
	reload_auth_ready(&f.r);
	expect(&f, "", FIRST); /* nobody asked again */
	reload_want(&f.r);
	reload_auth_gone(&f.r);
	reload_want(&f.r);
	expect(&f, "begin prepare offer-3 abort failed", FIRST);
	reload_auth_ready(&f.r);
	expect(&f, "begin prepare offer-4", FIRST);
}

static void test_time_out(void **state)
{
	struct fake f;

	(void)state;
	start(&f, true);
	reload_timed_out(&f.r);
	expect(&f, "", FIRST);
	reload_want(&f.r);
	reload_timed_out(&f.r);
	expect(&f, "begin prepare offer-2 abort failed", FIRST);
	/* The answer comes after all: it counts for nothing, for the next offer least of all. */
	assert_int_equal(reload_loaded(&f.r, 2, true), 0);
	reload_want(&f.r);
	assert_int_equal(reload_loaded(&f.r, 2, true), 0);
	expect(&f, "begin prepare offer-3", FIRST);
	assert_int_equal(reload_loaded(&f.r, 3, true), 0);
	expect(&f, "guard commit end", 3);
}

static void test_answers_to_nothing(void **state)
{
	struct fake f;

	(void)state;
	start(&f, true);
	assert_int_equal(reload_loaded(&f.r, 2, true), -1);
	assert_int_equal(reload_loaded(&f.r, FIRST, true), -1);
	reload_want(&f.r);
	assert_int_equal(reload_loaded(&f.r, 3, true), -1);
	assert_int_equal(reload_loaded(&f.r, FIRST, true), -1);
	expect(&f, "begin prepare offer-2", FIRST);
	assert_int_equal(reload_loaded(&f.r, 2, true), 0);
	assert_int_equal(reload_loaded(&f.r, 2, true), -1); /* twice */
}

static void test_asked_again_while_failing(void **state)
{
	struct fake f;

	(void)state;
	start(&f, true);
	f.want_in_abort = true;
	reload_want(&f.r);
	assert_int_equal(reload_loaded(&f.r, 2, false), 0);
	expect(&f, "begin prepare offer-2 abort failed begin prepare offer-3", FIRST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_all),
	    cmocka_unit_test(test_settling),
	    cmocka_unit_test(test_nothing),
	    cmocka_unit_test(test_wanted_before_auth_is_ready),
	    cmocka_unit_test(test_wanted_meanwhile),
	    cmocka_unit_test(test_auth_dies),
	    cmocka_unit_test(test_time_out),
	    cmocka_unit_test(test_answers_to_nothing),
	    cmocka_unit_test(test_asked_again_while_failing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
