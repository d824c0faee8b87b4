/*
 * jail - how a source is opened as root, and what its process may do from then
 * on. The capture process and posternctl's comparison of methods do it alike.
 */
#ifndef POSTERN_CAPTURE_JAIL_H
#define POSTERN_CAPTURE_JAIL_H

#include <sys/types.h>

#include "capture.h"

enum {
	JAIL_BUFFER_BYTES = 16 << 20
}; /* some 8,000 frames: a burst waits while we are not running */

/*
 * Give up all capabilities but those that the method and jail_enter() need,
 * then open. Returns what the method's open() does; logged when not CAPTURE_UP.
 */
enum capture_status jail_open(const struct capture_method *m, const struct capture_want *want,
    void **source) __attribute__((warn_unused_result));

/*
 * Give up all but what the method's later operations, a loop, auth and the log
 * need; the working directory, an empty one of root's, becomes the root.
 *   out_most  to descriptors up to this one alone may be written
 * Returns 0; -1 and logged: then the process must end.
 */
int jail_enter(const struct capture_method *m, uid_t uid, gid_t gid, int out_most)
    __attribute__((warn_unused_result));

#endif
