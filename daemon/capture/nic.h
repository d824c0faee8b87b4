/*
 * nic - what the kernel says about an interface, for the methods that listen
 * on one.
 */
#ifndef POSTERN_CAPTURE_NIC_H
#define POSTERN_CAPTURE_NIC_H

#include <stdbool.h>
#include <stdint.h>

#include "capture.h"

/*
 * By its number: the name may have changed, or be another's by now. fd is any
 * socket; makes ioctl() calls alone. Returns CAPTURE_UP, DOWN or GONE.
 */
enum capture_status nic_status(int fd, uint32_t ifindex);

/*
 * Its hardware address, 6 bytes. Returns whether it has one, that is, whether
 * its frames have Ethernet headers; the loopback's are zeros.
 */
bool nic_mac(int fd, uint32_t ifindex, uint8_t mac[static 6]);

#endif
