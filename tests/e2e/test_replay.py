"""A message draws at most one reaction, whatever dies in between; a door ends in time, whoever is dead."""

import re
import time

import pytest
from lab import connect, record, stays, until
from lab.network import v4
from lab.postern import Postern
from lab.process import alive
from lab.programs import SOURCE
from wire import frames

HOLD = 4
SHORT = (("ssh", "tcp", 22, HOLD, 3600),)
STEPS = sorted(
    step
    for file in (SOURCE / "daemon").rglob("*.c")
    for step in re.findall(r'\bFAULT\("([^"]+)"\)', file.read_text())
    if not step.endswith(".forbidden")
)


def inject(house, packet, source, sport, host=None):
    """One datagram to the knock port as it came the first time, or as if from elsewhere."""
    host = host or house.client
    ip = frames.udp_packet(source, sport, house.addresses()[":" in source], Postern.PORT, packet)
    host.inject("eth0", [frames.ethernet(house.server.mac("eth0"), host.mac("eth0"), ip)])


def recorded_knock(house):
    """The datagrams that the C client sent for one `open`, as a recorder on the wire has them."""
    seen = record.Recording(house.server, f"udp dst port {Postern.PORT}", direction="in")
    assert house.alice.postern("open", "alice", "-4").returncode == 0
    taken = [record.udp_payload(frame) for _, frame in seen.stop()]
    assert taken
    return taken


def assert_replay_is_in_vain(house, taken):
    """The same bytes again: from the same address and port, and from another host. No answer, no door."""
    answers = record.Recording(house.server, f"udp src port {Postern.PORT}", direction="out")
    before = house.postern.stats() if house.postern.pid("auth") else {}
    for source, sport, _, _, payload in taken:
        inject(house, payload, source, sport)
        inject(house, payload, v4("attacker"), sport, house.attacker)
        inject(house, payload, v4("attacker"), 999, house.attacker)
    if before:
        # They did arrive; each was dropped for being old.
        def dropped():
            now = house.postern.stats()
            reasons = (".replay", ".repeat", ".answer.none", ".answer.old", ".answer.place")
            return sum(now[n] - before.get(n, 0) for n in now if n.endswith(reasons)) >= 3 * len(taken)

        until(dropped, 5, "the replays' count")
    stays(lambda: house.all_closed(), 0.5, "silence")
    assert not answers.stop() and not house.postern.doors()


@pytest.mark.house(services=SHORT)
def test_at_once_and_after_a_restart_and_after_a_kill(house):
    taken = recorded_knock(house)
    until(lambda: not house.postern.doors(), HOLD + 2, "the door's end")
    assert_replay_is_in_vain(house, taken)
    house.postern.stop()
    house.postern.start()
    assert_replay_is_in_vain(house, taken)
    house.postern.kill_all()
    house.postern.start()
    assert_replay_is_in_vain(house, taken)
    house.postern.kill("auth")
    until(lambda: house.knocker().ping(0.3), 10, "the new auth")
    assert_replay_is_in_vain(house, taken)


@pytest.mark.house(services=SHORT)
def test_while_the_door_is_open_it_is_not_extended(house):
    taken = recorded_knock(house)
    (before,) = house.postern.doors().values()
    for source, sport, _, _, payload in taken:
        inject(house, payload, source, sport)
    stays(lambda: all(rest <= before for rest in house.postern.doors().values()), 0.5, "the rest")
    assert not house.is_open(house.attacker)
    until(lambda: not house.postern.doors(), HOLD + 2, "the door's end")


def start_with_fault(house, step):
    """The daemon is ready and will die at the step; a step that the start itself passes is left to its next time."""
    for times in range(1, 5):
        house.postern.start(fault=f"{step}:{times}")
        if not house.postern.log_lines("child_died"):
            return
        house.postern.stop()
    raise AssertionError(f"the start alone passes {step} all the time")


def revive(house, role, old):
    """Waits for the death, and until all are there again."""
    if role == "monitor":
        until(lambda: not house.postern.process.running(), 10, "the monitor's death")
        until(lambda: not any(alive(pid) for pid in old.values()), 5, "the children's death")
        house.postern.start()
        return
    until(lambda: not any(alive(pid) for name, pid in old.items() if name.startswith(role)), 10, f"{role}'s death")
    until(lambda: house.knocker(house.card, house.attacker).ping(0.3), 15, "the return")


@pytest.mark.house(services=SHORT, start=False)
@pytest.mark.parametrize("step", STEPS)
def test_killed_at_each_step(house, step):
    """kill -9 there: the same message is silent for ever, the honest retry is answered, no door outlives its time."""
    house.postern.start()
    bob = house.knocker()
    assert bob.ping().verdict == "ok"  # from now on his word is taken without a challenge
    house.postern.stop()
    start_with_fault(house, step)
    pids = house.postern.pids()
    carol = house.knocker()
    carol.last_t = bob.last_t

    knock = bob.make(hold=HOLD)
    bob.send(knock.m1)
    first = bob.reply_to(knock, 0.3)
    revive(house, step.split(".")[0], pids)
    first = first or bob.reply_to(knock, 0.01)  # it was late; now who could send it is dead
    seen_by_auth = first or not step.startswith("capture.received")
    again = bob.exchange(knock.m1, knock, 0.3)
    acted = time.monotonic()
    if seen_by_auth and "received" not in step:
        assert again is None
    for _ in range(3):
        assert bob.exchange(knock.m1, knock, 0.2) is None
    assert set(house.postern.doors()) <= {(v4("client"), "tcp", 22)}
    # Whether it was opened by the first message, or (if that was never seen) by the second: the last three did nothing.
    before, after = connect.turns(house.client, v4("server"), 2 * HOLD)
    assert after and (before is None or before < acted + HOLD + 0.1)
    assert not house.postern.doors()
    retry = bob.make(attempt=knock.request.attempt, hold=HOLD)
    reply = bob.exchange(retry.m1, retry, 5)
    assert reply.verdict in ("ok", "refreshed", "challenge", "result-unknown")


def test_every_process_has_its_steps():
    assert {step.split(".")[0] for step in STEPS} == {"monitor", "capture", "auth"}


@pytest.mark.house(services=SHORT)
def test_all_dead_the_door_ends_in_time(house):
    begin = time.monotonic()
    assert house.knocker().open(hold=HOLD).verdict == "ok"
    opened = time.monotonic()
    house.postern.kill_all()
    assert house.is_open()
    before, after = connect.turns(house.client, v4("server"), 3 * HOLD)
    assert before < opened + HOLD + 0.1 and after > begin + HOLD - 0.1
    assert house.all_closed()


@pytest.mark.house(services=SHORT)
def test_with_all_dead_the_guard_stays(house):
    house.postern.kill_all()
    assert house.all_closed()


def test_a_retry_acts_once(house):
    """The same attempt id again and again: one door, one session, and always the same answer."""
    bob = house.knocker()
    first = bob.open()
    for _ in range(4):
        assert bob.open(attempt=first.attempt).verdict in ("ok", "refreshed")
    assert len(house.postern.doors()) == 1
    assert house.postern.counter("auth.opened") == 1
