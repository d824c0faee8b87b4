/* raw - see raw.h. */
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "mark.h"
#include "raw.h"

enum {
	SEND_BUFFER = 1 << 20,
	HEADS_V4 = 20 + 8, /* of our own packets: no options, and UDP */
	HEADS_V6 = 40 + 8,
};

/*
 * IPPROTO_RAW gets nothing but packets of protocol 255; the filter refuses
 * those, too, and cannot be taken off again. The mark keeps our answers out of
 * connection tracking: else the next datagram would belong to a connection,
 * and the kernel would answer it.
 */
static int deafen(int fd)
{
	struct sock_filter nothing[] = {{.code = BPF_RET | BPF_K, .k = 0}};
	struct sock_fprog filter = {.len = 1, .filter = nothing};
	int mark = MARK_REPLY, buffer = SEND_BUFFER;

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &(int){1}, sizeof(int)) < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	return setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
}

/* -1: there is no such family; -2: failed, logged. */
static int open_one(int family, const char *name)
{
	int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);

	if (fd < 0 && (errno == EAFNOSUPPORT || errno == EPROTONOSUPPORT)) {
		log_info("no-family", "family=%s: its knocks cannot be answered", name);
		return -1;
	}
	if (fd < 0 || deafen(fd) < 0) {
		log_error("raw-socket",
		    "family=%s error=\"%s\": auth needs CAP_NET_RAW and CAP_NET_ADMIN", name,
		    strerror(errno));
		if (fd >= 0)
			close(fd);
		return -2;
	}
	return fd;
}

/*
 * At the port where a capture hears, and deaf: who is connected gets nothing
 * from anybody else, so that all knocks are the capture's.
 */
static int deafen_plain(int fd, int family, uint16_t port)
{
	const struct sockaddr_in at4 = {.sin_family = AF_INET, .sin_port = htons(port)},
				 nobody4 = {.sin_family = AF_INET,
				     .sin_port = htons(port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct sockaddr_in6 at6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)},
				  nobody6 = {.sin6_family = AF_INET6,
				      .sin6_port = htons(port),
				      .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	const bool v4 = family == AF_INET;
	const struct sockaddr *at = v4 ? (const void *)&at4 : (const void *)&at6,
			      *nobody = v4 ? (const void *)&nobody4 : (const void *)&nobody6;
	const socklen_t size = v4 ? sizeof(at4) : sizeof(at6);

	if (!v4 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){1}, sizeof(int)) < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &(int){1}, sizeof(int)) < 0 ||
	    bind(fd, at, size) < 0 || connect(fd, nobody, size) < 0)
		return -1;
	return deafen(fd);
}

static int open_plain(int family, uint16_t port)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 && errno == EAFNOSUPPORT)
		return -1;
	if (fd < 0 || deafen_plain(fd, family, port) < 0) {
		log_error("answer-socket", "port=%u error=\"%s\"", port, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -2;
	}
	return fd;
}

static bool may_open_raw(void)
{
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	const bool may = fd >= 0 || errno != EPERM;

	if (fd >= 0)
		close(fd);
	return may;
}

int raw_open(struct raw *r, uint16_t udp_port)
{
	r->plain = udp_port != 0 && !may_open_raw();
	if (r->plain)
		log_info("no-raw-socket",
		    "CAP_NET_RAW is missing: what comes by capture = udp alone is answered");
	r->v4 = r->plain ? open_plain(AF_INET, udp_port) : open_one(AF_INET, "ipv4");
	r->v6 = r->plain ? open_plain(AF_INET6, udp_port) : open_one(AF_INET6, "ipv6");
	return r->v4 == -2 || r->v6 == -2 ? -1 : 0;
}

static int send_v4(int fd, const struct address *to, const uint8_t *packet, size_t len)
{
	struct sockaddr_in sa = {.sin_family = AF_INET};

	memcpy(&sa.sin_addr, to->b + ADDRESS_BYTES - 4, 4);
	return sendto(fd, packet, len, 0, (const struct sockaddr *)&sa, sizeof(sa)) < 0 ? errno : 0;
}

static int send_v6(int fd, const struct route *to, const uint8_t *packet, size_t len)
{
	struct sockaddr_in6 sa = {.sin6_family = AF_INET6};

	memcpy(&sa.sin6_addr, to->client.b, ADDRESS_BYTES);
	if (IN6_IS_ADDR_LINKLOCAL(&sa.sin6_addr))
		sa.sin6_scope_id = to->ifindex;
	return sendto(fd, packet, len, 0, (const struct sockaddr *)&sa, sizeof(sa)) < 0 ? errno : 0;
}

/* One control message beside a datagram, aligned as the kernel wants it. */
union control {
	struct cmsghdr head;
	uint8_t room[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

static void put_control(struct msghdr *m, int level, int type, const void *info, size_t len)
{
	union control *c = m->msg_control;

	c->head =
	    (struct cmsghdr){.cmsg_level = level, .cmsg_type = type, .cmsg_len = CMSG_LEN(len)};
	memcpy(CMSG_DATA(&c->head), info, len);
	m->msg_controllen = CMSG_SPACE(len);
}

/* What is in our packet, from the address that was knocked at; the kernel makes the heads. */
static int send_plain(
    const struct raw *r, const struct route *to, const uint8_t *packet, size_t len)
{
	const bool v4 = address_is_v4(&to->client);
	const size_t heads = v4 ? HEADS_V4 : HEADS_V6;
	struct sockaddr_in6 to6 = {.sin6_family = AF_INET6, .sin6_port = htons(to->client_port)};
	struct sockaddr_in to4 = {.sin_family = AF_INET, .sin_port = htons(to->client_port)};
	struct in6_pktinfo from6 = {.ipi6_ifindex = 0};
	struct in_pktinfo from4 = {.ipi_ifindex = 0};
	union control control = {.room = {0}};
	struct iovec iov = {(void *)(uintptr_t)(packet + heads), len - heads};
	struct msghdr m = {.msg_name = v4 ? (void *)&to4 : (void *)&to6,
	    .msg_namelen = v4 ? sizeof(to4) : sizeof(to6),
	    .msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = &control};

	if (to->carrier != CARRIER_UDP || len < heads)
		return EPROTONOSUPPORT;
	if (v4) {
		memcpy(&to4.sin_addr, to->client.b + ADDRESS_BYTES - 4, 4);
		memcpy(&from4.ipi_spec_dst, to->server.b + ADDRESS_BYTES - 4, 4);
		put_control(&m, IPPROTO_IP, IP_PKTINFO, &from4, sizeof(from4));
	} else {
		memcpy(&to6.sin6_addr, to->client.b, ADDRESS_BYTES);
		memcpy(&from6.ipi6_addr, to->server.b, ADDRESS_BYTES);
		if (IN6_IS_ADDR_LINKLOCAL(&to6.sin6_addr))
			from6.ipi6_ifindex = to6.sin6_scope_id = to->ifindex;
		put_control(&m, IPPROTO_IPV6, IPV6_PKTINFO, &from6, sizeof(from6));
	}
	return sendmsg(v4 ? r->v4 : r->v6, &m, 0) < 0 ? errno : 0;
}

int raw_send(const struct raw *r, const struct route *to, const uint8_t *packet, size_t len)
{
	if (r->plain)
		return send_plain(r, to, packet, len);
	if (address_is_v4(&to->client))
		return r->v4 < 0 ? EAFNOSUPPORT : send_v4(r->v4, &to->client, packet, len);
	return r->v6 < 0 ? EAFNOSUPPORT : send_v6(r->v6, to, packet, len);
}
