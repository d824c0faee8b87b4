/*
 * ipset - the backend of firewall.h for hosts whose firewall is iptables, of
 * either variant. Doors are elements of sets with timeouts, so the kernel
 * closes every one; chains of our own ask the sets. ipset_rules.h has the plan,
 * ipset_sets.h the sets. Single-use and exact doors, forwarding and gateways are
 * not here: the configuration refuses them (firewalls.c).
 *
 * Nothing tells of changes to iptables, so every few seconds what stands is
 * compared with what we put there (ipset_look.h). Doors need no tool.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "firewall_ops.h"
#include "ipset_ban.h"
#include "ipset_doors.h"
#include "ipset_link.h"
#include "ipset_look.h"
#include "ipset_ports.h"
#include "ipset_rules.h"
#include "ipset_sets.h"
#include "log.h"
#include "xt_tool.h"

struct ipset {
	struct firewall base; /* first, so that the one can be made the other */
	struct ipset_doors doors;
	struct ipset_look look;
	struct xt_tools tools;
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
	ipset_snapshots_free(&s->doors.snapshots);
	nft_link_close(&s->doors.link);
	ipset_look_close(&s->look);
	free(s);
}

static struct firewall *ipset_start(const struct config *c)
{
	struct ipset *s = calloc(1, sizeof(*s));

	(void)c;
	if (!s)
		return NULL;
	if (ipset_look_open(&s->look) != 0 || nft_link_open(&s->doors.link) != 0) {
		log_error("firewall", "netlink=\"%s\" need=\"CAP_NET_ADMIN, a kernel with ipset\"",
		    strerror(errno));
		ipset_stop(&s->base);
		return NULL;
	}
	return &s->base;
}

/* --- the guard --- */

/* The rules of one family, and how the tool tells of them from then on. */
static int put_rules(struct ipset *s, const struct config *c, size_t i)
{
	char *present = xt_save(&s->tools, &xt_families[i]), *text = NULL;
	size_t size;
	FILE *out = present ? open_memstream(&text, &size) : NULL;
	int rc = -1;

	if (!out)
		goto out;
	ipset_rules_write(out, c, xt_families[i].v4, present);
	if (fclose(out) != 0 || xt_restore(&s->tools, &xt_families[i], text) != 0)
		goto out;
	free(present);
	present = xt_save(&s->tools, &xt_families[i]);
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
	if (ipset_doors_make(&s->doors, c) != 0 || ipset_ban_make(&s->doors.link, c) != 0 ||
	    ipset_ports_set(&s->doors.link, c, IPSET_TCP, IPPROTO_TCP) != 0 ||
	    ipset_ports_set(&s->doors.link, c, IPSET_UDP, IPPROTO_UDP) != 0)
		return -1;
	ipset_ports_of(&s->tcp, c, IPPROTO_TCP);
	ipset_ports_of(&s->udp, c, IPPROTO_UDP);
	for (size_t i = 0; i < XT_FAMILIES; i++)
		if (put_rules(s, c, i) != 0)
			return -1;
	return 0;
}

/* --- doors --- */

static enum firewall_status ipset_open(
    struct firewall *f, const struct service *v, const struct firewall_pass *p, uint32_t seconds)
{
	return ipset_doors_open(&state_of(f)->doors, v, p, seconds);
}

static enum firewall_status ipset_shorten(
    struct firewall *f, const struct service *v, const struct firewall_pass *p, uint32_t seconds)
{
	return ipset_doors_shorten(&state_of(f)->doors, v, p, seconds);
}

static enum firewall_status ipset_close(
    struct firewall *f, const struct service *v, const struct firewall_pass *p)
{
	return ipset_doors_close(&state_of(f)->doors, v, p);
}

static enum firewall_status ipset_query(
    struct firewall *f, const struct service *v, const struct firewall_pass *p, uint32_t *rest_s)
{
	return ipset_doors_query(&state_of(f)->doors, v, p, rest_s);
}

static enum firewall_status ipset_list_doors(struct firewall *f, firewall_door_fn *fn, void *arg)
{
	return ipset_doors_list(&state_of(f)->doors, fn, arg);
}

static enum firewall_status ipset_ensure(struct firewall *f, const struct config *c)
{
	struct ipset *s = state_of(f);
	const bool armed = arm(s, c) == 0;

	ipset_look_again(&s->look, armed);
	if (!armed)
		return FIREWALL_FAILED;
	/* No rule asks the others any more: where one stays, its doors are closed all the same. */
	(void)!ipset_doors_drop(&s->doors, c);
	if (ipset_ban_settle(&s->doors.link, c) != FIREWALL_OK)
		return FIREWALL_FAILED;
	return ipset_doors_close_stale(&s->doors, c);
}

/* --- bans --- */

static enum firewall_status ipset_ban(struct firewall *f, const struct address *a, uint32_t seconds)
{
	return ipset_ban_put(&state_of(f)->doors.link, a, seconds);
}

static enum firewall_status ipset_unban(struct firewall *f, const struct address *a)
{
	return ipset_ban_delete(&state_of(f)->doors.link, a);
}

static enum firewall_status ipset_bans(struct firewall *f, firewall_ban_fn *fn, void *arg)
{
	return ipset_ban_each(&state_of(f)->doors.link, fn, arg);
}

/* --- somebody else --- */

static int ipset_watch_fd(const struct firewall *f)
{
	return ipset_look_fd(&((const struct ipset *)f)->look);
}

static bool rules_differ(const struct ipset *s)
{
	bool differ = false;

	for (size_t i = 0; i < XT_FAMILIES; i++) {
		const char *present = s->look.saved[i];
		char *ours = ipset_rules_ours(present);

		differ = differ || !s->rules[i] || strcmp(ours, s->rules[i]) != 0 ||
			 !ipset_rules_stand(present);
		free(ours);
	}
	return differ;
}

static bool ports_differ(struct ipset *s)
{
	return !ipset_ports_same(&s->doors.link, IPSET_TCP, &s->tcp) ||
	       !ipset_ports_same(&s->doors.link, IPSET_UDP, &s->udp);
}

static bool ipset_changed(struct firewall *f)
{
	struct ipset *s = state_of(f);

	switch (ipset_look_turn(&s->look, &s->tools)) {
	case IPSET_LOOK_GOES_ON:
		return false;
	case IPSET_LOOK_BEGINS:
	case IPSET_LOOK_FAILED:
		return ports_differ(s);
	case IPSET_LOOK_IS_DONE:
		return rules_differ(s);
	}
	return false;
}

/* --- taking it away --- */

static int remove_rules(struct ipset *s, const struct xt_family *f)
{
	char *present = xt_save(&s->tools, f), *text = NULL;
	size_t size;
	FILE *out = present ? open_memstream(&text, &size) : NULL;
	int rc = -1;

	if (out) {
		ipset_rules_write_removal(out, present);
		rc = fclose(out) == 0 ? xt_restore(&s->tools, f, text) : -1;
	}
	free(present);
	free(text);
	return rc;
}

static enum firewall_status ipset_remove(struct firewall *f)
{
	static const char *const sets[] = {IPSET_TCP, IPSET_UDP, IPSET_NEXT};
	struct ipset *s = state_of(f);
	int failed = 0;

	forget_rules(s);
	for (size_t i = 0; i < XT_FAMILIES; i++)
		failed |= remove_rules(s, &xt_families[i]);
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]) && failed == 0; i++)
		failed |= ipset_take_away(&s->doors.link, sets[i]);
	if (failed == 0)
		failed = ipset_ban_settle(&s->doors.link, NULL) != FIREWALL_OK;
	if (failed == 0)
		failed = ipset_doors_drop(&s->doors, NULL);
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
	int rc = ipset_ports_read(&s->doors.link, IPSET_TCP, &tcp);

	if (rc == 0)
		rc = ipset_ports_read(&s->doors.link, IPSET_UDP, &udp);
	out->there = rc == 0;
	if (rc == -ENOENT)
		return FIREWALL_OK;
	if (rc != 0) {
		(void)ipset_link_tell("read", "ports", rc);
		return FIREWALL_FAILED;
	}
	for (size_t i = 0; i < XT_FAMILIES; i++) {
		char *present = xt_save(&s->tools, &xt_families[i]);

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
	struct ipset *s = state_of(f);

	for (size_t i = 0; i < XT_FAMILIES; i++) {
		char *present = xt_save(&s->tools, &xt_families[i]);
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
	struct ipset_set set[IPSET_SETS_MAX];
	const unsigned n = ipset_sets_of(c, set);
	char name[IPSET_NAME_MAX];

	fputs("# ipset restore\ncreate " IPSET_TCP " bitmap:port range 0-65535\n"
	      "create " IPSET_UDP " bitmap:port range 0-65535\n",
	    out);
	for (unsigned i = 0; i < n; i++)
		fprintf(out, "create %s %s family %s timeout 1\n", ipset_set_name(name, &set[i]),
		    ipset_set_kind(&set[i]) == IPSET_HOSTS ? "hash:ip,port" : "hash:net,port",
		    set[i].v4 ? "inet" : "inet6");
	ipset_ban_print_sets(out, c);
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
    .shorten = ipset_shorten,
    .close = ipset_close,
    .query = ipset_query,
    .list = ipset_list_doors,
    .ban = ipset_ban,
    .unban = ipset_unban,
    .bans = ipset_bans,
    .watch_fd = ipset_watch_fd,
    .changed = ipset_changed,
    .remove = ipset_remove,
    .stop = ipset_stop,
    .install = ipset_ensure, /* there is no trial that it would end */
    .read = ipset_read,
    .show = ipset_show,
    .print = ipset_print,
};
