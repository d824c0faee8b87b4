/*
 * folder - profiles as files: found, checked for who may read them, read,
 * imported, and given a new door key.
 */
#ifndef LIBPOSTERN_FOLDER_H
#define LIBPOSTERN_FOLDER_H

#include "library.h"
#include "profile.h"

/* As postern_profile_load(), but what was told before stays. Given, or NULL (told). */
struct postern_profile *folder_load(struct postern *lib, const char *name);

/*
 * Write another door key into the file that the profile came from, in one
 * step, and into the profile itself.
 *   former   kept beside it until the new one was answered; or NULL
 * Returns 0, or -1 (told); then the file is as it was.
 */
int folder_rekey(struct postern_profile *p, const uint8_t current[static KEY_BYTES],
    const uint8_t *former, struct trouble *t) __attribute__((warn_unused_result));

#endif
