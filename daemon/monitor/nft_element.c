/* nft_element - see nft_element.h. */
#include "nft_element.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>

#include <libnftnl/set.h>

#include "nft_rules.h"

enum { DUMP_TRIES = 10, DELETE_TRIES = 10, KEYS_A_MESSAGE = 100 };

void nft_key_write_service(struct writer *w, uint8_t proto, uint16_t port)
{
	write_u8(w, proto);
	write_zeros(w, 3);
	write_u16(w, port);
	write_zeros(w, 2);
}

void nft_key_take_service(struct reader *r, uint8_t *proto, uint16_t *port)
{
	*proto = read_u8(r);
	(void)read_view(r, 3);
	*port = read_u16(r);
	(void)read_view(r, 2);
}

struct nft_key nft_key_service(uint8_t proto, uint16_t port)
{
	struct nft_key k = {0};
	struct writer w = writer_of(k.b, sizeof(k.b));

	nft_key_write_service(&w, proto, port);
	k.len = (uint8_t)w.len;
	return k;
}

struct nft_key nft_key_mark(uint32_t mark)
{
	struct nft_key k = {.len = sizeof(mark)};

	memcpy(k.b, &mark, sizeof(mark));
	return k;
}

enum { V4_BYTES = 4, V4_AT = ADDRESS_BYTES - V4_BYTES };

struct nft_key nft_key_address(const struct address *a)
{
	const size_t at = address_is_v4(a) ? V4_AT : 0;
	struct nft_key k = {.len = (uint8_t)(ADDRESS_BYTES - at)};

	memcpy(k.b, a->b + at, k.len);
	return k;
}

bool nft_key_read_address(const struct nft_key *k, struct address *out)
{
	if (k->len == V4_BYTES)
		*out = address_v4(k->b);
	else if (k->len == ADDRESS_BYTES)
		*out = address_v6(k->b);
	else
		return false;
	return true;
}

bool nft_key_read_service(const struct nft_key *k, uint8_t *proto, uint16_t *port)
{
	struct reader r = reader_of(k->b, k->len);

	nft_key_take_service(&r, proto, port);
	return !r.failed && r.left == 0;
}

static int add_element(struct nftnl_set *s, const struct nft_key *key, uint64_t timeout_ms)
{
	struct nftnl_set_elem *e = nftnl_set_elem_alloc();

	if (!e)
		return -1;
	if (nftnl_set_elem_set(e, NFTNL_SET_ELEM_KEY, key->b, key->len) != 0) {
		nftnl_set_elem_free(e);
		return -1;
	}
	if (timeout_ms > 0)
		nftnl_set_elem_set_u64(e, NFTNL_SET_ELEM_TIMEOUT, timeout_ms);
	nftnl_set_elem_add(s, e);
	return 0;
}

/* A set with these elements, to make a message of; NULL when there is no memory. */
static struct nftnl_set *set_of(
    const char *set, const struct nft_key *key, size_t keys, uint64_t timeout_ms)
{
	struct nftnl_set *s = nftnl_set_alloc();
	int rc = 0;

	if (!s)
		return NULL;
	if (nftnl_set_set_str(s, NFTNL_SET_TABLE, NFT_TABLE) != 0 ||
	    nftnl_set_set_str(s, NFTNL_SET_NAME, set) != 0)
		rc = -1;
	for (size_t i = 0; i < keys && rc == 0; i++)
		rc = add_element(s, &key[i], timeout_ms);
	if (rc == 0)
		return s;
	nftnl_set_free(s);
	return NULL;
}

/* One kind of message about all keys; the length of what is nested in one has 16 bits. */
static int add_messages(struct nft_batch *b, uint16_t message, const struct nft_put *put)
{
	const uint16_t flags = message == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0;

	for (size_t at = 0; at < put->keys; at += KEYS_A_MESSAGE) {
		const size_t left = put->keys - at;
		struct nftnl_set *s = set_of(put->set, put->key + at,
		    left < KEYS_A_MESSAGE ? left : KEYS_A_MESSAGE, put->timeout_ms);
		struct nlmsghdr *h;

		if (!s)
			return -ENOMEM;
		h = nft_batch_message(b, message, flags);
		nftnl_set_elems_nlmsg_build_payload(h, s);
		nft_batch_added(b, h);
		nftnl_set_free(s);
	}
	return 0;
}

/* Add, delete, add. */
static int add_put(struct nft_batch *b, const struct nft_put *put)
{
	int rc = add_messages(b, NFT_MSG_NEWSETELEM, put);

	if (rc == 0)
		rc = add_messages(b, NFT_MSG_DELSETELEM, put);
	if (rc == 0)
		rc = add_messages(b, NFT_MSG_NEWSETELEM, put);
	return rc;
}

int nft_element_put(struct nft_link *l, const struct nft_put *put, size_t n)
{
	struct nft_batch b;
	int rc = 0;

	nft_batch_begin(&b, l);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = add_put(&b, &put[i]);
	return nft_batch_end(&b, rc);
}

int nft_element_retime(
    struct nft_link *l, const char *set, const struct nft_key *key, uint64_t timeout_ms)
{
	const struct nft_put put = {set, key, 1, timeout_ms};
	struct nft_batch b;
	int rc;

	nft_batch_begin(&b, l);
	rc = add_messages(&b, NFT_MSG_DELSETELEM, &put);
	if (rc == 0)
		rc = add_messages(&b, NFT_MSG_NEWSETELEM, &put);
	return nft_batch_end(&b, rc);
}

/* What answers are gathered into. */
struct gathering {
	struct nft_element *element;
	size_t len, cap;
};

static int gather_one(struct nftnl_set_elem *e, void *arg)
{
	struct gathering *g = arg;
	struct nft_element *out;
	uint32_t len = 0;
	const void *key = nftnl_set_elem_get(e, NFTNL_SET_ELEM_KEY, &len);

	if (!key || len > NFT_KEY_MAX) {
		errno = EBADMSG;
		return -1;
	}
	if (g->len == g->cap) {
		size_t cap = g->cap > 0 ? 2 * g->cap : 64;
		struct nft_element *more = reallocarray(g->element, cap, sizeof(*more));

		if (!more)
			return -1;
		g->element = more;
		g->cap = cap;
	}
	out = &g->element[g->len++];
	*out = (struct nft_element){.key.len = (uint8_t)len};
	memcpy(out->key.b, key, len);
	/* An element is timed when it expires; one in the last moment may say 0. */
	out->timed = nftnl_set_elem_is_set(e, NFTNL_SET_ELEM_TIMEOUT) ||
		     nftnl_set_elem_is_set(e, NFTNL_SET_ELEM_EXPIRATION);
	if (out->timed)
		out->rest_ms = nftnl_set_elem_get_u64(e, NFTNL_SET_ELEM_EXPIRATION);
	return 0;
}

static int gather(const struct nlmsghdr *h, void *arg)
{
	struct nftnl_set *s = nftnl_set_alloc();
	int rc = MNL_CB_ERROR;

	if (!s)
		return MNL_CB_ERROR;
	if (nftnl_set_elems_nlmsg_parse(h, s) >= 0 &&
	    nftnl_set_elem_foreach(s, gather_one, arg) >= 0)
		rc = MNL_CB_OK;
	nftnl_set_free(s);
	return rc;
}

int nft_element_get(
    struct nft_link *l, const char *set, const struct nft_key *key, struct nft_element *out)
{
	_Alignas(struct nlmsghdr) char buffer[NFT_LINK_BUFFER];
	struct nftnl_set *s = set_of(set, key, 1, 0);
	struct gathering g = {0};
	struct nlmsghdr *h;
	int rc;

	if (!s)
		return -ENOMEM;
	h = nft_link_question(l, buffer, NFT_MSG_GETSETELEM, NLM_F_ACK);
	nftnl_set_elems_nlmsg_build_payload(h, s);
	rc = nft_link_ask(l, h, gather, &g);
	if (rc == 0 && g.len == 0)
		rc = -ENOENT;
	if (rc == 0)
		*out = g.element[0];
	free(g.element);
	nftnl_set_free(s);
	return rc;
}

/* Those of the keys that are there, into out. Returns how many, or -errno. */
static long find_keys(struct nft_link *l, const char *set, const struct nft_key *key, size_t keys,
    struct nft_key *out)
{
	struct nft_element found;
	long n = 0;

	for (size_t i = 0; i < keys; i++) {
		const int rc = nft_element_get(l, set, &key[i], &found);

		if (rc == 0)
			out[n++] = key[i];
		else if (rc != -ENOENT)
			return rc;
	}
	return n;
}

static int delete_all(struct nft_link *l, const char *set, const struct nft_key *key, size_t keys)
{
	const struct nft_put gone = {.set = set, .key = key, .keys = keys};
	struct nft_batch b;

	nft_batch_begin(&b, l);
	return nft_batch_end(&b, add_messages(&b, NFT_MSG_DELSETELEM, &gone));
}

/*
 * Asked first, because a transaction that fails waits until every reader in
 * the kernel has gone on (8 to 16 ms), and a question takes microseconds.
 */
int nft_element_delete(struct nft_link *l, const char *set, const struct nft_key *key, size_t keys)
{
	struct nft_key *there = reallocarray(NULL, keys, sizeof(*there));
	int rc = there ? -EAGAIN : -ENOMEM;

	/* One that is found and ends before it is deleted makes it fail, and is not found again. */
	for (unsigned i = 0; i < DELETE_TRIES && rc == -EAGAIN; i++) {
		const long n = find_keys(l, set, key, keys, there);

		if (n <= 0)
			rc = n < 0 ? (int)n : -ENOENT;
		else if ((rc = delete_all(l, set, there, (size_t)n)) == -ENOENT)
			rc = -EAGAIN;
	}
	free(there);
	return rc;
}

static int dump_once(struct nft_link *l, const char *set, struct gathering *g)
{
	_Alignas(struct nlmsghdr) char buffer[NFT_LINK_BUFFER];
	struct nftnl_set *s = nftnl_set_alloc();
	struct nlmsghdr *h;
	int rc = -ENOMEM;

	if (!s)
		return -ENOMEM;
	if (nftnl_set_set_str(s, NFTNL_SET_TABLE, NFT_TABLE) == 0 &&
	    nftnl_set_set_str(s, NFTNL_SET_NAME, set) == 0) {
		h = nft_link_question(l, buffer, NFT_MSG_GETSETELEM, NLM_F_DUMP);
		nftnl_set_elems_nlmsg_build_payload(h, s);
		rc = nft_link_ask(l, h, gather, g);
	}
	nftnl_set_free(s);
	return rc;
}

long nft_element_dump(struct nft_link *l, const char *set, struct nft_element **out)
{
	struct gathering g = {0};
	int rc = -EINTR;

	/* A dump that a change cut through is asked for again; with a busy table, not for ever. */
	for (unsigned i = 0; i < DUMP_TRIES && rc == -EINTR; i++) {
		g.len = 0;
		rc = dump_once(l, set, &g);
	}
	if (rc != 0) {
		free(g.element);
		*out = NULL;
		return rc;
	}
	*out = g.element;
	return (long)g.len;
}

struct naming {
	nft_set_fn *fn;
	void *arg;
};

static int name_one(const struct nlmsghdr *h, void *arg)
{
	const struct naming *n = arg;
	struct nftnl_set *s = nftnl_set_alloc();
	const char *table, *name;

	if (!s)
		return MNL_CB_ERROR;
	if (nftnl_set_nlmsg_parse(h, s) == 0) {
		table = nftnl_set_get_str(s, NFTNL_SET_TABLE);
		name = nftnl_set_get_str(s, NFTNL_SET_NAME);
		if (table && name && strcmp(table, NFT_TABLE) == 0)
			n->fn(n->arg, name);
	}
	nftnl_set_free(s);
	return MNL_CB_OK;
}

int nft_set_names(struct nft_link *l, nft_set_fn *fn, void *arg)
{
	_Alignas(struct nlmsghdr) char buffer[NFT_LINK_BUFFER];
	struct naming n = {fn, arg};
	struct nlmsghdr *h;
	int rc;

	h = nft_link_question(l, buffer, NFT_MSG_GETSET, NLM_F_DUMP);
	mnl_attr_put_strz(h, NFTA_SET_TABLE, NFT_TABLE);
	rc = nft_link_ask(l, h, name_one, &n);
	return rc == -ENOENT ? 0 : rc;
}
