/* own - see own.h. */
#include "own.h"

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>

enum { QUESTION_MAX = 128, V4_AT = ADDRESS_BYTES - 4 };

/* "ip route get", for one address. */
static void put_question(struct nlmsghdr *h, const struct address *a)
{
	const bool v4 = address_is_v4(a);
	struct rtmsg *r;

	h->nlmsg_type = RTM_GETROUTE;
	h->nlmsg_flags = NLM_F_REQUEST;
	h->nlmsg_seq = 1;
	r = mnl_nlmsg_put_extra_header(h, sizeof(*r));
	r->rtm_family = v4 ? AF_INET : AF_INET6;
	r->rtm_dst_len = v4 ? 32 : 128;
	if (v4)
		mnl_attr_put(h, RTA_DST, ADDRESS_BYTES - V4_AT, a->b + V4_AT);
	else
		mnl_attr_put(h, RTA_DST, ADDRESS_BYTES, a->b);
}

/* What the kernel would do with a packet to it: RTN_LOCAL, RTN_UNICAST ...; or RTN_UNSPEC. */
static unsigned kind_of(const struct mnl_socket *nl, const struct address *a)
{
	char question[QUESTION_MAX] __attribute__((aligned(8)));
	char answer[8192] __attribute__((aligned(8)));
	struct nlmsghdr *h = mnl_nlmsg_put_header(question);
	const struct rtmsg *r;
	ssize_t len;

	put_question(h, a);
	if (mnl_socket_sendto(nl, h, h->nlmsg_len) < 0)
		return RTN_UNSPEC;
	/* The kernel answers before sendto() returns. */
	len = mnl_socket_recvfrom(nl, answer, sizeof(answer));
	h = (struct nlmsghdr *)answer;
	if (len < 0 || !mnl_nlmsg_ok(h, (int)len) || h->nlmsg_type != RTM_NEWROUTE ||
	    mnl_nlmsg_get_payload_len(h) < sizeof(*r))
		return RTN_UNSPEC;
	r = mnl_nlmsg_get_payload(h);
	return r->rtm_type;
}

bool own_address(const struct address *a)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	unsigned kind = RTN_UNSPEC;

	if (!nl)
		return false;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) == 0)
		kind = kind_of(nl, a);
	(void)mnl_socket_close(nl);
	return kind == RTN_LOCAL || kind == RTN_BROADCAST;
}
