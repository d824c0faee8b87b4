/*
 * command_session - all processes of a session, and their end.
 * Process: monitor.
 *
 * The leader must not have been waited for: until then nobody else gets its
 * number.
 */
#ifndef POSTERN_MONITOR_COMMAND_SESSION_H
#define POSTERN_MONITOR_COMMAND_SESSION_H

#include <stdbool.h>
#include <sys/types.h>

/* Kill them, with SIGKILL, the leader first; also those that are made meanwhile. */
void command_session_kill(pid_t leader);
/* Is there another one than the leader? */
bool command_session_has_more(pid_t leader);

#endif
