"""The Python protocol against the published Noise vectors, and against itself."""

import json
import random
from pathlib import Path

import pytest
from wire import request as rq
from wire import veil
from wire.keys import CLIENT_TO_SERVER, SERVER_TO_CLIENT, DoorKeys, Identity
from wire.knock import Card, Knock, Responder
from wire.noise import Handshake
from wire.primitives import Forged, siphash, x25519_public

GOLDEN = Path(__file__).parent.parent / "golden"
VECTORS = GOLDEN / "noise_ik_25519_chachapoly_blake2b.json"


def vectors():
    return json.loads(VECTORS.read_text())["vectors"]


def side(v, who, other):
    initiator = who == "init"
    return Handshake(
        initiator,
        bytes.fromhex(v[f"{who}_static"]),
        bytes.fromhex(v["init_remote_static"]) if initiator else None,
        bytes.fromhex(v[f"{who}_psks"][0]) if f"{who}_psks" in v else None,
        bytes.fromhex(v[f"{who}_prologue"]),
        bytes.fromhex(v[f"{who}_ephemeral"]),
    )


@pytest.mark.parametrize("index", [0, 1])
def test_noise_vectors(index):
    v = vectors()[index]
    init, resp = side(v, "init", "resp"), side(v, "resp", "init")
    messages = [(bytes.fromhex(m["payload"]), bytes.fromhex(m["ciphertext"])) for m in v["messages"]]
    (p1, c1), (p2, c2), *rest = messages
    assert init.write_m1(p1) == c1 and resp.read_m1(c1) == p1
    assert resp.write_m2(p2) == c2 and init.read_m2(c2) == p2
    assert init.state.h.hex() == v["handshake_hash"] == resp.state.h.hex()
    for i, (plain, sealed) in enumerate(rest):
        sender, receiver = (init, resp) if i % 2 == 0 else (resp, init)
        assert sender.send.encrypt(plain) == sealed
        assert receiver.receive.decrypt(sealed) == plain


def test_siphash_reference():
    """The vector of the SipHash paper: SipHash writes its result little-endian."""
    assert siphash(bytes(range(16)), bytes(range(15))).hex() == "e545be4961ca29a1"


@pytest.fixture
def pair():
    identity, server, door = Identity.random(), random.randbytes(32), random.randbytes(32)
    return Card(identity, x25519_public(server), door), Responder(server, door, identity)


def test_knock_with_challenge(pair):
    card, server = pair
    knock = Knock(card, rq.Request(services=("ssh",), hold=60))
    label, plain = server.read_m1(knock.m1)
    assert (label.cid, label.t) == (card.identity.cid, knock.t)
    assert plain == knock.request.encode()
    seen = (1, rq.packed("10.88.0.2"))
    m2 = rq.encode_reply("challenge", 5, knock.request.attempt, (seen, (6, b"\0"), (7, b"\0\x0a")))
    reply = knock.read(server.write(veil.M2, m2, len(knock.m1)))
    assert reply.verdict == "challenge" and reply.address_seen == "10.88.0.2" and reply.wait == 10
    m3 = server.read_m3(knock.answer())
    assert m3 == rq.encode_answer(knock.request.attempt, knock.t, "10.88.0.2")
    m4 = server.write(veil.M4, rq.encode_reply("ok", 6, knock.request.attempt, (seen,)), len(knock.m1))
    assert knock.read(m4).verdict == "ok"


def test_lengths_are_in_range(pair):
    card, _ = pair
    lengths = {len(Knock(card, rq.Request(verb=rq.PING)).m1) for _ in range(200)}
    assert min(lengths) >= 384 and max(lengths) <= 1200 and len(lengths) > 100


def test_every_flipped_bit_is_forged(pair):
    card, _ = pair
    m1 = Knock(card, rq.Request(verb=rq.PING), size=384).m1
    for bit in range(len(m1) * 8):
        broken = bytearray(m1)
        broken[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Forged):
            veil.open_veil(card.doors, CLIENT_TO_SERVER, veil.UDP, bytes(broken))


def test_a_carrier_does_not_open_another_carriers_packet(pair):
    card, _ = pair
    m1 = Knock(card, rq.Request(verb=rq.PING)).m1
    with pytest.raises(Forged):
        veil.open_veil(card.doors, CLIENT_TO_SERVER, veil.TCP, m1)
    with pytest.raises(Forged):
        veil.open_veil(card.doors, SERVER_TO_CLIENT, veil.UDP, m1)
    with pytest.raises(Forged):
        veil.open_veil(DoorKeys(bytes(32)), CLIENT_TO_SERVER, veil.UDP, m1)


def test_padding_must_be_zero(pair):
    card, _ = pair
    plain = veil.plaintext(veil.M1, veil.Label(bytes(8), 1), b"body", 400, padding=b"\1" * 400)
    packet = veil.seal_plain(card.doors, CLIENT_TO_SERVER, veil.UDP, plain)
    with pytest.raises(veil.Malformed):
        veil.open_veil(card.doors, CLIENT_TO_SERVER, veil.UDP, packet)
