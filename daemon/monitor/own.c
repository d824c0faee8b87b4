/* own - see own.h. */
#include "own.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union name {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static socklen_t name_of(const struct address *a, union name *out)
{
	memset(out, 0, sizeof(*out));
	if (address_is_v4(a)) {
		out->v4.sin_family = AF_INET;
		out->v4.sin_port = 1; /* any but 0 */
		memcpy(&out->v4.sin_addr, a->b + ADDRESS_BYTES - sizeof(out->v4.sin_addr),
		    sizeof(out->v4.sin_addr));
		return sizeof(out->v4);
	}
	out->v6.sin6_family = AF_INET6;
	out->v6.sin6_port = 1;
	memcpy(&out->v6.sin6_addr, a->b, ADDRESS_BYTES);
	return sizeof(out->v6);
}

static bool is_same(const union name *a, const union name *b)
{
	if (a->any.sa_family == AF_INET)
		return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
	return memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, ADDRESS_BYTES) == 0;
}

/*
 * To an address of its own, and to no other, the kernel would send from that
 * address. (That one can be bound says less: ip_nonlocal_bind allows all.)
 */
bool own_address(const struct address *a)
{
	union name to, from;
	socklen_t len = name_of(a, &to), got = sizeof(from);
	int fd = socket(to.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool own;

	if (fd < 0)
		return false;
	memset(&from, 0, sizeof(from));
	own = connect(fd, &to.any, len) == 0 && getsockname(fd, &from.any, &got) == 0 &&
	      is_same(&to, &from);
	(void)close(fd);
	return own;
}
