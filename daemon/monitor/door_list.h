/*
 * door_list - all open doors at a time, for who changes some of them: the
 * firewall's own list may not be changed while it is read.
 * Process: monitor. Aborts when there is no memory.
 */
#ifndef POSTERN_MONITOR_DOOR_LIST_H
#define POSTERN_MONITOR_DOOR_LIST_H

#include <stddef.h>

#include "firewall.h"

struct door_list {
	struct firewall_door *at; /* to be freed, whatever came of it */
	size_t len, room;
};

/* Returns what firewall_list() does; the list has what was read until then. */
enum firewall_status door_list_read(struct door_list *l, struct firewall *f)
    __attribute__((warn_unused_result));

#endif
