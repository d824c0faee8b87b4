"""The golden files of the C code, made again in Python: two implementations, one text, the same bytes."""

import json
from pathlib import Path

import pytest
from wire import frames, openpgp, png, sequence, veil
from wire import request as rq
from wire.keys import CLIENT_TO_SERVER, SERVER_TO_CLIENT, DoorKeys, Identity
from wire.noise import Handshake, prologue
from wire.primitives import x25519_public

FILE = Path(__file__).parent.parent / "golden" / "protocol.json"
GOLDEN = json.loads(FILE.read_text())
KEYS = {name: bytes.fromhex(text) for name, text in GOLDEN["keys"].items()}
CLIENT = Identity(KEYS["cid"], KEYS["client_private"], KEYS["client_secret"])
DOOR = DoorKeys(KEYS["door_key"])
T = 0x17979CFE362A0000


def field(message, name):
    return bytes.fromhex(message[name]) if name in message else None


def test_keys():
    assert x25519_public(KEYS["server_private"]) == KEYS["server_public"]
    assert (CLIENT.public, CLIENT.psk) == (KEYS["client_public"], KEYS["psk"])
    assert CLIENT.label_key == KEYS["label_key"]
    assert DOOR.veil == (KEYS["veil_to_server"], KEYS["veil_to_client"])
    assert DOOR.gate == (KEYS["gate_to_server"], KEYS["gate_to_client"])
    for name in ("sequence_tag", "sequence_mask", "picture", "ports"):
        assert getattr(DOOR, name) == KEYS[name]


class Exchange:
    """Both sides of one golden knock."""

    def __init__(self, exchange):
        self.carrier, self.messages = exchange["carrier"], exchange["messages"]
        first = self.messages[0]
        start = prologue(self.carrier, CLIENT.cid, int(first["t"], 16))
        self.client = Handshake(
            True, CLIENT.secret, KEYS["server_public"], CLIENT.psk, start, field(first, "ephemeral")
        )
        second = field(self.messages[1], "ephemeral")
        self.server = Handshake(False, KEYS["server_private"], None, CLIENT.psk, start, second)

    def seal(self, kind, plain):
        if kind == veil.M1:
            return self.client.write_m1(plain)
        if kind == veil.M2:
            return self.server.write_m2(plain)
        return (self.client if kind == veil.M3 else self.server).send.encrypt(plain)

    def open(self, kind, body):
        if kind == veil.M1:
            return self.server.read_m1(body)
        if kind == veil.M2:
            return self.client.read_m2(body)
        return (self.server if kind == veil.M3 else self.client).receive.decrypt(body)


def check_message(exchange, message):
    kind, plain, packet = message["kind"], field(message, "plain"), field(message, "packet")
    body = exchange.seal(kind, plain)
    assert body == field(message, "body")
    label = None
    if veil.from_client(kind):
        label = veil.Label(CLIENT.cid, int(message["t"], 16))
        label = label.signed(CLIENT.label_key, kind, exchange.carrier, body)
        assert label.mac == field(message, "label_mac")
    assert veil.plaintext(kind, label, body, len(packet)) == field(message, "veil_plain")
    assert veil.seal(DOOR, exchange.carrier, kind, label, body, len(packet), field(message, "nonce")) == packet
    direction = CLIENT_TO_SERVER if label else SERVER_TO_CLIENT
    opened = veil.open_veil(DOOR, direction, exchange.carrier, packet)
    assert (opened.kind, opened.label, opened.body) == (kind, label, body)
    assert exchange.open(kind, opened.body) == plain


@pytest.mark.parametrize("number", range(len(GOLDEN["exchanges"])), ids=lambda n: GOLDEN["exchanges"][n]["name"])
def test_exchange(number):
    exchange = Exchange(GOLDEN["exchanges"][number])
    for message in exchange.messages:
        check_message(exchange, message)


def test_requests_of_the_exchanges():
    attempt = 0xA1A2A3A4A5A6A7A8
    wanted = [
        rq.Request(rq.OPEN, attempt, ("ssh",), admits=("192.0.2.7/32",), hold=60),
        rq.Request(rq.OPEN, 0xB1B2B3B4B5B6B7B8, ("ssh",), flags=rq.WANT_REPLY | rq.WANT_CHALLENGE),
        rq.Request(rq.PING, 0xC1C2C3C4C5C6C7C8),
    ]
    for request, exchange in zip(wanted, GOLDEN["exchanges"]):
        assert request.encode() == field(exchange["messages"][0], "plain"), exchange["name"]


def test_answer_of_the_challenge():
    plain = rq.encode_answer(0xB1B2B3B4B5B6B7B8, T + 1, "192.0.2.7", code="492039", pin=b"tulip")
    assert plain == field(GOLDEN["exchanges"][1]["messages"][2], "plain")


def test_replies():
    for exchange in GOLDEN["exchanges"]:
        for message in exchange["messages"][1::2]:
            plain = field(message, "plain")
            reply = rq.decode_reply(plain)
            assert reply.address_seen in ("192.0.2.7", "2001:db8::7")
            assert reply.verdict == ("challenge" if message["kind"] == 2 and exchange["name"] == "challenge" else "ok")
    replies = {name: rq.decode_reply(bytes.fromhex(text)) for name, text in GOLDEN["replies"].items()}
    assert [(d.protocol, d.port, d.seconds) for d in replies["list"].doors] == [(6, 22, 17), (17, 51820, 3600)]
    assert (replies["idle"].doors[0].seconds, replies["idle"].idle) == (3600, 120)
    assert replies["denied"].verdict == "denied"
    assert replies["unknown_field"].reason == "unknown field 16"
    assert (replies["run"].exit_status, replies["run"].output) == (3, b"no such host\n")
    assert replies["run_cut_to_60"].output == b"no suc"


def test_requests_alone():
    everything = rq.Request(
        rq.OPEN, 1, ports=((6, 443), (17, 51820)), admits=("192.0.2.0/24", "2001:db8::7/128"),
        own_address="192.0.2.7", hold=3600, code="492039", pin=b"tulip",
        flags=rq.WANT_CHALLENGE | rq.STRICT,
        extra=((5, (40000).to_bytes(2, "big")), (7, (120).to_bytes(4, "big")), (8, b"")),
    )
    wanted = {
        "open_with_everything": everything,
        "close_session": rq.Request(rq.CLOSE, 2, session=0x5152535455565758),
        "close_services": rq.Request(rq.CLOSE, 3, ("ssh", "web")),
        "list": rq.Request(rq.LIST, 5),
        "run": rq.Request(rq.RUN, 4, extra=((11, b"wake"), (12, b"nas"), (12, b""))),
    }
    for name, request in wanted.items():
        assert request.encode().hex() == GOLDEN["requests"][name], name


def test_datagrams():
    """Headers and checksums of what the server crafts (IPv4's own sum is the kernel's)."""
    for name, src, dst in (("v4", "192.0.2.1", "192.0.2.7"), ("v6", "2001:db8::1", "2001:db8::7")):
        made = bytes.fromhex(GOLDEN["datagrams"][name])
        head = 20 if name == "v4" else 40
        payload = made[head + 8 :]
        assert made[head:] == frames.udp(src, 62201, dst, 40000, payload), name


def test_answers():
    """What the server crafts by tcp and icmp."""
    made = {name: bytes.fromhex(text) for name, text in GOLDEN["answers"].items()}
    v4, v6 = ("192.0.2.1", "192.0.2.7"), ("2001:db8::1", "2001:db8::7")
    ack = 0x01020304 + 1 + 400
    for name, (src, dst), times in (
        ("tcp_v4", v4, (0x87868584, 0xA1A2A3A4)),
        ("tcp_v6", v6, (0x87868584, 0xA1A2A3A4)),
        ("tcp_bare", v4, None),
    ):
        segment = made[name][40 if src == v6[0] else 20 :]
        payload = segment[40 if times else 20 :]
        expected = frames.tcp_syn_ack(src, 62202, dst, 40000, 0x83828180, ack, times, payload)
        assert segment == expected and len(payload) == 51, name
    for name, (src, dst) in (("icmp_v4", v4), ("icmp_v6", v6)):
        message = made[name][40 if src == v6[0] else 20 :]
        assert message == frames.echo_reply(src, dst, 0x1234, 7, message[8:]) and len(message) == 59, name


def test_sequences():
    made = GOLDEN["sequences"]
    covered, now = bytes.fromhex(made["covered"]), made["time_s"]
    set_id = int(made["plain"]["set_id"], 16)
    plain = sequence.pieces(DOOR, [1, 2, 3, 4, 5], covered, set_id, now)
    assert [p.payload.hex() for p in plain] == made["plain"]["pieces"]
    clean = made["clean"]
    set_id, index, count = int(clean["set_id"], 16), clean["index"], clean["count"]
    numbers = sequence.seal_clean(DOOR, sequence.step(now), set_id, index, count, covered)
    assert numbers == (clean["tcp_seq"], clean["tcp_tsval"])
    for rolling in (made["rolling"], made["named"]):
        for off, name in ((-1, "before"), (0, "now"), (1, "after")):
            ports = sequence.rolling_ports(DOOR, rolling["low"], rolling["high"], 8, now, off, rolling["id"])
            assert ports == rolling[name] and len(set(ports)) == 8


def test_resets():
    """What answers a piece in a SYN."""
    for name, src, dst in (("v4", "192.0.2.1", "192.0.2.7"), ("v6", "2001:db8::1", "2001:db8::7")):
        made = bytes.fromhex(GOLDEN["sequences"][f"reset_{name}"])
        segment = made[20 if name == "v4" else 40 :]
        assert segment == frames.tcp_reset(src, 7001, dst, 40000, 0x01020304, segment[20:]), name


def test_picture():
    g = json.loads((FILE.parent / "png.json").read_text())
    x = {name: bytes.fromhex(text) for name, text in g.items()}
    width, height, set_id = (int(g[name], 16) for name in ("width", "height", "set_id"))
    assert png.nonce(width, height, set_id) == x["nonce"]
    stream = png.words(DOOR.picture, x["nonce"])
    assert b"".join(next(stream).to_bytes(4, "big") for _ in range(8)) == x["stream"]
    order = png.order(DOOR.picture, width, height, set_id, 32)
    assert b"".join(n.to_bytes(4, "big") for n in order[:8]) == x["order"]
    assert png.read_bits(x["bits"]) == x["veil"][:1]
    assert png.unwrap(DOOR.picture, set_id, x["png"]) == x["veil"]
    assert png.wrap(DOOR.picture, set_id, png.decode(x["png"]), x["veil"]) is not None


def test_openpgp():
    g = json.loads((FILE.parent / "openpgp.json").read_text())
    x = {name: bytes.fromhex(text) for name, text in g.items() if name != "carrier"}
    attempt, cid, server = int(g["attempt"], 16), x["cid"], x["server_public"]
    request = openpgp.signed_request(server, g["carrier"], cid, int(g["t"], 16), x["request"])
    assert request == x["signed_request"]
    assert openpgp.digest(request) == x["request_hash"]
    challenge = openpgp.signed_challenge(server, cid, x["request_hash"], x["secret"], x["challenge_reply"])
    assert challenge == x["signed_challenge"]
    assert openpgp.read_challenge(server, cid, x["request_hash"], challenge) == (
        x["secret"],
        x["challenge_reply"],
    )
    assert openpgp.digest(x["ciphertext"]) == x["ciphertext_hash"]
    assert openpgp.answer(x["secret"], x["ciphertext"], x["answer"], x["answer_nonce"]) == x["answer_body"]
    assert openpgp.result(x["reply_key"], attempt, x["result"], x["nonce"]) == x["result_body"]
    assert openpgp.open_result(x["reply_key"], attempt, x["result_body"]) == x["result"]
