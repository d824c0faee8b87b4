#include "nic.h"

#include <net/if.h>
#include <sys/ioctl.h>

enum capture_status nic_status(int fd, uint32_t ifindex)
{
	struct ifreq r = {.ifr_ifindex = (int)ifindex};

	if (ioctl(fd, SIOCGIFNAME, &r) != 0 || ioctl(fd, SIOCGIFFLAGS, &r) != 0)
		return CAPTURE_GONE;
	return (r.ifr_flags & IFF_UP) != 0 ? CAPTURE_UP : CAPTURE_DOWN;
}
