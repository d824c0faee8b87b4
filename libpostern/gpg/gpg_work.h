/*
 * gpg_work - one operation of gpg in a process of its own, with its own
 * process group, so that whatever hangs can be killed whole.
 */
#ifndef LIBPOSTERN_GPG_WORK_H
#define LIBPOSTERN_GPG_WORK_H

#include <sys/types.h>

#include "gpg.h"

struct gpg_work {
	pid_t pid;
	int fd; /* readable when the result is there, or the process is gone */
};

/* What the process does, gpg_start() behind it. */
typedef void gpg_fn(const void *arg, struct gpg_result *out);

/* Begin. Returns 0, or -1 with errno. The caller waits for w->pid in the end. */
int gpg_work_start(struct gpg_work *w, gpg_fn *fn, const void *arg)
    __attribute__((warn_unused_result));
/*
 * Take the result, or, when it came without one, a GPG_FAILED; then the process
 * and all that it started are killed. Does not wait.
 */
void gpg_work_take(struct gpg_work *w, struct gpg_result *out);
/* Kill it and all that it started. */
void gpg_work_kill(struct gpg_work *w);

/* From begin to end, within so many milliseconds; then it is GPG_TOO_LATE. */
void gpg_work_run(gpg_fn *fn, const void *arg, int timeout_ms, struct gpg_result *out);

#endif
