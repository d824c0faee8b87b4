#include "nic.h"

#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/ioctl.h>

enum capture_status nic_status(int fd, uint32_t ifindex)
{
	struct ifreq r = {.ifr_ifindex = (int)ifindex};

	if (ioctl(fd, SIOCGIFNAME, &r) != 0 || ioctl(fd, SIOCGIFFLAGS, &r) != 0)
		return CAPTURE_GONE;
	return (r.ifr_flags & IFF_UP) != 0 ? CAPTURE_UP : CAPTURE_DOWN;
}

bool nic_mac(int fd, uint32_t ifindex, uint8_t mac[static 6])
{
	struct ifreq r = {.ifr_ifindex = (int)ifindex};

	if (ioctl(fd, SIOCGIFNAME, &r) != 0 || ioctl(fd, SIOCGIFHWADDR, &r) != 0)
		return false;
	memcpy(mac, r.ifr_hwaddr.sa_data, 6);
	return r.ifr_hwaddr.sa_family == ARPHRD_ETHER || r.ifr_hwaddr.sa_family == ARPHRD_LOOPBACK;
}
