#!/usr/bin/env python3
"""Write the seeds of fuzz_pieces: courses of events, as it reads them."""

import random
import struct
from pathlib import Path

FOLDER = Path(__file__).parent / "corpus" / "pieces"
CLEAN, CHANGED = 1, 2


def piece(what, source, set_id, index, count, length):
    where = struct.pack(">H", 0x2005) if what & CHANGED else b""
    return bytes([what, source, set_id, index, count]) + where + struct.pack(">H", length - 1)


def seeds():
    chance = random.Random(1)
    order = [(0, i) for i in range(25)] + [(1, i) for i in range(25)]
    chance.shuffle(order)
    yield "two-mixed", b"".join(piece(0, 7, s, i, 25, 48) for s, i in order)
    yield "twice", b"".join(piece(0, 7, 3, i, 5, 48) * 2 for i in range(5)) * 2
    yield "clean", b"".join(piece(CLEAN, 7, 3, i, 63, 700) for i in range(64))
    yield "changed", b"".join(piece(CHANGED, 7, 3, i, 5, 48) + piece(0, 7, 3, i, 5, 48) for i in range(5))
    yield "absurd", b"".join(piece(0, 7, 3, i, n, 48) for i, n in ((0, 0), (9, 9), (0, 255), (32, 33)))
    yield "late", piece(0, 7, 3, 0, 2, 48) + bytes([31 << 3 | 6]) + piece(0, 7, 3, 1, 2, 48)
    yield "back", piece(0, 7, 3, 0, 2, 48) + bytes([31 << 3 | 7]) + piece(0, 7, 3, 1, 2, 48)
    yield "many", b"".join(piece(0, s % 128, s % 32, 0, 2, 1382) for s in range(400))
    yield "junk", bytes([4]) + bytes(8) + bytes([66]) + bytes(range(66))


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, data in seeds():
        (FOLDER / name).write_bytes(data)
