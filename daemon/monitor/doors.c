/* doors - see doors.h. */
#include "doors.h"

#include <string.h>

/* The same service after a reload: it has the same name and guards the same port, or draws one as before. */
static const struct service *carried_over(const struct config *now, const struct service *old)
{
	const int i = config_service(now, old->name);

	if (i < 0 || now->service[i].proto != old->proto ||
	    service_is_random(&now->service[i]) != service_is_random(old))
		return NULL;
	return service_is_random(old) || now->service[i].port == old->port ? &now->service[i]
									   : NULL;
}

static enum doors_verdict find_service(
    const struct doors_law *law, const struct msg_door *m, struct service *out)
{
	const struct service *found;
	const bool old = law->before && m->generation == law->before_generation;
	const struct config *counted_in = old ? law->before : law->now;

	if (!old && m->generation != law->now_generation)
		return DOORS_GENERATION;
	if (m->service >= counted_in->services)
		return DOORS_SERVICE;
	found = &counted_in->service[m->service];
	if (old)
		found = carried_over(law->now, found);
	if (!found)
		return DOORS_SERVICE;
	if (service_is_random(found) ? !service_is_known_by(found, m->port) : m->port != 0)
		return DOORS_PORT;
	*out = service_is_random(found) ? service_at(found, m->port) : *found;
	return DOORS_FINE;
}

static bool has_seconds(uint32_t type)
{
	return type == MSG_DOOR_OPEN || type == MSG_DOOR_SHORTEN;
}

static bool has_stray_bytes(const struct msg_door *m)
{
	return m->once > 1 || m->unused != 0 || m->cut > (m->head.type == MSG_DOOR_CLOSE) ||
	       (!has_seconds(m->head.type) && m->seconds != 0) ||
	       (m->head.type == MSG_DOOR_SHORTEN && m->seconds == 0);
}

static bool is_narrow(const struct firewall_pass *p)
{
	return p->idle_s != 0 || p->source_port != 0 || p->once;
}

/* A network and a gateway have doors of the plain form alone. */
static bool is_sound(const struct door_wanted *w)
{
	const struct firewall_pass *p = &w->pass;

	return prefix_is_canonical(&p->from) &&
	       (!is_narrow(p) || (prefix_is_host(&p->from) && !service_is_gateway(&w->service)));
}

/* What the service asks of all its doors, this one must have. */
static bool is_idle_enough(const struct config *c, const struct door_wanted *w)
{
	const uint32_t most = w->service.idle_s, asked = w->pass.idle_s;
	uint32_t time[CONFIG_SERVICES_MAX];
	unsigned n = config_idle_times(c, time);

	if (asked == 0 || (most != 0 && asked > most))
		return asked == 0 && (most == 0 || !prefix_is_host(&w->pass.from));
	while (n > 0 && time[n - 1] != asked)
		n--;
	return n > 0;
}

static bool firewall_lacks(const struct config *c, const struct firewall_pass *p)
{
	const unsigned has = config_firewall_has(c);

	return ((has & FIREWALL_HAS_IDLE) == 0 && p->idle_s != 0) ||
	       ((has & FIREWALL_HAS_NARROW) == 0 && (p->source_port != 0 || p->once));
}

static enum doors_verdict judge_opening(const struct config *c, const struct door_wanted *w)
{
	const uint8_t least =
	    address_is_v4(&w->pass.from.addr) ? w->service.min_prefix_v4 : w->service.min_prefix_v6;

	if (!address_is_admissible(&w->pass.from.addr))
		return DOORS_ADDRESS;
	if (w->pass.from.len < least)
		return DOORS_WIDTH;
	if (w->seconds == 0 || w->seconds > w->service.max_hold_s)
		return DOORS_TIME;
	if (firewall_lacks(c, &w->pass))
		return DOORS_FIREWALL;
	if (!is_idle_enough(c, w))
		return DOORS_IDLE;
	if ((w->service.single_use && !w->pass.once) ||
	    (w->service.exact && w->pass.source_port == 0))
		return DOORS_NARROW;
	return DOORS_FINE;
}

enum doors_verdict doors_judge(
    const struct doors_law *law, const struct msg_door *m, struct door_wanted *out)
{
	const enum doors_verdict found = find_service(law, m, &out->service);

	if (found != DOORS_FINE)
		return found;
	memcpy(out->pass.from.addr.b, m->address, sizeof(out->pass.from.addr.b));
	out->pass.from.len = m->prefix_len;
	out->pass.idle_s = m->idle_s;
	out->pass.source_port = m->source_port;
	out->pass.once = m->once == 1;
	out->seconds = m->seconds;
	out->cut = m->cut == 1;
	if (has_stray_bytes(m) || !is_sound(out))
		return DOORS_FORM;
	return m->head.type == MSG_DOOR_OPEN ? judge_opening(law->now, out) : DOORS_FINE;
}

const char *doors_verdict_text(enum doors_verdict v)
{
	switch (v) {
	case DOORS_FINE:
		return "fine";
	case DOORS_GENERATION:
		return "another configuration is in force";
	case DOORS_SERVICE:
		return "no such service";
	case DOORS_FORM:
		return "not well-formed";
	case DOORS_ADDRESS:
		return "inadmissible address";
	case DOORS_WIDTH:
		return "wider than min-prefix";
	case DOORS_TIME:
		return "longer than max-hold";
	case DOORS_PORT:
		return "not a port that the service draws from";
	case DOORS_NARROW:
		return "not as narrow as the service wants its doors";
	case DOORS_FIREWALL:
		return "the firewall has no such doors";
	case DOORS_IDLE:
		return "not an idle time of this configuration, or longer than the service's";
	}
	return "unknown";
}
