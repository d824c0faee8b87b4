/* gpg_inside - what the files of gpg/ share, and nobody else. */
#ifndef LIBPOSTERN_GPG_INSIDE_H
#define LIBPOSTERN_GPG_INSIDE_H

#include <gpgme.h>

#include "gpg.h"

/* A context for one keyring, given. */
gpgme_error_t gpg_context(const char *home, bool ask, gpgme_ctx_t *out);
void gpg_say(char why[static GPG_WHY_MAX], const char *what, gpgme_error_t err);

#endif
