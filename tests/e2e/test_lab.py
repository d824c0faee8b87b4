"""The laboratory itself: what the other tests take for granted."""

import socket

import pytest
from lab import connect, nft, record, scan, until
from lab.network import v4, v6
from lab.ssh import Sshd

BOTH = pytest.mark.parametrize("address", [v4("server"), v6("server")])


@BOTH
def test_login(lab, address):
    sshd = Sshd(lab.server)
    assert sshd.login(lab.client, address)
    nft.load(lab.server, nft.DARK_HOST)
    assert not sshd.login(lab.client, address)


@BOTH
def test_nmap_tells_open_closed_and_filtered(lab, address):
    Sshd(lab.server)
    seen = scan.syn(lab.client, address, "20-24")
    assert seen["tcp", 22][0] == "open" and seen["tcp", 23] == ("closed", "reset", "64")
    assert scan.udp(lab.client, address, "14123")["udp", 14123][:2] == ("closed", "port-unreach")
    nft.load(lab.server, nft.DROP_HOST)
    seen = scan.syn(lab.client, address, "20-24")
    assert seen["tcp", 22][0] == "open" and seen["tcp", 23][0] == "filtered"
    assert scan.udp(lab.client, address, "14123")["udp", 14123][0] == "open|filtered"


@BOTH
def test_udp_echo(lab, address):
    echo = connect.UdpEcho(lab.server, 5000)
    assert connect.udp_answer(lab.client, address, 5000, b"x", timeout=5) == b"echo:x"
    assert connect.udp_answer(lab.client, address, 5001, b"x") == "refused"
    assert echo.heard() == 1


def test_loss_is_about_what_was_asked_for(lab):
    connect.UdpEcho(lab.server, 5000)
    assert connect.udp_answer(lab.client, v4("server"), 5000, timeout=5)  # the neighbour is known now
    seen = record.Recording(lab.server, "udp dst port 5000", direction="in")
    lab.loss(20)
    with lab.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for _ in range(2000):
            s.sendto(b"?", (v4("server"), 5000))
        lab.loss(0)
        s.sendto(b"last", (v4("server"), 5000))
    until(lambda: any(record.udp_payload(f)[4] == b"last" for _, f in seen.frames()), 5, "the end")
    # 2000 tries at 0.2: mean 1600, standard deviation 18; six of those are left out once in 10^9.
    assert 1493 <= len(seen.stop()) - 1 <= 1707


def test_foreign_tables_are_told_apart(lab):
    nft.load(lab.server, nft.UFW_LIKE + nft.FIREWALLD_LIKE)
    before = nft.listing(lab.server)
    assert nft.others(lab.server) == before
    nft.load(lab.server, "table inet postern {\n}")
    assert nft.others(lab.server) == before != nft.listing(lab.server)
