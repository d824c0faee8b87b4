#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "assembly.h"

enum { SLICE = 48, PIECES = 25 };

static const uint64_t second = 1000000000;
static const uint64_t noon = UINT64_C(1700000000000000000);

/* What a set of the test holds: bytes that tell set and place. */
static const uint8_t *content(uint64_t set_id, size_t len)
{
	static uint8_t bytes[SEQUENCE_SET_MAX];

	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(set_id * 31 + i + (i >> 8) * 7);
	return bytes;
}

static struct address host(unsigned n)
{
	return address_v4((const uint8_t[]){10, 0, (uint8_t)(n >> 8), (uint8_t)n});
}

static struct arrival arrival(
    unsigned from, uint64_t set_id, unsigned index, unsigned count, size_t slice)
{
	return (struct arrival){
	    .along = 1,
	    .route = {.carrier = CARRIER_SEQUENCE,
		.client = host(from),
		.server = host(1),
		.client_port = 40000,
		.server_port = (uint16_t)(7000 + index)},
	    .piece = {.set_id = set_id,
		.index = (uint8_t)index,
		.count = (uint8_t)count,
		.slice = content(set_id, slice * count) + slice * index,
		.slice_len = slice},
	};
}

static enum assembly_result take(
    struct assembly *a, const struct arrival *x, uint64_t now_ns, struct assembled *out)
{
	*out = (struct assembled){.len = 0};
	return assembly_take(a, x, now_ns, out);
}

static int set_up(void **state)
{
	*state = assembly_new();
	return 0;
}

static int tear_down(void **state)
{
	assembly_free(*state);
	return 0;
}

static void assert_whole(const struct assembled *out, uint64_t set_id, size_t len)
{
	assert_true(out->set_id == set_id);
	assert_int_equal(out->len, len);
	assert_memory_equal(out->bytes, content(set_id, len), len);
}

/* A stride that is prime to the count visits all in an order of its own. */
static void any_order_will_do(void **state)
{
	struct assembly *a = *state;
	struct assembled out;

	for (unsigned stride = 1; stride < PIECES; stride++) {
		if (stride % 5 == 0)
			continue;
		for (unsigned i = 0; i < PIECES; i++) {
			unsigned index = (3 + i * stride) % PIECES;
			struct arrival x = arrival(2, stride, index, PIECES, SLICE);
			enum assembly_result r = take(a, &x, noon, &out);
			assert_int_equal(r, i + 1 < PIECES ? ASSEMBLY_KEPT : ASSEMBLY_WHOLE);
		}
		assert_whole(&out, stride, PIECES * SLICE);
		assert_int_equal(out.route.server_port, 7003); /* that of the first */
	}
	assert_int_equal(assembly_use(a).sets, 0);
	assert_int_equal(assembly_use(a).bytes, 0);
}

static void duplicates_are_harmless_and_the_first_copy_wins(void **state)
{
	struct assembly *a = *state;
	struct assembled out;

	for (unsigned i = 0; i < PIECES; i++) {
		struct arrival x = arrival(2, 9, i, PIECES, SLICE);
		enum assembly_result r = take(a, &x, noon, &out);
		if (r == ASSEMBLY_WHOLE)
			break;
		x.piece.slice = (const uint8_t *)"something else that the same index says, too ...";
		for (int n = 0; n < 3; n++)
			assert_int_equal(take(a, &x, noon, &out), ASSEMBLY_AGAIN);
	}
	assert_whole(&out, 9, PIECES * SLICE);
}

static void attempts_mix(void **state)
{
	struct assembly *a = *state;
	struct assembled out;
	unsigned whole = 0;

	/* Two behind one address, one with the same set id elsewhere, one under another key. */
	for (unsigned i = 0; i < PIECES; i++) {
		for (unsigned who = 0; who < 4; who++) {
			unsigned at = who % 2 ? PIECES - 1 - i : i;
			struct arrival x =
			    arrival(who == 2 ? 3 : 2, who == 1 ? 8 : 7, at, PIECES, SLICE);
			x.door_key = who == 3;
			if (take(a, &x, noon, &out) != ASSEMBLY_WHOLE)
				continue;
			assert_whole(&out, who == 1 ? 8 : 7, PIECES * SLICE);
			assert_int_equal(out.door_key, who == 3);
			whole++;
		}
	}
	assert_int_equal(whole, 4);
}

static void another_count_is_dropped(void **state)
{
	struct assembly *a = *state;
	struct assembled out;
	struct arrival x = arrival(2, 7, 0, 3, SLICE);

	assert_int_equal(take(a, &x, noon, &out), ASSEMBLY_KEPT);
	x.piece.index = 1;
	x.piece.count = 2;
	assert_int_equal(take(a, &x, noon, &out), ASSEMBLY_ODD);
	x.piece.count = 3;
	assert_int_equal(take(a, &x, noon, &out), ASSEMBLY_KEPT);
}

static void finished_ones_are_silent(void **state)
{
	struct assembly *a = *state;
	struct assembled out;

	for (unsigned i = 0; i < PIECES; i++) {
		struct arrival x = arrival(2, 7, i, PIECES, SLICE);
		(void)take(a, &x, noon, &out);
	}
	for (unsigned i = 0; i < 10 * PIECES; i++) {
		struct arrival x = arrival(2, 7, i % PIECES, PIECES, SLICE);
		uint64_t at = noon + (i % (ASSEMBLY_DONE_S + 1)) * second;
		assert_int_equal(take(a, &x, at, &out), ASSEMBLY_OLD);
		assert_int_equal(assembly_use(a).sets, 0);
	}
}

static void old_ones_go(void **state)
{
	struct assembly *a = *state;
	struct assembled out;
	struct arrival x = arrival(2, 7, 0, 2, SLICE), y = arrival(2, 7, 1, 2, SLICE);

	assert_int_equal(take(a, &x, noon, &out), ASSEMBLY_KEPT);
	assert_int_equal(take(a, &y, noon + 30 * second, &out), ASSEMBLY_WHOLE);
	x.piece.set_id = y.piece.set_id = 8;
	assert_int_equal(take(a, &x, noon, &out), ASSEMBLY_KEPT);
	assert_int_equal(take(a, &y, noon + 30 * second + 1, &out), ASSEMBLY_KEPT);
	assert_int_equal(assembly_use(a).lost, 1);
	assert_int_equal(assembly_use(a).sets, 1);
	/* And when the clock steps back by an hour. */
	assert_int_equal(take(a, &x, noon - 3600 * second, &out), ASSEMBLY_KEPT);
	assert_int_equal(assembly_use(a).sets, 1);
}

static void the_largest_goes_in(void **state)
{
	struct assembly *a = *state;
	struct assembled out;

	for (unsigned i = 0; i < 64; i++) {
		struct arrival x = arrival(2, 7, i, 64, 1024);
		(void)take(a, &x, noon, &out);
	}
	assert_whole(&out, 7, SEQUENCE_SET_MAX);
	for (unsigned i = 0; i < 64; i++) {
		struct arrival x = arrival(2, 8, i, 64, 1024);
		x.piece.slice_len = i == 0 ? 1025 : 1024;
		enum assembly_result r = take(a, &x, noon, &out);
		assert_int_equal(r, i < 63 ? ASSEMBLY_KEPT : ASSEMBLY_ODD);
	}
}

/* One who floods from one address loses his own; all others finish. */
static void a_greedy_source_loses_its_newest(void **state)
{
	struct assembly *a = *state;
	struct assembled out;
	unsigned full = 0;

	for (unsigned n = 0; n < 100; n++) {
		struct arrival x = arrival(100 + n, n, 0, 2, SLICE);
		assert_int_equal(take(a, &x, noon, &out), ASSEMBLY_KEPT);
	}
	for (unsigned n = 0; n < 10000; n++) {
		struct arrival x = arrival(7, 1000 + n, 0, 2, SLICE);
		full += take(a, &x, noon, &out) == ASSEMBLY_FULL;
		assert_true(assembly_use(a).sets <= ASSEMBLY_SETS);
	}
	assert_int_equal(full, 10000 - (ASSEMBLY_SETS - 100));
	/* Another who comes now has room: the greedy one makes it. */
	for (unsigned n = 0; n < 40; n++) {
		struct arrival x = arrival(300 + n, n, 0, 2, SLICE);
		assert_int_equal(take(a, &x, noon, &out), ASSEMBLY_KEPT);
	}
	for (unsigned n = 0; n < 140; n++) {
		struct arrival x =
		    arrival(n < 100 ? 100 + n : 200 + n, n < 100 ? n : n - 100, 1, 2, SLICE);
		assert_int_equal(take(a, &x, noon, &out), ASSEMBLY_WHOLE);
	}
	/* His oldest are still there. */
	struct arrival x = arrival(7, 1000, 1, 2, SLICE);
	assert_int_equal(take(a, &x, noon, &out), ASSEMBLY_WHOLE);
}

/* Somebody saw one piece and sends it on from everywhere: that is at the cost of its copies alone. */
static void copies_from_many_addresses_lose_their_newest(void **state)
{
	struct assembly *a = *state;
	struct assembled out;

	for (unsigned i = 0; i < PIECES; i++) {
		struct arrival mine = arrival(2, 9, i, PIECES, SLICE), copy = mine;
		enum assembly_result r = take(a, &mine, noon, &out);

		assert_int_equal(r, i + 1 < PIECES ? ASSEMBLY_KEPT : ASSEMBLY_WHOLE);
		if (r == ASSEMBLY_WHOLE)
			break;
		for (unsigned n = 0; n < 1000; n++) {
			copy.route.client = host(100 + 1000 * i + n);
			(void)assembly_take(a, &copy, noon, &out);
			assert_true(assembly_use(a).sets <= ASSEMBLY_SETS);
		}
		/* Nor do others suffer, who come when all is full. */
		struct arrival other = arrival(60000 + i, 100 + i, 0, 2, SLICE);
		assert_int_equal(take(a, &other, noon, &out), ASSEMBLY_KEPT);
		other.piece.index = 1;
		other.piece.slice += SLICE;
		assert_int_equal(take(a, &other, noon, &out), ASSEMBLY_WHOLE);
	}
	assert_whole(&out, 9, PIECES * SLICE);
}

/* From many addresses: the oldest goes, and a set that comes in one go is through. */
static void from_many_addresses_the_oldest_goes(void **state)
{
	struct assembly *a = *state;
	struct assembled out;

	for (unsigned n = 0; n < 20000; n++) {
		struct arrival x = arrival(n, 1000 + n, 0, 2, SLICE);
		assert_int_equal(take(a, &x, noon, &out), ASSEMBLY_KEPT);
		assert_true(assembly_use(a).sets <= ASSEMBLY_SETS);
	}
	assert_int_equal(assembly_use(a).lost, 20000 - ASSEMBLY_SETS);
	for (unsigned i = 0; i < PIECES; i++) {
		struct arrival x = arrival(30000, 6, i, PIECES, SLICE);
		(void)take(a, &x, noon, &out);
		for (unsigned n = 0; n < 10; n++) {
			struct arrival y =
			    arrival(40000 + 10 * i + n, 40000 + 10 * i + n, 0, 2, SLICE);
			struct assembled none;
			assert_int_equal(take(a, &y, noon, &none), ASSEMBLY_KEPT);
		}
	}
	assert_whole(&out, 6, PIECES * SLICE);
}

static void memory_is_bounded(void **state)
{
	struct assembly *a = *state;
	struct assembled out;

	for (unsigned round = 0; round < 3; round++) {
		for (unsigned n = 0; n < ASSEMBLY_SETS; n++) {
			for (unsigned i = 0; i < 63; i++) {
				struct arrival x = arrival(n, 1000 * round + n, i, 64, 1024);
				enum assembly_result r = take(a, &x, noon, &out);
				assert_true(r == ASSEMBLY_KEPT || r == ASSEMBLY_FULL);
				struct assembly_use use = assembly_use(a);
				assert_true(use.bytes <= ASSEMBLY_BYTES);
				assert_true(use.sets <= ASSEMBLY_SETS);
			}
		}
	}
	assembly_forget(a);
	assert_int_equal(assembly_use(a).bytes, 0);
	assert_int_equal(assembly_use(a).sets, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(any_order_will_do, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		duplicates_are_harmless_and_the_first_copy_wins, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(attempts_mix, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(another_count_is_dropped, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(finished_ones_are_silent, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(old_ones_go, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(the_largest_goes_in, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_greedy_source_loses_its_newest, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		copies_from_many_addresses_lose_their_newest, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(from_many_addresses_the_oldest_goes, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(memory_is_bounded, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
