"""Several processes that share one interface."""

import os

import pytest
from lab import until
from lab.knocker import Knocker
from lab.network import v4
from lab.postern import Postern
from lab.process import alive, children, cmdline

WORKERS, SENDERS = 3, 16
SOURCE = 'source "wire" {{ interface = eth0 capture = afpacket workers = {} }}\n'


def share(house, workers):
    text = "".join(line for line in house.postern.config_text().splitlines(True) if not line.startswith("interface"))
    house.postern.write_config(text + SOURCE.format(workers))


def captures(house):
    """The pids of all of them."""
    return [pid for pid in children(house.postern.process.pid) if "capture" in cmdline(pid)]


def crowd(house):
    """Bob from many addresses: the kernel deals them out by address."""
    for number in range(100, 100 + SENDERS):
        source = f"10.88.0.{number}"
        yield Knocker(house.client, house.card, v4("server"), Postern.PORT, source)


@pytest.mark.house(start=False, alice=False, sshd=False, client_rate=1000, client_burst=1000)
def test_they_share_and_take_over(house):
    """Each knock is heard once, by one of them; when one dies, the others hear all, at once."""
    for number in range(100, 100 + SENDERS):
        house.client.ip("addr", "add", f"10.88.0.{number}/24", "dev", "eth0")
    share(house, WORKERS)
    house.postern.start()
    until(lambda: len(captures(house)) == WORKERS, 5, "all of them")
    assert house.knocker().ping().verdict == "ok"  # no challenge from now on
    before = house.postern.counter(".matched")
    assert all(bob.ping() for bob in crowd(house))
    assert house.postern.counter(".matched") == before + SENDERS
    assert house.postern.counter("auth.duplicate") == 0
    victim = captures(house)[0]
    os.kill(house.postern.pid("monitor"), 19)  # nobody takes its place
    try:
        os.kill(victim, 9)
        until(lambda: not alive(victim), 5, "its death")
        assert all(bob.ping() for bob in crowd(house))
    finally:
        os.kill(house.postern.pid("monitor"), 18)
    until(lambda: len(captures(house)) == WORKERS, 15, "another one")
    assert all(bob.ping() for bob in crowd(house))


@pytest.mark.house(start=False, alice=False, sshd=False)
def test_more_and_fewer_in_a_running_daemon(house):
    share(house, 1)
    house.postern.start()
    for workers in (3, 2, 1, 2):
        share(house, workers)
        house.postern.reload_and_wait()
        until(lambda n=workers: len(captures(house)) == n, 15, f"{workers} of them")
        assert house.knocker().ping().verdict == "ok"
