#include "netlink.h"

#include <endian.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

int netlink_open(size_t buffer_bytes)
{
	const struct sockaddr_nl self = {.nl_family = AF_NETLINK};
	const int bytes = (int)buffer_bytes, on = 1;
	const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	int error;

	if (fd >= 0 && bind(fd, (const struct sockaddr *)&self, sizeof(self)) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) == 0 &&
	    setsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof(on)) == 0)
		return fd;
	error = errno;
	if (fd >= 0)
		(void)close(fd);
	errno = error;
	return -1;
}

struct nlmsghdr *netlink_request(void *buffer, uint16_t type, uint16_t number)
{
	struct nlmsghdr *m = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *about;

	m->nlmsg_type = type;
	m->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	about = mnl_nlmsg_put_extra_header(m, sizeof(*about));
	about->nfgen_family = AF_UNSPEC;
	about->version = NFNETLINK_V0;
	about->res_id = htons(number);
	return m;
}

static bool is_whole(const struct nlmsghdr *m, size_t len)
{
	return len >= sizeof(*m) && m->nlmsg_len >= sizeof(*m) && m->nlmsg_len <= len;
}

int netlink_ask(int fd, struct nlmsghdr *request, uint8_t *buffer, unsigned *before)
{
	const struct nlmsghdr *m;

	*before = 0;
	if (send(fd, request, request->nlmsg_len, 0) < 0)
		return errno;
	for (;; (*before)++) {
		ssize_t n = recv(fd, buffer, NETLINK_BYTES, 0);

		m = (const struct nlmsghdr *)buffer;
		if (n < 0 || !is_whole(m, (size_t)n))
			return n < 0 ? errno : EBADMSG;
		if (m->nlmsg_type == NLMSG_ERROR)
			break;
	}
	if (mnl_nlmsg_get_payload_len(m) < sizeof(struct nlmsgerr))
		return EBADMSG;
	return -((const struct nlmsgerr *)mnl_nlmsg_get_payload(m))->error;
}

void netlink_walk(const uint8_t *bytes, size_t len, mnl_cb_t fn, void *arg)
{
	const struct nlmsghdr *m = (const struct nlmsghdr *)(const void *)bytes;

	while (is_whole(m, len)) {
		const size_t step = (m->nlmsg_len + NLMSG_ALIGNTO - 1U) & ~(NLMSG_ALIGNTO - 1U);

		if (m->nlmsg_type >= NLMSG_MIN_TYPE) /* errors of requests are nobody's here */
			(void)fn(m, arg);
		if (step >= len)
			break;
		len -= step;
		bytes += step;
		m = (const struct nlmsghdr *)(const void *)bytes;
	}
}

int netlink_read(int fd, uint8_t *buffer, mnl_cb_t fn, void *arg)
{
	struct sockaddr_nl from = {0};
	struct iovec iov = {.iov_base = buffer, .iov_len = NETLINK_BYTES};
	struct msghdr m = {
	    .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (from.nl_pid == 0) /* the kernel, and nobody else */
		netlink_walk(buffer, (size_t)n, fn, arg);
	return 1;
}

struct keeping {
	const struct nlattr **kept;
	uint16_t count;
};

static int keep(const struct nlattr *a, void *arg)
{
	const struct keeping *k = arg;
	uint16_t type = mnl_attr_get_type(a);

	if (type < k->count)
		k->kept[type] = a;
	return MNL_CB_OK;
}

bool netlink_attributes(const struct nlmsghdr *m, const struct nlattr **kept, uint16_t count)
{
	const size_t len = mnl_nlmsg_get_payload_len(m);
	struct keeping k = {kept, count};

	for (uint16_t i = 0; i < count; i++)
		kept[i] = NULL;
	/* Not mnl_attr_parse(), which rounds the message's end up. */
	return len >= sizeof(struct nfgenmsg) &&
	       mnl_attr_parse_payload(mnl_nlmsg_get_payload_offset(m, sizeof(struct nfgenmsg)),
		   len - sizeof(struct nfgenmsg), keep, &k) >= 0;
}

bool netlink_holds(const struct nlattr *a, size_t bytes)
{
	return a != NULL && mnl_attr_get_payload_len(a) >= bytes;
}

uint32_t netlink_u32(const struct nlattr *a, uint32_t otherwise)
{
	return netlink_holds(a, sizeof(uint32_t)) ? ntohl(mnl_attr_get_u32(a)) : otherwise;
}

/* The queue's stamps have the same form as the log's. */
uint64_t netlink_stamp(const struct nlattr *a)
{
	struct nfulnl_msg_packet_timestamp t;

	if (!netlink_holds(a, sizeof(t)))
		return clock_real_ns();
	memcpy(&t, mnl_attr_get_payload(a), sizeof(t));
	return be64toh(t.sec) * NS_PER_S + be64toh(t.usec) * NS_PER_MS / 1000;
}
