/* Traps: what is answered and how, and that nothing counts but what was sent to where it came from. */
#include <netinet/in.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "auth_lab.h"
#include "capture.h"
#include "clock.h"
#include "errors.h"
#include "segment.h"
#include "trap_cookie.h"
#include "trapped.h"

static const uint32_t ISN = 0xfffffff0; /* near the end of the numbers */

enum { PORT = 40000, AFTER = 3, FORGED = 4000, STEP_MS = TRAP_STEP_S * 1000 };

static const char config[] = "udp-port = 62201\n"
			     "ban-after = 3\n"
			     "ban-for = 100\n"
			     "service \"ssh\" { proto = tcp port = 22 trap = tarpit }\n"
			     "service \"telnet\" { proto = tcp port = 23 trap = report }\n"
			     "service \"web\" { proto = tcp port = 443 }\n";

static int setup(void **state)
{
	struct lab *l = calloc(1, sizeof(*l));

	if (!l)
		return -1;
	lab_start(l, config, "service=ssh", 1);
	*state = l;
	return 0;
}

static struct msg_trapped from(
    const char *client, const char *server, uint16_t port, uint16_t to, uint8_t flags)
{
	struct msg_trapped m = {.head = {MSG_TRAPPED, sizeof(m)},
	    .client_port = port,
	    .server_port = to,
	    .flags = flags,
	    .seq = ISN};
	struct address a;

	assert_int_equal(address_parse(client, &a), 0);
	memcpy(m.client, a.b, sizeof(m.client));
	assert_int_equal(address_parse(server, &a), 0);
	memcpy(m.server, a.b, sizeof(m.server));
	return m;
}

static struct msg_trapped syn_to(uint16_t to)
{
	return from("203.0.113.7", "192.0.2.1", PORT, to, SEGMENT_SYN);
}

/* What auth sent last, read as a capture at the other end would. False: nothing. */
static bool answer(struct lab *l, const struct msg_trapped *m, struct msg_trapped *out)
{
	struct capture_frame f = {.bytes = l->segment, .link = LINK_RAW};

	l->segments = 0;
	assert_int_equal(core_trapped(l->core, m), 0);
	if (l->segments == 0)
		return false;
	assert_int_equal(l->segments, 1);
	f.caplen = f.len = l->segment_len;
	assert_int_equal(trapped_read(&f, out), CAPTURE_MATCHED);
	assert_memory_equal(out->client, m->server, sizeof(out->client));
	assert_memory_equal(out->server, m->client, sizeof(out->server));
	assert_int_equal(out->client_port, m->server_port);
	assert_int_equal(out->server_port, m->client_port);
	return true;
}

static unsigned window(const struct lab *l)
{
	const uint8_t *at = l->segment + l->segment_len - 6;

	return (unsigned)(at[0] << 8 | at[1]);
}

/* The ACK that completes what m began. */
static struct msg_trapped completion(struct lab *l, struct msg_trapped m)
{
	struct msg_trapped a;

	assert_true(answer(l, &m, &a));
	assert_int_equal(a.flags, SEGMENT_SYN | SEGMENT_ACK);
	assert_int_equal(a.ack, (uint32_t)(m.seq + 1));
	m.flags = SEGMENT_ACK;
	m.seq++;
	m.ack = a.seq + 1;
	return m;
}

static void test_report(void **state)
{
	struct lab *l = *state;
	struct msg_trapped ack = completion(l, syn_to(23)), a;

	assert_true(window(l) > 0);
	assert_true(answer(l, &ack, &a));
	assert_int_equal(a.flags, SEGMENT_RST);
	assert_int_equal(a.seq, ack.ack);
	assert_int_equal(lab_count(l, COUNT_TRAPPED), 1);
}

static void test_tarpit(void **state)
{
	struct lab *l = *state;
	struct msg_trapped ack = completion(l, syn_to(22)), probe = ack, a;

	assert_int_equal(window(l), 0);
	assert_false(answer(l, &ack, &a));
	assert_int_equal(lab_count(l, COUNT_TRAPPED), 1);
	probe.seq = ISN;
	for (unsigned i = 0; i < TRAP_STEPS_HELD; i++) {
		assert_true(answer(l, &probe, &a));
		assert_int_equal(a.flags, SEGMENT_ACK);
		assert_int_equal(a.seq, ack.ack);
		assert_int_equal(a.ack, ack.seq);
		assert_int_equal(window(l), 0);
		lab_pass(l, STEP_MS);
	}
	assert_false(answer(l, &probe, &a));
	/* Who only ever probes proves nothing that was not proven. */
	assert_int_equal(lab_count(l, COUNT_TRAPPED), 1);
}

static void test_both_families(void **state)
{
	struct lab *l = *state;
	struct msg_trapped ack =
	    completion(l, from("2001:db8::7", "2001:db8::1", PORT, 22, SEGMENT_SYN));
	struct msg_trapped mixed = from("2001:db8::7", "192.0.2.1", PORT, 22, SEGMENT_SYN), a;

	assert_false(answer(l, &ack, &a));
	assert_int_equal(lab_count(l, COUNT_TRAPPED), 1);
	assert_int_equal(core_trapped(l->core, &mixed), -E_FORMAT);
	ack.unused[6] = 1;
	assert_int_equal(core_trapped(l->core, &ack), -E_FORMAT);
}

/* Whatever differs from what was answered. */
static void test_cookies(void **state)
{
	struct lab *l = *state;
	const struct msg_trapped ack = completion(l, syn_to(23));
	struct msg_trapped m[6], a;

	for (size_t i = 0; i < sizeof(m) / sizeof(m[0]); i++)
		m[i] = ack;
	m[0].ack++;
	m[1].seq++;
	m[2].client_port++;
	m[3].client[15]++;
	m[4].server[15]++;
	m[5].server_port = 22;
	for (size_t i = 0; i < sizeof(m) / sizeof(m[0]); i++)
		assert_false(answer(l, &m[i], &a));
	assert_int_equal(lab_count(l, COUNT_TRAP_FORGED), 6);
	/* It is good in the next step, and not for ever; and not under another key. */
	lab_pass(l, STEP_MS);
	assert_true(answer(l, &ack, &a));
	lab_pass(l, STEP_MS);
	assert_false(answer(l, &ack, &a));
	m[0] = completion(l, syn_to(23));
	lab_restart(l);
	assert_false(answer(l, &m[0], &a));
	assert_int_equal(lab_count(l, COUNT_TRAPPED), 0);
}

static void test_a_connection_counts_once(void **state)
{
	struct lab *l = *state;
	struct msg_trapped ack = completion(l, syn_to(23)), a;

	for (unsigned i = 0; i < 4 * AFTER; i++)
		assert_true(answer(l, &ack, &a));
	assert_int_equal(lab_count(l, COUNT_TRAPPED), 1);
	assert_int_equal(l->bans, 0);
	for (unsigned i = 1; i < AFTER; i++) {
		assert_int_equal(l->bans, 0);
		ack = completion(
		    l, from("203.0.113.7", "192.0.2.1", (uint16_t)(PORT + i), 23, SEGMENT_SYN));
		(void)answer(l, &ack, &a);
		lab_settle(l);
	}
	assert_int_equal(l->bans, 1);
}

static void test_what_draws_no_answer(void **state)
{
	static const uint8_t flags[] = {0, SEGMENT_RST, SEGMENT_FIN, SEGMENT_FIN | SEGMENT_ACK,
	    SEGMENT_RST | SEGMENT_ACK, SEGMENT_SYN | SEGMENT_ACK, SEGMENT_SYN | SEGMENT_FIN,
	    SEGMENT_SYN | SEGMENT_RST, SEGMENT_OF_STATE};
	struct lab *l = *state;
	struct msg_trapped ack = completion(l, syn_to(23)), m = syn_to(443), a;

	assert_false(answer(l, &m, &a));
	m = syn_to(80);
	assert_false(answer(l, &m, &a));
	m = from("127.0.0.1", "192.0.2.1", PORT, 22, SEGMENT_SYN);
	assert_false(answer(l, &m, &a));
	m = from("198.51.100.7", "224.0.0.1", PORT, 22, SEGMENT_SYN);
	assert_false(answer(l, &m, &a));
	m = from("2001:db8::7", "ff02::1", PORT, 22, SEGMENT_SYN);
	assert_false(answer(l, &m, &a));
	for (size_t i = 0; i < sizeof(flags); i++) {
		ack.flags = flags[i];
		assert_false(answer(l, &ack, &a));
	}
	assert_int_equal(lab_count(l, COUNT_TRAPPED), 0);
}

/* From everywhere, with every number: nobody is proven, and answers are bounded. */
static void test_forged_ones_count_for_nothing(void **state)
{
	struct lab *l = *state;
	struct msg_trapped m = syn_to(22);

	for (unsigned i = 0; i < FORGED; i++) {
		m.flags = i % 2 == 0 ? SEGMENT_ACK : SEGMENT_SYN;
		m.client[13] = (uint8_t)i;
		m.seq = i * 2654435761U;
		m.ack = i * 40503U;
		assert_int_equal(core_trapped(l->core, &m), 0);
	}
	lab_settle(l);
	assert_int_equal(lab_count(l, COUNT_TRAPPED), 0);
	assert_int_equal(l->bans, 0);
	assert_int_equal(l->segments, 500); /* in one second */
	assert_int_equal(lab_count(l, COUNT_TRAP_RATE), FORGED / 2 - 500);
}

struct counting {
	enum journal_event event;
	unsigned n;
};

static void count_records(void *arg, const struct journal_record *r)
{
	struct counting *k = arg;

	k->n += r->event == k->event;
}

static unsigned records(struct lab *l, enum journal_event event)
{
	struct counting k = {.event = event};
	struct journal_query q = {.from = 1,
	    .most = UINT32_MAX,
	    .verdict = JOURNAL_NO_VERDICT,
	    .client = "",
	    .service = ""};

	while (q.from < core_journal_next(l->core))
		assert_int_equal(core_journal(l->core, &q, count_records, &k, &q.from), 0);
	return k.n;
}

/* Proven strangers, as many as there are: the journal has room for others. */
static void test_the_journal_is_not_theirs_to_fill(void **state)
{
	struct lab *l = *state;
	struct msg_trapped m = syn_to(23), ack, a;

	for (unsigned i = 0; i < 20000; i++) {
		if (i % 200 == 0)
			lab_pass(l, 1000);
		m.client[14] = (uint8_t)(i >> 8);
		m.client[15] = (uint8_t)i;
		ack = completion(l, m);
		assert_true(answer(l, &ack, &a));
	}
	assert_int_equal(lab_count(l, COUNT_TRAPPED), 20000);
	assert_in_range(records(l, JOURNAL_TRAPPED), 30, 2 * 30 + 1);
	/* The same one is told of once a minute. */
	lab_pass(l, 200000);
	for (unsigned i = 0; i < 10; i++) {
		m.client_port++;
		ack = completion(l, m);
		assert_true(answer(l, &ack, &a));
	}
	assert_in_range(records(l, JOURNAL_TRAPPED), 31, 2 * 30 + 2);
}

/* Nor with bans, of which somebody with a network has as many as he likes. */
static void test_bans_do_not_fill_it_either(void **state)
{
	struct lab *l = *state;
	struct msg_trapped m = syn_to(23), ack, a;
	unsigned addresses = 2000;

	for (unsigned i = 0; i < addresses * AFTER; i++) {
		if (i % 200 == 0)
			lab_pass(l, 1000);
		m.client[14] = (uint8_t)(i / AFTER >> 8);
		m.client[15] = (uint8_t)(i / AFTER);
		m.client_port = (uint16_t)(PORT + i % AFTER);
		ack = completion(l, m);
		assert_true(answer(l, &ack, &a));
		lab_settle(l);
	}
	assert_int_equal(l->bans, addresses);
	assert_int_equal(lab_count(l, COUNT_BANNED), addresses);
	assert_in_range(records(l, JOURNAL_BANNED), 30, 30 + 1);
}

static void test_a_reload_takes_it_away(void **state)
{
	static const char without[] = "udp-port = 62201\n"
				      "service \"ssh\" { proto = tcp port = 22 }\n";
	struct lab *l = *state;
	struct msg_trapped ack = completion(l, syn_to(22)), m = syn_to(22), a;

	l->config_text = without;
	core_swap(l->core, lab_realm(l));
	assert_false(answer(l, &m, &a));
	assert_false(answer(l, &ack, &a));
	assert_int_equal(lab_count(l, COUNT_TRAPPED), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, lab_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_report),
	    TEST(test_tarpit),
	    TEST(test_both_families),
	    TEST(test_cookies),
	    TEST(test_a_connection_counts_once),
	    TEST(test_what_draws_no_answer),
	    TEST(test_forged_ones_count_for_nothing),
	    TEST(test_the_journal_is_not_theirs_to_fill),
	    TEST(test_bans_do_not_fill_it_either),
	    TEST(test_a_reload_takes_it_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
