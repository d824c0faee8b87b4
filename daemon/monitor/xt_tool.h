/*
 * xt_tool - iptables by its own tools, of whichever variant the host has:
 * iptables-save and iptables-restore, run by their argv. Process: monitor;
 * posternctl. A call takes some milliseconds, and TOOL_PATIENCE_MS at most.
 */
#ifndef POSTERN_MONITOR_XT_TOOL_H
#define POSTERN_MONITOR_XT_TOOL_H

#include <stdbool.h>

enum { XT_FAMILIES = 2 };

struct xt_family {
	bool v4;
	const char *save, *restore; /* whole paths */
};

extern const struct xt_family xt_families[XT_FAMILIES];

/* All rules as iptables-save says them, to be freed. NULL and logged on failure. */
char *xt_save(const struct xt_family *f) __attribute__((warn_unused_result));

/* Carry out what iptables-restore reads; what is not named stays. Returns 0; -1 and logged. */
int xt_restore(const struct xt_family *f, const char *text) __attribute__((warn_unused_result));

#endif
