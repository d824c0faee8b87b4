"""Floods, and addresses that are forged."""

import time

import pytest
from lab import stays, until
from lab.network import v4
from lab.postern import Postern
from lab.user import GRANTED
from test_replay import inject
from wire import request as rq

pytestmark = pytest.mark.alone
MANY = 200_000


@pytest.mark.parametrize("six", [False, True], ids=["v4", "v6"])
@pytest.mark.parametrize("source", ["random", "own"])
def test_a_client_gets_in_during_a_flood_at_the_knock_port(house, source, six):
    own = "fd88::3" if six else v4("attacker")
    flood = house.blast(own if source == "own" else source, Postern.PORT, MANY, 400, 20_000, six=six)
    runs = 0
    while flood.running():
        start = time.monotonic()
        done = house.alice.postern("open", "alice", "ssh", "-6" if six else "-4")
        assert done.returncode == GRANTED and time.monotonic() - start < 5
        runs += 1
    assert runs >= 5 and f"sent {MANY}" in flood.output()
    assert house.sshd.login(house.client, house.addresses()[six])
    assert house.postern.counter(".gate") > MANY * 0.5
    assert set(a for a, *_ in house.postern.doors()) == {"fd88::2" if six else v4("client")}


def test_full_speed_at_once(house):
    """As fast as the machine can; during and after it a client gets in."""
    flood = house.blast("random", Postern.PORT, MANY * 5, 400)
    assert house.alice.postern("open", "alice", "-4").returncode == GRANTED
    assert flood.popen.wait(60) == 0
    assert house.alice.postern("open", "alice", "-4").returncode == GRANTED
    assert len(house.postern.log().splitlines()) < 200


def test_a_flood_that_forges_the_clients_own_address_locks_nobody_out(house):
    """Nothing is decided about an address from packets whose sender is not proven."""
    flood = house.blast(v4("client"), Postern.PORT, MANY // 4, 400, 10_000)
    while flood.running():
        assert house.alice.postern("open", "alice", "-4").returncode == GRANTED
    assert house.sshd.login(house.client)


def test_a_flood_of_messages_with_the_door_key_does_not_starve_a_client(house):
    """One client's credential cannot starve the others: its bucket is its own."""
    mallory = house.knocker(house.postern.enrol("mallory"), host=house.attacker)
    house.postern.reload_and_wait()
    packets = [mallory.make().m1 for _ in range(2000)]
    for packet in packets:
        mallory.send(packet)
    start = time.monotonic()
    assert house.alice.postern("open", "alice", "-4").returncode == GRANTED
    assert time.monotonic() - start < 2
    assert house.postern.counter("auth.rate") > 1000


@pytest.mark.parametrize("named", [True, False])
def test_a_forged_source_opens_for_nobody_else(house, named):
    """A knock that somebody on the path sends from an address of his own."""
    bob = house.knocker()
    assert bob.ping().verdict == "ok"
    knock = bob.make(admits=(v4("client") + "/32",) if named else (), flags=rq.WANT_REPLY | rq.STRICT,
                     own_address=v4("client"))
    before = house.postern.counter("auth.received")
    inject(house, knock.m1, v4("attacker"), 4444, house.attacker)
    until(lambda: house.postern.counter("auth.received") > before, 5, "its arrival")
    stays(lambda: not house.postern.doors(), 0.5, "the closed door")
    assert bob.open().verdict == "ok"
    assert [a for a, *_ in house.postern.doors()] == [v4("client")]


def test_a_forged_source_changes_nothing_for_whom_it_names(house):
    """What he named himself opens for that alone, from wherever it came."""
    bob = house.knocker()
    assert bob.ping().verdict == "ok"
    inject(house, bob.make(admits=(v4("client") + "/32",)).m1, v4("attacker"), 4444, house.attacker)
    until(lambda: house.postern.doors(), 5, "the door")
    assert [a for a, *_ in house.postern.doors()] == [v4("client")]
    assert house.is_open() and not house.is_open(house.attacker)
