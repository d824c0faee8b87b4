#include "capture_traffic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <libmnl/libmnl.h>

#include "clock.h"
#include "cursor.h"
#include "secret.h"
#include "veil.h"

#define FAR_INTERFACE "far0"

enum {
	POOL = 512, /* different packets; sent in turn */
	IP_AT = ETH_HLEN,
	IP_BYTES = 20,
	UDP_BYTES = 8,
	FRAME_BYTES = ETH_HLEN + IP_BYTES + UDP_BYTES + TRAFFIC_VEIL_BYTES,
	IP_CHECKSUM_AT = 10,
	IP_ADDRESSES_AT = 12,
	UDP_CHECKSUM_AT = 6,
	BURST = 16,
	PAUSE_US = 20,
	SOURCES = 200, /* hosts that knock */
	MESSAGE_BYTES = 4096,
	PREFIX = 24,
	UP_MS = 3000,
	US_A_MS = 1000,
	NS_A_US = 1000,
};

static const uint8_t near_mac[ETH_ALEN] = {2, 0, 0, 0, 0, 1};
static const uint8_t far_mac[ETH_ALEN] = {2, 0, 0, 0, 0, 2};
static const uint32_t near_address = 0xc6336401; /* 198.51.100.1, of the range for documentation */

struct traffic {
	int fd;
	uint8_t frame[POOL][FRAME_BYTES];
	struct iovec iov[POOL];
	struct mmsghdr message[POOL];
};

/* Ask the kernel for one thing. Returns 0, or -1 with errno. */
static int request(struct mnl_socket *nl, struct nlmsghdr *m)
{
	uint8_t answer[MESSAGE_BYTES];
	ssize_t n;

	m->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	m->nlmsg_seq = 1;
	if (mnl_socket_sendto(nl, m, m->nlmsg_len) < 0)
		return -1;
	n = mnl_socket_recvfrom(nl, answer, sizeof(answer));
	if (n < 0)
		return -1;
	return mnl_cb_run(answer, (size_t)n, 1, mnl_socket_get_portid(nl), NULL, NULL) < 0 ? -1 : 0;
}

static void put_end(struct nlmsghdr *m, const char *name, const uint8_t mac[static ETH_ALEN])
{
	mnl_attr_put_strz(m, IFLA_IFNAME, name);
	mnl_attr_put(m, IFLA_ADDRESS, ETH_ALEN, mac);
}

static int make_pair(struct mnl_socket *nl)
{
	uint8_t buffer[MESSAGE_BYTES];
	struct nlmsghdr *m = mnl_nlmsg_put_header(buffer);
	struct nlattr *info, *data, *peer;

	m->nlmsg_type = RTM_NEWLINK;
	m->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
	(void)mnl_nlmsg_put_extra_header(m, sizeof(struct ifinfomsg));
	put_end(m, TRAFFIC_INTERFACE, near_mac);
	info = mnl_attr_nest_start(m, IFLA_LINKINFO);
	mnl_attr_put_strz(m, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(m, IFLA_INFO_DATA);
	peer = mnl_attr_nest_start(m, VETH_INFO_PEER);
	(void)mnl_nlmsg_put_extra_header(m, sizeof(struct ifinfomsg));
	put_end(m, FAR_INTERFACE, far_mac);
	mnl_attr_nest_end(m, peer);
	mnl_attr_nest_end(m, data);
	mnl_attr_nest_end(m, info);
	return request(nl, m);
}

static struct nlmsghdr *put_change(uint8_t *buffer, const char *name, unsigned flags)
{
	struct nlmsghdr *m = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *link;

	m->nlmsg_type = RTM_NEWLINK;
	link = mnl_nlmsg_put_extra_header(m, sizeof(*link));
	link->ifi_index = (int)if_nametoindex(name);
	link->ifi_change = flags;
	link->ifi_flags = flags;
	return m;
}

/* No address of IPv6's own, and no ARP: the kernel's packets would mix with ours. */
static int set_up(struct mnl_socket *nl, const char *name)
{
	uint8_t buffer[MESSAGE_BYTES];
	struct nlmsghdr *m = put_change(buffer, name, 0);
	struct nlattr *all = mnl_attr_nest_start(m, IFLA_AF_SPEC);
	struct nlattr *v6 = mnl_attr_nest_start(m, AF_INET6);

	mnl_attr_put_u8(m, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(m, v6);
	mnl_attr_nest_end(m, all);
	(void)request(nl, m); /* a kernel without IPv6 says no, and is right */
	return request(nl, put_change(buffer, name, IFF_UP | IFF_NOARP));
}

static int give_address(struct mnl_socket *nl)
{
	uint8_t buffer[MESSAGE_BYTES];
	struct nlmsghdr *m = mnl_nlmsg_put_header(buffer);
	struct ifaddrmsg *a;

	m->nlmsg_type = RTM_NEWADDR;
	m->nlmsg_flags = NLM_F_CREATE;
	a = mnl_nlmsg_put_extra_header(m, sizeof(*a));
	a->ifa_family = AF_INET;
	a->ifa_prefixlen = PREFIX;
	a->ifa_index = if_nametoindex(TRAFFIC_INTERFACE);
	mnl_attr_put_u32(m, IFA_LOCAL, htonl(near_address));
	mnl_attr_put_u32(m, IFA_ADDRESS, htonl(near_address));
	return request(nl, m);
}

static int make_network(void)
{
	struct mnl_socket *nl = mnl_socket_open(NETLINK_ROUTE);
	int status = -1;

	if (nl == NULL)
		return -1;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) == 0 && set_up(nl, "lo") == 0 &&
	    make_pair(nl) == 0 && set_up(nl, TRAFFIC_INTERFACE) == 0 &&
	    set_up(nl, FAR_INTERFACE) == 0 && give_address(nl) == 0)
		status = 0;
	(void)mnl_socket_close(nl);
	return status;
}

static int make_socket(void)
{
	struct sockaddr_ll to = {
	    .sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(FAR_INTERFACE)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd >= 0 && bind(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
		(void)close(fd);
		return -1;
	}
	(void)setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
	return fd;
}

/* The Internet checksum of an even number of bytes, begun with what stands elsewhere. */
static uint16_t checksum(const uint8_t *bytes, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i += 2)
		sum += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	sum += sum >> 16;
	return (uint16_t)~sum;
}

static void put_u16(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

/* A socket looks at both, and the one of UDP is mended when the packet is diverted. */
static void put_checksums(uint8_t frame[static FRAME_BYTES])
{
	uint8_t *ip = frame + IP_AT, *udp = ip + IP_BYTES;
	uint16_t sum;

	put_u16(ip + IP_CHECKSUM_AT, checksum(ip, IP_BYTES, 0));
	/* Addresses and UDP's own part in one go; they are neighbours. */
	sum = checksum(ip + IP_ADDRESSES_AT, FRAME_BYTES - IP_AT - IP_ADDRESSES_AT,
	    IPPROTO_UDP + UDP_BYTES + TRAFFIC_VEIL_BYTES);
	put_u16(udp + UDP_CHECKSUM_AT, sum != 0 ? sum : 0xffff);
}

static void make_frame(
    uint8_t frame[static FRAME_BYTES], uint32_t number, const struct veil_keys *k)
{
	static const uint8_t body[64];
	struct veiled v = {.kind = KIND_M1, .body = body, .body_len = sizeof(body)};
	struct writer w = writer_of(frame, FRAME_BYTES);

	write_bytes(&w, near_mac, ETH_ALEN);
	write_bytes(&w, far_mac, ETH_ALEN);
	write_u16(&w, ETH_P_IP);
	write_u16(&w, 0x4500);
	write_u16(&w, FRAME_BYTES - ETH_HLEN);
	write_zeros(&w, 4);
	write_u16(&w, 64 << 8 | IPPROTO_UDP);
	write_u16(&w, 0);
	write_u32(&w, near_address + 1 + number % SOURCES);
	write_u32(&w, near_address);
	write_u16(&w, (uint16_t)(1024 + number));
	write_u16(&w, TRAFFIC_PORT);
	write_u16(&w, UDP_BYTES + TRAFFIC_VEIL_BYTES);
	write_u16(&w, 0);
	secret_random(v.label.cid, sizeof(v.label.cid));
	veil_seal(k, CARRIER_UDP, &v, write_gap(&w, TRAFFIC_VEIL_BYTES), TRAFFIC_VEIL_BYTES);
	put_checksums(frame);
}

/* Until the far end has noticed that the near one is up, what is sent is thrown away. */
static int await_link(const struct traffic *t)
{
	for (int i = 0; i < UP_MS; i++) {
		if (send(t->fd, t->frame[0], FRAME_BYTES, 0) > 0)
			return 0;
		if (errno != ENETDOWN && errno != ENOBUFS)
			return -1;
		(void)usleep(US_A_MS);
	}
	return -1;
}

static void make_messages(struct traffic *t, const struct veil_keys *keys)
{
	for (uint32_t i = 0; i < POOL; i++) {
		make_frame(t->frame[i], i, keys);
		t->iov[i] = (struct iovec){.iov_base = t->frame[i], .iov_len = FRAME_BYTES};
		t->message[i].msg_hdr = (struct msghdr){.msg_iov = &t->iov[i], .msg_iovlen = 1};
	}
}

struct traffic *traffic_new(struct veil_keys *keys, char why[static TRAFFIC_WHY_MAX])
{
	struct traffic *t = calloc(1, sizeof(*t));

	if (t == NULL)
		abort();
	t->fd = -1;
	secret_random(keys, sizeof(*keys));
	make_messages(t, keys);
	if (unshare(CLONE_NEWNET) == 0 && make_network() == 0) {
		t->fd = make_socket();
		if (t->fd >= 0 && await_link(t) == 0)
			return t;
	}
	(void)snprintf(why, TRAFFIC_WHY_MAX,
	    "no network namespace with a veth pair can be made: %s", strerror(errno));
	traffic_free(t);
	return NULL;
}

void traffic_free(struct traffic *t)
{
	if (t == NULL)
		return;
	if (t->fd >= 0)
		(void)close(t->fd);
	free(t);
}

/* So many at most, of the pool from at on. Returns how many went out. */
static unsigned send_burst(struct traffic *t, unsigned at, uint64_t most)
{
	unsigned len = at + BURST <= POOL ? BURST : POOL - at;
	int n = sendmmsg(t->fd, t->message + at, len < most ? len : (unsigned)most, 0);

	return n > 0 ? (unsigned)n : 0;
}

static void pause_ns(uint64_t ns)
{
	struct timespec t = {.tv_nsec = (long)ns};

	(void)nanosleep(&t, NULL);
}

static uint64_t mono_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

uint64_t traffic_send(
    struct traffic *t, unsigned rate, uint64_t for_ns, bool (*stop)(void *arg), void *arg)
{
	uint64_t start = mono_ns(), asked = start, now = start, sent = 0;

	while (now - start < for_ns) {
		uint64_t due = (now - start) * rate / NS_PER_S;

		if (sent < due)
			sent += send_burst(t, (unsigned)(sent % POOL), due - sent);
		else
			pause_ns((uint64_t)PAUSE_US * NS_A_US);
		now = mono_ns();
		if (now - asked >= NS_PER_MS) {
			asked = now;
			if (stop(arg))
				break;
		}
	}
	return sent;
}
