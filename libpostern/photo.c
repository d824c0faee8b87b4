#include "photo.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <spng.h>

enum {
	HALF = 2,
	RGB = 3,
	RGBA = 4,
	CHUNK_MAX = 16 << 20, /* of a PNG's metadata, which is read and left */
};

const char *photo_word(enum photo_result r)
{
	switch (r) {
	case PHOTO_OK:
		break;
	case PHOTO_OTHER:
		return "is not a PNG or JPEG picture";
	case PHOTO_DAMAGED:
		return "is damaged, or of a kind that is not known here: save it anew";
	case PHOTO_GREY:
		return "is no colour photograph: take one with red, green and blue";
	case PHOTO_SMALL:
		return "is smaller than 400x400 pixels: take a larger one";
	case PHOTO_LARGE:
		return "is larger than 120 megapixels or 30000 pixels a side: scale it down";
	case PHOTO_INTERLACED:
		return "is an interlaced PNG: save it without";
	case PHOTO_PROGRESSIVE:
		return "is a progressive JPEG of more than 40 megapixels: save it as a baseline "
		       "one";
	case PHOTO_MEMORY:
		return "needs more memory than there is";
	}
	return "is fine";
}

/* Sides to fields; middle is what is left over at the left and at the top. */
static enum photo_result measure(struct photo *p)
{
	if (p->width > PHOTO_SIDE_MAX || p->height > PHOTO_SIDE_MAX ||
	    (uint64_t)p->width * p->height > PHOTO_PIXELS_MAX)
		return PHOTO_LARGE;
	p->columns = p->width / (HALF * PHOTO_FIELD);
	p->bands = p->height / (HALF * PHOTO_FIELD);
	return p->columns > 0 && p->bands > 0 ? PHOTO_OK : PHOTO_SMALL;
}

/* Rows from the top, of a decoder. Each returns false when it cannot. */
struct rows {
	FILE *f;
	spng_ctx *png;
	struct jpeg_decompress_struct jpeg;
	struct jpeg_error_mgr errors;
	jmp_buf failed; /* libjpeg's way out of a damaged file */
};

/* ---- JPEG ---- */

static void jpeg_fail(j_common_ptr j)
{
	struct rows *r = j->client_data;

	longjmp(r->failed, 1);
}

static void jpeg_say_nothing(j_common_ptr j)
{
	(void)j;
}

static void jpeg_begin(struct rows *r)
{
	r->jpeg.err = jpeg_std_error(&r->errors);
	r->errors.error_exit = jpeg_fail;
	r->errors.output_message = jpeg_say_nothing;
	r->jpeg.client_data = r;
	jpeg_create_decompress(&r->jpeg);
	jpeg_stdio_src(&r->jpeg, r->f);
}

static enum photo_result jpeg_judge(struct rows *r, struct photo *out)
{
	out->width = r->jpeg.image_width;
	out->height = r->jpeg.image_height;
	out->channels = RGB;
	enum photo_result result = measure(out);
	if (r->jpeg.num_components != RGB)
		return r->jpeg.num_components < RGB ? PHOTO_GREY : PHOTO_DAMAGED;
	if (result == PHOTO_OK && r->jpeg.progressive_mode &&
	    (uint64_t)out->width * out->height > PHOTO_PIXELS_MAX_WHOLE)
		return PHOTO_PROGRESSIVE;
	return result;
}

static enum photo_result jpeg_look(struct rows *r, struct photo *out)
{
	if (setjmp(r->failed) != 0) {
		jpeg_destroy_decompress(&r->jpeg);
		return PHOTO_DAMAGED;
	}
	jpeg_begin(r);
	(void)jpeg_read_header(&r->jpeg, TRUE);
	enum photo_result result = jpeg_judge(r, out);
	jpeg_destroy_decompress(&r->jpeg);
	return result;
}

static bool jpeg_start(struct rows *r, const struct photo *p)
{
	if (setjmp(r->failed) != 0)
		return false;
	jpeg_begin(r);
	(void)jpeg_read_header(&r->jpeg, TRUE);
	r->jpeg.out_color_space = JCS_RGB;
	(void)jpeg_start_decompress(&r->jpeg);
	return r->jpeg.output_width == p->width && r->jpeg.output_height == p->height &&
	       r->jpeg.output_components == RGB;
}

static bool jpeg_row(struct rows *r, uint8_t *out)
{
	if (setjmp(r->failed) != 0)
		return false;
	/* What is missing libjpeg makes up, with a warning. */
	return jpeg_read_scanlines(&r->jpeg, &out, 1) == 1 && r->errors.num_warnings == 0;
}

static bool jpeg_skip(struct rows *r, uint32_t rows)
{
	if (setjmp(r->failed) != 0)
		return false;
	return rows == 0 || jpeg_skip_scanlines(&r->jpeg, rows) == rows;
}

/* ---- PNG ---- */

static bool png_begin(struct rows *r, struct spng_ihdr *head)
{
	r->png = spng_ctx_new(0);
	return r->png && spng_set_image_limits(r->png, PHOTO_SIDE_MAX, PHOTO_SIDE_MAX) == 0 &&
	       spng_set_chunk_limits(r->png, CHUNK_MAX, CHUNK_MAX) == 0 &&
	       spng_set_png_file(r->png, r->f) == 0 && spng_get_ihdr(r->png, head) == 0;
}

static enum photo_result png_look(struct rows *r, struct photo *out)
{
	enum photo_result result = PHOTO_DAMAGED;
	struct spng_ihdr head;

	if (png_begin(r, &head)) {
		out->width = head.width;
		out->height = head.height;
		out->channels = head.color_type == SPNG_COLOR_TYPE_TRUECOLOR_ALPHA ? RGBA : RGB;
		result = measure(out);
		if (head.color_type != SPNG_COLOR_TYPE_TRUECOLOR &&
		    head.color_type != SPNG_COLOR_TYPE_TRUECOLOR_ALPHA)
			result = PHOTO_GREY;
		else if (head.interlace_method != SPNG_INTERLACE_NONE)
			result = PHOTO_INTERLACED;
	}
	spng_ctx_free(r->png);
	return result;
}

static bool png_start(struct rows *r, const struct photo *p)
{
	struct spng_ihdr head;

	return png_begin(r, &head) && head.width == p->width && head.height == p->height &&
	       spng_decode_image(r->png, NULL, 0,
		   p->channels == RGB ? SPNG_FMT_RGB8 : SPNG_FMT_RGBA8,
		   SPNG_DECODE_PROGRESSIVE) == 0;
}

static bool png_row(struct rows *r, const struct photo *p, uint8_t *out)
{
	int err = spng_decode_row(r->png, out, (size_t)p->width * p->channels);

	return err == 0 || err == SPNG_EOI; /* the last row says so */
}

/* ---- both ---- */

enum photo_result photo_look(FILE *f, struct photo *out)
{
	uint8_t first[2] = {0};
	struct rows r = {.f = f};

	*out = (struct photo){0};
	size_t got = fread(first, 1, sizeof(first), f);
	rewind(f);
	if (got < sizeof(first))
		return PHOTO_OTHER;
	out->jpeg = first[0] == 0xff && first[1] == 0xd8;
	if (out->jpeg)
		return jpeg_look(&r, out);
	return first[0] == 0x89 && first[1] == 'P' ? png_look(&r, out) : PHOTO_OTHER;
}

static bool rows_start(struct rows *r, const struct photo *p)
{
	rewind(r->f);
	return p->jpeg ? jpeg_start(r, p) : png_start(r, p);
}

static void rows_end(struct rows *r, const struct photo *p)
{
	if (p->jpeg)
		jpeg_destroy_decompress(&r->jpeg);
	else
		spng_ctx_free(r->png);
}

static bool rows_next(struct rows *r, const struct photo *p, uint8_t *out)
{
	return p->jpeg ? jpeg_row(r, out) : png_row(r, p, out);
}

/* line is what a row is thrown into. */
static bool rows_skip(struct rows *r, const struct photo *p, uint32_t rows, uint8_t *line)
{
	if (p->jpeg)
		return jpeg_skip(r, rows);
	for (uint32_t i = 0; i < rows; i++) {
		if (!png_row(r, p, line))
			return false;
	}
	return true;
}

static size_t band_row_bytes(const struct photo *p)
{
	return (size_t)p->columns * PHOTO_FIELD * p->channels;
}

/* The mean of each four pixels of two rows, from the first field's left edge on. */
static void halve(const struct photo *p, const uint8_t *above, const uint8_t *below, uint8_t *out)
{
	size_t spare = p->width - (size_t)p->columns * HALF * PHOTO_FIELD;
	size_t left = spare / 2 * p->channels;
	size_t len = band_row_bytes(p);

	for (size_t i = 0; i < len; i++) {
		size_t from = left + i / p->channels * HALF * p->channels + i % p->channels;
		size_t next = from + p->channels;
		int sum = above[from] + above[next] + below[from] + below[next];
		out[i] = (uint8_t)((sum + 2) / 4);
	}
}

static bool read_band(struct rows *r, const struct photo *p, uint8_t *line, uint8_t *out)
{
	size_t row = (size_t)p->width * p->channels;

	for (int y = 0; y < PHOTO_FIELD; y++) {
		if (!rows_next(r, p, line) || !rows_next(r, p, line + row))
			return false;
		halve(p, line, line + row, out + (size_t)y * band_row_bytes(p));
	}
	return true;
}

enum photo_result photo_bands(
    FILE *f, const struct photo *p, unsigned first, photo_band_fn *each, void *arg)
{
	struct rows *r = calloc(1, sizeof(*r));
	uint8_t *line = malloc(HALF * (size_t)p->width * p->channels);
	uint8_t *band = malloc(PHOTO_FIELD * band_row_bytes(p));
	enum photo_result result = PHOTO_MEMORY;
	uint32_t top = (p->height - p->bands * HALF * PHOTO_FIELD) / 2;

	if (r && line && band) {
		r->f = f;
		bool good =
		    rows_start(r, p) && rows_skip(r, p, top + first * HALF * PHOTO_FIELD, line);
		for (unsigned i = first; good && i < p->bands; i++) {
			good = read_band(r, p, line, band);
			if (good && !each(arg, i, band))
				break;
		}
		rows_end(r, p);
		result = good ? PHOTO_OK : PHOTO_DAMAGED;
	}
	free(band);
	free(line);
	free(r);
	return result;
}
