"""A bad stretch of the way: packets come twice, and overtake each other."""

import ctypes
import fcntl
import heapq
import random
import select
import socket
import struct
import threading
import time

from .namespace import SIOCETHTOOL

ETH_P_ALL, SOL_PACKET, PACKET_IGNORE_OUTGOING = 3, 263, 23
ETHTOOL_STXCSUM = 0x17


def sums_by_software(host, device="eth0"):
    """What a host sends has its sums filled in: nobody does it for us when we pass it on."""
    value = ctypes.create_string_buffer(struct.pack("II", ETHTOOL_STXCSUM, 0))
    request = struct.pack("16sP", device.encode(), ctypes.addressof(value)).ljust(40, b"\0")
    with host.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, SIOCETHTOOL, request)


class Jumble(threading.Thread):
    """Put into a host's cable: each packet is held for up to hold_s, and every second one passed twice."""

    def __init__(self, lab, role="client", hold_s=0.02):
        super().__init__(daemon=True)
        self.hold_s, self.twice, self.overtaken, self.ends = hold_s, 0, 0, False
        switch, cable = lab.switch, f"{role}-eth0"
        for name in lab.roles:
            sums_by_software(getattr(lab, name))
        switch.ip("link", "add", "jumble0", "type", "veth", "peer", "name", "jumble1")
        for device in ("jumble0", "jumble1"):
            switch.sysctl(f"net.ipv6.conf.{device}.disable_ipv6", 1)
            switch.ip("link", "set", device, "up")
        switch.ip("link", "set", cable, "nomaster")
        switch.ip("link", "set", "jumble1", "master", "sw")
        for device in ("jumble0", "jumble1"):
            switch.sync_link(device)
        self.ways = {}
        ends = [self._socket(switch, device) for device in (cable, "jumble0")]
        self.ways = dict(zip(ends, reversed(ends)))
        self.start()

    def _socket(self, switch, device):
        s = switch.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        s.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        s.bind((device, ETH_P_ALL))
        return s

    def run(self):
        waiting, number, last = [], 0, {}
        while not self.ends:
            left = max(0, waiting[0][0] - time.monotonic()) if waiting else 0.1
            for s in select.select(list(self.ways), [], [], left)[0]:
                frame = s.recv(65536)
                for _ in range(1 + random.getrandbits(1)):
                    heapq.heappush(waiting, (time.monotonic() + random.uniform(0, self.hold_s), number, s, frame))
                    number += 1
            while waiting and waiting[0][0] <= time.monotonic():
                _, at, s, frame = heapq.heappop(waiting)
                before, sent = last.get(s, (-1, b""))
                self.twice += frame == sent
                self.overtaken += at < before
                last[s] = at, frame
                self.ways[s].send(frame)

    def close(self):
        self.ends = True
        self.join()
        for s in self.ways:
            s.close()
