/* verdicts - see verdicts.h. */
#include "verdicts.h"

#include <arpa/inet.h> /* before the kernel's, which define the same otherwise */
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libmnl/libmnl.h>

#include "log.h"

enum {
	BATCH = 64,	/* messages of the capture a turn */
	ONE_BYTES = 32, /* a verdict in netlink */
	MESSAGE_BYTES = (VERDICT_DROPS_MAX + 1) * ONE_BYTES,
	HALF =
	    0x7fffffff, /* numbers are compared as serial ones are: half of them lie up to this */
};

struct netlink_buffer {
	size_t len;
	_Alignas(struct nlmsghdr) uint8_t bytes[MESSAGE_BYTES];
};

/* No answer is asked for: it would come to the capture. */
static struct nlmsghdr *begin(struct netlink_buffer *b, uint16_t type, uint16_t queue)
{
	struct nlmsghdr *m = mnl_nlmsg_put_header(b->bytes + b->len);
	struct nfgenmsg *about;

	m->nlmsg_type = (uint16_t)(NFNL_SUBSYS_QUEUE << 8 | type);
	m->nlmsg_flags = NLM_F_REQUEST;
	about = mnl_nlmsg_put_extra_header(m, sizeof(*about));
	about->nfgen_family = AF_UNSPEC;
	about->version = NFNETLINK_V0;
	about->res_id = htons(queue);
	return m;
}

static void add_verdict(struct netlink_buffer *b, const struct verdicts *v, uint16_t type,
    uint32_t verdict, uint32_t id)
{
	const struct nfqnl_msg_verdict_hdr head = {.verdict = htonl(verdict), .id = htonl(id)};
	struct nlmsghdr *m = begin(b, type, v->queue);

	mnl_attr_put(m, NFQA_VERDICT_HDR, sizeof(head), &head);
	b->len += m->nlmsg_len;
}

/* The kernel alone is meant, whomever the socket may have been connected to. */
static void send_all(const struct verdicts *v, const struct netlink_buffer *b)
{
	const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

	if (sendto(v->socket, b->bytes, b->len, MSG_DONTWAIT | MSG_NOSIGNAL,
		(const struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		log_debug("verdicts", "queue=%u error=\"%s\"", v->queue, strerror(errno));
}

static bool is_netfilter(int fd)
{
	int domain = 0, protocol = 0;
	socklen_t size = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 &&
	       domain == AF_NETLINK && protocol == NETLINK_NETFILTER;
}

/* Returns whether the socket is taken. */
static bool take_queue(struct verdicts *v, const struct verdict_queue *m, int fd)
{
	if (v->socket >= 0 || fd < 0 || m->queue != v->queue || m->unused != 0 || !is_netfilter(fd))
		return false;
	v->socket = fd;
	return true;
}

static bool give(const struct verdicts *v, const struct verdict_give *m)
{
	struct netlink_buffer b = {.len = 0};

	if (v->socket < 0 || m->accepts > 1 || m->drops > VERDICT_DROPS_MAX || m->unused != 0 ||
	    m->accepts + m->drops == 0)
		return false;
	for (uint32_t i = 0; i < m->drops; i++)
		add_verdict(&b, v, NFQNL_MSG_VERDICT, NF_DROP, m->drop[i]);
	if (m->accepts == 1)
		add_verdict(&b, v, NFQNL_MSG_VERDICT_BATCH, NF_ACCEPT, m->accept_to);
	send_all(v, &b);
	return true;
}

union from_capture {
	struct ipc_head head;
	struct verdict_queue queue;
	struct verdict_give give;
};

/* Returns whether a capture says such a thing. A descriptor that is not taken is closed. */
static bool obey(struct verdicts *v, const union from_capture *m, int len, int fd)
{
	bool taken = false, good = false;

	if (m->head.type == VERDICT_QUEUE && len == (int)sizeof(m->queue))
		good = taken = take_queue(v, &m->queue, fd);
	else if (m->head.type == VERDICT_GIVE && len == (int)sizeof(m->give) && fd < 0)
		good = give(v, &m->give);
	if (fd >= 0 && !taken)
		(void)close(fd);
	return good;
}

static void condemn(struct verdicts *v)
{
	verdicts_end(v);
	v->bad(v->arg, "it asked for a verdict as no capture does");
}

static void on_readable(void *arg)
{
	struct verdicts *v = arg;
	union from_capture m;

	for (unsigned i = 0; i < BATCH; i++) {
		int fd = -1;
		size_t fds = 0;
		int len = ipc_recv(v->peer, &m, sizeof(m), &fd, 1, &fds);

		if (len < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (len == 0 || (len < 0 && errno == ECONNRESET)) {
			verdicts_end(v);
			return;
		}
		if (len < 0 || !obey(v, &m, len, fds == 1 ? fd : -1)) {
			condemn(v);
			return;
		}
	}
}

void verdicts_init(struct verdicts *v)
{
	*v = (struct verdicts){.peer = -1, .socket = -1};
}

int verdicts_start(struct verdicts *v, struct loop *loop, int peer, uint16_t queue,
    void (*bad)(void *arg, const char *why), void *arg)
{
	*v = (struct verdicts){
	    .loop = loop, .peer = peer, .socket = -1, .queue = queue, .bad = bad, .arg = arg};
	if (loop_watch(loop, peer, on_readable, v) == 0)
		return 0;
	log_error("verdicts", "queue=%u: too many descriptors", queue);
	(void)close(peer);
	v->peer = -1;
	return -1;
}

/* First the packets: the kernel drops what waits in a queue that ends. */
static void release(struct verdicts *v)
{
	const struct nfqnl_msg_config_cmd leave = {.command = NFQNL_CFG_CMD_UNBIND};
	struct netlink_buffer b = {.len = 0};
	struct nlmsghdr *m;

	/* All numbers, in whichever half of their circle they begin. */
	add_verdict(&b, v, NFQNL_MSG_VERDICT_BATCH, NF_ACCEPT, HALF);
	add_verdict(&b, v, NFQNL_MSG_VERDICT_BATCH, NF_ACCEPT, UINT32_MAX);
	add_verdict(&b, v, NFQNL_MSG_VERDICT_BATCH, NF_ACCEPT, HALF);
	m = begin(&b, NFQNL_MSG_CONFIG, v->queue);
	mnl_attr_put(m, NFQA_CFG_CMD, sizeof(leave), &leave);
	b.len += m->nlmsg_len;
	send_all(v, &b);
	(void)close(v->socket);
	v->socket = -1;
}

void verdicts_end(struct verdicts *v)
{
	if (v->socket >= 0)
		release(v);
	if (v->peer < 0)
		return;
	loop_unwatch(v->loop, v->peer);
	(void)close(v->peer);
	v->peer = -1;
}
