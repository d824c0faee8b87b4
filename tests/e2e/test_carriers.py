"""Every carrier brings a knock to a real sshd's door, and says what to allow where it cannot."""

import contextlib
import os
import re
import socket

import pytest
from lab import connect, dissect, nft, record, scan, web
from lab.network import v4, v6
from lab.user import GRANTED, NO_ANSWER, USAGE
from lab.wait import until
from wire import frames

SYSTEM = 5
TCP_PORT = 14124
ALL = {"tcp_port": TCP_PORT, "icmp": "yes"}
DROPS = pytest.mark.house(silence="drop", setup=lambda h: nft.load(h.server, nft.DROP_HOST), **ALL)
ANSWERS = pytest.mark.house(silence="closed", **ALL)
BOTH = [pytest.param("drop", marks=DROPS), pytest.param("closed", marks=ANSWERS)]
PINGS = "net.ipv4.ping_group_range"


def opened(house, *options, family=None):
    """What alice's knock came to, and that the door is open for her alone, over the families asked for."""
    more = [f"-{family}"] if family else []
    code, said = house.alice.json("open", "alice", "ssh", *more, *options)
    assert code == GRANTED, said
    answers = {a["family"]: a for a in said["answers"]}
    for name, address in zip(("ipv4", "ipv6"), house.addresses()):
        if name in answers:
            assert house.sshd.login(house.client, address)
        assert connect.tcp(house.attacker, address, 22) != "open"
    return answers


@pytest.mark.parametrize("silence", BOTH)
@pytest.mark.parametrize("carrier", ["tcp", "icmp"])
def test_it_opens_the_door_over_both_families(house, silence, carrier):
    house.client.sysctl(PINGS, "0 2147483647")
    answers = opened(house, "--carrier", carrier)
    assert set(answers) == {"ipv4", "ipv6"}
    for answer, own in ((answers["ipv4"], v4("client")), (answers["ipv6"], v6("client"))):
        assert answer["carrier"] == carrier and answer["packets"] <= 5  # a pause is 0.3 s, which a busy machine may take to answer
        assert answer["seen"] == answer["local"] == own
        assert not answer["tested"]
    # And the way back works for whatever else may be asked.
    assert house.alice.postern("list", "alice", "--carrier", carrier).returncode == GRANTED
    assert house.alice.postern("ping", "alice", "--challenge", "--carrier", carrier).returncode == GRANTED
    assert house.alice.postern("close", "alice", "ssh", "--carrier", carrier).returncode == GRANTED
    assert house.all_closed()


# --- http ---

WEB = {"http_port": 80}
SERVE = pytest.mark.house("other", silence="drop", setup=lambda h: nft.load(h.server, WEB_HOST), **WEB)
WEB_HOST = nft.DROP_HOST.replace("tcp dport 22 accept", "tcp dport { 22, 80 } accept")




def known(house):
    """alice may name whom the door is for, and has proven herself once, as http gives no chance to do."""
    clients = house.postern.etc / "clients"
    lines = clients.read_text().splitlines()
    clients.write_text("".join(x + (",address=named" if x.startswith("alice ") else "") + "\n" for x in lines))
    house.postern.reload_and_wait()
    assert house.alice.postern("ping", "alice", "--carrier", "udp").returncode == GRANTED


def by_web(house, *options, address=v4):
    """An open by http alone; its only answer, or the exit status and what was said."""
    words = ("open", "alice", "ssh", "--carrier", "http", "-a", address("client"), *options)
    code, said = house.alice.json(*words)
    return said["answers"][0] if code == GRANTED else (code, said["error"])


def came_by(house):
    """From whom the daemon says that the last knock came: the host's name."""
    source = re.search(r" from=(\S+)", house.postern.log_lines("granted client=alice")[-1])[1]
    return next(role for role in house.roles if source in (v4(role), v6(role)))


@pytest.mark.parametrize("address", [v4, v6])
@SERVE
def test_http_straight(house, address):
    page = web.Nginx(house.server, v4("server"))
    known(house)
    answer = by_web(house, address=address)
    assert answer["tested"] and answer["carrier"] == "http" and "verdict" not in answer
    assert answer["local"] == address("client")
    assert house.sshd.login(house.client, address("server"))
    assert connect.tcp(house.attacker, address("server"), 22) != "open"
    assert page.requests() and all('" 200 ' in line for line in page.requests())


PASSWORD = ("-u", "someone", "-P", "secret-1")


@pytest.mark.parametrize(
    "options, who, works",
    [((), "", True), (PASSWORD, "someone:secret-1@", True), (PASSWORD, "someone:wrong@", False)],
    ids=["free", "password", "wrong"],
)
@SERVE
def test_http_through_socks(house, options, who, works):
    """The name of the web server is the proxy's to resolve."""
    page = web.Nginx(house.server, v4("server"))
    web.socks(house.other, v4("other"), 1080, *options)
    known(house)
    seen = record.Recording(house.client, f"tcp dst port 1080 and dst host {v4('other')}", direction="out")
    answer = by_web(house, "--via", f"socks5://{who}{v4('other')}:1080")
    if not works:
        assert answer[0] == SYSTEM and "does not know this user and password" in answer[1]
        assert "secret" not in answer[1] and "wrong" not in answer[1]
        return
    assert answer["tested"]
    assert house.sshd.login(house.client, v4("server"))
    assert came_by(house) == "other"
    assert any(b"\x03\x0aserver.lab\x00\x50" in frame for _, frame in seen.stop())
    assert page.requests()


@SERVE
def test_http_through_a_proxy(house):
    page = web.Nginx(house.server, v4("server"))
    web.tinyproxy(house.other, v4("other"))
    known(house)
    answer = by_web(house, "--via", f"http://{v4('other')}:8888")
    assert answer["tested"]
    assert house.sshd.login(house.client, v4("server"))
    assert came_by(house) == "other"
    assert page.requests()


@pytest.mark.parametrize(
    "believed",
    [
        pytest.param(False, marks=SERVE),
        pytest.param(
            True,
            marks=pytest.mark.house(
                "other", silence="drop", setup=lambda h: nft.load(h.server, WEB_HOST), http_proxy=[v4("other")], **WEB
            ),
        ),
    ],
)
def test_http_behind_a_reverse_proxy(house, believed):
    """Whom the proxy forwards for counts only where the configuration names the proxy."""
    web.Nginx(house.server, v4("server"))
    web.Nginx(house.other, v4("other"), body=web.forward(v4("server")))
    known(house)
    profile(house, "http://server.lab/", "http://other.lab/")
    answer = by_web(house)
    assert answer["tested"]
    assert came_by(house) == ("client" if believed else "other")


def profile(house, old, new):
    """Another line in alice's profile."""
    (path,) = (house.alice.home / ".config/postern/profiles").iterdir()
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@SERVE
def test_http_in_the_path(house):
    page = web.Nginx(house.server, v4("server"))
    house.postern.directives |= {"http-cookie": "", "http-path": "/img/"}
    house.postern.write_config()
    known(house)
    profile(house, "http://server.lab/", "http://server.lab/img/")
    profile(house, "http-cookie = sid\n", "")
    assert by_web(house)["tested"]
    assert all('"GET /img/' in line for line in page.requests())


@SERVE
def test_what_http_cannot_do_is_said(house):
    web.Nginx(house.server, v4("server"))
    known(house)
    for words, why in (
        (("open", "alice", "ssh"), "name the address"),
        (("list", "alice"), "nothing but 'open'"),
        (("ping", "alice"), "nothing but 'open'"),
        (("open", "alice", "ssh", "-a", v4("client"), "--challenge"), "no challenge"),
        (("open", "alice", "ssh", "-a", v4("client"), "--strict", "--via", "socks5://x:1"), "the proxy's address"),
    ):
        done = house.alice.postern(*words, "--carrier", "http")
        assert done.returncode == USAGE and why in done.stderr, done.stderr
    done = house.alice.postern("open", "alice", "ssh", "--carrier", "udp", "--cover", "png")
    assert done.returncode == USAGE and "take the carrier sequence" in done.stderr
    # A door that stays closed: it says what it knows.
    done = house.alice.postern("open", "alice", "ssh", "-4", "-a", v4("other"), "--carrier", "http", "--retries", "1")
    assert done.returncode == NO_ANSWER and "port 22 stays closed to this host" in done.stderr
    assert connect.is_open(house.other, v4("server"), 22)


@SERVE
def test_http_where_nobody_serves(house):
    known(house)
    code, said = by_web(house)
    assert code == SYSTEM and "check the web server" in said, said


# --- without any answer ---


@pytest.mark.parametrize("carrier", ["udp", "tcp", "icmp"])
@DROPS
def test_with_confirm_none_the_server_sends_nothing(house, carrier):
    """Nor where a doubt would ask for a challenge: then there is no door either."""
    house.client.sysctl(PINGS, "0 2147483647")
    profile(house, "confirm = reply", "confirm = none")
    words = ("open", "alice", "ssh", "-4", "--retries", "0", "--carrier", carrier)
    assert house.alice.postern(*words).returncode == NO_ANSWER  # never seen before
    profile(house, "confirm = none", "confirm = reply")
    assert house.alice.postern("ping", "alice", "--carrier", "udp").returncode == GRANTED
    profile(house, "confirm = reply", "confirm = none")
    sent = house.postern.stats()["auth.sent"]
    answer = opened(house, "--carrier", carrier, family=4)["ipv4"]
    assert answer["tested"] and "verdict" not in answer
    assert house.postern.stats()["auth.sent"] == sent


# --- from one carrier to the next ---


def block(host, *rules):
    lines = "\n".join(("type filter hook output priority filter", *rules))
    nft.load(host, f"table inet wall {{\nchain out {{\n{lines}\n}}\n}}\n")


@DROPS
def test_it_falls_back(house):
    house.client.sysctl(PINGS, "0 2147483647")
    assert opened(house)["ipv4"]["carrier"] == "udp"
    block(house.client, "udp dport 14123 drop")  # the kernel says so
    answer = opened(house, family=4)["ipv4"]
    assert answer["carrier"] == "tcp" and 2 <= answer["packets"] < 5
    block(house.client, "tcp dport 14124 drop")  # nobody says anything
    answer = opened(house, family=4)["ipv4"]
    assert answer["carrier"] == "icmp" and 5 <= answer["packets"] < 8
    # All of it was one attempt: the door was asked for thrice, by three attempts.
    attempts = {line.rsplit("attempt=", 1)[1] for line in house.postern.log_lines("granted client=alice .*from=10")}
    assert len(attempts) == 3
    block(house.client, "ip protocol icmp drop")
    done = house.alice.postern("open", "alice", "-4", "--retries", "1")
    assert done.returncode == NO_ANSWER
    for part in ("udp port 14123: Operation not permitted", "tcp port 14124: silent after 2 packets", "icmp: "):
        assert part in done.stderr, done.stderr


@DROPS
def test_it_says_what_to_allow(house):
    house.client.sysctl(PINGS, "1 0")
    house.client.sysctl("net.ipv4.tcp_fastopen", 0)
    for six in (4, 6):
        done = house.alice.postern("open", "alice", f"-{six}", "--carrier", "icmp")
        assert done.returncode == SYSTEM and PINGS in done.stderr and "CAP_NET_RAW" in done.stderr, done.stderr
        done = house.alice.postern("open", "alice", f"-{six}", "--carrier", "tcp")
        assert done.returncode == SYSTEM and "net.ipv4.tcp_fastopen=1" in done.stderr, done.stderr
        done = house.alice.postern("open", "alice", f"-{six}", "--carrier", "tcp,icmp")
        assert "tcp_fastopen" in done.stderr and PINGS in done.stderr, done.stderr
        assert opened(house, "--carrier", "tcp,icmp,udp", family=six)
    # Root needs no ping socket.
    home = {f"XDG_{kind}_HOME": str(house.folder / "roots") for kind in ("CONFIG", "STATE")}
    assert house.alice.postern("close", "alice", "ssh", "--carrier", "udp").returncode == GRANTED
    (mine,) = (house.alice.home / ".config/postern/profiles").iterdir()
    os.chown(mine, 0, 0)
    for six in (4, 6):
        done = house.client.run(house.alice.program, "open", mine, f"-{six}", "-k", "icmp", env=home, check=False)
        assert done.returncode == GRANTED, done.stderr
        assert house.is_open(six=six == 6)


# --- what others see ---

FIELDS = ("eth.src", "frame.protocols", "_ws.malformed", "tcp.checksum.status", "icmp.checksum.status")
FIELDS += ("icmpv6.checksum.status",)
PINGS_ALONE = "icmp or ( icmp6 and ip6[40] >= 128 and ip6[40] <= 129 )"


def parts(frame):
    """Whether it is IPv6, and what stands behind its IP header."""
    six = frame[12:14] == b"\x86\xdd"
    return six, frame[54:] if six else frame[34:]


def answers_tcp(request, answer):
    asked, said = parts(request)[1], parts(answer)[1]
    return said[13] & 0x3F == 0x12 and asked[13] & 0x3F == 2 and said[0:4] == asked[2:4] + asked[0:2]


def answers_icmp(request, answer):
    """But for the kernel's echo of what was asked."""
    asked, said = parts(request)[1], parts(answer)[1]
    return said[0] in (0, 129) and asked[0] in (8, 128) and said[4:8] == asked[4:8] and said[8:] != asked[8:]


@pytest.mark.parametrize(
    "carrier, filter_, is_answer",
    [("tcp", f"tcp port {TCP_PORT}", answers_tcp), ("icmp", PINGS_ALONE, answers_icmp)],
    ids=["tcp", "icmp"],
)
@DROPS
def test_the_packets_are_well_formed(house, carrier, filter_, is_answer):
    house.client.sysctl(PINGS, "0 2147483647")
    recording = record.Recording(house.client, filter_)
    opened(house, "--carrier", carrier)
    seen = [frame for _, frame in recording.stop()]
    lines = dissect.fields(house.server, recording.file, *FIELDS)
    assert len(lines) == len(seen) >= 4
    for source, protocols, malformed, *status in lines:
        assert not malformed and protocols.startswith("eth:ethertype:ip"), protocols
        # The client's kernel leaves sums to the device, which is none here.
        assert source != house.server.mac("eth0") or "1" in status, protocols
    # No answer is longer than what it answers.
    pairs = [(a, b) for at, b in enumerate(seen) for a in seen[:at] if parts(a)[0] == parts(b)[0] and is_answer(a, b)]
    assert {parts(a)[0] for a, _ in pairs} == {False, True}
    assert all(len(b) <= len(a) for a, b in pairs)


@DROPS
def test_junk_at_every_port_is_met_with_silence(house):
    """Only the kernel answers, and only pings."""
    bob = house.knocker()
    seen = record.Recording(house.attacker, "tcp or icmp or ( icmp6 and ip6[40] == 129 )", direction="in")
    knock = bob.make().m1  # of bob's, but for another carrier
    for address, payload in ((v4, os.urandom(600)), (v6, os.urandom(600)), (v4, knock)):
        src, dst = address("attacker"), address("server")
        segment = frames.tcp_syn(src, 999, dst, TCP_PORT, payload=payload)
        packet = frames.packet(src, dst, frames.TCP, segment)
        mac = house.server.mac("eth0"), house.attacker.mac("eth0")
        house.attacker.inject("eth0", [frames.ethernet(*mac, packet)])
    counted = house.postern.counter
    until(lambda: counted(".gate") >= 2 and counted(".forged") >= 1, 5, "three strangers")
    assert bob.ping().verdict == "ok"
    assert not seen.stop()
    assert house.all_closed()


def echoes(host, address, data):
    """How often a ping is answered, and by nothing but an echo."""
    host.sysctl(PINGS, "0 2147483647")
    family, proto, kind = socket.AF_INET, socket.IPPROTO_ICMP, 8
    if ":" in address:
        family, proto, kind = socket.AF_INET6, socket.IPPROTO_ICMPV6, 128
    count = 0
    with host.socket(family, socket.SOCK_DGRAM, proto) as s:
        s.sendto(bytes([kind]) + bytes(7) + data, (address, 0))
        s.settimeout(0.4)
        with contextlib.suppress(TimeoutError):
            while True:
                assert s.recv(2048)[8:] == data
                count += 1
    return count


@pytest.mark.parametrize("silence", BOTH)
@pytest.mark.parametrize("six", [False, True], ids=["v4", "v6"])
def test_the_tcp_port_looks_like_its_neighbours(house, silence, six):
    house.client.sysctl(PINGS, "0 2147483647")
    assert house.alice.postern("open", "alice", "--carrier", "tcp").returncode == GRANTED
    address = house.addresses()[six]
    ports = f"{TCP_PORT - 3}-{TCP_PORT + 3}"
    for options in (("-sS",), ("-sA",), ("-sF",), ("-sS", "--data-length", "200")):
        found = scan.nmap(house.attacker, address, *options, "-p", ports)
        states = set(found.values())
        assert len(found) in (0, 7) and len(states) <= 1, (options, found)
    # Nor does a ping, short or long, show that some are knocks.
    assert [echoes(house.attacker, address, os.urandom(size)) for size in (56, 600)] == [1, 1]


@pytest.mark.house(
    silence="drop", interface="any", capture="nflog", setup=lambda h: nft.load(h.server, WEB_HOST), **ALL, **WEB
)
def test_the_firewalls_log_hears_them_all(house):
    house.client.sysctl(PINGS, "0 2147483647")
    web.Nginx(house.server, v4("server"))
    known(house)
    for carrier in ("tcp", "icmp"):
        assert opened(house, "--carrier", carrier)
    assert house.alice.postern("close", "alice", "ssh").returncode == GRANTED
    assert by_web(house)["tested"]
