#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "field.h"
#include "photo.h"
#include "photos.h"
#include "png_file.h"
#include "scene.h"
#include "secret.h"
#include "spent.h"
#include "veil.h"

enum { SIDE = 2 * PHOTO_FIELD, FILE_MAX = 4 << 20 };

/* A folder for photographs and one for the state. */
struct lab {
	char dir[64], photos[80], state[80];
	struct trouble trouble;
};

static int lab_new(void **state)
{
	struct lab *l = calloc(1, sizeof(*l));

	assert_non_null(l);
	(void)strcpy(l->dir, "/tmp/postern-photos-XXXXXX");
	assert_non_null(mkdtemp(l->dir));
	(void)snprintf(l->photos, sizeof(l->photos), "%s/photos", l->dir);
	(void)snprintf(l->state, sizeof(l->state), "%s/state", l->dir);
	assert_int_equal(mkdir(l->photos, 0700), 0);
	*state = l;
	return 0;
}

static int lab_free(void **state)
{
	struct lab *l = *state;
	char command[160];

	(void)snprintf(command, sizeof(command), "rm -rf '%s'", l->dir);
	assert_int_equal(system(command), 0); /* a path of our own making */
	free(l);
	return 0;
}

static void put(const struct lab *l, const char *name, const void *bytes, size_t len)
{
	char path[200];

	(void)snprintf(path, sizeof(path), "%s/%s", l->photos, name);
	FILE *f = fopen(path, "wbe");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static void put_jpeg(const struct lab *l, const char *name, uint64_t seed, int width, int height)
{
	uint8_t *rgb = malloc((size_t)width * (size_t)height * 3);
	size_t len = 0;

	assert_non_null(rgb);
	scene_make(seed, width, height, rgb);
	uint8_t *jpeg = scene_jpeg(rgb, width, height, 92, &len);
	put(l, name, jpeg, len);
	free(jpeg);
	free(rgb);
}

static FILE *get(const struct lab *l, const char *name)
{
	char path[200];

	(void)snprintf(path, sizeof(path), "%s/%s", l->photos, name);
	return fopen(path, "rbe");
}

/* ---- one photograph ---- */

struct kept {
	size_t len;
	uint8_t *pixels;
};

static bool keep_band(void *arg, unsigned band, const uint8_t *pixels)
{
	struct kept *k = arg;

	(void)band;
	memcpy(k->pixels, pixels, k->len);
	return false;
}

static void a_band_is_the_photograph_halved(void **state)
{
	struct lab *l = *state;
	struct photo p;
	uint8_t *rgb = malloc(3 * 900 * 810);
	static uint8_t band[2 * PHOTO_FIELD * PHOTO_FIELD * 3];
	struct kept kept = {sizeof(band), band};

	assert_non_null(rgb);
	scene_make(1, 900, 810, rgb);
	/* The lossless way, so that it is known what must come out: a PNG of 900x810. */
	char path[200];
	(void)snprintf(path, sizeof(path), "%s/a.ppm", l->dir);
	FILE *ppm = fopen(path, "wbe");
	assert_non_null(ppm);
	(void)fprintf(ppm, "P6\n900 810\n255\n");
	assert_int_equal(fwrite(rgb, 3, 900 * 810, ppm), 900 * 810);
	assert_int_equal(fclose(ppm), 0);
	char command[512];
	(void)snprintf(command, sizeof(command),
	    "/usr/bin/python3 -c 'from PIL import Image; Image.open(\"%s\").save(\"%s/a.png\")'",
	    path, l->photos);
	assert_int_equal(system(command), 0);
	FILE *f = get(l, "a.png");
	assert_non_null(f);
	assert_int_equal(photo_look(f, &p), PHOTO_OK);
	assert_false(p.jpeg);
	assert_int_equal(p.channels, 3);
	assert_int_equal(p.columns, 2);
	assert_int_equal(p.bands, 2);
	assert_int_equal(photo_bands(f, &p, 1, keep_band, &kept), PHOTO_OK);
	for (int y = 0; y < PHOTO_FIELD; y++) {
		for (int x = 0; x < 2 * PHOTO_FIELD; x++) {
			/* Centred: 50 and 5 pixels are left over at the left and at the top. */
			const uint8_t *s = rgb + ((5 + SIDE + 2 * y) * 900 + 50 + 2 * x) * 3;
			int sum = s[0] + s[3] + s[2700] + s[2703];
			assert_int_equal(band[(y * 2 * PHOTO_FIELD + x) * 3], (sum + 2) / 4);
		}
	}
	assert_int_equal(fclose(f), 0);
	free(rgb);
}

static bool keep_last_band(void *arg, unsigned band, const uint8_t *pixels)
{
	(void)keep_band(arg, band, pixels);
	return true;
}

static void a_jpeg_is_read_alike_from_anywhere(void **state)
{
	struct lab *l = *state;
	static uint8_t band[2][PHOTO_FIELD * PHOTO_FIELD * 3];
	struct kept all = {sizeof(band[0]), band[0]}, part = {sizeof(band[1]), band[1]};
	struct photo p;

	put_jpeg(l, "a.jpg", 1, SIDE, 3 * SIDE + 7);
	FILE *f = get(l, "a.jpg");
	assert_int_equal(photo_look(f, &p), PHOTO_OK);
	assert_true(p.jpeg);
	assert_int_equal(p.bands, 3);
	assert_int_equal(photo_bands(f, &p, 0, keep_last_band, &all), PHOTO_OK);
	assert_int_equal(photo_bands(f, &p, 2, keep_band, &part), PHOTO_OK);
	assert_memory_equal(band[0], band[1], sizeof(band[0]));
	assert_int_equal(fclose(f), 0);
}

static enum photo_result look(const struct lab *l, const char *name)
{
	struct photo p;
	FILE *f = get(l, name);

	assert_non_null(f);
	enum photo_result r = photo_look(f, &p);
	assert_int_equal(fclose(f), 0);
	return r;
}

static void tells_what_it_cannot_use(void **state)
{
	struct lab *l = *state;
	uint8_t head[64] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

	put(l, "empty", "", 0);
	assert_int_equal(look(l, "empty"), PHOTO_OTHER);
	put(l, "text.jpg", "no picture at all", 17);
	assert_int_equal(look(l, "text.jpg"), PHOTO_OTHER);
	put(l, "cut.png", head, sizeof(head));
	assert_int_equal(look(l, "cut.png"), PHOTO_DAMAGED);
	put(l, "cut.jpg", "\xff\xd8\xff\xe0", 4);
	assert_int_equal(look(l, "cut.jpg"), PHOTO_DAMAGED);
	put_jpeg(l, "small.jpg", 1, SIDE - 1, SIDE);
	assert_int_equal(look(l, "small.jpg"), PHOTO_SMALL);
	for (int r = PHOTO_OK; r <= PHOTO_MEMORY; r++)
		assert_true(strlen(photo_word((enum photo_result)r)) > 4);
}

/* A photograph that ends too early is no photograph: libjpeg would make the rest up. */
static void a_truncated_jpeg_is_damaged(void **state)
{
	struct lab *l = *state;
	uint8_t *bytes = malloc(FILE_MAX);
	static uint8_t band[PHOTO_FIELD * PHOTO_FIELD * 3];
	struct kept kept = {sizeof(band), band};
	struct photo p;

	assert_non_null(bytes);
	put_jpeg(l, "a.jpg", 1, SIDE, SIDE);
	FILE *f = get(l, "a.jpg");
	size_t len = fread(bytes, 1, FILE_MAX, f);
	assert_int_equal(fclose(f), 0);
	put(l, "b.jpg", bytes, len / 2);
	free(bytes);
	f = get(l, "b.jpg");
	assert_int_equal(photo_look(f, &p), PHOTO_OK);
	assert_int_equal(photo_bands(f, &p, 0, keep_band, &kept), PHOTO_DAMAGED);
	assert_int_equal(fclose(f), 0);
}

/* ---- fields ---- */

static void smooth_and_grey_are_not_fit(void **state)
{
	(void)state;
	enum { PIXELS = 100 * 100 };
	static uint8_t sample[PIXELS * 3];
	struct picture p = {.width = 100, .height = 100, .channels = 3, .sample = sample};

	secret_random(sample, sizeof(sample));
	assert_true(field_is_fit(&p));
	for (int i = 0; i < PIXELS; i++) /* 4 rows in 100, then 6 */
		memset(sample + i * 3, i % 100, i < 400 ? 3 : 0);
	memset(sample, 7, (size_t)4 * 300);
	assert_true(field_is_fit(&p));
	memset(sample, 7, (size_t)6 * 300);
	assert_false(field_is_fit(&p));
	secret_random(sample, sizeof(sample));
	for (int i = 0; i < PIXELS * 6 / 10; i++)
		memset(sample + i * 3, sample[i * 3], 3);
	assert_false(field_is_fit(&p));
}

/* ---- a folder ---- */

static void each_field_is_used_once(void **state)
{
	struct lab *l = *state;
	struct picture got;
	unsigned taken = 0;

	put_jpeg(l, "a.jpg", 8, 2 * SIDE, SIDE);
	put_jpeg(l, "b.jpg", 11, SIDE, 2 * SIDE);
	put(l, "readme.txt", "hello", 5);
	while (taken < 10) {
		/* A new one each time: what was used is on the disk. */
		struct photos *p = photos_new(l->photos, l->state);
		assert_non_null(p);
		int err = photos_take(p, 500, &got, &l->trouble);
		size_t veil = (size_t)got.width * got.height / PICTURE_RATE;
		assert_true(err < 0 || (veil >= 500 && veil <= VEIL_ROOM));
		photos_free(p);
		if (err < 0)
			break;
		taken++;
	}
	assert_int_equal(errno, ENODATA);
	assert_int_equal(taken, 4);
	assert_non_null(strstr(l->trouble.text, "no picture is left"));
	assert_non_null(strstr(l->trouble.text, "1 files cannot be used"));
	assert_non_null(strstr(l->trouble.text, "add photographs"));
	/* Nor does a copy help, under another name and with other metadata. */
	uint8_t *bytes = malloc(FILE_MAX);
	assert_non_null(bytes);
	FILE *f = get(l, "a.jpg");
	size_t len = fread(bytes + 8, 1, FILE_MAX - 8, f);
	assert_int_equal(fclose(f), 0);
	memcpy(bytes, "\xff\xd8\xff\xfe\x00\x06note", 10); /* a comment after the first marker */
	put(l, "copy.jpg", bytes, len + 8);
	free(bytes);
	struct photos *p = photos_new(l->photos, l->state);
	assert_int_equal(photos_take(p, 500, &got, &l->trouble), -1);
	assert_int_equal(errno, ENODATA);
	photos_free(p);
}

static void a_need_that_no_picture_has_room_for_is_told(void **state)
{
	struct lab *l = *state;
	struct photos *p = photos_new(l->photos, l->state);
	struct picture got;

	assert_int_equal(photos_take(p, VEIL_ROOM + 1, &got, &l->trouble), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(photos_take(p, 0, &got, &l->trouble), -1);
	assert_int_equal(errno, ENODATA);
	photos_free(p);
	p = photos_new("/nowhere/at/all", l->state);
	trouble_clear(&l->trouble);
	assert_int_equal(photos_take(p, 0, &got, &l->trouble), -1);
	assert_non_null(strstr(l->trouble.text, "/nowhere/at/all: cannot be read"));
	photos_free(p);
}

/* The longest veil that there is fits into a field, too. */
static void the_longest_need_is_met(void **state)
{
	struct lab *l = *state;
	struct photos *p = photos_new(l->photos, l->state);
	struct picture got;

	put_jpeg(l, "a.jpg", 3, 2 * SIDE, 2 * SIDE);
	assert_int_equal(photos_take(p, VEIL_ROOM, &got, &l->trouble), 0);
	assert_int_equal(got.width * got.height / PICTURE_RATE, VEIL_ROOM);
	photos_free(p);
}

static void a_record_cut_short_costs_nothing(void **state)
{
	struct lab *l = *state;
	struct spent s;
	struct spent_field one = {.photo = {1}, .pixels = {2}, .field = 3, .why = SPENT_USED};
	struct spent_field two = {.photo = {4}, .pixels = {5}, .field = 6, .why = SPENT_UNFIT};
	char path[160];

	assert_int_equal(spent_open(&s, l->state, true, &l->trouble), 0);
	assert_int_equal(spent_add(&s, &one), 0);
	spent_close(&s);
	(void)snprintf(path, sizeof(path), "%s/photos.spent", l->state);
	FILE *f = fopen(path, "abe");
	assert_non_null(f);
	assert_int_equal(fwrite("half a record", 1, 13, f), 13);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(spent_open(&s, l->state, true, &l->trouble), 0);
	assert_int_equal(spent_add(&s, &two), 0);
	spent_close(&s);
	assert_int_equal(spent_open(&s, l->state, false, &l->trouble), 0);
	assert_int_equal(s.len, 2);
	assert_true(spent_has_field(&s, one.photo, 3));
	assert_false(spent_has_field(&s, one.photo, 4));
	assert_true(spent_has_pixels(&s, two.pixels));
	assert_false(spent_has_pixels(&s, two.photo));
	spent_close(&s);
}

struct counts {
	unsigned files, usable, left, used;
};

static void count(void *arg, const struct postern_photo *photo)
{
	struct counts *c = arg;

	c->files++;
	c->usable += photo->why == NULL;
	c->left += photo->left;
	c->used += photo->used;
}

static void check_counts_what_take_gives(void **state)
{
	struct lab *l = *state;
	struct photos *p = photos_new(l->photos, l->state);
	struct counts before = {0}, after = {0};
	struct picture got;

	put_jpeg(l, "a.jpg", 8, 2 * SIDE, SIDE);
	put_jpeg(l, "b.jpg", 8, 2 * SIDE, SIDE); /* the same again */
	put(l, "c.txt", "hello", 5);
	assert_int_equal(photos_check(p, count, &before, &l->trouble), 0);
	assert_int_equal(before.files, 3);
	assert_int_equal(before.usable, 1);
	assert_int_equal(before.left, 2);
	assert_int_equal(before.used, 0);
	assert_int_equal(photos_take(p, 0, &got, &l->trouble), 0);
	assert_int_equal(photos_check(p, count, &after, &l->trouble), 0);
	assert_int_equal(after.left, 1);
	assert_int_equal(after.used, 1);
	photos_free(p);
}

static int setup(void **state)
{
	(void)state;
	return secret_init();
}

#define IN_LAB(test) cmocka_unit_test_setup_teardown(test, lab_new, lab_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_LAB(a_band_is_the_photograph_halved),
	    IN_LAB(a_jpeg_is_read_alike_from_anywhere),
	    IN_LAB(tells_what_it_cannot_use),
	    IN_LAB(a_truncated_jpeg_is_damaged),
	    cmocka_unit_test(smooth_and_grey_are_not_fit),
	    IN_LAB(each_field_is_used_once),
	    IN_LAB(a_need_that_no_picture_has_room_for_is_told),
	    IN_LAB(the_longest_need_is_met),
	    IN_LAB(a_record_cut_short_costs_nothing),
	    IN_LAB(check_counts_what_take_gives),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
