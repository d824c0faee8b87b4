/*
 * afpacket - the kernel's own ring (TPACKET_V3) on a live interface or "any",
 * without a library between. libpcap only translates the filter.
 *
 * A block is handed to us when it is full, or after 1 ms: a knock is seen
 * after half a millisecond where pcap takes a tenth, and a frame costs a
 * fraction of the CPU, since a wake-up brings all that came in that time.
 */
#include "capture.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <pcap/pcap.h>

#include "clock.h"
#include "fanout.h"
#include "log.h"
#include "nic.h"

enum {
	SNAP_BYTES = 2048, /* an Ethernet frame, or a jumbo frame's headers and the longest veil */
	BLOCK_BYTES = 1 << 18,
	BLOCKS_MIN = 2, /* one for us, one for the kernel */
	RETIRE_MS = 1,
	ADDRESS_AT = TPACKET_ALIGN((int)sizeof(struct tpacket3_hdr)),
};

struct afpacket {
	int fd;
	char name[IFNAMSIZ];
	bool any;
	uint32_t ifindex; /* 0 for "any" */
	/*
	 * With its Ethernet header as the ring has it; else the kernel took
	 * away whatever the link put before IP, which on "any" is not the same
	 * for all interfaces, and tells the type of each frame.
	 */
	bool ethernet;
	uint8_t *ring;
	unsigned blocks;
	unsigned block;	 /* the one that we read */
	uint32_t behind; /* frames of it that are done */
	uint32_t next;	 /* where in it the next frame is */
	struct capture_stats sum;
};

static const int capabilities[] = {CAP_NET_RAW};

static const int syscalls[] = {SYS_getsockopt, SYS_ioctl};

static enum capture_status refuse(
    enum capture_status status, const struct afpacket *s, const char *what, const char *why)
{
	log_error("capture_open", "interface=%s step=%s error=\"%s\"", s->name, what, why);
	return status;
}

static enum capture_status option(
    const struct afpacket *s, int name, const void *value, socklen_t len, const char *what)
{
	if (setsockopt(s->fd, SOL_PACKET, name, value, len) == 0)
		return CAPTURE_UP;
	return refuse(CAPTURE_BROKEN, s, what, strerror(errno));
}

/* Does the interface's link header need to be read by us, and can it? */
static enum capture_status find_interface(struct afpacket *s)
{
	struct ifreq r = {0};
	int fd;

	if (s->any)
		return CAPTURE_UP;
	s->ifindex = if_nametoindex(s->name);
	if (s->ifindex == 0)
		return refuse(CAPTURE_ABSENT, s, "find", "there is no such interface (yet)");
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	memcpy(r.ifr_name, s->name, sizeof(r.ifr_name));
	if (fd >= 0 && ioctl(fd, SIOCGIFHWADDR, &r) == 0)
		s->ethernet = r.ifr_hwaddr.sa_family == ARPHRD_ETHER ||
			      r.ifr_hwaddr.sa_family == ARPHRD_LOOPBACK;
	if (fd >= 0)
		(void)close(fd);
	return CAPTURE_UP;
}

/* Of no protocol yet: nothing comes in before the filter is there. */
static enum capture_status make_socket(struct afpacket *s)
{
	s->fd = socket(
	    AF_PACKET, (s->ethernet ? SOCK_RAW : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd >= 0)
		return CAPTURE_UP;
	if (errno == EPERM)
		return refuse(
		    CAPTURE_REFUSED, s, "socket", "not allowed; capturing needs CAP_NET_RAW");
	return refuse(CAPTURE_BROKEN, s, "socket", strerror(errno));
}

static enum capture_status attach(const struct afpacket *s, const struct bpf_program *program)
{
	/* The same instructions under another name. */
	struct sock_fprog prog = {.len = (unsigned short)program->bf_len};
	struct sock_filter code[BPF_MAXINSNS];

	if (program->bf_len > BPF_MAXINSNS)
		return refuse(CAPTURE_REFUSED, s, "filter", "the filter is too long");
	for (unsigned i = 0; i < program->bf_len; i++) {
		const struct bpf_insn *b = &program->bf_insns[i];

		code[i] = (struct sock_filter){b->code, b->jt, b->jf, b->k};
	}
	prog.filter = code;
	if (setsockopt(s->fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) != 0)
		return refuse(CAPTURE_BROKEN, s, "filter", strerror(errno));
	return CAPTURE_UP;
}

/* A taken process shall not widen what it sees. */
static enum capture_status lock(const struct afpacket *s)
{
	int on = 1;

	if (setsockopt(s->fd, SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof(on)) != 0)
		return refuse(CAPTURE_BROKEN, s, "lock", strerror(errno));
	return CAPTURE_UP;
}

/*
 * The program looks at the frame's bytes alone, where the outer tag is not
 * any more: the kernel took it off. So it finds frames under one tag more.
 */
static enum capture_status set_filter(const struct afpacket *s, const char *carriers)
{
	pcap_t *dead = pcap_open_dead(s->ethernet ? DLT_EN10MB : DLT_RAW, SNAP_BYTES);
	struct bpf_program program = {0};
	char text[CAPTURE_FILTER_MAX];
	enum capture_status status;

	if (dead == NULL)
		abort();
	if (capture_filter(s->ethernet ? LINK_ETHERNET : LINK_RAW, carriers, text, sizeof(text)) <
	    0)
		status = refuse(CAPTURE_REFUSED, s, "filter", "the filter is too long");
	else if (pcap_compile(dead, &program, text, 1, PCAP_NETMASK_UNKNOWN) != 0)
		status = refuse(CAPTURE_REFUSED, s, "compile", pcap_geterr(dead));
	else
		status = attach(s, &program);
	pcap_freecode(&program);
	pcap_close(dead);
	return status;
}

/* What we send is nobody's knock, and on the loopback every packet would come twice. */
static enum capture_status only_incoming(const struct afpacket *s)
{
	int on = 1;

	if (setsockopt(s->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) == 0)
		return CAPTURE_UP;
	return refuse(CAPTURE_REFUSED, s, "only_incoming",
	    "the kernel is older than 4.20; use capture = pcap");
}

static enum capture_status make_ring(struct afpacket *s, size_t bytes)
{
	int version = TPACKET_V3;
	struct tpacket_req3 r = {
	    .tp_block_size = BLOCK_BYTES,
	    .tp_frame_size = SNAP_BYTES, /* V3 packs frames; the kernel only checks the product */
	    .tp_retire_blk_tov = RETIRE_MS,
	};
	enum capture_status status = option(s, PACKET_VERSION, &version, sizeof(version), "ring");

	s->blocks = (unsigned)(bytes / BLOCK_BYTES);
	if (s->blocks < BLOCKS_MIN)
		s->blocks = BLOCKS_MIN;
	r.tp_block_nr = s->blocks;
	r.tp_frame_nr = s->blocks * (BLOCK_BYTES / SNAP_BYTES);
	if (status == CAPTURE_UP)
		status = option(s, PACKET_RX_RING, &r, sizeof(r), "ring");
	if (status != CAPTURE_UP)
		return status;
	void *ring = mmap(
	    NULL, (size_t)s->blocks * BLOCK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	if (ring == MAP_FAILED)
		return refuse(CAPTURE_BROKEN, s, "ring", strerror(errno));
	s->ring = ring;
	return CAPTURE_UP;
}

static enum capture_status interface_status(const struct afpacket *s)
{
	return s->any ? CAPTURE_UP : nic_status(s->fd, s->ifindex);
}

static enum capture_status listen_on(const struct afpacket *s)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET,
	    .sll_protocol = htons(ETH_P_ALL),
	    .sll_ifindex = (int)s->ifindex};

	if (bind(s->fd, (struct sockaddr *)&to, sizeof(to)) != 0 && errno != ENODEV)
		return refuse(CAPTURE_BROKEN, s, "bind", strerror(errno));
	enum capture_status status = interface_status(s);
	if (status == CAPTURE_UP)
		return status;
	return refuse(CAPTURE_ABSENT, s, "bind",
	    status == CAPTURE_DOWN ? "the interface is down" : "the interface has just gone");
}

/* Before the lock, which covers the group's program, too. */
static enum capture_status share(const struct afpacket *s, const struct capture_want *want)
{
	if (want->workers < 2 || fanout_join(s->fd, want->group) == 0)
		return CAPTURE_UP;
	return refuse(CAPTURE_BROKEN, s, "share", strerror(errno));
}

static void afpacket_close(void *self)
{
	struct afpacket *s = self;

	if (s->ring != NULL)
		(void)munmap(s->ring, (size_t)s->blocks * BLOCK_BYTES);
	if (s->fd >= 0)
		(void)close(s->fd);
	free(s);
}

static enum capture_status afpacket_open(void **self, const struct capture_want *want)
{
	struct afpacket *s = calloc(1, sizeof(*s));
	enum capture_status status;

	if (s == NULL)
		abort();
	s->fd = -1;
	strncpy(s->name, want->source, sizeof(s->name) - 1);
	s->any = strcmp(want->source, "any") == 0;
	status = find_interface(s);
	if (status == CAPTURE_UP)
		status = make_socket(s);
	if (status == CAPTURE_UP)
		status = set_filter(s, want->filter);
	if (status == CAPTURE_UP)
		status = only_incoming(s);
	if (status == CAPTURE_UP)
		status = make_ring(s, want->buffer_bytes);
	if (status == CAPTURE_UP)
		status = listen_on(s);
	if (status == CAPTURE_UP)
		status = share(s, want);
	if (status == CAPTURE_UP)
		status = lock(s);
	if (status == CAPTURE_UP)
		*self = s;
	else
		afpacket_close(s);
	return status;
}

static int afpacket_fd(const void *self)
{
	const struct afpacket *s = self;

	return s->fd;
}

static struct tpacket_hdr_v1 *block_at(const struct afpacket *s, unsigned block)
{
	uint8_t *at = s->ring + (size_t)block * BLOCK_BYTES;

	return &((struct tpacket_block_desc *)at)->hdr.bh1;
}

static bool is_ours(const struct tpacket_hdr_v1 *b)
{
	return (__atomic_load_n(&b->block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) != 0;
}

static void give_back(struct afpacket *s, struct tpacket_hdr_v1 *b)
{
	__atomic_store_n(&b->block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	s->block = (s->block + 1) % s->blocks;
	s->behind = 0;
}

/*
 * The outer VLAN tag stands beside the frame (tp_vlan_tci), and is not put
 * back: nobody asks which VLAN it was, and layers would step over it.
 */
static void hand_over(
    const struct afpacket *s, const struct tpacket3_hdr *head, capture_fn *fn, void *arg)
{
	const uint8_t *at = (const uint8_t *)head;
	const struct sockaddr_ll *from = (const struct sockaddr_ll *)(at + ADDRESS_AT);
	struct capture_frame frame = {
	    .bytes = at + head->tp_mac,
	    .caplen = head->tp_snaplen,
	    .len = head->tp_len,
	    .link = LINK_ETHERNET,
	    .ifindex = (uint32_t)from->sll_ifindex,
	    .seen_ns = (uint64_t)head->tp_sec * NS_PER_S + head->tp_nsec,
	};

	/* One of several that share them is shown those that we send as well. */
	if (from->sll_pkttype == PACKET_OUTGOING)
		return;
	if (!s->ethernet) {
		frame.link = from->sll_protocol == htons(ETH_P_IPV6) ? LINK_IPV6 : LINK_IPV4;
		if (frame.link == LINK_IPV4 && from->sll_protocol != htons(ETH_P_IP))
			return;
	}
	(void)fn(arg, &frame);
}

/* Frames of one block, until it is done or left is 0. */
static void read_block(
    struct afpacket *s, struct tpacket_hdr_v1 *b, unsigned *left, capture_fn *fn, void *arg)
{
	if (s->behind == 0)
		s->next = b->offset_to_first_pkt;
	for (; s->behind<b->num_pkts && * left> 0; s->behind++, (*left)--) {
		const struct tpacket3_hdr *head =
		    (const struct tpacket3_hdr *)(s->ring + (size_t)s->block * BLOCK_BYTES +
						  s->next);

		hand_over(s, head, fn, arg);
		s->next += head->tp_next_offset;
	}
	if (s->behind == b->num_pkts)
		give_back(s, b);
}

static enum capture_status gone(const struct afpacket *s)
{
	log_warning("interface_gone", "interface=%s", s->name);
	return CAPTURE_GONE;
}

static enum capture_status afpacket_read(void *self, unsigned max, capture_fn *fn, void *arg)
{
	struct afpacket *s = self;
	struct tpacket_hdr_v1 *b = block_at(s, s->block);
	int error = 0;
	socklen_t len = sizeof(error);

	for (; max > 0 && is_ours(b); b = block_at(s, s->block))
		read_block(s, b, &max, fn, arg);
	if (max == 0)
		return CAPTURE_UP;
	/* An error wakes us, too, until it is asked for. */
	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	if (error == 0)
		return CAPTURE_UP;
	if (interface_status(s) == CAPTURE_GONE)
		return gone(s);
	if (error == ENETDOWN) /* down alone, or one of many: that ends by itself */
		return CAPTURE_UP;
	log_error("capture_read", "interface=%s error=\"%s\"", s->name, strerror(error));
	return CAPTURE_BROKEN;
}

/* The kernel's counters begin anew each time. */
static void add_stats(struct afpacket *s)
{
	struct tpacket_stats_v3 now = {0};
	socklen_t len = sizeof(now);

	if (getsockopt(s->fd, SOL_PACKET, PACKET_STATISTICS, &now, &len) != 0)
		return;
	s->sum.seen += now.tp_packets;
	s->sum.lost += now.tp_drops;
}

static enum capture_status afpacket_tick(void *self)
{
	struct afpacket *s = self;
	enum capture_status status = interface_status(s);

	add_stats(s);
	return status == CAPTURE_GONE ? gone(s) : status;
}

static void afpacket_stats(void *self, struct capture_stats *out)
{
	struct afpacket *s = self;

	add_stats(s);
	*out = s->sum;
}

const struct capture_method capture_afpacket = {
    .name = "afpacket",
    .filters = true,
    .capabilities = capabilities,
    .capabilities_len = sizeof(capabilities) / sizeof(capabilities[0]),
    .syscalls = syscalls,
    .syscalls_len = sizeof(syscalls) / sizeof(syscalls[0]),
    .open = afpacket_open,
    .fd = afpacket_fd,
    .read = afpacket_read,
    .tick = afpacket_tick,
    .stats = afpacket_stats,
    .close = afpacket_close,
};
