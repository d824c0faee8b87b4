/*
 * fanout - several packet sockets that share what comes in at one interface:
 * each frame goes to one of them.
 */
#ifndef POSTERN_CAPTURE_FANOUT_H
#define POSTERN_CAPTURE_FANOUT_H

#include <stdint.h>

/*
 * Join the sockets of this group; fd is bound, its interface up, its filter not
 * locked yet. What one address sends goes to one socket, whatever the port, so
 * that the pieces of a knock meet. When a socket goes, the others take its
 * share over; when one does not keep up, they take what it has no room for.
 * Returns 0, or -1 with errno.
 */
int fanout_join(int fd, uint16_t group) __attribute__((warn_unused_result));

#endif
