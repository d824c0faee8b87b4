"""The outer layer: gate, nonce, AEAD over kind, length, label, body and zeros; and the label."""

import struct
from dataclasses import dataclass

from .keys import CLIENT_TO_SERVER, SERVER_TO_CLIENT
from .primitives import Forged, random, siphash, xchacha_open, xchacha_seal

UDP, TCP, ICMP, HTTP, SEQUENCE = 1, 2, 3, 4, 5
M1, M2, M3, M4 = 1, 2, 3, 4
CLIENT_OVERHEAD, SERVER_OVERHEAD = 75, 51
CLIENT_MIN, ROOM = 384, 1200


class Malformed(Exception):
    """Authentic, but not of the form that the protocol demands."""


@dataclass
class Label:
    cid: bytes
    t: int
    mac: bytes = bytes(8)

    def sum(self, label_key, kind, carrier, body):
        return siphash(label_key, bytes([kind, carrier]) + self.cid + struct.pack(">Q", self.t) + body)

    def signed(self, label_key, kind, carrier, body):
        return Label(self.cid, self.t, self.sum(label_key, kind, carrier, body))

    def encode(self):
        return self.cid + struct.pack(">Q", self.t) + self.mac

    @classmethod
    def decode(cls, data):
        return cls(data[:8], struct.unpack(">Q", data[8:16])[0], data[16:24])


@dataclass
class Veiled:
    kind: int
    label: Label
    body: bytes


def from_client(kind):
    return kind % 2 == 1


def need(kind, body_len):
    return body_len + (CLIENT_OVERHEAD if from_client(kind) else SERVER_OVERHEAD)


def plaintext(kind, label, body, total, padding=None):
    """What is under the AEAD. padding replaces the zeros, for tests that break the rule."""
    plain = struct.pack(">BH", kind, len(body)) + (label.encode() if label else b"") + body
    room = total - 48 - len(plain)
    return plain + (bytes(room) if padding is None else padding[:room])


def seal_plain(door_keys, direction, carrier, plain, nonce=None):
    """Gate, nonce and AEAD around any plaintext at all."""
    nonce = nonce or random(24)
    ad = b"postern1" + bytes([carrier])
    sealed = nonce + xchacha_seal(door_keys.veil[direction], nonce, ad, plain)
    return siphash(door_keys.gate[direction], sealed) + sealed


def seal(door_keys, carrier, kind, label, body, total, nonce=None):
    direction = CLIENT_TO_SERVER if from_client(kind) else SERVER_TO_CLIENT
    return seal_plain(door_keys, direction, carrier, plaintext(kind, label, body, total), nonce)


def open_veil(door_keys, direction, carrier, packet):
    """A Veiled; Forged when it is a stranger's, Malformed when a friend made it wrong."""
    if len(packet) < 8 + 24 + 16 + 3:
        raise Forged
    gate, sealed = packet[:8], packet[8:]
    if siphash(door_keys.gate[direction], sealed) != gate:
        raise Forged
    ad = b"postern1" + bytes([carrier])
    plain = xchacha_open(door_keys.veil[direction], sealed[:24], ad, sealed[24:])
    kind, body_len = struct.unpack(">BH", plain[:3])
    rest = plain[3:]
    if not 1 <= kind <= 8 or from_client(kind) != (direction == CLIENT_TO_SERVER):
        raise Malformed("kind")
    label = None
    if from_client(kind):
        if len(rest) < 24:
            raise Malformed("label")
        label, rest = Label.decode(rest[:24]), rest[24:]
    if body_len > len(rest):
        raise Malformed("body_len")
    if any(rest[body_len:]):
        raise Malformed("padding")
    return Veiled(kind, label, rest[:body_len])
