#include "tarpit.h"

#include <linux/tcp.h> /* the C library's has not all of struct tcp_info */
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

bool is_tarpit(int sock)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);
	const size_t told = offsetof(struct tcp_info, tcpi_snd_wnd) + sizeof(info.tcpi_snd_wnd);

	return getsockopt(sock, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 && len >= told &&
	       info.tcpi_snd_wnd == 0;
}
