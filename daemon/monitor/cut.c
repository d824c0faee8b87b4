/* cut - see cut.h. */
#include "cut.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include <libmnl/libmnl.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>

#include "mark.h"

enum { DIAG_BUFFER = 8192, DIAG_STATES = 0xfff };

/* One that was found; changed only after the dump, which a change would disturb. */
struct found {
	struct nf_conntrack *ct;
	struct found *next;
};

struct search {
	const struct service *service;
	const struct firewall_pass *pass;
	struct found *found;
	bool failed;
	bool others;	       /* that are not meant, but have the marks */
	bool others_there;     /* of the same host or network */
	struct cut_list *list; /* of them all; may be NULL */
};

static struct address source_of(const struct nf_conntrack *ct)
{
	uint32_t v4 = nfct_get_attr_u32(ct, ATTR_ORIG_IPV4_SRC);
	uint8_t bytes[ADDRESS_BYTES] = {0};

	if (nfct_get_attr_u8(ct, ATTR_ORIG_L3PROTO) == AF_INET) {
		memcpy(bytes, &v4, sizeof(v4));
		return address_v4(bytes);
	}
	if (nfct_attr_is_set(ct, ATTR_ORIG_IPV6_SRC))
		memcpy(bytes, nfct_get_attr(ct, ATTR_ORIG_IPV6_SRC), sizeof(bytes));
	return address_v6(bytes);
}

static bool is_of_service(const struct service *s, uint16_t port)
{
	for (unsigned i = 0; i < service_ports(s); i++)
		if (service_port(s, i) == port)
			return true;
	return false;
}

/*
 * Was it let out by a gateway, and by no service's door? What a service forwards
 * may go out by a gateway as well: then it has another destination than it began
 * with, and is the service's, too.
 */
static bool is_a_gates(const struct nf_conntrack *ct)
{
	return (nfct_get_attr_u32(ct, ATTR_MARK) & MARK_GATES) != 0 &&
	       (nfct_get_attr_u32(ct, ATTR_STATUS) & IPS_DST_NAT) == 0;
}

static bool is_meant(const struct search *s, const struct nf_conntrack *ct)
{
	const struct address source = source_of(ct);
	const uint16_t from = ntohs(nfct_get_attr_u16(ct, ATTR_ORIG_PORT_SRC));
	const uint16_t to = ntohs(nfct_get_attr_u16(ct, ATTR_ORIG_PORT_DST));

	if (service_is_gateway(s->service))
		return (nfct_get_attr_u32(ct, ATTR_MARK) & MARK_GATES) >> MARK_GATES_SHIFT ==
			   service_gate(s->service) &&
		       prefix_contains(&s->pass->from, &source);
	return !is_a_gates(ct) && nfct_get_attr_u8(ct, ATTR_ORIG_L4PROTO) == s->service->proto &&
	       is_of_service(s->service, to) && prefix_contains(&s->pass->from, &source) &&
	       (s->pass->source_port == 0 || s->pass->source_port == from);
}

static void note_other(struct search *s, const struct nf_conntrack *ct)
{
	const struct address source = source_of(ct);
	const struct prefix host = prefix_host(&source);

	s->others = true;
	s->others_there = s->others_there || (s->pass && prefix_within(&s->pass->from, &host));
	if (s->list)
		cut_list_add(s->list, &host);
}

static int take(enum nf_conntrack_msg_type type, struct nf_conntrack *ct, void *arg)
{
	struct search *s = arg;
	struct found *f;

	(void)type;
	if (!s->service || !is_meant(s, ct)) {
		note_other(s, ct);
		return NFCT_CB_CONTINUE;
	}
	f = calloc(1, sizeof(*f));
	if (!f) {
		s->failed = true;
		return NFCT_CB_CONTINUE;
	}
	f->ct = ct;
	LL_PREPEND(s->found, f);
	return NFCT_CB_STOLEN;
}

/* Those whose mark has these bits. Returns 0 or -errno. */
static int search(struct nfct_handle *h, struct search *s, uint32_t marks)
{
	const struct nfct_filter_dump_mark mark = {.val = marks, .mask = marks};
	struct nfct_filter_dump *filter = nfct_filter_dump_create();
	int rc = -ENOMEM;

	if (!filter)
		return rc;
	nfct_filter_dump_set_attr(filter, NFCT_FILTER_DUMP_MARK, &mark);
	if (nfct_callback_register(h, NFCT_T_ALL, take, s) == 0)
		rc = nfct_query(h, NFCT_Q_DUMP_FILTER, filter) == 0 ? 0 : -errno;
	nfct_callback_unregister(h);
	nfct_filter_dump_destroy(filter);
	return rc == 0 && s->failed ? -ENOMEM : rc;
}

static void put_address(uint32_t out[static 4], const struct nf_conntrack *ct, bool v4,
    enum nf_conntrack_attr v4_attr, enum nf_conntrack_attr v6_attr)
{
	if (v4)
		out[0] = nfct_get_attr_u32(ct, v4_attr);
	else if (nfct_attr_is_set(ct, v6_attr))
		memcpy(out, nfct_get_attr(ct, v6_attr), ADDRESS_BYTES);
}

/*
 * The socket at our end, as the answers' direction names it: behind a redirect,
 * too. What is forwarded has none, and a kernel without the means leaves it:
 * the mark does the work either way.
 */
static void end_socket(struct mnl_socket *diag, const struct nf_conntrack *ct)
{
	const bool v4 = nfct_get_attr_u8(ct, ATTR_ORIG_L3PROTO) == AF_INET;
	_Alignas(struct nlmsghdr) char bytes[DIAG_BUFFER];
	struct nlmsghdr *h = mnl_nlmsg_put_header(bytes);
	struct inet_diag_req_v2 *q;

	h->nlmsg_type = SOCK_DESTROY;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	q = mnl_nlmsg_put_extra_header(h, sizeof(*q));
	q->sdiag_family = v4 ? AF_INET : AF_INET6;
	q->sdiag_protocol = IPPROTO_TCP;
	q->idiag_states = DIAG_STATES;
	q->id.idiag_sport = nfct_get_attr_u16(ct, ATTR_REPL_PORT_SRC);
	q->id.idiag_dport = nfct_get_attr_u16(ct, ATTR_REPL_PORT_DST);
	q->id.idiag_cookie[0] = q->id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	put_address(q->id.idiag_src, ct, v4, ATTR_REPL_IPV4_SRC, ATTR_REPL_IPV6_SRC);
	put_address(q->id.idiag_dst, ct, v4, ATTR_REPL_IPV4_DST, ATTR_REPL_IPV6_DST);
	if (mnl_socket_sendto(diag, h, h->nlmsg_len) > 0)
		(void)mnl_socket_recvfrom(diag, bytes, sizeof(bytes));
}

/* The one entry again, with another mark. */
static int mark(struct nfct_handle *h, struct nf_conntrack *ct)
{
	struct nf_conntrack *changed = nfct_new();
	int rc;

	if (!changed)
		return -ENOMEM;
	nfct_copy(changed, ct, NFCT_CP_ORIG | NFCT_CP_META);
	nfct_set_attr_u32(changed, ATTR_MARK, nfct_get_attr_u32(ct, ATTR_MARK) | MARK_CUT);
	nfct_attr_unset(changed, ATTR_STATUS);
	nfct_attr_unset(changed, ATTR_TIMEOUT);
	rc = nfct_query(h, NFCT_Q_UPDATE, changed) == 0 ? 0 : -errno;
	nfct_destroy(changed);
	return rc == -ENOENT ? 0 : rc;
}

static int end_flow(struct nfct_handle *h, struct nf_conntrack *ct)
{
	struct mnl_socket *diag = NULL;
	int rc;

	/* First, so that the reset still gets out. */
	if (nfct_get_attr_u8(ct, ATTR_ORIG_L4PROTO) == IPPROTO_TCP)
		diag = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	if (diag) {
		end_socket(diag, ct);
		(void)mnl_socket_close(diag);
	}
	rc = mark(h, ct);
	return rc;
}

static int forget_flow(struct nfct_handle *h, struct nf_conntrack *ct)
{
	return nfct_query(h, NFCT_Q_DESTROY, ct) == 0 || errno == ENOENT ? 0 : -errno;
}

static long for_each(
    struct search *s, uint32_t marks, int (*what)(struct nfct_handle *h, struct nf_conntrack *ct))
{
	struct nfct_handle *h = nfct_open(CONNTRACK, 0);
	struct found *f, *next;
	long rc, n = 0;

	if (!h)
		return -errno;
	rc = search(h, s, marks);
	LL_FOREACH_SAFE(s->found, f, next) {
		if (rc == 0)
			rc = what(h, f->ct);
		n++;
		nfct_destroy(f->ct);
		free(f);
	}
	(void)nfct_close(h);
	return rc == 0 ? n : rc;
}

long cut_connections(const struct service *s, const struct firewall_pass *p)
{
	struct search all = {.service = s, .pass = p};

	return for_each(&all, MARK_DOOR, end_flow);
}

long cut_forget(const struct service *s, const struct firewall_pass *p, struct cut_list *list)
{
	struct search all = {.service = s, .pass = p};
	const long n = for_each(&all, MARK_CUT, forget_flow);

	if (n >= 0 && !all.others)
		cut_list_clear(list);
	else if (n >= 0 && !all.others_there)
		cut_list_drop(list, &p->from);
	return n;
}

void cut_find(struct cut_list *list)
{
	struct search all = {.list = list};

	if (for_each(&all, MARK_CUT, forget_flow) < 0)
		cut_list_clear(list);
}
