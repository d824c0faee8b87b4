"""The guard and its doors in the kernel, without a daemon: firewall.h's promises, one by one, with real packets."""

import os
import re
import socket
import struct
import time

import pytest
from lab import connect, nft, stays, until
from lab.backend import Backend
from lab.network import v4, v6
from test_guard import publish, ways
from wire import frames

SSH, ECHO = 22, 5353
FREE = 5354  # nobody guards it: the control
C4, C6, S4, S6 = v4("client"), v6("client"), v4("server"), v6("server")
A4, A6 = v4("attacker"), v6("attacker")
BOTH = pytest.mark.parametrize("server,client", [(S4, C4), (S6, C6)], ids=["v4", "v6"])
SILENCES = pytest.mark.parametrize("silence", ["drop", "closed"])
SERVE = (
    "import socket,sys\n"
    "s=socket.create_server(('::',int(sys.argv[1])),family=socket.AF_INET6,dualstack_ipv6=True,backlog=256)\n"
    "print('ready',flush=True)\n"
    "keep=[]\n"
    "while True:\n"
    "    c,a=s.accept()\n"
    "    keep.append(c)\n"
    "    try: c.sendall(b'hello')\n"
    "    except OSError: pass\n"  # it was reset at once
)


def serve(host, port=SSH):
    host.start("/usr/bin/python3", "-c", SERVE, port, name=f"serve{port}").wait_line("ready")


@pytest.fixture
def scene(lab):
    serve(lab.server)
    lab.echo = connect.UdpEcho(lab.server, ECHO)
    with Backend(lab.server) as backend:
        lab.backend = backend
        yield lab


def counter(host, name):
    return int(re.search(r"packets (\d+)", host.run("nft", "list", "counter", "inet", "postern", name).stdout)[1])


def tracked(host):
    """conntrack's entries as lines."""
    with host.inside():
        return open("/proc/thread-self/net/nf_conntrack").read().splitlines()


def rest(backend, name, door):
    """Of a door's time, in seconds; None: there is no such door."""
    status, seconds = backend.do("query", name, door).split()
    return int(seconds) if status == "ok" else None


def answers(scene, server, host=None):
    host = host or scene.client
    return connect.tcp(host, server, SSH, 0.2), connect.udp_answer(host, server, ECHO, timeout=0.2, echo=scene.echo)


def is_open(scene, server, host=None):
    return connect.is_open(host or scene.client, server, SSH, 0.2)


def pings(host, address):
    """One echo request, with so little payload that there is nothing where ports would be but its own head."""
    family = connect.family(address)
    v6_ = family == socket.AF_INET6
    head = struct.pack(">BBHHH", 128 if v6_ else 8, 0, 0, 7, 1)
    if not v6_:
        head = head[:2] + struct.pack(">H", frames.checksum(head)) + head[4:]
    with host.socket(family, socket.SOCK_RAW, socket.IPPROTO_ICMPV6 if v6_ else socket.IPPROTO_ICMP) as s:
        s.settimeout(2)
        s.sendto(head, (address, 0))
        while True:
            answer = s.recv(100)[0 if v6_ else 20 :]
            if answer[0] == (129 if v6_ else 0):
                return True


# --- silence and doors ---


@BOTH
def test_dropped_without_a_door_and_open_with_one(scene, server, client):
    assert answers(scene, server) == ("open", b"echo:?")
    scene.backend.ok("ensure")
    assert answers(scene, server) == ("silent", None)
    assert counter(scene.server, "silenced") >= 2
    scene.backend.ok("open", "ssh", client, 60)
    assert answers(scene, server) == ("open", None)  # one port of one protocol
    scene.backend.ok("open", "echo", client, 60)
    assert answers(scene, server) == ("open", b"echo:?")
    assert answers(scene, server, scene.attacker) == ("silent", None)  # one address
    assert counter(scene.server, "let_in") == 3


@BOTH
def test_closed_is_what_a_closed_port_says(scene, server, client):
    scene.backend.configure(silence="closed")
    scene.backend.ok("ensure")
    assert answers(scene, server) == ("closed", "refused")
    scene.backend.ok("open", "ssh", client, 60)
    assert answers(scene, server) == ("open", "refused")
    assert counter(scene.server, "silenced") >= 2


@BOTH
def test_closing_shuts_new_connections_out_and_lets_old_ones_live(scene, server, client):
    scene.backend.ok("ensure")
    scene.backend.ok("open", "ssh", client, 60)
    with scene.client.socket(connect.family(server)) as s:
        s.settimeout(2)
        s.connect((server, SSH))
        scene.backend.ok("close", "ssh", client)
        assert scene.backend.do("close", "ssh", client) == "not-there"
        assert not is_open(scene, server)
        assert s.recv(10) == b"hello"


def test_a_second_datagram_before_the_first_answer_is_of_the_same_flow(scene):
    """Its conntrack entry says "new" still, but bears our mark."""
    sink = scene.server.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind(("", 5400))
    sink.settimeout(2)
    scene.backend.configure([("sink", 17, 5400)])
    scene.backend.ok("ensure")
    scene.backend.ok("open", "sink", C4, 60)
    with scene.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect((S4, 5400))
        s.send(b"1")
        assert sink.recv(10) == b"1"
        scene.backend.ok("close", "sink", C4)
        s.send(b"2")
        assert sink.recv(10) == b"2"
    sink.close()


@pytest.mark.parametrize("silence", ["drop", "closed"])
def test_no_way_round(scene, silence):
    """Broadcast, multicast, fragments, extension headers, VLAN 0."""
    scene.backend.configure(silence=silence)
    scene.backend.ok("ensure")
    control = connect.UdpEcho(scene.server, FREE)
    for expected, ((name, frame, packets), (_, _, same)) in enumerate(zip(ways(ECHO), ways(FREE)), 1):
        for packet in [*packets, *same]:
            scene.client.inject("eth0", frame(scene, packet))
        until(lambda: control.heard() == expected, 10, f"the control by {name}")
        assert scene.echo.heard() == 0, name


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", S4, S6])
@SILENCES
def test_the_host_reaches_itself(scene, address, silence):
    scene.backend.configure(silence=silence)
    scene.backend.ok("ensure")
    assert answers(scene, address, scene.server) == ("open", b"echo:?")


@BOTH
def test_what_is_not_guarded_is_let_alone(scene, server, client):
    scene.backend.ok("ensure")
    serve(scene.server, 80)
    assert connect.is_open(scene.client, server, 80)
    assert pings(scene.client, server)
    # Where the first bytes of a payload are no ports: one byte of an experimental protocol.
    family = connect.family(server)
    with scene.server.socket(family, socket.SOCK_RAW, 253) as ear, scene.client.socket(family, socket.SOCK_RAW, 253) as s:
        ear.settimeout(2)
        s.sendto(b"x", (server, 0))
        assert ear.recv(100)[-1:] == b"x"
    assert counter(scene.server, "silenced") == 0


def test_the_hosts_own_connections_out_are_let_alone(scene):
    """From a port that is guarded itself."""
    scene.backend.configure([("even", 6, 40000), ("odd", 6, 40001)])
    scene.backend.ok("ensure")
    scene.server.sysctl("net.ipv4.ip_local_port_range", "40000 40001")
    serve(scene.client, 80)
    for address in (C4, C6):
        assert connect.is_open(scene.server, address, 80)


def test_forwarded_traffic_is_let_alone(scene):
    """A router guards its own ports, not those of others; its knock port is others' port, too."""
    publish(scene, 8080)
    scene.client.ip("route", "add", "10.89.0.0/24", "via", S4)
    scene.client.ip("-6", "route", "add", "fd89::/64", "via", S6)
    scene.backend.configure([("web", 6, 80), ("echo", 17, ECHO)])
    scene.backend.ok("ensure")
    inner = scene.spaces[-1]
    echoes = connect.UdpEcho(inner, ECHO), connect.UdpEcho(inner, Backend.KNOCK)
    for address in ("10.89.0.2", "fd89::2"):
        assert connect.is_open(scene.client, address, 80)
        assert connect.udp_answer(scene.client, address, ECHO, timeout=5) == b"echo:?"
        assert connect.udp_answer(scene.client, address, Backend.KNOCK, timeout=5) == b"echo:?"
    assert all(e.heard() == 2 for e in echoes)


@BOTH
def test_a_published_port_is_guarded_by_its_outer_number(scene, server, client):
    publish(scene, 8080)
    scene.backend.configure([("web", 6, 8080)])
    scene.backend.ok("ensure")
    assert connect.tcp(scene.client, server, 8080, 0.2) == "silent"
    scene.backend.ok("open", "web", client, 60)
    assert connect.is_open(scene.client, server, 8080)
    assert connect.tcp(scene.attacker, server, 8080, 0.2) == "silent"


# --- networks ---


def test_prefixes_one_inside_the_other(scene):
    scene.backend.ok("ensure")
    scene.client.ip("addr", "add", "10.88.1.2/16", "dev", "eth0")
    scene.server.ip("addr", "add", "10.88.200.1/16", "dev", "eth0")

    def opens(source):
        return connect.tcp(scene.client, S4 if source == C4 else "10.88.200.1", SSH, 0.2, source) == "open"

    assert not opens(C4) and not opens("10.88.1.2")
    scene.backend.ok("open", "ssh", "10.88.1.0/24", 60)
    assert not opens(C4) and opens("10.88.1.2")
    scene.backend.ok("open", "ssh", "10.88.0.0/16", 60)
    assert opens(C4) and opens("10.88.1.2")
    scene.backend.ok("close", "ssh", "10.88.0.0/16")
    assert not opens(C4) and opens("10.88.1.2")
    scene.backend.ok("open", "ssh", "0.0.0.0/0", 60)
    assert opens(C4)
    assert set(scene.backend.doors()) == {("10.88.1.0/24", 6, 22), ("0.0.0.0/0", 6, 22)}
    assert 50 < rest(scene.backend, "ssh", "10.88.1.0/24") <= 60
    assert scene.backend.do("query", "ssh", "10.88.1.0/25") == "not-there 0"


@pytest.mark.parametrize("length", [1, 7, 8, 12, 13, 24, 31])
def test_the_edges_of_a_v4_prefix(scene, length):
    """The first and the last address are in, their neighbours are not."""
    scene.backend.ok("ensure")
    base = struct.unpack(">I", socket.inet_aton("100.64.77.9"))[0] >> (32 - length) << (32 - length)
    last = base + (1 << (32 - length)) - 1
    scene.backend.ok("open", "ssh", f"{socket.inet_ntoa(struct.pack('>I', base))}/{length}", 60)
    edges = [(base, True), (last, True), (base - 1, False), (last + 1, False)]
    before = counter(scene.server, "let_in")
    for number, inside in edges:
        if not 0x01000000 < number < 0xE0000000 or number >> 24 == 127:
            continue
        syn = frames.tcp_syn(source := socket.inet_ntoa(struct.pack(">I", number)), 999, S4, SSH)
        packet = frames.ipv4(source, S4, frames.TCP, syn)
        scene.client.inject("eth0", [frames.ethernet(scene.server.mac("eth0"), scene.client.mac("eth0"), packet)])
        before += inside
        until(lambda: counter(scene.server, "let_in") == before, 10, f"{source} let in" if inside else source)
    assert counter(scene.server, "let_in") == before


@pytest.mark.parametrize("length,inside,outside", [
    (1, "7fff::1", "8000::1"), (16, "fd88:ffff::1", "fd89::1"), (56, "fd88:0:0:ff::1", "fd88:0:0:100::1"),
    (64, "fd88::ffff:0:0:1", "fd88:0:0:1::1"), (65, "fd88::7fff:0:0:1", "fd88::8000:0:0:1"),
    (127, "fd88::1", "fd88::2"),
])  # fmt: skip
def test_the_edges_of_a_v6_prefix(scene, length, inside, outside):
    scene.backend.ok("ensure")
    scene.backend.ok("open", "ssh", f"{'::' if length == 1 else 'fd88::'}/{length}", 60)
    for source, expected in ((outside, 0), (inside, 1)):
        packet = frames.ipv6(source, S6, frames.TCP, frames.tcp_syn(source, 999, S6, SSH))
        silenced, let_in = counter(scene.server, "silenced"), counter(scene.server, "let_in")
        scene.client.inject("eth0", [frames.ethernet(scene.server.mac("eth0"), scene.client.mac("eth0"), packet)])
        until(lambda: counter(scene.server, "silenced") + counter(scene.server, "let_in") > silenced + let_in, 10, source)
        assert counter(scene.server, "let_in") - let_in == expected, source


# --- time ---


@BOTH
@pytest.mark.parametrize("network", [False, True])
def test_the_kernel_closes_the_door(scene, server, client, network):
    scene.backend.ok("ensure")
    prefix = {S4: "10.88.0.0/24", S6: "fd88::/64"}[server] if network else client
    start = time.monotonic()
    scene.backend.ok("open", "ssh", prefix, 2)
    opened = time.monotonic()
    scene.backend.die()
    before, after = connect.turns(scene.client, server, 10)
    assert before < opened + 2.1 and after > start + 1.9


def test_opening_again_sets_the_time_longer_and_shorter(scene):
    scene.backend.ok("ensure")
    for seconds, less in (20, 0), (60, 20), (15, 5), (15, 5), (3600, 15):
        scene.backend.ok("open", "ssh", C4, seconds)
        assert less < rest(scene.backend, "ssh", C4) <= seconds
        assert list(scene.backend.doors()) == [(C4, 6, 22)]
    scene.backend.ok("open", "ssh", C4, 1)
    until(lambda: rest(scene.backend, "ssh", C4) is None, 10, "the end")
    assert scene.backend.doors() == {}
    assert not is_open(scene, S4)
    scene.backend.ok("open", "ssh", C4, 4294967295)  # the longest that can be said
    assert 4294967285 < rest(scene.backend, "ssh", C4) <= 4294967295


@pytest.mark.parametrize("count", [5000, 10000])
def test_many_doors_end_within_a_second_of_their_time_with_nobody_alive(scene, count):
    scene.backend.ok("ensure")
    assert scene.backend.do("many", "ssh", count, 3) == f"ok {count}"
    end = time.monotonic() + 3
    assert len(scene.backend.doors()) == count
    scene.backend.die()
    with Backend(scene.server) as reader:
        left = until(lambda: len(reader.doors()) in (0, count) or None, 1, "a look")
        assert left
        time.sleep(max(0, end - time.monotonic()))
        until(lambda: reader.doors() == {}, 1, "the end of all")


def test_full_is_said_and_refreshing_goes_on(scene):
    scene.backend.ok("ensure")
    assert scene.backend.do("many", "ssh", 65537, 3600) == "full 65536"
    assert scene.backend.do("open", "ssh", C4, 60) == "full"
    assert not is_open(scene, S4)
    scene.backend.ok("open", "ssh", "10.0.0.1", 60)  # one that is there
    assert 50 < rest(scene.backend, "ssh", "10.0.0.1") <= 60
    scene.backend.ok("open", "ssh", C6, 60)  # another table
    scene.backend.ok("close", "ssh", "10.0.0.1")
    scene.backend.ok("open", "ssh", C4, 60)
    assert is_open(scene, S4)


# --- marks, knocks and replies ---


MARKING = """
table ip others {
	chain pre {
		type filter hook prerouting priority -160; policy accept
		ct mark set 0x5 meta mark set 0x3
	}
	chain in {
		type filter hook input priority 0; policy accept
		tcp dport 22 meta mark 0x10003 ct mark 0x10005 counter
	}
}
"""


def test_marks_of_others_stay(scene):
    nft.load(scene.server, MARKING)
    scene.backend.ok("ensure")
    scene.backend.ok("open", "ssh", C4, 60)
    assert is_open(scene, S4)
    assert re.search(r"counter packets [1-9]", scene.server.run("nft", "list", "table", "ip", "others").stdout)


@BOTH
def test_a_knock_is_neither_tracked_nor_answered_when_dropping(scene, server, client):
    scene.backend.ok("ensure")
    assert connect.udp_answer(scene.client, server, Backend.KNOCK) is None
    assert counter(scene.server, "knocks") == 1
    assert not [e for e in tracked(scene.server) if f"dport={Backend.KNOCK}" in e]
    scene.backend.configure(silence="closed")
    scene.backend.ok("ensure")
    assert connect.udp_answer(scene.client, server, Backend.KNOCK) == "refused"
    assert counter(scene.server, "knocks") == 1


@BOTH
def test_a_reply_leaves_no_entry(scene, server, client):
    scene.backend.ok("ensure")
    for mark, expected in ((0x100000, 0), (0x100007, 0), (0, 1)):
        with scene.server.socket(connect.family(server), socket.SOCK_DGRAM) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
            s.sendto(b"reply", (client, 7000 + mark % 16))
        found = [e for e in tracked(scene.server) if f"dport={7000 + mark % 16}" in e]
        assert len(found) == expected, mark


# --- the table ---


def test_what_a_change_of_the_configuration_keeps(scene):
    scene.backend.ok("ensure")
    scene.backend.ok("open", "ssh", C4, 60)
    scene.backend.ok("open", "echo", C4, 60)
    scene.backend.ok("open", "ssh", "10.99.0.0/16", 60)
    scene.backend.configure([("ssh", 6, 22), ("web", 6, 80)], silence="closed")
    scene.backend.ok("ensure")
    assert set(scene.backend.doors()) == {(C4, 6, 22), ("10.99.0.0/16", 6, 22)}
    assert is_open(scene, S4)
    assert connect.tcp(scene.attacker, S4, SSH) == "closed"
    assert connect.udp_answer(scene.attacker, S4, ECHO, timeout=5) == b"echo:?"  # not guarded any more
    # A service that comes back does not come back with its doors.
    scene.backend.configure([("ssh", 6, 22), ("echo", 17, ECHO)])
    scene.backend.ok("ensure")
    assert answers(scene, S4) == ("open", "refused")


def test_no_moment_without_a_guard(scene):
    """Connections are tried all the time while the table is replaced hundreds of times."""
    scene.backend.ok("ensure")
    before = counter(scene.server, "silenced")
    with scene.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect((S4, ECHO))
        for i in range(300):
            scene.backend.process.stdin.write("ensure\n")
            for _ in range(20):
                s.send(b"x")
            assert scene.backend.process.stdout.readline() == "ok\n"
    assert scene.echo.heard() == 0
    until(lambda: counter(scene.server, "silenced") == before + 6000, 5, "all of them")


OTHER_GUARD = (
    "flush chain inet postern guard",
    "delete chain inet postern guard",
    "add chain inet postern guard { type filter hook prerouting priority 300; policy accept; }",
)
SPOILS = {
    "flushed": ["flush ruleset"],
    "no rules": ["flush chain inet postern guard"],
    "a rule that accepts": ["insert rule inet postern guard accept"],
    "asleep": ["add table inet postern { flags dormant; }"],
    "disarmed": ["flush set inet postern guarded"],
    "no guard": OTHER_GUARD[:2],
    "another guard": OTHER_GUARD,
    "another set": [
        "flush table inet postern",
        "delete set inet postern doors6",
        "add set inet postern doors6 { type ether_addr; }",
    ],
}


@pytest.mark.parametrize("spoil", SPOILS)
def test_what_others_spoil_is_noticed_and_put_right(scene, spoil):
    scene.backend.ok("ensure")
    healthy = nft.listing(scene.server, "chain", "inet", "postern", "guard")
    scene.backend.ok("open", "ssh", C4, 60)
    assert scene.backend.do("changed") == "no"  # our own doing is none
    for command in SPOILS[spoil]:
        scene.server.run("nft", command)
    assert scene.backend.do("changed") == "yes"
    assert scene.backend.do("changed") == "no"
    scene.backend.ok("ensure")
    assert scene.backend.do("changed") == "no"
    assert nft.listing(scene.server, "chain", "inet", "postern", "guard") == healthy
    assert not is_open(scene, S4, scene.attacker) and not is_open(scene, S6, scene.attacker)
    if spoil != "flushed":
        assert is_open(scene, S4)  # the door was kept
    scene.backend.ok("open", "ssh", C6, 60)
    assert is_open(scene, S6)


def test_the_doings_of_others_elsewhere_are_none_of_ours(scene):
    scene.backend.ok("ensure")
    nft.load(scene.server, nft.UFW_LIKE)
    scene.server.run("nft", "delete", "table", "ip", "filter")
    assert scene.backend.do("changed") == "no"


@pytest.mark.parametrize("rules", ["UFW_LIKE", "FIREWALLD_LIKE", "DROP_HOST"])
def test_tables_of_others_stay_byte_for_byte(scene, rules):
    nft.load(scene.server, getattr(nft, rules))
    before = nft.listing(scene.server)
    for words in (["ensure"], ["open", "ssh", C4, 1], ["open", "ssh", "10.0.0.0/8", 9], ["try", 1], ["install"]):
        scene.backend.ok(*words)
        assert nft.others(scene.server) == before
    scene.backend.ok("remove")
    assert nft.listing(scene.server) == before


@BOTH
def test_connections_that_are_there_outlive_the_guards_coming(scene, server, client):
    """Nothing asked for connection tracking before, so the kernel does not know of them."""
    with scene.client.socket(connect.family(server)) as s:
        s.settimeout(3)
        s.connect((server, SSH))
        assert s.recv(10) == b"hello"
        assert tracked(scene.server) == []
        scene.backend.ok("ensure")
        assert not is_open(scene, server)
        silenced = counter(scene.server, "silenced")
        s.send(b"more")
        s.shutdown(socket.SHUT_WR)
        until(lambda: f"{SSH}" in scene.server.run("ss", "-tnH", "state", "close-wait").stdout, 10, "the end of it there")
        assert counter(scene.server, "silenced") == silenced


def test_a_dry_run_changes_nothing(lab):
    with Backend(lab.server, env={**os.environ, "DRY_RUN": "1"}) as backend:
        for words in (["ensure"], ["open", "ssh", C4, 60], ["close", "ssh", C4], ["remove"]):
            backend.ok(*words)
        assert backend.do("query", "ssh", C4) == "not-there 0" and backend.doors() == {}
        assert nft.listing(lab.server) == ""
        assert f"dry_run=open service=ssh from={C4} hold_s=60" in backend.log()


def test_net_admin_is_all_it_needs(scene):
    wrap = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs"]
    with Backend(scene.server, wrap=[*wrap, "--bounding-set", "-all"]) as backend:
        with pytest.raises((RuntimeError, BrokenPipeError)):
            backend.do("ensure")
        assert "need=\"CAP_NET_ADMIN" in backend.log()
    alone = ["--inh-caps", "-all,+net_admin", "--ambient-caps", "-all,+net_admin", "--bounding-set", "-all,+net_admin"]
    with Backend(scene.server, wrap=[*wrap, *alone]) as backend:
        backend.ok("ensure")
        backend.ok("open", "ssh", C4, 60)
        assert is_open(scene, S4) and not is_open(scene, S4, scene.attacker)


def test_without_the_table_an_open_fails_and_says_so(scene):
    assert scene.backend.do("open", "ssh", C4, 60) == "failed"
    assert scene.backend.do("open", "ssh", "10.0.0.0/8", 60) == "failed"
    assert scene.backend.do("query", "ssh", C4) == "not-there 0"
    assert scene.backend.doors() == {}


# --- the trial ---


@BOTH
def test_a_trial_ends_by_itself_with_nobody_alive(scene, server, client):
    start = time.monotonic()
    scene.backend.ok("try", 2)
    begun = time.monotonic()
    scene.backend.die()
    assert not is_open(scene, server)
    before, after = connect.turns(scene.client, server, 10, to_open=True)
    assert before < begun + 2.1 and after > start + 1.9


def test_a_confirmed_trial_stays(scene):
    scene.backend.ok("try", 2)
    assert scene.backend.do("read") == "ok there=1 trial=running 6.22! 17.5353!"
    scene.backend.ok("confirm")
    assert scene.backend.do("read") == "ok there=1 trial=none 6.22 17.5353"
    assert scene.backend.do("confirm") == "not-there"
    stays(lambda: not is_open(scene, S4), 2.5, "the guard")


def test_a_trial_that_has_ended_cannot_be_confirmed(scene):
    scene.backend.ok("try", 1)
    until(lambda: scene.backend.do("read") == "ok there=1 trial=ended", 10, "the end of the trial")
    assert scene.backend.do("confirm") == "not-there"
    assert is_open(scene, S4)


def test_the_daemon_respects_a_trial(scene):
    """While it runs, and after it ended unconfirmed: who was locked out is not locked out again by a restart."""
    scene.backend.ok("try", 2)
    scene.backend.ok("ensure")
    assert scene.backend.do("read").split()[2] == "trial=running"
    until(lambda: scene.backend.do("read") == "ok there=1 trial=ended", 4, "the end of the trial")
    scene.backend.ok("ensure")
    assert is_open(scene, S4)
    assert "trial=running" in scene.backend.log() and "trial=ended" in scene.backend.log()
    scene.backend.ok("install")
    assert not is_open(scene, S4)
    assert scene.backend.do("read") == "ok there=1 trial=none 6.22 17.5353"


def test_what_was_guarded_for_good_stays_so_through_a_trial(scene):
    scene.backend.configure([("ssh", 6, 22)])
    scene.backend.ok("install")
    scene.backend.configure([("ssh", 6, 22), ("echo", 17, ECHO)])
    scene.backend.ok("try", 3)
    assert scene.backend.do("read") == "ok there=1 trial=running 6.22 17.5353!"
    assert answers(scene, S4) == ("silent", None)
    until(lambda: scene.backend.do("read") == "ok there=1 trial=ended 6.22", 10, "the end of the trial")
    assert answers(scene, S4) == ("silent", b"echo:?")


def test_trying_again_begins_anew(scene):
    scene.backend.ok("try", 1)
    scene.backend.ok("try", 60)
    time.sleep(1.3)  # past the end of the first
    assert scene.backend.do("read").split()[2] == "trial=running"
    assert not is_open(scene, S4)


def test_doors_work_in_a_trial(scene):
    scene.backend.ok("try", 30)
    scene.backend.ok("open", "ssh", C4, 30)
    assert is_open(scene, S4) and not is_open(scene, S4, scene.attacker)


def test_a_trial_of_what_is_guarded_already_is_none(scene):
    scene.backend.ok("install")
    scene.backend.ok("try", 1)
    assert scene.backend.do("read") == "ok there=1 trial=none 6.22 17.5353"


def test_a_spoiled_table_in_a_trial_is_put_right_as_a_trial(scene):
    begin = time.monotonic()
    scene.backend.ok("try", 3)
    begun = time.monotonic()
    for command in OTHER_GUARD:
        scene.server.run("nft", command)
    scene.backend.ok("ensure")
    assert not is_open(scene, S4)
    before, after = connect.turns(scene.client, S4, 10, to_open=True)
    assert before < begun + 3.7 and after > begin + 2.3  # of what was left a second may be lost
