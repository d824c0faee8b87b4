#include "fakenet.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "secret.h"

enum { FAMILIES = 2, JUNK_BYTES = 400 };

static void must(bool good, const char *what)
{
	if (good)
		return;
	perror(what);
	exit(99);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), path);
	(void)close(fd);
}

/* Who is not root may have a network of his own together with a list of users of his own. */
static void leave_network(void)
{
	unsigned uid = geteuid();
	char map[64];

	if (unshare(CLONE_NEWNET) == 0)
		return;
	must(unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0, "unshare");
	(void)snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	write_file("/proc/self/uid_map", map);
}

void fakenet_isolate(void)
{
	struct ifreq lo = {.ifr_name = "lo"};

	leave_network();
	int sock = socket(AF_INET, SOCK_DGRAM, 0);
	must(sock >= 0 && ioctl(sock, SIOCGIFFLAGS, &lo) == 0, "loopback");
	lo.ifr_flags |= IFF_UP;
	must(ioctl(sock, SIOCSIFFLAGS, &lo) == 0, "loopback");
	(void)close(sock);
}

/* ---- the server's process ---- */

static int listen_on(int family, int type, uint16_t port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET,
	    .sin_port = htons(port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 v6 = {
	    .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = in6addr_loopback};
	const struct sockaddr *to =
	    family == AF_INET ? (const struct sockaddr *)&v4 : (const struct sockaddr *)&v6;
	int on = 1;
	int sock = socket(family, type | SOCK_CLOEXEC, 0);

	must(sock >= 0, "socket");
	(void)setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (family == AF_INET6)
		(void)setsockopt(sock, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	must(bind(sock, to, family == AF_INET ? sizeof(v4) : sizeof(v6)) == 0, "bind");
	if (type == SOCK_STREAM)
		must(listen(sock, 16) == 0, "listen");
	return sock;
}

static uint16_t port_of(int sock)
{
	struct sockaddr_in own;
	socklen_t len = sizeof(own);

	must(getsockname(sock, (struct sockaddr *)&own, &len) == 0, "getsockname");
	return ntohs(own.sin_port);
}

static struct address address_from(const struct sockaddr_storage *from)
{
	if (from->ss_family == AF_INET)
		return address_v4(
		    (const uint8_t *)&((const struct sockaddr_in *)from)->sin_addr.s_addr);
	return address_v6(((const struct sockaddr_in6 *)from)->sin6_addr.s6_addr);
}

static void send_junk(int sock, const struct sockaddr_storage *to, socklen_t len)
{
	uint8_t junk[JUNK_BYTES];

	for (size_t n = 0; n <= sizeof(junk); n += 100) {
		secret_random(junk, sizeof(junk));
		(void)sendto(sock, junk, n, 0, (const struct sockaddr *)to, len);
	}
}

static void serve_knock(struct fake_server *f, int sock)
{
	struct sockaddr_storage from = {0};
	socklen_t from_len = sizeof(from);
	uint8_t packet[2048], out[VEIL_ROOM];
	struct timespec now;

	ssize_t got =
	    recvfrom(sock, packet, sizeof(packet), 0, (struct sockaddr *)&from, &from_len);
	if (got < 0)
		return;
	must(clock_gettime(CLOCK_REALTIME, &now) == 0, "clock");
	struct address seen = address_from(&from);
	uint64_t now_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	if (f->junk)
		send_junk(sock, &from, from_len);
	size_t len = fake_server_take(f, now_ns, &seen, packet, (size_t)got, out);
	if (len > 0)
		(void)sendto(sock, out, len, 0, (const struct sockaddr *)&from, from_len);
}

static void serve_service(int listener)
{
	char buffer[65536];
	ssize_t got;
	int sock = accept(listener, NULL, NULL);

	if (sock < 0)
		return;
	if (fork() != 0) {
		(void)close(sock);
		return;
	}
	while ((got = recv(sock, buffer, sizeof(buffer), 0)) > 0) {
		for (ssize_t sent = 0; sent < got;) {
			ssize_t put = send(sock, buffer + sent, (size_t)(got - sent), MSG_NOSIGNAL);
			if (put < 0)
				_exit(1);
			sent += put;
		}
	}
	(void)send(sock, "bye", 3, MSG_NOSIGNAL);
	_exit(0);
}

static void serve(
    struct fake_server *f, const int udp[static FAMILIES], const int tcp[static FAMILIES])
{
	struct pollfd fds[2 * FAMILIES];

	/* The test may die of a failed assertion: do not outlive it. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)signal(SIGCHLD, SIG_IGN);
	for (int i = 0; i < FAMILIES; i++) {
		fds[i] = (struct pollfd){.fd = udp[i], .events = POLLIN};
		fds[FAMILIES + i] = (struct pollfd){.fd = tcp[i], .events = POLLIN};
	}
	for (;;) {
		if (poll(fds, 2 * FAMILIES, -1) < 0)
			continue;
		for (int i = 0; i < FAMILIES; i++) {
			if (fds[i].revents)
				serve_knock(f, udp[i]);
			if (fds[FAMILIES + i].revents)
				serve_service(tcp[i]);
		}
	}
}

/* ---- the test's side ---- */

static void make_folders(struct fakenet *n)
{
	char path[FAKENET_PATH_MAX + 32];

	(void)snprintf(n->home, sizeof(n->home), "/tmp/postern-client-XXXXXX");
	must(mkdtemp(n->home) != NULL, "mkdtemp");
	(void)snprintf(path, sizeof(path), "%s/config", n->home);
	must(mkdir(path, 0700) == 0 && setenv("XDG_CONFIG_HOME", path, 1) == 0, path);
	(void)snprintf(path, sizeof(path), "%s/config/postern", n->home);
	must(mkdir(path, 0700) == 0, path);
	(void)snprintf(n->profiles, sizeof(n->profiles), "%s/config/postern/profiles", n->home);
	must(mkdir(n->profiles, 0700) == 0, n->profiles);
	(void)snprintf(path, sizeof(path), "%s/state", n->home);
	must(setenv("XDG_STATE_HOME", path, 1) == 0, path);
	(void)snprintf(n->state, sizeof(n->state), "%s/state/postern", n->home);
}

void fakenet_start(struct fakenet *n)
{
	int udp[FAMILIES], tcp[FAMILIES];

	*n = (struct fakenet){0};
	make_folders(n);
	n->server = mmap(
	    NULL, sizeof(*n->server), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(n->server != MAP_FAILED, "mmap");
	fake_server_start(n->server);
	/*
	 * One port for all: that of the first socket, which is free for the others in a network of
	 * our own.
	 */
	tcp[0] = listen_on(AF_INET, SOCK_STREAM, 0);
	n->port = port_of(tcp[0]);
	tcp[1] = listen_on(AF_INET6, SOCK_STREAM, n->port);
	udp[0] = listen_on(AF_INET, SOCK_DGRAM, n->port);
	udp[1] = listen_on(AF_INET6, SOCK_DGRAM, n->port);
	n->child = fork();
	must(n->child >= 0, "fork");
	if (n->child == 0)
		serve(n->server, udp, tcp);
	for (int i = 0; i < FAMILIES; i++) {
		(void)close(udp[i]);
		(void)close(tcp[i]);
	}
}

void fakenet_stop(struct fakenet *n)
{
	char command[FAKENET_PATH_MAX + 16];

	(void)kill(n->child, SIGKILL);
	(void)waitpid(n->child, NULL, 0);
	(void)munmap(n->server, sizeof(*n->server));
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", n->home);
	must(system(command) == 0, command);
}

void fakenet_write(const struct fakenet *n, const char *file, const char *text, unsigned mode,
    char path[static 128])
{
	size_t len = strlen(text);

	(void)snprintf(path, 128, "%s/%s", n->home, file);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	must(fd >= 0 && write(fd, text, len) == (ssize_t)len && fchmod(fd, mode) == 0, path);
	must(close(fd) == 0, path);
}

void fakenet_profile(const struct fakenet *n, const char *servers)
{
	char text[FAKE_PROFILE_MAX];
	char path[128];

	fake_server_profile(n->server, servers, n->port, text);
	fakenet_write(n, "config/postern/profiles/alice", text, 0600, path);
}
