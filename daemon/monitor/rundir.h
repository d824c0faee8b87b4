/*
 * rundir - what we keep in run-dir: an empty directory, the control socket,
 * the pid file (daemonize.h).
 * Process: monitor.
 */
#ifndef POSTERN_MONITOR_RUNDIR_H
#define POSTERN_MONITOR_RUNDIR_H

/* Make dir, or see that it is root's alone to write. Returns 0; -1 and logged. */
int rundir_prepare(const char *dir) __attribute__((warn_unused_result));
/* Open dir/empty, made if need be: our children's root. Returns the descriptor; -1 and logged. */
int rundir_empty(const char *dir) __attribute__((warn_unused_result));
/*
 * The control socket, listening, root's alone; one that lies there is replaced
 * (hold the pid file's lock). Returns it; -1 and logged.
 */
int rundir_control(const char *dir) __attribute__((warn_unused_result));
/* Remove socket and pid file. */
void rundir_clean(const char *dir);

#endif
