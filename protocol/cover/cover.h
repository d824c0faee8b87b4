/*
 * cover - how the veiled bytes look: as they are, or hidden in a picture.
 */
#ifndef POSTERN_COVER_COVER_H
#define POSTERN_COVER_COVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keys.h"

enum {
	COVER_MAX = 65536,	/* longest covered message */
	PICTURE_SIDE_MAX = 256, /* pixels */
	PICTURE_RATE = 32,	/* pixels that carry one byte of a veil */
};

/* Pixels in rows from the top, channels samples each: 3 RGB, 4 RGBA. Whose the samples are, each use says. */
struct picture {
	uint16_t width, height;
	uint8_t channels;
	uint8_t *sample;
};

/* What a cover may need beside the veiled bytes, borrowed. Zeros do for none. */
struct cover_args {
	const uint8_t *picture_key;    /* png: KEY_BYTES, door_keys.picture */
	uint64_t set_id;	       /* png: of the sequence; its low 20 bits count */
	const struct picture *picture; /* png, wrap and veil_len: the crop to hide in */
};

struct cover {
	const char *name;
	bool has_picture; /* takes one to wrap, and only the carrier sequence has room for it */
	/*
	 * The exact length that a veil must have under this cover; 0 for any. A picture may be so
	 * small or so large that no veil has that length: the caller looks.
	 */
	size_t (*veil_len)(const struct cover_args *a);
	/*
	 * Both return the length written to out, or an error of errors.h: -E_SHORT when out has no
	 * room (a picture of much noise needs more than COVER_MAX: take another), -E_FORMAT for a
	 * picture or a length that does not fit, -E_FULL without memory. A wrong key or set id is
	 * no error: what unwrap then gives is no veil.
	 * png: unwrap decodes, so it is for bytes whose authenticity was checked.
	 */
	int (*wrap)(
	    const struct cover_args *a, const uint8_t *veil, size_t len, uint8_t *out, size_t cap);
	int (*unwrap)(
	    const struct cover_args *a, const uint8_t *in, size_t len, uint8_t *veil, size_t cap);
};

extern const struct cover cover_none, cover_png;

const struct cover *cover_by_name(const char *name); /* NULL when there is none */

#endif
