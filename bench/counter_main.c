/*
 * bench-counter - the least that a reader of each kind can do: take packets
 * out of the kernel and count them. What a capture method of posternd does is
 * held against it.
 *
 *   bench-counter pcap|afpacket|xdp INTERFACE PORT
 *   bench-counter udp INTERFACE PORT
 *   bench-counter nflog|nfqueue NUMBER
 *
 * xdp drops all that the interface receives; nfqueue drops all that it reads.
 * Prints "ready", and at SIGTERM one JSON object: packets seen, and lost as far
 * as the kernel says so.
 */
#include <err.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <pcap/pcap.h>

#include "counter_xdp.h"
#include "netlink.h"

enum {
	RING_BYTES = 16 << 20, /* as posternd's */
	SNAP = 2048,
	BLOCK_BYTES = 1 << 18,
	BLOCKS = RING_BYTES / BLOCK_BYTES,
	RETIRE_MS = 1,
	BATCH = 256,
	DATAGRAMS = 64,
	TURN_MS = 100,
	DROP = 0, /* NF_DROP; its header does not go with libc's */
};

struct count {
	uint64_t seen, lost;
};

/* One reader, run until a signal; end tells what is only known at the end. */
struct reader {
	const char *name;
	void (*open)(const char *source, uint16_t port);
	void (*read)(struct count *c);
	void (*end)(struct count *c);
};

/* What the reader that runs has open. The program is one reader. */
static struct {
	int fd;
	pcap_t *pcap;
	uint8_t *ring;
	unsigned block;
	uint16_t number;
	bool numbered;
	uint32_t next;
	uint32_t overflow;
	uint8_t *bytes;
} own = {.fd = -1};

/* --- pcap --- */

static void compile(pcap_t *p, uint16_t port, struct bpf_program *out)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "udp dst port %u", port);
	if (pcap_compile(p, out, text, 1, PCAP_NETMASK_UNKNOWN) != 0)
		errx(1, "%s", pcap_geterr(p));
}

static void open_pcap(const char *source, uint16_t port)
{
	char why[PCAP_ERRBUF_SIZE] = "";
	struct bpf_program program;

	own.pcap = pcap_create(source, why);
	if (own.pcap == NULL)
		errx(1, "%s", why);
	(void)pcap_set_snaplen(own.pcap, SNAP);
	(void)pcap_set_immediate_mode(own.pcap, 1);
	(void)pcap_set_buffer_size(own.pcap, RING_BYTES);
	if (pcap_activate(own.pcap) < 0)
		errx(1, "%s", pcap_geterr(own.pcap));
	compile(own.pcap, port, &program);
	if (pcap_setfilter(own.pcap, &program) != 0 || pcap_setnonblock(own.pcap, 1, why) != 0)
		errx(1, "%s%s", pcap_geterr(own.pcap), why);
	own.fd = pcap_get_selectable_fd(own.pcap);
}

static void on_packet(u_char *user, const struct pcap_pkthdr *head, const u_char *bytes)
{
	struct count *c = (struct count *)user;

	(void)head;
	(void)bytes;
	c->seen++;
}

static void read_pcap(struct count *c)
{
	if (pcap_dispatch(own.pcap, BATCH, on_packet, (u_char *)c) < 0)
		errx(1, "%s", pcap_geterr(own.pcap));
}

static void end_pcap(struct count *c)
{
	struct pcap_stat s;

	if (pcap_stats(own.pcap, &s) == 0)
		c->lost = s.ps_drop;
}

/* --- afpacket --- */

static void attach(uint16_t port)
{
	pcap_t *dead = pcap_open_dead(DLT_EN10MB, SNAP);
	struct bpf_program program;
	struct sock_filter code[BPF_MAXINSNS];
	struct sock_fprog prog = {.filter = code};

	compile(dead, port, &program);
	for (unsigned i = 0; i < program.bf_len; i++) {
		const struct bpf_insn *b = &program.bf_insns[i];

		code[i] = (struct sock_filter){b->code, b->jt, b->jf, b->k};
	}
	prog.len = (unsigned short)program.bf_len;
	if (setsockopt(own.fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) != 0)
		err(1, "filter");
	pcap_close(dead);
}

static void open_afpacket(const char *source, uint16_t port)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET,
	    .sll_protocol = htons(0x0003),
	    .sll_ifindex = (int)if_nametoindex(source)};
	struct tpacket_req3 r = {.tp_block_size = BLOCK_BYTES,
	    .tp_block_nr = BLOCKS,
	    .tp_frame_size = SNAP,
	    .tp_frame_nr = BLOCKS * (BLOCK_BYTES / SNAP),
	    .tp_retire_blk_tov = RETIRE_MS};
	int version = TPACKET_V3;

	own.fd = socket(AF_PACKET, SOCK_RAW, 0);
	attach(port);
	if (setsockopt(own.fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) != 0 ||
	    setsockopt(own.fd, SOL_PACKET, PACKET_RX_RING, &r, sizeof(r)) != 0)
		err(1, "ring");
	own.ring = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, own.fd, 0);
	if (own.ring == MAP_FAILED || bind(own.fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		err(1, "%s", source);
}

/* Touches each frame's head, as anybody must who wants to know more than a number. */
static void read_afpacket(struct count *c)
{
	for (;;) {
		uint8_t *at = own.ring + (size_t)own.block * BLOCK_BYTES;
		struct tpacket_hdr_v1 *b = &((struct tpacket_block_desc *)at)->hdr.bh1;

		if ((__atomic_load_n(&b->block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) == 0)
			return;
		uint32_t next = b->offset_to_first_pkt;
		for (uint32_t i = 0; i < b->num_pkts; i++) {
			const struct tpacket3_hdr *head = (const struct tpacket3_hdr *)(at + next);

			c->seen += head->tp_snaplen > 0;
			next += head->tp_next_offset;
		}
		__atomic_store_n(&b->block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
		own.block = (own.block + 1) % BLOCKS;
	}
}

static void end_afpacket(struct count *c)
{
	struct tpacket_stats_v3 s;
	socklen_t len = sizeof(s);

	if (getsockopt(own.fd, SOL_PACKET, PACKET_STATISTICS, &s, &len) == 0)
		c->lost = s.tp_drops;
}

/* --- udp --- */

static void open_udp(const char *source, uint16_t port)
{
	const struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
	const int bytes = RING_BYTES, on = 1;

	(void)source;
	own.fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (setsockopt(own.fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) != 0 ||
	    setsockopt(own.fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof(on)) != 0 ||
	    bind(own.fd, (const struct sockaddr *)&any, sizeof(any)) != 0)
		err(1, "port %u", port);
}

static void read_udp(struct count *c)
{
	static uint8_t bytes[DATAGRAMS][SNAP];
	static _Alignas(struct cmsghdr) uint8_t control[DATAGRAMS][64];
	struct iovec iov[DATAGRAMS];
	struct mmsghdr m[DATAGRAMS] = {0};
	int n;

	for (unsigned i = 0; i < DATAGRAMS; i++) {
		iov[i] = (struct iovec){bytes[i], SNAP};
		m[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i],
		    .msg_iovlen = 1,
		    .msg_control = control[i],
		    .msg_controllen = sizeof(control[i])};
	}
	n = recvmmsg(own.fd, m, DATAGRAMS, MSG_DONTWAIT, NULL);
	c->seen += n > 0 ? (unsigned)n : 0;
	for (int i = 0; i < n; i++) {
		const struct cmsghdr *h = CMSG_FIRSTHDR(&m[i].msg_hdr);

		if (h != NULL && h->cmsg_type == SO_RXQ_OVFL)
			memcpy(&own.overflow, CMSG_DATA(h), sizeof(own.overflow));
	}
	c->lost = own.overflow;
}

/* --- nflog and nfqueue --- */

static void ask(struct nlmsghdr *m)
{
	unsigned before;
	int error = netlink_ask(own.fd, m, own.bytes, &before);

	if (error != 0)
		errx(1, "number %u: %s", own.number, strerror(error));
}

static void open_netlink(const char *source)
{
	own.number = (uint16_t)strtoul(source, NULL, 10);
	own.fd = netlink_open(RING_BYTES);
	own.bytes = malloc(NETLINK_BYTES);
	if (own.fd < 0 || own.bytes == NULL)
		err(1, "netlink");
}

static void open_nflog(const char *source, uint16_t port)
{
	const struct nfulnl_msg_config_cmd take = {.command = NFULNL_CFG_CMD_BIND};
	const struct nfulnl_msg_config_mode mode = {
	    .copy_mode = NFULNL_COPY_PACKET, .copy_range = htonl(NETLINK_SNAP)};
	struct nlmsghdr *m;

	(void)port;
	open_netlink(source);
	m = netlink_request(own.bytes, NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG, own.number);
	mnl_attr_put(m, NFULA_CFG_CMD, sizeof(take), &take);
	mnl_attr_put(m, NFULA_CFG_MODE, sizeof(mode), &mode);
	mnl_attr_put_u32(m, NFULA_CFG_QTHRESH, htonl(1));
	mnl_attr_put_u16(m, NFULA_CFG_FLAGS, htons(NFULNL_CFG_F_SEQ));
	ask(m);
}

static void open_nfqueue(const char *source, uint16_t port)
{
	const struct nfqnl_msg_config_cmd take = {.command = NFQNL_CFG_CMD_BIND};
	const struct nfqnl_msg_config_params how = {
	    .copy_mode = NFQNL_COPY_PACKET, .copy_range = htonl(NETLINK_SNAP)};
	struct nlmsghdr *m;

	(void)port;
	open_netlink(source);
	m = netlink_request(own.bytes, NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_CONFIG, own.number);
	mnl_attr_put(m, NFQA_CFG_CMD, sizeof(take), &take);
	mnl_attr_put(m, NFQA_CFG_PARAMS, sizeof(how), &how);
	mnl_attr_put_u32(m, NFQA_CFG_QUEUE_MAXLEN, htonl(1 << 16));
	ask(m);
}

/* Both number their packets: a gap is a loss. */
static void count_number(struct count *c, uint32_t number)
{
	if (own.numbered)
		c->lost += number - own.next;
	own.numbered = true;
	own.next = number + 1;
	c->seen++;
}

static int on_logged(const struct nlmsghdr *m, void *arg)
{
	const struct nlattr *a[NFULA_MAX + 1];

	if (netlink_attributes(m, a, NFULA_MAX + 1))
		count_number(arg, netlink_u32(a[NFULA_SEQ], own.next));
	return MNL_CB_OK;
}

static int on_queued(const struct nlmsghdr *m, void *arg)
{
	const struct nlattr *a[NFQA_MAX + 1];

	/* The number is the first field of its attribute. */
	if (netlink_attributes(m, a, NFQA_MAX + 1))
		count_number(arg, netlink_u32(a[NFQA_PACKET_HDR], own.next));
	return MNL_CB_OK;
}

static void read_nflog(struct count *c)
{
	for (int i = 0; i < BATCH && netlink_read(own.fd, own.bytes, on_logged, c) > 0; i++)
		;
}

static void drop_all_read(void)
{
	const struct nfqnl_msg_verdict_hdr head = {
	    .verdict = htonl(DROP), .id = htonl(own.next - 1)};
	struct nlmsghdr *m = netlink_request(
	    own.bytes, NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_VERDICT_BATCH, own.number);

	m->nlmsg_flags = NLM_F_REQUEST;
	mnl_attr_put(m, NFQA_VERDICT_HDR, sizeof(head), &head);
	if (send(own.fd, m, m->nlmsg_len, 0) < 0)
		err(1, "verdict");
}

static void read_nfqueue(struct count *c)
{
	int i = 0;

	while (i < BATCH && netlink_read(own.fd, own.bytes, on_queued, c) > 0)
		i++;
	if (i > 0)
		drop_all_read();
}

static void end_nothing(struct count *c)
{
	(void)c;
}

/* It never wakes: the kernel counts. */
static void read_nothing(struct count *c)
{
	(void)c;
}

static void open_xdp(const char *source, uint16_t port)
{
	(void)port;
	counter_xdp_open(source);
}

static void end_xdp(struct count *c)
{
	c->seen = counter_xdp_seen();
}

static const struct reader readers[] = {
    {"pcap", open_pcap, read_pcap, end_pcap},
    {"afpacket", open_afpacket, read_afpacket, end_afpacket},
    {"udp", open_udp, read_udp, end_nothing},
    {"nflog", open_nflog, read_nflog, end_nothing},
    {"nfqueue", open_nfqueue, read_nfqueue, end_nothing},
    {"xdp", open_xdp, read_nothing, end_xdp},
};

static const struct reader *find(const char *name)
{
	for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++)
		if (strcmp(readers[i].name, name) == 0)
			return &readers[i];
	return NULL;
}

static int block_signals(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_NONBLOCK);
}

int main(int argc, char **argv)
{
	const struct reader *r = argc >= 3 ? find(argv[1]) : NULL;
	struct pollfd p[2] = {{.fd = block_signals(), .events = POLLIN}, {.events = POLLIN}};
	struct count c = {0};

	if (r == NULL)
		errx(3,
		    "usage: bench-counter pcap|afpacket|udp|xdp INTERFACE PORT, or nflog|nfqueue "
		    "NUMBER");
	r->open(argv[2], argc > 3 ? (uint16_t)strtoul(argv[3], NULL, 10) : 0);
	p[1].fd = own.fd;
	(void)puts("ready");
	(void)fflush(stdout);
	while ((p[0].revents & POLLIN) == 0) {
		if (poll(p, 2, TURN_MS) < 0 && errno != EINTR)
			err(1, "poll");
		if (p[1].revents != 0)
			r->read(&c);
	}
	r->end(&c);
	(void)printf("{\"seen\":%llu,\"lost\":%llu}\n", (unsigned long long)c.seen,
	    (unsigned long long)c.lost);
	return 0;
}
