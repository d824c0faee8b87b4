"""Capture by netfilter's queue: knocks are taken out, all else goes on, whatever becomes of us."""

import json
import os
import signal
import socket

import pytest
from lab import until
from lab.network import v4, v6
from lab.postern import Postern
from lab.process import alive, status
from lab.user import GRANTED
from test_capture import opens_both, works

QUEUES = ("4477", "4478")
FULL = 80_000  # more packets than the kernel keeps of a queue


def start(house, **directives):
    house.postern.directives.update(directives)
    house.postern.write_config()
    house.postern.start()


def queues(host):
    """Numbers of the queues that somebody reads."""
    with host.inside(), open("/proc/thread-self/net/netfilter/nfnetlink_queue") as file:
        return [line.split()[0] for line in file]


def rules(house):
    """Everything that queues."""
    text = house.server.run("nft", "-s", "list", "ruleset").stdout
    return [line.strip() for line in text.splitlines() if "queue" in line and "queue-threshold" not in line]


def as_configured(house):
    return json.loads(house.postern.ctl("--json", "firewall", "check", check=False).stdout)["as_configured"]


def service(house, port):
    """A UDP socket behind the firewall."""
    made = house.server.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    made.bind(("::", port))
    made.settimeout(2)
    return made


@pytest.mark.parametrize("silence", ["drop", "closed"])
@pytest.mark.house(start=False, capture="nfqueue", interface=["any"])
def test_the_queue_opens_the_real_door(house, silence):
    start(house, silence=silence)
    if silence == "drop":
        opens_both(house)
    else:
        assert house.alice.postern("open", "alice", "ssh").returncode == GRANTED
        assert all(house.sshd.login(house.client, address) for address in house.addresses())


@pytest.mark.house(start=False, alice=False, sshd=False, capture="nfqueue", interface=["any"], silence="closed")
def test_a_knock_is_seen_by_nobody_else_and_the_rest_goes_on(house):
    start(house)
    behind = service(house, Postern.PORT)
    for six in (False, True):
        bob = house.knocker(six=six)
        bob.send(b"stranger")
        assert behind.recv(4096) == b"stranger"
        assert bob.ping().verdict == "ok"
        bob.send(b"another")
        assert behind.recv(4096) == b"another"  # and the knock did not come before it
    assert house.postern.counter(".matched") >= 2


@pytest.mark.house(start=False, alice=False, sshd=False, capture="nfqueue", interface=["any"], silence="closed")
def test_nothing_waits_for_a_capture_that_is_dead(house):
    start(house)
    knock_port, other_port = service(house, Postern.PORT), service(house, 5555)
    bob = house.knocker()
    # Stopped, so that packets wait for it; other traffic never does.
    capture = house.postern.pid("capture")
    os.kill(capture, signal.SIGSTOP)
    bob.send(b"waits")
    bob.socket.sendto(b"passes", (v4("server"), 5555))
    assert other_port.recv(4096) == b"passes"
    knock_port.setblocking(False)
    with pytest.raises(BlockingIOError):
        knock_port.recv(4096)
    os.kill(capture, signal.SIGKILL)
    knock_port.settimeout(5)
    assert knock_port.recv(4096) == b"waits"
    until(lambda: bob.ping(0.3), 15, "an answer by the next one")
    bob.send(b"stranger")
    # What bob sent before the next one was there has gone on as well.
    assert until(lambda: knock_port.recv(4096) == b"stranger", 5, "the stranger")


@pytest.mark.house(start=False, alice=False, sshd=False, capture="nfqueue", interface=["any"], silence="closed")
def test_a_full_queue_lets_packets_by(house):
    """More strangers than it has room for, while nobody reads it: what comes then does not wait."""
    start(house)
    behind, capture = service(house, Postern.PORT), house.postern.pid("capture")
    os.kill(capture, signal.SIGSTOP)
    house.blast("random", Postern.PORT, FULL, 100).popen.wait(60)
    assert len(behind.recv(4096)) == 100
    os.kill(capture, signal.SIGCONT)
    until(lambda: house.knocker().ping(0.3), 15, "an answer")
    until(lambda: house.postern.counter(".lost") > 0, 5, "what went by unread is counted")


@pytest.mark.house(start=False, alice=False, capture="nfqueue", interface=["any"])
def test_the_capture_that_decides_has_no_capability(house):
    start(house)
    found = status(house.postern.pid("capture"))
    assert all(int(found[kind], 16) == 0 for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"))
    assert works(house, v4("server")) and works(house, v6("server"))


@pytest.mark.house(start=False, alice=False, sshd=False, capture="nfqueue", interface=["any"])
def test_forwarded_knocks_of_others_are_let_alone(house):
    """A host behind us with the same knock port: its packets are not ours to queue."""
    start(house)
    seen = house.postern.heard()
    house.server.sysctl("net.ipv4.ip_forward", 1)
    house.server.ip("addr", "add", "10.77.0.1/24", "dev", "lo")
    house.server.run("ip", "route", "add", "10.78.0.0/24", "via", v4("attacker"))
    house.client.run("ip", "route", "add", "10.78.0.0/24", "via", v4("server"))
    house.attacker.ip("addr", "add", "10.78.0.1/24", "dev", "lo")
    behind = house.attacker.socket(socket.AF_INET, socket.SOCK_DGRAM)
    behind.bind(("10.78.0.1", Postern.PORT))
    behind.settimeout(5)
    sender = house.client.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.sendto(b"through", ("10.78.0.1", Postern.PORT))
    assert behind.recv(4096) == b"through"
    assert works(house, v4("server"))
    assert house.postern.heard() > seen
    assert house.postern.counter(".gate") + house.postern.counter(".length") == 0


@pytest.mark.house(start=False, alice=False, sshd=False, capture="nfqueue", interface=["any"])
def test_the_rules_are_shown_checked_put_back_and_removed(house):
    start(house)
    assert queues(house.server) == ["4477"] and rules(house)
    assert any("4477" in line for line in house.postern.ctl("firewall", "show").stdout.splitlines())
    assert as_configured(house) is True
    # Nothing of it is left behind by a method that does not need it.
    house.postern.directives["capture"] = "pcap"
    house.postern.write_config()
    house.postern.reload_and_wait()
    until(lambda: not rules(house), 10, "the end of the rules")
    until(lambda: not queues(house.server), 10, "the end of the queue")
    assert works(house, v4("server"))
    assert as_configured(house) is True
    house.postern.directives["capture"] = "nfqueue"
    house.postern.write_config()
    house.postern.reload_and_wait()
    until(lambda: works(house, v4("server"), 0.4) and rules(house), 10, "the queue again")
    house.postern.stop()
    house.postern.ctl("firewall", "remove")
    assert not rules(house)


@pytest.mark.parametrize(
    "how",
    [
        ["nft", "flush", "ruleset"],
        ["iptables-nft", "-t", "raw", "-F"],
        ["iptables-nft", "-t", "raw", "-F", "postern-knocks"],
    ],
    ids=" ".join,
)
@pytest.mark.house(start=False, alice=False, sshd=False, capture="nfqueue", interface=["any"])
def test_the_rules_that_somebody_took_away_come_back(house, how):
    """Without them no knock would be heard, and nothing would say so."""
    start(house)
    before = rules(house)
    assert before and works(house, v4("server"))
    house.server.run(*how)
    until(lambda: rules(house) == before and works(house, v4("server"), 0.4), 10, "the rules")
    until(lambda: works(house, v6("server"), 0.4), 10, "those of the other family")


@pytest.mark.house(start=False, alice=False, sshd=False, capture="nfqueue", interface=["any"], silence="closed")
def test_the_queue_ends_with_the_daemon(house):
    start(house)
    behind = service(house, Postern.PORT)
    pids = house.postern.pids().values()
    house.postern.kill("monitor")
    until(lambda: not any(alive(pid) for pid in pids), 5, "the end of all")
    house.knocker().send(b"passes")
    assert behind.recv(4096) == b"passes"
    assert not queues(house.server)
