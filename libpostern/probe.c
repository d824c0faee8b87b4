#include "probe.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tarpit.h"

enum {
	EACH_MS = 250,	  /* a SYN that met the guard is not repeated so soon by the kernel; ... */
	MOST_MS = 2000,	  /* ... doubled each time up to this, for the way may be a long one */
	REFUSED_MS = 100, /* and a guard that answers would be asked without end */
	STANDS_MS = 250,  /* beside the way there and back: a trap has reset it by then */
	GREETING = 512,
};

void probe_init(struct probe *p)
{
	*p = (struct probe){.sock = -1, .due_ns = UINT64_MAX};
}

void probe_want(struct probe *p, uint64_t at_ns)
{
	if (p->due_ns != UINT64_MAX)
		return;
	p->due_ns = at_ns;
	p->each_ms = EACH_MS;
}

static void hang_up(struct probe *p)
{
	if (p->sock >= 0)
		(void)close(p->sock);
	p->sock = -1;
	p->stands = false;
}

void probe_end(struct probe *p)
{
	hang_up(p);
	p->due_ns = UINT64_MAX;
}

static void call(struct probe *p, const struct target *to, uint16_t port, uint64_t now_ns)
{
	struct sockaddr_storage addr = to->addr;

	if (addr.ss_family == AF_INET)
		((struct sockaddr_in *)&addr)->sin_port = htons(port);
	else
		((struct sockaddr_in6 *)&addr)->sin6_port = htons(port);
	hang_up(p);
	p->begun_ns = now_ns;
	p->due_ns = now_ns + p->each_ms * NS_PER_MS;
	p->each_ms = 2 * p->each_ms < MOST_MS ? 2 * p->each_ms : MOST_MS;
	p->sock = socket(addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->sock >= 0 && connect(p->sock, (const struct sockaddr *)&addr, to->len) < 0 &&
	    errno != EINPROGRESS)
		hang_up(p);
}

/* A connection that was begun: does it stand? One that failed is hung up. */
static enum probe_result take(struct probe *p, uint64_t now_ns)
{
	struct pollfd f = {.fd = p->sock, .events = POLLOUT};
	int error = 0;
	socklen_t len = sizeof(error);

	if (poll(&f, 1, 0) <= 0)
		return PROBE_NOTHING;
	if (getsockopt(p->sock, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0) {
		p->stands = true;
		p->due_ns = now_ns + (now_ns - p->begun_ns) + (uint64_t)STANDS_MS * NS_PER_MS;
		return is_tarpit(p->sock) ? PROBE_TRAPPED : PROBE_NOTHING;
	}
	if (error == ECONNRESET) /* it stood: else it had been refused */
		return PROBE_TRAPPED;
	hang_up(p);
	p->due_ns = now_ns + (uint64_t)REFUSED_MS * NS_PER_MS;
	return PROBE_NOTHING;
}

/* A connection that stands: is somebody there? Whoever greets, or ends it in good order, is. */
static enum probe_result judge(const struct probe *p, uint64_t now_ns)
{
	char greeting[GREETING];

	if (recv(p->sock, greeting, sizeof(greeting), MSG_DONTWAIT) >= 0)
		return PROBE_THROUGH;
	if (errno != EAGAIN && errno != EINTR)
		return PROBE_TRAPPED;
	return now_ns >= p->due_ns ? PROBE_THROUGH : PROBE_NOTHING;
}

enum probe_result probe_step(
    struct probe *p, const struct target *to, uint16_t port, uint64_t now_ns)
{
	enum probe_result result = PROBE_NOTHING;

	if (p->due_ns == UINT64_MAX)
		return PROBE_NOTHING;
	if (p->sock >= 0 && !p->stands)
		result = take(p, now_ns);
	if (p->stands && result == PROBE_NOTHING)
		result = judge(p, now_ns);
	if (result != PROBE_NOTHING)
		probe_end(p);
	else if (!p->stands && now_ns >= p->due_ns)
		call(p, to, port, now_ns);
	return result;
}

size_t probe_fds(const struct probe *p, struct pollfd *out, size_t cap)
{
	if (p->sock < 0)
		return 0;
	if (cap > 0)
		*out = (struct pollfd){.fd = p->sock, .events = p->stands ? POLLIN : POLLOUT};
	return 1;
}
