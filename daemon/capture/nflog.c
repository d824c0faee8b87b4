/*
 * nflog - what the firewall logs to our group (what became of ULOG): the table
 * of ours has the rule as long as capture = nflog. Frames begin with IP, and
 * come from all interfaces at once; a tag that no VLAN interface takes off is
 * never seen by the firewall, and so neither here.
 *
 * The kernel asks for CAP_NET_ADMIN when a group is taken, not when it is read.
 */
#include "capture.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <endian.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libmnl/libmnl.h>

#include "clock.h"
#include "config.h"
#include "log.h"

enum {
	SNAP_BYTES = 2048,
	MESSAGE_BYTES = 1 << 16, /* the kernel's own bound is less */
	ATTRIBUTES = NFULA_MAX + 1,
};

struct nflog {
	int fd;
	uint16_t group;
	uint32_t next; /* number of the frame that comes next, if none is lost */
	struct capture_stats sum;
	uint8_t *bytes; /* MESSAGE_BYTES */
	capture_fn *fn; /* while reading */
	void *arg;
};

static const int capabilities[] = {CAP_NET_ADMIN};

static enum capture_status refuse(
    enum capture_status status, unsigned group, const char *what, const char *why)
{
	log_error("capture_open", "group=%u step=%s error=\"%s\"", group, what, why);
	return status;
}

static enum capture_status make_socket(struct nflog *s, size_t buffer_bytes)
{
	struct sockaddr_nl self = {.nl_family = AF_NETLINK};
	int bytes = (int)buffer_bytes, on = 1;

	s->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&self, sizeof(self)) != 0)
		return refuse(CAPTURE_BROKEN, s->group, "socket", strerror(errno));
	/* Losses show by the frames' numbers; as an error they would come instead of a frame. */
	if (setsockopt(s->fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) != 0 ||
	    setsockopt(s->fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof(on)) != 0)
		return refuse(CAPTURE_BROKEN, s->group, "buffer", strerror(errno));
	return CAPTURE_UP;
}

/* Take the group, and say how its frames shall come: at once, numbered, whole. */
static struct nlmsghdr *write_request(uint16_t number, uint8_t *buffer)
{
	struct nfulnl_msg_config_cmd take = {.command = NFULNL_CFG_CMD_BIND};
	struct nfulnl_msg_config_mode mode = {
	    .copy_mode = NFULNL_COPY_PACKET, .copy_range = htonl(SNAP_BYTES)};
	struct nlmsghdr *m = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *group;

	m->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG;
	m->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	group = mnl_nlmsg_put_extra_header(m, sizeof(*group));
	group->nfgen_family = AF_UNSPEC;
	group->version = NFNETLINK_V0;
	group->res_id = htons(number);
	mnl_attr_put(m, NFULA_CFG_CMD, sizeof(take), &take);
	mnl_attr_put(m, NFULA_CFG_MODE, sizeof(mode), &mode);
	mnl_attr_put_u32(m, NFULA_CFG_QTHRESH, htonl(1));
	mnl_attr_put_u16(m, NFULA_CFG_FLAGS, htons(NFULNL_CFG_F_SEQ));
	return m;
}

static enum capture_status explain(unsigned group, int error)
{
	switch (error) {
	case EPERM:
	case EBUSY: /* also our own predecessor, which is about to end */
		return refuse(CAPTURE_BROKEN, group, "take",
		    "another program reads this group, or CAP_NET_ADMIN is missing");
	case EOPNOTSUPP:
	case EINVAL:
		return refuse(CAPTURE_REFUSED, group, "take",
		    "the kernel has no nfnetlink_log; use capture = pcap");
	default:
		return refuse(CAPTURE_BROKEN, group, "take", strerror(error));
	}
}

/* A frame may come before the answer: it is lost here, as if it had come before we did. */
static enum capture_status take_group(struct nflog *s)
{
	struct nlmsghdr *m = write_request(s->group, s->bytes);

	if (send(s->fd, m, m->nlmsg_len, 0) < 0)
		return refuse(CAPTURE_BROKEN, s->group, "take", strerror(errno));
	do {
		ssize_t n = recv(s->fd, s->bytes, MESSAGE_BYTES, 0);

		m = (struct nlmsghdr *)s->bytes;
		if (n < 0 || !mnl_nlmsg_ok(m, (int)n))
			return refuse(CAPTURE_BROKEN, s->group, "take", strerror(errno));
		if (m->nlmsg_type != NLMSG_ERROR)
			s->next++;
	} while (m->nlmsg_type != NLMSG_ERROR);
	const struct nlmsgerr *answer = mnl_nlmsg_get_payload(m);
	return answer->error == 0 ? CAPTURE_UP : explain(s->group, -answer->error);
}

static void nflog_close(void *self)
{
	struct nflog *s = self;

	if (s->fd >= 0)
		(void)close(s->fd);
	free(s->bytes);
	free(s);
}

static enum capture_status nflog_open(void **self, const struct capture_want *want)
{
	struct nflog *s;
	enum capture_status status;

	if (strcmp(want->source, "any") != 0)
		return refuse(CAPTURE_REFUSED, CONFIG_NFLOG_GROUP, "interface",
		    "the firewall sees all of them at once; use interface = any");
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		abort();
	s->group = want->number != 0 ? want->number : CONFIG_NFLOG_GROUP;
	s->bytes = malloc(MESSAGE_BYTES);
	if (s->bytes == NULL)
		abort();
	status = make_socket(s, want->buffer_bytes);
	if (status == CAPTURE_UP)
		status = take_group(s);
	if (status == CAPTURE_UP)
		*self = s;
	else
		nflog_close(s);
	return status;
}

static int nflog_fd(const void *self)
{
	const struct nflog *s = self;

	return s->fd;
}

static int keep_attribute(const struct nlattr *a, void *arg)
{
	const struct nlattr **kept = arg;
	uint16_t type = mnl_attr_get_type(a);

	if (type < ATTRIBUTES)
		kept[type] = a;
	return MNL_CB_OK;
}

static bool holds(const struct nlattr *a, size_t bytes)
{
	return a != NULL && mnl_attr_get_payload_len(a) >= bytes;
}

static uint64_t stamp_of(const struct nlattr *a)
{
	struct nfulnl_msg_packet_timestamp t;

	if (!holds(a, sizeof(t))) /* of what nobody stamped before */
		return clock_real_ns();
	memcpy(&t, mnl_attr_get_payload(a), sizeof(t));
	return be64toh(t.sec) * NS_PER_S + be64toh(t.usec) * NS_PER_MS / 1000;
}

static void count(struct nflog *s, const struct nlattr *number)
{
	uint32_t n = holds(number, sizeof(n)) ? ntohl(mnl_attr_get_u32(number)) : s->next;
	uint32_t missed = n - s->next;

	s->sum.lost += missed;
	s->sum.seen += missed + UINT64_C(1);
	s->next = n + 1;
}

static int on_message(const struct nlmsghdr *m, void *arg)
{
	const struct nlattr *a[ATTRIBUTES] = {NULL};
	struct capture_frame frame = {.link = LINK_RAW};
	struct nflog *s = arg;

	if (m->nlmsg_type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET) ||
	    mnl_attr_parse(m, sizeof(struct nfgenmsg), keep_attribute, a) < 0)
		return MNL_CB_OK;
	count(s, a[NFULA_SEQ]);
	if (a[NFULA_PAYLOAD] == NULL)
		return MNL_CB_OK;
	frame.bytes = mnl_attr_get_payload(a[NFULA_PAYLOAD]);
	frame.caplen = mnl_attr_get_payload_len(a[NFULA_PAYLOAD]);
	/* How long it was is not told: one that fills all the room was cut. */
	frame.len = frame.caplen + (frame.caplen == SNAP_BYTES);
	if (holds(a[NFULA_IFINDEX_INDEV], sizeof(uint32_t)))
		frame.ifindex = ntohl(mnl_attr_get_u32(a[NFULA_IFINDEX_INDEV]));
	frame.seen_ns = stamp_of(a[NFULA_TIMESTAMP]);
	(void)s->fn(s->arg, &frame);
	return MNL_CB_OK;
}

/* One message, which is one frame. Returns whether there may be another; else errno tells. */
static bool read_one(struct nflog *s)
{
	struct sockaddr_nl from = {0};
	struct iovec iov = {.iov_base = s->bytes, .iov_len = MESSAGE_BYTES};
	struct msghdr m = {
	    .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n = recvmsg(s->fd, &m, MSG_DONTWAIT);

	if (n < 0)
		return false;
	if (from.nl_pid == 0) /* the kernel, and nobody else */
		(void)mnl_cb_run(s->bytes, (size_t)n, 0, 0, on_message, s);
	return true;
}

static enum capture_status nflog_read(void *self, unsigned max, capture_fn *fn, void *arg)
{
	struct nflog *s = self;

	s->fn = fn;
	s->arg = arg;
	for (; max > 0; max--) {
		if (read_one(s))
			continue;
		if (errno == EAGAIN || errno == EINTR)
			break;
		log_error("capture_read", "group=%u error=\"%s\"", s->group, strerror(errno));
		return CAPTURE_BROKEN;
	}
	return CAPTURE_UP;
}

static enum capture_status nflog_tick(void *self)
{
	(void)self;
	return CAPTURE_UP;
}

static void nflog_stats(void *self, struct capture_stats *out)
{
	const struct nflog *s = self;

	*out = s->sum;
}

const struct capture_method capture_nflog = {
    .name = "nflog",
    .capabilities = capabilities,
    .capabilities_len = sizeof(capabilities) / sizeof(capabilities[0]),
    .syscalls = capabilities, /* none: recvmsg is everybody's */
    .syscalls_len = 0,
    .open = nflog_open,
    .fd = nflog_fd,
    .read = nflog_read,
    .tick = nflog_tick,
    .stats = nflog_stats,
    .close = nflog_close,
};
