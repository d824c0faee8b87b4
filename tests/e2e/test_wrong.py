"""Everything that is wrong: no door, silence where the protocol says silence, and a log that cannot be flooded."""

import dataclasses
import os
import random
import time

import pytest
from lab import until
from lab.network import v4
from lab.postern import SSH
from wire import request as rq
from wire import veil
from wire.keys import CLIENT_TO_SERVER
from wire.knock import Knock
from wire.primitives import Forged, random as random_bytes

WEB = ("web", "tcp", 80, 60, 60)


def card_with(card, **changes):
    """A card with other keys: fields of the card, or of its identity."""
    own = {k: v for k, v in changes.items() if k in ("cid", "secret", "client_secret")}
    rest = {k: v for k, v in changes.items() if k not in own}
    return dataclasses.replace(card, identity=dataclasses.replace(card.identity, **own), **rest)


def assert_nothing(house, packet, counter, host=None):
    """Silence, no door, no Diffie-Hellman, and the counter that says why moved by one."""
    before, stranger = house.postern.stats(), house.knocker(host=host)

    def since():
        return {k: v - before.get(k, 0) for k, v in house.postern.stats().items() if v != before.get(k, 0)}

    def counted(moved):
        return sum(v for k, v in moved.items() if k.endswith("." + counter))

    stranger.send(packet)
    until(lambda: counted(since()), 5, f"the count of {counter}")
    assert stranger.receive(0.3) is None
    moved = since()
    assert counted(moved) == 1, moved
    assert not house.postern.doors()
    return moved


@pytest.mark.parametrize(
    "field, counter, free",
    [
        ("door_key", "gate", True),
        ("cid", "client", True),
        ("client_secret", "label", True),
        ("secret", "forged", False),
        ("server_public", "forged", False),
    ],
)
def test_one_wrong_key(house, field, counter, free):
    value = random_bytes(8 if field == "cid" else 32)
    knock = house.knocker(card_with(house.card, **{field: value})).make()
    moved = assert_nothing(house, knock.m1, counter)
    if free:
        assert "auth.dh" not in moved
    # The right one still works: nothing was spoiled.
    assert house.knocker().open().verdict == "ok"


def test_a_wrong_psk_alone(house):
    """Right cid, label key and private key; only the preshared half of the handshake is another."""
    bob = house.knocker()
    other = card_with(house.card, client_secret=random_bytes(32))
    t = bob.next_t()
    knock = Knock(other, rq.Request(services=("ssh",)), t=t)
    label = veil.Label(house.card.identity.cid, t)
    label = label.signed(house.card.identity.label_key, veil.M1, veil.UDP, knock.m1_body)
    packet = veil.seal(house.card.doors, veil.UDP, veil.M1, label, knock.m1_body, 600)
    assert_nothing(house, packet, "forged")


def test_who_has_the_door_key_alone_buys_no_diffie_hellman(house):
    """An insider, or a thief of one: 3,000 messages without a client's key cost no public-key work."""
    bob = house.knocker()
    assert bob.open().verdict == "ok"
    before = house.postern.stats()
    assert before["auth.dh"] > 0
    cid = house.card.identity.cid

    def message(number):
        label = veil.Label(cid if number % 2 else random_bytes(8), time.time_ns(), random_bytes(8))
        return veil.seal(house.card.doors, veil.UDP, veil.M1, label, random_bytes(300), 400)

    house.feed(bob, map(message, range(3000)))
    now = house.postern.stats()
    assert now["auth.dh"] == before["auth.dh"]
    assert (now["auth.client"], now["auth.label"]) == (1500, 1500)
    assert bob.open().verdict in ("ok", "refreshed")


def test_revoked(house):
    assert house.alice.postern("open", "alice", "-4").returncode == 0
    house.postern.ctl("client", "revoke", "alice")
    until(lambda: not house.postern.doors(), 5, "the end of her door")
    assert house.alice.postern("open", "alice", "-4").returncode == 2


@pytest.mark.house(services=(SSH, WEB), start=False)
def test_what_a_client_may_not(house):
    """Expired, disabled, a service that is not its own, a network that is not its own."""
    cards = {
        "expired": house.postern.enrol("c1", "service=ssh", "expires=2020-01-01"),
        "disabled": house.postern.enrol("c2", "service=ssh", "disabled"),
        "service": house.postern.enrol("c3", "service=web"),
        "source": house.postern.enrol("c4", "service=ssh", "from=10.99.0.0/16"),
        "address": house.postern.enrol("c5", "service=ssh", "address=source"),
    }
    house.postern.start()

    def said(name, **fields):
        reply = house.knocker(cards[name]).open(**fields)
        return reply and reply.verdict

    assert said("expired") == said("disabled") == "expired"
    assert said("service") == "denied"
    assert said("source") == "address"
    assert said("address", admits=(v4("attacker") + "/32",)) == "address"
    assert not house.postern.doors()
    assert said("address") == "ok"


@pytest.mark.parametrize("admit", ["0.0.0.0/0", "10.88.0.0/24", "127.0.0.1/32", "224.0.0.1/32",
                                   "10.88.0.1/32", "255.255.255.255/32", "fe80::1/128", "::1/128", "fd88::1/128"])
def test_addresses_that_no_door_is_opened_for(house, admit):
    assert house.knocker(six=":" in admit).open(admits=(admit,)).verdict == "address"
    assert not house.postern.doors()


def test_no_door_for_any_address_of_the_server(house):
    """Also not for those that the knock did not come to, however new they are."""
    bob = house.knocker()
    for address in ("fd88::1", "10.88.0.255", "10.88.0.77", "10.66.0.1", "fd66::1"):
        if "77" in address or "66" in address:
            assert bob.open(admits=(address + ("/128" if ":" in address else "/32"),)).verdict == "ok"
            assert bob.open(("ssh",), verb=rq.CLOSE).verdict == "ok"
            house.server.ip("addr", "add", address + ("/24" if "." in address else "/64"), "dev", "eth0", *(["nodad"] if ":" in address else []))
        reply = bob.open(admits=(address + ("/128" if ":" in address else "/32"),))
        assert reply.verdict == "address" and "server itself" in reply.reason
    assert not house.postern.sessions() and not house.postern.doors()


def flipped(data):
    """All that differ from it in one bit."""
    for bit in range(len(data) * 8):
        broken = bytearray(data)
        broken[bit // 8] ^= 1 << bit % 8
        yield bytes(broken)


def test_truncated(house):
    """Every beginning of a valid knock."""
    bob = house.knocker()
    assert bob.ping().verdict == "ok"  # no challenge from now on
    knock = bob.make(size=400)
    house.feed(bob, (knock.m1[:length] for length in range(len(knock.m1))))
    assert house.postern.counter(".gate") + house.postern.counter(".length") == 400
    assert bob.receive(0.3) is None and not house.postern.doors()
    assert bob.exchange(knock.m1, knock).verdict == "ok"


def test_every_bit_flipped(house):
    bob = house.knocker()
    assert bob.ping().verdict == "ok"  # no challenge from now on
    knock = bob.make(size=384)
    house.feed(bob, flipped(knock.m1))
    assert house.postern.counter(".gate") == 384 * 8
    assert bob.receive(0.3) is None and not house.postern.doors()
    assert bob.exchange(knock.m1, knock).verdict == "ok"


def test_every_bit_flipped_inside_the_veil(house):
    """By a holder of the door key, who can seal what he broke: kind, length, label, body, padding."""
    bob = house.knocker()
    assert bob.ping().verdict == "ok"  # no challenge from now on
    knock = bob.make(size=384)
    who = house.card.identity
    label = veil.Label(who.cid, knock.t).signed(who.label_key, veil.M1, veil.UDP, knock.m1_body)
    plain = veil.plaintext(veil.M1, label, knock.m1_body, 384)
    before = house.postern.stats()
    house.feed(
        bob,
        (veil.seal_plain(house.card.doors, CLIENT_TO_SERVER, veil.UDP, broken) for broken in flipped(plain)),
    )
    now = house.postern.stats()
    names = (".form", ".client", ".label", ".forged", ".length")
    assert sum(v - before.get(k, 0) for k, v in now.items() if k.endswith(names)) == len(plain) * 8
    assert bob.receive(0.3) is None and not house.postern.doors()
    assert house.postern.stats()["auth.dh"] == before["auth.dh"]
    assert bob.exchange(knock.m1, knock).verdict == "ok"


@pytest.mark.house(client_rate=100000, client_burst=100000)
def test_every_bit_of_an_answer_flipped(house):
    """M3 as a holder of the door key can break it, and as only its own client can: its challenge stays."""
    carol = house.knocker(house.postern.enrol("carol"))
    house.postern.reload_and_wait()
    assert carol.ping().verdict == "ok"
    bob = house.knocker()
    knock = bob.make(flags=rq.WANT_REPLY | rq.WANT_CHALLENGE)
    assert bob.exchange(knock.m1, knock).verdict == "challenge"
    good, body = knock.answer(t=bob.next_t()), knock.m3_body
    veiled = veil.open_veil(house.card.doors, CLIENT_TO_SERVER, veil.UDP, good)
    plain = veil.plaintext(veil.M3, veiled.label, veiled.body, 384)
    before = house.postern.stats()

    def send(packet, number):
        """In portions that no queue overflows with: the answer to another client says that they are through."""
        bob.send(packet)
        if number % 4 == 3:
            assert carol.ping().verdict == "ok"

    for number, broken in enumerate(flipped(plain)):
        send(veil.seal_plain(house.card.doors, CLIENT_TO_SERVER, veil.UDP, broken), number)
    for number, knock.m3_body in enumerate(flipped(body)):
        send(knock.rewrap_m3(t=bob.next_t()), number)
    knock.m3_body = body

    now = house.postern.stats()
    dropped = {k: v - before.get(k, 0) for k, v in now.items() if k.endswith((".form", ".client", ".label", ".forged"))}
    assert sum(dropped.values()) == len(plain) * 8 + len(body) * 8, dropped
    assert dropped["auth.answer.forged"] == len(body) * 8 and now["auth.opened"] == 0
    assert bob.receive(0.3) is None and not house.postern.doors()
    assert bob.exchange(knock.rewrap_m3(t=bob.next_t()), knock).verdict == "ok"


def test_random_bytes_of_every_length(house):
    bob, seen = house.knocker(), house.postern.counter("auth.received")
    house.feed(bob, map(os.urandom, range(1501)))
    assert bob.receive(0.3) is None and not house.postern.doors()
    assert house.postern.counter("auth.received") == seen
    assert bob.open().verdict == "ok"


@pytest.mark.parametrize("six", [False, True], ids=["v4", "v6"])
def test_requests_that_are_malformed_are_told_so(house, six):
    """Authentic ones: their sender is known and hears what is wrong; nothing opens."""
    bob = house.knocker(six=six)
    wrong = {
        "version": dict(version=2),
        "verb": dict(verb=9),
        "flag": dict(flags=rq.WANT_REPLY | 0x4000),
        "no service": dict(services=()),
        "name": dict(services=("ssh;reboot",)),
        "twice": dict(extra=((6, bytes(4)), (6, bytes(4)))),
        "size": dict(extra=((6, b"\0"),)),
        "host bits": dict(extra=((3, b"\x08\x0a\0\0\1"),)),
    }
    for what, fields in wrong.items():
        reply = bob.open(**{"services": ("ssh",), **fields})
        assert reply and reply.verdict == "malformed", what
    reply = bob.open(extra=((0x55, b"?"),))
    assert reply.verdict == "unknown-field" and "85" in reply.reason
    assert not house.postern.doors()
    assert bob.open(extra=((0xD5, b"may be ignored"),)).verdict == "ok"


def test_random_requests_inside_a_valid_envelope(house):
    """A client gone mad: 300 bodies of noise, each authentic. Nothing opens and nobody dies."""
    house.postern.directives["client_rate"] = 100000
    house.postern.directives["client_burst"] = 100000
    house.postern.write_config()
    house.postern.reload_and_wait()
    pids, bob, chance = house.postern.pids(), house.knocker(), random.Random(7)
    for number in range(300):
        body = chance.randbytes(chance.randint(0, 900))
        if number % 2:
            body = b"\1" + bytes([chance.randint(1, 5)]) + b"\0\1" + body
        bob.send(bob.make(plain=body).m1)
    until(lambda: bob.ping(0.5), 10, "a ping")
    assert not house.postern.doors() and house.postern.pids() == pids


@pytest.mark.parametrize("kind", ["stranger", "door key", "client"])
def test_the_log_cannot_be_flooded(house, kind):
    bob = house.knocker()
    wrong = {
        "stranger": house.knocker(card_with(house.card, door_key=random_bytes(32))),
        "door key": house.knocker(card_with(house.card, client_secret=random_bytes(32))),
        "client": house.knocker(card_with(house.card, secret=random_bytes(32))),
    }[kind]
    lines = len(house.postern.log().splitlines())
    for _ in range(2000):
        wrong.send(wrong.make(size=400).m1)
    until(lambda: bob.ping(0.5), 10, "a ping")
    said = house.postern.log().splitlines()[lines:]
    assert 1 <= len(said) < 30, said[:40]


def test_what_a_client_says_is_escaped_in_the_log(house):
    """A known client may choose bytes; no control character reaches the log."""
    bob = house.knocker()
    bob.open(services=("\x1b[2J\nfake=line",))
    bob.open(extra=((4, b"\n"),))
    assert all(c.isprintable() or c in "\n\t" for c in house.postern.log())
    assert not house.postern.log_lines("^fake=line")


def test_the_python_server_side_refuses_too(house):
    """Keys of the daemon do open what the daemon opens: the tests above fail for the right reason."""
    knock = house.knocker().make()
    veil.open_veil(house.card.doors, CLIENT_TO_SERVER, veil.UDP, knock.m1)
    with pytest.raises(Forged):
        veil.open_veil(house.card.doors, CLIENT_TO_SERVER, veil.UDP, knock.m1[:-1])
