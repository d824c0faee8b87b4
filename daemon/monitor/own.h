/*
 * own - is an address this host's, or a broadcast of its networks?
 * Process: monitor. Asks the kernel's routing each time, since addresses come
 * and go: a few microseconds.
 */
#ifndef POSTERN_MONITOR_OWN_H
#define POSTERN_MONITOR_OWN_H

#include "address.h"

/* False also when the kernel cannot be asked. */
bool own_address(const struct address *a);

#endif
