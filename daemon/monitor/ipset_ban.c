/* ipset_ban - see ipset_ban.h. */
#include "ipset_ban.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "ipset_link.h"
#include "ipset_rules.h"
#include "ipset_snapshot.h"
#include "log.h"

#define RULE "-A postern-banned "

enum { MS = 1000, FAMILIES = 2 };

static const struct family {
	bool v4;
	const char *set, *name;
	const char *control; /* all of its ICMP but what asks for an echo */
} families[FAMILIES] = {
    {true, "postern-banned4", "inet", "-p icmp -m icmp ! --icmp-type 8"},
    {false, "postern-banned6", "inet6", "-p ipv6-icmp -m icmp6 ! --icmpv6-type 128"},
};

static const struct family *family_of(bool v4)
{
	return &families[v4 ? 0 : 1];
}

static enum firewall_status ban_status(int rc, const char *what)
{
	switch (rc) {
	case 0:
		return FIREWALL_OK;
	case -ENOENT:
		return FIREWALL_NOT_THERE;
	case -ENFILE: /* not told here: strangers can make it so, and auth tells at a limited rate */
		return FIREWALL_FULL;
	default:
		log_error("firewall", "%s=refused kernel=\"%s\"", what, ipset_link_error(rc));
		return FIREWALL_FAILED;
	}
}

/* --- rules --- */

/* What carriers need to be let by: the rest of them was heard before this chain. */
static void write_knocks(FILE *out, const struct config *c)
{
	if (c->udp_port != 0 && (c->needs & NEED_UDP) != 0)
		fprintf(out, RULE "-p udp -m udp --dport %" PRIu16 " -j RETURN\n", c->udp_port);
	/* Inside of a connection, which must come about. */
	if (c->http_port != 0)
		fprintf(out, RULE "-p tcp -m tcp --dport %" PRIu16 " -j RETURN\n", c->http_port);
}

void ipset_ban_write_rules(FILE *out, const struct config *c, bool v4)
{
	const struct family *f = family_of(v4);

	if (c->ban_after == 0)
		return;
	fprintf(out, RULE "%s -j RETURN\n", ipset_rules_not_ours(v4));
	/* Neighbours must be found, and errors heard, for connections that are up. */
	fprintf(out, RULE "%s -j RETURN\n", f->control);
	write_knocks(out, c);
	fputs(RULE "-j DROP\n", out);
	fprintf(out, "-A postern-guard -m set --match-set %s src -j postern-banned\n", f->set);
}

void ipset_ban_print_sets(FILE *out, const struct config *c)
{
	for (size_t i = 0; i < FAMILIES && c->ban_after > 0; i++)
		fprintf(out, "create %s hash:ip family %s maxelem %d timeout 1\n", families[i].set,
		    families[i].name, IPSET_BANS_MAX);
}

/* --- sets --- */

int ipset_ban_make(struct nft_link *l, const struct config *c)
{
	for (size_t i = 0; i < FAMILIES && c->ban_after > 0; i++) {
		int rc = ipset_create(l, families[i].set, IPSET_ADDRESSES, families[i].v4);

		if (rc != 0)
			return ipset_link_tell("guard", families[i].set, rc);
	}
	return 0;
}

static int take_sets_away(struct nft_link *l)
{
	int failed = 0;

	for (size_t i = 0; i < FAMILIES; i++) {
		/* Where something else holds a set, its bans have ended all the same. */
		int rc = ipset_flush(l, families[i].set);

		if (rc != -ENOENT)
			failed |= rc != 0 ? ipset_link_tell("remove", families[i].set, rc)
					  : ipset_take_away(l, families[i].set);
	}
	return failed;
}

/* All of the set that c (NULL: nobody) does not except. -ENOENT: there is none. */
static int delete_some(struct nft_link *l, const struct family *f, const struct config *c)
{
	struct ipset_elements all;
	int rc = ipset_elements_read(l, f->set, &all), found = -ENOENT;

	for (size_t i = 0; i < all.len && rc == 0; i++) {
		if (c && !prefixes_contain(&c->ban_except, &all.at[i].from.addr))
			continue;
		rc = ipset_delete(l, f->set, IPSET_ADDRESSES, &all.at[i]);
		if (rc == 0)
			found = 0;
		else if (rc == -ENOENT)
			rc = 0; /* the kernel ended it meanwhile */
	}
	free(all.at);
	return rc == 0 ? found : rc;
}

/* The same of both. */
static int delete_where(struct nft_link *l, const struct config *c)
{
	int rc = -ENOENT;

	for (size_t i = 0; i < FAMILIES; i++) {
		const int one = delete_some(l, &families[i], c);

		if (one != 0 && one != -ENOENT)
			return one;
		rc = one == 0 ? 0 : rc;
	}
	return rc;
}

enum firewall_status ipset_ban_settle(struct nft_link *l, const struct config *c)
{
	int rc;

	if (!c)
		return take_sets_away(l) == 0 ? FIREWALL_OK : FIREWALL_FAILED;
	if (c->ban_after == 0) {
		(void)!take_sets_away(l); /* no rule asks one that stays */
		return FIREWALL_OK;
	}
	rc = delete_where(l, c);
	return rc == -ENOENT ? FIREWALL_OK : ban_status(rc, "stale_bans");
}

/* --- bans --- */

static struct ipset_element element_of(const struct address *a, uint32_t seconds)
{
	return (struct ipset_element){.from.addr = *a, .rest_s = seconds};
}

/* The set is there when something asks to ban: where it is not, that is a failure. */
enum firewall_status ipset_ban_put(struct nft_link *l, const struct address *a, uint32_t seconds)
{
	const struct ipset_element e = element_of(a, seconds);
	const int rc = ipset_add(l, family_of(address_is_v4(a))->set, IPSET_ADDRESSES, &e);
	const enum firewall_status s = ban_status(rc, "ban");

	return s == FIREWALL_NOT_THERE ? FIREWALL_FAILED : s;
}

enum firewall_status ipset_ban_delete(struct nft_link *l, const struct address *a)
{
	struct ipset_element e;

	if (!a)
		return ban_status(delete_where(l, NULL), "unban");
	e = element_of(a, 0);
	return ban_status(
	    ipset_delete(l, family_of(address_is_v4(a))->set, IPSET_ADDRESSES, &e), "unban");
}

enum firewall_status ipset_ban_each(struct nft_link *l, firewall_ban_fn *fn, void *arg)
{
	for (size_t i = 0; i < FAMILIES; i++) {
		struct ipset_elements all;
		int rc = ipset_elements_read(l, families[i].set, &all);

		for (size_t k = 0; k < all.len && rc == 0; k++)
			fn(arg, &all.at[k].from.addr, (uint64_t)all.at[k].rest_s * MS);
		free(all.at);
		if (rc != 0)
			return ban_status(rc, "bans");
	}
	return FIREWALL_OK;
}
