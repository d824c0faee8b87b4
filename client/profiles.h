/*
 * profiles - all profiles of the user, one after the other.
 */
#ifndef POSTERN_CLIENT_PROFILES_H
#define POSTERN_CLIENT_PROFILES_H

#include "command.h"

/* profile is NULL when it cannot be loaded; error then says why. Both are borrowed. */
typedef void profile_fn(
    void *arg, const char *name, const struct postern_profile *profile, const char *error);

/* Returns a status; POSTERN_OK also when some cannot be loaded. */
int profiles_each(struct postern *p, profile_fn *each, void *arg);

#endif
