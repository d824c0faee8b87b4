/*
 * landlock - which files a process may still get at, by the kernel's landlock.
 */
#ifndef POSTERN_COMMON_LANDLOCK_H
#define POSTERN_COMMON_LANDLOCK_H

#include <stdbool.h>
#include <stddef.h>

/* A file, or a folder with all below it, that may be read; one that is not there is left out. */
struct sandbox_path {
	const char *path;
	bool write, execute;
};

/*
 * Forbid all that landlock knows of but these paths. A kernel without
 * landlock is warned of. Needs no_new_privs. Returns 0; -1 and logged.
 */
int landlock_enter(const struct sandbox_path *paths, size_t len)
    __attribute__((warn_unused_result));

#endif
