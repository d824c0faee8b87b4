#include "sender.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

enum { PENDING_ERRORS_MAX = 4 };

struct udp_way {
	struct way way;
	int sock;
};

static struct udp_way *udp(struct way *w)
{
	return (struct udp_way *)w;
}

static void udp_close(struct way *w)
{
	if (udp(w)->sock >= 0)
		(void)close(udp(w)->sock);
	free(w);
}

/*
 * Connected, so that the kernel drops what comes from anywhere else and tells us our own address.
 */
static int udp_open(struct way **out, const struct sender_want *want, struct sender_error *e)
{
	struct udp_way *u = calloc(1, sizeof(*u));

	if (!u)
		return sender_fails(e);
	u->way.sender = &sender_udp;
	u->sock = socket(want->to->sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (u->sock < 0 || connect(u->sock, want->to, want->len) < 0) {
		int status = sender_fails(e);
		udp_close(&u->way);
		return status;
	}
	way_local(&u->way, u->sock);
	*out = &u->way;
	return SENDER_OK;
}

/*
 * An ICMP error that came for an earlier datagram is reported by the next call,
 * which then sends nothing: so once more. A server that answers like a closed
 * port makes such errors all the time, and the reply comes nevertheless.
 */
static int udp_send(
    struct way *w, const struct sender_message *m, uint64_t mono_ns, struct sender_error *e)
{
	int error = 0;

	(void)mono_ns;
	for (int i = 0; i < PENDING_ERRORS_MAX; i++) {
		if (send(udp(w)->sock, m->bytes, m->len, MSG_NOSIGNAL) >= 0)
			return SENDER_OK;
		error = errno;
		if (error == EAGAIN || error == ENOBUFS)
			return SENDER_OK;
		if (error == EMSGSIZE)
			return SENDER_TOO_LONG;
	}
	errno = error;
	return sender_is_local(error) ? sender_fails(e) : SENDER_OK;
}

static int udp_receive(struct way *w, uint8_t *out, size_t cap)
{
	for (int i = 0; i < PENDING_ERRORS_MAX; i++) {
		/*
		 * MSG_TRUNC: the true length, so that what does not fit is known for not being
		 * ours.
		 */
		ssize_t got = recv(udp(w)->sock, out, cap, MSG_TRUNC);
		if (got >= 0)
			return (size_t)got <= cap ? (int)got : 0;
		if (errno == EAGAIN)
			return SENDER_NOTHING;
	}
	return SENDER_NOTHING;
}

static size_t udp_fds(const struct way *w, struct pollfd *out, size_t cap)
{
	if (cap > 0)
		*out = (struct pollfd){.fd = ((const struct udp_way *)w)->sock, .events = POLLIN};
	return 1;
}

const struct sender sender_udp = {
    .name = "udp",
    .id = CARRIER_UDP,
    .room = VEIL_ROOM,
    .has_reply = true,
    .open = udp_open,
    .send = udp_send,
    .receive = udp_receive,
    .fds = udp_fds,
    .close = udp_close,
};
