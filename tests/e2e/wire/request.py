"""Request, reply and answer: what is said inside the envelope."""

import ipaddress
import struct
from dataclasses import dataclass, field

OPEN, CLOSE, RUN, PING, LIST = 1, 2, 3, 4, 5
WANT_REPLY, WANT_CHALLENGE, STRICT = 1, 2, 4
VERDICTS = (
    "ok refreshed challenge denied malformed unknown-field code-or-pin address quota busy "
    "result-unknown firewall-failed command-failed expired"
).split()
TCP, UDP = 6, 17


class BadReply(Exception):
    """A reply that a client must drop."""


def tlv(kind, value):
    return struct.pack(">BH", kind, len(value)) + value


def packed(address):
    return ipaddress.ip_address(address).packed


def mapped(address):
    """16 bytes: IPv6, or IPv4 as v4-mapped."""
    raw = packed(address)
    return raw if len(raw) == 16 else bytes(10) + b"\xff\xff" + raw


def unmapped(raw):
    if len(raw) == 16 and raw[:12] == bytes(10) + b"\xff\xff":
        raw = raw[12:]
    return str(ipaddress.ip_address(raw))


def admit(text):
    net = ipaddress.ip_network(text)
    return bytes([net.prefixlen]) + net.network_address.packed


@dataclass
class Request:
    """`extra` are raw (type, bytes) fields; all fields are put in ascending order."""

    verb: int = OPEN
    attempt: int = 0
    services: tuple = ()
    ports: tuple = ()  # (protocol, port)
    admits: tuple = ()  # "10.0.0.1/32"
    own_address: str = None
    hold: int = None
    session: int = None
    code: str = None
    pin: bytes = None
    flags: int = WANT_REPLY
    version: int = 1
    extra: tuple = ()

    def fields(self):
        out = [(1, s.encode()) for s in self.services]
        out += [(2, struct.pack(">BH", *p)) for p in self.ports]
        out += [(3, admit(p)) for p in self.admits]
        if self.own_address:
            out.append((4, packed(self.own_address)))
        if self.hold is not None:
            out.append((6, struct.pack(">I", self.hold)))
        if self.code is not None:
            out.append((9, self.code.encode()))
        if self.pin is not None:
            out.append((10, self.pin))
        if self.session is not None:
            out.append((13, struct.pack(">Q", self.session)))
        return sorted(out + list(self.extra), key=lambda f: f[0])

    def encode(self):
        head = struct.pack(">BBHQ", self.version, self.verb, self.flags, self.attempt)
        return head + b"".join(tlv(k, v) for k, v in self.fields())


@dataclass
class Door:
    protocol: int
    port: int
    seconds: int
    session: int


@dataclass
class Reply:
    verdict: str
    server_time: int
    attempt: int
    address_seen: str = None
    doors: list = field(default_factory=list)
    exit_status: int = None
    output: bytes = None
    reason: str = None
    asked: int = None
    wait: int = None
    door_key: bytes = None
    idle: int = None

    def set(self, kind, value):
        if kind == 1 and len(value) in (4, 16):
            self.address_seen = unmapped(value)
        elif kind == 2 and len(value) == 15:
            self.doors.append(Door(*struct.unpack(">BHIQ", value)))
        elif kind == 3 and len(value) == 1:
            self.exit_status = value[0]
        elif kind == 4:
            self.output = value
        elif kind == 5:
            self.reason = value.decode()
        elif kind == 6 and len(value) == 1:
            self.asked = value[0]
        elif kind == 7 and len(value) == 2:
            self.wait = int.from_bytes(value, "big")
        elif kind == 0x88 and len(value) == 32:
            self.door_key = value
        elif kind == 0x89 and len(value) == 4 and any(value):
            self.idle = int.from_bytes(value, "big")
        elif kind < 0x80 or kind in (0x88, 0x89):
            raise BadReply(f"field {kind} of {len(value)} bytes")


def tlvs(data):
    last = -1
    while data:
        if len(data) < 3:
            raise BadReply("trailing bytes")
        kind, length = struct.unpack(">BH", data[:3])
        value, data = data[3 : 3 + length], data[3 + length :]
        if len(value) < length:
            raise BadReply("field beyond the end")
        if kind < last or (kind == last and kind != 2):
            raise BadReply("fields out of order")
        last = kind
        yield kind, value


def decode_reply(data):
    if len(data) < 20:
        raise BadReply("short")
    version, verdict, flags, server_time, attempt = struct.unpack(">BBHQQ", data[:20])
    if version != 1 or flags or verdict >= len(VERDICTS):
        raise BadReply("head")
    reply = Reply(VERDICTS[verdict], server_time, attempt)
    for kind, value in tlvs(data[20:]):
        reply.set(kind, value)
    return reply


def encode_reply(verdict, server_time, attempt, fields=()):
    head = struct.pack(">BBHQQ", 1, VERDICTS.index(verdict), 0, server_time, attempt)
    return head + b"".join(tlv(k, v) for k, v in fields)


def encode_answer(attempt, t, seen, code=None, pin=None):
    """M3's body before it is sealed."""
    out = struct.pack(">BQQ", 3, attempt, t) + mapped(seen)
    if code is not None:
        out += tlv(9, code.encode())
    if pin is not None:
        out += tlv(10, pin)
    return out
