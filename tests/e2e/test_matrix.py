"""Every envelope under every cover by every carrier with every way to confirm: it opens a real sshd's door, or is
refused by the client, which says why."""

import pytest
from lab import connect, nft, web
from lab.combinations import ALL, FITS, OUT, options, why_not
from lab.hybrid_house import HybridHouse
from lab.network import v4, v6
from lab.user import GRANTED, USAGE

WEB_HOST = nft.DROP_HOST.replace("tcp dport 22 accept", "tcp dport { 22, 80 } accept")


@pytest.fixture(scope="module")
def house():
    """All carriers at once; alice has proven herself, which `none` and http give no chance to do."""
    with HybridHouse(
        setup=lambda h: nft.load(h.server, WEB_HOST), client={"envelope": "any", "address": "named"}, photos=4,
        silence="drop", tcp_port=14124, icmp="yes", http_port=80,
    ) as made:  # fmt: skip
        made.client.sysctl("net.ipv4.ping_group_range", "0 2147483647")
        web.Nginx(made.server, v4("server"))
        assert made.alice.postern("ping", "alice", "--preset", "quick").returncode == GRANTED
        yield made


def test_none_is_left_out():
    assert len(ALL) == 84 and (len(FITS), len(OUT)) == (58, 26)


@pytest.mark.parametrize("combination", FITS, ids="-".join)
def test_it_opens_the_door(house, combination):
    envelope, _, carrier, confirm = combination
    six = ALL.index(combination) % 2 == 1
    address, own = house.addresses()[six], (v6 if six else v4)("client")
    named = ("-a", own) if carrier == "http" else ()
    assert not connect.is_open(house.client, address, timeout=0.1)
    sent = house.postern.stats()["auth.sent"]
    code, said = house.alice.json("open", "alice", "ssh", "-6" if six else "-4", *named, *options(*combination))
    assert code == GRANTED, said
    (answer,) = said["answers"]
    assert answer["carrier"] == carrier.partition("/")[0]
    assert answer["tested"] == (confirm == "none" or carrier == "http")
    assert answer["challenged"] == (confirm == "challenge")
    sent = house.postern.stats()["auth.sent"] - sent
    assert sent == 0 if answer["tested"] else sent >= 1 + answer["challenged"]
    with connect.held(house.client, address) as session:
        assert session.recv(8) == b"SSH-2.0-"
    granted = house.postern.log_lines("granted client=alice")[-1]
    assert f"address={own}" in granted
    assert house.alice.postern("close", "alice", "--preset", "quick", "--quiet").returncode == GRANTED


@pytest.mark.parametrize("combination", OUT, ids="-".join)
def test_it_says_why_not(house, combination):
    before = house.postern.heard()
    done = house.alice.postern("open", "alice", "ssh", "-4", "-a", v4("client"), *options(*combination))
    assert done.returncode == USAGE and why_not(*combination) in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == 1 and ": take " in done.stderr
    assert house.postern.heard() == before
