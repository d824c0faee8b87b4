#!/usr/bin/env python3
"""Write the seed corpora of fuzz_layers and fuzz_sift: a frame of every shape that layers.c reads."""

import struct
from pathlib import Path

HERE = Path(__file__).parent
LINKS = ["null", "ethernet", "raw", "loop", "sll", "sll2", "ipv4", "ipv6"]  # as in fuzz_layers.c
FROM, TO = bytes(6), bytes([2, 0, 0, 0, 0, 1])


def udp(inside=bytes(range(80))):
    return struct.pack("!HHHH", 40000, 62201, 8 + len(inside), 0) + inside


def tcp(options=bytes.fromhex("0101080acafe000100000000"), inside=b"slice"):
    head = struct.pack("!HHIIBBHHH", 40000, 443, 0xDEADBEEF, 0, (20 + len(options)) // 4 << 4, 2, 65535, 0, 0)
    return head + options + inside


def icmp(kind):
    return struct.pack("!BBHHH", kind, 0, 0, 0x1234, 7) + b"echo"


def ipv4(inside, proto=17, options=b"", fragment=0):
    words = 5 + len(options) // 4
    return struct.pack("!BBHHHBBH4s4s", 0x40 | words, 0, words * 4 + len(inside), 1, fragment, 64, proto, 0,
                       bytes([192, 0, 2, 7]), bytes([198, 51, 100, 1])) + options + inside


def ipv6(inside, proto=17, extensions=()):
    chain = b""
    for number, following in zip(extensions, [*extensions[1:], proto]):
        chain += {51: struct.pack("!BB10x", following, 1), 43: struct.pack("!BBBB4x", following, 0, 253, 0),
                  44: struct.pack("!BBHI", following, 0, 1, 1)}.get(number, struct.pack("!BBBB4x", following, 0, 1, 4))
    first = extensions[0] if extensions else proto
    source, target = bytes.fromhex("20010db8" + "00" * 11 + "07"), bytes.fromhex("20010db8" + "00" * 11 + "01")
    return struct.pack("!IHBB", 6 << 28, len(chain) + len(inside), first, 64) + source + target + chain + inside


def under(link, packet, tags=()):
    kind = 0x0800 if packet[0] >> 4 == 4 else 0x86DD
    types = [*tags, kind]
    tagged = b"".join(struct.pack("!HH", 5, t) for t in types[1:])
    match link:
        case "ethernet":
            return TO + FROM + struct.pack("!H", types[0]) + tagged + packet
        case "sll":
            return struct.pack("!HHH8sH", 0, 1, 6, FROM, types[0]) + tagged + packet
        case "sll2":
            return struct.pack("!HHIHBB8s", types[0], 0, 7, 1, 0, 6, FROM) + tagged + packet
        case "null":
            return struct.pack("<I", 2 if kind == 0x0800 else 24) + packet
        case "loop":
            return struct.pack("!I", 2 if kind == 0x0800 else 24) + packet
        case _:
            return packet


def frames():
    """(name, link, frame)"""
    for link in LINKS:
        if link != "ipv6":
            yield link + "-udp4", link, under(link, ipv4(udp()))
        if link != "ipv4":
            yield link + "-udp6", link, under(link, ipv6(udp()))
    e = "ethernet"
    yield "tag", e, under(e, ipv4(udp()), [0x8100])
    yield "qinq", e, under(e, ipv6(udp()), [0x88A8, 0x8100])
    yield "tags", e, under(e, ipv4(udp()), [0x8100] * 4)
    yield "options", e, under(e, ipv4(udp(), options=b"\1" * 40))
    yield "fragment4", e, under(e, ipv4(udp(), fragment=0x2000))
    yield "chain", e, under(e, ipv6(udp(), extensions=[0, 60, 43, 51]))
    yield "fragment6", e, under(e, ipv6(udp(), extensions=[60, 44]))
    yield "padding", e, under(e, ipv4(udp(b""))) + bytes(18)
    for packet in ("tcp4", ipv4(tcp(), 6)), ("tcp6", ipv6(tcp(), 6)), ("echo4", ipv4(icmp(8), 1)), ("echo6", ipv6(icmp(128), 58)):
        yield packet[0], "raw", packet[1]


def seeds():
    """(target, name, bytes)"""
    for name, link, frame in frames():
        yield "layers", name, bytes([LINKS.index(link)]) + frame
        if link in ("ethernet", "sll", "sll2", "raw"):
            yield "sift", name, frame
    yield "sift", "plaintext", struct.pack("!BH", 1, 16) + bytes(24) + bytes(range(16)) + bytes(100)
    yield "sift", "keys", struct.pack("=IIIHH", 4, 112, 2, 62201, 0) + bytes(96)


if __name__ == "__main__":
    for target, name, data in seeds():
        folder = HERE / "corpus" / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
