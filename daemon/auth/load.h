/*
 * load - from descriptors that the monitor opened to a realm. Reads what it is
 * given and opens nothing, so that it works in the jail, too.
 */
#ifndef POSTERN_AUTH_LOAD_H
#define POSTERN_AUTH_LOAD_H

#include "realm.h"
#include "report.h"

/* In the order of enum child_fd from FD_CONFIG, and of MSG_FILES. */
enum load_file { LOAD_CONFIG, LOAD_CLIENTS, LOAD_SERVER_KEY, LOAD_DOOR_KEY };

/*
 * fds are AUTH_FILES descriptors, borrowed; config_path stands in messages.
 * Returns the realm, given to the caller; NULL when r->errors says why.
 */
struct realm *load_realm(
    const int *fds, uint32_t generation, const char *config_path, struct report *r);

#endif
