/*
 * gpg_jail - what the openpgp process gives up, and gpg and its agent with it.
 */
#ifndef POSTERN_OPENPGP_GPG_JAIL_H
#define POSTERN_OPENPGP_GPG_JAIL_H

#include <sys/types.h>

/*
 * No network, no files but the keyring in home and what programs need to
 * start, limits on memory, processes and time. Returns 0; -1 and logged.
 */
int gpg_jail_enter(const char *home, uid_t uid, gid_t gid) __attribute__((warn_unused_result));

#endif
