#include "unit.h"

#include "cursor.h"

static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static void reads_big_endian(void **state)
{
	(void)state;
	struct reader r = reader_of(bytes, sizeof(bytes));

	assert_int_equal(read_u8(&r), 1);
	assert_int_equal(read_u16(&r), 0x0203);
	assert_int_equal(read_u32(&r), 0x04050607);
	assert_true(read_u64(&r) == UINT64_C(0x08090a0b0c0d0e0f));
	assert_int_equal(r.left, 0);
	assert_false(r.failed);
}

static void reads_high_bits(void **state)
{
	(void)state;
	static const uint8_t ones[8] = {255, 255, 255, 255, 255, 255, 255, 255};
	struct reader r = reader_of(ones, 8);

	assert_true(read_u64(&r) == UINT64_MAX);
	r = reader_of(ones, 8);
	assert_true(read_u32(&r) == UINT32_MAX);
	assert_int_equal(read_u16(&r), UINT16_MAX);
}

/* One byte too few for each width: 0, failed, and everything after it fails too. */
static void fails_and_stays_failed(void **state)
{
	(void)state;
	for (size_t width = 1; width <= 8; width *= 2) {
		struct reader r = reader_of(bytes, width - 1);
		uint64_t v = width == 1	  ? read_u8(&r)
			     : width == 2 ? read_u16(&r)
			     : width == 4 ? read_u32(&r)
					  : read_u64(&r);
		assert_true(v == 0);
		assert_true(r.failed);
		assert_int_equal(r.left, 0);
		assert_int_equal(read_u8(&r), 0);
		assert_null(read_view(&r, 0));
		assert_true(read_sub(&r, 0).failed);
	}
}

static void copies_or_zeros(void **state)
{
	(void)state;
	uint8_t out[4] = {0xaa, 0xaa, 0xaa, 0xaa};
	struct reader r = reader_of(bytes, 5);

	read_bytes(&r, out, 4);
	assert_memory_equal(out, bytes, 4);
	read_bytes(&r, out, 4);
	assert_true(r.failed);
	assert_memory_equal(out, "\0\0\0\0", 4);
}

static void views_without_copying(void **state)
{
	(void)state;
	struct reader r = reader_of(bytes, 5);

	assert_ptr_equal(read_view(&r, 2), bytes);
	assert_ptr_equal(read_view(&r, 3), bytes + 2);
	assert_false(r.failed);
	assert_null(read_view(&r, 1));
	r = reader_of(bytes, 5);
	assert_null(read_view(&r, SIZE_MAX));
	assert_true(r.failed);
}

static void gives_a_reader_of_a_part(void **state)
{
	(void)state;
	struct reader r = reader_of(bytes, 6);
	struct reader part = read_sub(&r, 4);

	assert_int_equal(part.left, 4);
	assert_int_equal(read_u16(&r), 0x0506);
	assert_int_equal(read_u32(&part), 0x01020304);
	assert_int_equal(read_u8(&part), 0);
	assert_true(part.failed);
	assert_false(r.failed);
	part = read_sub(&r, 1);
	assert_true(part.failed);
	assert_true(r.failed);
	assert_int_equal(part.left, 0);
}

static void reads_nothing_from_nothing(void **state)
{
	(void)state;
	struct reader r = reader_of(NULL, 0);
	uint8_t none = 7;

	read_bytes(&r, &none, 0);
	assert_false(r.failed);
	assert_int_equal(none, 7);
	assert_int_equal(read_u8(&r), 0);
	assert_true(r.failed);
}

static void writes_big_endian(void **state)
{
	(void)state;
	uint8_t out[15];
	struct writer w = writer_of(out, sizeof(out));

	write_u8(&w, 1);
	write_u16(&w, 0x0203);
	write_u32(&w, 0x04050607);
	write_u64(&w, UINT64_C(0x08090a0b0c0d0e0f));
	assert_false(w.failed);
	assert_int_equal(w.len, 15);
	assert_memory_equal(out, bytes, 15);
	write_u8(&w, 9);
	assert_true(w.failed);
	assert_int_equal(w.len, 15);
}

static void never_writes_half(void **state)
{
	(void)state;
	uint8_t out[8] = {0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa};
	struct writer w = writer_of(out, 7);

	write_u64(&w, 0);
	assert_true(w.failed);
	assert_int_equal(out[0], 0xaa);
	write_u8(&w, 0); /* there would be room, but it failed before */
	assert_int_equal(w.len, 0);
	assert_int_equal(out[0], 0xaa);
	w = writer_of(out, 7);
	write_bytes(&w, bytes, 8);
	assert_true(w.failed);
	assert_int_equal(out[0], 0xaa);
	w = writer_of(out, 7);
	write_u8(&w, 0xaa);
	write_zeros(&w, SIZE_MAX); /* which with the byte before is 0 again */
	assert_true(w.failed);
	assert_int_equal(w.len, 1);
	assert_int_equal(out[0], 0xaa);
}

static void leaves_gaps(void **state)
{
	(void)state;
	uint8_t out[6] = {0};
	struct writer w = writer_of(out, sizeof(out));

	write_u8(&w, 7);
	assert_ptr_equal(write_gap(&w, 4), out + 1);
	write_zeros(&w, 1);
	assert_int_equal(w.len, 6);
	assert_null(write_gap(&w, 1));
	assert_true(w.failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_big_endian),
	    cmocka_unit_test(reads_high_bits),
	    cmocka_unit_test(fails_and_stays_failed),
	    cmocka_unit_test(copies_or_zeros),
	    cmocka_unit_test(views_without_copying),
	    cmocka_unit_test(gives_a_reader_of_a_part),
	    cmocka_unit_test(reads_nothing_from_nothing),
	    cmocka_unit_test(writes_big_endian),
	    cmocka_unit_test(never_writes_half),
	    cmocka_unit_test(leaves_gaps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
