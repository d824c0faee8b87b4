#!/usr/bin/env python3
"""Write the seed corpus of fuzz_door: what auth says to the monitor, in this machine's byte order."""

import ipaddress
import struct
from pathlib import Path

HERE = Path(__file__).parent
OPEN, CLOSE, QUERY = 8, 9, 10  # enum message_type
NOW, BEFORE = 7, 6


def door(kind, generation, service, address, length, seconds, stray=b"\0\0\0"):
    a = ipaddress.ip_address(address)
    packed = a.packed if a.version == 6 else bytes(10) + b"\xff\xff" + a.packed
    body = struct.pack("=QII", 1, generation, service) + packed + bytes([length]) + stray
    body += struct.pack("=I", seconds)
    body += bytes(-(len(body) + 8) % 8)
    return struct.pack("=II", kind, 8 + len(body)) + body


SEEDS = {
    "open": door(OPEN, NOW, 0, "192.0.2.1", 32, 60),
    "open-v6": door(OPEN, NOW, 1, "2001:db8::", 64, 600),
    "open-before": door(OPEN, BEFORE, 1, "192.0.0.0", 16, 60),
    "close": door(CLOSE, NOW, 0, "10.0.0.0", 8, 0),
    "query": door(QUERY, NOW, 1, "2001:db8::1", 128, 0),
    "too-wide": door(OPEN, NOW, 0, "192.0.2.0", 24, 60),
    "stray": door(OPEN, NOW, 0, "192.0.2.1", 32, 60, b"\0\0\1"),
    "short": door(OPEN, NOW, 0, "192.0.2.1", 32, 60)[:-1],
    "ready": struct.pack("=II", 6, 8),
}

if __name__ == "__main__":
    folder = HERE / "corpus" / "door"
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in SEEDS.items():
        (folder / name).write_bytes(data)
