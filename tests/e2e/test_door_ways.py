"""Doors of several ports, and doors that lead on: with real packets through three hosts, without a daemon."""

import re
import socket
import time

import pytest
from lab import Lab, connect, until
from lab.backend import Backend
from test_firewall_backend import A4, BOTH, C4, C6, S4, S6, serve

OUTER, INNER, LOCAL = 15432, 5432, 2222
INSIDE4, INSIDE6 = "10.99.0.5", "fd99::5"  # beside the backend's address in the common network
BEHIND = (("db", 6, f"{OUTER}>{INSIDE4}/{INNER}>{INSIDE6}/{INNER}"),)
MANY = 1000


@pytest.fixture
def scene():
    with Lab("attacker", "backend") as lab:
        for number, host, tail in ((21, lab.server, "1"), (25, lab.backend, "5")):
            lab.connect(host, "eth1", number)
            host.ip("addr", "add", f"10.99.0.{tail}/24", "dev", "eth1")
            host.ip("addr", "add", f"fd99::{tail}/64", "dev", "eth1", "nodad")
        lab.server.sysctl("net.ipv4.ip_forward", 1)
        lab.server.sysctl("net.ipv6.conf.all.forwarding", 1)
        serve(lab.backend, INNER)
        yield lab


def open_at(host, server, port):
    return connect.tcp(host, server, port, 0.2)


# --- several ports ---


@BOTH
def test_a_door_opens_all_ports_of_its_service(scene, server, client):
    for port in (80, 443, 8001):
        serve(scene.server, port)
    with Backend(scene.server, (("web", 6, "80,443,8000-8002"),)) as backend:
        backend.ok("ensure")
        assert [open_at(scene.client, server, p) for p in (80, 443, 8001)] == 3 * ["silent"]
        backend.ok("open", "web", client, 60)
        assert [open_at(scene.client, server, p) for p in (80, 443, 8001)] == 3 * ["open"]
        assert open_at(scene.attacker, server, 80) == "silent"
        assert {(p, port) for p, _, port in backend.doors()} == {(client, p) for p in (80, 443, 8000, 8001, 8002)}
        backend.ok("close", "web", client)
        assert backend.do("close", "web", client) == "not-there"
        assert backend.doors() == {}


def test_a_single_use_door_lets_one_in_at_each_port(scene):
    for port in (80, 443):
        serve(scene.server, port)
    with Backend(scene.server, (("web", 6, "80,443"),)) as backend:
        backend.ok("ensure")
        backend.ok("open", "web", f"{C4},once", 60)
        assert [open_at(scene.client, S4, p) for p in (80, 80, 443, 443)] == ["open", "silent", "open", "silent"]
        assert backend.do("query", "web", f"{C4},once") == "not-there 0"
        backend.ok("open", "web", f"{C4},once", 60)
        assert open_at(scene.client, S4, 443) == "open"
        assert backend.do("query", "web", f"{C4},once") == "ok 60"
        backend.ok("close", "web", f"{C4},once")  # of which a part is closed already


@BOTH
def test_a_thousand_ports_are_one_door(scene, server, client):
    last = 20000 + MANY - 1
    serve(scene.server, last)
    with Backend(scene.server, (("range", 6, f"20000-{last}:300"),)) as backend, connect.held(
        scene.client, server, last
    ) as up:
        begin = time.monotonic()
        backend.ok("ensure")
        assert time.monotonic() - begin < 2  # and it asked for connections that are up, but not once a port
        up.shutdown(socket.SHUT_WR)
        until(lambda: scene.server.run("ss", "-tnH", "state", "close-wait").stdout, 10, "the end of one there")
        assert open_at(scene.client, server, last) == "silent"
        for door in (client, f"{client},idle=300", f"{client},once"):
            backend.ok("open", "range", door, 60)
            assert open_at(scene.client, server, last) == "open"
            assert len(backend.doors()) == (MANY if "once" not in door else MANY - 1)
            backend.ok("close", "range", door)
            assert backend.doors() == {}
        backend.ok("try", 1)
        assert backend.do("read").startswith("ok there=1")


# --- leading on ---


@BOTH
def test_a_door_leads_to_another_host(scene, server, client):
    with Backend(scene.server, BEHIND) as backend:
        backend.ok("ensure")
        assert open_at(scene.client, server, OUTER) == "silent"
        backend.ok("open", "db", client, 60)
        with scene.client.socket(connect.family(server)) as s:
            s.settimeout(2)
            s.connect((server, OUTER))
            assert s.recv(10) == b"hello"
            assert open_at(scene.attacker, server, OUTER) == "silent"
            backend.ok("close", "db", client)
            assert open_at(scene.client, server, OUTER) == "silent"
            s.send(b"the connection that is up lives on")
            assert s.getsockopt(1, 4) == 0


def seen_by_backend(scene):
    return scene.backend.run("ss", "-Htn", "state", "established").stdout


def test_who_seems_to_come(scene):
    """From this host by default; as itself without masquerading, where the backend knows the way back."""
    scene.backend.ip("addr", "del", "10.88.0.5/24", "dev", "eth0")  # there is no other way to the client
    scene.backend.ip("route", "add", "default", "via", "10.99.0.1")
    for way, seen in (("", "10.99.0.1"), ("~", C4)):
        with Backend(scene.server, (("db", 6, f"{OUTER}>{way}{INSIDE4}/{INNER}"),)) as backend:
            backend.ok("ensure")
            backend.ok("open", "db", C4, 60)
            with scene.client.socket() as s:
                s.settimeout(2)
                s.connect((S4, OUTER))
                assert s.recv(10) == b"hello"
                assert re.search(rf"10.99.0.5]:{INNER} +\[::ffff:{seen}]:", seen_by_backend(scene))


@BOTH
def test_a_door_leads_to_another_port_of_this_host(scene, server, client):
    serve(scene.server, LOCAL + 1)
    with Backend(scene.server, (("alt", 6, f"{LOCAL}>{LOCAL + 1}"),)) as backend:
        backend.ok("ensure")
        assert open_at(scene.client, server, LOCAL) == "silent"
        backend.ok("open", "alt", client, 60)
        assert open_at(scene.client, server, LOCAL) == "open"
        assert open_at(scene.attacker, server, LOCAL) == "silent"


def test_single_use_and_exact_doors_lead_on_as_well(scene):
    with Backend(scene.server, BEHIND) as backend:
        backend.ok("ensure")
        backend.ok("open", "db", f"{C4},once", 60)
        assert [open_at(scene.client, S4, OUTER) for _ in range(2)] == ["open", "silent"]


def test_nothing_leads_on_any_more_when_the_service_is_gone(scene):
    with Backend(scene.server, BEHIND) as backend:
        backend.ok("ensure")
        backend.ok("open", "db", C4, 60)
        assert open_at(scene.client, S4, OUTER) == "open"
        backend.configure((("ssh", 6, 22),))
        backend.ok("ensure")
        assert open_at(scene.client, S4, OUTER) == "closed"
        assert "forwards" not in scene.server.run("nft", "list", "table", "inet", "postern").stdout


def test_strangers_and_other_traffic_are_not_led(scene):
    serve(scene.server, OUTER + 1)
    with Backend(scene.server, BEHIND) as backend:
        backend.ok("ensure")
        backend.ok("open", "db", C4, 60)
        assert open_at(scene.client, S4, OUTER + 1) == "open"
        assert open_at(scene.attacker, S4, OUTER + 1) == "open"
        assert open_at(scene.attacker, S4, OUTER) == "silent"
        assert A4 not in str(backend.doors())


# --- out through a gateway ---

OUT4, OUT6 = "10.99.0.5", "fd99::5"  # where an inner host, the client, wants to go


@pytest.fixture
def gateway(scene):
    scene.client.ip("route", "add", "10.99.0.0/24", "via", S4)
    scene.client.ip("route", "add", "fd99::/64", "via", S6)
    for host in (scene.attacker,):
        host.ip("route", "add", "10.99.0.0/24", "via", S4)
    yield scene


@pytest.mark.parametrize("target,client", [(OUT4, C4), (OUT6, C6)], ids=["v4", "v6"])
def test_an_inner_host_gets_out_through_a_gateway(gateway, target, client):
    with Backend(gateway.server, (("net", "gateway", "eth0:eth1"),)) as backend:
        backend.ok("ensure")
        assert open_at(gateway.client, target, INNER) == "silent"
        backend.ok("open", "net", client, 60)
        assert open_at(gateway.client, target, INNER) == "open"
        assert open_at(gateway.attacker, OUT4, INNER) == "silent"
        assert list(backend.doors()) == [(client, 0, 0)]
        with gateway.client.socket(connect.family(target)) as s:
            s.settimeout(2)
            s.connect((target, INNER))
            assert s.recv(10) == b"hello"
            backend.ok("ensure")  # neither door nor connection is touched
            assert list(backend.doors()) == [(client, 0, 0)]
            backend.ok("close", "net", client)
            assert open_at(gateway.client, target, INNER) == "silent"
            # Others, in whatever order, and a service at the port that it goes to: none of theirs.
            others = (("far", "gateway", "eth0:eth7"), ("web", 6, INNER), ("net", "gateway", "eth0:eth1"))
            backend.configure(others)
            backend.ok("ensure")
            for name in ("far", "web"):
                assert backend.do("cut", name, client) == "ok 0"
            assert backend.do("cut", "net", client) == "ok 2"


def test_a_gateway_that_is_gone_lets_all_by_again(gateway):
    gateway.backend.ip("route", "add", "10.88.0.2/32", "via", "10.99.0.1")
    assert open_at(gateway.client, OUT4, INNER) == "open"
    with Backend(gateway.server, (("net", "gateway", "eth0:eth1"),)) as backend:
        backend.ok("ensure")
        assert open_at(gateway.client, OUT4, INNER) == "silent"
        backend.ok("open", "net", C4, 60)
        backend.configure((("ssh", 6, 22),))
        backend.ok("ensure")
        assert open_at(gateway.client, OUT4, INNER) == "open"
        assert backend.doors() == {}
