/*
 * own - is an address this host's?
 * Process: monitor. Asks the kernel each time, since addresses come and go;
 * four system calls, and nothing is sent.
 */
#ifndef POSTERN_MONITOR_OWN_H
#define POSTERN_MONITOR_OWN_H

#include "address.h"

/* False also when the kernel cannot be asked. */
bool own_address(const struct address *a);

#endif
