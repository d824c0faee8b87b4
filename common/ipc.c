#include "ipc.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Room for descriptors beside a message, aligned as the kernel wants it. */
union rights {
	struct cmsghdr align;
	char room[CMSG_SPACE(sizeof(int) * IPC_FDS_MAX)];
};

static void make_room(int fd, size_t depth)
{
	int bytes = depth > INT_MAX / 2 ? INT_MAX / 2 : (int)depth;

	/* The kernel doubles the figure, for its own overhead. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) != 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

int ipc_pair(int fds[static 2], size_t depth)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0)
		return -1;
	make_room(fds[0], depth);
	make_room(fds[1], depth);
	return 0;
}

int ipc_send(int sock, const void *msg, const int *fds, size_t nfds)
{
	struct ipc_head head;
	struct iovec iov;
	struct msghdr m;
	union rights rights;
	struct cmsghdr *c;
	ssize_t n;

	memcpy(&head, msg, sizeof(head));
	if (head.len < sizeof(head) || head.len > IPC_MESSAGE_MAX || nfds > IPC_FDS_MAX)
		abort(); /* our own bug */
	iov = (struct iovec){.iov_base = (void *)(uintptr_t)msg, .iov_len = head.len};
	m = (struct msghdr){.msg_iov = &iov, .msg_iovlen = 1};
	if (nfds > 0) {
		memset(&rights, 0, sizeof(rights));
		m.msg_control = rights.room;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
	}
	do
		n = sendmsg(sock, &m, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -1 : 0;
}

/* Collects what came beside a message. Returns how many there are; no more than IPC_FDS_MAX fit
 * into rights. */
static size_t take_fds(struct msghdr *m, int fds[static IPC_FDS_MAX])
{
	struct cmsghdr *c;
	size_t n = 0;
	size_t bytes;

	for (c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		bytes = c->cmsg_len - CMSG_LEN(0);
		if (bytes > sizeof(int) * (IPC_FDS_MAX - n))
			bytes = sizeof(int) * (IPC_FDS_MAX - n);
		memcpy(fds + n, CMSG_DATA(c), bytes);
		n += bytes / sizeof(int);
	}
	return n;
}

static int is_ours(const struct msghdr *m, const void *buf, size_t len, size_t nfds, size_t max_fds)
{
	struct ipc_head head;

	if ((m->msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || len < sizeof(head) || nfds > max_fds)
		return 0;
	memcpy(&head, buf, sizeof(head));
	return head.len == len;
}

int ipc_recv(int sock, void *buf, size_t cap, int *fds, size_t max_fds, size_t *nfds)
{
	struct iovec iov = {.iov_base = buf, .iov_len = cap};
	union rights rights;
	struct msghdr m = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = rights.room,
	    .msg_controllen = sizeof(rights.room)};
	int got[IPC_FDS_MAX];
	size_t n_got;
	ssize_t n;

	if (nfds != NULL)
		*nfds = 0;
	do
		n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -1;
	n_got = take_fds(&m, got);
	if (n == 0 || !is_ours(&m, buf, (size_t)n, n_got, max_fds)) {
		while (n_got > 0)
			(void)close(got[--n_got]);
		errno = EBADMSG;
		return n == 0 ? 0 : -1;
	}
	if (n_got > 0)
		memcpy(fds, got, n_got * sizeof(int));
	if (nfds != NULL)
		*nfds = n_got;
	return (int)n;
}
