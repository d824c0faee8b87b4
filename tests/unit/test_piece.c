#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "errors.h"
#include "secret.h"
#include "sequence.h"

static const uint8_t tag_key[SHORT_KEY_BYTES] = {1, 2, 3};
static const uint8_t mask_key[SHORT_KEY_BYTES] = {4, 5, 6};
static const uint8_t other_key[SHORT_KEY_BYTES] = {7};
static const uint8_t ports_key[KEY_BYTES] = {8, 9};
static const struct sequence_keys keys = {tag_key, mask_key};
static const struct sequence_keys other_mask = {tag_key, other_key};
static const struct sequence_keys other_tag = {other_key, mask_key};

enum { STEP = 28333333, ROOM = SEQUENCE_HEAD_BYTES + SEQUENCE_SLICE_MAX };

static const uint8_t slice[SEQUENCE_SLICE_MAX + 1] = "a slice of something";

static struct piece a_piece(size_t len)
{
	return (struct piece){.set_id = UINT64_C(0x1122334455667788),
	    .index = 7,
	    .count = 25,
	    .slice = slice,
	    .slice_len = len};
}

static void assert_same(const struct piece *a, const struct piece *b)
{
	assert_true(a->set_id == b->set_id);
	assert_int_equal(a->index, b->index);
	assert_int_equal(a->count, b->count);
	assert_int_equal(a->slice_len, b->slice_len);
	assert_memory_equal(a->slice, b->slice, b->slice_len);
}

static void plain_ones_come_back(void **state)
{
	(void)state;
	uint8_t bytes[ROOM];
	struct piece out;

	for (size_t len = 1; len <= SEQUENCE_SLICE_MAX; len += 47) {
		struct piece p = a_piece(len);
		int n = piece_seal_plain(&keys, STEP, &p, bytes, sizeof(bytes));
		assert_int_equal(n, SEQUENCE_HEAD_BYTES + len);
		assert_int_equal(piece_open_plain(&keys, STEP, bytes, (size_t)n, &out), 0);
		assert_same(&out, &p);
	}
}

static void steps_one_either_side_are_taken(void **state)
{
	(void)state;
	struct piece p = a_piece(48), out;
	uint8_t bytes[ROOM];
	int n = piece_seal_plain(&keys, STEP, &p, bytes, sizeof(bytes));

	for (int off = -3; off <= 3; off++) {
		int got = piece_open_plain(&keys, (uint32_t)(STEP + off), bytes, (size_t)n, &out);
		assert_int_equal(got, off >= -1 && off <= 1 ? 0 : -E_FORGED);
	}
	assert_int_equal(sequence_step(UINT64_C(59999999999)), 0);
	assert_int_equal(sequence_step(UINT64_C(60000000000)), 1);
}

/* Each bit counts, and so does every key. */
static void a_changed_one_is_a_strangers(void **state)
{
	(void)state;
	struct piece p = a_piece(48), out;
	uint8_t bytes[ROOM];
	int n = piece_seal_plain(&keys, STEP, &p, bytes, sizeof(bytes));

	for (int bit = 0; bit < n * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(piece_open_plain(&keys, STEP, bytes, (size_t)n, &out), -E_FORGED);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(piece_open_plain(&other_tag, STEP, bytes, (size_t)n, &out), -E_FORGED);
	assert_int_equal(piece_open_plain(&other_mask, STEP, bytes, (size_t)n, &out), -E_FORGED);
	assert_int_equal(piece_open_plain(&keys, STEP, bytes, (size_t)n - 1, &out), -E_FORGED);
	assert_int_equal(piece_open_plain(&keys, STEP, bytes, (size_t)n, &out), 0);
}

static void lengths_that_are_none(void **state)
{
	(void)state;
	static const uint8_t junk[ROOM + 1];
	struct piece_clean head = {0};
	struct piece out;

	for (size_t len = 0; len <= SEQUENCE_HEAD_BYTES; len++)
		assert_int_equal(piece_open_plain(&keys, STEP, junk, len, &out), -E_SHORT);
	assert_int_equal(piece_open_plain(&keys, STEP, junk, sizeof(junk), &out), -E_SHORT);
	assert_int_equal(piece_open_clean(&keys, STEP, &head, junk, 0, &out), -E_SHORT);
	assert_int_equal(
	    piece_open_clean(&keys, STEP, &head, junk, SEQUENCE_SLICE_MAX + 1, &out), -E_SHORT);
}

/* Who holds the key may say so; nobody believes it. */
static void counts_that_cannot_be(void **state)
{
	(void)state;
	static const uint8_t wrong[][2] = {
	    {0, 0}, {1, 1}, {5, 5}, {0, 33}, {32, 33}, {255, 255}, {9, 4}};
	struct piece p = a_piece(48), out;
	uint8_t bytes[ROOM];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		p.index = wrong[i][0];
		p.count = wrong[i][1];
		int n = piece_seal_plain(&keys, STEP, &p, bytes, sizeof(bytes));
		assert_int_equal(piece_open_plain(&keys, STEP, bytes, (size_t)n, &out), -E_FORGED);
	}
	p = a_piece(700);
	p.set_id = 5;
	p.index = 40;
	p.count = 40;
	struct piece_clean head = piece_seal_clean(&keys, STEP, &p);
	assert_int_equal(piece_open_clean(&keys, STEP, &head, slice, 700, &out), -E_FORGED);
}

static void clean_ones_come_back(void **state)
{
	(void)state;
	struct piece p = {
	    .set_id = 0xabcde, .count = SEQUENCE_CLEAN_MAX, .slice = slice, .slice_len = 700};
	struct piece out;

	for (unsigned i = 0; i < SEQUENCE_CLEAN_MAX; i++) {
		p.index = (uint8_t)i;
		struct piece_clean head = piece_seal_clean(&keys, STEP, &p);
		for (int off = -2; off <= 2; off++) {
			int got = piece_open_clean(
			    &keys, (uint32_t)(STEP + off), &head, slice, 700, &out);
			assert_int_equal(got, off >= -1 && off <= 1 ? 0 : -E_FORGED);
			if (got == 0)
				assert_same(&out, &p);
		}
	}
}

/* 32 bits of a tag are all that there are: about one in 2^32 passes, none of these. */
static void a_firewall_that_rewrites_sequence_numbers_breaks_it(void **state)
{
	(void)state;
	struct piece p = {.set_id = 77, .index = 3, .count = 9, .slice = slice, .slice_len = 700};
	struct piece out;
	struct piece_clean head = piece_seal_clean(&keys, STEP, &p);

	for (uint32_t add = 1; add < 10000; add++) {
		struct piece_clean moved = {head.tcp_seq + add, head.tcp_tsval};
		struct piece_clean later = {head.tcp_seq, head.tcp_tsval + add};
		assert_int_equal(
		    piece_open_clean(&keys, STEP, &moved, slice, 700, &out), -E_FORGED);
		assert_int_equal(
		    piece_open_clean(&keys, STEP, &later, slice, 700, &out), -E_FORGED);
	}
}

/* What a sniffer sees of a set has nothing that stays the same. */
static void pieces_of_a_set_have_nothing_in_common(void **state)
{
	(void)state;
	struct piece p = a_piece(48);
	uint8_t one[ROOM], two[ROOM];

	p.index = 0;
	assert_true(piece_seal_plain(&keys, STEP, &p, one, sizeof(one)) > 0);
	p.index = 1;
	assert_true(piece_seal_plain(&keys, STEP, &p, two, sizeof(two)) > 0);
	for (int i = 0; i < SEQUENCE_HEAD_BYTES - 4; i++)
		assert_memory_not_equal(one + i, two + i, 4);
}

static void cuts(void **state)
{
	(void)state;
	static const struct {
		bool clean;
		size_t len, slice;
		uint8_t count;
	} table[] = {
	    {false, 1, 48, 1},
	    {false, 48, 48, 1},
	    {false, 384, 48, 8},
	    {false, 385, 48, 9},
	    {false, 1200, 48, 25},
	    {false, 1536, 48, 32},
	    {false, 1537, 49, 32},
	    {false, 32 * SEQUENCE_SLICE_MAX, SEQUENCE_SLICE_MAX, 32},
	    {true, 384, 700, 1},
	    {true, 1200, 700, 2},
	    {true, 44800, 700, 64},
	    {true, 44801, 701, 64},
	    {true, 65536, 1024, 64},
	};
	size_t len;
	uint8_t count;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert_int_equal(sequence_cut(table[i].clean, table[i].len, &count, &len), 0);
		assert_int_equal(len, table[i].slice);
		assert_int_equal(count, table[i].count);
		assert_true((count - 1) * len < table[i].len && count * len >= table[i].len);
	}
	assert_int_equal(sequence_cut(false, 0, &count, &len), -E_SHORT);
	assert_int_equal(sequence_cut(true, 65537, &count, &len), -E_SHORT);
	assert_int_equal(sequence_cut(false, 32 * SEQUENCE_SLICE_MAX + 1, &count, &len), -E_SHORT);
}

static void rolling_ports_are_unique_and_change(void **state)
{
	(void)state;
	struct carrier_sequence s = {.ports = SEQUENCE_PORTS_MAX, .lo = 20000, .hi = 20127};
	uint16_t now[SEQUENCE_PORTS_MAX], next[SEQUENCE_PORTS_MAX], again[SEQUENCE_PORTS_MAX];
	unsigned same = 0;

	for (uint64_t step = 1; step <= 500; step++) {
		uint64_t at = step * SEQUENCE_PORTS_STEP_S * UINT64_C(1000000000);
		sequence_ports(&s, ports_key, at, 0, now);
		sequence_ports(&s, ports_key, at, 1, next);
		sequence_ports(
		    &s, ports_key, at + SEQUENCE_PORTS_STEP_S * UINT64_C(1000000000), 0, again);
		assert_memory_equal(next, again, sizeof(next));
		for (unsigned i = 0; i < s.ports; i++) {
			assert_in_range(now[i], 20000, 20127);
			same += now[i] == next[i];
			for (unsigned n = 0; n < i; n++)
				assert_int_not_equal(now[i], now[n]);
		}
	}
	/* By chance, one in 128 of 16,000; six standard deviations are 67. */
	assert_in_range(same, 125 - 67, 125 + 67);
}

/* In one range each id has ports of its own. */
static void ids_draw_other_ports(void **state)
{
	(void)state;
	struct carrier_sequence s = {.ports = 8, .lo = 20000, .hi = 20999};
	struct carrier_sequence other = s;
	uint16_t one[SEQUENCE_PORTS_MAX], two[SEQUENCE_PORTS_MAX];
	unsigned same = 0;

	for (uint64_t step = 1; step <= 1000; step++) {
		uint64_t at = step * SEQUENCE_PORTS_STEP_S * UINT64_C(1000000000);
		s.id = (uint8_t)(step % SEQUENCE_ID_MAX);
		other.id = (uint8_t)(s.id + 1);
		sequence_ports(&s, ports_key, at, 0, one);
		sequence_ports(&other, ports_key, at, 0, two);
		for (unsigned i = 0; i < s.ports; i++)
			same += one[i] == two[i];
	}
	/* By chance, one in 1,000 of 8,000; six standard deviations are 17. */
	assert_in_range(same, 0, 8 + 17);
}

static void a_list_is_as_it_stands(void **state)
{
	(void)state;
	struct carrier_sequence s = {.ports = 5, .port = {7, 5, 9, 1, 65535}};
	uint16_t out[SEQUENCE_PORTS_MAX];

	sequence_ports(&s, ports_key, UINT64_C(1700000000000000000), 1, out);
	assert_memory_equal(out, s.port, sizeof(out));
}

static int start(void **state)
{
	(void)state;
	return secret_init();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(plain_ones_come_back),
	    cmocka_unit_test(steps_one_either_side_are_taken),
	    cmocka_unit_test(a_changed_one_is_a_strangers),
	    cmocka_unit_test(lengths_that_are_none),
	    cmocka_unit_test(counts_that_cannot_be),
	    cmocka_unit_test(clean_ones_come_back),
	    cmocka_unit_test(a_firewall_that_rewrites_sequence_numbers_breaks_it),
	    cmocka_unit_test(pieces_of_a_set_have_nothing_in_common),
	    cmocka_unit_test(cuts),
	    cmocka_unit_test(rolling_ports_are_unique_and_change),
	    cmocka_unit_test(ids_draw_other_ports),
	    cmocka_unit_test(a_list_is_as_it_stands),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
