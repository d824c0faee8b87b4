/* Buckets, the queue's places and the cache of keys; and that none of it costs more with many clients. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "noise.h"
#include "peers.h"
#include "secret.h"

enum { MANY = 100000 };

static void say(void *arg, const char *line)
{
	(void)arg;
	printf("%s\n", line);
}

static struct clients *clients(struct config *c, unsigned n)
{
	struct report r = {.say = say};
	struct clients *cs;
	char line[CLIENT_LINE_MAX], cid[BASE64_8], public[BASE64_32], secret[BASE64_32];

	assert_int_equal(
	    config_parse(c, "c", "udp-port = 1\nservice \"ssh\" { proto = tcp port = 22 }\n", &r),
	    0);
	cs = clients_new(c);
	for (unsigned i = 0; i < n; i++) {
		uint8_t id[CID_BYTES] = {0}, key[KEY_BYTES] = {9};

		memcpy(id, &i, sizeof(i));
		memcpy(key + 8, &i, sizeof(i));
		base64_encode(cid, sizeof(cid), id, sizeof(id));
		base64_encode(public, sizeof(public), key, sizeof(key));
		base64_encode(secret, sizeof(secret), key, sizeof(key));
		snprintf(line, sizeof(line), "c%u %s %s %s service=ssh", i, cid, public, secret);
		assert_int_equal(clients_line(cs, "clients", i + 1, line, &r), 0);
	}
	assert_int_equal(clients_finish(cs, "clients", &r), 0);
	return cs;
}

static void test_bucket(void **state)
{
	struct config c;
	struct clients *cs = clients(&c, 2);
	struct peers *ps = peers_new(cs, 10, 3);
	uint64_t now = 5000;

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		assert_true(peers_allow(ps, 0, now));
	assert_false(peers_allow(ps, 0, now));
	assert_true(peers_allow(ps, 1, now));
	assert_false(peers_allow(ps, 0, now + 99));
	assert_true(peers_allow(ps, 0, now + 100));
	assert_false(peers_allow(ps, 0, now + 100));
	/* However long it was away, it has no more than its burst. */
	now = UINT64_MAX / 2;
	for (unsigned i = 0; i < 3; i++)
		assert_true(peers_allow(ps, 0, now));
	assert_false(peers_allow(ps, 0, now));
	/* A clock that goes back is no gain. */
	assert_false(peers_allow(ps, 0, 1));
	peers_free(ps);
	clients_free(cs);
}

static void test_slow_rate_adds_up(void **state)
{
	struct config c;
	struct clients *cs = clients(&c, 1);
	struct peers *ps = peers_new(cs, 1, 1);
	unsigned allowed = 0;

	(void)state;
	for (uint64_t now = 1; now <= 10000; now++)
		allowed += peers_allow(ps, 0, now);
	assert_int_equal(allowed, 10);
	peers_free(ps);
	clients_free(cs);
}

static void test_places_in_the_queue(void **state)
{
	struct config c;
	struct clients *cs = clients(&c, 2);
	struct peers *ps = peers_new(cs, 10, 10);

	(void)state;
	assert_int_equal(peers_queue(ps, 0, 5, false), PEERS_QUEUED);
	assert_int_equal(peers_queue(ps, 0, 5, false), PEERS_REPEAT);
	assert_int_equal(peers_queue(ps, 0, 4, false), PEERS_REPEAT);
	/* Answers count for themselves. */
	assert_int_equal(peers_queue(ps, 0, 5, true), PEERS_QUEUED);
	assert_int_equal(peers_queue(ps, 0, 5, true), PEERS_REPEAT);
	for (unsigned t = 6; t < 6 + QUEUED_PER_CLIENT - 2; t++)
		assert_int_equal(peers_queue(ps, 0, t, false), PEERS_QUEUED);
	assert_int_equal(peers_queue(ps, 0, 100, false), PEERS_MANY);
	assert_int_equal(peers_queue(ps, 1, 1, false), PEERS_QUEUED);
	for (unsigned i = 0; i < QUEUED_PER_CLIENT; i++)
		peers_unqueue(ps, 0);
	assert_int_equal(peers_queue(ps, 0, 3, false), PEERS_QUEUED);
	peers_turn(ps);
	assert_true(peers_first_this_turn(ps, 0));
	assert_false(peers_first_this_turn(ps, 0));
	assert_true(peers_first_this_turn(ps, 1));
	peers_turn(ps);
	assert_true(peers_first_this_turn(ps, 0));
	peers_free(ps);
	clients_free(cs);
}

static void test_cache_saves_the_static_result_and_is_bounded(void **state)
{
	struct config c;
	struct clients *cs = clients(&c, PEERS_CACHED + 1);
	struct peers *ps = peers_new(cs, 10, 10);
	struct keypair server;
	uint8_t expected[KEY_BYTES];
	struct client_keys keys;
	uint64_t before;

	(void)state;
	keypair_generate(&server);
	for (size_t i = 0; i <= PEERS_CACHED; i += PEERS_CACHED) {
		const struct client *cl = clients_at(cs, i);

		assert_int_equal(noise_static_static(expected, &server, cl->public_key), 0);
		client_keys_derive(&keys, cl->secret);
		before = noise_dh_count();
		assert_memory_equal(peers_shared(ps, i, cl, &server), expected, KEY_BYTES);
		assert_int_equal(noise_dh_count(), before + 1);
		assert_memory_equal(peers_shared(ps, i, cl, &server), expected, KEY_BYTES);
		assert_int_equal(noise_dh_count(), before + 1);
		assert_memory_equal(peers_keys(ps, i, cl), &keys, sizeof(keys));
	}
	/* The last one took the first one's place; looking keys up takes none. */
	before = noise_dh_count();
	client_keys_derive(&keys, clients_at(cs, 0)->secret);
	assert_memory_equal(peers_keys(ps, 0, clients_at(cs, 0)), &keys, sizeof(keys));
	(void)peers_shared(ps, PEERS_CACHED, clients_at(cs, PEERS_CACHED), &server);
	assert_int_equal(noise_dh_count(), before);
	peers_free(ps);
	clients_free(cs);
}

static void test_low_order_key_is_no_key(void **state)
{
	struct config c;
	struct clients *cs = clients(&c, 1);
	struct peers *ps = peers_new(cs, 10, 10);
	struct client cl = *clients_at(cs, 0);
	struct keypair server;

	(void)state;
	keypair_generate(&server);
	memset(cl.public_key, 0, KEY_BYTES);
	assert_null(peers_shared(ps, 0, &cl, &server));
	assert_null(peers_shared(ps, 0, &cl, &server));
	peers_free(ps);
	clients_free(cs);
}

static double nanoseconds(struct clients *cs, struct peers *ps, const uint8_t *cid, unsigned rounds)
{
	struct timespec a, b;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
	for (unsigned i = 0; i < rounds; i++) {
		const struct client *cl = clients_by_cid(cs, cid);
		size_t at = clients_index(cs, cl);

		assert_non_null(peers_keys(ps, at, cl));
		(void)peers_allow(ps, at, i + 1);
	}
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
	return ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / rounds;
}

/* What finding the first and the last of many costs, and one of few: the best of some rounds each. */
static void test_lookup_costs_the_same_for_all(void **state)
{
	struct config c, c2;
	struct clients *many = clients(&c, MANY), *few = clients(&c2, 10);
	struct peers *ps = peers_new(many, 10, 10), *ps2 = peers_new(few, 10, 10);
	double first = 1e9, last = 1e9, alone = 1e9;

	(void)state;
	for (unsigned i = 0; i < 9; i++) {
		double t = nanoseconds(many, ps, clients_at(many, 0)->cid, 2000);

		first = t < first ? t : first;
		t = nanoseconds(many, ps, clients_at(many, MANY - 1)->cid, 2000);
		last = t < last ? t : last;
		t = nanoseconds(few, ps2, clients_at(few, 9)->cid, 2000);
		alone = t < alone ? t : alone;
	}
	printf("lookup with keys: first of %d %.0f ns, last %.0f ns, of ten %.0f ns\n", MANY, first,
	    last, alone);
	assert_true(last < 2 * first + 200);
	assert_true(last < 2 * alone + 200);
	peers_free(ps);
	peers_free(ps2);
	clients_free(many);
	clients_free(few);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bucket),
	    cmocka_unit_test(test_slow_rate_adds_up),
	    cmocka_unit_test(test_places_in_the_queue),
	    cmocka_unit_test(test_cache_saves_the_static_result_and_is_bounded),
	    cmocka_unit_test(test_low_order_key_is_no_key),
	    cmocka_unit_test(test_lookup_costs_the_same_for_all),
	};

	return secret_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
