/* ipset_link - see ipset_link.h. */
#include "ipset_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/ipset/ip_set.h>
#include <linux/netfilter/ipset/ip_set_bitmap.h>
#include <linux/netfilter/ipset/ip_set_hash.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "log.h"

enum {
	PROTOCOL = 6, /* the oldest that kernels in use speak, and the newest, too */
	MESSAGE_BYTES = 1024,
	V4_AT = ADDRESS_BYTES - 4,
	V4_BYTES = 4,
	BUSY_TRIES = 100,
	BUSY_NS = 10000000,
};

struct message {
	_Alignas(struct nlmsghdr) char bytes[MESSAGE_BYTES];
	struct nlmsghdr *h;
};

static void begin(
    struct message *m, struct nft_link *l, enum ipset_cmd command, uint16_t flags, bool v4)
{
	struct nfgenmsg *g;

	m->h = mnl_nlmsg_put_header(m->bytes);
	m->h->nlmsg_type = (uint16_t)(NFNL_SUBSYS_IPSET << 8 | command);
	m->h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	m->h->nlmsg_seq = ++l->seq;
	g = mnl_nlmsg_put_extra_header(m->h, sizeof(*g));
	g->nfgen_family = v4 ? AF_INET : AF_INET6;
	g->version = NFNETLINK_V0;
	mnl_attr_put_u8(m->h, IPSET_ATTR_PROTOCOL, PROTOCOL);
}

static void name_set(struct message *m, const char *name)
{
	mnl_attr_put_strz(m->h, IPSET_ATTR_SETNAME, name);
}

/* The kernel wants to be told that numbers are big-endian. */
static void put_u16(struct message *m, uint16_t type, uint16_t value)
{
	mnl_attr_put_u16(m->h, type | NLA_F_NET_BYTEORDER, htons(value));
}

static void put_u32(struct message *m, uint16_t type, uint32_t value)
{
	mnl_attr_put_u32(m->h, type | NLA_F_NET_BYTEORDER, htonl(value));
}

static int no_answer(const struct nlmsghdr *h, void *arg)
{
	(void)h;
	(void)arg;
	return MNL_CB_OK;
}

static int send_it(struct nft_link *l, struct message *m)
{
	m->h->nlmsg_flags |= NLM_F_ACK;
	return nft_link_ask(l, m->h, no_answer, NULL);
}

/* What the kernel is to know of each kind; the lowest revision that ipset(8) knows: what we use of it is in all that came later. */
static const struct kind {
	const char *type;
	uint8_t revision;
	bool port, host;
	uint32_t most;
} kinds[] = {
    [IPSET_PORTS] = {.type = "bitmap:port", .port = true},
    [IPSET_HOSTS] = {"hash:ip,port", 1, true, true, IPSET_ELEMENTS_MAX},
    [IPSET_NETWORKS] = {"hash:net,port", 1, true, true, IPSET_ELEMENTS_MAX},
    [IPSET_ADDRESSES] = {"hash:ip", 0, false, true, IPSET_BANS_MAX},
};

int ipset_create(struct nft_link *l, const char *name, enum ipset_kind kind, bool v4)
{
	const struct kind *k = &kinds[kind];
	struct message m;
	struct nlattr *data;

	begin(&m, l, IPSET_CMD_CREATE, NLM_F_CREATE, v4);
	name_set(&m, name);
	mnl_attr_put_strz(m.h, IPSET_ATTR_TYPENAME, k->type);
	mnl_attr_put_u8(m.h, IPSET_ATTR_REVISION, k->revision);
	mnl_attr_put_u8(m.h, IPSET_ATTR_FAMILY, !k->host ? AF_UNSPEC : v4 ? AF_INET : AF_INET6);
	data = mnl_attr_nest_start(m.h, IPSET_ATTR_DATA);
	if (k->host) {
		put_u32(&m, IPSET_ATTR_MAXELEM, k->most);
		/* Of what comes without one; nothing of ours does. */
		put_u32(&m, IPSET_ATTR_TIMEOUT, 1);
	} else {
		put_u16(&m, IPSET_ATTR_PORT, 0);
		put_u16(&m, IPSET_ATTR_PORT_TO, UINT16_MAX);
	}
	mnl_attr_nest_end(m.h, data);
	return send_it(l, &m);
}

static void put_address(struct message *m, const struct address *a)
{
	struct nlattr *ip = mnl_attr_nest_start(m->h, IPSET_ATTR_IP);

	if (address_is_v4(a))
		mnl_attr_put(
		    m->h, IPSET_ATTR_IPADDR_IPV4 | NLA_F_NET_BYTEORDER, V4_BYTES, a->b + V4_AT);
	else
		mnl_attr_put(
		    m->h, IPSET_ATTR_IPADDR_IPV6 | NLA_F_NET_BYTEORDER, ADDRESS_BYTES, a->b);
	mnl_attr_nest_end(m->h, ip);
}

static void put_element(
    struct message *m, enum ipset_kind kind, const struct ipset_element *e, bool timed)
{
	struct nlattr *data = mnl_attr_nest_start(m->h, IPSET_ATTR_DATA);

	if (kinds[kind].port)
		put_u16(m, IPSET_ATTR_PORT, e->port);
	if (kinds[kind].host)
		put_address(m, &e->from.addr);
	if (kinds[kind].host && kinds[kind].port)
		mnl_attr_put_u8(m->h, IPSET_ATTR_PROTO, e->proto);
	if (kinds[kind].host && timed)
		put_u32(m, IPSET_ATTR_TIMEOUT, e->rest_s);
	if (kind == IPSET_NETWORKS)
		mnl_attr_put_u8(m->h, IPSET_ATTR_CIDR, e->from.len);
	mnl_attr_nest_end(m->h, data);
}

int ipset_add(
    struct nft_link *l, const char *name, enum ipset_kind kind, const struct ipset_element *e)
{
	struct message m;
	int rc;

	begin(&m, l, IPSET_CMD_ADD, 0, address_is_v4(&e->from.addr));
	name_set(&m, name);
	put_element(&m, kind, e, true);
	rc = send_it(l, &m);
	return rc == -IPSET_ERR_HASH_FULL ? -ENFILE : rc;
}

int ipset_delete(
    struct nft_link *l, const char *name, enum ipset_kind kind, const struct ipset_element *e)
{
	struct message m;
	int rc;

	begin(&m, l, IPSET_CMD_DEL, NLM_F_EXCL, address_is_v4(&e->from.addr));
	name_set(&m, name);
	put_element(&m, kind, e, false);
	rc = send_it(l, &m);
	return rc == -IPSET_ERR_EXIST ? -ENOENT : rc;
}

int ipset_test(
    struct nft_link *l, const char *name, enum ipset_kind kind, const struct ipset_element *e)
{
	struct message m;
	int rc;

	begin(&m, l, IPSET_CMD_TEST, 0, address_is_v4(&e->from.addr));
	name_set(&m, name);
	put_element(&m, kind, e, false);
	rc = send_it(l, &m);
	return rc == -IPSET_ERR_EXIST ? -ENOENT : rc;
}

int ipset_swap(struct nft_link *l, const char *one, const char *other)
{
	struct message m;

	begin(&m, l, IPSET_CMD_SWAP, 0, true);
	name_set(&m, one);
	mnl_attr_put_strz(m.h, IPSET_ATTR_SETNAME2, other);
	return send_it(l, &m);
}

static int say(struct nft_link *l, enum ipset_cmd command, const char *name)
{
	struct message m;
	int rc;

	begin(&m, l, command, 0, true);
	name_set(&m, name);
	rc = send_it(l, &m);
	return rc == -IPSET_ERR_BUSY ? -EBUSY : rc;
}

int ipset_flush(struct nft_link *l, const char *name)
{
	return say(l, IPSET_CMD_FLUSH, name);
}

int ipset_destroy(struct nft_link *l, const char *name)
{
	return say(l, IPSET_CMD_DESTROY, name);
}

int ipset_take_away(struct nft_link *l, const char *name)
{
	const struct timespec pause = {0, BUSY_NS};
	int rc = ipset_destroy(l, name);

	for (unsigned i = 0; i < BUSY_TRIES && rc == -EBUSY; i++) {
		(void)nanosleep(&pause, NULL);
		rc = ipset_destroy(l, name);
	}
	return rc == 0 || rc == -ENOENT ? 0 : ipset_link_tell("remove", name, rc);
}

struct naming {
	ipset_name_fn *fn;
	void *arg;
};

static int read_name(const struct nlattr *a, void *arg)
{
	const struct naming *n = arg;

	if (mnl_attr_get_type(a) == IPSET_ATTR_SETNAME &&
	    mnl_attr_validate(a, MNL_TYPE_NUL_STRING) == 0)
		n->fn(n->arg, mnl_attr_get_str(a));
	return MNL_CB_OK;
}

static int read_names(const struct nlmsghdr *h, void *arg)
{
	return mnl_attr_parse(h, sizeof(struct nfgenmsg), read_name, arg);
}

int ipset_names(struct nft_link *l, ipset_name_fn *fn, void *arg)
{
	struct naming naming = {fn, arg};
	struct message m;

	begin(&m, l, IPSET_CMD_LIST, NLM_F_DUMP, true);
	put_u32(&m, IPSET_ATTR_FLAGS, IPSET_FLAG_LIST_SETNAME);
	return nft_link_ask(l, m.h, read_names, &naming);
}

struct listing {
	ipset_element_fn *fn;
	void *arg;
};

static int read_address(const struct nlattr *a, void *arg)
{
	const uint16_t type = mnl_attr_get_type(a), len = mnl_attr_get_payload_len(a);
	struct ipset_element *e = arg;

	if (type == IPSET_ATTR_IPADDR_IPV4 && len == V4_BYTES) {
		e->from.addr = address_v4(mnl_attr_get_payload(a));
		e->from.len = 8 * V4_BYTES;
	} else if (type == IPSET_ATTR_IPADDR_IPV6 && len == ADDRESS_BYTES) {
		e->from.addr = address_v6(mnl_attr_get_payload(a));
		e->from.len = 8 * ADDRESS_BYTES;
	}
	return MNL_CB_OK;
}

struct reading {
	struct ipset_element element;
	uint8_t cidr; /* 0: none was there, it is a host */
};

static int read_field(const struct nlattr *a, void *arg)
{
	const uint16_t type = mnl_attr_get_type(a), len = mnl_attr_get_payload_len(a);
	struct reading *r = arg;

	if (type == IPSET_ATTR_IP)
		return mnl_attr_parse_nested(a, read_address, &r->element);
	if (type == IPSET_ATTR_PORT && len == sizeof(uint16_t))
		r->element.port = ntohs(mnl_attr_get_u16(a));
	else if (type == IPSET_ATTR_PROTO && len == sizeof(uint8_t))
		r->element.proto = mnl_attr_get_u8(a);
	else if (type == IPSET_ATTR_CIDR && len == sizeof(uint8_t))
		r->cidr = mnl_attr_get_u8(a);
	else if (type == IPSET_ATTR_TIMEOUT && len == sizeof(uint32_t))
		r->element.rest_s = ntohl(mnl_attr_get_u32(a));
	return MNL_CB_OK;
}

static int read_element(const struct nlattr *a, void *arg)
{
	struct reading r = {.cidr = 0};
	const struct listing *l = arg;

	if (mnl_attr_get_type(a) != IPSET_ATTR_DATA)
		return MNL_CB_OK;
	if (mnl_attr_parse_nested(a, read_field, &r) == MNL_CB_ERROR)
		return MNL_CB_ERROR;
	if (r.cidr != 0)
		r.element.from.len = r.cidr;
	l->fn(l->arg, &r.element);
	return MNL_CB_OK;
}

static int read_elements(const struct nlattr *a, void *arg)
{
	return mnl_attr_get_type(a) == IPSET_ATTR_ADT ? mnl_attr_parse_nested(a, read_element, arg)
						      : MNL_CB_OK;
}

static int read_page(const struct nlmsghdr *h, void *arg)
{
	return mnl_attr_parse(h, sizeof(struct nfgenmsg), read_elements, arg);
}

int ipset_list(struct nft_link *l, const char *name, ipset_element_fn *fn, void *arg)
{
	struct listing listing = {fn, arg};
	struct message m;

	begin(&m, l, IPSET_CMD_LIST, NLM_F_DUMP, true);
	name_set(&m, name);
	return nft_link_ask(l, m.h, read_page, &listing);
}

const char *ipset_link_error(int rc)
{
	switch (-rc) {
	case IPSET_ERR_FIND_TYPE:
		return "this kernel has no such type of set";
	case IPSET_ERR_MAX_SETS:
		return "there are too many sets";
	case EBUSY:
		return "a rule of somebody else's asks it; take that away";
	case IPSET_ERR_EXIST_SETNAME2:
	case IPSET_ERR_TYPE_MISMATCH:
		return "a set of that name and another type is there";
	default:
		return -rc < IPSET_ERR_PRIVATE ? strerror(-rc) : "ipset refused it";
	}
}

int ipset_link_tell(const char *what, const char *set, int rc)
{
	log_error("firewall", "%s=refused set=%s kernel=\"%s\"", what, set, ipset_link_error(rc));
	return -1;
}
