/*
 * pcap - libpcap on a live interface or "any": the default.
 *
 * Immediate mode, which is a ring of fixed slots (TPACKET_V2) that wakes us
 * with the first frame. A knock is seen after some 40 us, where blocks that
 * wait 1 ms to fill take 550; that costs one to two microseconds of CPU more
 * a frame at 20,000 strangers a second, and next to nothing in a flood, since
 * frames that wait are read in batches ("bench-capture modes" measures both).
 */
#include "capture.h"

#include <assert.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <pcap/pcap.h>

#include "clock.h"
#include "log.h"
#include "nic.h"

enum {
	/*
	 * Two slots a page: whatever an Ethernet can carry, with several
	 * hundred bytes of headers before the longest veil in a jumbo frame.
	 */
	SNAP_BYTES = 1968,
};

static_assert((int)LINK_NULL == DLT_NULL && (int)LINK_ETHERNET == DLT_EN10MB &&
		  (int)LINK_RAW == DLT_RAW && (int)LINK_LOOP == DLT_LOOP &&
		  (int)LINK_SLL == DLT_LINUX_SLL && (int)LINK_SLL2 == DLT_LINUX_SLL2 &&
		  (int)LINK_IPV4 == DLT_IPV4 && (int)LINK_IPV6 == DLT_IPV6,
    "the link types are libpcap's");

struct pcap_source {
	pcap_t *pcap;
	char name[IFNAMSIZ];
	bool any;
	uint32_t ifindex; /* 0 for "any" */
	enum link_type link;
	struct pcap_stat last; /* as the kernel's 32 bits were when we last looked */
	struct capture_stats sum;
	capture_fn *fn; /* while reading */
	void *arg;
};

static const int capabilities[] = {CAP_NET_RAW};

/*
 * Beside poll, which libpcap, too, calls when it finds the ring empty: it asks
 * a socket that reports an error what became of its interface.
 */
static const int syscalls[] = {SYS_getsockname, SYS_getsockopt, SYS_ioctl};

static enum capture_status refuse(
    enum capture_status status, const struct pcap_source *s, const char *what, const char *why)
{
	log_error("capture_open", "interface=%s step=%s error=\"%s\"", s->name, what, why);
	return status;
}

/* Before the handle is activated: on an active one alone could these fail. */
static void configure(pcap_t *p, const struct capture_want *want)
{
	(void)pcap_set_snaplen(p, SNAP_BYTES);
	(void)pcap_set_promisc(p, 0);
	(void)pcap_set_immediate_mode(p, 1);
	(void)pcap_set_buffer_size(p, (int)want->buffer_bytes);
	(void)pcap_set_tstamp_precision(p, PCAP_TSTAMP_PRECISION_NANO);
}

static enum capture_status activate(struct pcap_source *s)
{
	int status = pcap_activate(s->pcap);

	if (status >= 0)
		return CAPTURE_UP;
	switch (status) {
	case PCAP_ERROR_NO_SUCH_DEVICE:
		return refuse(CAPTURE_ABSENT, s, "activate", "there is no such interface (yet)");
	case PCAP_ERROR_IFACE_NOT_UP:
		return refuse(CAPTURE_ABSENT, s, "activate", "the interface is down");
	case PCAP_ERROR_PERM_DENIED:
		return refuse(
		    CAPTURE_REFUSED, s, "activate", "not allowed; capturing needs CAP_NET_RAW");
	default:
		return refuse(CAPTURE_BROKEN, s, "activate", pcap_geterr(s->pcap));
	}
}

static bool known_link(int dlt)
{
	switch (dlt) {
	case LINK_ETHERNET:
	case LINK_RAW:
	case LINK_SLL:
	case LINK_SLL2:
	case LINK_NULL:
	case LINK_LOOP:
	case LINK_IPV4:
	case LINK_IPV6:
		return true;
	default:
		return false;
	}
}

/* On "any" only the second cooked form tells where a frame came in. */
static enum capture_status choose_link(struct pcap_source *s)
{
	if (s->any && pcap_set_datalink(s->pcap, DLT_LINUX_SLL2) != 0)
		return refuse(CAPTURE_BROKEN, s, "datalink", pcap_geterr(s->pcap));
	int dlt = pcap_datalink(s->pcap);
	if (!known_link(dlt))
		return refuse(CAPTURE_REFUSED, s, "datalink",
		    "its frames are of a kind that postern cannot read");
	s->link = (enum link_type)dlt;
	return CAPTURE_UP;
}

/* Without a filter in the kernel every frame of the interface would come up to us. */
static bool kernel_filters(int fd)
{
	socklen_t instructions = 0;

	return getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, NULL, &instructions) == 0 &&
	       instructions > 0;
}

static enum capture_status set_filter(struct pcap_source *s, const char *carriers)
{
	struct bpf_program program = {0};
	char text[CAPTURE_FILTER_MAX];
	enum capture_status status = CAPTURE_REFUSED;

	if (capture_filter(s->link, carriers, text, sizeof(text)) < 0)
		return refuse(CAPTURE_REFUSED, s, "filter", "the filter is too long");
	if (pcap_compile(s->pcap, &program, text, 1, PCAP_NETMASK_UNKNOWN) != 0)
		return refuse(CAPTURE_REFUSED, s, "compile", pcap_geterr(s->pcap));
	if (pcap_setfilter(s->pcap, &program) != 0)
		(void)refuse(status, s, "setfilter", pcap_geterr(s->pcap));
	else if (!kernel_filters(pcap_fileno(s->pcap)))
		(void)refuse(status, s, "setfilter", "the kernel did not take the filter");
	else
		status = CAPTURE_UP;
	pcap_freecode(&program);
	return status;
}

/*
 * What we send is nobody's knock, and on the loopback every packet would come
 * twice. Kernels before 4.20 leave that to libpcap.
 */
static enum capture_status only_incoming(struct pcap_source *s)
{
	int on = 1;

	(void)setsockopt(pcap_fileno(s->pcap), SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on));
	if (pcap_setdirection(s->pcap, PCAP_D_IN) != 0)
		return refuse(CAPTURE_BROKEN, s, "setdirection", pcap_geterr(s->pcap));
	return CAPTURE_UP;
}

/* A taken process shall not widen what it sees. */
static enum capture_status lock(struct pcap_source *s)
{
	char why[PCAP_ERRBUF_SIZE] = "";
	int on = 1;

	if (setsockopt(pcap_fileno(s->pcap), SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof(on)) != 0)
		return refuse(CAPTURE_BROKEN, s, "lock", strerror(errno));
	if (pcap_setnonblock(s->pcap, 1, why) != 0)
		return refuse(CAPTURE_BROKEN, s, "nonblock", why);
	return CAPTURE_UP;
}

static enum capture_status start(struct pcap_source *s, const struct capture_want *want)
{
	enum capture_status status;

	configure(s->pcap, want);
	status = activate(s);
	if (status == CAPTURE_UP)
		status = choose_link(s);
	if (status == CAPTURE_UP)
		status = set_filter(s, want->filter);
	if (status == CAPTURE_UP)
		status = only_incoming(s);
	if (status == CAPTURE_UP)
		status = lock(s);
	return status;
}

static void pcap_source_close(void *self)
{
	struct pcap_source *s = self;

	if (s->pcap != NULL)
		pcap_close(s->pcap);
	free(s);
}

static enum capture_status pcap_source_open(void **self, const struct capture_want *want)
{
	char why[PCAP_ERRBUF_SIZE] = "";
	struct pcap_source *s = calloc(1, sizeof(*s));
	enum capture_status status;

	if (s == NULL)
		abort();
	strncpy(s->name, want->source, sizeof(s->name) - 1);
	s->any = strcmp(want->source, "any") == 0;
	s->ifindex = s->any ? 0 : if_nametoindex(want->source);
	s->pcap = pcap_create(want->source, why);
	status = s->pcap != NULL ? start(s, want) : refuse(CAPTURE_BROKEN, s, "create", why);
	if (status == CAPTURE_UP)
		*self = s;
	else
		pcap_source_close(s);
	return status;
}

static int pcap_source_fd(const void *self)
{
	const struct pcap_source *s = self;

	return pcap_get_selectable_fd(s->pcap);
}

static void hand_over(u_char *user, const struct pcap_pkthdr *head, const u_char *bytes)
{
	struct pcap_source *s = (struct pcap_source *)user;
	struct capture_frame frame = {
	    .bytes = bytes,
	    .caplen = head->caplen,
	    .len = head->len,
	    .link = s->link,
	    .ifindex = s->ifindex,
	    /* With the precision that was asked for, "microseconds" are nanoseconds. */
	    .seen_ns = (uint64_t)head->ts.tv_sec * NS_PER_S + (uint64_t)head->ts.tv_usec,
	};

	(void)s->fn(s->arg, &frame);
}

static enum capture_status interface_status(const struct pcap_source *s)
{
	return s->any ? CAPTURE_UP : nic_status(pcap_fileno(s->pcap), s->ifindex);
}

static enum capture_status gone(const struct pcap_source *s)
{
	log_warning("interface_gone", "interface=%s", s->name);
	return CAPTURE_GONE;
}

static enum capture_status pcap_source_read(void *self, unsigned max, capture_fn *fn, void *arg)
{
	struct pcap_source *s = self;

	s->fn = fn;
	s->arg = arg;
	if (pcap_dispatch(s->pcap, (int)max, hand_over, (u_char *)s) >= 0)
		return CAPTURE_UP;
	/* An interface that is only down is no error to libpcap. */
	if (interface_status(s) == CAPTURE_GONE)
		return gone(s);
	log_error("capture_read", "interface=%s error=\"%s\"", s->name, pcap_geterr(s->pcap));
	return CAPTURE_BROKEN;
}

static void add_stats(struct pcap_source *s)
{
	struct pcap_stat now;

	if (pcap_stats(s->pcap, &now) != 0)
		return;
	s->sum.seen += (uint32_t)(now.ps_recv - s->last.ps_recv);
	s->sum.lost += (uint32_t)(now.ps_drop - s->last.ps_drop);
	s->last = now;
}

static enum capture_status pcap_source_tick(void *self)
{
	struct pcap_source *s = self;

	enum capture_status status = interface_status(s);

	add_stats(s);
	return status == CAPTURE_GONE ? gone(s) : status;
}

static void pcap_source_stats(void *self, struct capture_stats *out)
{
	struct pcap_source *s = self;

	add_stats(s);
	*out = s->sum;
}

const struct capture_method capture_pcap = {
    .name = "pcap",
    .filters = true,
    .capabilities = capabilities,
    .capabilities_len = sizeof(capabilities) / sizeof(capabilities[0]),
    .syscalls = syscalls,
    .syscalls_len = sizeof(syscalls) / sizeof(syscalls[0]),
    .open = pcap_source_open,
    .fd = pcap_source_fd,
    .read = pcap_source_read,
    .tick = pcap_source_tick,
    .stats = pcap_source_stats,
    .close = pcap_source_close,
};
