"""tcpdump on a host, and what it saw."""

import ipaddress
import struct

from .process import status
from .wait import until


class Recording:
    """Packets of a device that match a filter, from now on."""

    def __init__(self, host, filter_, device="eth0", direction="inout"):
        host._logs += 1
        self.file = host.folder / f"{host.role}-{host._logs}.pcap"
        self.process = host.start(
            "tcpdump", "-i", device, "-Q", direction, "-nn", "-U", "--immediate-mode", "-s", 2048, "-B", 32768,
            "-Z", "root", "-w", self.file, *filter_.split(), name="tcpdump",
        )
        self.process.wait_line("listening on")

    def frames(self):
        """[(seconds, frame)] so far."""
        data = self.file.read_bytes() if self.file.exists() else b""
        out, at = [], 24
        while at + 16 <= len(data):
            sec, usec, length, _ = struct.unpack("<IIII", data[at : at + 16])
            if at + 16 + length > len(data):
                break
            out.append((sec + usec / 1e6, data[at + 16 : at + 16 + length]))
            at += 16 + length
        return out

    def wait(self, count, seconds=5):
        until(lambda: len(self.frames()) >= count, seconds, f"{count} recorded packets")
        return self.frames()

    def stop(self):
        """All that came until now: told to end, tcpdump leaves what it has not read; it sleeps when there is no more."""
        if self.process.running():
            until(lambda: status(self.process.pid)["State"][0] == "S", 5, "tcpdump's rest")
        self.process.stop()
        return self.frames()


def udp_payload(frame):
    """(source, source port, destination, destination port, payload) of a plain Ethernet frame."""
    if frame[12:14] == b"\x86\xdd":
        src, dst, at = frame[22:38], frame[38:54], 54
    else:
        src, dst, at = frame[26:30], frame[30:34], 14 + (frame[14] & 15) * 4
    sport, dport, length = struct.unpack(">HHH", frame[at : at + 6])
    text = [str(ipaddress.ip_address(a)) for a in (src, dst)]
    return text[0], sport, text[1], dport, frame[at + 8 : at + length]
