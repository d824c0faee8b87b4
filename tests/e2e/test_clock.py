"""Wrong clocks, on either side, and a store that is lost: a round trip more, never a lock-out, never a replay."""

import shutil
import time

import pytest
from lab import connect, until
from lab.postern import Clock
from lab.user import GRANTED

HOUR, DAY = 3600, 86400
SOON_S = 5  # a client that is not heard goes on for six
S = 10**9
SINCE_1970 = 1_700_000_000  # nearly: a fixed number, so that test names are the same in all workers


def verdicts(bob, t):
    """What the server says to an M1 of that time, and to the answer if it challenged."""
    knock = bob.make(t=t)
    first = bob.exchange(knock.m1, knock)
    if first is None or first.verdict != "challenge":
        return [first and first.verdict]
    second = bob.exchange(knock.answer(t=t + 1), knock)
    return ["challenge", second and second.verdict]


def unheard(bob, t):
    return bob.silent(bob.make(t=t).m1)


@pytest.mark.parametrize("off", [-HOUR, HOUR, -61 * 1.5, 61 * 1.5, -365 * DAY, 365 * DAY, -SINCE_1970])
def test_a_client_whose_clock_is_off_pays_a_round_trip(house, off):
    bob = house.knocker()
    t = time.time_ns() + int(off * S)
    assert verdicts(bob, t) == ["challenge", "ok"]
    assert house.is_open()
    # For as long as it is off, each time; and never backwards.
    assert verdicts(bob, t + S) == ["challenge", "refreshed"]
    assert unheard(bob, t + S) and unheard(bob, t)


@pytest.mark.parametrize("off", [0, -20, 20])
def test_a_clock_that_is_right_pays_nothing(house, off):
    bob = house.knocker()
    assert verdicts(bob, time.time_ns() + off * S)[-1] == "ok"
    assert verdicts(bob, time.time_ns() + off * S + S) == ["refreshed"]


def test_a_clock_that_was_ahead_is_behind_its_own_mark(house):
    """Time goes on from the greatest t ever sent; an honest client counts on from there."""
    bob = house.knocker()
    ahead = time.time_ns() + HOUR * S
    assert verdicts(bob, ahead) == ["challenge", "ok"]
    assert unheard(bob, time.time_ns())
    assert verdicts(bob, ahead + 1) == ["challenge", "refreshed"]


def test_extreme_times(house):
    bob = house.knocker()
    assert unheard(bob, 0)
    assert verdicts(bob, 1) == ["challenge", "ok"]
    assert verdicts(bob, 2**63) == ["challenge", "refreshed"]
    assert verdicts(bob, 2**64 - 2) == ["challenge", "refreshed"]
    assert unheard(bob, time.time_ns())


@pytest.mark.parametrize("off", [-HOUR, HOUR, -SINCE_1970 + DAY])
def test_the_program_with_a_wrong_clock(house, off):
    clock = Clock(house.folder, off)
    clock.file.chmod(0o644)
    start = time.monotonic()
    done = house.alice.postern("open", "alice", "ssh", "-4", clock=clock)
    assert done.returncode == GRANTED, done.stderr
    assert time.monotonic() - start < SOON_S and house.is_open()


def test_the_program_while_its_clock_steps(house):
    clock = Clock(house.folder)
    clock.file.chmod(0o644)
    for off in (0, HOUR, -HOUR, 0, -SINCE_1970 + DAY, 5 * DAY, 0):
        clock.set(off)
        start = time.monotonic()
        done = house.alice.postern("open", "alice", "ssh", "-4", clock=clock)
        assert done.returncode == GRANTED, (off, done.stderr)
        assert time.monotonic() - start < SOON_S, off


@pytest.mark.house(start=False)
@pytest.mark.parametrize("off", [-HOUR, HOUR, -SINCE_1970 + DAY])
def test_a_server_with_a_wrong_clock(house, off):
    house.postern.start(clock=Clock(house.folder, off))
    for _ in range(2):
        start = time.monotonic()
        assert house.alice.postern("open", "alice", "ssh", "-4").returncode == GRANTED
        assert time.monotonic() - start < SOON_S
    assert house.is_open()


@pytest.mark.house(start=False, services=(("ssh", "tcp", 22, 3, 60),))
def test_a_server_whose_clock_steps(house):
    """Doors and sessions are timed by what does not step; clients only pay a round trip."""
    clock = Clock(house.folder)
    house.postern.start(clock=clock)
    for off in (HOUR, -HOUR, 0):
        begin = time.monotonic()
        assert house.alice.postern("open", "alice", "ssh", "-4").returncode == GRANTED
        opened = time.monotonic()
        clock.set(off)
        assert house.is_open()
        before, after = connect.turns(house.client, house.addresses()[0], 15)
        assert before < opened + 3.1 and after > begin + 2.9
    assert house.alice.postern("open", "alice", "ssh", "-4").returncode == GRANTED


def lose_store(house):
    house.postern.stop()
    for inside in house.postern.state.iterdir():
        shutil.rmtree(inside)
    house.postern.start()


def test_the_store_lost(house):
    bob = house.knocker()
    old = bob.make()
    assert bob.exchange(old.m1, old).verdict in ("ok", "challenge")
    assert bob.open().verdict in ("ok", "refreshed")
    lose_store(house)
    # Each client owes one challenge, and no more.
    assert verdicts(bob, bob.next_t())[0] == "challenge"
    assert verdicts(bob, bob.next_t())[0] in ("ok", "refreshed")


@pytest.mark.house(services=(("ssh", "tcp", 22, 1, 60),))
def test_what_was_said_before_the_store_was_lost_opens_nothing(house):
    bob = house.knocker()
    spent = []
    for _ in range(3):
        knock = bob.make()
        bob.exchange(knock.m1, knock)
        spent.append(knock)
    until(lambda: not house.postern.doors(), 4, "the door's end")
    lose_store(house)
    for knock in spent:
        bob.send(knock.m1)  # may draw a challenge, which a thief of packets cannot answer
    bob.receive(0.5)
    assert not house.postern.doors() and house.all_closed()
    assert bob.open().verdict == "ok"


def test_a_damaged_store_is_set_aside(house):
    house.postern.stop()
    for file in house.postern.state.rglob("*"):
        if file.is_file():
            file.write_bytes(b"not a store" * 1000)
    house.postern.start()
    assert house.knocker().open().verdict == "ok"
    assert house.postern.log_lines("store")
