#include "sender.h"

#include <errno.h>
#include <stdbool.h>
#include <unistd.h>

enum { PENDING_ERRORS_MAX = 4 };

/*
 * Connected, so that the kernel drops what comes from anywhere else and tells us our own address.
 */
static int udp_open(const struct sockaddr *to, socklen_t len)
{
	int sock = socket(to->sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (sock < 0)
		return SENDER_NO_WAY;
	if (connect(sock, to, len) < 0) {
		int why = errno;
		(void)close(sock);
		errno = why;
		return SENDER_NO_WAY;
	}
	return sock;
}

/* Our own host refuses: its firewall, or no route any more. */
static bool is_local(int error)
{
	return error == EPERM || error == EACCES || error == ENETUNREACH || error == ENETDOWN ||
	       error == EADDRNOTAVAIL;
}

/*
 * An ICMP error that came for an earlier datagram is reported by the next call,
 * which then sends nothing: so once more. A server that answers like a closed
 * port makes such errors all the time, and the reply comes nevertheless.
 */
static int udp_send(int sock, const uint8_t *bytes, size_t len)
{
	int error = 0;

	for (int i = 0; i < PENDING_ERRORS_MAX; i++) {
		if (send(sock, bytes, len, MSG_NOSIGNAL) >= 0)
			return SENDER_OK;
		error = errno;
		if (error == EAGAIN || error == ENOBUFS)
			return SENDER_OK;
		if (error == EMSGSIZE)
			return SENDER_TOO_LONG;
	}
	errno = error;
	return is_local(error) ? SENDER_NO_WAY : SENDER_OK;
}

static int udp_receive(int sock, uint8_t *out, size_t cap)
{
	for (int i = 0; i < PENDING_ERRORS_MAX; i++) {
		/*
		 * MSG_TRUNC: the true length, so that what does not fit is known for not being
		 * ours.
		 */
		ssize_t got = recv(sock, out, cap, MSG_TRUNC);
		if (got >= 0)
			return (size_t)got <= cap ? (int)got : 0;
		if (errno == EAGAIN)
			return SENDER_NOTHING;
	}
	return SENDER_NOTHING;
}

const struct sender sender_udp = {
    .name = "udp",
    .id = CARRIER_UDP,
    .room = VEIL_ROOM,
    .open = udp_open,
    .send = udp_send,
    .receive = udp_receive,
};
