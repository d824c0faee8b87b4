"""The cover png: bytes in the lowest bits of the green of a picture's pixels. Slow and plain; nothing of the C code."""

import struct
import zlib

COLUMNS = (0xE5, 0xD9, 0x8F, 0xD5)
PIXELS_PER_BYTE = 32
SIGNATURE = b"\x89PNG\r\n\x1a\n"
MASK = 0xFFFFFFFF


class Malformed(Exception):
    """Not a picture of the kind that carries anything."""


# ---- XChaCha20's stream, from its definition ----


def quarter(s, a, b, c, d):
    for x, y, z, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        s[x] = (s[x] + s[y]) & MASK
        s[z] ^= s[x]
        s[z] = ((s[z] << turn) | (s[z] >> (32 - turn))) & MASK


def rounds(state):
    s = list(state)
    for _ in range(10):
        for i in range(4):
            quarter(s, i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(s, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return s


CONSTANTS = struct.unpack("<4I", b"expand 32-byte k")


def words(key, nonce):
    """The stream as big-endian words of 32 bits, without end."""
    s = rounds(CONSTANTS + struct.unpack("<8I", key) + struct.unpack("<4I", nonce[:16]))
    start = CONSTANTS + tuple(s[:4] + s[12:])
    counter = 0
    while True:
        state = start + (counter & MASK, counter >> 32) + struct.unpack("<2I", nonce[16:])
        block = struct.pack("<16I", *((a + b) & MASK for a, b in zip(state, rounds(state))))
        yield from struct.unpack(">16I", block)
        counter += 1


# ---- order and code ----


def nonce(width, height, set_id):
    return struct.pack(">HHI", width, height, set_id & 0xFFFFF) + bytes(16)


def order(key, width, height, set_id, take):
    stream = words(key, nonce(width, height, set_id))
    pixels = list(range(width * height))
    for i in range(take):
        bound = len(pixels) - i
        word = next(stream)
        while word >= (1 << 32) - (1 << 32) % bound:
            word = next(stream)
        j = i + word % bound
        pixels[i], pixels[j] = pixels[j], pixels[i]
    return pixels[:take]


def read_bits(bits):
    """Each four bits finish one of the message; each bit has a part in eight of these."""
    still_open, message = 0, 0
    for i in range(0, len(bits), len(COLUMNS)):
        for bit, column in zip(bits[i:], COLUMNS):
            still_open ^= column if bit else 0
        message = message << 1 | still_open & 1
        still_open >>= 1
    return message.to_bytes(len(bits) // PIXELS_PER_BYTE, "big")


def flips(bits, message):
    """Which bits to change, the simple way: of each four the last, where it must be."""
    still_open, out = 0, []
    for i in range(0, len(bits), len(COLUMNS)):
        number = i // len(COLUMNS)
        for bit, column in zip(bits[i:], COLUMNS):
            still_open ^= column if bit else 0
        if (still_open ^ message[number // 8] >> (7 - number % 8)) & 1:
            still_open ^= COLUMNS[-1]
            out.append(i + len(COLUMNS) - 1)
        still_open >>= 1
    return out


# ---- PNG ----


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def encode(width, height, channels, samples):
    row = width * channels
    raw = b"".join(b"\0" + bytes(samples[i : i + row]) for i in range(0, len(samples), row))
    head = struct.pack(">IIBBBBB", width, height, 8, 2 if channels == 3 else 6, 0, 0, 0)
    return SIGNATURE + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def paeth(a, b, c):
    near = min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))
    return near[2]


def unfilter(kind, line, above, channels):
    out = bytearray(line)
    for i in range(len(out)):
        a = out[i - channels] if i >= channels else 0
        c = above[i - channels] if i >= channels else 0
        guess = (0, a, above[i], (a + above[i]) // 2, paeth(a, above[i], c))[kind]
        out[i] = (out[i] + guess) & 0xFF
    return out


def decode(png):
    """Width, height, channels and samples."""
    if png[:8] != SIGNATURE:
        raise Malformed
    at, data, head = 8, b"", None
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        body = png[at + 8 : at + 8 + length]
        if zlib.crc32(kind + body) != int.from_bytes(png[at + 8 + length : at + 12 + length], "big"):
            raise Malformed
        if kind == b"IHDR":
            head = struct.unpack(">IIBBBBB", body)
        elif kind == b"IDAT":
            data += body
        elif kind != b"IEND":
            raise Malformed
        at += 12 + length
    width, height, depth, colour = head[:4]
    if depth != 8 or colour not in (2, 6) or head[4:] != (0, 0, 0):
        raise Malformed
    channels = 3 if colour == 2 else 4
    raw, row = zlib.decompress(data), width * channels
    samples, above = bytearray(), bytes(row)
    for i in range(0, len(raw), row + 1):
        above = unfilter(raw[i], raw[i + 1 : i + 1 + row], above, channels)
        samples += above
    return width, height, channels, samples


# ---- the cover ----


def used(key, width, height, set_id):
    return order(key, width, height, set_id, width * height // PIXELS_PER_BYTE * PIXELS_PER_BYTE)


def unwrap(key, set_id, png):
    width, height, channels, samples = decode(png)
    pixels = used(key, width, height, set_id)
    return read_bits([samples[p * channels + 1] & 1 for p in pixels])


def wrap(key, set_id, picture, veil):
    """picture: width, height, channels, samples; the veil has the length that the picture takes."""
    width, height, channels, samples = picture
    assert len(veil) == width * height // PIXELS_PER_BYTE
    out = bytearray(samples)
    pixels = used(key, width, height, set_id)
    bits = [samples[p * channels + 1] & 1 for p in pixels]
    for i in flips(bits, veil):
        at = pixels[i] * channels
        way = -1 if max(out[at : at + 3]) == 255 else 1
        for c in range(3):
            out[at + c] = min(max(out[at + c] + way, 0), 255)
    return encode(width, height, channels, out)
