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
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "log.h"
#include "nflog_message.h"

struct nflog {
	int fd;
	uint16_t group;
	uint32_t next; /* number of the frame that comes next, if none is lost */
	struct capture_stats sum;
	uint8_t *bytes; /* NETLINK_BYTES */
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

/* Take the group, and say how its frames shall come: at once, numbered, whole. */
static struct nlmsghdr *write_request(const struct nflog *s)
{
	const struct nfulnl_msg_config_cmd take = {.command = NFULNL_CFG_CMD_BIND};
	const struct nfulnl_msg_config_mode mode = {
	    .copy_mode = NFULNL_COPY_PACKET, .copy_range = htonl(NETLINK_SNAP)};
	struct nlmsghdr *m =
	    netlink_request(s->bytes, NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG, s->group);

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
static enum capture_status take_group(struct nflog *s, size_t buffer_bytes)
{
	unsigned before = 0;
	int error;

	s->fd = netlink_open(buffer_bytes);
	if (s->fd < 0)
		return refuse(CAPTURE_BROKEN, s->group, "socket", strerror(errno));
	error = netlink_ask(s->fd, write_request(s), s->bytes, &before);
	s->next += before;
	return error == 0 ? CAPTURE_UP : explain(s->group, error);
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
	s->bytes = malloc(NETLINK_BYTES);
	if (s->bytes == NULL)
		abort();
	s->fd = -1;
	status = take_group(s, want->buffer_bytes);
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

static int on_message(const struct nlmsghdr *m, void *arg)
{
	struct nflog_message one;
	struct nflog *s = arg;
	uint32_t missed;

	if (!nflog_message_parse(m, s->next, &one))
		return MNL_CB_OK;
	missed = one.number - s->next;
	s->sum.lost += missed;
	s->sum.seen += missed + UINT64_C(1);
	s->next = one.number + 1;
	if (one.frame.bytes != NULL)
		(void)s->fn(s->arg, &one.frame);
	return MNL_CB_OK;
}

static enum capture_status nflog_read(void *self, unsigned max, capture_fn *fn, void *arg)
{
	struct nflog *s = self;
	int n = 1;

	s->fn = fn;
	s->arg = arg;
	for (; max > 0 && n > 0; max--)
		n = netlink_read(s->fd, s->bytes, on_message, s);
	if (n < 0)
		log_error("capture_read", "group=%u error=\"%s\"", s->group, strerror(errno));
	return n < 0 ? CAPTURE_BROKEN : CAPTURE_UP;
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
