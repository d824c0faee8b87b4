/*
 * spent - which fields of which photographs were used, or are of no use: one
 * file for all profiles of a user, since two carriers from one place would show
 * each other up. It only grows, by records of a fixed length.
 */
#ifndef LIBPOSTERN_SPENT_H
#define LIBPOSTERN_SPENT_H

#include <stdbool.h>
#include <stdint.h>

#include "trouble.h"

enum { SPENT_HASH_BYTES = 16 };

enum spent_why {
	SPENT_USED = 1,
	SPENT_UNFIT, /* too smooth, grey, too noisy: not worth another look */
};

struct spent_field {
	uint8_t photo[SPENT_HASH_BYTES];  /* by what the file holds, whatever its name */
	uint8_t pixels[SPENT_HASH_BYTES]; /* of the field: a copy of the photograph has them, too */
	uint32_t field;
	enum spent_why why;
};

struct spent {
	int fd; /* -1: nothing was ever used, and nobody may write */
	size_t len;
	struct spent_field *field;
};

/*
 * Open, or begin, DIR/photos.spent, lock it against other programs and read it. For reading alone
 * (write false) a file that is not there is an empty one. Returns 0, or -1 (told).
 */
int spent_open(struct spent *s, const char *dir, bool write, struct trouble *t)
    __attribute__((warn_unused_result));
/* Unlocks, too. */
void spent_close(struct spent *s);

/* Was this field, or one with the same pixels, written down? */
bool spent_has_field(const struct spent *s, const uint8_t *photo, uint32_t field);
bool spent_has_pixels(const struct spent *s, const uint8_t *pixels);

/* Write one down, on the disk when this returns. Returns 0 or -1 with errno. */
int spent_add(struct spent *s, const struct spent_field *f) __attribute__((warn_unused_result));

#endif
