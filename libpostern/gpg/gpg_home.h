/*
 * gpg_home - the keyring of a server: a folder of its own, with settings that
 * keep gpg to itself, and an agent that is our own child, so that it can be
 * ended. (gpg starts one by itself otherwise, which leaves its parents.)
 */
#ifndef LIBPOSTERN_GPG_HOME_H
#define LIBPOSTERN_GPG_HOME_H

#include <sys/types.h>

#include "gpg.h"

/*
 * Write what gpg and its agent shall keep to into the folder home. key: the
 * fingerprint to sign with, or NULL. Returns 0, or -1 with errno.
 */
int gpg_home_settle(const char *home, const char *key) __attribute__((warn_unused_result));

/*
 * The socket that gpg looks for its agent at, listening; for each start of one.
 * Returns it, or -1 with errno: EADDRINUSE when an agent is there already.
 */
int gpg_agent_socket(const char *home) __attribute__((warn_unused_result));
/* Start one behind the socket (borrowed); it dies with the caller. Returns its process id, or -1. */
pid_t gpg_agent_start(const char *home, int socket);

#endif
