/*
 * moved - doors at ports that belong to another service since a reload: who
 * was let in to the one is not for that reason let in to the other.
 * Process: monitor.
 */
#ifndef POSTERN_MONITOR_MOVED_H
#define POSTERN_MONITOR_MOVED_H

#include "firewall.h"

/* Closes them. To be called when after is in force. What cannot be closed is logged. */
void moved_close(struct firewall *f, const struct config *before, const struct config *after);

#endif
