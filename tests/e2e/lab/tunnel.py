"""A device without Ethernet: packets come and go through a descriptor in the test's hand."""

import fcntl
import os
import struct

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x1, 0x1000


class Tun:
    def __init__(self, host, name, *addresses):
        with host.inside():  # the device is made where the descriptor was opened
            self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
            fcntl.ioctl(self.fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
        host.ip("link", "set", name, "up")
        for address in addresses:
            host.ip("addr", "add", address, "dev", name, *(["nodad"] if ":" in address else []))

    def send(self, packet):
        """As if it came in through the device."""
        os.write(self.fd, packet)

    def packets(self):
        """What the host sent out through it so far."""
        os.set_blocking(self.fd, False)
        out = []
        while True:
            try:
                out.append(os.read(self.fd, 4096))
            except BlockingIOError:
                return out

    def close(self):
        os.close(self.fd)
