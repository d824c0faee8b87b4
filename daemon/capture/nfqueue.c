/*
 * nfqueue - what the firewall queues for us (what became of QUEUE): a knock is
 * dropped by verdict, so that nobody behind us sees it, and all else goes on.
 * As nflog, for all interfaces at once; frames begin with IP.
 *
 * Nothing of the host's traffic depends on us: the rule goes by a queue that
 * nobody reads, a full one lets packets by (fail-open), and it can hold more
 * than the socket has room for, so that what went by unread always shows by
 * the numbers of those that come. Verdicts are the monitor's to give: verdict.h.
 */
#include "capture.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "log.h"
#include "nfqueue_message.h"
#include "verdict.h"

enum { QUEUE_MAX = 1 << 16 };

struct nfqueue {
	int fd, verdicts;
	uint16_t queue;
	uint32_t next; /* number of the frame that comes next, if none is lost */
	struct capture_stats sum;
	struct verdict_give give; /* what is decided and not yet said */
	bool failed;		  /* the monitor does not listen any more */
	uint8_t *bytes;		  /* NETLINK_BYTES */
	capture_fn *fn;		  /* while reading */
	void *arg;
};

static const int capabilities[] = {CAP_NET_ADMIN};

static enum capture_status refuse(
    enum capture_status status, const struct nfqueue *s, const char *what, const char *why)
{
	log_error("capture_open", "queue=%u step=%s error=\"%s\"", s->queue, what, why);
	return status;
}

/* Take the queue, and say how its frames shall come, and what if they cannot. */
static struct nlmsghdr *write_request(const struct nfqueue *s)
{
	const struct nfqnl_msg_config_cmd take = {.command = NFQNL_CFG_CMD_BIND};
	struct nfqnl_msg_config_params how = {.copy_mode = NFQNL_COPY_PACKET};
	struct nlmsghdr *m =
	    netlink_request(s->bytes, NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_CONFIG, s->queue);

	how.copy_range = htonl(NETLINK_SNAP);
	mnl_attr_put(m, NFQA_CFG_CMD, sizeof(take), &take);
	mnl_attr_put(m, NFQA_CFG_PARAMS, sizeof(how), &how);
	mnl_attr_put_u32(m, NFQA_CFG_QUEUE_MAXLEN, htonl(QUEUE_MAX));
	mnl_attr_put_u32(m, NFQA_CFG_FLAGS, htonl(NFQA_CFG_F_FAIL_OPEN));
	mnl_attr_put_u32(m, NFQA_CFG_MASK, htonl(NFQA_CFG_F_FAIL_OPEN));
	return m;
}

static enum capture_status explain(const struct nfqueue *s, int error)
{
	switch (error) {
	case EPERM:
	case EBUSY: /* also our own predecessor, which is about to end */
		return refuse(CAPTURE_BROKEN, s, "take",
		    "another program reads this queue, or CAP_NET_ADMIN is missing");
	case EOPNOTSUPP:
	case EINVAL:
		return refuse(CAPTURE_REFUSED, s, "take",
		    "the kernel has no nfnetlink_queue; use capture = pcap");
	default:
		return refuse(CAPTURE_BROKEN, s, "take", strerror(error));
	}
}

static enum capture_status take_queue(struct nfqueue *s, size_t buffer_bytes)
{
	const struct verdict_queue told = {{VERDICT_QUEUE, sizeof(told)}, s->queue, 0};
	unsigned before = 0;
	int error;

	s->fd = netlink_open(buffer_bytes);
	if (s->fd < 0)
		return refuse(CAPTURE_BROKEN, s, "socket", strerror(errno));
	/* First of all: from the next call on packets wait for verdicts. */
	if (ipc_send(s->verdicts, &told, &s->fd, 1) != 0)
		return refuse(CAPTURE_BROKEN, s, "verdicts", strerror(errno));
	error = netlink_ask(s->fd, write_request(s), s->bytes, &before);
	s->next += before;
	return error == 0 ? CAPTURE_UP : explain(s, error);
}

static void nfqueue_close(void *self)
{
	struct nfqueue *s = self;

	if (s->fd >= 0)
		(void)close(s->fd);
	free(s->bytes);
	free(s);
}

static enum capture_status nfqueue_open(void **self, const struct capture_want *want)
{
	struct nfqueue *s = calloc(1, sizeof(*s));
	enum capture_status status;

	if (s == NULL)
		abort();
	*s = (struct nfqueue){.fd = -1,
	    .verdicts = want->verdicts,
	    .queue = want->number != 0 ? want->number : CONFIG_NFLOG_GROUP,
	    .next = 1,
	    .give = {.head = {VERDICT_GIVE, sizeof(s->give)}}};
	s->bytes = malloc(NETLINK_BYTES);
	if (s->bytes == NULL)
		abort();
	if (strcmp(want->source, "any") != 0)
		status = refuse(CAPTURE_REFUSED, s, "interface",
		    "the firewall sees all of them at once; use interface = any");
	else if (want->verdicts <= 0)
		status = refuse(CAPTURE_REFUSED, s, "verdicts", "nobody is there to give them");
	else
		status = take_queue(s, want->buffer_bytes);
	if (status == CAPTURE_UP)
		*self = s;
	else
		nfqueue_close(s);
	return status;
}

static int nfqueue_fd(const void *self)
{
	const struct nfqueue *s = self;

	return s->fd;
}

/*
 * Say what is decided. A monitor that has no room now hears of all packets the
 * next time, but not which were knocks: those then go on like the others.
 */
static void give(struct nfqueue *s)
{
	if (s->give.accepts == 0 && s->give.drops == 0)
		return;
	if (ipc_send(s->verdicts, &s->give, NULL, 0) == 0) {
		s->give.accepts = 0;
	} else if (errno == EAGAIN || errno == ENOBUFS) {
		s->give.accepts = 1;
		s->give.accept_to = s->next - 1;
	} else {
		s->failed = true;
	}
	memset(s->give.drop, 0, s->give.drops * sizeof(s->give.drop[0]));
	s->give.drops = 0;
}

static void decide(struct nfqueue *s, uint32_t number, bool ours)
{
	if (ours) {
		s->give.drop[s->give.drops++] = number;
	} else {
		s->give.accepts = 1;
		s->give.accept_to = number;
	}
	if (s->give.drops == VERDICT_DROPS_MAX)
		give(s);
}

static int on_message(const struct nlmsghdr *m, void *arg)
{
	struct nfqueue_message one;
	struct nfqueue *s = arg;

	if (!nfqueue_message_parse(m, &one))
		return MNL_CB_OK;
	s->sum.lost += one.number - s->next;
	s->sum.seen += one.number - s->next + UINT64_C(1);
	s->next = one.number + 1;
	decide(s, one.number, one.frame.bytes != NULL && s->fn(s->arg, &one.frame));
	return MNL_CB_OK;
}

static enum capture_status nfqueue_read(void *self, unsigned max, capture_fn *fn, void *arg)
{
	struct nfqueue *s = self;
	int n = 1;

	s->fn = fn;
	s->arg = arg;
	for (; max > 0 && n > 0; max--)
		n = netlink_read(s->fd, s->bytes, on_message, s);
	if (n < 0)
		log_error("capture_read", "queue=%u error=\"%s\"", s->queue, strerror(errno));
	give(s);
	if (s->failed)
		log_error(
		    "capture_read", "queue=%u error=\"the monitor takes no verdicts\"", s->queue);
	return n < 0 || s->failed ? CAPTURE_BROKEN : CAPTURE_UP;
}

static enum capture_status nfqueue_tick(void *self)
{
	struct nfqueue *s = self;

	give(s);
	return s->failed ? CAPTURE_BROKEN : CAPTURE_UP;
}

/* The firewall has turned to our successor's queue; what is in ours waits for a verdict. */
static void nfqueue_stop(void *self)
{
	(void)self;
}

static void nfqueue_stats(void *self, struct capture_stats *out)
{
	const struct nfqueue *s = self;

	*out = s->sum;
}

const struct capture_method capture_nfqueue = {
    .name = "nfqueue",
    .capabilities = capabilities,
    .capabilities_len = sizeof(capabilities) / sizeof(capabilities[0]),
    .syscalls = capabilities, /* none: recvmsg and sendmsg are everybody's */
    .syscalls_len = 0,
    .open = nfqueue_open,
    .fd = nfqueue_fd,
    .read = nfqueue_read,
    .tick = nfqueue_tick,
    .stop = nfqueue_stop,
    .stats = nfqueue_stats,
    .close = nfqueue_close,
};
