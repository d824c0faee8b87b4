/*
 * exec_call - the script of firewall = exec, called by its argv with the same
 * in its environment; postern-firewall(7) is its contract. A call waits for its
 * end, TOOL_PATIENCE_MS at most. Returns 0 where it says that it has done it;
 * else -1, and logged with the first line of what it said.
 */
#ifndef POSTERN_MONITOR_EXEC_CALL_H
#define POSTERN_MONITOR_EXEC_CALL_H

#include "exec_table.h"

/* list, remove. said: NULL, or gets what it wrote, to be freed; never NULL then. */
int exec_call(const char *script, const char *verb, char **said)
    __attribute__((warn_unused_result));
int exec_call_setup(const char *script, const struct exec_table *t, const struct config *c)
    __attribute__((warn_unused_result));
/* open, close */
int exec_call_door(const char *script, const char *verb, const struct exec_door *d,
    uint64_t seconds) __attribute__((warn_unused_result));

/* May it be run: is it root's, and nobody else's to write? Returns 0; -1 and logged. */
int exec_call_check(const char *path) __attribute__((warn_unused_result));

#endif
