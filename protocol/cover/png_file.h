/*
 * png_file - a picture as the bytes of a PNG, and back; nothing but pixels.
 * Allocates while it works; libspng underneath.
 */
#ifndef POSTERN_COVER_PNG_FILE_H
#define POSTERN_COVER_PNG_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "cover.h"

/*
 * Write p as most programs would: a filter chosen for each row, zlib's usual level, no metadata.
 * Returns the length, or -E_SHORT (out has no room), -E_FORMAT (not a picture), -E_FULL.
 */
int png_encode(const struct picture *p, uint8_t *out, size_t cap)
    __attribute__((warn_unused_result));

/*
 * Read what png_encode() could have written, and nothing else: chunks IHDR, IDAT, IEND, 8-bit RGB
 * or RGBA, not interlaced, sides of at most PICTURE_SIDE_MAX, at most COVER_MAX bytes. Memory and
 * time are bounded by the size of the picture, whatever the bytes hold.
 * Returns 0 and the picture, whose samples are given (png_picture_free); or -E_SHORT, -E_FORMAT,
 * -E_FULL, and nothing is given.
 */
int png_decode(const uint8_t *in, size_t len, struct picture *out)
    __attribute__((warn_unused_result));

/* The same picture with samples of its own, given; or -E_FORMAT (not a picture), -E_FULL. */
int png_copy(const struct picture *p, struct picture *out) __attribute__((warn_unused_result));

/* Wipes and frees the samples of png_decode() or png_copy(). */
void png_picture_free(struct picture *p);

#endif
