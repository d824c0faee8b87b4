/*
 * cover - how the veiled bytes look: as they are, or hidden in a picture.
 */
#ifndef POSTERN_COVER_COVER_H
#define POSTERN_COVER_COVER_H

#include <stddef.h>
#include <stdint.h>

#include "keys.h"

enum { COVER_MAX = 65536 }; /* longest covered message */

/* What a cover may need beside the veiled bytes, borrowed. */
struct cover_args {
	const struct door_keys *keys;
	uint64_t set_id;	/* sequence only, else 0 */
	const uint8_t *picture; /* client, png only: the crop to hide in */
	size_t picture_len;
};

struct cover {
	const char *name;
	/* Both return the length written to out, or an error of errors.h. */
	int (*wrap)(
	    const struct cover_args *a, const uint8_t *veil, size_t len, uint8_t *out, size_t cap);
	int (*unwrap)(
	    const struct cover_args *a, const uint8_t *in, size_t len, uint8_t *veil, size_t cap);
};

extern const struct cover cover_none;

const struct cover *cover_by_name(const char *name); /* NULL when there is none */

#endif
