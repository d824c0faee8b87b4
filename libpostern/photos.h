/*
 * photos - a folder of the user's photographs as a supply of pictures to hide
 * in. A photograph is cut into fields; each field gives one picture, once: a
 * crop of it at a random place, of a random shape. What was used is kept in
 * spent.h, before the picture is given out.
 */
#ifndef LIBPOSTERN_PHOTOS_H
#define LIBPOSTERN_PHOTOS_H

#include <stddef.h>

#include "cover.h"
#include "postern.h"
#include "trouble.h"

struct photos;

/*
 * Given (photos_free), or NULL without memory; nothing is looked at yet.
 *   where      a folder, or one photograph
 *   state_dir  where spent.h keeps its file
 */
struct photos *photos_new(const char *where, const char *state_dir);
void photos_free(struct photos *p);

/* No picture shall take more bytes than this (COVER_MAX at first). */
void photos_limit(struct photos *p, size_t longest);

/*
 * A picture that has room for a veil of at least need bytes: cover_png's veil_len() of it is
 * uniform between need (or VEIL_MIN_CLIENT) and VEIL_ROOM, as far as photos_limit() allows. Decodes a
 * part of a photograph: up to a second for a very large one.
 *   out  borrowed until the next call or photos_free()
 * Returns 0, or -1 (told) with errno: ENODATA when no photograph is left.
 */
int photos_take(struct photos *p, size_t need, struct picture *out, struct trouble *t)
    __attribute__((warn_unused_result));

/* Looks at every field of every photograph: slow. Returns 0, or -1 (told) with errno. */
int photos_check(struct photos *p, void (*each)(void *arg, const struct postern_photo *photo),
    void *arg, struct trouble *t) __attribute__((warn_unused_result));

#endif
