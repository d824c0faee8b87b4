/* Sequences that are a client's, or others': what comes along them. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "auth_lab.h"

enum { UNNAMED = 1 << 0, ALPHA = 1 << 1, BETA = 1 << 2, MINUTE_MS = 60000, RECORDS = 64 };

static const char sequences[] = "sequence = {11, 12, 13, 14, 15}\n"
				"sequence \"alpha\" { id = 1 range = 20000-20100 }\n"
				"sequence \"beta\" { id = 2 range = 20000-20100 }\n"
				"service \"ssh\" { proto = tcp port = 22 }\n";

static struct lab *start(const char *options)
{
	static struct lab l;

	memset(&l, 0, sizeof(l));
	lab_start(&l, sequences, options, 1);
	return &l;
}

struct journal {
	unsigned n;
	struct journal_record last;
};

static void see(void *arg, const struct journal_record *r)
{
	struct journal *j = arg;

	j->n += r->event == JOURNAL_DROPPED;
	if (r->event == JOURNAL_DROPPED)
		j->last = *r;
}

/* What was dropped. */
static struct journal read_journal(struct lab *l)
{
	const struct journal_query all = {
	    .from = 1, .most = RECORDS, .verdict = JOURNAL_NO_VERDICT, .client = "", .service = ""};
	struct journal j = {0};
	uint64_t next;

	assert_int_equal(core_journal(l->core, &all, see, &j, &next), 0);
	return j;
}

static int knock(struct lab *l, uint64_t along)
{
	l->along = along;
	return lab_open_service(l, &l->client[0], "ssh", NULL);
}

static void each_along_its_own(void **state)
{
	(void)state;
	static const struct {
		const char *options;
		uint64_t own, others;
	} table[] = {{"service=ssh", UNNAMED, ALPHA | BETA},
	    {"service=ssh,sequence=alpha", ALPHA, UNNAMED | BETA},
	    {"service=ssh,sequence=beta,carrier=sequence,sequence=alpha", BETA, UNNAMED},
	    {"service=ssh,sequence=beta,sequence=alpha", ALPHA, UNNAMED}};

	for (size_t i = 0; i < COUNT_OF(table); i++) {
		struct lab *l = start(table[i].options);
		struct journal j;

		l->along = table[i].own;
		assert_true(lab_prove(l, &l->client[0]));
		assert_int_equal(knock(l, table[i].others), -1);
		assert_int_equal(l->doors, 0);
		assert_int_equal(lab_count(l, COUNT_SEQUENCE), 1);
		j = read_journal(l);
		assert_int_equal(j.n, 1);
		assert_string_equal(j.last.client, "c0");
		assert_true(address_equal(&j.last.from, &l->client[0].address));
		assert_int_equal(j.last.verdict, JOURNAL_NO_VERDICT);
		assert_int_equal(knock(l, table[i].own), VERDICT_OK);
		/* Where ranges overlap a knock may fit both. */
		assert_true(knock(l, table[i].own | table[i].others) >= 0);
		assert_int_equal(lab_count(l, COUNT_SEQUENCE), 1);
		lab_stop(l);
	}
}

static void the_journal_names_it(void **state)
{
	(void)state;
	struct lab *l = start("service=ssh,sequence=alpha");

	assert_int_equal(knock(l, BETA), -1);
	assert_string_equal(
	    read_journal(l).last.reason, "along a sequence that is not its own: beta");
	assert_int_equal(knock(l, UNNAMED | BETA), -1);
	assert_string_equal(
	    read_journal(l).last.reason, "along a sequence that is not its own: -,beta");
	lab_stop(l);
}

/* Whoever copies a knock to there spends nothing of its sender's. */
static void copies_along_another_spend_nothing(void **state)
{
	(void)state;
	struct lab *l = start("service=ssh,sequence=alpha");
	struct request q = lab_open("ssh");
	struct lab_message m;
	struct reply p;

	l->along = ALPHA;
	assert_true(lab_prove(l, &l->client[0]));
	m = lab_m1(l, &l->client[0], &q, 0);
	for (unsigned i = 0; i < 100; i++) {
		l->capture = i % 2 + 1; /* two captures see it */
		l->along = BETA;
		lab_knock(l, &m);
	}
	assert_int_equal(l->sent, 0);
	assert_int_equal(read_journal(l).n, 5);
	l->along = ALPHA;
	lab_knock(l, &m);
	assert_true(lab_reply(l, &m, &p));
	assert_int_equal(p.verdict, VERDICT_OK);
	/* What was answered is no news any more, wherever it comes. */
	lab_pass(l, MINUTE_MS);
	l->along = BETA;
	lab_knock(l, &m);
	assert_int_equal(read_journal(l).n, 5);
	lab_stop(l);
}

static void answers_go_along_it_too(void **state)
{
	(void)state;
	struct lab *l = start("service=ssh,sequence=alpha");
	struct request q = lab_request(VERB_PING);
	struct lab_message m1, m3;
	struct reply p;

	l->along = ALPHA;
	m1 = lab_m1(l, &l->client[0], &q, 0);
	lab_knock(l, &m1);
	assert_true(lab_reply(l, &m1, &p));
	assert_int_equal(p.verdict, VERDICT_CHALLENGE);
	m3 = lab_m3(l, &l->client[0], &m1, &p, 0, NULL);
	l->along = BETA;
	lab_knock(l, &m3);
	assert_int_equal(l->sent, 0);
	l->along = ALPHA;
	lab_knock(l, &m3);
	assert_true(lab_reply(l, &m3, &p));
	assert_int_equal(p.verdict, VERDICT_OK);
	lab_stop(l);
}

/* Who has only named ones knocks by other carriers as before. */
static void other_carriers_are_left_alone(void **state)
{
	(void)state;
	struct lab *l = start("service=ssh,sequence=alpha");

	assert_true(lab_prove(l, &l->client[0]));
	assert_int_equal(knock(l, 0), VERDICT_OK);
	lab_stop(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_along_its_own),
	    cmocka_unit_test(the_journal_names_it),
	    cmocka_unit_test(copies_along_another_spend_nothing),
	    cmocka_unit_test(answers_go_along_it_too),
	    cmocka_unit_test(other_carriers_are_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
