#include "connect.h"

#include <err.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "measure.h"

enum { TRY_US = 200 };

bool connect_once(const struct in_addr *from, const struct sockaddr_in *to, uint32_t wait_us)
{
	const struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr = *from};
	const struct linger reset = {.l_onoff = 1};
	const struct timespec wait = {.tv_nsec = (long)wait_us * 1000};
	int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct pollfd p = {.fd = s, .events = POLLOUT};
	bool up;

	if (s < 0 || bind(s, (const struct sockaddr *)&local, sizeof(local)) < 0)
		err(1, "socket");
	setsockopt(s, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	up = connect(s, (const struct sockaddr *)to, sizeof(*to)) == 0;
	if (!up && ppoll(&p, 1, &wait, NULL) > 0)
		up = (p.revents & POLLOUT) && !(p.revents & (POLLERR | POLLHUP));
	close(s);
	return up;
}

uint64_t connect_poll(const struct in_addr *from, const struct sockaddr_in *to, uint64_t give_up_ns)
{
	for (;;) {
		const bool up = connect_once(from, to, TRY_US);
		const uint64_t now = measure_now_ns();

		if (up)
			return now;
		if (now > give_up_ns)
			return 0;
	}
}
