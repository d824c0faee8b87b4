/* door_list - see door_list.h. */
#include "door_list.h"

#include <stdlib.h>

enum { ROOM_AT_FIRST = 64 };

static void add(void *arg, const struct firewall_door *door)
{
	struct door_list *l = arg;

	if (l->len == l->room) {
		l->room = l->room > 0 ? 2 * l->room : ROOM_AT_FIRST;
		l->at = reallocarray(l->at, l->room, sizeof(*l->at));
		if (!l->at)
			abort();
	}
	l->at[l->len++] = *door;
}

enum firewall_status door_list_read(struct door_list *l, struct firewall *f)
{
	*l = (struct door_list){.len = 0};
	return firewall_list(f, add, l);
}
