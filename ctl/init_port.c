#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "init.h"
#include "output.h"
#include "secret.h"

enum { PORT_FIRST = 1024, PORT_LAST = 65535, TRIES = 2000, SSH_PORT = 22 };

/* The next number of a text, which then is behind it; false when there is none from 1 to 65535. */
static bool next_port(const char **text, unsigned *out)
{
	char *end;
	unsigned long v = strtoul(*text, &end, 10);

	if (end == *text || v < 1 || v > PORT_LAST)
		return false;
	*text = end;
	*out = (unsigned)v;
	return true;
}

/* From which the kernel takes ports for connections of this host's own. */
static void ephemeral_range(unsigned *first, unsigned *last)
{
	char line[64] = "";
	const char *at = line;
	FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");

	if (f == NULL || fgets(line, sizeof(line), f) == NULL || !next_port(&at, first) ||
	    !next_port(&at, last)) {
		*first = 32768;
		*last = 60999;
	}
	if (f != NULL)
		(void)fclose(f);
}

static bool cannot_bind(int type, const struct sockaddr *at, socklen_t len)
{
	const int one = 1;
	int fd = socket(at->sa_family, type | SOCK_CLOEXEC, 0);
	bool taken;

	if (fd < 0)
		return false; /* no such family here */
	if (at->sa_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (type == SOCK_STREAM) /* connections that went out, or ended, are no listeners */
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	taken = bind(fd, at, len) != 0 && errno == EADDRINUSE;
	(void)close(fd);
	return taken;
}

bool init_port_is_used(int type, uint16_t port)
{
	const struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	const struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	return cannot_bind(type, (const struct sockaddr *)&v4, sizeof(v4)) ||
	       cannot_bind(type, (const struct sockaddr *)&v6, sizeof(v6));
}

bool init_port_is_taken(uint16_t port)
{
	return init_port_is_used(SOCK_DGRAM, port);
}

int init_port_choose(struct ctl *c, uint16_t *out)
{
	unsigned first, last;
	int i;

	ephemeral_range(&first, &last);
	for (i = 0; i < TRIES; i++) {
		unsigned port = PORT_FIRST + secret_random_below(PORT_LAST - PORT_FIRST + 1);

		if (port >= first && port <= last)
			continue;
		/* What has a name is somebody's, though he does not listen now. */
		if (getservbyport(htons((uint16_t)port), "udp") != NULL ||
		    init_port_is_taken((uint16_t)port))
			continue;
		*out = (uint16_t)port;
		return 0;
	}
	(void)output_fail(c, CTL_FAILED, "no free port was found for knocks; choose one: --port N");
	return -1;
}

/* SSH_CONNECTION ends with the port that the server was reached at. */
uint16_t init_ssh_port(void)
{
	const char *connection = getenv("SSH_CONNECTION");
	const char *last = connection != NULL ? strrchr(connection, ' ') : NULL;
	unsigned port;

	if (last != NULL && next_port(&last, &port))
		return (uint16_t)port;
	return SSH_PORT;
}
