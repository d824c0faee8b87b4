/* moved - see moved.h. */
#include "moved.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"

/* Gathered first: the list may not be changed while it is read. */
struct moved {
	const struct config *before, *after;
	struct firewall_door *door;
	size_t len, cap;
};

static bool is_moved(
    const struct config *before, const struct config *after, uint8_t proto, uint16_t port)
{
	const int was = config_service_by_port(before, proto, port);
	const int is = config_service_by_port(after, proto, port);

	return was >= 0 && is >= 0 &&
	       strcmp(before->service[was].name, after->service[is].name) != 0;
}

static void note(void *arg, const struct firewall_door *door)
{
	struct moved *m = arg;

	if (!is_moved(m->before, m->after, door->proto, door->port))
		return;
	if (m->len == m->cap) {
		m->cap = m->cap > 0 ? 2 * m->cap : 16;
		m->door = reallocarray(m->door, m->cap, sizeof(*m->door));
		if (!m->door)
			abort();
	}
	m->door[m->len++] = *door;
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
	struct moved m = {.before = before, .after = after};

	if (!any_moved(before, after))
		return;
	if (firewall_list(f, note, &m) != FIREWALL_OK)
		log_error("firewall", "doors at ports that have another service now may be open");
	for (size_t i = 0; i < m.len; i++) {
		/* The one port of it: the others may be its service's still. */
		const struct service at = {.proto = m.door[i].proto, .port = m.door[i].port};

		if (firewall_close(f, &at, &m.door[i].pass) == FIREWALL_FAILED)
			log_error("firewall",
			    "port=%u: a door is open that was for another service", m.door[i].port);
	}
	free(m.door);
}
