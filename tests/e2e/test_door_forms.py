"""Doors that close by more than their time, or are for one source port: with real packets, without a daemon."""

import contextlib
import select
import socket
import time

import pytest
from lab import connect, nft, stays, until
from lab.backend import Backend
from test_firewall_backend import A4, A6, BOTH, C4, C6, ECHO, S4, SSH, is_open, rest, serve

IDLE = 2
RACERS = 10
SOURCE = 19001  # a port that the kernel gives to nobody by itself


@pytest.fixture
def scene(lab):
    serve(lab.server)
    lab.echo = connect.UdpEcho(lab.server, ECHO)
    services = (("ssh", 6, f"{SSH}:{IDLE}"), ("echo", 17, f"{ECHO}:{IDLE}"))
    with Backend(lab.server, services) as backend:
        lab.backend = backend
        backend.ok("ensure")
        yield lab


@contextlib.contextmanager
def connected(host, server, port=0):
    """A connection that stays up; port: its own."""
    with host.socket(connect.family(server), socket.SOCK_STREAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        s.bind(("", port))
        s.settimeout(0.5)
        s.connect((server, SSH))
        yield s


def race(host, server, n=RACERS):
    """n connections begun at the same moment: how many came up."""
    with contextlib.ExitStack() as all_:
        begun = []
        for _ in range(n):
            s = all_.enter_context(host.socket(connect.family(server), socket.SOCK_STREAM))
            s.setblocking(False)
            s.connect_ex((server, SSH))
            begun.append(s)
        end, up = time.monotonic() + 0.6, set()
        while (left := end - time.monotonic()) > 0:
            _, ready, _ = select.select([], [s for s in begun if s not in up], [], left)
            up.update(s for s in ready if s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0)
        return len(up)


# --- idle ---


@BOTH
def test_an_idle_door_closes_without_traffic(scene, server, client):
    door = f"{client},idle={IDLE}"
    scene.backend.ok("open", "ssh", door, 60)
    assert 0 < rest(scene.backend, "ssh", door) <= IDLE
    assert not is_open(scene, server, scene.attacker)
    until(lambda: rest(scene.backend, "ssh", door) is None, IDLE + 10, "the door's end")
    assert not is_open(scene, server)


@BOTH
def test_traffic_keeps_an_idle_door_open_and_hold_ends_it(scene, server, client):
    hold = 3 * IDLE
    door = f"{client},idle={IDLE}"
    scene.backend.ok("open", "echo", door, hold)
    begin = time.monotonic()
    with scene.client.socket(connect.family(server), socket.SOCK_DGRAM) as s:
        s.settimeout(5)
        s.connect((server, ECHO))
        while time.monotonic() < begin + IDLE * 1.5:
            s.send(b"?")
            assert s.recv(10) == b"echo:?"
            time.sleep(0.1)
        assert connect.udp_answer(scene.client, server, ECHO, timeout=5) == b"echo:?"  # a new flow, past the first idle time
        while time.monotonic() < begin + hold:
            s.send(b"?")
            assert s.recv(10) == b"echo:?"
            time.sleep(0.1)
        until(lambda: rest(scene.backend, "echo", door) is None, 10, "the door's end")
        assert connect.udp_answer(scene.client, server, ECHO) is None
        s.send(b"?")  # who is in stays in
        assert s.recv(10) == b"echo:?"


def test_a_connection_that_is_up_outlives_its_idle_door(scene):
    scene.backend.ok("open", "ssh", f"{C4},idle={IDLE}", 60)
    with connected(scene.client, S4) as s:
        assert s.recv(10) == b"hello"
        until(lambda: rest(scene.backend, "ssh", f"{C4},idle={IDLE}") is None, IDLE + 10, "the door's end")
        assert not is_open(scene, S4)
        s.send(b"still there")
        stays(lambda: s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0, 0.3)
        assert not is_open(scene, S4)  # its traffic brings back no door


def test_other_peoples_traffic_keeps_no_idle_door_open(scene):
    door = f"{C4},idle={IDLE}"
    scene.backend.ok("open", "echo", door, 60)
    scene.backend.ok("open", "echo", A4, 60)
    end = time.monotonic() + IDLE + 1
    while time.monotonic() < end:
        assert connect.udp_answer(scene.attacker, S4, ECHO, timeout=5) == b"echo:?"
        time.sleep(0.05)
    assert rest(scene.backend, "echo", door) is None
    assert connect.udp_answer(scene.client, S4, ECHO) is None


# --- once ---


@BOTH
def test_exactly_one_of_ten_at_once_comes_in(scene, server, client):
    for _ in range(10):
        scene.backend.ok("open", "ssh", f"{client},once", 60)
        assert race(scene.client, server) == 1
        assert rest(scene.backend, "ssh", f"{client},once") is None


@BOTH
def test_a_single_use_door_is_for_one_flow_of_datagrams(scene, server, client):
    scene.backend.ok("open", "echo", f"{client},once", 60)
    with scene.client.socket(connect.family(server), socket.SOCK_DGRAM) as s:
        s.settimeout(5)
        s.connect((server, ECHO))
        for _ in range(5):  # before any answer
            s.send(b"?")
        assert [s.recv(10) for _ in range(5)] == 5 * [b"echo:?"]
        assert connect.udp_answer(scene.client, server, ECHO) is None
        s.send(b"?")
        assert s.recv(10) == b"echo:?"


def test_a_single_use_door_that_nobody_uses_closes_by_time(scene):
    scene.backend.ok("open", "ssh", f"{C4},once", 1)
    until(lambda: rest(scene.backend, "ssh", f"{C4},once") is None, 10, "the door's end")
    assert not is_open(scene, S4)


@BOTH
def test_closing_where_some_ports_are_closed_already_keeps_nobody_waiting(lab, server, client):
    """The kernel takes some 10 ms for a transaction that fails: 8 s, if each port that was used up were one."""
    serve(lab.server, 7000)
    with Backend(lab.server, [("many", 6, "7000-7999")]) as backend:
        backend.ok("ensure")
        backend.ok("open", "many", f"{client},once", 60)
        assert connect.is_open(lab.client, server, 7000)
        started = time.monotonic()
        backend.ok("close", "many", f"{client},once")
        assert backend.do("close", "many", f"{client},once") == "not-there"
        assert time.monotonic() - started < 2
        assert not backend.doors()


# --- exact ---


@BOTH
def test_an_exact_door_is_for_one_source_port(scene, server, client):
    door = f"{client},port={SOURCE}"
    scene.backend.ok("open", "ssh", door, 60)
    assert not is_open(scene, server)
    for _ in range(2):
        with connected(scene.client, server, SOURCE) as s:
            assert s.recv(10) == b"hello"
    with pytest.raises(TimeoutError), connected(scene.client, server, SOURCE + 1):
        pass
    with pytest.raises(TimeoutError), connected(scene.attacker, server, SOURCE):
        pass
    scene.backend.ok("close", "ssh", door)
    with pytest.raises(TimeoutError), connected(scene.client, server, SOURCE):
        pass


@BOTH
def test_an_exact_door_for_one_connection(scene, server, client):
    scene.backend.ok("open", "ssh", f"{client},port={SOURCE},once", 60)
    with connected(scene.client, server, SOURCE):
        pass
    with pytest.raises(TimeoutError), connected(scene.client, server, SOURCE):
        pass


# --- all of them ---

ALL = [C4, C6, f"{C4},idle={IDLE}", f"{C6},once", f"{C4},port=7", f"{C6},port=7,once", "10.0.0.0/8", A6]


def test_doors_of_all_forms_are_doors_of_their_own(scene):
    for i, door in enumerate(ALL):
        scene.backend.ok("open", "ssh", door, 100 + i)
    assert {d for d, _, _ in scene.backend.doors()} == set(ALL)
    scene.backend.ok("close", "ssh", f"{C4},port=7")
    assert {d for d, _, _ in scene.backend.doors()} == set(ALL) - {f"{C4},port=7"}
    assert 90 < rest(scene.backend, "ssh", C4) <= 100


def test_a_shorter_time_never_opens_a_door(scene):
    backend, idle, once = scene.backend, f"{C4},idle={IDLE}", f"{C4},once"
    doors = [*ALL, once]
    for i, door in enumerate(doors):
        assert backend.do("shorten", "ssh", door, 50) == "not-there"
        backend.ok("open", "ssh", door, 100 + i)
        backend.ok("shorten", "ssh", door, 500)
    rests = {d: seconds for (d, _, _), seconds in backend.doors().items()}
    assert rests[f"{C4},port=7"] > 100 and rests["10.0.0.0/8"] > 100
    for door in doors:
        backend.ok("shorten", "ssh", door, 50)
    assert {d for d, _, _ in backend.doors()} == set(doors)
    assert all(0 < seconds <= 50 for seconds in backend.doors().values())
    for door in (C4, "10.0.0.0/8"):
        backend.ok("close", "ssh", door)
    until(lambda: rest(backend, "ssh", idle) is None, IDLE + 10, "the idle door's end")
    assert race(scene.client, S4) == 1
    for door in (idle, once):
        backend.do("shorten", "ssh", door, 20)
        assert rest(backend, "ssh", door) is None
    assert not is_open(scene, S4)


def test_doors_of_all_forms_live_through_a_new_table(scene):
    for door in ALL:
        scene.backend.ok("open", "ssh", door, 100)
    scene.backend.ok("ensure")
    assert {d for d, _, _ in scene.backend.doors()} == set(ALL)
    nft.load(scene.server, "delete chain inet postern guard; add set inet postern guarded2 { type mark; }")
    # A table that cannot be made ours is made anew, with what was in it.
    nft.load(scene.server, "add chain inet postern guard { type filter hook output priority 0; }")
    scene.backend.ok("ensure")
    assert {d for d, _, _ in scene.backend.doors()} == set(ALL)
    assert is_open(scene, S4)


def test_idle_doors_of_a_time_that_is_no_more_are_closed(scene):
    scene.backend.ok("open", "ssh", f"{C4},idle={IDLE}", 100)
    scene.backend.configure((("ssh", 6, f"{SSH}:{IDLE + 1}"),))
    scene.backend.ok("ensure")
    assert scene.backend.doors() == {}
    scene.backend.configure((("ssh", 6, f"{SSH}:{IDLE}"),))
    scene.backend.ok("ensure")
    assert not is_open(scene, S4)


# --- cut ---

CHATTY = (
    "import socket,time\n"
    "s=socket.create_server(('::',2200),family=socket.AF_INET6,dualstack_ipv6=True)\n"
    "print('ready',flush=True)\n"
    "c,a=s.accept()\n"
    "try:\n"
    "    while True:\n"
    "        c.sendall(b'.'); time.sleep(0.02)\n"
    "except OSError as e:\n"
    "    print('ended', e.errno, flush=True)\n"
    "time.sleep(60)\n"
)


def hears(s, seconds=5):
    """Does anything come? What lies there already is no news."""
    s.setblocking(False)
    try:
        with contextlib.suppress(BlockingIOError):
            while s.recv(65536):
                pass
        s.settimeout(seconds)
        return bool(s.recv(1))
    except (TimeoutError, ConnectionError):
        return False


@BOTH
def test_cutting_ends_what_came_in_through_the_door(scene, server, client):
    service = scene.server.start("/usr/bin/python3", "-c", CHATTY, name="chatty")
    service.wait_line("ready")
    with Backend(scene.server, (("chatty", 6, 2200), ("ssh", 6, SSH))) as backend:
        backend.ok("ensure")
        for name in ("chatty", "ssh"):
            backend.ok("open", name, client, 60)
        with scene.client.socket(connect.family(server), socket.SOCK_STREAM) as s, connected(scene.client, server) as ssh:
            s.settimeout(1)
            s.connect((server, 2200))
            assert hears(s)
            backend.ok("close", "chatty", client)
            assert hears(s)  # closing a door cuts nothing
            assert backend.do("cut", "chatty", client) == "ok 1"
            # The service has much to say, and must not thereby bring the connection back.
            until(lambda: not hears(s, 0.4), 5, "silence")
            assert not hears(s, 1)
            service.wait_line("ended")
            assert ssh.recv(10) == b"hello"
            ssh.send(b"another service's connection lives on")
            stays(lambda: ssh.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0, 0.3)
            assert backend.do("cut", "chatty", A4 if ":" not in client else A6) == "ok 0"


def test_what_was_cut_may_come_back_through_a_new_door(scene):
    """Datagrams from the same port to the same port are the same flow to the kernel."""
    with scene.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect((S4, ECHO))
        scene.backend.ok("open", "echo", C4, 60)
        s.settimeout(5)
        s.send(b"1")
        assert s.recv(10) == b"echo:1"
        scene.backend.ok("close", "echo", C4)
        assert scene.backend.do("cut", "echo", C4) == "ok 1"
        s.settimeout(0.3)
        s.send(b"2")
        with pytest.raises(TimeoutError):
            s.recv(10)
        scene.backend.ok("open", "echo", C4, 60)
        s.settimeout(5)
        s.send(b"3")
        assert s.recv(10) == b"echo:3"


def test_what_was_cut_may_come_back_when_the_daemon_is_another_one(scene):
    """The mark lies in the kernel, and whoever made it may be gone."""
    with scene.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect((S4, ECHO))
        scene.backend.ok("open", "echo", C4, 60)
        s.settimeout(5)
        s.send(b"1")
        assert s.recv(10) == b"echo:1"
        scene.backend.ok("close", "echo", C4)
        assert scene.backend.do("cut", "echo", C4) == "ok 1"
        with Backend(scene.server, (("ssh", 6, SSH), ("echo", 17, ECHO))) as later:
            later.ok("ensure")
            later.ok("open", "ssh", C4, 60)  # of another door: it stays
            s.settimeout(0.3)
            s.send(b"2")
            with pytest.raises(TimeoutError):
                s.recv(10)
            later.ok("open", "echo", C4, 60)
            s.settimeout(5)
            s.send(b"3")
            assert s.recv(10) == b"echo:3"
