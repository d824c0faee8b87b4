/* moved - see moved.h. */
#include "moved.h"

#include <stdlib.h>
#include <string.h>

#include "door_list.h"
#include "log.h"

static bool is_moved(
    const struct config *before, const struct config *after, uint8_t proto, uint16_t port)
{
	const int was = config_service_by_port(before, proto, port);
	const int is = config_service_by_port(after, proto, port);

	return was >= 0 && is >= 0 &&
	       strcmp(before->service[was].name, after->service[is].name) != 0;
}

static bool any_moved(const struct config *before, const struct config *after)
{
	for (unsigned i = 0; i < before->services; i++) {
		const struct service *s = &before->service[i];

		for (unsigned k = 0; k < service_ports(s); k++)
			if (is_moved(before, after, s->proto, service_port(s, k)))
				return true;
	}
	return false;
}

void moved_close(struct firewall *f, const struct config *before, const struct config *after)
{
	struct door_list all;

	if (!any_moved(before, after))
		return;
	if (door_list_read(&all, f) != FIREWALL_OK)
		log_error("firewall", "doors at ports that have another service now may be open");
	for (size_t i = 0; i < all.len; i++) {
		const struct firewall_door *d = &all.at[i];
		/* The one port of it: the others may be its service's still. */
		const struct service at = {.proto = d->proto, .port = d->port};

		if (is_moved(before, after, d->proto, d->port) &&
		    firewall_close(f, &at, &d->pass) == FIREWALL_FAILED)
			log_error("firewall",
			    "port=%u: a door is open that was for another service", d->port);
	}
	free(all.at);
}
