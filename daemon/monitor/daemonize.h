/*
 * daemonize - into the background, and only one of us.
 * Process: monitor.
 */
#ifndef POSTERN_MONITOR_DAEMONIZE_H
#define POSTERN_MONITOR_DAEMONIZE_H

#define PID_FILE_NAME "posternd.pid"

/*
 * Descriptors as a daemon wants them: 0 to 2 are there, none beside them.
 * Returns 0; -1 and logged.
 */
int daemon_tidy(void) __attribute__((warn_unused_result));

/*
 * Leave the terminal: the caller goes on as a grandchild in a session of its
 * own. The process that was started waits, and exits with 0 once
 * daemon_ready() was called, with 1 when the grandchild ends before.
 * Returns a descriptor for daemon_ready(), or -1 and logged.
 */
int daemon_leave(void) __attribute__((warn_unused_result));
/* Let the first process exit. */
void daemon_ready(int fd);

/*
 * Take the lock of dir/posternd.pid. Returns its descriptor, which holds the
 * lock (through fork, too); -1 and logged, above all when another one runs.
 */
int pidfile_take(const char *dir) __attribute__((warn_unused_result));
/* Write our process id. Returns 0; -1 and logged. */
int pidfile_write(int fd) __attribute__((warn_unused_result));

#endif
