#!/usr/bin/env python3
"""Write the seed corpora of the protocol's fuzz targets from the golden file."""

import json
from pathlib import Path

HERE = Path(__file__).parent
GOLDEN = json.loads((HERE.parent / "golden" / "protocol.json").read_text())
PAYLOAD = 96 + 40  # an M1 of fuzz_noise.c


def seeds():
    """(target, name, bytes)"""
    for exchange in GOLDEN["exchanges"]:
        for message in exchange["messages"]:
            kind, name = message["kind"], f"{exchange['name']}-m{message['kind']}"
            said = {1: "request", 2: "reply", 3: "answer", 4: "reply"}[kind]
            yield said, name, bytes.fromhex(message["plain"])
            yield "veil", name, bytes.fromhex(message["veil_plain"])
            yield "veil", name + "-packet", bytes.fromhex(message["packet"])
            yield "noise", name, b"\0" + bytes.fromhex(message["body"])
    for name, plain in GOLDEN["requests"].items():
        yield "request", name, bytes.fromhex(plain)
    for name, plain in GOLDEN["replies"].items():
        yield "reply", name, bytes.fromhex(plain)
    for number, case in enumerate(GOLDEN["judgements"]):
        yield "request", f"judged-{number}", bytes.fromhex(case["request"])
    picture = json.loads((HERE.parent / "golden" / "png.json").read_text())["png"]
    yield "png", "golden", bytes.fromhex(picture)
    yield "png", "interlaced", bytes.fromhex(picture.replace("08020000", "08020001", 1))
    yield "png", "palette", bytes.fromhex(picture.replace("08020000", "08030000", 1))
    yield "png", "cut", bytes.fromhex(picture)[:600]
    token = b"Q" * 512
    yield "http", "cookie", b"\4GET / HTTP/1.1\r\nHost: h\r\nCookie: a=b; sid=" + token + b"\r\n\r\n"
    yield "http", "path", b"\2GET /a/" + token + b" HTTP/1.1\r\nHost: h\r\n\r\n"
    head = b"X-Forwarded-For: 192.0.2.7, 10.0.0.2\r\nCookie: sid="
    yield "http", "proxy", b"\5" + head + token + b"\r\n\r\n"
    yield "http", "socks", b"\0\5\0\5\0\0\1\x0a\0\0\1\0\x50"
    yield "http", "socks-password", b"\1\5\2\1\0\5\0\0\3\1h\0\x50"
    yield "http", "address", b"\0http://www.example.org:8080/a/b"
    yield "http", "via", b"\0socks5://user:password@[2001:db8::1]:1080"
    for mode in 1, 2, 3:
        yield "noise", f"unchanged-m{mode}", bytes([mode])
        yield "noise", f"changed-m{mode}", bytes([mode]) + bytes(PAYLOAD - 1) + b"\1"


if __name__ == "__main__":
    for target, name, data in seeds():
        folder = HERE / "corpus" / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
