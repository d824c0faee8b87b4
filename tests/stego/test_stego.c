/*
 * Can carriers be told from originals? Detectors that know how they are made,
 * and learn from as many pairs as they are tried on, must do little better
 * than guess; and the same detectors must find what a naive tool would do, so
 * that this test can fail.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sodium.h>

#include "cover.h"
#include "detect.h"
#include "field.h"
#include "learn.h"
#include "photo.h"
#include "png_file.h"
#include "scene.h"
#include "secret.h"

enum {
	PAIRS = 1000,
	WIDTH = 160,
	HEIGHT = 144,
	SAMPLES = WIDTH * HEIGHT * CHANNELS,
	VEIL = WIDTH * HEIGHT / PICTURE_RATE,
	PHOTO = 2 * PHOTO_FIELD, /* one field */
	WORKERS = 2,
	QUALITIES = 13,
	PLACES = SAMPLES / 10, /* that a detector watches */
};

/* The most that a detector may tell right, and the least where it shall find something. */
static const double guess = 0.55, sure = 0.60;

enum class {
	ORIGINAL,
	CARRIER, /* ours */
	PLANTED, /* the lowest bit of each sample replaced, in their order: a naive tool, filled up */
	FIXED,	 /* as many bits as ours has, always in the same tenth of the samples */
	CLASSES,
};

struct made {
	double hcf[CLASSES], adjacency[CLASSES];
	float spam[CLASSES][SPAM_FEATURES], colour[CLASSES][SPAM_FEATURES];
	uint8_t sample[CLASSES][SAMPLES];
};

/* ---- chance that repeats ---- */

static uint64_t chance;

static uint32_t draw(void)
{
	uint64_t z = chance += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (uint32_t)(z >> 32);
}

static void draw_bytes(void *out, size_t len)
{
	uint8_t *at = out;

	for (size_t i = 0; i < len; i++)
		at[i] = (uint8_t)draw();
}

static const char *name(void)
{
	return "test";
}

/* ---- pictures ---- */

static bool keep_band(void *arg, unsigned band, const uint8_t *pixels)
{
	(void)band;
	memcpy(arg, pixels, (size_t)PHOTO_FIELD * PHOTO_FIELD * CHANNELS);
	return false;
}

/* What the client would take: a crop of a halved JPEG. False when it would not take it. */
static bool make_original(uint64_t seed, uint8_t *out)
{
	static uint8_t rgb[PHOTO * PHOTO * CHANNELS];
	struct photo photo;
	static uint8_t band[PHOTO_FIELD * PHOTO_FIELD * CHANNELS];
	size_t len = 0;

	scene_make(seed, PHOTO, PHOTO, rgb);
	uint8_t *jpeg = scene_jpeg(rgb, PHOTO, PHOTO, 85 + (int)(seed % QUALITIES), &len);
	FILE *f = fmemopen(jpeg, len, "rb");
	assert_non_null(f);
	assert_int_equal(photo_look(f, &photo), PHOTO_OK);
	assert_int_equal(photo_bands(f, &photo, 0, keep_band, band), PHOTO_OK);
	assert_int_equal(fclose(f), 0);
	struct picture field = {PHOTO_FIELD, PHOTO_FIELD, CHANNELS, band};
	struct picture crop = {WIDTH, HEIGHT, CHANNELS, out};
	field_cut(&field, draw() % (PHOTO_FIELD - WIDTH), draw() % (PHOTO_FIELD - HEIGHT), &crop);
	free(jpeg);
	return field_is_fit(&crop);
}

static void make_carrier(uint8_t *original, uint8_t *out)
{
	static uint8_t bytes[COVER_MAX];
	uint8_t key[KEY_BYTES], veil[VEIL];
	struct picture p = {WIDTH, HEIGHT, CHANNELS, original}, q;
	struct cover_args a = {.picture_key = key, .set_id = draw(), .picture = &p};

	draw_bytes(key, sizeof(key));
	draw_bytes(veil, sizeof(veil));
	int len = cover_png.wrap(&a, veil, sizeof(veil), bytes, sizeof(bytes));
	assert_true(len > 0);
	assert_int_equal(png_decode(bytes, (size_t)len, &q), 0);
	memcpy(out, q.sample, SAMPLES);
	png_picture_free(&q);
}

static void replace_bits(const uint8_t *original, int one_in, uint8_t *out)
{
	uint64_t kept = chance;
	uint8_t fixed[SAMPLES];

	chance = 4711; /* the same places in each picture */
	for (int i = 0; i < SAMPLES; i++)
		fixed[i] = draw() % (unsigned)one_in == 0;
	chance = kept;
	for (int i = 0; i < SAMPLES; i++)
		out[i] = fixed[i] ? (uint8_t)((original[i] & ~1U) | (draw() & 1U)) : original[i];
}

static void measure(struct made *m, enum class c)
{
	struct image i = {WIDTH, HEIGHT, m->sample[c]};

	m->hcf[c] = detect_hcf(&i);
	m->adjacency[c] = detect_adjacency(&i);
	detect_spam(&i, m->spam[c]);
	detect_spam_colour(&i, m->colour[c]);
}

static void make_pair(struct made *m, int number)
{
	uint64_t seed = (uint64_t)number * 100;

	chance = seed;
	while (!make_original(++seed, m->sample[ORIGINAL]))
		;
	make_carrier(m->sample[ORIGINAL], m->sample[CARRIER]);
	replace_bits(m->sample[ORIGINAL], 1, m->sample[PLANTED]);
	replace_bits(m->sample[ORIGINAL], 10, m->sample[FIXED]);
	for (enum class c = ORIGINAL; c <= PLANTED; c++)
		measure(m, c);
	detect_spam_colour(&(struct image){WIDTH, HEIGHT, m->sample[FIXED]}, m->colour[FIXED]);
}

/* ---- one test's way ---- */

/* All pairs; made once, by several processes. */
static struct made *all;

static int make_all(void **state)
{
	static struct randombytes_implementation own = {
	    .implementation_name = name, .random = draw, .buf = draw_bytes};

	(void)state;
	if (randombytes_set_implementation(&own) != 0 || secret_init() != 0)
		return -1;
	all = mmap(
	    NULL, PAIRS * sizeof(*all), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (all == MAP_FAILED)
		return -1;
	for (int w = 0; w < WORKERS; w++) {
		if (fork() != 0)
			continue;
		for (int i = w; i < PAIRS; i += WORKERS)
			make_pair(&all[i], i + 1);
		_exit(0);
	}
	int bad = 0, status;
	while (wait(&status) > 0)
		bad |= status;
	return bad ? -1 : 0;
}

static void report(const char *what, double carrier, double planted)
{
	print_message("%s: of carriers and originals %.1f %% told right, of planted ones %.1f %%\n",
	    what, 100 * carrier, 100 * planted);
}

static void centre_of_mass_guesses(void **state)
{
	(void)state;
	static double value[CLASSES][PAIRS];

	for (int i = 0; i < PAIRS; i++) {
		for (enum class c = ORIGINAL; c <= PLANTED; c++)
			value[c][i] = all[i].hcf[c];
	}
	double carrier = learn_threshold(value[ORIGINAL], value[CARRIER], PAIRS);
	double planted = learn_threshold(value[ORIGINAL], value[PLANTED], PAIRS);
	report("HCF centre of mass", carrier, planted);
	assert_true(carrier <= guess);
	assert_true(planted >= sure);
}

static void adjacency_guesses(void **state)
{
	(void)state;
	static double value[CLASSES][PAIRS];

	for (int i = 0; i < PAIRS; i++) {
		for (enum class c = ORIGINAL; c <= PLANTED; c++)
			value[c][i] = all[i].adjacency[c];
	}
	double carrier = learn_threshold(value[ORIGINAL], value[CARRIER], PAIRS);
	double planted = learn_threshold(value[ORIGINAL], value[PLANTED], PAIRS);
	report("adjacency HCF", carrier, planted);
	assert_true(carrier <= guess);
	assert_true(planted >= sure);
}

/* The features of one class after the other. Given (free). */
static float *gather(bool colour)
{
	float *out = malloc((size_t)CLASSES * PAIRS * SPAM_FEATURES * sizeof(*out));

	assert_non_null(out);
	for (enum class c = ORIGINAL; c < CLASSES; c++) {
		for (int i = 0; i < PAIRS; i++)
			memcpy(out + ((size_t)c * PAIRS + (size_t)i) * SPAM_FEATURES,
			    colour ? all[i].colour[c] : all[i].spam[c], sizeof(all[i].spam[c]));
	}
	return out;
}

static void classify(const char *what, bool colour)
{
	float *f = gather(colour);
	const float *carriers = f + (size_t)CARRIER * PAIRS * SPAM_FEATURES;
	const float *planteds = f + (size_t)PLANTED * PAIRS * SPAM_FEATURES;
	double carrier = learn_ensemble(f, carriers, PAIRS, SPAM_FEATURES);
	double planted = learn_ensemble(f, planteds, PAIRS, SPAM_FEATURES);

	free(f);
	report(what, carrier, planted);
	assert_true(carrier <= guess);
	assert_true(planted >= 0.9);
}

static void spam_guesses(void **state)
{
	(void)state;
	classify("SPAM", false);
}

static void spam_of_colours_guesses(void **state)
{
	(void)state;
	classify("SPAM of colour differences", true);
}

/* No more bits than ours has, by single samples: this is the detector to be afraid of. */
static void spam_of_colours_finds_few_bits(void **state)
{
	(void)state;
	float *f = gather(true);
	double fixed =
	    learn_ensemble(f, f + (size_t)FIXED * PAIRS * SPAM_FEATURES, PAIRS, SPAM_FEATURES);

	free(f);
	print_message("SPAM of colour differences: of a tenth planted %.1f %%\n", 100 * fixed);
	assert_true(fixed >= 0.9);
}

/* ---- places ---- */

/* Which tenth of the places looks most like a place of change over the pairs of one half. */
static void watch(enum class c, int weighted, int half, uint8_t *watched)
{
	static float was[SAMPLES], is[SAMPLES], sum[SAMPLES], sorted[SAMPLES];

	memset(sum, 0, sizeof(sum));
	for (int i = half; i < PAIRS; i += 2) {
		detect_places(
		    &(struct image){WIDTH, HEIGHT, all[i].sample[ORIGINAL]}, weighted, was);
		detect_places(&(struct image){WIDTH, HEIGHT, all[i].sample[c]}, weighted, is);
		for (int at = 0; at < SAMPLES; at++)
			sum[at] += is[at] - was[at];
	}
	memcpy(sorted, sum, sizeof(sorted));
	detect_sort(sorted, SAMPLES);
	for (int at = 0; at < SAMPLES; at++)
		watched[at] = sum[at] > sorted[SAMPLES - PLACES];
}

static double stands_out(const uint8_t *sample, int weighted, const uint8_t *watched)
{
	static float at_place[SAMPLES];
	double sum[2] = {0}, count[2] = {0};

	detect_places(&(struct image){WIDTH, HEIGHT, sample}, weighted, at_place);
	for (int at = 0; at < SAMPLES; at++) {
		sum[watched[at]] += (double)at_place[at];
		count[watched[at]]++;
	}
	return sum[1] / (count[1] + 1) - sum[0] / (count[0] + 1);
}

/* Places are learned from one half of the pictures and watched in the other. */
static double tell_by_places(enum class c, int weighted)
{
	static double original[PAIRS], made[PAIRS];
	static uint8_t watched[SAMPLES];

	for (int half = 0; half < 2; half++) {
		watch(c, weighted, 1 - half, watched);
		for (int i = half; i < PAIRS; i += 2) {
			original[i] = stands_out(all[i].sample[ORIGINAL], weighted, watched);
			made[i] = stands_out(all[i].sample[c], weighted, watched);
		}
	}
	return learn_threshold(original, made, PAIRS);
}

static void no_place_is_changed_more_often(void **state)
{
	(void)state;
	double carrier = tell_by_places(CARRIER, 1), carrier_noise = tell_by_places(CARRIER, 0);
	double fixed = tell_by_places(FIXED, 1);

	report("places, lowest bits", carrier, fixed);
	report("places, noise", carrier_noise, tell_by_places(FIXED, 0));
	assert_true(carrier <= guess && carrier_noise <= guess);
	assert_true(fixed >= sure);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(centre_of_mass_guesses),
	    cmocka_unit_test(adjacency_guesses),
	    cmocka_unit_test(spam_guesses),
	    cmocka_unit_test(spam_of_colours_guesses),
	    cmocka_unit_test(spam_of_colours_finds_few_bits),
	    cmocka_unit_test(no_place_is_changed_more_often),
	};

	return cmocka_run_group_tests(tests, make_all, NULL);
}
