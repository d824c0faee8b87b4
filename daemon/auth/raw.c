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

enum { SEND_BUFFER = 1 << 20 };

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

int raw_open(struct raw *r)
{
	r->v4 = open_one(AF_INET, "ipv4");
	r->v6 = open_one(AF_INET6, "ipv6");
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

int raw_send(const struct raw *r, const struct route *to, const uint8_t *packet, size_t len)
{
	if (address_is_v4(&to->client))
		return r->v4 < 0 ? EAFNOSUPPORT : send_v4(r->v4, &to->client, packet, len);
	return r->v6 < 0 ? EAFNOSUPPORT : send_v6(r->v6, to, packet, len);
}
