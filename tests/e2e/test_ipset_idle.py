"""Doors of the firewall ipset that close when they are idle: on the real kernel, under real traffic."""

import contextlib
import time

import pytest
from lab import connect, until
from lab.user import DENIED, GRANTED
from test_backends import C4, C6, LOOK, S4, S6, VARIANTS, on_ipset, tables
from test_door_forms import connected
from test_firewall_backend import A4, A6, ECHO, SSH, is_open, rest, serve

IDLE, LONG = 2, 30
SERVICES = (("ssh", 6, f"{SSH}:{IDLE}"), ("echo", 17, f"{ECHO}:{LONG}"))
PLAIN = (("ssh", 6, SSH), ("echo", 17, ECHO))


def idle(client, seconds=IDLE):
    return f"{client},idle={seconds}"


def talk(sockets, seconds):
    """They say something again and again, at a tenth of the idle time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for s in sockets:
            s.send(b"?")
        time.sleep(IDLE / 10)


@contextlib.contextmanager
def both_connected(host):
    with connected(host, S4) as one, connected(host, S6) as other:
        yield one, other


def both_open(scene):
    states = [is_open(scene, server) for server in (S4, S6)]
    assert states[0] == states[1]
    return states[0]


BOTH = (idle(C4), idle(C6))


def its_end(backend, name, door):
    until(lambda: rest(backend, name, door) is None, IDLE + 10, "the door's end")


@pytest.fixture
def hosts(lab):
    serve(lab.server)
    lab.echo = connect.UdpEcho(lab.server, ECHO)
    return lab


@pytest.fixture
def scene(hosts):
    with on_ipset(hosts, services=SERVICES) as hosts.backend:
        hosts.backend.ok("ensure")
        yield hosts


@pytest.mark.parametrize("variant", VARIANTS)
def test_traffic_holds_doors_and_silence_closes_them(hosts, variant):
    with on_ipset(hosts, services=SERVICES, wrap=VARIANTS[variant]) as backend:
        backend.ok("ensure")
        for door in BOTH:
            backend.ok("open", "ssh", door, 60)
        assert not is_open(hosts, S4, hosts.attacker) and not is_open(hosts, S6, hosts.attacker)
        assert set(backend.doors()) == {(door, 6, SSH) for door in BOTH}
        with both_connected(hosts.client) as up:
            talk(up, 1.5 * IDLE)
            assert all(0 < rest(backend, "ssh", door) <= IDLE for door in BOTH)  # also of 60 s
            with both_connected(hosts.client):  # new ones, past the first idle time
                pass
            until(lambda: not backend.doors(), IDLE + 10, "the doors' end")
            assert not both_open(hosts)
            talk(up, IDLE / 5)  # who is in stays in, and brings no door back
            assert not both_open(hosts) and backend.doors() == {}
        backend.ok("remove")
    assert tables(hosts.server, variant) == []


def test_new_connections_hold_them_and_those_of_others_do_not(scene):
    for door in (*BOTH, A4, A6):
        scene.backend.ok("open", "ssh", door, 60)
    end = time.monotonic() + 1.5 * IDLE
    while time.monotonic() < end:
        assert both_open(scene)
        time.sleep(IDLE / 10)
    with both_connected(scene.attacker) as others:
        talk(others, IDLE + 0.5)
    assert {door for door, _, _ in scene.backend.doors()} == {A4, A6}
    assert not both_open(scene)


def test_all_of_us_dead(hosts):
    """As by kill -9: the kernel keeps all of the times."""
    hold, long = 5 * IDLE, idle(C4, LONG)
    with on_ipset(hosts, services=SERVICES) as backend:
        backend.ok("ensure")
        for door in BOTH:
            backend.ok("open", "ssh", door, 60)
        backend.ok("open", "echo", long, hold)
        opened = time.monotonic()
        with both_connected(hosts.client) as up:
            backend.die()
            talk(up, 1.5 * IDLE)
            assert both_open(hosts)
    time.sleep(IDLE + 0.5)  # in silence, which a look would break
    assert not both_open(hosts)
    with on_ipset(hosts, services=SERVICES) as backend:
        assert set(backend.doors()) == {(long, 17, ECHO)}
        assert rest(backend, "echo", long) <= hold
        until(lambda: time.monotonic() > opened + hold + 0.5, hold, "the end of hold")
        assert backend.doors() == {}  # for all its idle time
    assert connect.udp_answer(hosts.client, S4, ECHO) is None


def test_each_port_counts_for_itself(scene):
    scene.backend.configure([("many", 6, f"{SSH},8000:{IDLE}")])
    scene.backend.ok("ensure")
    scene.backend.ok("open", "many", idle(C4), 60)
    with connected(scene.client, S4) as s:
        talk([s], 1.5 * IDLE)
        assert list(scene.backend.doors()) == [(idle(C4), 6, SSH)]
        assert rest(scene.backend, "many", idle(C4)) > 0
    scene.backend.ok("close", "many", idle(C4))
    assert scene.backend.do("close", "many", idle(C4)) == "not-there"


def test_doors_of_their_own_and_shorter_times(scene):
    backend, door = scene.backend, idle(C4, LONG)
    backend.ok("open", "ssh", C4, 100)
    assert backend.do("shorten", "ssh", door, 50) == "not-there"
    for one in (door, idle(C6)):
        backend.ok("open", "ssh", one, 90)
    assert {d for d, _, _ in backend.doors()} == {C4, door, idle(C6)}
    backend.ok("close", "ssh", C4)
    assert is_open(scene, S4)
    backend.ok("shorten", "ssh", door, 500)
    assert 20 < rest(backend, "ssh", door) <= LONG
    backend.ok("shorten", "ssh", door, 5)
    assert 0 < rest(backend, "ssh", door) <= 5
    its_end(backend, "ssh", idle(C6))
    assert backend.do("shorten", "ssh", idle(C6), 50) == "not-there"
    assert list(backend.doors()) == [(door, 6, SSH)]
    for narrow in (",once", ",port=7777"):
        assert backend.do("open", "ssh", C4 + narrow, 60) == "failed"
    assert backend.do("open", "ssh", idle(C4, 7), 60) == "failed"  # no rule asks for such


def test_rules_that_somebody_flushed_are_put_back(scene):
    backend, door = scene.backend, idle(C4, LONG)
    backend.ok("open", "ssh", door, 60)
    for chain in ("postern-slide", "postern-port"):
        scene.server.run("iptables", "-t", "mangle", "-F", chain)
        until(lambda: backend.do("changed") == "yes", LOOK, f"notice of {chain}")
        backend.ok("ensure")
    assert not is_open(scene, S4, scene.attacker)
    assert rest(backend, "ssh", door) < LONG
    with connected(scene.client, S4):
        assert rest(backend, "ssh", door) in (LONG - 1, LONG)
    assert backend.do("changed") == "no"


def sets(host):
    return {s for s in host.run("ipset", "list", "-n").stdout.split() if "held" in s or "idle" in s}


def of(seconds):
    return {f"postern-{kind}{family}-{seconds}" for kind in ("held", "idle") for family in "46"}


def test_a_set_that_somebody_elses_rule_holds(scene):
    backend, rule = scene.backend, ("-m", "set", "--match-set", f"postern-idle4-{IDLE}", "src,dst")
    backend.ok("open", "ssh", idle(C4), 100)
    scene.server.run("iptables", "-A", "FORWARD", *rule)
    backend.configure(PLAIN)
    backend.ok("ensure")  # its doors have ended all the same
    assert sets(scene.server) == {f"postern-idle4-{IDLE}"} and "a rule of somebody else's" in backend.log()
    assert backend.doors() == {} and not is_open(scene, S4)
    scene.server.run("iptables", "-D", "FORWARD", *rule)
    backend.ok("ensure")
    assert sets(scene.server) == set()


def test_an_idle_time_that_is_no_more(scene):
    backend = scene.backend
    backend.ok("open", "ssh", idle(C4), 100)
    backend.ok("open", "echo", idle(C4, LONG), 100)
    assert sets(scene.server) == of(IDLE) | of(LONG)
    backend.configure((SERVICES[1], ("ssh", 6, f"{SSH}:{IDLE + 1}")))
    backend.ok("ensure")
    assert sets(scene.server) == of(IDLE + 1) | of(LONG)
    assert list(backend.doors()) == [(idle(C4, LONG), 17, ECHO)]
    assert backend.do("query", "ssh", idle(C4)) == "not-there 0"
    assert backend.do("close", "ssh", idle(C4)) == "not-there"
    backend.configure(SERVICES[:1])
    backend.ok("ensure")  # neither the service nor its time
    backend.configure(SERVICES)
    backend.ok("ensure")
    assert backend.doors() == {} and not is_open(scene, S4)
    with on_ipset(scene, services=PLAIN) as another:  # whose configuration has none of them
        another.ok("remove")
    assert tables(scene.server, "nft") == []


@pytest.mark.house(
    firewall="ipset", sshd=False, services=(dict(name="ssh", proto="tcp", port=22, hold=60, max_hold=3600, idle=IDLE),)
)
def test_the_whole_way(house):
    serve(house.server)
    assert house.alice.postern("open", "alice", "ssh", "--idle", "1h").returncode == GRANTED
    assert {session["closes"] for session in house.postern.sessions()} == {f"idle {IDLE} s"}
    with connected(house.client, S4) as s:
        talk([s], 1.5 * IDLE)
        assert house.is_open()
        until(lambda: not house.postern.sessions(), IDLE + 10, "the door's end")
    assert house.all_closed()
    done = house.alice.postern("open", "alice", "ssh", "--single-use")
    assert done.returncode == DENIED and "single-use" in done.stderr
    assert house.alice.postern("open", "alice", "ssh").returncode == GRANTED
    assert house.is_open()
    text = house.postern.config_text()
    house.postern.write_config(text.replace(f"idle = {IDLE}", f"idle = {LONG}"))
    house.postern.reload_and_wait()
    assert house.all_closed()  # doors of a time that is no more have ended
