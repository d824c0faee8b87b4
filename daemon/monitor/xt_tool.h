/*
 * xt_tool - iptables by its own tools, of whichever variant the host has:
 * iptables-save and iptables-restore, run by their argv. Process: monitor;
 * posternctl. A call takes some milliseconds, and TOOL_PATIENCE_MS at most; and
 * none at all for a while after one that took so long.
 */
#ifndef POSTERN_MONITOR_XT_TOOL_H
#define POSTERN_MONITOR_XT_TOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "tool_run.h"

enum { XT_FAMILIES = 2 };

struct xt_family {
	bool v4;
	const char *save, *restore; /* whole paths */
};

extern const struct xt_family xt_families[XT_FAMILIES];

/* What a caller keeps of them; zeros at first. */
struct xt_tools {
	const char *hung;	/* the one that did not end */
	uint64_t hung_until_ms; /* CLOCK_MONOTONIC; none is waited for until then */
};

/* All rules as iptables-save says them, to be freed. NULL and logged on failure. */
char *xt_save(struct xt_tools *t, const struct xt_family *f) __attribute__((warn_unused_result));

/* Carry out what iptables-restore reads; what is not named stays. Returns 0; -1 and logged. */
int xt_restore(struct xt_tools *t, const struct xt_family *f, const char *text)
    __attribute__((warn_unused_result));

/* xt_save() in the two steps of tool_run.h; the end kills what has not ended. */
int xt_save_start(struct tool *run, const struct xt_family *f) __attribute__((warn_unused_result));
char *xt_save_end(struct xt_tools *t, struct tool *run, const struct xt_family *f)
    __attribute__((warn_unused_result));

#endif
