"""Who does not belong sees nothing, whatever he tries."""

import re

import pytest
from lab import Lab, connect, nft, record, scan
from lab.network import v4, v6
from lab.postern import Postern
from lab.ssh import Sshd

GUARDED = (("ssh", "tcp", 22, 60, 3600), ("dns", "udp", 5353, 60, 3600))
TCP_PORTS = "1-60,22,80,443,14100-14140"
UDP_PORTS = f"1-30,5340-5360,14100-14140,{Postern.PORT}"
DROPS = pytest.mark.house(services=GUARDED, silence="drop", setup=lambda h: nft.load(h.server, nft.DROP_HOST))
ANSWERS = pytest.mark.house(services=GUARDED, silence="closed")
BOTH = [pytest.param("drop", marks=DROPS), pytest.param("closed", marks=ANSWERS)]


def view(lab, address):
    """All that nmap makes of a host, in one comparable value."""
    return scan.syn(lab.client, address, TCP_PORTS), scan.udp(lab.client, address, UDP_PORTS)


def plain_host(lab, dark):
    """A host that has neither postern nor anything to guard."""
    lab.be_chatty()
    if dark:
        nft.load(lab.server, nft.DARK_HOST)


@pytest.mark.parametrize("address", [v4("server"), v6("server")])
@pytest.mark.parametrize("dark", [pytest.param(True, marks=DROPS), pytest.param(False, marks=ANSWERS)])
def test_nmap_cannot_tell_the_host_from_one_without_postern(house, lab, dark, address):
    plain_host(lab, dark)
    connect.UdpEcho(house.server, 5353)
    expected = view(lab, address)
    assert view(house, address) == expected
    # Nor after a knock, for whoever did not knock.
    assert house.alice.postern("open", "alice").returncode == 0
    house.client, house.attacker = house.attacker, house.client
    assert view(house, address) == expected


def other_views(lab, address):
    """What the scans find that send no SYN: ACK, FIN, nothing, everything."""
    return {kind: scan.nmap(lab.client, address, kind, "-p", "20-24,53") for kind in ("-sA", "-sF", "-sN", "-sX")}


@pytest.mark.parametrize("address", [v4("server"), v6("server")])
@pytest.mark.parametrize("dark", [pytest.param(True, marks=DROPS), pytest.param(False, marks=ANSWERS)])
def test_nor_by_other_scans(house, lab, dark, address):
    plain_host(lab, dark)
    assert other_views(house, address) == other_views(lab, address)


def test_a_plain_host_with_sshd_is_told_apart_by_nmap(lab):
    """The comparison above can fail."""
    plain_host(lab, False)
    before = view(lab, v4("server"))
    Sshd(lab.server)
    assert view(lab, v4("server")) != before


def normal(frame, port):
    """A reset without what differs between any two: ports, sequence numbers, checksums."""
    head = 14 + (20 if frame[12:14] == b"\x08\x00" else 40)
    ip, tcp = bytearray(frame[14:head]), bytearray(frame[head:])
    if ip[0] >> 4 == 4:
        ip[10:12] = b"\0\0"
    else:
        ip[1:4] = bytes(3)  # the kernel's own resets bear a flow label, those of nftables none
    assert int.from_bytes(tcp[0:2], "big") == port
    tcp[0:4] = tcp[8:12] = bytes(4)
    tcp[16:18] = b"\0\0"
    return bytes(ip), bytes(tcp)


@ANSWERS
@pytest.mark.parametrize("address", [v4("server"), v6("server")])
def test_our_reset_is_the_kernels_reset(house, address):
    seen = record.Recording(house.client, "tcp", direction="in")
    for port in (22, 23):
        assert connect.tcp(house.client, address, port) == "closed"
    guarded, closed = (frame for _, frame in seen.wait(2)[:2])
    assert normal(guarded, 22) == normal(closed, 23)


def sockets(house, *options):
    """The lines of ss that belong to our processes."""
    pids = set(house.postern.pids().values())
    lines = house.server.run("ss", "-H", *options).stdout.splitlines()
    return [line for line in lines if {int(p) for p in re.findall(r"pid=(\d+)", line)} & pids]


@pytest.mark.house(services=GUARDED)
def test_no_listening_socket_of_ours(house):
    assert house.alice.postern("open", "alice").returncode == 0
    assert len(house.postern.pids()) >= 3
    assert sockets(house, "-lntup") == []
    # A raw socket to answer from is there; its protocol is 255, which no packet has, and no byte waits in it.
    raw = sockets(house, "-lnwp") + sockets(house, "-lnwp6")
    assert raw
    for line in raw:
        _, received, _, local, *_ = line.split()
        assert received == "0" and local.endswith(":255"), line


@pytest.mark.parametrize("six", [False, True], ids=["v4", "v6"])
@pytest.mark.house(silence="drop", setup=lambda h: nft.load(h.server, nft.DROP_HOST))
def test_a_confirmed_knock_leaves_no_trace_in_conntrack(house, six):
    bob = house.knocker(six=six)
    assert bob.open().verdict == "ok"
    for _ in range(2):
        family = ["-f", "ipv6"] if six else []
        flows = house.server.run("conntrack", "-L", "-p", "udp", *family).stdout
        assert str(Postern.PORT) not in flows
        # What comes next from the same socket is answered by nobody: no reply, no ICMP error.
        seen = record.Recording(house.client, "icmp or icmp6 and ip6[40] == 1", direction="in")
        assert bob.silent(b"junk" * 100)
        assert not seen.stop()


@ANSWERS
@pytest.mark.parametrize("six", [False, True], ids=["v4", "v6"])
def test_the_knock_port_of_a_host_that_answers_is_closed_like_any_other(house, six):
    address = house.addresses()[six]
    for _ in range(2):
        assert connect.udp_answer(house.client, address, Postern.PORT, b"x" * 400) == "refused"
        assert connect.udp_answer(house.client, address, Postern.PORT + 1, b"x" * 400) == "refused"
        assert house.alice.postern("open", "alice").returncode == 0  # though the kernel says refused


@pytest.mark.parametrize("silence", BOTH)
def test_a_guarded_udp_port_is_silent_until_opened(house, silence):
    echo = connect.UdpEcho(house.server, 5353)
    carol = house.knocker(house.postern.enrol("carol", "service=dns"))
    house.postern.reload_and_wait()
    closed = None if silence == "drop" else "refused"
    assert [connect.udp_answer(house.client, a, 5353) for a in house.addresses()] == [closed, closed]
    assert echo.heard() == 0
    assert carol.open(("dns",)).verdict == "ok"
    assert connect.udp_answer(house.client, v4("server"), 5353, timeout=5) == b"echo:?"
    assert connect.udp_answer(house.client, v6("server"), 5353) == closed


def test_a_lab_without_a_house_can_be_scanned_twice_alike():
    """Else the comparisons would prove nothing."""
    with Lab() as lab:
        plain_host(lab, True)
        assert view(lab, v4("server")) == view(lab, v4("server"))
