/*
 * The client's half of tcp: each message is a SYN of a connection of its own,
 * by TCP Fast Open without a cookie, which needs no privilege. What comes back
 * is in the SYN-ACK. There is nobody to say goodbye to: a reset ends it.
 */
#include "sender.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SOCKETS = WAY_FDS_MAX };

#ifndef TCP_FASTOPEN_NO_COOKIE
#define TCP_FASTOPEN_NO_COOKIE 34
#endif

static const char not_allowed[] =
    "allow this host data in a SYN: 'sysctl -w net.ipv4.tcp_fastopen=1'";

struct tcp_way {
	struct way way;
	struct sockaddr_storage to;
	socklen_t len;
	int sock[SOCKETS]; /* the newest first */
};

static struct tcp_way *tcp(struct way *w)
{
	return (struct tcp_way *)w;
}

static void drop(int *sock)
{
	if (*sock >= 0)
		(void)close(*sock);
	*sock = -1;
}

static void tcp_close(struct way *w)
{
	for (int i = 0; i < SOCKETS; i++)
		drop(&tcp(w)->sock[i]);
	free(w);
}

/* By a datagram socket that sends nothing: is there a route, and from which address? */
static int find_local(struct tcp_way *t)
{
	int sock = socket(t->to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int status = sock < 0 ? -1 : connect(sock, (struct sockaddr *)&t->to, t->len);
	int why = errno;

	if (status == 0)
		way_local(&t->way, sock);
	if (sock >= 0)
		(void)close(sock);
	errno = why;
	return status;
}

static int tcp_open(struct way **out, const struct sender_want *want, struct sender_error *e)
{
	struct tcp_way *t = calloc(1, sizeof(*t));

	if (!t)
		return sender_fails(e);
	t->way.sender = &sender_tcp;
	t->len = want->len;
	for (int i = 0; i < SOCKETS; i++)
		t->sock[i] = -1;
	sender_to_port(want, want->settings->tcp_port, &t->to);
	if (find_local(t) < 0) {
		int status = sender_fails(e);
		tcp_close(&t->way);
		return status;
	}
	*out = &t->way;
	return SENDER_OK;
}

/* Returns a socket, or -1 with errno. */
static int make_socket(int family)
{
	struct linger reset = {.l_onoff = 1, .l_linger = 0};
	int on = 1;
	int sock = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (sock < 0)
		return -1;
	if (setsockopt(sock, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, &on, sizeof(on)) == 0 &&
	    setsockopt(sock, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) == 0)
		return sock;
	int why = errno;
	(void)close(sock);
	errno = why;
	return -1;
}

static int refuse(struct sender_error *e, const char *what)
{
	int status = sender_fails(e);

	(void)memccpy(e->what, what, '\0', sizeof(e->what));
	return status;
}

static int explain(struct sender_error *e)
{
	switch (errno) {
	case ENOPROTOOPT: /* a kernel before 4.15 */
	case EOPNOTSUPP:
	case EINPROGRESS: /* the SYN went out without data */
		errno = EOPNOTSUPP;
		return refuse(e, not_allowed);
	case EAGAIN:
	case ENOBUFS:
		return SENDER_OK;
	default:
		return sender_is_local(errno) ? sender_fails(e) : SENDER_OK;
	}
}

static int tcp_send(
    struct way *w, const struct sender_message *m, uint64_t mono_ns, struct sender_error *e)
{
	struct tcp_way *t = tcp(w);
	int sock = make_socket(t->to.ss_family);

	(void)mono_ns;
	if (sock < 0)
		return explain(e);
	ssize_t sent = sendto(sock, m->bytes, m->len, MSG_FASTOPEN | MSG_NOSIGNAL,
	    (const struct sockaddr *)&t->to, t->len);
	if (sent < 0) {
		int why = errno;
		(void)close(sock);
		errno = why;
		return explain(e);
	}
	if ((size_t)sent < m->len) {
		(void)close(sock);
		return SENDER_TOO_LONG;
	}
	drop(&t->sock[SOCKETS - 1]);
	memmove(t->sock + 1, t->sock, (SOCKETS - 1) * sizeof(t->sock[0]));
	t->sock[0] = sock;
	return SENDER_OK;
}

/* One message a connection; whatever else happens to one ends it. */
static int tcp_receive(struct way *w, uint8_t *out, size_t cap)
{
	for (int i = 0; i < SOCKETS; i++) {
		int *sock = &tcp(w)->sock[i];
		if (*sock < 0)
			continue;
		ssize_t got = recv(*sock, out, cap, 0);
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		drop(sock);
		if (got > 0)
			return (int)got;
	}
	return SENDER_NOTHING;
}

static size_t tcp_fds(const struct way *w, struct pollfd *out, size_t cap)
{
	const struct tcp_way *t = (const struct tcp_way *)w;
	size_t len = 0;

	for (int i = 0; i < SOCKETS; i++) {
		if (t->sock[i] < 0)
			continue;
		if (len < cap)
			out[len] = (struct pollfd){.fd = t->sock[i], .events = POLLIN};
		len++;
	}
	return len;
}

const struct sender sender_tcp = {
    .name = "tcp",
    .id = CARRIER_TCP,
    .room = VEIL_ROOM,
    .has_reply = true,
    .open = tcp_open,
    .send = tcp_send,
    .receive = tcp_receive,
    .fds = tcp_fds,
    .close = tcp_close,
};
