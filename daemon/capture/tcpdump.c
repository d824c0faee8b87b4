/*
 * tcpdump - the program captures, we read its recording from a pipe: for hosts
 * where that program alone may. It has no right but to capture, and ends when
 * we do: see keeper.h. What the kernel lost it tells once a second, on its
 * standard error.
 */
#include "capture.h"

#include <errno.h>
#include <linux/capability.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "feed.h"
#include "keeper.h"
#include "log.h"
#include "tcpdump_said.h"

enum {
	PATIENCE_MS = 5000, /* until its recording begins */
	NUMBER_TEXT = 24,
	KIB = 1024,
};

#define SNAP_TEXT \
	"1968" /* as pcap.c's: more than any knock, and two slots of the kernel's ring a page */

static const char *const places[] = {
    "/usr/bin/tcpdump", "/usr/sbin/tcpdump", "/usr/local/bin/tcpdump", "/usr/local/sbin/tcpdump"};

struct tcpdump {
	struct keeper keeper;
	struct feed feed;
	struct tcpdump_said said;
	char interface[IFNAMSIZ];
};

static const int capabilities[] = {CAP_NET_RAW};
static const int syscalls[] = {SYS_read, FEED_SYSCALL};

static enum capture_status refuse(
    enum capture_status status, const struct tcpdump *t, const char *what, const char *why)
{
	log_error("capture_open", "interface=%s step=%s error=\"%s\"", t->interface, what, why);
	return status;
}

static const char *find_program(void)
{
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (access(places[i], X_OK) == 0)
			return places[i];
	return NULL;
}

/* What its frames begin with, so far as the filter must know it. */
static enum link_type link_of(const char *interface)
{
	struct ifreq r = {0};
	enum link_type link = LINK_RAW;
	const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strncpy(r.ifr_name, interface, sizeof(r.ifr_name) - 1);
	if (fd >= 0 && ioctl(fd, SIOCGIFHWADDR, &r) == 0 &&
	    (r.ifr_hwaddr.sa_family == ARPHRD_ETHER || r.ifr_hwaddr.sa_family == ARPHRD_LOOPBACK))
		link = LINK_ETHERNET;
	if (fd >= 0)
		(void)close(fd);
	return link;
}

static enum capture_status start(struct tcpdump *t, const struct capture_want *want)
{
	const bool any = strcmp(want->source, "any") == 0;
	const char *program = find_program();
	char filter[CAPTURE_FILTER_MAX], kib[NUMBER_TEXT];
	const char *const argv[] = {program, "-i", want->source, "-Q", "in", "-p", "-nn", "-U",
	    "--immediate-mode", "-s", SNAP_TEXT, "-B", kib, "--time-stamp-precision=nano", "-w",
	    "-", filter, NULL};
	const struct keeper_plan plan = {
	    .argv = argv, .uid = want->uid, .gid = want->gid, .ask = SIGUSR1};

	if (program == NULL)
		return refuse(CAPTURE_REFUSED, t, "program",
		    "tcpdump is not installed; install it, or use capture = pcap");
	if (!any && if_nametoindex(want->source) == 0)
		return refuse(CAPTURE_ABSENT, t, "interface", "there is no such interface (yet)");
	if (capture_filter(
		any ? LINK_SLL2 : link_of(want->source), want->filter, filter, sizeof(filter)) < 0)
		return refuse(CAPTURE_REFUSED, t, "filter", "the filter is too long");
	(void)snprintf(kib, sizeof(kib), "%zu", want->buffer_bytes / KIB + 1);
	if (keeper_start(&t->keeper, &plan) != 0 || feed_watch(&t->feed, t->keeper.output) != 0)
		return refuse(CAPTURE_BROKEN, t, "start", strerror(errno));
	return CAPTURE_UP;
}

/* The recording's head comes when the filter is in the kernel: from then on frames are kept. */
static enum capture_status await(struct tcpdump *t)
{
	struct pollfd p = {.fd = t->keeper.output, .events = POLLIN};
	const int n = poll(&p, 1, PATIENCE_MS);

	if (n == 1 && (p.revents & POLLIN) != 0) {
		keeper_go(&t->keeper);
		return CAPTURE_UP;
	}
	tcpdump_listen(&t->said, t->keeper.said);
	if (n == 0)
		return refuse(CAPTURE_BROKEN, t, "start", "it does not begin");
	return refuse(CAPTURE_BROKEN, t, "start",
	    t->said.last[0] != '\0' ? t->said.last : "it ended at once");
}

static void tcpdump_close(void *self)
{
	struct tcpdump *t = self;

	keeper_end(&t->keeper);
	feed_free(&t->feed);
	free(t);
}

static enum capture_status tcpdump_open(void **self, const struct capture_want *want)
{
	struct tcpdump *t = calloc(1, sizeof(*t));
	enum capture_status status;

	if (t == NULL)
		abort();
	*t = (struct tcpdump){.keeper = {-1, -1, -1}};
	strncpy(t->interface, want->source, sizeof(t->interface) - 1);
	feed_init(&t->feed);
	status = start(t, want);
	if (status == CAPTURE_UP)
		status = await(t);
	if (status == CAPTURE_UP)
		*self = t;
	else
		tcpdump_close(t);
	return status;
}

static int tcpdump_fd(const void *self)
{
	const struct tcpdump *t = self;

	return t->feed.ready;
}

static enum capture_status broken(const struct tcpdump *t, const char *why)
{
	log_error("capture_read", "interface=%s program=tcpdump error=\"%s\"", t->interface, why);
	return CAPTURE_BROKEN;
}

static enum capture_status ended(struct tcpdump *t)
{
	tcpdump_listen(&t->said, t->keeper.said);
	return broken(t, t->said.last[0] != '\0' ? t->said.last : "it ended without a word");
}

static enum capture_status tcpdump_read(void *self, unsigned max, capture_fn *fn, void *arg)
{
	struct tcpdump *t = self;
	ssize_t n = 1;

	feed_awake(&t->feed);
	while (n > 0) {
		if (!feed_hand_over(&t->feed, &max, fn, arg))
			return broken(t, "what it writes is no recording");
		if (max == 0) {
			feed_wake(&t->feed);
			return CAPTURE_UP;
		}
		n = feed_fill(&t->feed, t->keeper.output, FEED_STREAM);
	}
	if (n == 0)
		return ended(t);
	return errno == EAGAIN || errno == EINTR ? CAPTURE_UP : broken(t, strerror(errno));
}

static enum capture_status tcpdump_tick(void *self)
{
	struct tcpdump *t = self;

	tcpdump_listen(&t->said, t->keeper.said);
	return CAPTURE_UP;
}

static void tcpdump_stats(void *self, struct capture_stats *out)
{
	const struct tcpdump *t = self;

	*out =
	    (struct capture_stats){.seen = t->feed.seen + t->said.dropped, .lost = t->said.dropped};
}

const struct capture_method capture_tcpdump = {
    .name = "tcpdump",
    .filters = true,
    .capabilities = capabilities,
    .capabilities_len = sizeof(capabilities) / sizeof(capabilities[0]),
    .syscalls = syscalls,
    .syscalls_len = sizeof(syscalls) / sizeof(syscalls[0]),
    .open = tcpdump_open,
    .fd = tcpdump_fd,
    .read = tcpdump_read,
    .tick = tcpdump_tick,
    .stats = tcpdump_stats,
    .close = tcpdump_close,
};
