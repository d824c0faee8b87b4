"""Traps, on the real kernel: connections without a door are completed, told, counted, and then reset or held."""

import json
import random
import re
import time

import pytest
from lab import connect, scan, until
from lab.network import v4, v6
from lab.user import NO_ANSWER
from test_ban import OPEN_PORT, bans, by_each_firewall, serve
from wire import frames
from wire.frames import ACK, FIN, RST, SYN

TARPIT, REPORT, PLAIN = 22, 23, 24
AFTER = 4


def trapped(name, port, trap):
    return {"name": name, "proto": "tcp", "port": port, "hold": 60, "max_hold": 3600, "trap": trap}


SERVICES = (trapped("ssh", TARPIT, "tarpit"), trapped("telnet", REPORT, "report"), trapped("plain", PLAIN, "none"))
TRAPS = by_each_firewall(services=SERVICES, ban_after=AFTER, ban_for=600, suspend_after=0)
MANY = "24,7000-7003"
RANGES = trapped("ssh", TARPIT, "tarpit"), trapped("telnet", REPORT, "report"), trapped("many", '{24, "7000-7003"}', "report")


def records(house):
    rows = house.postern.ctl_json("log")["log"]
    return [(r["from"], r["what"]) for r in rows if r["event"] == "trapped"]


def segment(source, port, target, flags, server=None):
    """A whole TCP segment to a port of the server, from anybody."""
    server = server or (v6("server") if ":" in source else v4("server"))
    seq, ack = random.getrandbits(32), random.getrandbits(32)
    return frames.packet(source, server, frames.TCP, frames.tcp(source, port, server, target, flags, seq, ack, 64240))


def forge(house, packets):
    mac = (house.server.mac("eth0"), house.attacker.mac("eth0"))
    house.attacker.inject("eth0", [frames.ethernet(*mac, p) for p in packets])


def is_reset(house, address):
    """Completed, and over at once: the reset may come before connect() has returned."""
    try:
        with connect.held(house.client, address, REPORT) as s:
            return s.recv(1) is None
    except ConnectionResetError:
        return True


@TRAPS
def test_connections_are_held_or_reset_and_ban(house, firewall):
    listener = serve(house)
    for address in (v4("server"), v6("server")):
        assert is_reset(house, address)
        assert connect.tcp(house.client, address, PLAIN) == "silent"
    assert records(house) == [(v4("client"), "telnet"), (v6("client"), "telnet")]
    # What is sent into the tar waits for room that never comes, and the kernel asks for it on and on.
    held = [connect.held(house.attacker, a, TARPIT) for a in (v4("server"), v6("server"))]
    for s in held:
        s.sendall(b"SSH-2.0-lab\r\n")
    answers = house.postern.stats()["auth.trap.answer"]
    until(lambda: house.postern.stats()["auth.trap.answer"] >= answers + 6, 10, "probes that are answered")
    waiting = house.attacker.run("ss", "-tnio", "state", "established").stdout
    assert len(re.findall(r"timer:\(persist", waiting)) == 2, waiting
    for s in held:
        s.settimeout(0.2)
        with pytest.raises(TimeoutError):
            s.recv(1)
        s.close()
    # Each completed connection is a strike against the one who made it; the journal has an address once.
    assert house.postern.stats()["auth.trapped"] == 4
    assert house.postern.stats()["auth.ban-strike"] == 4
    for _ in range(AFTER - 1):
        assert connect.tcp(house.client, v4("server"), OPEN_PORT) == "open"
        assert is_reset(house, v4("server"))
    until(lambda: bans(house).keys() == {v4("client")}, 10, "the ban")
    assert connect.tcp(house.client, v4("server"), OPEN_PORT) == "silent"
    assert connect.tcp(house.client, v4("server"), REPORT) == "silent"
    assert connect.tcp(house.attacker, v4("server"), OPEN_PORT) == "open"
    assert connect.tcp(house.client, v6("server"), OPEN_PORT) == "open"
    assert len(records(house)) == 4
    check = house.postern.ctl("--json", "firewall", "check", check=False).stdout
    assert json.loads(check)["as_configured"] is (True if firewall == "nftables" else None)  # which nft alone can say
    # Whoever has the keys is heard all the same, and a door is a door: sshd is behind it, no trap.
    assert house.alice.postern("open", "alice", "-4").returncode == 0
    with connect.held(house.client, v4("server"), TARPIT) as s:
        assert s.recv(4) == b"SSH-"
    assert bans(house) == {}
    listener.close()
    # A reload takes traps away, and sets others.
    for trap, seen in (("none", "silent"), ("tarpit", "open")):
        house.postern.services = [trapped("ssh", TARPIT, "none"), trapped("telnet", REPORT, trap)]
        house.postern.write_config()
        house.postern.reload_and_wait()
        assert connect.tcp(house.attacker, v4("server"), REPORT) == seen
        assert "trap" in house.postern.source_rows() or seen == "silent"


@TRAPS
def test_what_is_forged_bans_nobody_and_holds_nobody_up(house, firewall):
    knocker = house.knocker()
    assert knocker.ping().verdict == "ok"
    victims = v4("client"), v6("client")
    ports = TARPIT, REPORT
    # One that goes to many would draw an answer from each of them.
    many = ("10.88.0.255", "255.255.255.255", "224.0.0.1", "ff02::1")
    forge(house, [segment(victims[":" in to], 40000, TARPIT, SYN, server=to) for to in many])
    forge(house, [segment("10.88.0.99", 40000, TARPIT, SYN)])  # of nobody, who resets nothing
    until(lambda: house.postern.stats()["auth.trap.seen"] > 0, 5, "the one that is meant")
    assert house.postern.stats()["auth.trap.seen"] == 1
    packets = [
        segment(victim, 40000 + i, target, flags)
        for i in range(100)
        for victim in victims
        for target in ports
        for flags in (SYN, ACK, ACK | RST, ACK | FIN, SYN | ACK)
    ]
    forge(house, packets)
    until(lambda: house.postern.stats()["auth.trap.forged"] > 0, 5, "the forged ones")
    # Many more than the kernel hands on; knocks go on between them.
    flood = [segment(v4("client"), 1024 + i % 60000, TARPIT, SYN) for i in range(30000)]
    begin = time.monotonic()
    for at in range(0, len(flood), 3000):
        forge(house, flood[at : at + 3000])
        assert knocker.ping().verdict == "ok"
    took = time.monotonic() - begin
    stats = house.postern.stats()
    assert stats["auth.trap.seen"] < 700 + 500 * (took + 1) < len(flood)
    assert stats["auth.trap.seen"] >= stats["auth.trap.answer"] > 0
    assert stats["auth.trapped"] == stats["auth.ban-strike"] == 0
    assert records(house) == [] and bans(house) == {}


def states(house, ports, *more):
    found = scan.nmap(house.attacker, v4("server"), "-sT", "-p", ports, *more)
    return {port: state for (_, port), (state, _, _) in found.items()}


@by_each_firewall(services=RANGES, sshd=False, alice=False, silence="closed", ban_after=AFTER, ban_for=600)
def test_nmap_sees_them_open_and_is_banned(house, firewall):
    listener = serve(house)
    assert states(house, f"{TARPIT},{REPORT}") == {TARPIT: "open", REPORT: "open"}
    assert connect.tcp(house.attacker, v4("server"), OPEN_PORT) == "open" and bans(house) == {}
    assert "open" in states(house, MANY).values()
    until(lambda: bans(house).keys() == {v4("attacker")}, 10, "the ban")
    assert set(states(house, f"{TARPIT},{MANY},{OPEN_PORT}", "--max-retries", 0).values()) == {"filtered"}
    assert connect.tcp(house.client, v4("server"), OPEN_PORT) == "open"
    listener.close()


BARE = trapped("ssh", TARPIT, "tarpit"), trapped("telnet", REPORT, "report"), trapped("tar", PLAIN, "tarpit")
BLIND = ("-4", "--confirm", "none", "--retries", "0")


@pytest.mark.house(services=BARE, ban_after=AFTER, ban_for=600, suspend_after=0)
def test_a_client_without_an_answer_is_not_taken_in(house):
    """It tries no door that has a trap; where its profile does not say so, it believes none and tries but once."""

    def told(service):
        status, told = house.alice.json("open", "alice", service, *BLIND)
        assert (status, told["answers"][0]["unconfirmed"]) == (NO_ANSWER, True), told
        return told["error"], house.postern.stats()["auth.trapped"]

    def write(more="", known=" trap"):
        path.write_text(text.replace(" trap\n", known + "\n") + more)
        house.alice.give(path)

    path = next(house.alice.home.rglob("profiles/alice*"))
    text = path.read_text()
    assert "service = ssh tcp 22 trap\n" in text
    assert house.alice.postern("ping", "alice", "-4").returncode == 0
    error, count = told("ssh")
    assert "the door is not tried" in error and count == 0 and len(house.postern.sessions()) == 1
    write(known="")
    assert house.alice.json("open", "alice", "ssh", *BLIND)[1]["answers"][0]["tested"]
    assert house.postern.stats()["auth.trapped"] == 0
    through = house.alice.start("connect", "server.lab", "ssh", "--profile", "alice", *BLIND)
    through.wait_line("SSH-")
    through.stop()
    # Of these two services alice has none, and so no door.
    write(f"service = telnet tcp {REPORT}\nservice = tar tcp {PLAIN}\n")
    for service, count in ("telnet", 1), ("tar", 2):
        error, counted = told(service)
        assert "like a trap" in error and counted == count
    kept = house.alice.start("keep", "alice", "telnet", "--hold", "1", *BLIND)
    denied = len(house.postern.log_lines("verb=open"))
    until(lambda: len(house.postern.log_lines("verb=open")) >= denied + 2, 20, "two knocks to keep it")
    assert house.postern.stats()["auth.trapped"] == 3
    kept.signal(2)
    kept.popen.wait(10)
    write(f"service = telnet tcp {REPORT} trap\nservice = tar tcp {PLAIN} trap\n")
    assert told("telnet")[1] == told("tar")[1] == 3
    assert bans(house) == {}
    # Whoever asks for a connection gets to know that it is none.
    done = house.alice.postern("connect", "server.lab", "tar", "--profile", "alice", *BLIND)
    assert done.returncode == NO_ANSWER and "no room for a byte" in done.stderr
    until(lambda: bans(house).keys() == {v4("client")}, 10, "the ban, for the fourth")
