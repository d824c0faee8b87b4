#include "png_file.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <spng.h>

#include "cursor.h"
#include "errors.h"
#include "secret.h"

enum {
	RGB = 3,
	RGBA = 4,
	IHDR_BYTES = 13,
	CHUNK_CRC_BYTES = 4,
	ZLIB_LEVEL = 6,
};

static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

/* Chunk types as they stand in the file. */
enum chunk_type {
	TYPE_IHDR = 0x49484452,
	TYPE_IDAT = 0x49444154,
	TYPE_IEND = 0x49454e44,
};

static size_t picture_bytes(const struct picture *p)
{
	return (size_t)p->width * p->height * p->channels;
}

static bool is_picture(const struct picture *p)
{
	return p->width > 0 && p->width <= PICTURE_SIDE_MAX && p->height > 0 &&
	       p->height <= PICTURE_SIDE_MAX && (p->channels == RGB || p->channels == RGBA);
}

/* ---- writing ---- */

static int encode_into(spng_ctx *ctx, const struct picture *p)
{
	struct spng_ihdr head = {.width = p->width,
	    .height = p->height,
	    .bit_depth = 8,
	    .color_type =
		p->channels == RGB ? SPNG_COLOR_TYPE_TRUECOLOR : SPNG_COLOR_TYPE_TRUECOLOR_ALPHA};

	if (spng_set_option(ctx, SPNG_ENCODE_TO_BUFFER, 1) != 0 ||
	    spng_set_option(ctx, SPNG_IMG_COMPRESSION_LEVEL, ZLIB_LEVEL) != 0 ||
	    spng_set_option(ctx, SPNG_FILTER_CHOICE, SPNG_FILTER_CHOICE_ALL) != 0 ||
	    spng_set_ihdr(ctx, &head) != 0)
		return -E_FULL;
	return spng_encode_image(
		   ctx, p->sample, picture_bytes(p), SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE) == 0
		   ? 0
		   : -E_FULL;
}

int png_encode(const struct picture *p, uint8_t *out, size_t cap)
{
	uint8_t *bytes = NULL;
	size_t len = 0;
	int none = 0;

	if (!is_picture(p))
		return -E_FORMAT;
	spng_ctx *ctx = spng_ctx_new(SPNG_CTX_ENCODER);
	if (!ctx)
		return -E_FULL;
	int err = encode_into(ctx, p);
	if (err == 0) {
		bytes = spng_get_png_buffer(ctx, &len, &none);
		err = bytes ? 0 : -E_FULL;
	}
	if (err == 0 && (len > cap || len > COVER_MAX))
		err = -E_SHORT;
	if (err == 0) {
		memcpy(out, bytes, len);
		err = (int)len;
	}
	free(bytes); /* the buffer is the caller's once it was got */
	spng_ctx_free(ctx);
	return err;
}

/* ---- reading ---- */

/*
 * Chunks of three kinds, in their order, to the last byte. libspng knows many more, whose parsers
 * a stranger's bytes shall never reach. Whether checksums hold is libspng's to look at.
 */
static int check_chunks(struct reader *r)
{
	bool has_head = false, has_data = false, has_end = false;

	while (!has_end) {
		uint32_t len = read_u32(r);
		uint32_t type = read_u32(r);
		(void)read_view(r, len);
		(void)read_view(r, CHUNK_CRC_BYTES);
		if (r->failed)
			return -E_SHORT;
		if (type == TYPE_IHDR && !has_head && len == IHDR_BYTES)
			has_head = true;
		else if (type == TYPE_IDAT && has_head)
			has_data = true;
		else if (type == TYPE_IEND && has_data && len == 0)
			has_end = true;
		else
			return -E_FORMAT;
	}
	return r->left == 0 ? 0 : -E_FORMAT;
}

/* What IHDR, the first chunk, says. */
static int read_head(struct reader r, struct picture *out)
{
	(void)read_view(&r, sizeof(uint32_t) + sizeof(uint32_t)); /* length and type, checked */
	uint32_t width = read_u32(&r);
	uint32_t height = read_u32(&r);
	uint8_t depth = read_u8(&r);
	uint8_t colour = read_u8(&r);
	uint8_t compression = read_u8(&r);
	uint8_t filter = read_u8(&r);
	uint8_t interlace = read_u8(&r);

	if (r.failed || width > PICTURE_SIDE_MAX || height > PICTURE_SIDE_MAX)
		return -E_FORMAT;
	if (depth != 8 || compression != 0 || filter != 0 || interlace != 0)
		return -E_FORMAT;
	if (colour != SPNG_COLOR_TYPE_TRUECOLOR && colour != SPNG_COLOR_TYPE_TRUECOLOR_ALPHA)
		return -E_FORMAT;
	*out = (struct picture){.width = (uint16_t)width,
	    .height = (uint16_t)height,
	    .channels = colour == SPNG_COLOR_TYPE_TRUECOLOR ? RGB : RGBA};
	return is_picture(out) ? 0 : -E_FORMAT;
}

static int decode_samples(const uint8_t *in, size_t len, uint8_t *sample, size_t bytes)
{
	size_t expected = 0;
	spng_ctx *ctx = spng_ctx_new(0);

	if (!ctx)
		return -E_FULL;
	bool good = spng_set_image_limits(ctx, PICTURE_SIDE_MAX, PICTURE_SIDE_MAX) == 0 &&
		    spng_set_chunk_limits(ctx, COVER_MAX, COVER_MAX) == 0 &&
		    spng_set_png_buffer(ctx, in, len) == 0 &&
		    spng_decoded_image_size(ctx, SPNG_FMT_PNG, &expected) == 0 &&
		    expected == bytes &&
		    spng_decode_image(ctx, sample, bytes, SPNG_FMT_PNG, 0) == 0 &&
		    spng_decode_chunks(ctx) == 0; /* to the end, for the checksums there */
	spng_ctx_free(ctx);
	return good ? 0 : -E_FORMAT;
}

int png_decode(const uint8_t *in, size_t len, struct picture *out)
{
	struct reader r = reader_of(in, len);
	const uint8_t *head = read_view(&r, sizeof(signature));
	struct picture p = {0};

	if (!head)
		return -E_SHORT;
	if (len > COVER_MAX || memcmp(head, signature, sizeof(signature)) != 0)
		return -E_FORMAT;
	struct reader chunks = r;
	int err = check_chunks(&chunks);
	if (err == 0)
		err = read_head(r, &p);
	if (err < 0)
		return err;
	size_t bytes = picture_bytes(&p);
	p.sample = bytes > 0 ? malloc(bytes) : NULL;
	if (!p.sample)
		return -E_FULL;
	err = decode_samples(in, len, p.sample, bytes);
	if (err < 0)
		png_picture_free(&p);
	else
		*out = p;
	return err;
}

int png_copy(const struct picture *p, struct picture *out)
{
	if (!is_picture(p))
		return -E_FORMAT;
	*out = *p;
	out->sample = malloc(picture_bytes(p));
	if (!out->sample)
		return -E_FULL;
	memcpy(out->sample, p->sample, picture_bytes(p));
	return 0;
}

void png_picture_free(struct picture *p)
{
	if (p->sample)
		secret_wipe(p->sample, picture_bytes(p));
	free(p->sample);
	p->sample = NULL;
}
