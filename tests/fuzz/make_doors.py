#!/usr/bin/env python3
"""Write the seed corpus of fuzz_door: what auth says to the monitor, in this machine's byte order."""

import ipaddress
import re
import struct
from pathlib import Path

HERE = Path(__file__).parent
NOW, BEFORE = 7, 6


def number(name):
    """Of a message, as enum message_type has it."""
    header = (HERE / "../../daemon/message.h").read_text()
    words = re.findall(r"^\tMSG_\w+", header.split("enum message_type {")[1].split("};")[0], re.M)
    return 1 + [w.strip() for w in words].index(name)


OPEN, CLOSE, QUERY = (number(f"MSG_DOOR_{word}") for word in ("OPEN", "CLOSE", "QUERY"))


def door(kind, generation, service, address, length, seconds, once=0, port=0, idle=0, cut=0, stray=0):
    a = ipaddress.ip_address(address)
    packed = a.packed if a.version == 6 else bytes(10) + b"\xff\xff" + a.packed
    body = struct.pack("=QII", 1, generation, service) + packed
    body += struct.pack("=BBHIIBBxx", length, once, port, idle, seconds, cut, stray)
    body += bytes(-(len(body) + 8) % 8)
    return struct.pack("=II", kind, 8 + len(body)) + body


SEEDS = {
    "open": door(OPEN, NOW, 0, "192.0.2.1", 32, 60),
    "open-v6": door(OPEN, NOW, 1, "2001:db8::", 64, 600),
    "open-before": door(OPEN, BEFORE, 1, "192.0.0.0", 16, 60),
    "close": door(CLOSE, NOW, 0, "10.0.0.0", 8, 0),
    "query": door(QUERY, NOW, 1, "2001:db8::1", 128, 0),
    "too-wide": door(OPEN, NOW, 0, "192.0.2.0", 24, 60),
    "stray": door(OPEN, NOW, 0, "192.0.2.1", 32, 60, stray=1),
    "narrow": door(OPEN, NOW, 0, "192.0.2.1", 32, 60, once=1, port=40000),
    "idle": door(OPEN, NOW, 0, "192.0.2.1", 32, 60, idle=30),
    "cut": door(CLOSE, NOW, 0, "192.0.2.1", 32, 0, cut=1),
    "short": door(OPEN, NOW, 0, "192.0.2.1", 32, 60)[:-1],
    "ready": struct.pack("=II", number("MSG_AUTH_READY"), 8),
}

if __name__ == "__main__":
    folder = HERE / "corpus" / "door"
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in SEEDS.items():
        (folder / name).write_bytes(data)
