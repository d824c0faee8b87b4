/*
 * udp - plain UDP sockets at the knock port, one for each family: for
 * containers that may not capture. It is the one method by which something
 * listens: the firewall must let knocks come in, and a scan finds a port that
 * does not answer where others may.
 *
 * The kernel takes the headers off and tells what stood in them; they are made
 * anew here, so that a frame is as good as any other's. What came in
 * fragments, or in another carrier than UDP, comes so, or not at all.
 */
#include "capture.h"

#include <errno.h>
#include <linux/capability.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "cursor.h"
#include "log.h"
#include "nic.h"

enum {
	BATCH = 64,	     /* datagrams a call */
	PAYLOAD_MAX = 2048,  /* more than any veil */
	HEAD_MAX = 40 + 8,   /* IPv6 and UDP */
	CONTROL_BYTES = 256, /* where it came to, when, and how many were lost before */
	IPV4_BYTES = 20,
	IPV6_BYTES = 40,
	UDP_BYTES = 8,
	TTL = 64, /* nobody looks at it */
	PROTO_UDP = 17,
	IPV4_NO_FRAGMENT = 0x4000,
};

struct slot {
	union {
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} from;
	_Alignas(struct cmsghdr) uint8_t control[CONTROL_BYTES];
	uint8_t bytes[HEAD_MAX + PAYLOAD_MAX]; /* the payload begins at HEAD_MAX */
};

enum { V4, V6, FAMILIES };

struct udp {
	int fd[FAMILIES]; /* -1: the host has no such family */
	int ready;	  /* epoll over these */
	uint16_t port;
	char name[IFNAMSIZ];
	uint32_t ifindex;	 /* 0 for "any" */
	uint32_t lost[FAMILIES]; /* as the kernel's 32 bits were when we last heard */
	struct capture_stats sum;
	struct slot slot[BATCH];
	struct iovec iov[BATCH];
	struct mmsghdr message[BATCH];
};

static const int capabilities[] = {CAP_NET_ADMIN, CAP_NET_RAW};
static const int syscalls[] = {SYS_connect, SYS_ioctl, SYS_recvmmsg};

static enum capture_status refuse(
    enum capture_status status, const struct udp *u, const char *what, const char *why)
{
	log_error("capture_open", "interface=%s port=%u step=%s error=\"%s\"", u->name, u->port,
	    what, why);
	return status;
}

static int set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value));
}

static int bind_to(const struct udp *u, int family)
{
	const struct sockaddr_in any4 = {.sin_family = AF_INET, .sin_port = htons(u->port)};
	const struct sockaddr_in6 any6 = {.sin6_family = AF_INET6, .sin6_port = htons(u->port)};

	return family == V4 ? bind(u->fd[V4], (const struct sockaddr *)&any4, sizeof(any4))
			    : bind(u->fd[V6], (const struct sockaddr *)&any6, sizeof(any6));
}

static const char *why_not_bound(int error)
{
	switch (error) {
	case EADDRINUSE:
		return "another program has this port; choose another udp-port";
	case EACCES:
		return "posternd has no right to listen below 1024; choose a higher udp-port";
	default:
		return strerror(error);
	}
}

/* What the kernel shall tell of each datagram. */
static int ask_for_heads(int fd, int family)
{
	if (set(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1) != 0 || set(fd, SOL_SOCKET, SO_RXQ_OVFL, 1) != 0)
		return -1;
	return family == V4 ? set(fd, IPPROTO_IP, IP_PKTINFO, 1)
			    : set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
}

static void make_room(int fd, size_t bytes)
{
	/* A container may have no right to more than the host's usual. */
	if (set(fd, SOL_SOCKET, SO_RCVBUFFORCE, (int)bytes) != 0)
		(void)set(fd, SOL_SOCKET, SO_RCVBUF, (int)bytes);
}

static enum capture_status configure(const struct udp *u, int family, size_t buffer_bytes)
{
	const int fd = u->fd[family];

	if (family == V6 && set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) != 0)
		return refuse(CAPTURE_BROKEN, u, "v6only", strerror(errno));
	if (u->ifindex != 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, u->name, (socklen_t)strlen(u->name)) != 0)
		return refuse(CAPTURE_BROKEN, u, "bindtodevice", strerror(errno));
	make_room(fd, buffer_bytes);
	/* So that a new one is there before the old one leaves; the kernel lets root's sockets alone share it. */
	if (set(fd, SOL_SOCKET, SO_REUSEPORT, 1) != 0 || ask_for_heads(fd, family) != 0)
		return refuse(CAPTURE_BROKEN, u, "options", strerror(errno));
	if (bind_to(u, family) != 0)
		return refuse(CAPTURE_BROKEN, u, "bind", why_not_bound(errno));
	if (set(fd, SOL_SOCKET, SO_LOCK_FILTER, 1) != 0)
		return refuse(CAPTURE_BROKEN, u, "lock", strerror(errno));
	return CAPTURE_UP;
}

static enum capture_status open_family(struct udp *u, int family, size_t buffer_bytes)
{
	struct epoll_event e = {.events = EPOLLIN};
	enum capture_status status;

	u->fd[family] =
	    socket(family == V4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (u->fd[family] < 0 && errno == EAFNOSUPPORT)
		return CAPTURE_UP;
	if (u->fd[family] < 0)
		return refuse(CAPTURE_BROKEN, u, "socket", strerror(errno));
	status = configure(u, family, buffer_bytes);
	if (status == CAPTURE_UP && epoll_ctl(u->ready, EPOLL_CTL_ADD, u->fd[family], &e) != 0)
		status = refuse(CAPTURE_BROKEN, u, "epoll", strerror(errno));
	return status;
}

static void prepare_slots(struct udp *u)
{
	for (unsigned i = 0; i < BATCH; i++) {
		u->iov[i] = (struct iovec){u->slot[i].bytes + HEAD_MAX, PAYLOAD_MAX};
		u->message[i].msg_hdr.msg_iov = &u->iov[i];
		u->message[i].msg_hdr.msg_iovlen = 1;
		u->message[i].msg_hdr.msg_name = &u->slot[i].from;
		u->message[i].msg_hdr.msg_control = u->slot[i].control;
	}
}

static void udp_close(void *self)
{
	struct udp *u = self;
	const int fds[] = {u->ready, u->fd[V4], u->fd[V6]};

	for (unsigned i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
	free(u);
}

static enum capture_status find_interface(struct udp *u, const char *source)
{
	strncpy(u->name, source, sizeof(u->name) - 1);
	if (strcmp(source, "any") == 0)
		return CAPTURE_UP;
	u->ifindex = if_nametoindex(source);
	return u->ifindex != 0
		   ? CAPTURE_UP
		   : refuse(CAPTURE_ABSENT, u, "interface", "there is no such interface (yet)");
}

static enum capture_status udp_open(void **self, const struct capture_want *want)
{
	struct udp *u = calloc(1, sizeof(*u));
	enum capture_status status;

	if (u == NULL)
		abort();
	*u = (struct udp){.fd = {-1, -1}, .port = want->udp_port};
	u->ready = epoll_create1(EPOLL_CLOEXEC);
	status = want->udp_port != 0 ? find_interface(u, want->source)
				     : refuse(CAPTURE_REFUSED, u, "port",
					   "this hears the carrier udp alone; give udp-port");
	if (status == CAPTURE_UP && u->ready < 0)
		status = refuse(CAPTURE_BROKEN, u, "epoll", strerror(errno));
	for (int family = V4; family < FAMILIES && status == CAPTURE_UP; family++)
		status = open_family(u, family, want->buffer_bytes);
	if (status == CAPTURE_UP) {
		prepare_slots(u);
		log_warning("socket_listens",
		    "interface=%s port=%u: a scan can tell this port from others; the other "
		    "methods leave it closed",
		    u->name, u->port);
		*self = u;
	} else {
		udp_close(u);
	}
	return status;
}

static int udp_fd(const void *self)
{
	const struct udp *u = self;

	return u->ready;
}

/* What the kernel told beside one datagram. */
struct told {
	uint8_t to[16]; /* of the family's length */
	uint32_t ifindex;
	uint64_t seen_ns;
	bool has_to;
};

static void hear(struct udp *u, int family, const struct cmsghdr *c, struct told *out)
{
	struct in_pktinfo v4;
	struct in6_pktinfo v6;
	struct timespec at;
	uint32_t lost;

	if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
		memcpy(&v4, CMSG_DATA(c), sizeof(v4));
		memcpy(out->to, &v4.ipi_addr, sizeof(v4.ipi_addr));
		out->ifindex = (uint32_t)v4.ipi_ifindex;
		out->has_to = true;
	} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
		memcpy(&v6, CMSG_DATA(c), sizeof(v6));
		memcpy(out->to, &v6.ipi6_addr, sizeof(v6.ipi6_addr));
		out->ifindex = (uint32_t)v6.ipi6_ifindex;
		out->has_to = true;
	} else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
		memcpy(&at, CMSG_DATA(c), sizeof(at));
		out->seen_ns = (uint64_t)at.tv_sec * NS_PER_S + (uint64_t)at.tv_nsec;
	} else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
		memcpy(&lost, CMSG_DATA(c), sizeof(lost));
		u->sum.lost += lost - u->lost[family];
		u->sum.seen += lost - u->lost[family];
		u->lost[family] = lost;
	}
}

static void write_udp(struct writer *w, in_port_t from_be, uint16_t port, size_t payload)
{
	write_u16(w, ntohs(from_be));
	write_u16(w, port);
	write_u16(w, (uint16_t)(UDP_BYTES + payload));
	write_u16(w, 0); /* the kernel has looked at the checksum */
}

/* The head that it may have had, right before the payload. Returns where the packet begins. */
static uint8_t *write_head_v4(struct slot *s, const struct told *t, uint16_t port, size_t payload)
{
	uint8_t *at = s->bytes + HEAD_MAX - IPV4_BYTES - UDP_BYTES;
	struct writer w = writer_of(at, IPV4_BYTES + UDP_BYTES);

	write_u16(&w, 0x4500);
	write_u16(&w, (uint16_t)(IPV4_BYTES + UDP_BYTES + payload));
	write_u16(&w, 0);
	write_u16(&w, IPV4_NO_FRAGMENT);
	write_u8(&w, TTL);
	write_u8(&w, PROTO_UDP);
	write_u16(&w, 0);
	write_bytes(&w, &s->from.v4.sin_addr, sizeof(s->from.v4.sin_addr));
	write_bytes(&w, t->to, sizeof(s->from.v4.sin_addr));
	write_udp(&w, s->from.v4.sin_port, port, payload);
	return at;
}

static uint8_t *write_head_v6(struct slot *s, const struct told *t, uint16_t port, size_t payload)
{
	uint8_t *at = s->bytes + HEAD_MAX - IPV6_BYTES - UDP_BYTES;
	struct writer w = writer_of(at, IPV6_BYTES + UDP_BYTES);

	write_u32(&w, 6U << 28);
	write_u16(&w, (uint16_t)(UDP_BYTES + payload));
	write_u8(&w, PROTO_UDP);
	write_u8(&w, TTL);
	write_bytes(&w, &s->from.v6.sin6_addr, sizeof(s->from.v6.sin6_addr));
	write_bytes(&w, t->to, sizeof(t->to));
	write_udp(&w, s->from.v6.sin6_port, port, payload);
	return at;
}

static void hand_over(struct udp *u, int family, unsigned i, capture_fn *fn, void *arg)
{
	struct msghdr *m = &u->message[i].msg_hdr;
	const size_t payload = u->message[i].msg_len;
	struct capture_frame frame = {.link = LINK_RAW};
	struct told told = {.seen_ns = 0};

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c))
		hear(u, family, c, &told);
	u->sum.seen++;
	if (!told.has_to)
		return;
	frame.bytes = family == V4 ? write_head_v4(&u->slot[i], &told, u->port, payload)
				   : write_head_v6(&u->slot[i], &told, u->port, payload);
	frame.caplen = (size_t)(u->slot[i].bytes + HEAD_MAX + payload - frame.bytes);
	frame.len = frame.caplen + ((m->msg_flags & MSG_TRUNC) != 0);
	frame.ifindex = told.ifindex;
	frame.seen_ns = told.seen_ns != 0 ? told.seen_ns : clock_real_ns();
	(void)fn(arg, &frame);
}

/* At most want datagrams of one family. Returns how many there were; -1: it failed. */
static int read_family(struct udp *u, int family, unsigned want, capture_fn *fn, void *arg)
{
	int n;

	if (u->fd[family] < 0)
		return 0;
	for (unsigned i = 0; i < want; i++) {
		u->message[i].msg_hdr.msg_namelen = sizeof(u->slot[i].from);
		u->message[i].msg_hdr.msg_controllen = sizeof(u->slot[i].control);
	}
	n = recvmmsg(u->fd[family], u->message, want, MSG_DONTWAIT, NULL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	for (int i = 0; i < n; i++)
		hand_over(u, family, (unsigned)i, fn, arg);
	return n;
}

/* By turns, so that a flood over one family leaves the other its share. */
static enum capture_status udp_read(void *self, unsigned max, capture_fn *fn, void *arg)
{
	struct udp *u = self;
	bool more = true;

	while (more && max > 0) {
		more = false;
		for (int family = V4; family < FAMILIES && max > 0; family++) {
			int n = read_family(u, family, max < BATCH ? max : BATCH, fn, arg);

			if (n < 0) {
				log_error("capture_read", "interface=%s port=%u error=\"%s\"",
				    u->name, u->port, strerror(errno));
				return CAPTURE_BROKEN;
			}
			max -= (unsigned)n;
			more = more || n == BATCH;
		}
	}
	return CAPTURE_UP;
}

static enum capture_status udp_tick(void *self)
{
	const struct udp *u = self;
	enum capture_status status;

	if (u->ifindex == 0)
		return CAPTURE_UP;
	status = nic_status(u->fd[V4] >= 0 ? u->fd[V4] : u->fd[V6], u->ifindex);
	if (status == CAPTURE_GONE)
		log_warning("interface_gone", "interface=%s", u->name);
	return status;
}

static void udp_stats(void *self, struct capture_stats *out)
{
	const struct udp *u = self;

	*out = u->sum;
}

/*
 * Who is connected gets nothing from anybody else: the kernel gives all that
 * comes from now on to our successor, and what is here already we read. To all
 * of the interface's neighbours, since that has a route wherever it is up;
 * nothing is ever sent.
 */
static void udp_stop(void *self)
{
	const struct udp *u = self;
	struct sockaddr_in nowhere4 = {.sin_family = AF_INET,
	    .sin_port = htons(u->port),
	    .sin_addr.s_addr = htonl(u->ifindex == 0 ? INADDR_LOOPBACK : INADDR_ALLHOSTS_GROUP)};
	struct sockaddr_in6 nowhere6 = {.sin6_family = AF_INET6,
	    .sin6_port = htons(u->port),
	    .sin6_addr = IN6ADDR_LOOPBACK_INIT};

	if (u->ifindex != 0) {
		nowhere6.sin6_addr = (struct in6_addr){.s6_addr = {0xff, 2, [15] = 1}};
		nowhere6.sin6_scope_id = u->ifindex;
	}
	if (u->fd[V4] >= 0)
		(void)connect(u->fd[V4], (struct sockaddr *)&nowhere4, sizeof(nowhere4));
	if (u->fd[V6] >= 0)
		(void)connect(u->fd[V6], (struct sockaddr *)&nowhere6, sizeof(nowhere6));
}

const struct capture_method capture_udp = {
    .name = "udp",
    .capabilities = capabilities,
    .capabilities_len = sizeof(capabilities) / sizeof(capabilities[0]),
    .syscalls = syscalls,
    .syscalls_len = sizeof(syscalls) / sizeof(syscalls[0]),
    .open = udp_open,
    .fd = udp_fd,
    .read = udp_read,
    .tick = udp_tick,
    .stop = udp_stop,
    .stats = udp_stats,
    .close = udp_close,
};
