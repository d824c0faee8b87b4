/*
 * home - where the server's keyring is.
 */
#ifndef POSTERN_OPENPGP_HOME_H
#define POSTERN_OPENPGP_HOME_H

#include "config.h"
#include "gpg.h"
#include "report.h"

/*
 * Its path, and whether it is there, openpgp-user's alone, and short enough.
 * Returns 0, or -1 and reported.
 */
int openpgp_home(const struct config *c, char home[static GPG_HOME_MAX + 1], struct report *r)
    __attribute__((warn_unused_result));

#endif
