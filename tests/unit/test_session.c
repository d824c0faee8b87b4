/* The table of sessions: three ways to each, and doors that several share. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "session.h"

static struct session_record record(uint8_t client, const char *admit, uint16_t port, uint64_t end)
{
	struct session_record r = {.service = "ssh", .proto = 6, .port = port, .end_ms = end};

	memset(r.cid, client, sizeof(r.cid));
	assert_int_equal(prefix_parse(admit, &r.admit), 0);
	return r;
}

static struct session *add(struct sessions *ss, uint64_t id, uint8_t client, const char *admit,
    uint16_t port, uint64_t end)
{
	struct session_record r = record(client, admit, port, end);

	return sessions_add(ss, id, &r, 0);
}

static void test_ways_to_a_session(void **state)
{
	struct sessions *ss = sessions_new();
	struct session *s = add(ss, 1, 10, "10.0.0.1", 22, 100);
	struct session_record r = record(10, "10.0.0.1", 22, 999);
	size_t n;

	(void)state;
	add(ss, 2, 10, "10.0.0.2", 22, 100);
	add(ss, 3, 11, "10.0.0.1", 22, 100);
	assert_ptr_equal(sessions_find(ss, 1), s);
	assert_null(sessions_find(ss, 4));
	assert_ptr_equal(sessions_match(ss, &r), s);
	r.port = 23;
	assert_null(sessions_match(ss, &r));
	r = record(12, "10.0.0.1", 22, 0);
	assert_null(sessions_match(ss, &r));
	r = record(10, "10.0.0.0/31", 22, 0);
	assert_null(sessions_match(ss, &r));
	assert_ptr_equal(sessions_of(ss, s->r.cid, &n), s);
	assert_int_equal(n, 2);
	assert_null(sessions_of(ss, r.admit.addr.b, &n));
	assert_int_equal(n, 0);
	assert_int_equal(sessions_count(ss), 3);
	sessions_remove(ss, s);
	assert_null(sessions_find(ss, 1));
	assert_int_equal(sessions_count(ss), 2);
	sessions_free(ss);
}

static void test_drawn_ports(void **state)
{
	struct sessions *ss = sessions_new();
	struct session *s = add(ss, 1, 10, "10.0.0.1", 20007, 100), *same;
	struct session_record r = record(10, "10.0.0.1", 0, 999);

	(void)state;
	assert_ptr_equal(sessions_match_drawn(ss, &r, 0), s);
	assert_null(sessions_match_drawn(ss, &r, 1));
	r.narrowing.once = true;
	assert_null(sessions_match_drawn(ss, &r, 0));
	r = record(11, "10.0.0.1", 0, 999);
	assert_null(sessions_match_drawn(ss, &r, 0));
	assert_true(sessions_at_port(ss, 6, 20007));
	assert_false(sessions_at_port(ss, 17, 20007) || sessions_at_port(ss, 6, 20008));
	same = add(ss, 2, 11, "10.0.0.2", 20007, 100);
	sessions_remove(ss, s);
	assert_true(sessions_at_port(ss, 6, 20007));
	sessions_remove(ss, same);
	assert_false(sessions_at_port(ss, 6, 20007));
	sessions_free(ss);
}

static void test_shared_doors(void **state)
{
	struct sessions *ss = sessions_new();
	struct session *a = add(ss, 1, 10, "10.0.0.1", 22, 100), *b, *c;

	(void)state;
	assert_int_equal(sessions_door_end(ss, a), 0);
	b = add(ss, 2, 11, "10.0.0.1", 22, 300);
	c = add(ss, 3, 12, "10.0.0.1", 22, 200);
	add(ss, 4, 12, "10.0.0.1", 443, 900);
	assert_int_equal(sessions_door_end(ss, a), 300);
	assert_int_equal(sessions_door_end(ss, b), 200);
	b->closing = true;
	assert_int_equal(sessions_door_end(ss, a), 200);
	sessions_remove(ss, c);
	assert_int_equal(sessions_door_end(ss, a), 0);
	sessions_free(ss);
}

/* Gateways have no port to be told by: a door out by one is none by another. */
static void test_gateways_share_nothing(void **state)
{
	struct sessions *ss = sessions_new();
	struct session_record lan = record(10, "10.0.0.1", 0, 100), guests = lan;
	struct session *s;

	(void)state;
	memcpy(lan.service, "lan", sizeof("lan"));
	memcpy(guests.service, "guests", sizeof("guests"));
	guests.end_ms = 900;
	s = sessions_add(ss, 1, &lan, 0);
	assert_null(sessions_match(ss, &guests));
	sessions_add(ss, 2, &guests, 1);
	assert_int_equal(sessions_door_end(ss, s), 0);
	assert_ptr_equal(sessions_match(ss, &lan), s);
	lan.cid[0] = 11;
	lan.end_ms = 300;
	sessions_add(ss, 3, &lan, 0);
	assert_int_equal(sessions_door_end(ss, s), 300);
	sessions_free(ss);
}

static void test_many_come_and_go(void **state)
{
	struct sessions *ss = sessions_new();
	unsigned seen = 0;

	(void)state;
	for (unsigned i = 1; i <= 5000; i++) {
		struct session_record r = record(0, "10.0.0.0", 22, i);

		r.cid[0] = (uint8_t)(i % 100);
		r.admit.addr.b[14] = (uint8_t)(i >> 8);
		r.admit.addr.b[15] = (uint8_t)i;
		sessions_add(ss, i, &r, 0);
	}
	for (struct session *s = sessions_first(ss), *next; s; s = next, seen++) {
		next = sessions_next(s);
		if (s->id % 2)
			sessions_remove(ss, s);
	}
	assert_int_equal(seen, 5000);
	assert_int_equal(sessions_count(ss), 2500);
	for (unsigned i = 1; i <= 5000; i++)
		assert_int_equal(sessions_find(ss, i) != NULL, i % 2 == 0);
	sessions_free(ss);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ways_to_a_session),
	    cmocka_unit_test(test_drawn_ports),
	    cmocka_unit_test(test_shared_doors),
	    cmocka_unit_test(test_gateways_share_nothing),
	    cmocka_unit_test(test_many_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
