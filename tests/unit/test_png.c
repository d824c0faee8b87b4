#include "unit.h"

#include <assert.h>
#include <stdlib.h>
#include <jansson.h>
#include <zlib.h>

#include "cover.h"
#include "errors.h"
#include "keys.h"
#include "png_cost.h"
#include "png_file.h"
#include "png_order.h"
#include "png_trellis.h"
#include "secret.h"

enum { LEN = 384, WIDTH = 128, HEIGHT = 96, PIXELS = WIDTH * HEIGHT, SAMPLES = PIXELS * 3 };
static_assert(PIXELS / PICTURE_RATE == LEN, "a picture for the shortest veil");

static const uint8_t key[KEY_BYTES] = {1, 2, 3};

/* Slopes and noise, the same at each run. */
static struct picture make(uint16_t width, uint16_t height, uint8_t channels)
{
	size_t row = (size_t)width * channels;
	struct picture p = {.width = width, .height = height, .channels = channels};
	uint32_t random = 1;

	p.sample = malloc(row * height);
	assert_non_null(p.sample);
	for (size_t i = 0; i < row * height; i++) {
		random = random * 1664525 + 1013904223;
		p.sample[i] = (uint8_t)(60 + i % row / 8 + i / row / 4 + (random >> 24) % 23);
	}
	return p;
}

struct covered {
	uint8_t bytes[COVER_MAX];
	size_t len;
};

static void cover_up(const struct picture *p, const uint8_t *veil, struct covered *out)
{
	struct cover_args a = {.picture_key = key, .set_id = 77, .picture = p};

	int len = cover_png.wrap(&a, veil, cover_png.veil_len(&a), out->bytes, COVER_MAX);
	assert_true(len > 0);
	out->len = (size_t)len;
}

static int uncover(const struct covered *c, uint8_t *veil, size_t cap)
{
	struct cover_args a = {.picture_key = key, .set_id = 77};

	return cover_png.unwrap(&a, c->bytes, c->len, veil, cap);
}

static void gives_back_what_it_took(void **state)
{
	(void)state;
	static const struct {
		uint16_t width, height;
		uint8_t channels;
	} some[] = {{WIDTH, HEIGHT, 3}, {256, 125, 3}, {101, 102, 4}, {32, 1, 3}, {1, 256, 4},
	    {179, 178, 3}};
	struct covered c;

	for (size_t i = 0; i < COUNT_OF(some); i++) {
		struct picture p = make(some[i].width, some[i].height, some[i].channels);
		struct cover_args a = {.picture = &p};
		uint8_t veil[1300], out[1300];
		size_t len = cover_png.veil_len(&a);
		assert_int_equal(len, some[i].width * some[i].height / PICTURE_RATE);
		secret_random(veil, len);
		cover_up(&p, veil, &c);
		assert_int_equal(uncover(&c, out, sizeof(out)), len);
		assert_memory_equal(out, veil, len);
		assert_int_equal(uncover(&c, out, len - 1), -E_SHORT);
		png_picture_free(&p);
	}
}

static void changes_few_pixels_by_one(void **state)
{
	(void)state;
	struct picture p = make(WIDTH, HEIGHT, 4);
	struct picture q;
	struct covered c;
	uint8_t veil[LEN];
	size_t changed = 0, up = 0;

	secret_random(veil, sizeof(veil));
	cover_up(&p, veil, &c);
	assert_int_equal(png_decode(c.bytes, c.len, &q), 0);
	assert_int_equal(q.channels, 4);
	for (size_t i = 0; i < PIXELS; i++) {
		const uint8_t *was = p.sample + 4 * i, *is = q.sample + 4 * i;
		int by = is[1] - was[1];
		assert_true(by >= -1 && by <= 1);
		/* The colours keep their distances, and what is seen through stays. */
		assert_true(is[0] - was[0] == by && is[2] - was[2] == by && is[3] == was[3]);
		changed += by != 0;
		up += by == 1;
	}
	/* Far fewer than the half of the bits that plain replacement would change. */
	assert_in_range(changed, LEN, LEN * 8 * 3 / 10);
	/* Some half of 600: seven standard deviations. */
	assert_in_range(up, changed * 35 / 100, changed * 65 / 100);
	png_picture_free(&p);
	png_picture_free(&q);
}

/* All samples at the ends of the scale: each change can only go inward. */
static void keeps_within_the_scale(void **state)
{
	(void)state;
	struct picture p = make(WIDTH, HEIGHT, 3);
	struct picture q;
	struct covered c;
	uint8_t veil[LEN], out[LEN];

	for (size_t i = 0; i < SAMPLES; i++)
		p.sample[i] = i % 2 ? 255 : 0;
	secret_random(veil, sizeof(veil));
	cover_up(&p, veil, &c);
	assert_int_equal(uncover(&c, out, sizeof(out)), LEN);
	assert_memory_equal(out, veil, LEN);
	assert_int_equal(png_decode(c.bytes, c.len, &q), 0);
	for (size_t i = 0; i < SAMPLES; i++)
		assert_true(abs(q.sample[i] - p.sample[i]) <= 1);
	png_picture_free(&p);
	png_picture_free(&q);
}

static void needs_the_key_and_the_set(void **state)
{
	(void)state;
	static const uint8_t other_key[KEY_BYTES] = {9};
	struct picture p = make(WIDTH, HEIGHT, 3);
	struct covered c;
	uint8_t veil[LEN], out[LEN];
	struct cover_args other = {.picture_key = other_key, .set_id = 77};
	struct cover_args set = {.picture_key = key, .set_id = 78};
	struct cover_args high = {.picture_key = key, .set_id = 77 | 1ULL << 20 | 1ULL << 63};

	count_up(veil, sizeof(veil), 0);
	cover_up(&p, veil, &c);
	assert_int_equal(cover_png.unwrap(&other, c.bytes, c.len, out, sizeof(out)), LEN);
	assert_memory_not_equal(out, veil, LEN);
	assert_int_equal(cover_png.unwrap(&set, c.bytes, c.len, out, sizeof(out)), LEN);
	assert_memory_not_equal(out, veil, LEN);
	assert_int_equal(cover_png.unwrap(&high, c.bytes, c.len, out, sizeof(out)), LEN);
	assert_memory_equal(out, veil, LEN);
	png_picture_free(&p);
}

static void takes_only_what_fits(void **state)
{
	(void)state;
	static uint8_t veil[LEN + 1];
	struct picture p = make(WIDTH, HEIGHT, 3);
	struct cover_args a = {.picture_key = key, .picture = &p};
	struct cover_args none = {.picture_key = key};
	struct covered c;

	assert_int_equal(cover_png.wrap(&a, veil, LEN - 1, c.bytes, COVER_MAX), -E_FORMAT);
	assert_int_equal(cover_png.wrap(&a, veil, LEN + 1, c.bytes, COVER_MAX), -E_FORMAT);
	assert_int_equal(cover_png.wrap(&a, veil, 0, c.bytes, COVER_MAX), -E_FORMAT);
	assert_int_equal(cover_png.wrap(&a, veil, LEN, c.bytes, 100), -E_SHORT);
	assert_int_equal(cover_png.veil_len(&none), 0);
	assert_int_equal(cover_png.wrap(&none, veil, LEN, c.bytes, COVER_MAX), -E_FORMAT);
	p.channels = 2;
	assert_int_equal(cover_png.wrap(&a, veil, LEN, c.bytes, COVER_MAX), -E_FORMAT);
	p.channels = 3;
	png_picture_free(&p);
	/* Nothing but noise: more than 64 KiB of it. */
	p = make(256, 256, 3);
	secret_random(p.sample, 256 * 256 * 3);
	static uint8_t long_veil[256 * 256 / PICTURE_RATE];
	assert_int_equal(
	    cover_png.wrap(&a, long_veil, sizeof(long_veil), c.bytes, COVER_MAX), -E_SHORT);
	png_picture_free(&p);
}

static void draws_an_order_without_repetition(void **state)
{
	(void)state;
	static uint32_t order[PIXELS], other[PIXELS];
	static uint8_t seen[PIXELS];
	struct picture p = {.width = WIDTH, .height = HEIGHT};
	struct cover_args a = {.picture_key = key, .set_id = 1, .picture = &p};
	size_t same = 0, displaced = 0;

	png_order(&a, order, PIXELS);
	for (size_t i = 0; i < PIXELS; i++) {
		assert_true(order[i] < PIXELS && !seen[order[i]]);
		seen[order[i]] = 1;
		displaced += order[i] < PIXELS / 2;
		if (i == PIXELS / 2 - 1) /* one half of the samples is not favoured */
			assert_in_range(displaced, PIXELS / 4 - 250, PIXELS / 4 + 250);
	}
	a.set_id = 2;
	png_order(&a, other, PIXELS);
	for (size_t i = 0; i < PIXELS; i++)
		same += order[i] == other[i];
	assert_in_range(same, 0, 12);
}

static void changes_where_it_costs_least(void **state)
{
	(void)state;
	enum { BITS = 100 * PICTURE_RATE };
	static uint8_t bit[BITS], flip[BITS];
	static float cost[BITS];
	uint8_t bytes[100], out[100];
	size_t dear = 0, cheap = 0;

	secret_random(bytes, sizeof(bytes));
	secret_random(bit, sizeof(bit));
	for (size_t i = 0; i < BITS; i++) {
		bit[i] &= 1;
		cost[i] = i % 2 ? 1.0F : 50.0F;
	}
	assert_int_equal(trellis_write(bit, cost, bytes, sizeof(bytes), flip), 0);
	for (size_t i = 0; i < BITS; i++) {
		bit[i] ^= flip[i];
		dear += i % 2 == 0 && flip[i];
		cheap += i % 2 == 1 && flip[i];
	}
	trellis_read(bit, sizeof(bytes), out);
	assert_memory_equal(out, bytes, sizeof(bytes));
	assert_in_range(dear, 0, 40);
	assert_in_range(cheap, 100, 400);
}

static void finds_texture_cheap_and_the_ends_dear(void **state)
{
	(void)state;
	enum { SMOOTH = 4 * WIDTH + 50, ROUGH = PIXELS - 4 * WIDTH + 50 };
	static float cost[PIXELS];
	struct picture p = make(WIDTH, HEIGHT, 3);

	for (size_t i = 0; i < SAMPLES / 2; i++) /* the upper half is even */
		p.sample[i] = 100;
	assert_int_equal(png_cost(&p, cost), 0);
	assert_true(cost[SMOOTH] > 20 * cost[ROUGH]);
	float before = cost[ROUGH];
	p.sample[3 * ROUGH] = 255;
	assert_int_equal(png_cost(&p, cost), 0);
	assert_true(cost[ROUGH] > 3 * before);
	png_picture_free(&p);
}

/* Made by another implementation. */
static void reads_the_golden_picture(void **state)
{
	(void)state;
	static uint8_t png[8192];
	uint8_t picture_key[KEY_BYTES], veil[64], out[64], first[32], set[8];
	uint32_t order[28 * 24];
	struct picture p = {.width = 28, .height = 24};
	json_t *g = json_load_file(GOLDEN_DIR "/png.json", 0, NULL);

	assert_non_null(g);
	(void)unhex(picture_key, KEY_BYTES, json_string_value(json_object_get(g, "picture_key")));
	(void)unhex(set, sizeof(set), json_string_value(json_object_get(g, "set_id")));
	size_t len = unhex(png, sizeof(png), json_string_value(json_object_get(g, "png")));
	size_t veil_len = unhex(veil, sizeof(veil), json_string_value(json_object_get(g, "veil")));
	size_t shown = unhex(first, sizeof(first), json_string_value(json_object_get(g, "order")));
	json_decref(g);
	struct cover_args a = {.picture_key = picture_key, .picture = &p};
	for (size_t i = 0; i < sizeof(set); i++)
		a.set_id = a.set_id << 8 | set[i];
	png_order(&a, order, shown / 4);
	for (size_t i = 0; i < shown / 4; i++)
		assert_int_equal(order[i], first[4 * i + 2] << 8 | first[4 * i + 3]);
	assert_int_equal(cover_png.unwrap(&a, png, len, out, sizeof(out)), veil_len);
	assert_memory_equal(out, veil, veil_len);
}

/* ---- what others may send ---- */

struct maker {
	uint8_t bytes[COVER_MAX + 200];
	size_t len;
};

static void put(struct maker *m, const void *bytes, size_t len)
{
	assert_true(m->len + len <= sizeof(m->bytes));
	if (len > 0)
		memcpy(m->bytes + m->len, bytes, len);
	m->len += len;
}

static void put_u32(struct maker *m, uint32_t v)
{
	uint8_t b[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};

	put(m, b, 4);
}

static void put_chunk(struct maker *m, const char *type, const void *bytes, size_t len)
{
	put_u32(m, (uint32_t)len);
	size_t at = m->len;
	put(m, type, 4);
	put(m, bytes, len);
	put_u32(m, (uint32_t)crc32(0, m->bytes + at, (uInt)(len + 4)));
}

struct head {
	uint32_t width, height;
	uint8_t depth, colour, compression, filter, interlace;
};

static const struct head usual = {.width = 40, .height = 30, .depth = 8, .colour = 2};

static void put_head(struct maker *m, const struct head *h)
{
	uint8_t b[13] = {(uint8_t)(h->width >> 24), (uint8_t)(h->width >> 16),
	    (uint8_t)(h->width >> 8), (uint8_t)h->width, (uint8_t)(h->height >> 24),
	    (uint8_t)(h->height >> 16), (uint8_t)(h->height >> 8), (uint8_t)h->height, h->depth,
	    h->colour, h->compression, h->filter, h->interlace};

	m->len = 0;
	put(m, "\x89PNG\r\n\x1a\n", 8);
	put_chunk(m, "IHDR", b, sizeof(b));
}

/* Rows of zeros, so many bytes of them, under one filter type. */
static size_t deflated(uint8_t *out, size_t cap, size_t raw_len, uint8_t filter)
{
	uint8_t *raw = calloc(1, raw_len + 1);
	uLongf len = cap;

	assert_non_null(raw);
	for (size_t i = 0; i < raw_len; i += 40 * 3 + 1)
		raw[i] = filter;
	assert_int_equal(compress2(out, &len, raw, raw_len, 9), Z_OK);
	free(raw);
	return len;
}

static int decode(const struct maker *m)
{
	struct picture p;
	int err = png_decode(m->bytes, m->len, &p);

	if (err == 0)
		png_picture_free(&p);
	return err;
}

static uint8_t rows[COVER_MAX];
enum { ROWS = 30 * (40 * 3 + 1) };

static void reads_a_plain_picture(void **state)
{
	(void)state;
	struct maker m;
	size_t len = deflated(rows, sizeof(rows), ROWS, 0);

	put_head(&m, &usual);
	put_chunk(&m, "IDAT", rows, len / 2);
	put_chunk(&m, "IDAT", rows + len / 2, 0);
	put_chunk(&m, "IDAT", rows + len / 2, len - len / 2);
	put_chunk(&m, "IEND", NULL, 0);
	assert_int_equal(decode(&m), 0);
	for (size_t cut = 0; cut < m.len; cut++) {
		struct picture p;
		assert_true(png_decode(m.bytes, cut, &p) < 0);
	}
	put(&m, "", 1);
	assert_int_equal(decode(&m), -E_FORMAT);
}

static void refuses_other_kinds_of_pictures(void **state)
{
	(void)state;
	static const struct head others[] = {
	    {0, 30, 8, 2, 0, 0, 0},
	    {40, 0, 8, 2, 0, 0, 0},
	    {257, 30, 8, 2, 0, 0, 0},
	    {40, 257, 8, 2, 0, 0, 0},
	    {40 + 65536, 30, 8, 2, 0, 0, 0},
	    {0x80000028, 30, 8, 2, 0, 0, 0},
	    {0xffffffff, 0xffffffff, 8, 2, 0, 0, 0},
	    {40, 30, 16, 2, 0, 0, 0},
	    {40, 30, 8, 0, 0, 0, 0},
	    {40, 30, 8, 3, 0, 0, 0},
	    {40, 30, 8, 4, 0, 0, 0},
	    {40, 30, 1, 3, 0, 0, 0},
	    {40, 30, 8, 7, 0, 0, 0},
	    {40, 30, 8, 2, 1, 0, 0},
	    {40, 30, 8, 2, 0, 1, 0},
	    {40, 30, 8, 2, 0, 0, 1},
	    {40, 30, 8, 2, 0, 0, 2},
	};
	struct maker m;
	size_t len = deflated(rows, sizeof(rows), ROWS, 0);

	for (size_t i = 0; i < COUNT_OF(others); i++) {
		put_head(&m, &others[i]);
		put_chunk(&m, "IDAT", rows, len);
		put_chunk(&m, "IEND", NULL, 0);
		assert_int_equal(decode(&m), -E_FORMAT);
	}
}

static void refuses_every_other_chunk(void **state)
{
	(void)state;
	static const char *const types[] = {"PLTE", "tRNS", "cHRM", "gAMA", "iCCP", "sBIT", "sRGB",
	    "tEXt", "zTXt", "iTXt", "bKGD", "hIST", "pHYs", "sPLT", "tIME", "oFFs", "eXIf", "IHDR",
	    "ABCD", "abcd", "acTL", "\0\0\0\0"};
	struct maker m;
	size_t len = deflated(rows, sizeof(rows), ROWS, 0);

	for (size_t i = 0; i < COUNT_OF(types); i++) {
		for (int place = 0; place < 3; place++) {
			put_head(&m, &usual);
			if (place == 0)
				put_chunk(&m, types[i], rows, 13);
			put_chunk(&m, "IDAT", rows, len);
			if (place == 1)
				put_chunk(&m, types[i], rows, 13);
			put_chunk(&m, "IEND", NULL, 0);
			if (place == 2)
				put_chunk(&m, types[i], rows, 13);
			assert_int_equal(decode(&m), -E_FORMAT);
		}
	}
}

static void refuses_chunks_that_do_not_fit(void **state)
{
	(void)state;
	struct maker m;
	size_t len = deflated(rows, sizeof(rows), ROWS, 0);

	put_head(&m, &usual);
	put_chunk(&m, "IEND", NULL, 0); /* no data */
	assert_int_equal(decode(&m), -E_FORMAT);
	put_head(&m, &usual);
	put_chunk(&m, "IDAT", rows, len);
	put_chunk(&m, "IEND", rows, 1);
	assert_int_equal(decode(&m), -E_FORMAT);
	put_head(&m, &usual);
	put_u32(&m, 0xfffffff0); /* a length that would wrap */
	put(&m, "IDAT", 4);
	put(&m, rows, len);
	assert_int_equal(decode(&m), -E_SHORT);
	put_head(&m, &usual);
	put_chunk(&m, "IDAT", rows, len);
	m.bytes[m.len - 1] ^= 1; /* the data's checksum */
	put_chunk(&m, "IEND", NULL, 0);
	assert_int_equal(decode(&m), -E_FORMAT);
	put_head(&m, &usual);
	m.bytes[8 + 8 + 13] ^= 1; /* the head's */
	put_chunk(&m, "IDAT", rows, len);
	put_chunk(&m, "IEND", NULL, 0);
	assert_int_equal(decode(&m), -E_FORMAT);
}

static void refuses_data_that_does_not_fit(void **state)
{
	(void)state;
	struct maker m;
	size_t len = deflated(rows, sizeof(rows), ROWS, 5); /* there is no such filter */

	put_head(&m, &usual);
	put_chunk(&m, "IDAT", rows, len);
	put_chunk(&m, "IEND", NULL, 0);
	assert_int_equal(decode(&m), -E_FORMAT);
	len = deflated(rows, sizeof(rows), ROWS - 1, 0); /* a byte too few */
	put_head(&m, &usual);
	put_chunk(&m, "IDAT", rows, len);
	put_chunk(&m, "IEND", NULL, 0);
	assert_int_equal(decode(&m), -E_FORMAT);
	len = deflated(rows, sizeof(rows), ROWS, 0);
	rows[len / 2] ^= 0x55;
	put_head(&m, &usual);
	put_chunk(&m, "IDAT", rows, len);
	put_chunk(&m, "IEND", NULL, 0);
	assert_int_equal(decode(&m), -E_FORMAT);
	put_head(&m, &usual);
	put_chunk(&m, "IDAT", rows, 0);
	put_chunk(&m, "IEND", NULL, 0);
	assert_int_equal(decode(&m), -E_FORMAT);
}

/* 60 MB of zeros in 60 KB: never more of them is unpacked than the picture has. */
static void a_bomb_costs_nothing(void **state)
{
	(void)state;
	struct maker m;
	size_t len = deflated(rows, sizeof(rows), 60000000, 0);

	put_head(&m, &usual);
	put_chunk(&m, "IDAT", rows, len);
	put_chunk(&m, "IEND", NULL, 0);
	assert_true(m.len > 50000 && m.len <= COVER_MAX);
	for (int i = 0; i < 1000; i++) /* unpacked whole, this would take minutes */
		(void)decode(&m);
}

static void refuses_what_is_too_long(void **state)
{
	(void)state;
	static uint8_t filling[COVER_MAX];
	struct maker m;

	put_head(&m, &usual);
	put_chunk(&m, "IDAT", filling, COVER_MAX - m.len - 24 + 1);
	put_chunk(&m, "IEND", NULL, 0);
	assert_int_equal(m.len, COVER_MAX + 1);
	assert_int_equal(decode(&m), -E_FORMAT);
}

/* Nothing tells the program that wrote it, nor when, nor what it was. */
static void writes_pixels_alone(void **state)
{
	(void)state;
	struct picture p = make(WIDTH, HEIGHT, 3);
	uint8_t out[COVER_MAX];
	int len = png_encode(&p, out, sizeof(out));

	assert_true(len > 0);
	for (int at = 8; at < len;) {
		int chunk = out[at + 1] << 16 | out[at + 2] << 8 | out[at + 3];
		assert_true(memcmp(out + at + 4, "IHDR", 4) == 0 ||
			    memcmp(out + at + 4, "IDAT", 4) == 0 ||
			    memcmp(out + at + 4, "IEND", 4) == 0);
		at += chunk + 12;
	}
	png_picture_free(&p);
}

static int setup(void **state)
{
	(void)state;
	return secret_init();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(gives_back_what_it_took),
	    cmocka_unit_test(changes_few_pixels_by_one),
	    cmocka_unit_test(keeps_within_the_scale),
	    cmocka_unit_test(needs_the_key_and_the_set),
	    cmocka_unit_test(takes_only_what_fits),
	    cmocka_unit_test(draws_an_order_without_repetition),
	    cmocka_unit_test(changes_where_it_costs_least),
	    cmocka_unit_test(finds_texture_cheap_and_the_ends_dear),
	    cmocka_unit_test(reads_the_golden_picture),
	    cmocka_unit_test(reads_a_plain_picture),
	    cmocka_unit_test(refuses_other_kinds_of_pictures),
	    cmocka_unit_test(refuses_every_other_chunk),
	    cmocka_unit_test(refuses_chunks_that_do_not_fit),
	    cmocka_unit_test(refuses_data_that_does_not_fit),
	    cmocka_unit_test(a_bomb_costs_nothing),
	    cmocka_unit_test(refuses_what_is_too_long),
	    cmocka_unit_test(writes_pixels_alone),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
