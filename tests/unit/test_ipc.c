#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc.h"

enum { TYPE = 7, BODY = 24 };

struct message {
	struct ipc_head head;
	char body[BODY];
};

struct pair {
	int fd[2];
};

static const struct message hello = {
    .head = {.type = TYPE, .len = sizeof(struct message)}, .body = "hello"};

static int setup(void **state)
{
	struct pair *p = calloc(1, sizeof(*p));

	*state = p;
	return p == NULL ? -1 : ipc_pair(p->fd, 65536);
}

static int teardown(void **state)
{
	struct pair *p = *state;

	(void)close(p->fd[0]);
	(void)close(p->fd[1]);
	free(p);
	return 0;
}

static int open_fds(void)
{
	int n = 0;
	int fd;

	for (fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void test_message_arrives(void **state)
{
	struct pair *p = *state;
	struct message got;
	size_t nfds = 99;

	assert_int_equal(ipc_send(p->fd[0], &hello, NULL, 0), 0);
	assert_int_equal(ipc_recv(p->fd[1], &got, sizeof(got), NULL, 0, &nfds), sizeof(got));
	assert_memory_equal(&got, &hello, sizeof(got));
	assert_int_equal(nfds, 0);
	assert_int_equal(ipc_recv(p->fd[1], &got, sizeof(got), NULL, 0, &nfds), -1);
	assert_int_equal(errno, EAGAIN);
}

static void test_descriptors_come_along(void **state)
{
	struct pair *p = *state;
	struct message got;
	int pipe_fd[2], in[2];
	size_t nfds;
	char c;

	assert_int_equal(pipe(pipe_fd), 0);
	assert_int_equal(ipc_send(p->fd[0], &hello, pipe_fd, 2), 0);
	assert_int_equal(ipc_recv(p->fd[1], &got, sizeof(got), in, 2, &nfds), sizeof(got));
	assert_int_equal(nfds, 2);
	assert_true((fcntl(in[0], F_GETFD) & FD_CLOEXEC) != 0);
	assert_int_equal(write(in[1], "x", 1), 1);
	assert_int_equal(read(pipe_fd[0], &c, 1), 1);
	assert_int_equal(c, 'x');
	(void)close(in[0]);
	(void)close(in[1]);
	(void)close(pipe_fd[0]);
	(void)close(pipe_fd[1]);
}

static void test_unwanted_descriptors_are_closed(void **state)
{
	struct pair *p = *state;
	struct message got;
	int two[2] = {STDIN_FILENO, STDERR_FILENO};
	int in[1];
	int before = open_fds();
	size_t nfds;

	assert_int_equal(ipc_send(p->fd[0], &hello, two, 2), 0);
	assert_int_equal(ipc_recv(p->fd[1], &got, sizeof(got), in, 1, &nfds), -1);
	assert_int_equal(errno, EBADMSG);
	assert_int_equal(nfds, 0);
	assert_int_equal(open_fds(), before);
}

static void send_with_rights(int sock, const void *bytes, size_t len, size_t n)
{
	int fds[64];
	struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(fds))];
	} u;
	struct msghdr m = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = u.room,
	    .msg_controllen = CMSG_SPACE(sizeof(int) * n)};
	struct cmsghdr *c;
	size_t i;

	memset(&u, 0, sizeof(u));
	for (i = 0; i < n; i++)
		fds[i] = STDERR_FILENO;
	c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * n);
	memcpy(CMSG_DATA(c), fds, sizeof(int) * n);
	assert_int_equal(sendmsg(sock, &m, 0), len);
}

static void test_more_descriptors_than_we_take(void **state)
{
	struct pair *p = *state;
	struct message got;
	int in[IPC_FDS_MAX];
	int before = open_fds();
	size_t nfds;

	send_with_rights(p->fd[0], &hello, sizeof(hello), 30);
	assert_int_equal(ipc_recv(p->fd[1], &got, sizeof(got), in, IPC_FDS_MAX, &nfds), -1);
	assert_int_equal(errno, EBADMSG);
	assert_int_equal(open_fds(), before);
}

static void test_bad_heads_are_refused(void **state)
{
	struct pair *p = *state;
	struct message bad = hello;
	struct message got;

	bad.head.len = sizeof(bad) - 1;
	assert_int_equal(send(p->fd[0], &bad, sizeof(bad), 0), sizeof(bad));
	assert_int_equal(ipc_recv(p->fd[1], &got, sizeof(got), NULL, 0, NULL), -1);
	assert_int_equal(errno, EBADMSG);
	assert_int_equal(
	    send(p->fd[0], &bad, sizeof(struct ipc_head) - 1, 0), sizeof(struct ipc_head) - 1);
	assert_int_equal(ipc_recv(p->fd[1], &got, sizeof(got), NULL, 0, NULL), -1);
	assert_int_equal(errno, EBADMSG);
}

static void test_too_long_is_refused(void **state)
{
	struct pair *p = *state;
	char small[sizeof(struct message) - 1];

	assert_int_equal(ipc_send(p->fd[0], &hello, NULL, 0), 0);
	assert_int_equal(ipc_recv(p->fd[1], small, sizeof(small), NULL, 0, NULL), -1);
	assert_int_equal(errno, EBADMSG);
}

static void test_end_of_file(void **state)
{
	struct pair *p = *state;
	struct message got;

	(void)shutdown(p->fd[0], SHUT_RDWR);
	assert_int_equal(ipc_recv(p->fd[1], &got, sizeof(got), NULL, 0, NULL), 0);
	assert_int_equal(ipc_send(p->fd[1], &hello, NULL, 0), -1);
	assert_int_equal(errno, EPIPE); /* and no SIGPIPE */
}

static void test_full_says_so_and_loses_nothing(void **state)
{
	struct pair *p = *state;
	struct message m = hello;
	struct message got;
	unsigned sent = 0;
	unsigned i;

	while (ipc_send(p->fd[0], &m, NULL, 0) == 0) {
		sent++;
		m.body[0] = (char)sent;
	}
	assert_int_equal(errno, EAGAIN);
	assert_true(sent > 1);
	for (i = 0; i < sent; i++) {
		assert_int_equal(ipc_recv(p->fd[1], &got, sizeof(got), NULL, 0, NULL), sizeof(got));
		if (i > 0)
			assert_int_equal(got.body[0], (char)i);
	}
}

static void test_depth_gives_room(void **state)
{
	uint8_t big[IPC_MESSAGE_MAX] = {0};
	struct ipc_head head = {.type = TYPE, .len = sizeof(big)};
	int fds[2];
	unsigned i;

	(void)state;
	memcpy(big, &head, sizeof(head));
	assert_int_equal(ipc_pair(fds, 100 * sizeof(big)), 0);
	for (i = 0; i < 25; i++) /* what is allowed without root, too */
		assert_int_equal(ipc_send(fds[0], big, NULL, 0), 0);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

#define WITH_PAIR(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_PAIR(test_message_arrives),
	    WITH_PAIR(test_descriptors_come_along),
	    WITH_PAIR(test_unwanted_descriptors_are_closed),
	    WITH_PAIR(test_more_descriptors_than_we_take),
	    WITH_PAIR(test_bad_heads_are_refused),
	    WITH_PAIR(test_too_long_is_refused),
	    WITH_PAIR(test_end_of_file),
	    WITH_PAIR(test_full_says_so_and_loses_nothing),
	    cmocka_unit_test(test_depth_gives_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
