"""Doors of narrow forms under real logins: beside a neighbour behind the same NAT, and by their traffic."""

import itertools
import re
import socket
import time

import pytest
from lab import connect, until
from lab.nat import Nat
from lab.network import v4
from lab.ssh import Login
from lab.user import GRANTED, User

SERVER = v4("server")
IDLE = 2


def from_port(host, port):
    """As connect.tcp(), from a port of one's own."""
    with host.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
        s.bind(("", port))
        s.settimeout(0.5)
        try:
            s.connect((SERVER, 22))
            return "open"
        except TimeoutError:
            return "silent"


@pytest.mark.house(alice=False)
def test_a_neighbour_behind_the_same_address(house):
    """What is open for the address is open to both; an exact door is for the one connection alone."""
    own, neighbour = Nat(house, "").hosts
    user = User(own)
    user.import_profile(house.postern.add_client("u", server="server.lab"))
    house.postern.reload_and_wait()
    assert user.postern("open", "u", "ssh", "-4").returncode == GRANTED
    assert connect.tcp(neighbour, SERVER, 22) == "open"
    assert user.postern("close", "u", "ssh", "-4").returncode == GRANTED
    assert connect.tcp(neighbour, SERVER, 22) == "silent"

    proxy = f"ProxyCommand={user.program} connect %h %p -4 --exact"
    key = user.give(house.sshd.folder / "user_key")
    words = house.sshd.command("server.lab", "-o", proxy, key=key)
    ssh = Login(own, user.argv(*words), user.env)
    ssh.says("first")
    (session,) = house.postern.sessions()
    assert session["address"] == v4("client")
    port = int(re.fullmatch(r"by time, port (\d+)", session["closes"])[1])
    # The server sees the connection come from there: the NAT kept the port.
    connections = house.server.run("ss", "-Htn", "state", "established").stdout.split()
    assert f"{v4('client')}:{port}" in connections
    assert [connect.tcp(neighbour, SERVER, 22), from_port(neighbour, port)] == 2 * ["silent"]
    assert connect.tcp(house.attacker, SERVER, 22) == "silent"
    ssh.says("second")
    assert ssh.end() == 0


@pytest.mark.house(services=(dict(name="ssh", proto="tcp", port=22, hold=60, max_hold=60, idle=IDLE),))
def test_an_idle_door_lives_by_the_traffic_of_logins(house):
    """While they say something it stays, past its idle time; then it closes, and they stay."""
    assert house.alice.postern("open", "alice", "ssh").returncode == GRANTED
    logins = [Login(house.client, house.sshd.command(address)) for address in house.addresses()]
    end = time.monotonic() + 2 * IDLE
    for n in itertools.takewhile(lambda _: time.monotonic() < end, itertools.count()):
        for login in logins:
            login.says(f"word{n}")
        time.sleep(IDLE / 20)
    assert {s["closes"] for s in house.postern.sessions()} == {f"idle {IDLE} s"}
    assert len(house.postern.sessions()) == 2 and all(house.is_open(six=six) for six in (False, True))
    until(lambda: not house.postern.sessions(), IDLE + 3, "the end of both")
    assert house.all_closed()
    for login in logins:
        login.says("still here")
    assert house.all_closed() and [login.end() for login in logins] == [0, 0]
