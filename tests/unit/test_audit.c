/* The journal: a record for each decision and each end, bounded, and read by pages. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <cmocka.h>

#include "auth_lab.h"
#include "clock.h"
#include "log.h"

enum { SEEN_MAX = 2048, PAGE = 64, CROWD = 5000, CROWD_MS = 60000 };

struct seen {
	unsigned n;
	struct journal_record r[SEEN_MAX];
};

static void see(void *arg, const struct journal_record *r)
{
	struct seen *s = arg;

	assert_true(s->n < SEEN_MAX);
	s->r[s->n++] = *r;
}

static struct journal_query all(void)
{
	return (struct journal_query){
	    .from = 1, .most = PAGE, .verdict = JOURNAL_NO_VERDICT, .client = "", .service = ""};
}

/* All pages of it, forward. */
static struct seen *read_all(struct lab *l, struct journal_query q)
{
	static struct seen s;
	uint64_t next;

	s.n = 0;
	while (q.from < core_journal_next(l->core)) {
		assert_int_equal(core_journal(l->core, &q, see, &s, &next), 0);
		assert_true(next > q.from);
		q.from = next;
	}
	return &s;
}

static void test_a_record_for_each_decision(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	struct request q = lab_request(VERB_CLOSE);
	struct seen *s;
	struct reply p;

	assert_true(lab_prove(l, c));
	assert_int_equal(lab_open_service(l, c, "ssh", &p), VERDICT_OK);
	assert_int_equal(lab_open_service(l, c, "none", NULL), VERDICT_DENIED);
	q.has_session = true;
	q.session = p.door[0].session;
	assert_int_equal(lab_ask(l, c, &q, NULL), VERDICT_OK);
	s = read_all(l, all());
	assert_int_equal(s->n, 6);
	assert_int_equal(s->r[0].event, JOURNAL_CHALLENGED);
	assert_string_equal(s->r[0].reason, "unknown");
	assert_int_equal(s->r[1].verb, VERB_PING);
	assert_int_equal(s->r[2].event, JOURNAL_GRANTED);
	assert_string_equal(s->r[2].client, "c0");
	assert_string_equal(s->r[2].what, "ssh");
	assert_true(address_equal(&s->r[2].from, &c->address));
	assert_true(address_equal(&s->r[2].admit.addr, &c->address));
	assert_int_equal(s->r[2].sessions, 1);
	assert_true(s->r[2].session[0] == q.session);
	assert_true(s->r[2].time_ns == l->real_ns || s->r[2].time_ns < l->real_ns);
	assert_int_equal(s->r[3].event, JOURNAL_ANSWERED);
	assert_int_equal(s->r[3].verdict, VERDICT_DENIED);
	assert_string_equal(s->r[3].what, "none");
	assert_int_equal(s->r[4].event, JOURNAL_CLOSED);
	assert_int_equal(s->r[4].verdict, JOURNAL_NO_VERDICT);
	assert_string_equal(s->r[4].reason, "asked");
	assert_int_equal(s->r[5].verb, VERB_CLOSE);
	for (unsigned i = 0; i < s->n; i++)
		assert_int_equal(s->r[i].number, i + 1);
}

/* Nothing is decided anew, so nothing is recorded; and a stranger writes nothing at all. */
static void test_no_record_without_decision(void **state)
{
	struct lab *l = *state;
	struct lab_client *c = &l->client[0];
	struct request q = lab_open("ssh");
	struct lab_message m;
	struct reply p;
	uint64_t before;

	assert_true(lab_prove(l, c));
	assert_int_equal(lab_ask(l, c, &q, NULL), VERDICT_OK);
	before = core_journal_next(l->core);
	lab_pass(l, 1000);
	assert_int_equal(lab_ask(l, c, &q, NULL), VERDICT_OK); /* the same attempt */
	m = lab_m1(l, &l->client[5], &q, 0);		       /* of no client */
	lab_knock(l, &m);
	m = lab_m1(l, c, &q, 0);
	lab_knock(l, &m);
	assert_true(lab_reply(l, &m, &p));
	lab_knock(l, &m); /* a replay */
	assert_true(core_journal_next(l->core) == before);
}

static void test_filters(void **state)
{
	struct lab *l = *state;
	struct journal_query q = all();
	struct seen *s;

	for (unsigned i = 0; i < 2; i++) {
		assert_true(lab_prove(l, &l->client[i]));
		assert_int_equal(
		    lab_open_service(l, &l->client[i], i ? "web" : "ssh", NULL), VERDICT_OK);
		lab_pass(l, 5000);
		assert_int_equal(lab_open_service(l, &l->client[i], "none", NULL), VERDICT_DENIED);
	}
	q.client = "c1";
	assert_int_equal(read_all(l, q)->n, 4);
	q.service = "web";
	s = read_all(l, q);
	assert_int_equal(s->n, 1);
	assert_string_equal(s->r[0].client, "c1");
	q = all();
	q.verdict = VERDICT_DENIED;
	assert_int_equal(read_all(l, q)->n, 2);
	q = all();
	q.since_ns = l->real_ns - NS_PER_S;
	assert_int_equal(read_all(l, q)->n, 1);
	q = all();
	q.service = "we"; /* no part of a name is the name */
	assert_int_equal(read_all(l, q)->n, 0);
}

static void test_backwards(void **state)
{
	struct lab *l = *state;
	struct journal_query q = all();
	static struct seen s;
	uint64_t next;

	assert_true(lab_prove(l, &l->client[0]));
	assert_int_equal(lab_open_service(l, &l->client[0], "ssh", NULL), VERDICT_OK);
	q.back = true;
	q.from = UINT64_MAX;
	q.most = 2;
	s.n = 0;
	assert_int_equal(core_journal(l->core, &q, see, &s, &next), 0);
	assert_int_equal(s.n, 2);
	assert_true(s.r[0].number == 3 && s.r[1].number == 2 && next == 2);
	q.from = next;
	assert_int_equal(core_journal(l->core, &q, see, &s, &next), 0);
	assert_true(s.n == 3 && s.r[2].number == 1 && next == core_journal_oldest(l->core));
	q.from = next;
	assert_int_equal(core_journal(l->core, &q, see, &s, &next), 0);
	assert_true(s.n == 3 && next == 1);
}

static void test_outlives_the_process(void **state)
{
	struct lab *l = *state;

	assert_true(lab_prove(l, &l->client[0]));
	core_tick(l->core);
	lab_restart(l);
	assert_int_equal(read_all(l, all())->n, 2);
	assert_int_equal(lab_open_service(l, &l->client[0], "ssh", NULL), VERDICT_OK);
	assert_int_equal(read_all(l, all())->r[2].number, 3);
}

static void put_record(struct lab *l, uint64_t number)
{
	struct journal_record r = {.number = number, .event = JOURNAL_ANSWERED, .client = "old"};
	uint8_t key[STORE_KEY_BYTES], value[STORE_VALUE_MAX];
	size_t len;

	journal_key(number, key);
	len = journal_record_encode(&r, key, value);
	assert_int_equal(l->store->ops->put(l->store, STORE_JOURNAL, key, value, len), 0);
}

static int count_one(
    void *arg, const uint8_t key[static STORE_KEY_BYTES], const uint8_t *value, size_t len)
{
	(void)key;
	(void)value;
	assert_true(len > 0);
	++*(unsigned *)arg;
	return 0;
}

static unsigned stored(struct lab *l)
{
	unsigned n = 0;

	assert_int_equal(l->store->ops->begin(l->store), 0);
	assert_int_equal(l->store->ops->each(l->store, STORE_JOURNAL, count_one, &n), 0);
	l->store->ops->abort(l->store);
	return n;
}

static void test_the_oldest_makes_place(void **state)
{
	struct lab *l = *state;
	struct journal_query q = all();
	static struct seen s;
	uint64_t next;

	assert_int_equal(l->store->ops->begin(l->store), 0);
	for (uint64_t n = 11; n < 11 + JOURNAL_MAX; n++)
		put_record(l, n);
	assert_int_equal(l->store->ops->commit(l->store), 0);
	lab_restart(l);
	assert_true(core_journal_next(l->core) == 11 + JOURNAL_MAX);
	assert_true(lab_prove(l, &l->client[0]));
	core_tick(l->core);
	assert_int_equal(stored(l), JOURNAL_MAX);
	s.n = 0;
	assert_int_equal(core_journal(l->core, &q, see, &s, &next), 0);
	assert_int_equal(s.n, PAGE);
	assert_true(s.r[0].number == 13 && next == 13 + PAGE);
	/* One page looks at so many at most, so that a filter that nothing passes does not stop the process. */
	q.client = "c0";
	assert_int_equal(core_journal(l->core, &q, see, &s, &next), 0);
	assert_true(s.n == PAGE && next < JOURNAL_MAX / 8);
	assert_int_equal(read_all(l, q)->n, 2);
}

static void test_what_is_damaged_is_passed_over(void **state)
{
	struct lab *l = *state;
	uint8_t key[STORE_KEY_BYTES];
	struct seen *s;

	assert_true(lab_prove(l, &l->client[0]));
	assert_int_equal(lab_open_service(l, &l->client[0], "ssh", NULL), VERDICT_OK);
	core_tick(l->core);
	assert_int_equal(l->store->ops->begin(l->store), 0);
	journal_key(2, key);
	assert_int_equal(
	    l->store->ops->put(l->store, STORE_JOURNAL, key, (const uint8_t *)"junk", 4), 0);
	assert_int_equal(l->store->ops->commit(l->store), 0);
	lab_restart(l);
	s = read_all(l, all());
	assert_int_equal(s->n, 2);
	assert_true(s->r[0].number == 1 && s->r[1].number == 3);
	assert_true(core_journal_next(l->core) == 4);
}

/* What it was when the store failed is written when it can be again, once. */
static void test_waits_for_the_store(void **state)
{
	struct lab *l = *state;

	assert_true(lab_prove(l, &l->client[0]));
	store_memory_fail(l->store, 2);
	core_tick(l->core);
	core_tick(l->core);
	lab_settle(l);
	assert_int_equal(stored(l), 1); /* what was there when the answer came */
	core_tick(l->core);
	assert_int_equal(stored(l), 2);
	assert_int_equal(read_all(l, all())->n, 2);
}

/* Sessions of an earlier process, more than records may wait for a store that fails. */
static void with_a_crowd(struct lab *l)
{
	struct session_record r = {.service = "ssh",
	    .proto = IPPROTO_TCP,
	    .port = 22,
	    .admit.len = 32,
	    .end_ms = l->boot_ms + CROWD_MS};
	uint8_t key[STORE_KEY_BYTES], value[STORE_VALUE_MAX];

	memcpy(r.cid, l->client[0].cid, CID_BYTES);
	core_tick(l->core);
	assert_int_equal(l->store->ops->begin(l->store), 0);
	for (unsigned i = 1; i <= CROWD; i++) {
		const uint8_t address[4] = {10, 1, (uint8_t)(i >> 8), (uint8_t)i};
		struct writer w = writer_of(key, sizeof(key));
		size_t len;

		r.admit.addr = address_v4(address);
		write_u64(&w, i);
		len = session_record_encode(&r, key, value);
		assert_int_equal(l->store->ops->put(l->store, STORE_SESSIONS, key, value, len), 0);
	}
	assert_int_equal(l->store->ops->commit(l->store), 0);
	log_set_level(LOG_LEVEL_ERROR); /* a line for each is too much to read */
	l->deaf = true;
	lab_restart(l);
}

static unsigned sessions_now(struct lab *l)
{
	size_t n;

	free(core_sessions(l->core, &n));
	return (unsigned)n;
}

/* Each end is on record, and nobody waits until all have ended. */
static void test_many_ends_at_once(void **state)
{
	struct lab *l = *state;
	unsigned before, ticks = 0;

	with_a_crowd(l);
	assert_int_equal(sessions_now(l), CROWD);
	lab_pass(l, CROWD_MS);
	for (; (before = sessions_now(l)) > 0; ticks++) {
		core_tick(l->core);
		assert_true(sessions_now(l) < before && before - sessions_now(l) < CROWD / 10);
		assert_true(sessions_now(l) == 0 || core_tick_due(l->core) < 10);
	}
	assert_true(ticks > 10 && core_tick_due(l->core) == 0);
	assert_int_equal(stored(l), CROWD);
	assert_int_equal(lab_count(l, COUNT_JOURNAL_LOST), 0);
	lab_restart(l);
	assert_int_equal(sessions_now(l), 0);
}

static void test_many_ends_by_one_reload(void **state)
{
	struct lab *l = *state;

	with_a_crowd(l);
	l->config_text = "udp-port = 62201\n"
			 "service \"web\" { proto = tcp port = 443 hold = 30 max-hold = 300 }\n";
	l->options = "service=web";
	core_swap(l->core, lab_realm(l));
	assert_int_equal(sessions_now(l), 0);
	core_tick(l->core);
	assert_int_equal(stored(l), CROWD);
	assert_int_equal(lab_count(l, COUNT_JOURNAL_LOST), 0);
}

/* Nobody knocked for it, and a door is not what it was. */
static void test_what_a_reload_shortens(void **state)
{
	struct lab *l = *state;
	struct seen *s;

	l->config_text = "udp-port = 62201\nevent-script = /bin/true\n"
			 "service \"ssh\" { proto = tcp port = 22 }\n";
	l->options = "service=ssh";
	core_swap(l->core, lab_realm(l));
	assert_true(lab_prove(l, &l->client[0]));
	assert_int_equal(lab_open_service(l, &l->client[0], "ssh", NULL), VERDICT_OK);
	assert_int_equal(l->events[EVENT_GRANTED], 1);
	l->options = "service=ssh,max-hold=5";
	core_swap(l->core, lab_realm(l));
	for (unsigned e = 0; e < EVENTS; e++) /* the journal alone has it */
		assert_int_equal(l->events[e], e == EVENT_GRANTED ? 1 : 0);
	s = read_all(l, all());
	assert_int_equal(s->r[s->n - 1].event, JOURNAL_SHORTENED);
	assert_string_equal(s->r[s->n - 1].client, "c0");
	assert_string_equal(s->r[s->n - 1].what, "ssh");
}

/* While it fails, so many wait and no more; nobody tries to write each of the others. */
static void test_many_ends_without_a_store(void **state)
{
	struct lab *l = *state;

	with_a_crowd(l);
	lab_pass(l, CROWD_MS);
	store_memory_fail(l->store, 1000);
	while (sessions_now(l) > 0)
		core_tick(l->core);
	assert_in_range(lab_count(l, COUNT_JOURNAL_LOST), 1, CROWD / 2);
	store_memory_fail(l->store, 0);
	core_tick(l->core);
	assert_int_equal(stored(l) + lab_count(l, COUNT_JOURNAL_LOST), CROWD);
}

static unsigned commits;
static int (*real_commit)(struct store *s);

static int counted_commit(struct store *s)
{
	commits++;
	return real_commit(s);
}

/* One for the mark, one for the result: as many as without a journal. */
static void test_costs_no_commit(void **state)
{
	struct lab *l = *state;
	struct store_ops ops = *l->store->ops;
	const struct store_ops *before = l->store->ops;

	assert_true(lab_prove(l, &l->client[0]));
	core_tick(l->core);
	real_commit = ops.commit;
	ops.commit = counted_commit;
	l->store->ops = &ops;
	commits = 0;
	assert_int_equal(lab_open_service(l, &l->client[0], "ssh", NULL), VERDICT_OK);
	core_tick(l->core);
	core_tick(l->core);
	l->store->ops = before;
	assert_int_equal(commits, 2);
	assert_int_equal(stored(l), 3);
}

static void test_bytes_and_back(void **state)
{
	struct journal_record r = {.number = 70000,
	    .time_ns = UINT64_MAX,
	    .event = JOURNAL_ENDED,
	    .verdict = VERDICT_EXPIRED,
	    .verb = VERB_RUN,
	    .has_from = true,
	    .has_exit_status = true,
	    .exit_status = 255,
	    .attempt = 7,
	    .sessions = JOURNAL_SESSIONS};
	uint8_t key[STORE_KEY_BYTES], value[STORE_VALUE_MAX];
	struct journal_record back;
	size_t len;

	(void)state;
	memset(r.what, 'w', JOURNAL_WHAT_MAX);
	memset(r.reason, 0xff, REASON_MAX);
	memset(r.arguments, 'a', JOURNAL_ARGUMENTS_MAX);
	r.has_second = true;
	assert_int_equal(prefix_parse("2001:db8::/32", &r.second), 0);
	memset(r.client, 'c', CONFIG_NAME_MAX);
	for (unsigned i = 0; i < JOURNAL_SESSIONS; i++)
		r.session[i] = i + 1;
	journal_key(r.number, key);
	len = journal_record_encode(&r, key, value);
	assert_int_equal(journal_record_decode(&back, key, value, len), 0);
	assert_int_equal(back.number, 70000);
	assert_true(back.has_from && !back.has_admit && back.has_exit_status);
	assert_string_equal(back.what, r.what);
	assert_string_equal(back.reason, r.reason);
	assert_string_equal(back.arguments, r.arguments);
	assert_true(back.has_second && prefix_equal(&back.second, &r.second));
	assert_string_equal(back.client, r.client);
	assert_memory_equal(back.session, r.session, sizeof(r.session));
	for (size_t cut = 0; cut < len; cut++)
		assert_true(journal_record_decode(&back, key, value, cut) < 0);
	for (size_t i = 0; i < len; i++) {
		value[i] ^= 1;
		assert_true(journal_record_decode(&back, key, value, len) < 0);
		value[i] ^= 1;
	}
	key[0] ^= 1;
	assert_true(journal_record_decode(&back, key, value, len) < 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_a_record_for_each_decision),
	    TEST(test_no_record_without_decision),
	    TEST(test_filters),
	    TEST(test_backwards),
	    TEST(test_outlives_the_process),
	    TEST(test_the_oldest_makes_place),
	    TEST(test_what_is_damaged_is_passed_over),
	    TEST(test_waits_for_the_store),
	    TEST(test_many_ends_at_once),
	    TEST(test_many_ends_by_one_reload),
	    TEST(test_what_a_reload_shortens),
	    TEST(test_many_ends_without_a_store),
	    TEST(test_costs_no_commit),
	    cmocka_unit_test(test_bytes_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
