"""The worked examples, which the C code made, made again by the Python protocol: byte for byte."""

import json
from pathlib import Path

import pytest
from wire import frames, veil
from wire import request as rq
from wire.keys import DoorKeys, Identity
from wire.noise import Handshake, prologue
from wire.primitives import x25519_public

GOLDEN = json.loads((Path(__file__).parent.parent / "golden" / "protocol.json").read_text())
KEYS = {name: bytes.fromhex(value) for name, value in GOLDEN["keys"].items()}
DOORS = DoorKeys(KEYS["door_key"])
CLIENT = Identity(KEYS["cid"], KEYS["client_private"], KEYS["client_secret"])


def test_keys():
    assert x25519_public(KEYS["server_private"]) == KEYS["server_public"]
    assert CLIENT.public == KEYS["client_public"]
    assert (CLIENT.psk, CLIENT.label_key) == (KEYS["psk"], KEYS["label_key"])
    assert DOORS.veil == (KEYS["veil_to_server"], KEYS["veil_to_client"])
    assert DOORS.gate == (KEYS["gate_to_server"], KEYS["gate_to_client"])
    for name in ("sequence_tag", "sequence_mask", "picture", "ports"):
        assert getattr(DOORS, name) == KEYS[name]


def unhex(message):
    """Every field that is text in the file is hexadecimal."""
    return {k: bytes.fromhex(v) if isinstance(v, str) else v for k, v in message.items()}


def handshakes(messages, carrier):
    first, second = messages[:2]
    t = int.from_bytes(first["t"], "big")
    bound = prologue(carrier, CLIENT.cid, t)
    client = Handshake(
        True, CLIENT.secret, KEYS["server_public"], CLIENT.psk, bound, first["ephemeral"]
    )
    server = Handshake(
        False, KEYS["server_private"], None, CLIENT.psk, bound, second["ephemeral"]
    )
    return client, server


def exchange(kind, client, server, message):
    """The body that one side makes of the plaintext; the other must read it."""
    plain = message["plain"]
    if kind == veil.M1:
        body = client.write_m1(plain)
        assert server.read_m1(body) == plain and server.rs == CLIENT.public
    elif kind == veil.M2:
        body = server.write_m2(plain)
        assert client.read_m2(body) == plain
    elif kind == veil.M3:
        body = client.send.encrypt(plain)
        assert server.receive.decrypt(body) == plain
    else:
        body = server.send.encrypt(plain)
        assert client.receive.decrypt(body) == plain
    return body


@pytest.mark.parametrize("example", GOLDEN["exchanges"], ids=lambda e: e["name"])
def test_exchange(example):
    carrier = example["carrier"]
    messages = [unhex(m) for m in example["messages"]]
    client, server = handshakes(messages, carrier)
    for message in messages:
        kind = message["kind"]
        body = exchange(kind, client, server, message)
        assert body == message["body"]
        label = None
        if veil.from_client(kind):
            t = int.from_bytes(message["t"], "big")
            label = veil.Label(CLIENT.cid, t).signed(CLIENT.label_key, kind, carrier, body)
            assert label.mac == message["label_mac"]
        total = len(message["packet"])
        assert veil.plaintext(kind, label, body, total) == message["veil_plain"]
        assert veil.seal(DOORS, carrier, kind, label, body, total, message["nonce"]) == message["packet"]


def plain(name, number):
    example = next(e for e in GOLDEN["exchanges"] if e["name"] == name)
    return bytes.fromhex(example["messages"][number]["plain"])


def test_what_is_said():
    request = rq.Request(
        services=("ssh",), admits=("192.0.2.7/32",), hold=60, attempt=0xA1A2A3A4A5A6A7A8
    )
    assert request.encode() == plain("open", 0)
    reply = rq.decode_reply(plain("open", 1))
    assert (reply.verdict, reply.address_seen) == ("ok", "192.0.2.7")
    assert reply.doors == [rq.Door(rq.TCP, 22, 60, 0x5152535455565758)]
    challenge = rq.decode_reply(plain("challenge", 1))
    assert (challenge.verdict, challenge.asked, challenge.wait) == ("challenge", 3, 10)
    t = 0x17979CFE362A0001
    answer = rq.encode_answer(0xB1B2B3B4B5B6B7B8, t, "192.0.2.7", "492039", b"tulip")
    assert answer == plain("challenge", 2)
    assert rq.decode_reply(plain("challenge", 3)).door_key == bytes(range(0xE0, 0x100))
    assert rq.decode_reply(plain("ping", 1)).address_seen == "2001:db8::7"


def test_requests():
    want = {
        "close_session": rq.Request(rq.CLOSE, 2, session=0x5152535455565758),
        "close_services": rq.Request(rq.CLOSE, 3, services=("ssh", "web")),
        "run": rq.Request(rq.RUN, 4, extra=((11, b"wake"), (12, b"nas"), (12, b""))),
        "list": rq.Request(rq.LIST, 5),
        "open_with_everything": rq.Request(
            rq.OPEN,
            1,
            flags=rq.WANT_CHALLENGE | rq.STRICT,
            ports=((rq.TCP, 443), (rq.UDP, 51820)),
            admits=("192.0.2.0/24", "2001:db8::7/128"),
            own_address="192.0.2.7",
            hold=3600,
            code="492039",
            pin=b"tulip",
            extra=((5, b"\x9c\x40"), (7, b"\0\0\0\x78"), (8, b"")),
        ),
    }
    assert {k: v.encode().hex() for k, v in want.items()} == GOLDEN["requests"]


def test_replies():
    got = {k: rq.decode_reply(bytes.fromhex(v)) for k, v in GOLDEN["replies"].items()}
    assert [(d.port, d.seconds) for d in got["list"].doors] == [(22, 17), (51820, 3600)]
    assert got["denied"].verdict == "denied" and got["denied"].reason is None
    assert got["unknown_field"].reason == "unknown field 16"
    assert (got["run"].exit_status, got["run"].output) == (3, b"no such host\n")
    assert got["run_cut_to_60"].output == b"no suc" and got["run_cut_to_60"].reason == got["run"].reason


@pytest.mark.parametrize("family, server, client", [
    ("v4", "192.0.2.1", "192.0.2.7"),
    ("v6", "2001:db8::1", "2001:db8::7"),
])
def test_datagrams(family, server, client):
    udp = frames.udp(server, 62201, client, 40000, bytes(range(1, 52)))
    if family == "v6":
        want = frames.ipv6(server, client, frames.UDP, udp)
    else:
        want = bytearray(frames.ipv4(server, client, frames.UDP, udp, ident=0))
        want[6] |= 0x40  # don't fragment
        want[10:12] = b"\0\0"  # the kernel's to fill
    assert bytes(want).hex() == GOLDEN["datagrams"][family]
