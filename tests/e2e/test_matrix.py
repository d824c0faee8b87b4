"""Every envelope under every cover by every carrier with every way to confirm: it opens a real sshd's door, or is
refused by the client, which says why."""

import itertools

import pytest
from lab import connect, nft, web
from lab.hybrid_house import HybridHouse
from lab.network import v4, v6
from lab.user import GRANTED, USAGE

ENVELOPES = ("noise", "openpgp")
COVERS = ("none", "png")
CARRIERS = ("udp", "tcp", "icmp", "http", "sequence/udp", "sequence/tcp", "sequence/clean")
CONFIRMS = ("reply", "challenge", "none")

PICTURE = "a picture has no room but in a sequence"  # the others bring 1,200 bytes at most, all of them at once
WEB = "over http only the web server answers, so nothing brings a challenge"

# The first that is true of a combination is the reason why it does not fit; all others fit.
MISFITS = (
    (lambda envelope, cover, carrier, confirm: cover == "png" and not carrier.startswith("sequence"), PICTURE),
    (lambda envelope, cover, carrier, confirm: carrier == "http" and confirm == "challenge", WEB),
)
COMBINATIONS = list(itertools.product(ENVELOPES, COVERS, CARRIERS, CONFIRMS))


def why_not(*combination):
    return next((why for applies, why in MISFITS if applies(*combination)), None)


FITS = [c for c in COMBINATIONS if not why_not(*c)]
OUT = [c for c in COMBINATIONS if why_not(*c)]

WEB_HOST = nft.DROP_HOST.replace("tcp dport 22 accept", "tcp dport { 22, 80 } accept")


@pytest.fixture(scope="module")
def house():
    """All carriers at once; alice has proven herself, which `none` and http give no chance to do."""
    with HybridHouse(
        setup=lambda h: nft.load(h.server, WEB_HOST), client={"envelope": "any", "address": "named"}, photos=4,
        silence="drop", tcp_port=40124, icmp="yes", http_port=80,
    ) as made:  # fmt: skip
        made.client.sysctl("net.ipv4.ping_group_range", "0 2147483647")
        web.Nginx(made.server, v4("server"))
        assert made.alice.postern("ping", "alice", "--preset", "quick").returncode == GRANTED
        yield made


def options(envelope, cover, carrier, confirm):
    carrier, _, pieces = carrier.partition("/")
    words = ("--envelope", envelope, "--cover", cover, "--carrier", carrier, "--confirm", confirm)
    return words + (("--pieces", pieces) if pieces else ())


def test_none_is_left_out():
    assert len(COMBINATIONS) == 84 and (len(FITS), len(OUT)) == (58, 26)


@pytest.mark.parametrize("combination", FITS, ids="-".join)
def test_it_opens_the_door(house, combination):
    envelope, _, carrier, confirm = combination
    six = COMBINATIONS.index(combination) % 2 == 1
    address, own = house.addresses()[six], (v6 if six else v4)("client")
    named = ("-a", own) if carrier == "http" else ()
    assert not connect.is_open(house.client, address, timeout=0.1)
    code, said = house.alice.json("open", "alice", "ssh", "-6" if six else "-4", *named, *options(*combination))
    assert code == GRANTED, said
    (answer,) = said["answers"]
    assert answer["carrier"] == carrier.partition("/")[0]
    assert answer["tested"] == (confirm == "none" or carrier == "http")
    assert answer["challenged"] == (confirm == "challenge")
    with connect.held(house.client, address) as session:
        assert session.recv(8) == b"SSH-2.0-"
    granted = house.postern.log_lines("granted client=alice")[-1]
    assert f"address={own}" in granted
    assert house.alice.postern("close", "alice", "--preset", "quick", "--quiet").returncode == GRANTED


@pytest.mark.parametrize("combination", OUT, ids="-".join)
def test_it_says_why_not(house, combination):
    before = house.postern.counter(".seen")
    done = house.alice.postern("open", "alice", "ssh", "-4", "-a", v4("client"), *options(*combination))
    assert done.returncode == USAGE and why_not(*combination) in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == 1 and ": take " in done.stderr
    assert house.postern.counter(".seen") == before
