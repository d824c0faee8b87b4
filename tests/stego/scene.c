#include "scene.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

enum { CHANNELS = 3, OCTAVES = 6, LEAVES = 90, PAD = 8 };

/* ---- chance that repeats: splitmix64 ---- */

static uint64_t mix(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static float uniform(uint64_t *state)
{
	return (float)(mix(state) >> 40) * 0x1p-24F;
}

static float between(uint64_t *state, float least, float most)
{
	return least + (most - least) * uniform(state);
}

/* Nearly normal, which is near enough for noise: the sum of four, variance one. */
static float normal(uint64_t *state)
{
	uint64_t z = mix(state);
	float sum = (float)(z & 0xffff) + (float)(z >> 16 & 0xffff) + (float)(z >> 32 & 0xffff) +
		    (float)(z >> 48);

	return (sum / 65535.0F - 2.0F) * 1.7320508F;
}

/* ---- the scene ---- */

/* Light at each point, three planes. */
struct field {
	int width, height;
	float *at[CHANNELS];
};

/* Value noise, whose octaves fall off as a power: what textures have in common. */
struct texture {
	uint64_t seed;
	float scale;   /* of the first octave, pixels */
	float fall;    /* of each octave's strength to the one before */
	float stretch; /* along x: grain, blades, weave */
};

static float lattice(uint64_t seed, int x, int y)
{
	uint64_t state = seed ^ (uint64_t)(uint32_t)x << 32 ^ (uint64_t)(uint32_t)y * 0x9e3779b1;

	return uniform(&state) - 0.5F;
}

/* The four points of the lattice around the point that was asked for last. */
struct corners {
	uint64_t seed;
	int column, row;
	float at[4];
};

static void find_corners(struct corners *c, uint64_t seed, int column, int row)
{
	if (c->seed == seed && c->column == column && c->row == row)
		return;
	*c = (struct corners){seed, column, row,
	    {lattice(seed, column, row), lattice(seed, column + 1, row),
		lattice(seed, column, row + 1), lattice(seed, column + 1, row + 1)}};
}

static float smooth_noise(struct corners *c, uint64_t seed, float x, float y)
{
	float left = floorf(x), top = floorf(y);
	float u = x - left, v = y - top;

	find_corners(c, seed, (int)left, (int)top);
	u = u * u * (3 - 2 * u);
	v = v * v * (3 - 2 * v);
	float above = c->at[0] * (1 - u) + c->at[1] * u;
	float below = c->at[2] * (1 - u) + c->at[3] * u;
	return above * (1 - v) + below * v;
}

static float texture_at(const struct texture *t, struct corners *c, float x, float y)
{
	float sum = 0, strength = 1, scale = t->scale;

	for (int i = 0; i < OCTAVES && scale > 1.2F; i++) {
		float across = x / (scale * t->stretch), down = y / scale;
		sum += strength * smooth_noise(&c[i], t->seed + (uint64_t)i, across, down);
		strength *= t->fall;
		scale *= 0.5F;
	}
	return sum;
}

/* A surface: an ellipse, its colour, its texture, the light on it. */
struct leaf {
	float x, y, long_side, short_side, sine, cosine;
	float colour[CHANNELS];
	float contrast, slope_x, slope_y;
	struct texture texture;
};

static void leaf_make(struct leaf *l, uint64_t *state, const struct field *f, bool ground)
{
	float turn = between(state, 0, 3.14159F);
	float grey = expf(between(state, -2.6F, -0.3F));

	l->x = between(state, 0, (float)f->width);
	l->y = between(state, 0, (float)f->height);
	/* Sizes by a power law: a few large, many small; what makes pictures look alike at any distance. */
	l->long_side = 9.0F / powf(between(state, 0.004F, 1), 0.6F);
	l->short_side = l->long_side * between(state, 0.35F, 1);
	if (ground)
		l->long_side = l->short_side = 1e6F;
	l->sine = sinf(turn);
	l->cosine = cosf(turn);
	for (int c = 0; c < CHANNELS; c++)
		l->colour[c] = grey * between(state, 0.6F, 1.4F);
	l->contrast = between(state, 0.05F, 0.8F);
	l->slope_x = between(state, -0.4F, 0.4F) / (float)f->width;
	l->slope_y = between(state, -0.4F, 0.4F) / (float)f->height;
	l->texture = (struct texture){.seed = mix(state),
	    .scale = between(state, 4, 50),
	    .fall = between(state, 0.45F, 0.85F),
	    .stretch = between(state, 0.5F, 3)};
}

static bool covers(const struct leaf *l, float x, float y)
{
	float dx = x - l->x, dy = y - l->y;
	float u = (dx * l->cosine + dy * l->sine) / l->long_side;
	float v = (dy * l->cosine - dx * l->sine) / l->short_side;

	return u * u + v * v <= 1;
}

/* Paint number over the points that a leaf covers. */
static void paint(const struct field *f, const struct leaf *l, uint8_t number, uint8_t *seen)
{
	float reach = l->long_side;
	int left = (int)fmaxf(l->x - reach, 0),
	    right = (int)fminf(l->x + reach + 1, (float)f->width);
	int top = (int)fmaxf(l->y - reach, 0),
	    bottom = (int)fminf(l->y + reach + 1, (float)f->height);

	for (int y = top; y < bottom; y++) {
		for (int x = left; x < right; x++) {
			if (covers(l, (float)x, (float)y))
				seen[y * f->width + x] = number;
		}
	}
}

/* From the ground up: the last that covers a point is seen there. */
static void draw(struct field *f, uint64_t *state)
{
	struct leaf leaf[LEAVES];
	struct corners corners[OCTAVES] = {0};
	uint8_t *seen = malloc((size_t)f->width * (size_t)f->height);

	if (!seen)
		abort();
	for (int i = 0; i < LEAVES; i++) {
		leaf_make(&leaf[i], state, f, i == 0);
		paint(f, &leaf[i], (uint8_t)i, seen);
	}
	for (int y = 0; y < f->height; y++) {
		for (int x = 0; x < f->width; x++) {
			const struct leaf *l = &leaf[seen[y * f->width + x]];
			float t = texture_at(&l->texture, corners, (float)x, (float)y);
			float light = 1 + l->slope_x * (float)x + l->slope_y * (float)y;
			light *= expf(l->contrast * 2 * t);
			for (int c = 0; c < CHANNELS; c++)
				f->at[c][y * f->width + x] = l->colour[c] * light;
		}
	}
	free(seen);
}

/* ---- lens and sensor ---- */

static int within(int at, int len)
{
	if (at < 0)
		return 0;
	return at < len ? at : len - 1;
}

static void blur_line(float *at, int len, int stride, float centre)
{
	float side = (1 - centre) / 2, before = at[0];

	for (int i = 0; i < len; i++) {
		float here = at[i * stride];
		float after = at[within(i + 1, len) * stride];
		at[i * stride] = centre * here + side * (before + after);
		before = here;
	}
}

static void blur(struct field *f, float centre)
{
	for (int c = 0; c < CHANNELS; c++) {
		for (int y = 0; y < f->height; y++)
			blur_line(f->at[c] + y * f->width, f->width, 1, centre);
		for (int x = 0; x < f->width; x++)
			blur_line(f->at[c] + x, f->height, f->width, centre);
	}
}

/* Which colour the sensor sees at a point: rows of red and green, of green and blue. */
static int bayer(int x, int y)
{
	return (x & 1) + (y & 1);
}

/* Light comes in grains, and the amplifier adds its own. What comes out has one colour a point. */
static void expose(const struct field *f, uint64_t *state, float *raw)
{
	/* From a bright day to a dim room, of full scale. */
	float grain = expf(between(state, -10.4F, -7.4F)), read = between(state, 0.0006F, 0.003F);

	for (int y = 0; y < f->height; y++) {
		for (int x = 0; x < f->width; x++) {
			float light = f->at[bayer(x, y)][y * f->width + x];
			float noise = sqrtf(grain * light + read * read) * normal(state);
			raw[y * f->width + x] = light + noise;
		}
	}
}

/* The colours that a point did not see, from the mean of the neighbours that did. */
static void demosaic(struct field *f, const float *raw)
{
	for (int y = 0; y < f->height; y++) {
		for (int x = 0; x < f->width; x++) {
			float sum[CHANNELS] = {0}, count[CHANNELS] = {0};
			for (int dy = -1; dy <= 1; dy++) {
				for (int dx = -1; dx <= 1; dx++) {
					int px = within(x + dx, f->width),
					    py = within(y + dy, f->height);
					sum[bayer(px, py)] += raw[py * f->width + px];
					count[bayer(px, py)]++;
				}
			}
			for (int c = 0; c < CHANNELS; c++)
				f->at[c][y * f->width + x] = sum[c] / count[c];
			f->at[bayer(x, y)][y * f->width + x] = raw[y * f->width + x];
		}
	}
}

/* As a camera's program finishes it: sharpened, the curve of screens, eight bits. */
static uint8_t finish(const struct field *f, int c, int x, int y, float sharpness)
{
	const float *at = f->at[c];
	int w = f->width;
	float here = at[y * w + x];
	float around =
	    (at[y * w + x - 1] + at[y * w + x + 1] + at[(y - 1) * w + x] + at[(y + 1) * w + x]) / 4;
	float value = here + sharpness * (here - around);

	value = 255 * powf(value < 0 ? 0 : value, 1 / 2.2F) + 0.5F;
	return value < 255 ? (uint8_t)value : 255;
}

void scene_make(uint64_t seed, int width, int height, uint8_t *out)
{
	uint64_t state = seed * 0x2545f4914f6cdd1d + 1;
	struct field f = {.width = width + 2 * PAD, .height = height + 2 * PAD};
	size_t points = (size_t)f.width * (size_t)f.height;
	float *all = malloc((CHANNELS + 1) * points * sizeof(*all));

	if (!all)
		abort();
	for (int c = 0; c < CHANNELS; c++)
		f.at[c] = all + (size_t)c * points;
	draw(&f, &state);
	blur(&f, between(&state, 0.5F, 0.8F));
	expose(&f, &state, all + CHANNELS * points);
	demosaic(&f, all + CHANNELS * points);
	float sharpness = between(&state, 0, 0.8F);
	for (int y = 0; y < height; y++) {
		for (int x = 0; x < width; x++) {
			for (int c = 0; c < CHANNELS; c++)
				*out++ = finish(&f, c, x + PAD, y + PAD, sharpness);
		}
	}
	free(all);
}

/* ---- JPEG ---- */

uint8_t *scene_jpeg(const uint8_t *rgb, int width, int height, int quality, size_t *len)
{
	struct jpeg_compress_struct j;
	struct jpeg_error_mgr errors;
	unsigned char *out = NULL;
	unsigned long out_len = 0;

	j.err = jpeg_std_error(&errors); /* which exits: a test's end */
	jpeg_create_compress(&j);
	jpeg_mem_dest(&j, &out, &out_len);
	j.image_width = (JDIMENSION)width;
	j.image_height = (JDIMENSION)height;
	j.input_components = CHANNELS;
	j.in_color_space = JCS_RGB;
	jpeg_set_defaults(&j);
	jpeg_set_quality(&j, quality, TRUE);
	jpeg_start_compress(&j, TRUE);
	while (j.next_scanline < j.image_height) {
		JSAMPROW row =
		    (JSAMPROW)(uintptr_t)(rgb + (size_t)j.next_scanline * (size_t)width * CHANNELS);
		(void)jpeg_write_scanlines(&j, &row, 1);
	}
	jpeg_finish_compress(&j);
	jpeg_destroy_compress(&j);
	*len = out_len;
	return out;
}
