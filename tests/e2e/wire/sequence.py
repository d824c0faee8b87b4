"""Pieces along a secret sequence of ports: both layouts, and the ports themselves, listed or rolling."""

import hashlib
import struct
from dataclasses import dataclass

from .primitives import siphash

STEP_S, PORTS_STEP_S = 60, 600
PLAIN_SLICE, CLEAN_SLICE = 48, 700
PLAIN_MAX, CLEAN_MAX = 32, 64
PNG = b"\x89PNG\r\n\x1a\n"


def step(time_s):
    return int(time_s) // STEP_S


def rolling_ports(door_keys, low, high, count, time_s, off=0, id_=0):
    """The ports of one step of 600 s, in their order; each is drawn until it is new. id_: of a named sequence."""
    number, ports = int(time_s) // PORTS_STEP_S + off, []
    for i in range(count):
        for attempt in range(256):
            text = struct.pack(">QBB", number, i, attempt) + (bytes([id_]) if id_ else b"")
            drawn = hashlib.blake2b(text, digest_size=32, key=door_keys.ports).digest()
            port = low + int.from_bytes(drawn[:8], "big") % (high - low + 1)
            if port not in ports:
                break
        ports.append(port)
    return ports


def cut(data, usual, most):
    size = max(usual, -(-len(data) // most))
    return [data[i : i + size] for i in range(0, len(data), size)]


def tag(door_keys, number, set_id, index, count, slice_):
    return siphash(door_keys.sequence_tag, struct.pack(">IQBB", number, set_id, index, count) + slice_)


def seal_plain(door_keys, number, set_id, index, count, slice_):
    mac = tag(door_keys, number, set_id, index, count, slice_)
    mask = siphash(door_keys.sequence_mask, mac + b"\0") + siphash(door_keys.sequence_mask, mac + b"\1")
    head = struct.pack(">QBB", set_id, index, count)
    return mac + bytes(a ^ b for a, b in zip(head, mask)) + slice_


def seal_clean(door_keys, number, set_id, index, count, slice_):
    """(sequence number, timestamp value); the slice is all of the payload."""
    seq = int.from_bytes(tag(door_keys, number, set_id, index, count, slice_)[:4], "big")
    word = set_id << 12 | index << 6 | count - 1
    mask = siphash(door_keys.sequence_mask, struct.pack(">I", seq) + slice_)
    return seq, word ^ int.from_bytes(mask[:4], "big")


def open_clean(door_keys, seq, tsval, slice_, numbers):
    """(set id, index, count) of a SYN in one of these steps; None for what is no piece."""
    mask = siphash(door_keys.sequence_mask, struct.pack(">I", seq) + slice_)
    word = tsval ^ int.from_bytes(mask[:4], "big")
    said = word >> 12, word >> 6 & 63, (word & 63) + 1
    for number in numbers:
        if tag(door_keys, number, *said, slice_)[:4] == seq.to_bytes(4, "big"):
            return said
    return None


@dataclass
class Piece:
    """One packet of a set. clean: seq and tsval are the SYN's."""

    port: int
    payload: bytes
    seq: int = 0
    tsval: int = 0


def pieces(door_keys, ports, data, set_id, time_s, clean=False):
    """Covered bytes as a list of Piece, in the order of their index."""
    slices = cut(data, *((CLEAN_SLICE, CLEAN_MAX) if clean else (PLAIN_SLICE, PLAIN_MAX)))
    out = []
    for index, slice_ in enumerate(slices):
        args = door_keys, step(time_s), set_id, index, len(slices), slice_
        port = ports[index % len(ports)]
        if clean:
            out.append(Piece(port, slice_, *seal_clean(*args)))
        else:
            out.append(Piece(port, seal_plain(*args)))
    return out
