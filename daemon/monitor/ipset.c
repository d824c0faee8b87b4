/*
 * ipset - the backend of firewall.h for hosts whose firewall is iptables, of
 * either variant. Doors are elements of sets with timeouts, so the kernel
 * closes every one; chains of our own ask the sets. ipset_rules.h has the plan.
 * What a door closes by beside its time, forwarding and gateways are not here:
 * the configuration refuses them (config_firewall_lacks()).
 *
 * Nothing tells of changes to iptables, so every few seconds what stands is
 * compared with what we put there.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "firewall_ops.h"
#include "ipset_link.h"
#include "ipset_ports.h"
#include "ipset_rules.h"
#include "log.h"
#include "xt_tool.h"

enum { LOOK_S = 3, BUSY_TRIES = 100, BUSY_NS = 10000000, MS = 1000 };

struct ipset {
	struct firewall base; /* first, so that the one can be made the other */
	struct nft_link link;
	int timer;
	/* What we put there; NULL before that. */
	char *rules[XT_FAMILIES];
	struct ipset_ports tcp, udp;
};

static struct ipset *state_of(struct firewall *f)
{
	return (struct ipset *)f;
}

static void forget_rules(struct ipset *s)
{
	for (size_t i = 0; i < XT_FAMILIES; i++) {
		free(s->rules[i]);
		s->rules[i] = NULL;
	}
}

static void ipset_stop(struct firewall *f)
{
	struct ipset *s = state_of(f);

	forget_rules(s);
	nft_link_close(&s->link);
	if (s->timer >= 0)
		(void)close(s->timer);
	free(s);
}

static struct firewall *ipset_start(const struct config *c)
{
	const struct itimerspec often = {{LOOK_S, 0}, {LOOK_S, 0}};
	struct ipset *s = calloc(1, sizeof(*s));

	(void)c;
	if (!s)
		return NULL;
	s->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (s->timer < 0 || timerfd_settime(s->timer, 0, &often, NULL) != 0 ||
	    nft_link_open(&s->link) != 0) {
		log_error("firewall", "netlink=\"%s\" need=\"CAP_NET_ADMIN, a kernel with ipset\"",
		    strerror(errno));
		ipset_stop(&s->base);
		return NULL;
	}
	return &s->base;
}

/* --- the guard --- */

static int make_doors(struct ipset *s)
{
	for (unsigned i = 0; i < XT_FAMILIES; i++)
		for (unsigned host = 0; host < 2; host++) {
			const char *set = ipset_rules_set(xt_families[i].v4, host == 1);
			int rc = ipset_create(
			    &s->link, set, host ? IPSET_HOSTS : IPSET_NETWORKS, xt_families[i].v4);

			if (rc != 0)
				return ipset_link_tell("guard", set, rc);
		}
	return 0;
}

/* The rules of one family, and how the tool tells of them from then on. */
static int put_rules(struct ipset *s, const struct config *c, size_t i)
{
	char *present = xt_save(&xt_families[i]), *text = NULL;
	size_t size;
	FILE *out = present ? open_memstream(&text, &size) : NULL;
	int rc = -1;

	if (!out)
		goto out;
	ipset_rules_write(out, c, xt_families[i].v4, present);
	if (fclose(out) != 0 || xt_restore(&xt_families[i], text) != 0)
		goto out;
	free(present);
	present = xt_save(&xt_families[i]);
	if (present) {
		free(s->rules[i]);
		s->rules[i] = ipset_rules_ours(present);
		rc = 0;
	}
out:
	free(present);
	free(text);
	return rc;
}

static int arm(struct ipset *s, const struct config *c)
{
	if (make_doors(s) != 0 || ipset_ports_set(&s->link, c, IPSET_TCP, IPPROTO_TCP) != 0 ||
	    ipset_ports_set(&s->link, c, IPSET_UDP, IPPROTO_UDP) != 0)
		return -1;
	ipset_ports_of(&s->tcp, c, IPPROTO_TCP);
	ipset_ports_of(&s->udp, c, IPPROTO_UDP);
	for (size_t i = 0; i < XT_FAMILIES; i++)
		if (put_rules(s, c, i) != 0)
			return -1;
	return 0;
}

/* --- doors --- */

static enum ipset_kind kind_of(const struct firewall_pass *p)
{
	return prefix_is_host(&p->from) ? IPSET_HOSTS : IPSET_NETWORKS;
}

static const char *set_of(const struct firewall_pass *p)
{
	return ipset_rules_set(address_is_v4(&p->from.addr), prefix_is_host(&p->from));
}

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

static int delete_ports(
    struct ipset *s, const struct service *v, const struct firewall_pass *p, unsigned ports)
{
	bool any = false;

	for (unsigned i = 0; i < ports; i++) {
		const struct ipset_element e = {
		    .from = p->from, .proto = v->proto, .port = service_port(v, i)};
		int rc = ipset_delete(&s->link, set_of(p), kind_of(p), &e);

		if (rc != 0 && rc != -ENOENT)
			return rc;
		any = any || rc == 0;
	}
	return any ? 0 : -ENOENT;
}

/* A pass that this backend has none of; the configuration and doors_judge() let none come here. */
static bool is_narrow(const struct service *v, const struct firewall_pass *p)
{
	if (!service_is_gateway(v) && p->idle_s == 0 && p->source_port == 0 && !p->once)
		return false;
	log_error("firewall",
	    "service=%s: the firewall ipset has doors that time alone closes, of services alone; "
	    "use firewall = nftables",
	    v->name);
	return true;
}

static enum firewall_status ipset_open(
    struct firewall *f, const struct service *v, const struct firewall_pass *p, uint32_t seconds)
{
	struct ipset *s = state_of(f);
	int rc = 0;

	if (is_narrow(v, p))
		return FIREWALL_FAILED;
	for (unsigned i = 0; i < service_ports(v) && rc == 0; i++) {
		const struct ipset_element e = {.from = p->from,
		    .proto = v->proto,
		    .port = service_port(v, i),
		    .rest_s = seconds};

		rc = ipset_add(&s->link, set_of(p), kind_of(p), &e);
		if (rc != 0)
			(void)!delete_ports(s, v, p, i);
	}
	return door_status(rc, "open");
}

static enum firewall_status ipset_close(
    struct firewall *f, const struct service *v, const struct firewall_pass *p)
{
	int rc;

	if (is_narrow(v, p))
		return FIREWALL_NOT_THERE;
	rc = delete_ports(state_of(f), v, p, service_ports(v));
	return rc == -ENOENT ? FIREWALL_NOT_THERE : door_status(rc, "close");
}

struct search {
	const struct service *service;
	const struct firewall_pass *pass;
	uint32_t rest_s; /* 0: not found */
};

static void find(void *arg, const struct ipset_element *e)
{
	struct search *s = arg;

	if (e->proto == s->service->proto && e->port == s->service->port &&
	    prefix_equal(&e->from, &s->pass->from))
		s->rest_s = e->rest_s;
}

/* All ports of a door have the same time. The kernel has no way to ask for the time of one: all are listed. */
static enum firewall_status ipset_query(
    struct firewall *f, const struct service *v, const struct firewall_pass *p, uint32_t *rest_s)
{
	struct search search = {v, p, 0};
	int rc;

	if (is_narrow(v, p))
		return FIREWALL_NOT_THERE;
	rc = ipset_list(&state_of(f)->link, set_of(p), find, &search);
	if (rc != 0)
		return door_status(rc, "query");
	*rest_s = search.rest_s;
	return search.rest_s > 0 ? FIREWALL_OK : FIREWALL_NOT_THERE;
}

struct listing {
	firewall_door_fn *fn;
	void *arg;
};

static void list_one(void *arg, const struct ipset_element *e)
{
	const struct listing *l = arg;
	const struct firewall_door door = {.proto = e->proto,
	    .port = e->port,
	    .pass = {.from = e->from},
	    .rest_ms = (uint64_t)e->rest_s * MS};

	l->fn(l->arg, &door);
}

static int list_all(struct ipset *s, ipset_element_fn *fn, void *arg)
{
	int rc = 0;

	for (unsigned i = 0; i < 2 * XT_FAMILIES && rc == 0; i++)
		rc = ipset_list(&s->link, ipset_rules_set(i % 2 == 0, i < XT_FAMILIES), fn, arg);
	return rc;
}

static enum firewall_status ipset_list_doors(struct firewall *f, firewall_door_fn *fn, void *arg)
{
	struct listing listing = {fn, arg};

	return door_status(list_all(state_of(f), list_one, &listing), "list");
}

/* --- doors of services that are no more --- */

struct stale {
	const struct config *c;
	struct nft_link deleting; /* while the other is listing */
	bool failed;
};

static void close_if_unknown(void *arg, const struct ipset_element *e)
{
	const struct firewall_pass p = {.from = e->from};
	struct stale *s = arg;

	if (config_service_by_port(s->c, e->proto, e->port) >= 0)
		return;
	const int rc = ipset_delete(&s->deleting, set_of(&p), kind_of(&p), e);

	s->failed = s->failed || (rc != 0 && rc != -ENOENT);
}

/* They would be open again if these came back in time. */
static enum firewall_status close_stale(struct ipset *s, const struct config *c)
{
	struct stale stale = {.c = c};
	int rc;

	if (nft_link_open(&stale.deleting) != 0)
		return door_status(-errno, "stale_doors");
	rc = list_all(s, close_if_unknown, &stale);
	nft_link_close(&stale.deleting);
	return door_status(rc == 0 && stale.failed ? -EIO : rc, "stale_doors");
}

static enum firewall_status ipset_ensure(struct firewall *f, const struct config *c)
{
	struct ipset *s = state_of(f);

	return arm(s, c) == 0 ? close_stale(s, c) : FIREWALL_FAILED;
}

/* --- somebody else --- */

static int ipset_watch_fd(const struct firewall *f)
{
	return ((const struct ipset *)f)->timer;
}

static bool rules_differ(const struct ipset *s, size_t i)
{
	char *present = xt_save(&xt_families[i]),
	     *ours = present ? ipset_rules_ours(present) : NULL;
	const bool differ = !ours || strcmp(ours, s->rules[i]) != 0;

	free(ours);
	free(present);
	return differ;
}

static bool ipset_changed(struct firewall *f)
{
	struct ipset *s = state_of(f);
	uint64_t turns;

	if (read(s->timer, &turns, sizeof(turns)) != sizeof(turns))
		return false;
	for (size_t i = 0; i < XT_FAMILIES; i++)
		if (!s->rules[i] || rules_differ(s, i))
			return true;
	return !ipset_ports_same(&s->link, IPSET_TCP, &s->tcp) ||
	       !ipset_ports_same(&s->link, IPSET_UDP, &s->udp);
}

/* --- taking it away --- */

static int remove_rules(const struct xt_family *f)
{
	char *present = xt_save(f), *text = NULL;
	size_t size;
	FILE *out = present ? open_memstream(&text, &size) : NULL;
	int rc = -1;

	if (out) {
		ipset_rules_write_removal(out, present);
		rc = fclose(out) == 0 ? xt_restore(f, text) : -1;
	}
	free(present);
	free(text);
	return rc;
}

/* A rule that is taken away holds its set a moment longer. */
static int remove_set(struct ipset *s, const char *set)
{
	const struct timespec pause = {0, BUSY_NS};
	int rc = ipset_destroy(&s->link, set);

	for (unsigned i = 0; i < BUSY_TRIES && rc == -EBUSY; i++) {
		(void)nanosleep(&pause, NULL);
		rc = ipset_destroy(&s->link, set);
	}
	return rc == 0 || rc == -ENOENT ? 0 : ipset_link_tell("remove", set, rc);
}

static enum firewall_status ipset_remove(struct firewall *f)
{
	static const char *const sets[] = {IPSET_TCP, IPSET_UDP, IPSET_NEXT};
	struct ipset *s = state_of(f);
	int failed = 0;

	forget_rules(s);
	for (size_t i = 0; i < XT_FAMILIES; i++)
		failed |= remove_rules(&xt_families[i]);
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]) && failed == 0; i++)
		failed |= remove_set(s, sets[i]);
	for (unsigned i = 0; i < 2 * XT_FAMILIES && failed == 0; i++)
		failed |= remove_set(s, ipset_rules_set(i % 2 == 0, i < XT_FAMILIES));
	return failed == 0 ? FIREWALL_OK : FIREWALL_FAILED;
}

/* --- for the administrator --- */

static void tell_ports(struct firewall_state *out, const struct ipset_ports *p, uint8_t proto)
{
	for (unsigned port = 1; port <= UINT16_MAX && out->guarded < FIREWALL_GUARDED_MAX; port++)
		if (ipset_ports_has(p, (uint16_t)port))
			out->guard[out->guarded++] =
			    (struct firewall_guarded){.proto = proto, .port = (uint16_t)port};
}

static enum firewall_status ipset_read(struct firewall *f, struct firewall_state *out)
{
	struct ipset *s = state_of(f);
	struct ipset_ports tcp, udp;
	int rc = ipset_ports_read(&s->link, IPSET_TCP, &tcp);

	if (rc == 0)
		rc = ipset_ports_read(&s->link, IPSET_UDP, &udp);
	out->there = rc == 0;
	if (rc != 0)
		return rc == -ENOENT ? FIREWALL_OK : door_status(rc, "read");
	for (size_t i = 0; i < XT_FAMILIES; i++) {
		char *present = xt_save(&xt_families[i]);

		if (!present)
			return FIREWALL_FAILED;
		out->there = out->there && ipset_rules_stand(present);
		free(present);
	}
	if (out->there) {
		tell_ports(out, &tcp, IPPROTO_TCP);
		tell_ports(out, &udp, IPPROTO_UDP);
	}
	return FIREWALL_OK;
}

static enum firewall_status ipset_show(struct firewall *f, FILE *out)
{
	(void)f;
	for (size_t i = 0; i < XT_FAMILIES; i++) {
		char *present = xt_save(&xt_families[i]);
		char *ours = present ? ipset_rules_ours(present) : NULL;

		if (ours)
			fprintf(out, "# %s\n%s", xt_families[i].save, ours);
		free(present);
		free(ours);
		if (!present)
			return FIREWALL_FAILED;
	}
	return FIREWALL_OK;
}

static void print_sets(const struct config *c, FILE *out)
{
	fputs("# ipset restore\ncreate " IPSET_TCP " bitmap:port range 0-65535\n"
	      "create " IPSET_UDP " bitmap:port range 0-65535\n",
	    out);
	for (unsigned i = 0; i < 2 * XT_FAMILIES; i++)
		fprintf(out, "create %s %s family %s timeout 1\n",
		    ipset_rules_set(i % 2 == 0, i < XT_FAMILIES),
		    i < XT_FAMILIES ? "hash:ip,port" : "hash:net,port",
		    i % 2 == 0 ? "inet" : "inet6");
	for (unsigned i = 0; i < c->services; i++)
		for (unsigned k = 0; k < service_ports(&c->service[i]); k++)
			fprintf(out, "add %s %u\n",
			    c->service[i].proto == IPPROTO_TCP ? IPSET_TCP : IPSET_UDP,
			    service_port(&c->service[i], k));
}

static enum firewall_status ipset_print(const struct config *c, FILE *out)
{
	print_sets(c, out);
	for (size_t i = 0; i < XT_FAMILIES; i++) {
		fprintf(out, "# %s --noflush\n", xt_families[i].restore);
		ipset_rules_write(out, c, xt_families[i].v4, "");
	}
	return FIREWALL_OK;
}

const struct firewall_ops firewall_ipset = {
    .name = "ipset",
    .cuts = true,
    .start = ipset_start,
    .ensure = ipset_ensure,
    .open = ipset_open,
    .close = ipset_close,
    .query = ipset_query,
    .list = ipset_list_doors,
    .watch_fd = ipset_watch_fd,
    .changed = ipset_changed,
    .remove = ipset_remove,
    .stop = ipset_stop,
    .install = ipset_ensure, /* there is no trial that it would end */
    .read = ipset_read,
    .show = ipset_show,
    .print = ipset_print,
};
