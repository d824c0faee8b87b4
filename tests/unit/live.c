#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipc.h"
#include "keys.h"
#include "live.h"
#include "process.h"

enum { PEER_DEPTH = 1 << 20, SPARE_FDS = 20 };

bool live_possible(void)
{
	return geteuid() == 0 && unshare(CLONE_NEWNET) == 0;
}

void live_run(const char *command)
{
	int status = system(command);

	if (status != 0)
		fail_msg("%s: status %d", command, status);
}

void live_make_pair(void)
{
	live_run("ip link del " LIVE_NEAR " 2>/dev/null || true");
	/* No IPv6 of its own: the interfaces' own packets would mix with ours. */
	live_run("ip link set lo up && ip link add " LIVE_NEAR " type veth peer name " LIVE_FAR
		 " && ip link set " LIVE_NEAR " addrgenmode none up && ip link set " LIVE_FAR
		 " addrgenmode none up");
	live_up();
}

void live_up(void)
{
	/* Until the kernel has noticed, what is sent is thrown away. */
	live_run("ip link set " LIVE_NEAR " up && until ip link show " LIVE_FAR
		 " | grep -q 'state UP'; do sleep 0.01; done");
}

int live_sender(const char *interface)
{
	struct sockaddr_ll to = {
	    .sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(interface)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

void live_send(int sender, struct shape shape)
{
	struct ifreq near = {.ifr_name = LIVE_NEAR};
	struct frame f;

	assert_int_equal(ioctl(sender, SIOCGIFHWADDR, &near), 0);
	shape.mac = (const uint8_t *)near.ifr_hwaddr.sa_data;
	frame_make(&f, &shape);
	assert_int_equal(send(sender, f.bytes, f.len, 0), f.len);
}

void live_await(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int n;

	do
		n = poll(&p, 1, LIVE_PATIENCE_MS);
	while (n < 0 && errno == EINTR);
	if (n != 1)
		fail_msg("nothing came within %d ms", LIVE_PATIENCE_MS);
}

/* To where the child expects it, out of the way of the others. */
static void place(int fd, int at)
{
	if (dup2(fd, at) != at)
		_exit(99);
}

static _Noreturn void be_capture(const char *interface, int log, int peer, int config)
{
	struct child_args a = {.config_path = "test.conf", .config_dir = ".", .source = interface};
	char jail[] = "/tmp/postern-jail-XXXXXX";
	int spare[] = {fcntl(log, F_DUPFD, SPARE_FDS), fcntl(peer, F_DUPFD, SPARE_FDS),
	    fcntl(config, F_DUPFD, SPARE_FDS)};

	place(spare[0], FD_LOG);
	place(spare[1], FD_PEER);
	place(spare[2], FD_CONFIG);
	(void)close(FD_VERDICT);
	if (close_range(FD_CONFIG + 1, ~0U, 0) != 0 || mkdtemp(jail) == NULL || chdir(jail) != 0 ||
	    rmdir(jail) != 0) /* a folder without a name is as empty as can be */
		_exit(99);
	_exit(capture_main(&a));
}

struct live_capture live_start(const char *interface, const char *config)
{
	struct live_capture c;
	int peer[2], log[2];
	int text = memfd_create("config", MFD_CLOEXEC);

	assert_true(text >= 0);
	assert_int_equal(write(text, config, strlen(config)), strlen(config));
	assert_int_equal(ipc_pair(peer, PEER_DEPTH), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, log), 0);
	c.pid = fork();
	assert_true(c.pid >= 0);
	if (c.pid == 0)
		be_capture(interface, log[1], peer[1], text);
	c.peer = peer[0];
	c.log = log[0];
	(void)close(peer[1]);
	(void)close(log[1]);
	(void)close(text);
	return c;
}

const char *live_config(
    char *out, size_t cap, const char *method, const char *interface, const char *user)
{
	(void)snprintf(out, cap,
	    "capture = %s\ninterface = %s\nudp-port = %d\ncapture-user = %s\nlog-level = debug\n"
	    "service \"ssh\" { proto = tcp  port = 22 }\n",
	    method, interface, FRAME_PORT, user);
	return out;
}

int live_end(struct live_capture *c)
{
	int status = 0;

	/* A test that hangs here is ended by its alarm. */
	assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
	(void)close(c->peer);
	(void)close(c->log);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void live_expect(const struct live_capture *c, uint32_t type, void *out, size_t size)
{
	struct ipc_head head;

	live_await(c->peer);
	assert_int_equal(ipc_recv(c->peer, out, size, NULL, 0, NULL), size);
	memcpy(&head, out, sizeof(head));
	assert_int_equal(head.type, type);
}

void live_keys(const struct live_capture *c, const uint8_t door_key[static 32])
{
	struct msg_keys m = {.head = {MSG_KEYS, sizeof(m)}, .count = 1};
	struct door_keys keys;

	door_keys_derive(&keys, door_key);
	memcpy(m.key[0].veil, keys.to_server.veil, KEY_BYTES);
	memcpy(m.key[0].gate, keys.to_server.gate, SHORT_KEY_BYTES);
	assert_int_equal(ipc_send(c->peer, &m, NULL, 0), 0);
}

void live_stats(const struct live_capture *c, struct msg_capture_stats *out)
{
	struct msg_plain query = {{MSG_STATS_QUERY, sizeof(query)}};

	assert_int_equal(ipc_send(c->peer, &query, NULL, 0), 0);
	live_expect(c, MSG_CAPTURE_STATS, out, sizeof(*out));
}

void live_expect_log(const struct live_capture *c, const char *text)
{
	char line[2048];
	ssize_t n;

	do {
		live_await(c->log);
		n = recv(c->log, line, sizeof(line) - 1, 0);
		assert_true(n > 0);
		line[n] = '\0';
	} while (strstr(line + 1, text) == NULL);
}
