/*
 * xdp - a program of ours in the kernel (xdp.bpf.c) that looks at each frame of
 * one interface before anything else does: knocks come to us by a ring, and
 * strangers at the knock port are dropped for the price of a SipHash a key.
 *
 * What the program takes no other capture sees, tcpdump included; what it does
 * not understand it lets pass, and an AF_PACKET ring beside it hears that. Both
 * rings are open from the start, and until the keys come everything passes, so
 * nothing is lost in between. When we die, however that is, the kernel takes
 * the program away; the guard in the firewall's table stands behind it all the
 * time.
 *
 * What of the program is ours to write stays so in the jail, for keys are
 * rotated and addresses change: whoever takes this process can have the
 * program drop all datagrams to the knock port of UDP that come by the
 * interface, those to other hosts included, and nothing else: other ports and
 * protocols it never drops, and it hands nothing over but what the SipHash of
 * a key holds for.
 *
 * One program at an interface: a second xdp there, also our own successor, has
 * to wait until the first one is gone.
 */
#include "capture.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <linux/capability.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "carrier.h"
#include "clock.h"
#include "log.h"
#include "nic.h"
#include "secret.h"
#include "veil.h"
#include "xdp_own.h"
#include "xdp_program.h"

enum {
	SLOW_SHARE = 4, /* of a batch, one in so many is kept for the slow path */
};

static_assert((int)XDP_VEIL_MOST == (int)VEIL_ROOM, "xdp_shared.h and veil.h agree");
static_assert((int)XDP_VEIL_LEAST == (int)VEIL_OVERHEAD_CLIENT, "and in this");

struct xdp {
	struct xdp_program program;
	struct ring_buffer *ring;
	struct xdp_own *own;
	void *slow; /* capture_afpacket's */
	int probe;  /* for questions about the interface */
	int epoll;  /* readable when the ring, the slow path or the addresses have something */
	char name[IFNAMSIZ];
	uint32_t ifindex;
	uint64_t taken; /* out of the ring */
	bool stopped;
	/* While reading: */
	unsigned left;
	uint64_t real_less_mono_ns;
	capture_fn *fn;
	void *arg;
};

/*
 * CAP_PERFMON, though nothing is measured: without it the kernel wants packet
 * offsets to be constants and makes each write to the stack wait, and the gate
 * takes more than twice its time.
 */
static const int capabilities[] = {CAP_NET_ADMIN, CAP_NET_RAW, CAP_PERFMON, CAP_BPF};

/* The slow path's, and for both: ioctl. The ring and the counters are memory. */
static const int syscalls[] = {SYS_getsockopt, SYS_ioctl};

static enum capture_status refuse(
    enum capture_status status, const struct xdp *s, const char *what, const char *why)
{
	log_error("capture_open", "interface=%s step=%s error=\"%s\"", s->name, what, why);
	return status;
}

static bool learn_mac(struct xdp *s)
{
	uint8_t mac[6];

	if (!nic_mac(s->probe, s->ifindex, mac))
		return false;
	memcpy(s->program.control->mac, mac, sizeof(mac));
	return true;
}

static enum capture_status find_interface(struct xdp *s)
{
	uint8_t mac[6];

	if (strcmp(s->name, "any") == 0)
		return refuse(CAPTURE_REFUSED, s, "find",
		    "xdp works on one interface; name each, or use capture = pcap");
	s->ifindex = if_nametoindex(s->name);
	s->probe = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s->probe < 0)
		return refuse(CAPTURE_BROKEN, s, "find", strerror(errno));
	if (s->ifindex == 0)
		return refuse(CAPTURE_ABSENT, s, "find", "there is no such interface (yet)");
	if (!nic_mac(s->probe, s->ifindex, mac))
		return refuse(CAPTURE_REFUSED, s, "find",
		    "its frames are not Ethernet's; use capture = afpacket");
	return CAPTURE_UP;
}

static enum capture_status load(struct xdp *s, const struct capture_want *want, size_t ring_bytes)
{
	const struct xdp_fixed fixed = {.udp_port_be = htons(want->udp_port),
	    .tcp_port_be = htons(want->tcp_port),
	    .icmp = want->icmp,
	    .answers = want->answers};
	int status = xdp_load(&s->program, &fixed, ring_bytes);

	if (status == 0)
		return CAPTURE_UP;
	if (status == -EPERM)
		return refuse(CAPTURE_REFUSED, s, "load",
		    "not allowed; xdp needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN");
	return refuse(CAPTURE_REFUSED, s, "load",
	    "the kernel did not take the program: it must be 5.18 or newer and have BPF and its "
	    "JIT (log-level = debug says why); use capture = afpacket");
}

static enum capture_status learn_host(struct xdp *s)
{
	s->own = xdp_own_open(s->program.control->own);
	if (s->own == NULL)
		return refuse(CAPTURE_BROKEN, s, "addresses", strerror(errno));
	return learn_mac(s) ? CAPTURE_UP
			    : refuse(CAPTURE_ABSENT, s, "addresses", "the interface has just gone");
}

static bool watch(const struct xdp *s, int fd)
{
	struct epoll_event e = {.events = EPOLLIN};

	return epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e) == 0;
}

static int on_record(void *arg, void *data, size_t size);

static enum capture_status join_descriptors(struct xdp *s)
{
	s->ring = ring_buffer__new(s->program.ring, on_record, s, NULL);
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (s->ring != NULL && s->epoll >= 0 && watch(s, s->program.ring) &&
	    watch(s, capture_afpacket.fd(s->slow)) && watch(s, xdp_own_fd(s->own)))
		return CAPTURE_UP;
	return refuse(CAPTURE_BROKEN, s, "ring", strerror(errno));
}

static enum capture_status attach(struct xdp *s)
{
	const char *mode;
	int status = xdp_attach(&s->program, s->ifindex, &mode);

	if (status == -EBUSY || status == -EEXIST)
		return refuse(CAPTURE_BROKEN, s, "attach",
		    "another XDP program is at this interface (see ip link); take it away, or use "
		    "capture = afpacket");
	if (status != 0)
		return refuse(CAPTURE_BROKEN, s, "attach", strerror(-status));
	log_info("xdp_attached", "interface=%s mode=%s", s->name, mode);
	return CAPTURE_UP;
}

static void xdp_close(void *self)
{
	struct xdp *s = self;

	ring_buffer__free(s->ring);
	xdp_unload(&s->program);
	xdp_own_close(s->own);
	if (s->slow != NULL)
		capture_afpacket.close(s->slow);
	if (s->epoll >= 0)
		(void)close(s->epoll);
	if (s->probe >= 0)
		(void)close(s->probe);
	free(s);
}

static enum capture_status xdp_open(void **self, const struct capture_want *want)
{
	struct capture_want slow = *want;
	struct xdp *s = calloc(1, sizeof(*s));
	enum capture_status status;

	if (s == NULL)
		abort();
	s->probe = s->epoll = s->program.link = -1;
	strncpy(s->name, want->source, sizeof(s->name) - 1);
	slow.buffer_bytes /= 2;
	status = find_interface(s);
	if (status == CAPTURE_UP)
		status = capture_afpacket.open(&s->slow, &slow);
	if (status == CAPTURE_UP)
		status = load(s, want, want->buffer_bytes - slow.buffer_bytes);
	if (status == CAPTURE_UP)
		status = learn_host(s);
	if (status == CAPTURE_UP)
		status = join_descriptors(s);
	if (status == CAPTURE_UP)
		status = attach(s);
	if (status == CAPTURE_UP)
		*self = s;
	else
		xdp_close(s);
	return status;
}

static int xdp_fd(const void *self)
{
	const struct xdp *s = self;

	return s->epoll;
}

/* One key more: SipHash's two words of it, as sip_hash() in the kernel takes them. */
static void add_key(struct xdp_setting *setting, const uint8_t gate[static SHORT_KEY_BYTES])
{
	uint64_t words[2];

	memcpy(words, gate, sizeof(words));
	setting->key[setting->keys][0] = le64toh(words[0]);
	setting->key[setting->keys][1] = le64toh(words[1]);
	setting->keys++;
}

/* Into the setting that is not in force; then they change places. */
static void xdp_keys(void *self, const struct veil_keys *key, unsigned keys)
{
	struct xdp *s = self;
	struct xdp_control *c = s->program.control;
	uint32_t next = c->active == 1 ? 2 : 1;
	struct xdp_setting *setting = &c->setting[next - 1];

	*setting = (struct xdp_setting){.keys = 0};
	for (unsigned i = 0; i < keys && i < XDP_KEYS_MAX; i++)
		add_key(setting, key[i].gate);
	__atomic_store_n(&c->active, next, __ATOMIC_RELEASE);
}

static uint64_t mono_ns(void)
{
	struct timespec t = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* Returns 0 to be called for the next one. */
static int on_record(void *arg, void *data, size_t size)
{
	struct xdp *s = arg;
	const struct xdp_record *r = data;
	struct capture_frame frame = {
	    .bytes = r->bytes,
	    .caplen = r->len,
	    .len = r->len,
	    .link = LINK_ETHERNET,
	    .ifindex = s->ifindex,
	    .seen_ns = r->mono_ns + s->real_less_mono_ns,
	};

	(void)size; /* always the same */
	s->taken++;
	(void)s->fn(s->arg, &frame);
	return --s->left > 0 ? 0 : -ECANCELED;
}

static enum capture_status xdp_read(void *self, unsigned max, capture_fn *fn, void *arg)
{
	struct xdp *s = self;
	unsigned slow = s->stopped ? 0 : (max + SLOW_SHARE - 1) / SLOW_SHARE;

	if (xdp_own_read(s->own) != 0) {
		log_error("capture_read",
		    "interface=%s error=\"lost track of this host's addresses\"", s->name);
		return CAPTURE_BROKEN;
	}
	s->fn = fn;
	s->arg = arg;
	s->left = max - slow;
	s->real_less_mono_ns = clock_real_ns() - mono_ns();
	if (s->left > 0)
		(void)ring_buffer__consume(s->ring);
	slow += s->left;
	return s->stopped ? CAPTURE_UP : capture_afpacket.read(s->slow, slow, fn, arg);
}

static enum capture_status xdp_tick(void *self)
{
	struct xdp *s = self;

	/* With another one than the program knows, frames only take the slow path. */
	(void)learn_mac(s);
	return capture_afpacket.tick(s->slow);
}

static void xdp_stop(void *self)
{
	struct xdp *s = self;

	s->stopped = true;
	xdp_detach(&s->program);
}

static void xdp_stats(void *self, struct capture_stats *out)
{
	struct xdp *s = self;
	struct xdp_counts n;

	xdp_count(&s->program, &n);
	capture_afpacket.stats(s->slow, out);
	out->gate += n.of[XDP_COUNT_GATE];
	out->length += n.of[XDP_COUNT_LENGTH];
	out->lost += n.of[XDP_COUNT_LOST];
	out->seen +=
	    s->taken + n.of[XDP_COUNT_GATE] + n.of[XDP_COUNT_LENGTH] + n.of[XDP_COUNT_LOST];
}

const struct capture_method capture_xdp = {
    .name = "xdp",
    .capabilities = capabilities,
    .capabilities_len = sizeof(capabilities) / sizeof(capabilities[0]),
    .syscalls = syscalls,
    .syscalls_len = sizeof(syscalls) / sizeof(syscalls[0]),
    .open = xdp_open,
    .fd = xdp_fd,
    .read = xdp_read,
    .tick = xdp_tick,
    .keys = xdp_keys,
    .stop = xdp_stop,
    .stats = xdp_stats,
    .close = xdp_close,
};
