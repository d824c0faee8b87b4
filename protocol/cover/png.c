/*
 * png - the veil hidden in a picture: one bit in four pixels, in the lowest bit
 * of their green, by changing few pixels by one up or down where it shows least.
 *
 * A pixel is changed as a whole, red, green and blue alike: in a photograph
 * that was a JPEG the differences between the colours are so smooth that a
 * change of one colour alone is found by anybody who looks at them.
 */
#include <stdlib.h>

#include "cover.h"
#include "errors.h"
#include "png_cost.h"
#include "png_file.h"
#include "png_order.h"
#include "png_trellis.h"
#include "secret.h"

enum { GREEN = 1, COLOURS = 3 };

static size_t pixels_of(const struct picture *p)
{
	return (size_t)p->width * p->height;
}

static size_t veil_len(const struct cover_args *a)
{
	return a->picture ? pixels_of(a->picture) / PICTURE_RATE : 0;
}

static uint8_t *pixel_at(const struct picture *p, uint32_t number)
{
	return &p->sample[(size_t)number * p->channels];
}

/* What is worked with; used pixels are the first PICTURE_RATE * len of the order. */
struct work {
	size_t len; /* of the veil */
	size_t used;
	uint32_t *order;
	uint8_t *bit;
	/* wrap alone */
	float *cost;  /* by the number of the pixel */
	float *drawn; /* by its place in the order */
	uint8_t *flip;
	uint8_t *up;
};

static void work_free(struct work *w)
{
	free(w->order);
	free(w->bit);
	free(w->cost);
	free(w->drawn);
	free(w->flip);
	free(w->up);
}

/* The order, and the lowest bits in that order. */
static int work_begin(struct work *w, const struct cover_args *a)
{
	w->len = veil_len(a);
	w->used = w->len * PICTURE_RATE;
	w->order = malloc(pixels_of(a->picture) * sizeof(*w->order));
	w->bit = malloc(w->used + 1);
	if (!w->order || !w->bit)
		return -E_FULL;
	png_order(a, w->order, w->used);
	for (size_t i = 0; i < w->used; i++)
		w->bit[i] = pixel_at(a->picture, w->order[i])[GREEN] & 1U;
	return 0;
}

static int work_costs(struct work *w, const struct picture *p)
{
	w->cost = malloc(pixels_of(p) * sizeof(*w->cost));
	w->drawn = malloc((w->used + 1) * sizeof(*w->drawn));
	w->flip = malloc(w->used + 1);
	w->up = malloc(w->used + 1);
	if (!w->cost || !w->drawn || !w->flip || !w->up)
		return -E_FULL;
	int err = png_cost(p, w->cost);
	for (size_t i = 0; err == 0 && i < w->used; i++)
		w->drawn[i] = w->cost[w->order[i]];
	return err;
}

/*
 * One up or one down, with the same chance. What would go beyond its scale goes the other way, and
 * where colours are at both ends, those that can follow green.
 */
static int way_of(const uint8_t *pixel, bool up)
{
	bool bottom = false, top = false;

	for (int c = 0; c < COLOURS; c++) {
		bottom |= pixel[c] == 0;
		top |= pixel[c] == UINT8_MAX;
	}
	if (bottom && top)
		return pixel[GREEN] == UINT8_MAX || (up && pixel[GREEN] > 0) ? -1 : 1;
	if (bottom || top)
		return bottom ? 1 : -1;
	return up ? 1 : -1;
}

static void nudge(uint8_t *pixel, bool up)
{
	int way = way_of(pixel, up);

	for (int c = 0; c < COLOURS; c++) {
		int value = pixel[c] + way;
		if (value >= 0 && value <= UINT8_MAX)
			pixel[c] = (uint8_t)value;
	}
}

/* Change the samples of p, which are the caller's to change. */
static int hide(const struct cover_args *a, const uint8_t *veil)
{
	struct work w = {0};
	int err = work_begin(&w, a);

	if (err == 0)
		err = work_costs(&w, a->picture);
	if (err == 0)
		err = trellis_write(w.bit, w.drawn, veil, w.len, w.flip);
	if (err == 0) {
		secret_random(w.up, w.used);
		for (size_t i = 0; i < w.used; i++) {
			if (w.flip[i])
				nudge(pixel_at(a->picture, w.order[i]), w.up[i] & 1U);
		}
	}
	work_free(&w);
	return err;
}

static int wrap(
    const struct cover_args *a, const uint8_t *veil, size_t len, uint8_t *out, size_t cap)
{
	struct cover_args own = *a;
	struct picture copy;

	if (len == 0 || veil_len(a) != len)
		return -E_FORMAT;
	int err = png_copy(a->picture, &copy);
	if (err < 0)
		return err;
	own.picture = &copy;
	err = hide(&own, veil);
	if (err == 0)
		err = png_encode(&copy, out, cap);
	png_picture_free(&copy);
	return err;
}

static int unwrap(
    const struct cover_args *a, const uint8_t *in, size_t len, uint8_t *veil, size_t cap)
{
	struct cover_args own = *a;
	struct picture p;
	struct work w = {0};
	int err = png_decode(in, len, &p);

	if (err < 0)
		return err;
	own.picture = &p;
	if (veil_len(&own) == 0 || veil_len(&own) > cap)
		err = -E_SHORT;
	if (err == 0)
		err = work_begin(&w, &own);
	if (err == 0) {
		trellis_read(w.bit, w.len, veil);
		err = (int)w.len;
	}
	work_free(&w);
	png_picture_free(&p);
	return err;
}

const struct cover cover_png = {
    .name = "png", .has_picture = true, .veil_len = veil_len, .wrap = wrap, .unwrap = unwrap};
