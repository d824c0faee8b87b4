/*
 * rights - what the monitor keeps of root.
 * Process: monitor.
 */
#ifndef POSTERN_MONITOR_RIGHTS_H
#define POSTERN_MONITOR_RIGHTS_H

#include <stdbool.h>

/*
 * Give up the rest, for good. programs: some are run for clients or events,
 * perhaps as root. Returns 0, or -1 and logged.
 */
int rights_give_up(bool programs) __attribute__((warn_unused_result));

#endif
