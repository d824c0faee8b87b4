/*
 * firewall_session - the ssh session that we run in, if any, and whether it
 * would live on when its port becomes guarded.
 */
#ifndef POSTERN_CTL_FIREWALL_SESSION_H
#define POSTERN_CTL_FIREWALL_SESSION_H

#include <stdbool.h>

#include "flows.h"

/*
 * The connection that sshd names in SSH_CONNECTION: in our environment, else
 * in that of the nearest ancestor that has it, because sudo and su take it away.
 */
bool session_find(struct flow *out);

/* "client-ip client-port server-ip server-port". */
bool session_parse(const char *text, struct flow *out);

#endif
