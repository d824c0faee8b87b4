"""The challenge: M2, M3 or M4 lost, late, twice, from elsewhere, by another; and knocks that overtake each other."""

import time

import pytest
from lab import connect, stays, until
from lab.network import v4
from lab.user import GRANTED
from wire import request as rq

ALWAYS = pytest.mark.house(challenge="always")
pytestmark = ALWAYS


def challenged(bob, **fields):
    """An M1 that was sent and challenged; the knock, ready to answer."""
    knock = bob.make(**fields)
    reply = bob.exchange(knock.m1, knock)
    assert reply.verdict == "challenge" and reply.address_seen == v4("client")
    assert reply.wait and not reply.doors and reply.door_key is None
    return knock


def opened(house):
    return house.postern.counter("auth.opened")


def test_nothing_opens_before_the_answer(house):
    bob = house.knocker()
    knock = challenged(bob)
    stays(lambda: not house.postern.doors(), 0.3, "the closed door")
    reply = bob.exchange(knock.answer(), knock)
    assert reply.verdict == "ok" and reply.doors[0].port == 22
    assert house.is_open()


def test_the_program_proves_itself(house):
    assert house.alice.postern("open", "alice").returncode == GRANTED
    assert all(house.sshd.login(house.client, a) for a in house.addresses())


@pytest.mark.house
def test_the_client_may_ask_for_it(house):
    before = house.postern.counter("auth.challenged")
    assert house.alice.postern("open", "alice", "-4").returncode == GRANTED
    first = house.postern.counter("auth.challenged")
    assert house.alice.postern("open", "alice", "-4").returncode == GRANTED
    assert house.postern.counter("auth.challenged") == first
    assert house.alice.postern("open", "alice", "-4", "--challenge").returncode == GRANTED
    assert house.postern.counter("auth.challenged") == first + 1 >= before + 1


@pytest.mark.house(alice=False)
def test_policy_may_ask_it_of_one_client(house):
    carol = house.knocker(house.postern.enrol("carol", "service=ssh", "challenge"))
    house.postern.reload_and_wait()
    for _ in range(2):
        knock = carol.make()
        assert carol.exchange(knock.m1, knock).verdict == "challenge"
        assert carol.exchange(knock.answer(t=carol.next_t()), knock).verdict in ("ok", "refreshed")


def lose(house, word, number):
    """The network eats one packet of a direction, counted from 0."""
    rules = (
        "table netdev eat {\nchain one { type filter hook ingress device \"%s\" priority 0; policy accept;\n"
        "udp %s %d numgen inc mod 100000 == %d counter drop\n}\n}\n"
    )
    device = "client-eth0" if word == "dport" else "server-eth0"
    house.switch.run("nft", "-f", "-", stdin=rules % (device, word, house.postern.PORT, number))


@pytest.mark.parametrize("six", [False, True], ids=["v4", "v6"])
@pytest.mark.parametrize("word, number", [("dport", 0), ("sport", 0), ("dport", 1), ("sport", 1)],
                         ids=["m1", "m2", "m3", "m4"])
def test_the_program_when_one_message_is_lost(house, word, number, six):
    """It takes a pause more, and is done once."""
    lose(house, word, number)
    start = time.monotonic()
    code, said = house.alice.json("open", "alice", "ssh", "-6" if six else "-4")
    assert code == GRANTED and time.monotonic() - start > 0.3, said
    (answer,) = said["answers"]
    assert answer["challenged"] and 3 <= answer["packets"] <= 5 and len(answer["doors"]) == 1
    assert "packets 1 " in house.switch.run("nft", "list", "table", "netdev", "eat").stdout
    assert opened(house) == 1 and len(house.postern.doors()) == 1
    assert house.is_open(six=six)


def test_m2_lost(house):
    """The client hears nothing and retries: a new M1 of the same attempt."""
    bob = house.knocker()
    lost = bob.make()
    bob.send(lost.m1)
    assert bob.receive(1)  # the network ate it
    again = bob.make(attempt=lost.request.attempt)
    assert bob.exchange(again.m1, again).verdict == "challenge"
    assert bob.exchange(again.answer(t=bob.next_t()), again).verdict == "ok"
    assert opened(house) == 1


def test_m3_lost(house):
    bob = house.knocker()
    knock = challenged(bob)
    knock.answer()  # the network ate it
    again = challenged(bob, attempt=knock.request.attempt)
    assert bob.exchange(again.answer(t=bob.next_t()), again).verdict == "ok"
    assert opened(house) == 1


def test_m4_lost(house):
    """The same M3 in a new veil gets the same M4; the effect happens once."""
    bob = house.knocker()
    knock = challenged(bob)
    bob.send(knock.answer(t=bob.next_t()))
    first = bob.receive(1)
    assert first
    for _ in range(3):
        reply = bob.exchange(knock.rewrap_m3(t=bob.next_t()), knock)
        assert reply.verdict == "ok"
        knock.handshake.receive.nonce = 0  # the same body again
    assert opened(house) == 1 and house.postern.counter("answer.again") == 3


def test_m4_lost_and_a_new_m1(house):
    """The attempt is known: challenged first, then answered as before; nothing is done twice."""
    bob = house.knocker()
    knock = challenged(bob)
    bob.send(knock.answer(t=bob.next_t()))
    assert bob.receive(1)
    again = challenged(bob, attempt=knock.request.attempt)
    assert bob.exchange(again.answer(t=bob.next_t()), again).verdict == "ok"
    assert opened(house) == 1


def test_the_very_same_m3_packet_twice(house):
    bob = house.knocker()
    knock = challenged(bob)
    packet = knock.answer(t=bob.next_t())
    assert bob.exchange(packet, knock).verdict == "ok"
    (before,) = house.postern.doors().values()
    bob.send(packet)
    bob.receive(0.5)
    assert opened(house) == 1
    assert list(house.postern.doors().values())[0] <= before


def test_late(house):
    """A challenge waits for ten seconds, not for ever."""
    bob = house.knocker()
    knock = challenged(bob)
    assert knock.reply.wait == 10
    packet = knock.answer(t=bob.next_t())
    end = time.monotonic() + 11
    until(lambda: time.monotonic() > end, 15, "the challenge's end", 0.5)
    assert bob.silent(packet) and not house.postern.doors()
    assert bob.open().verdict == "ok"


def test_from_elsewhere(house):
    """From another address it is met with silence, and the challenge stays."""
    bob = house.knocker()
    knock = challenged(bob)
    packet = knock.answer(t=bob.next_t())
    assert house.knocker(host=house.attacker).silent(packet)
    assert not house.postern.doors()
    reply = bob.exchange(knock.rewrap_m3(t=bob.next_t()), knock)
    assert reply.verdict == "ok"
    assert list(house.postern.doors()) == [(v4("client"), "tcp", 22)]


def test_from_another_port_it_is_good(house):
    """An address is an address: a NAT may give another port."""
    knock = challenged(house.knocker())
    other = house.knocker()
    assert other.exchange(knock.answer(), knock).verdict == "ok"


def test_by_another_client(house):
    """Carol answers Bob's challenge with her own label: silence, and Bob's stays."""
    carol_card = house.postern.enrol("carol")
    house.postern.reload_and_wait()
    bob, carol = house.knocker(), house.knocker(carol_card)
    knock = challenged(bob)
    knock.answer()
    bob_card, knock.card = knock.card, carol_card
    assert carol.silent(knock.rewrap_m3(t=carol.next_t()))
    knock.card = bob_card
    assert bob.exchange(knock.rewrap_m3(t=bob.next_t()), knock).verdict == "ok"


def test_another_address_told(house):
    """M3 repeats the address that it was told; another one is silence, and the challenge stays."""
    bob = house.knocker()
    knock = challenged(bob)
    sealed = knock.handshake.send.nonce
    assert bob.silent(knock.answer(t=bob.next_t(), seen=v4("attacker")))
    knock.handshake.send.nonce = sealed
    assert bob.exchange(knock.answer(t=bob.next_t()), knock).verdict == "ok"


def test_an_older_t_of_m3_is_silence(house):
    bob = house.knocker()
    knock = challenged(bob)
    packet = knock.answer(t=bob.next_t())
    stale = knock.rewrap_m3(t=knock.t)
    assert bob.exchange(packet, knock).verdict == "ok"
    assert bob.silent(stale)
    assert opened(house) == 1


@pytest.mark.house
def test_knocks_that_overtake_each_other(house):
    bob = house.knocker()
    assert bob.open(verb=rq.PING, services=()).verdict == "ok"  # the mark is proven now
    early, late = bob.make(hold=30), bob.make(hold=20)
    assert bob.exchange(late.m1, late).verdict == "ok"
    assert bob.silent(early.m1)
    ((_, rest),) = house.postern.doors().items()
    assert rest <= 20


def test_a_newer_challenge_replaces_the_older(house):
    bob = house.knocker()
    first, second = challenged(bob), challenged(bob)
    assert bob.silent(first.answer(t=bob.next_t()))
    assert bob.exchange(second.answer(t=bob.next_t()), second).verdict == "ok"


def test_a_challenge_does_not_survive_auth(house):
    bob = house.knocker()
    knock = challenged(bob)
    old = house.postern.kill("auth")
    until(lambda: house.postern.pid("auth") not in (None, old), 10, "the new auth")
    until(lambda: house.knocker().ping(0.3), 10, "a ping")
    assert bob.silent(knock.answer(t=time.time_ns()))
    assert not connect.is_open(house.client, v4("server"))


def test_without_a_reply_doubt_is_silence(house):
    bob = house.knocker()
    knock = bob.make(flags=0)
    assert bob.silent(knock.m1) and not house.postern.doors()
