"""port = random: each session has an outer port of its own, which the reply tells. With the real programs."""

import json
import re

import pytest
from lab import connect, until
from lab.house import House
from lab.network import v4
from lab.user import DENIED, GRANTED, User
from test_firewall_backend import C4, S4, S6, serve

INNER = 5432
INSIDE4, INSIDE6 = "10.99.0.5", "fd99::5"  # beside the backend's address in the common network
DB = dict(
    name="db", proto="tcp", port="random", hold=60, max_hold=3600, idle=50,
    forward=f'{{"{INSIDE4}:{INNER}", "[{INSIDE6}]:{INNER}"}}',
)  # fmt: skip
SSH = dict(name="ssh", proto="tcp", port=22, hold=60, max_hold=3600)
DOOR = dict(name="door", proto="tcp", port='"random 21000-21255"', forward=22, hold=60, max_hold=3600)
RANGE = range(20000, 21000)
SOURCE = 19001  # none that the kernel gives away


def lead(lab):
    """A third host behind the server, which serves at INNER."""
    for number, host, tail in ((21, lab.server, "1"), (25, lab.backend, "5")):
        lab.connect(host, "eth1", number)
        host.ip("addr", "add", f"10.99.0.{tail}/24", "dev", "eth1")
        host.ip("addr", "add", f"fd99::{tail}/64", "dev", "eth1", "nodad")
    lab.server.sysctl("net.ipv4.ip_forward", 1)
    lab.server.sysctl("net.ipv6.conf.all.forwarding", 1)
    serve(lab.backend, INNER)


@pytest.fixture(scope="module")
def shared():
    with House("backend", services=(DB, SSH, DOOR), setup=lead) as made:
        made.carol, made.dave = User(made.client, "carol"), User(made.client, "dave")
        for user, services in ((made.carol, ("door",)), (made.dave, ("db", "door", "ssh"))):
            name = user.home.name.split("-")[-1]
            user.import_profile(made.postern.add_client(name, services=services, server="server.lab"))
        clients = made.postern.etc / "clients"
        text = clients.read_text()
        clients.write_text(re.sub(r"(?m)^(alice .*)$", r"\1,service=db,service=door,cut,address=named", text))
        made.postern.reload_and_wait()
        yield made


@pytest.fixture
def house(shared):
    """Without a door, however the test before it left it."""
    for user in shared.alice, shared.carol, shared.dave:
        user.postern("close", user.home.name.split("-")[-1], "--all")
    assert shared.postern.sessions() == []
    yield shared


def open_doors(house, *words, service="db"):
    """{server's address: port} of the doors that alice was told."""
    status, said = house.alice.json("open", "alice", service, *words)
    assert status == GRANTED, said
    return {a["server"]: d["port"] for a in said["answers"] for d in a["doors"]}


def open_at(host, server, port):
    return connect.tcp(host, server, port, 0.2)


def test_each_family_and_each_opening_has_a_port_of_its_own(house):
    ports = open_doors(house)
    assert set(ports) == {S4, S6} and set(ports.values()) <= set(RANGE)
    for server, port in ports.items():
        with connect.held(house.client, server, port) as s:
            assert s.recv(10) == b"hello"  # the inner host's
        assert open_at(house.attacker, server, port) == "silent"
        assert open_at(house.client, server, port + 1 if port + 1 in RANGE else port - 1) == "silent"
    assert {(s["service"], s["port"]) for s in house.postern.sessions()} == {("db", p) for p in ports.values()}
    shown = house.postern.ctl_json("firewall", "show")["doors"]
    assert {row["port"] for row in shown} == set(ports.values())
    assert json.loads(house.postern.ctl("--json", "firewall", "check", check=False).stdout)["armed"]
    assert open_doors(house) == ports  # the same door for longer
    listed = house.alice.json("list", "alice")[1]
    assert str(ports[S4]) in str(listed) and str(ports[S6]) in str(listed)

    seen = set(ports.values())
    for _ in range(3):
        house.alice.postern("close", "alice", "db")
        assert not any(open_at(house.client, server, port) == "open" for server, port in ports.items())
        ports = open_doors(house)
        seen |= set(ports.values())
    assert len(seen) > 2  # eight drawings from a thousand


def test_ssh_goes_through_a_port_that_it_is_not_told(house):
    """A real sshd of the server, at port 22, which no client of this service may open."""
    stanza = house.carol.run("postern", "ssh-config", "carol", check=True).stdout
    assert "postern connect %h door\n" in stanza
    key = house.carol.give(house.sshd.folder / "user_key")
    common = f"IdentityFile {key}\nUserKnownHostsFile {house.sshd.folder}/known_hosts\nBatchMode yes\nUser root\n"
    config = house.carol.home / "config"
    config.write_text(stanza + "\nHost *\n" + common)
    done = house.carol.run("ssh", "-F", house.carol.give(config), "server.lab", "echo in")
    assert done.stdout == "in\n", done.stderr
    (session, *_) = house.postern.sessions()
    assert session["service"] == "door" and session["port"] in range(21000, 21256)
    assert house.all_closed()  # port 22 itself
    house.carol.postern("close", "carol", "--all")

    done = house.carol.postern("connect", "server.lab", "door", "--exact", "--single-use")
    assert done.stdout.startswith("SSH-2.0"), done.stderr
    done = house.carol.postern("connect", "server.lab", "ssh")
    assert done.returncode == DENIED and done.stdout == ""
    shown = house.carol.postern("list", "carol").stdout
    assert "door (tcp 21" in shown or "no door" in shown
    assert "door (tcp random)" in house.carol.postern("profiles").stdout


def test_what_a_door_is_called(house):
    """By its port, which the profile has not: so by its place in the answer, where it was asked for."""
    told = []
    for verb in ("open", "dave", "door", "ssh", "db"), ("list", "dave"):
        status, said = house.dave.json(*verb, "-4")
        assert status == GRANTED, said
        told.append({d["port"]: d["service"] for d in said["answers"][0]["doors"]})
    assert list(told[0].values()) == ["door", "ssh", "db"]
    assert told[1] == {port: "ssh" if port == 22 else None for port in told[0]}  # it may be either
    to = "connect", "server.lab", "door", "--profile", "dave", "-4"
    assert house.dave.postern(*to).stdout.startswith("SSH-2.0")
    unheard = house.dave.postern(*to, "--confirm", "none", "--retries", "0")
    assert unheard.stdout == "" and "an answer tells it" in unheard.stderr


def test_keep_tells_another_port(house):
    """A new address is a new session; the same one for longer is no news."""
    kept = house.carol.start("keep", "carol", "-4", "--hold", "4")
    kept.wait_line(f"is open for {C4}")
    until(lambda: len(house.postern.log_lines("granted client=carol.* again=yes")) > 0, 10, "the next knock")
    assert kept.output().count("open for") == 1
    try:
        for verb, address in ("del", C4), ("add", "10.88.0.9"):
            house.client.ip("addr", verb, f"{address}/24", "dev", "eth0")
        kept.wait_line("is open for 10.88.0.9")
    finally:
        for verb, address in ("del", "10.88.0.9"), ("add", C4):
            house.client.ip("addr", verb, f"{address}/24", "dev", "eth0")
        kept.stop()


def test_forms_of_a_door(house):
    (port,) = open_doors(house, "-4", "--single-use").values()  # free again when it was used
    assert [open_at(house.client, S4, port) for _ in range(2)] == ["open", "silent"]
    (other,) = open_doors(house, "-4", "--source-port", SOURCE).values()
    assert open_at(house.client, S4, other) == "silent"
    with house.client.socket() as s:
        s.bind((C4, SOURCE))
        s.settimeout(2)
        s.connect((S4, other))
        assert s.recv(10) == b"hello"
    (third,) = open_doors(house, "-4", "--address", v4("attacker")).values()
    assert third != other
    assert [open_at(h, S4, third) for h in (house.attacker, house.client)] == ["open", "silent"]


def test_a_close_that_kills_ends_what_came_in_by_that_port(house):
    (port,) = open_doors(house, "-4").values()
    (door,) = open_doors(house, "-4", service="door").values()
    with connect.held(house.client, S4, port) as inner, connect.held(house.client, S4, door) as own:
        assert inner.recv(10) == b"hello" and own.recv(7) == b"SSH-2.0"
        assert house.alice.postern("close", "alice", "door", "--kill").returncode == GRANTED
        with pytest.raises(ConnectionError):
            own.recv(1000), own.recv(1000), own.recv(1000)
        house.alice.postern("close", "alice", "db", "--kill")
        until(lambda: house.postern.log_lines("connections_cut service=db .*connections=1"), 10, "the cut")
    assert open_at(house.client, S4, port) == "silent"


def test_the_port_outlives_the_daemon(house):
    """And the door ends in the kernel's time, though nobody of ours is there."""
    (port,) = open_doors(house, "-4", "--hold", "30").values()
    (short,) = open_doors(house, "-4", "--hold", "2", service="door").values()
    house.postern.kill_all()
    assert open_at(house.client, S4, port) == "open"
    connect.closes(house.client, S4, short)
    house.postern.start()
    assert [s["port"] for s in house.postern.sessions()] == [port]
    assert open_doors(house, "-4") == {S4: port}
    house.server.run("nft", "flush", "ruleset")
    until(lambda: house.postern.log_lines("guard_restored"), 5, "the guard")
    assert open_at(house.client, S4, port) == "silent"  # not "closed"
    (port,) = open_doors(house, "-4").values()  # of a session of its own: the idle one ended with its door
    assert open_at(house.client, S4, port) == "open"


def test_other_ports_by_a_reload(house):
    (port,) = open_doors(house, "-4").values()
    text = house.postern.config_text()
    house.postern.write_config(text.replace("port = random\n", 'port = "random 23000-23255"\n'))
    house.postern.reload_and_wait()
    until(lambda: not house.postern.sessions(), 10, "the end of the session")
    assert open_at(house.client, S4, port) == "closed"  # it is nobody's any more
    (port,) = open_doors(house, "-4").values()
    assert port in range(23000, 23256) and open_at(house.client, S4, port) == "open"
    house.postern.write_config(text)
    house.postern.reload_and_wait()
