/* policy - services, addresses, times. */
#include <stddef.h>
#include <string.h>

#include "clock.h"
#include "policy.h"

_Static_assert((int)PIN_LEN_MIN == (int)PIN_MIN && (int)PIN_LEN_MAX == (int)PIN_MAX,
    "factors.h and request.h agree");

static struct ruling refuse(enum verdict v, const char *reason)
{
	return (struct ruling){.verdict = v, .reason = reason};
}

static bool is_from(const struct client *c, const struct address *source)
{
	for (unsigned i = 0; i < c->from_len; i++)
		if (prefix_contains(&c->from[i], source))
			return true;
	return c->from_len == 0;
}

uint8_t policy_asked(const struct policy_case *p)
{
	const struct client *c = p->client;

	if (p->request->verb != VERB_OPEN && p->request->verb != VERB_RUN)
		return 0;
	return (
	    uint8_t)((c->pin.kib != 0 ? ASKED_PIN : 0) | (c->code.digits != 0 ? ASKED_CODE : 0));
}

/* Where no answer can come back, M1 has all that there will be. */
static bool has_all(const struct request *q, uint8_t asked)
{
	return (q->flags & REQUEST_REPLY) == 0 && ((asked & ASKED_PIN) == 0 || q->pin_len > 0) &&
	       ((asked & ASKED_CODE) == 0 || q->code[0] != '\0');
}

bool policy_must_prove(const struct policy_case *p)
{
	const struct client *c = p->client;
	const uint8_t asked = policy_asked(p);

	return (asked != 0 && !has_all(p->request, asked)) || c->challenge ||
	       p->realm->config.challenge == CHALLENGE_ALWAYS ||
	       (p->request->flags & REQUEST_CHALLENGE) != 0 ||
	       (c->from_len > 0 && is_from(c, p->source));
}

static bool is_expired(const struct policy_case *p)
{
	return p->client->expires_s != 0 && (uint64_t)p->client->expires_s <= p->now_ns / NS_PER_S;
}

static uint32_t hours_left(const struct policy_case *p)
{
	const struct client *c = p->client;

	return c->hours_len == 0
		   ? UINT32_MAX
		   : hours_left_s(c->hours, c->hours_len, (int64_t)(p->now_ns / NS_PER_S));
}

struct ruling policy_client(const struct policy_case *p)
{
	const struct request *q = p->request;

	if (p->client->disabled || is_expired(p))
		return refuse(VERDICT_EXPIRED, NULL);
	if (hours_left(p) == 0)
		return refuse(VERDICT_DENIED, "not at this time");
	if (!is_from(p->client, p->source))
		return refuse(VERDICT_ADDRESS, "not from this address");
	if ((q->flags & REQUEST_STRICT) != 0 && q->has_own_address &&
	    !address_equal(&q->own_address, p->source))
		return refuse(VERDICT_ADDRESS, "the packet came from another address than it says");
	return refuse(VERDICT_OK, NULL);
}

/* The last address of a prefix: both ends must be such that a door may be opened for them. */
static struct address last_of(const struct prefix *p)
{
	struct address a = p->addr;
	unsigned first = address_is_v4(&a) ? 96U + p->len : p->len;

	for (unsigned bit = first; bit < 8 * ADDRESS_BYTES; bit++)
		a.b[bit / 8] |= (uint8_t)(0x80U >> (bit % 8));
	return a;
}

static bool is_admissible(const struct policy_case *p, const struct prefix *admit)
{
	struct address last = last_of(admit);

	if (!prefix_is_canonical(admit) || !address_is_admissible(&admit->addr))
		return false;
	if (prefix_is_host(admit))
		return !address_equal(&admit->addr, p->server);
	return address_is_admissible(&last);
}

static bool is_listed(const struct client *c, const struct prefix *admit)
{
	for (unsigned i = 0; i < c->admit_len; i++)
		if (prefix_within(&c->admit[i], admit))
			return true;
	return false;
}

static bool is_permitted(const struct policy_case *p, const struct prefix *admit)
{
	const struct client *c = p->client;
	struct prefix source = prefix_host(p->source);

	switch (c->address) {
	case ADDRESS_SOURCE:
		return prefix_equal(admit, &source);
	case ADDRESS_NAMED:
		return true;
	case ADDRESS_LIST:
		return is_listed(c, admit);
	}
	return false;
}

static bool is_narrow_enough(const struct service *s, const struct prefix *admit)
{
	return admit->len >= (address_is_v4(&admit->addr) ? s->min_prefix_v4 : s->min_prefix_v6);
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* When its doors must be over, whatever else there is. */
static uint32_t latest_of(const struct policy_case *p)
{
	const struct client *c = p->client;
	const uint64_t left = (uint64_t)c->expires_s - p->now_ns / NS_PER_S;
	const uint32_t hours = hours_left(p);

	return c->expires_s > 0 && left < hours ? (uint32_t)left : hours;
}

static uint32_t hold_of(const struct policy_case *p, const struct service *s)
{
	const struct client *c = p->client;
	uint32_t hold =
	    p->request->has_hold && p->request->hold_s > 0 ? p->request->hold_s : s->hold_s;

	hold = least(hold, s->max_hold_s);
	if (c->max_hold_s > 0)
		hold = least(hold, c->max_hold_s);
	return least(hold, latest_of(p));
}

/* A service asked for twice, by name or by port, is one service. */
static int add_service(
    const struct policy_case *p, int index, unsigned service[static SERVICES_MAX], unsigned *n)
{
	if (index < 0 || !client_has_service(p->client, (unsigned)index))
		return -1;
	for (unsigned i = 0; i < *n; i++)
		if (service[i] == (unsigned)index)
			return 0;
	if (*n == SERVICES_MAX)
		return -1;
	service[(*n)++] = (unsigned)index;
	return 0;
}

/* The service at a port. One whose port is random is at none that could be asked for. */
static int service_at_port(const struct config *c, const struct port *port)
{
	const int i = config_service_by_port(c, port->proto, port->number);

	return i >= 0 && service_is_random(&c->service[i]) ? -1 : i;
}

static int find_services(
    const struct policy_case *p, unsigned service[static SERVICES_MAX], unsigned *n)
{
	const struct request *q = p->request;
	const struct config *c = &p->realm->config;

	*n = 0;
	for (unsigned i = 0; i < q->services; i++)
		if (add_service(p, config_service(c, q->service[i]), service, n) < 0)
			return -1;
	for (unsigned i = 0; i < q->ports; i++)
		if (add_service(p, service_at_port(c, &q->port[i]), service, n) < 0)
			return -1;
	return *n > 0 ? 0 : -1;
}

static unsigned find_admits(const struct policy_case *p, struct prefix admit[static ADMITS_MAX])
{
	const struct request *q = p->request;

	if (q->admits == 0) {
		admit[0] = prefix_host(p->source);
		return 1;
	}
	for (unsigned i = 0; i < q->admits; i++)
		admit[i] = q->admit[i];
	return q->admits;
}

/*
 * The longest idle time that the configuration has (the firewall has no others)
 * and that is not longer than asked for and than the service's. Returns 0, or
 * -1: there is none, and a longer one is not what was asked for.
 */
static int idle_of(const struct policy_case *p, const struct service *s, uint32_t *out)
{
	const struct request *q = p->request;
	uint32_t time[CONFIG_SERVICES_MAX];
	unsigned n;

	*out = s->idle_s;
	if (!q->has_idle || q->idle_s == 0 || (s->idle_s != 0 && q->idle_s >= s->idle_s))
		return 0;
	for (n = config_idle_times(&p->realm->config, time); n > 0; n--) {
		if (time[n - 1] <= q->idle_s) {
			*out = time[n - 1];
			return 0;
		}
	}
	return -1;
}

static bool is_narrowed(const struct narrowing *n)
{
	return n->idle_s != 0 || n->source_port != 0 || n->once;
}

/* What is asked for that the firewall has not; NULL: nothing. */
static const char *lack(const struct policy_case *p)
{
	const unsigned has = config_firewall_has(&p->realm->config);
	const struct request *q = p->request;

	if ((has & FIREWALL_HAS_NARROW) == 0 && (q->has_source_port || q->single_use))
		return "no single-use or exact doors here: the firewall has none";
	if ((has & FIREWALL_HAS_IDLE) == 0 && q->has_idle && q->idle_s != 0)
		return "no idle doors here: the firewall has none";
	return NULL;
}

/* How a service's door to a prefix is narrowed; all that is asked for, or nothing. */
static struct ruling narrow(const struct policy_case *p, const struct service *s, struct want *w)
{
	const struct request *q = p->request;
	struct narrowing *n = &w->narrowing;
	const bool asked = q->has_source_port || q->single_use || (q->has_idle && q->idle_s != 0);
	const char *lacking = lack(p);

	if (service_is_gateway(s) && asked)
		return refuse(VERDICT_DENIED, "a gateway's door closes by time alone");
	*n = (struct narrowing){.once = q->single_use || s->single_use,
	    .source_port = q->has_source_port ? q->source_port : 0};
	if (lacking)
		return refuse(VERDICT_DENIED, lacking);
	if (idle_of(p, s, &n->idle_s) < 0)
		return refuse(VERDICT_DENIED, "no idle time is configured that is as short");
	if (s->exact && n->source_port == 0)
		return refuse(VERDICT_DENIED,
		    "a door here is for one source port, which must be said: postern connect "
		    "--exact does it");
	if (prefix_is_host(&w->admit) || !is_narrowed(n))
		return refuse(VERDICT_OK, NULL);
	if (asked || s->single_use || s->exact)
		return refuse(VERDICT_ADDRESS, "such a door is for a single host");
	*n = (struct narrowing){.once = false}; /* a network's door has no idle time */
	return refuse(VERDICT_OK, NULL);
}

struct ruling policy_open(const struct policy_case *p)
{
	struct ruling r = {.verdict = VERDICT_OK};
	unsigned service[SERVICES_MAX], services;
	struct prefix admit[ADMITS_MAX];
	unsigned admits = find_admits(p, admit);

	if (p->relayed && p->request->admits == 0)
		return refuse(VERDICT_ADDRESS, "by http the address must be named");
	if (find_services(p, service, &services) < 0)
		return refuse(VERDICT_DENIED, NULL);
	for (unsigned i = 0; i < admits; i++)
		if (!is_admissible(p, &admit[i]) || !is_permitted(p, &admit[i]))
			return refuse(VERDICT_ADDRESS, "no door for this address");
	for (unsigned i = 0; i < services * admits; i++) {
		const struct service *s = &p->realm->config.service[service[i / admits]];
		const struct prefix *a = &admit[i % admits];

		if (!is_narrow_enough(s, a))
			return refuse(VERDICT_ADDRESS, "too wide a prefix");
		if (s->forward.len > 0 && !service_forward(s, address_is_v4(&a->addr)))
			return refuse(
			    VERDICT_ADDRESS, "the service has no other end in this family");
		struct want *w = &r.want[r.wants++];

		*w = (struct want){.service = service[i / admits],
		    .admit = *a,
		    .hold_s = hold_of(p, s),
		    .latest_s = latest_of(p)};
		struct ruling narrowed = narrow(p, s, w);
		if (narrowed.verdict != VERDICT_OK)
			return narrowed;
	}
	return r;
}

static bool arguments_fit(const struct command_config *m, const struct request *q)
{
	if (q->arguments != m->arguments.len)
		return false;
	for (unsigned i = 0; i < q->arguments; i++)
		if (!config_argument_fits(m->arguments.at[i], q->argument[i]))
			return false;
	return true;
}

struct ruling policy_run(const struct policy_case *p, uint32_t *command)
{
	const struct config *c = &p->realm->config;
	const int i = config_command(c, p->request->command);

	*command = COMMAND_LINE;
	if (strcmp(p->request->command, COMMAND_LINE_NAME) == 0)
		return p->client->command_line && c->command_line_user[0] != '\0'
			   ? refuse(VERDICT_OK, NULL)
			   : refuse(VERDICT_DENIED, NULL);
	if (i < 0 || !client_has_command(p->client, (unsigned)i))
		return refuse(VERDICT_DENIED, NULL);
	*command = (uint32_t)i;
	if (!arguments_fit(&c->command[i], p->request))
		return refuse(VERDICT_DENIED, "not the arguments that the command takes");
	return refuse(VERDICT_OK, NULL);
}

/* The door of a client with this address policy may have been opened by another one: what is not told by it stays. */
static bool is_permitted_still(const struct client *c, const struct prefix *admit)
{
	switch (c->address) {
	case ADDRESS_SOURCE:
		return is_from(c, &admit->addr);
	case ADDRESS_NAMED:
		return true;
	case ADDRESS_LIST:
		return is_listed(c, admit);
	}
	return false;
}

uint32_t policy_left_s(const struct policy_case *p, unsigned service, const struct prefix *admit)
{
	const struct service *s = &p->realm->config.service[service];
	const struct client *c = p->client;
	uint32_t left = s->max_hold_s;

	if (c->disabled || is_expired(p) || !client_has_service(c, service) ||
	    !is_narrow_enough(s, admit) || !is_permitted_still(c, admit))
		return 0;
	if (c->max_hold_s > 0)
		left = least(left, c->max_hold_s);
	return least(left, latest_of(p));
}
