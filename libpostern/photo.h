/*
 * photo - a photograph as a source of pictures to hide in: halved, and cut into
 * fields.
 *
 * Halved, because what comes out of a camera is a JPEG, or was one: its pixels
 * lie on the lattice that JPEG's quantiser made, and a changed sample stands
 * out from it, whoever looks (Fridrich, Goljan, Du, "Steganalysis Based on JPEG
 * Compatibility", 2001). The mean of four pixels has left the lattice, and
 * colours are as sharp as light again, which 4:2:0 had taken from them.
 *
 * Reads a photograph from its top to its bottom and keeps one band of it.
 */
#ifndef LIBPOSTERN_PHOTO_H
#define LIBPOSTERN_PHOTO_H

#include <stdint.h>
#include <stdio.h>

#include "cover.h"

enum {
	PHOTO_FIELD = 200,	/* pixels that a field has each way, after halving */
	PHOTO_SIDE_MAX = 30000, /* pixels, before halving */
	PHOTO_PIXELS_MAX = 120000000,
	PHOTO_PIXELS_MAX_WHOLE = 40000000, /* progressive JPEG, which is decoded in one piece */
};

enum photo_result {
	PHOTO_OK,
	PHOTO_OTHER, /* not a PNG or a JPEG */
	PHOTO_DAMAGED,
	PHOTO_GREY,  /* one channel, or a palette */
	PHOTO_SMALL, /* no field fits */
	PHOTO_LARGE,
	PHOTO_INTERLACED,
	PHOTO_PROGRESSIVE, /* and too large for that */
	PHOTO_MEMORY,
};

/* Fields are numbered in rows from the top. Bands are rows of fields. */
struct photo {
	bool jpeg;
	uint32_t width, height; /* as in the file */
	uint8_t channels;
	unsigned columns, bands;
};

/* What is wrong and what to do, for a person: "is too small: ...". */
const char *photo_word(enum photo_result r);

/* Look at a file, open at its beginning, without decoding it. */
enum photo_result photo_look(FILE *f, struct photo *out) __attribute__((warn_unused_result));

/*
 * Decode, and call each with every band from the first that is wanted down, until it returns false.
 *   f       is read from its beginning, wherever it stands
 *   pixels  PHOTO_FIELD rows of columns * PHOTO_FIELD pixels, borrowed for the call
 */
typedef bool photo_band_fn(void *arg, unsigned band, const uint8_t *pixels);
enum photo_result photo_bands(FILE *f, const struct photo *p, unsigned first, photo_band_fn *each,
    void *arg) __attribute__((warn_unused_result));

#endif
