/*
 * fuzz_png - the input as a picture from the network, whose tags were right:
 * an insider's. Checksums are mended first, or the fuzzer would never get
 * behind them. What can be read must give a veil of the length that its sides
 * say.
 */
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "cover.h"
#include "keys.h"
#include "png_file.h"
#include "secret.h"
#include "veil.h"

enum { SIGNATURE = 8, HEAD = 8, CRC = 4 };

static uint32_t get_u32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void mend(uint8_t *png, size_t size)
{
	for (size_t at = SIGNATURE; at + HEAD + CRC <= size;) {
		size_t len = get_u32(png + at);
		if (len > size - at - HEAD - CRC)
			return;
		uint32_t crc = (uint32_t)crc32(0, png + at + 4, (uInt)(len + 4));
		uint8_t *out = png + at + HEAD + len;
		for (int i = 0; i < CRC; i++)
			out[i] = (uint8_t)(crc >> (24 - 8 * i));
		at += HEAD + len + CRC;
	}
}

static void look(const uint8_t *png, size_t size)
{
	static const uint8_t key[KEY_BYTES] = {1};
	struct cover_args a = {.picture_key = key, .set_id = 1};
	uint8_t veil[VEIL_ROOM];
	struct picture p;

	int len = cover_png.unwrap(&a, png, size, veil, sizeof(veil));
	if (png_decode(png, size, &p) < 0) {
		if (len >= 0)
			abort();
		return;
	}
	size_t pixels = (size_t)p.width * p.height;
	png_picture_free(&p);
	if (p.width > PICTURE_SIDE_MAX || p.height > PICTURE_SIDE_MAX || size > COVER_MAX)
		abort();
	size_t expected = pixels / PICTURE_RATE;
	if (len >= 0 ? (size_t)len != expected : expected > 0 && expected <= VEIL_ROOM)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size + 1);

	if (!copy || secret_init() < 0)
		abort();
	if (size > 0)
		memcpy(copy, data, size);
	look(copy, size);
	mend(copy, size);
	look(copy, size);
	free(copy);
	return 0;
}
