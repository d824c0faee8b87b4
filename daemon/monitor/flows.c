/* flows - see flows.h. */
#include "flows.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack_tcp.h>

enum {
	V4_OFFSET = 12,
	DIAG_BUFFER = 32768,
	ESTABLISHED_S = 432000, /* the kernel's own; the first packet sets it anew */
	WINDOW_SCALE_MAX = 14,	/* RFC 7323 */
	/* As the kernel numbers the states of sockets (net/tcp_states.h is not for programs). */
	STATE_ESTABLISHED = 1,
	STATE_FIN_WAIT1 = 4,
	STATE_FIN_WAIT2 = 5,
	STATE_CLOSE_WAIT = 8,
	STATES = 1 << STATE_ESTABLISHED | 1 << STATE_FIN_WAIT1 | 1 << STATE_FIN_WAIT2 |
		 1 << STATE_CLOSE_WAIT,
};

static void set_v4(struct nf_conntrack *ct, const struct flow *f)
{
	uint32_t remote, local;

	memcpy(&remote, f->remote.b + V4_OFFSET, sizeof(remote));
	memcpy(&local, f->local.b + V4_OFFSET, sizeof(local));
	nfct_set_attr_u8(ct, ATTR_L3PROTO, AF_INET);
	nfct_set_attr_u32(ct, ATTR_IPV4_SRC, remote);
	nfct_set_attr_u32(ct, ATTR_IPV4_DST, local);
}

static void set_v6(struct nf_conntrack *ct, const struct flow *f)
{
	nfct_set_attr_u8(ct, ATTR_L3PROTO, AF_INET6);
	nfct_set_attr(ct, ATTR_IPV6_SRC, f->remote.b);
	nfct_set_attr(ct, ATTR_IPV6_DST, f->local.b);
}

/* The entry of a flow that the remote side began; NULL without memory. */
static struct nf_conntrack *entry_of(const struct flow *f)
{
	struct nf_conntrack *ct = nfct_new();

	if (!ct)
		return NULL;
	if (address_is_v4(&f->remote))
		set_v4(ct, f);
	else
		set_v6(ct, f);
	nfct_set_attr_u8(ct, ATTR_L4PROTO, IPPROTO_TCP);
	nfct_set_attr_u16(ct, ATTR_PORT_SRC, htons(f->remote_port));
	nfct_set_attr_u16(ct, ATTR_PORT_DST, htons(f->local_port));
	return ct;
}

static int adopt(struct nfct_handle *h, const struct flow *f)
{
	struct nf_conntrack *ct = entry_of(f);
	/*
	 * The windows are not known. Taken for smaller than they are, what is sent would lie outside
	 * of them: let by, but noted as never acknowledged, and forgotten after five idle minutes.
	 */
	const uint8_t flags = IP_CT_TCP_FLAG_BE_LIBERAL | IP_CT_TCP_FLAG_WINDOW_SCALE;
	const uint8_t scale = WINDOW_SCALE_MAX;
	int rc;

	if (!ct)
		return -ENOMEM;
	nfct_setobjopt(ct, NFCT_SOPT_SETUP_REPLY);
	nfct_set_attr_u8(ct, ATTR_TCP_STATE, TCP_CONNTRACK_ESTABLISHED);
	nfct_set_attr_u32(ct, ATTR_TIMEOUT, ESTABLISHED_S);
	nfct_set_attr_u32(ct, ATTR_STATUS, IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED);
	nfct_set_attr_u8(ct, ATTR_TCP_FLAGS_ORIG, flags);
	nfct_set_attr_u8(ct, ATTR_TCP_MASK_ORIG, flags);
	nfct_set_attr_u8(ct, ATTR_TCP_FLAGS_REPL, flags);
	nfct_set_attr_u8(ct, ATTR_TCP_MASK_REPL, flags);
	nfct_set_attr_u8(ct, ATTR_TCP_WSCALE_ORIG, scale);
	nfct_set_attr_u8(ct, ATTR_TCP_WSCALE_REPL, scale);
	rc = nfct_query(h, NFCT_Q_CREATE, ct);
	rc = rc == 0 || errno == EEXIST ? 0 : -errno;
	nfct_destroy(ct);
	return rc;
}

static struct address diag_address(uint8_t family, const uint32_t words[static 4])
{
	uint8_t b[ADDRESS_BYTES];

	memcpy(b, words, sizeof(b));
	return family == AF_INET ? address_v4(b) : address_v6(b);
}

struct adoption {
	struct nfct_handle *handle;
	const struct flow_ports *ports;
};

static int adopt_answer(const struct nlmsghdr *h, void *arg)
{
	const struct adoption *a = arg;
	struct inet_diag_msg m;
	struct flow f;
	int rc;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(m))
		return MNL_CB_OK;
	memcpy(&m, mnl_nlmsg_get_payload(h), sizeof(m));
	f.local = diag_address(m.idiag_family, m.id.idiag_src);
	f.remote = diag_address(m.idiag_family, m.id.idiag_dst);
	f.local_port = ntohs(m.id.idiag_sport);
	f.remote_port = ntohs(m.id.idiag_dport);
	rc = flow_ports_has(a->ports, f.local_port) ? adopt(a->handle, &f) : 0;
	if (rc == 0)
		return MNL_CB_OK;
	errno = -rc;
	return MNL_CB_ERROR;
}

/* For all of them: the kernel walks through all for each question, whatever it asks for. */
static int ask_sockets(struct mnl_socket *s, uint8_t family)
{
	_Alignas(struct nlmsghdr) char bytes[DIAG_BUFFER];
	struct nlmsghdr *h = mnl_nlmsg_put_header(bytes);
	struct inet_diag_req_v2 *q;

	h->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	h->nlmsg_seq = family;
	q = mnl_nlmsg_put_extra_header(h, sizeof(*q));
	q->sdiag_family = family;
	q->sdiag_protocol = IPPROTO_TCP;
	q->idiag_states = STATES;
	return mnl_socket_sendto(s, h, h->nlmsg_len) < 0 ? -errno : 0;
}

static int adopt_family(struct mnl_socket *s, struct adoption *a, uint8_t family)
{
	_Alignas(struct nlmsghdr) char bytes[DIAG_BUFFER];
	int rc = ask_sockets(s, family);

	if (rc != 0)
		return rc;
	do {
		ssize_t n = mnl_socket_recvfrom(s, bytes, sizeof(bytes));

		if (n < 0)
			return -errno;
		rc =
		    mnl_cb_run(bytes, (size_t)n, family, mnl_socket_get_portid(s), adopt_answer, a);
		if (rc == MNL_CB_ERROR)
			return -errno;
	} while (rc != MNL_CB_STOP);
	return 0;
}

int flows_adopt(const struct flow_ports *ports)
{
	struct nfct_handle *handle = nfct_open(CONNTRACK, 0);
	struct adoption a = {.handle = handle, .ports = ports};
	struct mnl_socket *s = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	int rc;

	if (!handle || !s || mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) != 0) {
		rc = -errno;
	} else {
		rc = adopt_family(s, &a, AF_INET);
		if (rc == 0)
			rc = adopt_family(s, &a, AF_INET6);
	}
	if (s)
		(void)mnl_socket_close(s);
	if (handle)
		(void)nfct_close(handle);
	return rc;
}

struct finding {
	const struct flow *flow;
	uint16_t outer_port;
	bool found;
};

static int note(enum nf_conntrack_msg_type type, struct nf_conntrack *ct, void *arg)
{
	struct finding *out = arg;
	uint16_t from = ntohs(nfct_get_attr_u16(ct, ATTR_ORIG_PORT_SRC));
	uint16_t to = ntohs(nfct_get_attr_u16(ct, ATTR_ORIG_PORT_DST));
	/* Picked up in the middle, a flow may seem to have been begun by us. */
	bool turned = from == out->flow->local_port && to == out->flow->remote_port;

	(void)type;
	out->found = true;
	out->outer_port = turned ? from : to;
	return NFCT_CB_CONTINUE;
}

int flows_find(const struct flow *f, uint16_t *outer_port)
{
	/* Asked for in our direction: that one has the inner port, also behind DNAT. */
	const struct flow back = {.local = f->remote,
	    .remote = f->local,
	    .local_port = f->remote_port,
	    .remote_port = f->local_port};
	struct finding finding = {.flow = f};
	struct nfct_handle *handle = nfct_open(CONNTRACK, 0);
	struct nf_conntrack *ct = entry_of(&back);
	int rc = -ENOMEM;

	if (handle && ct && nfct_callback_register(handle, NFCT_T_ALL, note, &finding) == 0)
		rc = nfct_query(handle, NFCT_Q_GET, ct) == 0 ? 0 : -errno;
	if (ct)
		nfct_destroy(ct);
	if (handle)
		(void)nfct_close(handle);
	if (rc == -ENOENT || (rc == 0 && !finding.found))
		return 0;
	*outer_port = finding.outer_port;
	return rc == 0 ? 1 : rc;
}
