"""Packets by hand: Ethernet with VLAN tags, IPv4 with options and fragments, IPv6 with extension headers."""

import ipaddress
import struct

UDP, TCP, FRAGMENT, NO_NEXT = 17, 6, 44, 59
ICMPV6 = 58
HOP_BY_HOP, ROUTING, DESTINATION = 0, 43, 60
FIN, SYN, RST, ACK = 1, 2, 4, 16


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def addr(text):
    return ipaddress.ip_address(text).packed


def is_v6(text):
    return ":" in text


def _pseudo(src, dst, proto, length):
    if is_v6(src):
        return addr(src) + addr(dst) + struct.pack(">IxxxB", length, proto)
    return addr(src) + addr(dst) + struct.pack(">BBH", 0, proto, length)


def udp(src, sport, dst, dport, payload):
    length = 8 + len(payload)
    head = struct.pack(">HHHH", sport, dport, length, 0)
    sum_ = checksum(_pseudo(src, dst, UDP, length) + head + payload) or 0xFFFF
    return struct.pack(">HHHH", sport, dport, length, sum_) + payload


def tcp(src, sport, dst, dport, flags, seq, ack, window, options=b"", payload=b""):
    words = 5 + len(options) // 4

    def head(sum_):
        return struct.pack(">HHIIBBHHH", sport, dport, seq, ack, words << 4, flags, window, sum_, 0) + options

    whole = head(0) + payload
    return head(checksum(_pseudo(src, dst, TCP, len(whole)) + whole)) + payload


def tcp_syn(src, sport, dst, dport, seq=1000, payload=b"", tsval=None):
    """tsval: with the options that Linux sends, this timestamp among them."""
    options = b"" if tsval is None else b"\x02\x04\x05\xb4\x04\x02\x08\x0a" + struct.pack(">II", tsval, 0)
    options += b"" if tsval is None else b"\x01\x03\x03\x07"
    return tcp(src, sport, dst, dport, SYN, seq, 0, 64240, options, payload)


def tcp_syn_ack(src, sport, dst, dport, seq, ack, times=None, payload=b""):
    """As Linux answers on a link of 1,500 bytes. times: its own clock and the one it echoes; None: no options."""
    v6 = is_v6(src)
    options = b""
    if times:
        options = struct.pack(">BBHBBBBIIBBBB", 2, 4, 1440 if v6 else 1460, 4, 2, 8, 10, *times, 1, 3, 3, 7)
    return tcp(src, sport, dst, dport, SYN | ACK, seq, ack, 64260 if v6 else 65160, options, payload)


def echo_reply(src, dst, ident, number, payload):
    v6 = is_v6(src)

    def head(sum_):
        return struct.pack(">BBHHH", 129 if v6 else 0, 0, sum_, ident, number)

    pseudo = _pseudo(src, dst, ICMPV6, 8 + len(payload)) if v6 else b""
    return head(checksum(pseudo + head(0) + payload)) + payload


def tcp_reset(src, sport, dst, dport, ack, payload=b""):
    return tcp(src, sport, dst, dport, RST | ACK, 0, ack, 0, payload=payload)


def ipv4(src, dst, proto, payload, options=b"", ident=0, fragment=0, more=False, ttl=64):
    """fragment: offset in bytes, a multiple of 8."""
    options += bytes(-len(options) % 4)
    ihl = 5 + len(options) // 4
    flags = (0x2000 if more else 0) | fragment // 8

    def head(sum_):
        return (
            struct.pack(">BBHHHBBH", 0x40 | ihl, 0, ihl * 4 + len(payload), ident, flags, ttl, proto, sum_)
            + addr(src)
            + addr(dst)
            + options
        )

    return head(checksum(head(0))) + payload


def ipv6(src, dst, proto, payload, hops=64):
    return struct.pack(">IHBB", 6 << 28, len(payload), proto, hops) + addr(src) + addr(dst) + payload


def extension(kind, following, body=b""):
    """A hop-by-hop, destination or routing header of padding; returns (its own number, bytes)."""
    if kind == ROUTING:
        body = body or bytes([0, 0]) + bytes(4)  # type 0, no segment left: to be skipped
    elif not body:
        body = bytes([1, 4, 0, 0, 0, 0])  # PadN
    length = (2 + len(body) + 7) // 8 * 8
    return struct.pack(">BB", following, length // 8 - 1) + body + bytes(length - 2 - len(body))


def fragment_header(following, offset, more, ident):
    return struct.pack(">BBHI", following, 0, offset | (1 if more else 0), ident)


def packet(src, dst, proto, payload):
    return ipv6(src, dst, proto, payload) if is_v6(src) else ipv4(src, dst, proto, payload)


def udp_packet(src, sport, dst, dport, payload):
    return packet(src, dst, UDP, udp(src, sport, dst, dport, payload))


def with_extensions(src, dst, proto, payload, kinds):
    """An IPv6 packet with a chain of extension headers before the payload."""
    for kind in reversed(kinds):
        payload, proto = extension(kind, proto) + payload, kind
    return ipv6(src, dst, proto, payload)


def fragments(src, dst, proto, payload, first):
    """The same in two pieces, the first of `first` bytes (a multiple of 8); v6 gets fragment headers."""
    pieces = ((0, payload[:first], True), (first, payload[first:], False))
    if is_v6(src):
        return [
            ipv6(src, dst, FRAGMENT, fragment_header(proto, at, more, 77) + piece)
            for at, piece, more in pieces
        ]
    return [ipv4(src, dst, proto, piece, ident=77, fragment=at, more=more) for at, piece, more in pieces]


def ethernet(dst_mac, src_mac, ip_packet, vlans=()):
    """vlans: (ethertype, tag) from the outside in, e.g. ((0x8100, 5),)."""

    def mac(text):
        return bytes.fromhex(text.replace(":", ""))

    inner = 0x86DD if ip_packet[0] >> 4 == 6 else 0x0800
    tags = b"".join(struct.pack(">HH", kind, tag) for kind, tag in vlans)
    return mac(dst_mac) + mac(src_mac) + tags + struct.pack(">H", inner) + ip_packet
