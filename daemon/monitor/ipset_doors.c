/* ipset_doors - see ipset_doors.h. */
#include "ipset_doors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipset_sets.h"
#include "log.h"

enum { MS = 1000 };

static enum firewall_status door_status(int rc, const char *what)
{
	if (rc == 0)
		return FIREWALL_OK;
	if (rc == -ENFILE) {
		log_warning("firewall", "%s=full doors=%d", what, IPSET_ELEMENTS_MAX);
		return FIREWALL_FULL;
	}
	log_error("firewall", "%s=refused kernel=\"%s\"", what, ipset_link_error(rc));
	return FIREWALL_FAILED;
}

/* A pass that this backend has none of; the configuration and doors_judge() let none come here. */
static bool is_narrow(const struct service *v, const struct firewall_pass *p)
{
	if (!service_is_gateway(v) && p->source_port == 0 && !p->once)
		return false;
	log_error("firewall",
	    "service=%s: the firewall ipset has no single-use or exact doors, and none of "
	    "gateways; use firewall = nftables",
	    v->name);
	return true;
}

/* --- sets --- */

/* Those that there are. */
struct sets {
	struct ipset_set *at;
	size_t len;
	bool failed;
};

static void note_set(void *arg, const char *name)
{
	struct sets *all = arg;
	struct ipset_set s, *more;

	if (!ipset_set_parse(name, &s))
		return;
	more = reallocarray(all->at, all->len + 1, sizeof(*more));
	if (!more) {
		all->failed = true;
		return;
	}
	all->at = more;
	all->at[all->len++] = s;
}

/* Returns 0 or -errno; all->at is to be freed in any case. */
static int find_sets(struct nft_link *l, struct sets *all)
{
	int rc;

	*all = (struct sets){.len = 0};
	rc = ipset_names(l, note_set, all);
	return rc == 0 && all->failed ? -ENOMEM : rc;
}

int ipset_doors_make(struct ipset_doors *d, const struct config *c)
{
	struct ipset_set set[IPSET_SETS_MAX];
	const unsigned n = ipset_sets_of(c, set);
	char name[IPSET_NAME_MAX];

	for (unsigned i = 0; i < n; i++) {
		int rc = ipset_create(
		    &d->link, ipset_set_name(name, &set[i]), ipset_set_kind(&set[i]), set[i].v4);

		if (rc != 0)
			return ipset_link_tell("guard", name, rc);
	}
	return 0;
}

static bool is_needed(const struct config *c, const struct ipset_set *s)
{
	uint32_t idle[CONFIG_SERVICES_MAX];
	unsigned n = c ? config_idle_times(c, idle) : 0;

	if (!c || s->idle_s == 0)
		return c;
	while (n > 0 && idle[n - 1] != s->idle_s)
		n--;
	return n > 0;
}

int ipset_doors_drop(struct ipset_doors *d, const struct config *c)
{
	struct nft_link *l = &d->link;
	char name[IPSET_NAME_MAX];
	struct sets all;
	int rc = find_sets(l, &all), failed = 0;

	if (rc != 0)
		failed = ipset_link_tell("remove", "all", rc);
	for (size_t i = 0; i < all.len && rc == 0; i++) {
		if (is_needed(c, &all.at[i]))
			continue;
		rc = ipset_flush(l, ipset_set_name(name, &all.at[i]));
		rc = rc == -ENOENT ? 0 : rc;
		failed |= rc != 0 ? ipset_link_tell("remove", name, rc) : ipset_take_away(l, name);
	}
	free(all.at);
	return failed;
}

/* --- one door --- */

/* Returns 0 or what ipset_delete() returns; of an idle door -ENOENT only when neither was there. */
static int delete_element(
    struct ipset_doors *d, const struct ipset_set *s, const struct ipset_element *e)
{
	const struct ipset_set idle = ipset_set_idle(s);
	char name[IPSET_NAME_MAX];
	int rc = ipset_delete(&d->link, ipset_set_name(name, s), ipset_set_kind(s), e), other;

	ipset_snapshot_touched(&d->snapshots, s, e);
	if (s->form != IPSET_HELD || (rc != 0 && rc != -ENOENT))
		return rc;
	/* Without the one the other opens nothing; but it would, when the first came back. */
	other = ipset_delete(&d->link, ipset_set_name(name, &idle), ipset_set_kind(&idle), e);
	ipset_snapshot_touched(&d->snapshots, &idle, e);
	return other == -ENOENT ? rc : other;
}

static int delete_ports(
    struct ipset_doors *d, const struct service *v, const struct firewall_pass *p, unsigned ports)
{
	const struct ipset_set set = ipset_set_of(p);
	bool any = false;

	for (unsigned i = 0; i < ports; i++) {
		const struct ipset_element e = {
		    .from = p->from, .proto = v->proto, .port = service_port(v, i)};
		int rc = delete_element(d, &set, &e);

		if (rc != 0 && rc != -ENOENT)
			return rc;
		any = any || rc == 0;
	}
	return any ? 0 : -ENOENT;
}

static int put(struct ipset_doors *d, const struct ipset_set *s, const struct service *v,
    const struct firewall_pass *p, unsigned port, uint32_t seconds)
{
	const struct ipset_element e = {
	    .from = p->from, .proto = v->proto, .port = service_port(v, port), .rest_s = seconds};
	char name[IPSET_NAME_MAX];

	ipset_snapshot_touched(&d->snapshots, s, &e);
	return ipset_add(&d->link, ipset_set_name(name, s), ipset_set_kind(s), &e);
}

enum firewall_status ipset_doors_open(
    struct ipset_doors *d, const struct service *v, const struct firewall_pass *p, uint32_t seconds)
{
	const struct ipset_set set = ipset_set_of(p), idle = ipset_set_idle(&set);
	int rc = 0;

	if (is_narrow(v, p))
		return FIREWALL_FAILED;
	for (unsigned i = 0; i < service_ports(v) && rc == 0; i++) {
		/* The one that ends by itself first, so that nothing lies about if we end here. */
		if (set.form == IPSET_HELD)
			rc = put(d, &idle, v, p, i, p->idle_s);
		if (rc == 0)
			rc = put(d, &set, v, p, i, seconds);
		if (rc != 0)
			(void)!delete_ports(d, v, p, i + 1);
	}
	return door_status(rc, "open");
}

enum firewall_status ipset_doors_close(
    struct ipset_doors *d, const struct service *v, const struct firewall_pass *p)
{
	int rc;

	if (is_narrow(v, p))
		return FIREWALL_NOT_THERE;
	rc = delete_ports(d, v, p, service_ports(v));
	return rc == -ENOENT ? FIREWALL_NOT_THERE : door_status(rc, "close");
}

/* What each port has left of the door's own time, and until it closes; 0: it is not there. */
struct rests {
	uint32_t held[CONFIG_PORTS_MAX], idle[CONFIG_PORTS_MAX];
	bool counts_idle;
};

static int read_rests(struct ipset_doors *d, const struct service *v, const struct firewall_pass *p,
    struct rests *out)
{
	const struct ipset_set set = ipset_set_of(p), idle = ipset_set_idle(&set);
	int rc = 0;

	*out = (struct rests){.counts_idle = set.form == IPSET_HELD};
	for (unsigned i = 0; i < service_ports(v) && rc == 0; i++) {
		const struct ipset_element e = {
		    .from = p->from, .proto = v->proto, .port = service_port(v, i)};

		rc = ipset_snapshot_rest(&d->snapshots, &d->link, &set, &e, &out->held[i]);
		if (rc == 0 && out->counts_idle)
			rc = ipset_snapshot_rest(&d->snapshots, &d->link, &idle, &e, &out->idle[i]);
	}
	return rc;
}

static uint32_t rest_of(const struct rests *r, unsigned port)
{
	const uint32_t held = r->held[port];

	return r->counts_idle && r->idle[port] < held ? r->idle[port] : held;
}

/* Of several ports that which stays open longest. */
enum firewall_status ipset_doors_query(
    struct ipset_doors *d, const struct service *v, const struct firewall_pass *p, uint32_t *rest_s)
{
	struct rests rests;
	int rc;

	if (is_narrow(v, p))
		return FIREWALL_NOT_THERE;
	rc = read_rests(d, v, p, &rests);
	if (rc != 0)
		return door_status(rc, "query");
	for (unsigned i = 0; i < service_ports(v); i++)
		if (rest_of(&rests, i) > *rest_s)
			*rest_s = rest_of(&rests, i);
	return *rest_s > 0 ? FIREWALL_OK : FIREWALL_NOT_THERE;
}

/* Of an idle door the element whose time is the door's. What has more time than that cannot end meanwhile. */
enum firewall_status ipset_doors_shorten(
    struct ipset_doors *d, const struct service *v, const struct firewall_pass *p, uint32_t seconds)
{
	const struct ipset_set set = ipset_set_of(p);
	struct rests rests;
	bool any = false;
	int rc;

	if (is_narrow(v, p))
		return FIREWALL_NOT_THERE;
	rc = read_rests(d, v, p, &rests);
	for (unsigned i = 0; i < service_ports(v) && rc == 0; i++) {
		any = any || rest_of(&rests, i) > 0;
		if (rest_of(&rests, i) > 0 && rests.held[i] > seconds)
			rc = put(d, &set, v, p, i, seconds);
	}
	if (rc != 0)
		return door_status(rc, "shorten");
	return any ? FIREWALL_OK : FIREWALL_NOT_THERE;
}

/* --- all doors --- */

/* An idle door is open for as long as both of its elements are there. */
static bool cut_to_idle(struct ipset_element *held, const struct ipset_elements *idle)
{
	const struct ipset_element *found = ipset_elements_find(idle, held);

	if (found && found->rest_s > 0 && found->rest_s < held->rest_s)
		held->rest_s = found->rest_s;
	return found;
}

/* Both are in memory before the first is told, so fn may change them. */
static int list_set(struct nft_link *l, const struct ipset_set *s, firewall_door_fn *fn, void *arg)
{
	const struct ipset_set other = ipset_set_idle(s);
	struct ipset_elements doors, idle = {.len = 0};
	char name[IPSET_NAME_MAX];
	int rc = ipset_elements_read(l, ipset_set_name(name, s), &doors);

	if (rc == 0 && s->form == IPSET_HELD)
		rc = ipset_elements_read(l, ipset_set_name(name, &other), &idle);
	for (size_t i = 0; i < doors.len && rc == 0; i++) {
		struct ipset_element *e = &doors.at[i];

		if (s->form == IPSET_HELD && !cut_to_idle(e, &idle))
			continue;
		const struct firewall_door door = {.proto = e->proto,
		    .port = e->port,
		    .pass = {.from = e->from, .idle_s = s->idle_s},
		    .rest_ms = e->rest_s == 0 ? FIREWALL_FOR_EVER : (uint64_t)e->rest_s * MS};

		fn(arg, &door);
	}
	free(doors.at);
	free(idle.at);
	return rc;
}

static int list_all(struct nft_link *l, firewall_door_fn *fn, void *arg)
{
	struct sets all;
	int rc = find_sets(l, &all);

	for (size_t i = 0; i < all.len && rc == 0; i++)
		if (all.at[i].form != IPSET_IDLE)
			rc = list_set(l, &all.at[i], fn, arg);
	free(all.at);
	return rc;
}

enum firewall_status ipset_doors_list(struct ipset_doors *d, firewall_door_fn *fn, void *arg)
{
	return door_status(list_all(&d->link, fn, arg), "list");
}

struct stale {
	const struct config *c;
	struct ipset_doors *doors;
	int rc; /* of the first that could not be closed */
};

static void close_if_unknown(void *arg, const struct firewall_door *d)
{
	const struct ipset_element e = {.from = d->pass.from, .proto = d->proto, .port = d->port};
	const struct ipset_set set = ipset_set_of(&d->pass);
	struct stale *s = arg;

	if (config_service_by_port(s->c, d->proto, d->port) >= 0)
		return;
	const int rc = delete_element(s->doors, &set, &e);

	if (s->rc == 0 && rc != -ENOENT)
		s->rc = rc;
}

enum firewall_status ipset_doors_close_stale(struct ipset_doors *d, const struct config *c)
{
	struct stale stale = {.c = c, .doors = d};
	int rc = list_all(&d->link, close_if_unknown, &stale);

	return door_status(rc == 0 ? stale.rc : rc, "stale_doors");
}
