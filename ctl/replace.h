/*
 * replace - change a file of the administrator's as a whole: one at a time,
 * never half, its owner and mode kept.
 */
#ifndef POSTERN_CTL_REPLACE_H
#define POSTERN_CTL_REPLACE_H

#include "ctl.h"

/*
 * Wait until no other posternctl changes files in the folder of path. Returns
 * a descriptor that holds the lock until it is closed; -1 and told.
 */
int replace_lock(struct ctl *c, const char *path) __attribute__((warn_unused_result));

/* Put text in place of what the file at path holds, on disk before this returns. Returns 0; -1, told, and nothing changed. */
int replace_file(struct ctl *c, const char *path, const char *text)
    __attribute__((warn_unused_result));

/*
 * Make a file that must not exist yet, mode 0600. Returns 0; -1, told, and no
 * file of ours is left.
 */
int replace_create(struct ctl *c, const char *path, const char *text)
    __attribute__((warn_unused_result));

#endif
