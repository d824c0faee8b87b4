"""posternctl capture compare: the methods beside each other, and nothing left behind."""

import json
import signal
import xml.etree.ElementTree as ET

import pytest
from lab import until
from lab.postern import Postern
from lab.process import alive, children
from lab.programs import PLACES
from lab.user import GRANTED

KEYS = {"method", "offered", "seen", "lost", "cpu_user_us", "cpu_kernel_us", "latency_us", "memory_kib"}
BESIDE = ["pcap", "afpacket", "nflog"]
RATE = 2000


def compare(house, *args, check=True):
    program = house.postern.bin / PLACES["posternctl"]
    done = house.server.run(program, "-c", house.postern.config, "--json", "capture", "compare", *args, check=check)
    return json.loads(done.stdout) if check else done


def check_row(row, more=()):
    assert set(row) == KEYS | set(more) and set(row["latency_us"]) == {"p50", "p99"}
    assert 0 < row["latency_us"]["p50"] <= row["latency_us"]["p99"] < 1e6
    assert 0 < row["cpu_user_us"] + row["cpu_kernel_us"] < 1000
    assert 500 < row["memory_kib"] < 100_000


def has_table(host):
    return "postern_compare" in host.run("nft", "list", "tables").stdout


@pytest.mark.house(sshd=False, alice=False, start=False)
def test_the_self_test_needs_nothing_and_leaves_nothing(house):
    plot = house.server.folder / "plot.svg"
    before = house.server.run("ip", "-br", "link").stdout
    rates = ["--rate", "1000", "--rate", "20000"]
    rows = compare(house, "--self-test", *rates, "--plot", plot, "pcap", "afpacket", "nflog")
    assert [(r["method"], r["rate"]) for r in rows] == [(m, r) for m in BESIDE for r in (1000, 20000)]
    for row in rows:
        check_row(row, ["rate"])
        assert row["offered"] > row["rate"] * 0.1  # as many as a busy machine can
        assert row["seen"] + row["lost"] == row["offered"]
        assert row["lost"] < row["offered"] * 0.5
    text = " ".join("".join(e.itertext()) for e in ET.parse(plot).getroot().iter("{http://www.w3.org/2000/svg}text"))
    for word in (*BESIDE, "Loss", "CPU", "packets offered a second", "%", "µs", "10k"):
        assert word in text
    assert house.server.run("ip", "-br", "link").stdout == before
    assert not has_table(house.server)


@pytest.mark.house(sshd=False)
def test_side_by_side_on_live_traffic_beside_the_daemon(house):
    """All see the same packets; the daemon goes on granting."""
    flood = house.blast("random", Postern.PORT, RATE * 30, 400, RATE)
    until(lambda: house.postern.counter(".gate") > RATE / 2, 10, "the flood")
    rows = compare(house, "--seconds", "2", *BESIDE)
    flood.kill()
    assert [r["method"] for r in rows] == BESIDE
    for row in rows:
        check_row(row)
        assert row["offered"] == rows[0]["offered"] > RATE
        assert abs(row["seen"] - row["offered"]) < row["offered"] * 0.2  # they begin and end one after the other
    assert house.alice.postern("open", "alice", "ssh").returncode == GRANTED
    assert not has_table(house.server)


@pytest.mark.house(sshd=False, alice=False)
def test_what_would_take_packets_from_others_is_kept_apart(house):
    """xdp and udp: left out as long as a daemon would miss knocks, else alone."""
    flood = house.blast("random", Postern.PORT, RATE * 60, 400, RATE)
    until(lambda: house.postern.counter(".gate") > RATE / 2, 10, "the flood")
    done = compare(house, "--seconds", "1", "udp", "xdp", check=False)
    assert done.returncode == 1 and "xdp cannot be compared here: posternd runs, and would miss" in done.stderr
    assert [row["method"] for row in json.loads(done.stdout)] == ["udp"]
    house.postern.stop()
    rows = compare(house, "--seconds", "1", "udp", "xdp", "nfqueue")
    flood.kill()
    assert {r["method"] for r in rows} == {"udp", "xdp", "nfqueue"}
    for row in rows:
        assert row["lost"] == 0 and RATE / 4 < row["seen"] < RATE * 4, row
    assert "xdp" not in house.server.ip("link", "show", "dev", "eth0")
    assert "NFQUEUE" not in house.server.run("iptables-nft", "-t", "raw", "-S").stdout


@pytest.mark.house(sshd=False, alice=False, interface=["any"])
def test_what_the_daemon_was_switched_to_is_left_alone(house):
    """Its rules are of the kind that the comparison needs, and posternd.conf does not tell."""
    house.postern.ctl("capture", "switch", "nfqueue")
    done = compare(house, "--seconds", "1", "nfqueue", check=False)
    assert done.returncode == 1 and "nfqueue cannot be compared here: posternd runs, and would miss" in done.stderr
    assert house.knocker().ping().verdict == "ok"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.house(sshd=False, alice=False, start=False)
def test_nothing_is_left_when_it_is_ended(house, number):
    program = house.postern.bin / PLACES["posternctl"]
    run = house.server.start(program, "-c", house.postern.config, "capture", "compare", "pcap", "nflog", "--progress")
    until(lambda: has_table(house.server) and len(children(run.pid)) == 2, 5, "the comparison")
    readers = children(run.pid)
    run.signal(number)
    status = run.popen.wait(5)
    until(lambda: not has_table(house.server), 10, "the end of the rules")
    until(lambda: not any(map(alive, readers)), 10, "the end of the readers")
    if number != signal.SIGKILL:
        assert status == 1 and "interrupted before the comparison was complete" in run.output()


@pytest.mark.house(sshd=False, alice=False, start=False)
def test_what_cannot_be_is_said_in_a_sentence(house):
    program = house.postern.bin / PLACES["posternctl"]

    def said(status, *args, wrap=()):
        done = house.server.run(*wrap, program, "-c", house.postern.config, "capture", "compare", *args, check=False)
        assert done.returncode == status
        (line,) = done.stderr.strip().splitlines()
        return line

    assert "there is no capture method 'bpf'; there are pcap, " in said(2, "bpf")
    assert "there is no interface eth7; 'ip link' lists them" in said(1, "--interface", "eth7", "pcap")
    nobody = ("setpriv", "--reuid=65534", "--clear-groups")
    assert "takes root's rights" in said(1, "--self-test", "pcap", wrap=nobody)
    house.server.ip("link", "set", "eth0", "down")
    assert "pcap cannot be compared here: the interface is down" in said(1, "pcap")
    assert "--seconds 0: a number from 1 to 3600" in said(2, "--seconds", "0")
