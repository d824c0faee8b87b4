/* nft_ban - see nft_ban.h. */
#include "nft_ban.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "nft_element.h"

#define RULE "add rule inet " NFT_TABLE " "

enum { MS_PER_SECOND = 1000, FAMILIES = 2 };

static const struct family {
	const char *set, *ip, *type;
} families[FAMILIES] = {
    {"banned4", "ip", "ipv4_addr"},
    {"banned6", "ip6", "ipv6_addr"},
};

static const struct family *family_of(const struct address *a)
{
	return &families[address_is_v4(a) ? 0 : 1];
}

void nft_ban_write_sets(FILE *out)
{
	for (size_t i = 0; i < FAMILIES; i++)
		fprintf(out, "\tset %s {\n\t\ttype %s\n\t\tsize %d\n\t\tflags timeout\n\t}\n",
		    families[i].set, families[i].type, NFT_BANS_MAX);
	fputs("\tcounter shunned {\n\t}\n\tchain banned {\n\t}\n", out);
}

/* What carriers need to be let by: the rest of them was heard before this chain. */
static void write_knocks(FILE *out, const struct config *c)
{
	if (c->udp_port != 0 && (c->needs & NEED_UDP) != 0)
		fprintf(out, RULE "banned udp dport %" PRIu16 " return\n", c->udp_port);
	/* Inside of a connection, which must come about. */
	if (c->http_port != 0)
		fprintf(out, RULE "banned tcp dport %" PRIu16 " return\n", c->http_port);
}

void nft_ban_write_rules(FILE *out, const struct config *c)
{
	if (c->ban_after == 0)
		return;
	fputs(RULE "banned " NFT_NOT_OURS " return\n", out);
	/* Neighbours must be found, and errors heard, for connections that are up. */
	fputs(RULE "banned meta l4proto 1 icmp type != echo-request return\n" RULE
		   "banned meta l4proto 58 icmpv6 type != echo-request return\n",
	    out);
	write_knocks(out, c);
	fputs(RULE "banned counter name shunned drop\n", out);
	for (size_t i = 0; i < FAMILIES; i++)
		fprintf(
		    out, RULE "guard %s saddr @%s jump banned\n", families[i].ip, families[i].set);
}

int nft_ban_put(struct nft_table *t, const struct address *a, uint32_t seconds)
{
	const struct nft_key key = nft_key_address(a);
	const struct nft_put put = {family_of(a)->set, &key, 1, (uint64_t)seconds * MS_PER_SECOND};

	return nft_element_put(&t->link, &put, 1);
}

/* All of the set that c (NULL: nobody) does not allow. -ENOENT: there is none. */
static int delete_some(struct nft_table *t, const char *set, const struct config *c)
{
	struct nft_element *element;
	long n = nft_element_dump(&t->link, set, &element);
	int rc = -ENOENT;

	if (n < 0)
		return (int)n;
	for (long i = 0; i < n && (rc == 0 || rc == -ENOENT); i++) {
		struct address a;
		int one;

		if (c && c->ban_after > 0 && nft_key_read_address(&element[i].key, &a) &&
		    !prefixes_contain(&c->ban_except, &a))
			continue;
		one = nft_element_delete(&t->link, set, &element[i].key, 1);
		rc = one == -ENOENT ? rc : one; /* the kernel ended it meanwhile */
	}
	free(element);
	return rc;
}

/* The same of both. */
static int delete_where(struct nft_table *t, const struct config *c)
{
	int rc = -ENOENT;

	for (size_t i = 0; i < FAMILIES; i++) {
		const int one = delete_some(t, families[i].set, c);

		if (one != 0 && one != -ENOENT)
			return one;
		rc = one == 0 ? 0 : rc;
	}
	return rc;
}

int nft_ban_delete(struct nft_table *t, const struct address *a)
{
	struct nft_key key;

	if (!a)
		return delete_where(t, NULL);
	key = nft_key_address(a);
	return nft_element_delete(&t->link, family_of(a)->set, &key, 1);
}

int nft_ban_settle(struct nft_table *t, const struct config *c)
{
	const int rc = delete_where(t, c);

	return rc == -ENOENT ? 0 : rc;
}

int nft_ban_each(struct nft_table *t, firewall_ban_fn *fn, void *arg)
{
	for (size_t i = 0; i < FAMILIES; i++) {
		struct nft_element *element;
		struct address a;
		long n = nft_element_dump(&t->link, families[i].set, &element);

		if (n < 0 && n != -ENOENT)
			return (int)n;
		for (long k = 0; k < n; k++)
			if (nft_key_read_address(&element[k].key, &a))
				fn(arg, &a, element[k].rest_ms);
		free(element);
	}
	return 0;
}

void nft_ban_write_element(void *out, const struct address *a, uint64_t rest_ms)
{
	char text[ADDRESS_TEXT];

	if (rest_ms > 0)
		fprintf(out, "add element inet " NFT_TABLE " %s { %s timeout %" PRIu64 "ms }\n",
		    family_of(a)->set, address_text(a, text), rest_ms);
}
