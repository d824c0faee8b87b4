"""posternctl firewall, which needs no daemon: what it advises is followed to the letter, and must then work."""

import contextlib
import fcntl
import json
import socket
import struct
import termios
import time

import pytest
from lab import connect, nft, until
from lab.backend import Backend
from lab.network import v4, v6
from lab.programs import PLACES, build
from test_firewall_backend import serve, tracked
from test_guard import publish

S4, S6, C4, C6 = v4("server"), v6("server"), v4("client"), v6("client")
CONFIG = """
udp-port = 20123
silence = {silence}
run-dir = "{folder}/run"
service "ssh" {{ proto = tcp  port = 22  hold = 60  max-hold = 3600 }}
"""
ADVICE = 5
HOUR_S = 3600


class Ctl:
    def __init__(self, lab, silence="drop", more=""):
        self.host, self.folder = lab.server, lab.folder
        self.program = build() / PLACES["posternctl"]
        self.configure(silence, more)

    def configure(self, silence="drop", more=""):
        self.path = self.folder / "posternd.conf"
        self.path.write_text(CONFIG.format(silence=silence, folder=self.folder) + more)

    def __call__(self, *words, env=None):
        env = {"SSH_CONNECTION": "", **(env or {})}
        return self.host.run(self.program, "-c", self.path, "firewall", *words, check=False, env=env)

    def ok(self, *words, **more):
        done = self(*words, **more)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def check(self):
        done = self("check", "--json")
        said = json.loads(done.stdout)
        assert done.returncode == said["exit"]
        return said

    def advice(self):
        return [a for a in self.check()["advice"] if a["severity"] == "advice"]

    def commands(self):
        """The rules to add."""
        return [a["command"] for a in self.advice() if "command" in a]


@pytest.fixture
def ctl(lab):
    serve(lab.server)
    return Ctl(lab)


def open_doors(host, *addresses, service="ssh", port=22):
    with Backend(host, [(service, 6, port)]) as backend:
        for address in addresses:
            backend.ok("open", service, address, 60)


def reachable(lab, port=22):
    return [connect.is_open(lab.client, address, port, 0.25) for address in (S4, S6)]


def iptables(host, rules, v6_too=True):
    host.run("iptables-restore", stdin=rules)
    if v6_too:
        host.run("ip6tables-restore", stdin=rules.replace("icmp-", "icmp6-"))


INPUT = "type filter hook input priority filter; policy"
NFT_HOSTS = {
    "policy drop": "table inet filter { chain input { %s drop\nct state established,related accept\niif lo accept\n}\n}",
    "drop at the end": "table inet filter { chain input { %s accept\nct state established,related accept\ndrop\n}\n}",
    "reject at the end": "table inet filter { chain input { %s accept\nct state established accept\n"
    "reject with icmpx admin-prohibited\n}\n}",
    "two families": "table ip a { chain in { %s drop\nct state established accept\n}\n}\n"
    "table ip6 b { chain in { %s drop\nct state established accept\nmeta l4proto ipv6-icmp accept\n}\n}",
    "jumps and maps": "table inet filter { chain services { tcp dport vmap { 80 : accept, 443 : accept, 22 : drop }\n}\n"
    "chain input { %s accept\nct state vmap { established : accept, related : accept, invalid : drop }\n"
    "meta l4proto ipv6-icmp accept\nmeta l4proto { tcp, udp } goto services\n}\n}",
    "named sets": "table inet filter { set closed { type inet_service; flags interval; elements = { 1-1023 }\n}\n"
    "chain input { %s accept\nct state established accept\ntcp dport @closed drop\n}\n}",
    "not by door's mark": "table inet filter { chain input { %s drop\nct state established accept\n"
    "meta l4proto ipv6-icmp accept\nct mark and 0x20000 == 0x20000 accept\nmeta mark 0x7 accept\n}\n}",
    "in prerouting": "table inet filter { chain early { type filter hook prerouting priority filter; policy drop\n"
    "ct state established accept\nmeta l4proto ipv6-icmp accept\n}\n}",
    "firewalld": nft.FIREWALLD_LIKE.replace("tcp dport 22 accept\n", ""),
    "lab": nft.DARK_HOST,
}


@pytest.mark.parametrize("name", NFT_HOSTS)
def test_a_host_that_drops_gets_the_rule_that_works(lab, ctl, name):
    rules = NFT_HOSTS[name]
    nft.load(lab.server, rules.replace("%s", INPUT))
    if "ipv6-icmp" not in rules:  # else nobody finds anybody
        lab.server.ip("-6", "neigh", "add", C6, "lladdr", lab.client.mac("eth0"), "dev", "eth0")
        lab.client.ip("-6", "neigh", "add", S6, "lladdr", lab.server.mac("eth0"), "dev", "eth0")
    ctl.ok("install")
    open_doors(lab.server, C4, C6)
    assert reachable(lab) == [False, False]
    commands = ctl.commands()
    assert len(commands) == (2 if name == "two families" else 1), commands
    for command in commands:
        assert command.startswith("nft insert rule ")
        lab.server.run(*command.split())
    assert reachable(lab) == [True, True]
    assert ctl.commands() == []  # recognised, and enough


UFW = """*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:ufw-before-input - [0:0]
:ufw-user-input - [0:0]
-A INPUT -j ufw-before-input
-A INPUT -j ufw-user-input
-A ufw-before-input -i lo -j ACCEPT
-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-input -m conntrack --ctstate INVALID -j DROP
-A ufw-before-input -p icmp -j ACCEPT
-A ufw-before-input -p ipv6-icmp -j ACCEPT
-A ufw-user-input -p tcp -m multiport --dports 80,443 -j ACCEPT
COMMIT
"""


def test_iptables_nft_gets_the_rule_in_its_own_words(lab, ctl):
    """Its rules come in a form of its own, of which libnftables' JSON tells next to nothing."""
    iptables(lab.server, UFW)
    ctl.ok("install")
    open_doors(lab.server, C4, C6)
    assert reachable(lab) == [False, False]
    commands = ctl.commands()
    assert sorted(commands) == [
        "ip6tables -I INPUT -m connmark --mark 0x10000/0x10000 -j ACCEPT",
        "iptables -I INPUT -m connmark --mark 0x10000/0x10000 -j ACCEPT",
    ]
    for command in commands:
        lab.server.run(*command.split())
    assert reachable(lab) == [True, True]
    assert ctl.commands() == []


def test_a_chain_before_the_guard_needs_a_rule_for_the_port(lab, ctl):
    """No mark of ours is there yet; and the port stays silent, for the guard comes behind it."""
    nft.load(lab.server, "table inet early { chain pre { type filter hook prerouting priority raw; policy accept\n"
             "tcp flags & (syn | ack) == syn drop\n}\n}")  # fmt: skip
    ctl.configure("closed")
    ctl.ok("install")
    open_doors(lab.server, C4, C6)
    assert reachable(lab) == [False, False]
    (command,) = ctl.commands()
    assert command == "nft insert rule inet early pre tcp dport 22 accept"
    lab.server.run(*command.split())
    assert reachable(lab) == [True, True] and ctl.commands() == []
    with Backend(lab.server, [("ssh", 6, 22)]) as backend:
        backend.ok("close", "ssh", C4)
    assert connect.tcp(lab.client, S4, 22) == "closed"


def test_legacy_rules_are_noted(lab, ctl):
    for program in ("iptables-legacy", "ip6tables-legacy"):
        lab.server.run(program, "-A", "INPUT", "-m", "conntrack", "--ctstate", "ESTABLISHED", "-j", "ACCEPT")
        lab.server.run(program, "-A", "INPUT", "-p", "ipv6-icmp", "-j", "ACCEPT")
        lab.server.run(program, "-P", "INPUT", "DROP")
    ctl.ok("install")
    open_doors(lab.server, C4, C6)
    assert reachable(lab) == [False, False]
    notes = [a["text"] for a in ctl.check()["advice"] if a["severity"] == "note" and "legacy" in a["text"]]
    assert len(notes) == 2
    for note in notes:
        lab.server.run(*note.splitlines()[1].split())
    assert reachable(lab) == [True, True]


ACCEPTS = {
    "the service": "tcp dport 22 accept",
    "a set with it": "tcp dport { 22, 80 } accept",
    "a range with it": "tcp dport 20-30 accept",
    "our mark": "ct mark and 0x10000 == 0x10000 accept",
    "our mark among others": "ct mark and 0xf0000 != 0 accept",
    "the packet's mark": "meta mark and 0x10000 == 0x10000 accept",
    "all of tcp": "meta l4proto tcp accept",
    "new ones": "ct state new accept",
    "what is for us": "fib daddr type local accept",
    "a syn": "tcp flags & (fin|syn|rst|ack) == syn accept",
}


@pytest.mark.parametrize("name", ACCEPTS)
def test_a_host_that_lets_it_in_gets_no_advice(lab, ctl, name):
    rules = "table inet filter { chain input { %s drop\nct state established accept\nmeta l4proto ipv6-icmp accept\n%s\n}\n}"
    nft.load(lab.server, rules % (INPUT, ACCEPTS[name]))
    ctl.ok("install")
    open_doors(lab.server, C4, C6)
    assert reachable(lab) == [True, True]
    assert ctl.commands() == []


def test_conditions_that_name_the_port_are_noted_and_others_are_not_trusted(lab, ctl):
    chain = "table inet filter { chain input { %s drop\nct state established accept\n%s\n}\n}"
    nft.load(lab.server, chain % (INPUT, "ip saddr 10.0.0.0/8 tcp dport 22 accept\nip6 saddr fd00::/8 tcp dport 22 accept"))
    ctl.ok("install")
    said = ctl.check()
    assert [a["severity"] for a in said["advice"] if a.get("chain")] == ["note"] and said["exit"] == 0
    lab.server.run("nft", "flush", "chain", "inet", "filter", "input")
    lab.server.run("nft", "add", "rule", "inet", "filter", "input", "ip", "saddr", "10.0.0.0/8", "accept")
    assert ctl.commands() and ctl.check()["exit"] == ADVICE


def test_a_published_port_is_advised_on_in_forward(lab, ctl):
    publish(lab, 8080)
    ctl.configure("closed", 'service "web" { proto = tcp  port = 8080  hold = 60  max-hold = 60 }\n')
    nft.load(lab.server, "table inet filter { chain forward { type filter hook forward priority filter; policy drop\n"
             "ct state established accept\n}\n}")  # fmt: skip
    ctl.ok("install")
    open_doors(lab.server, C4, C6, service="web", port=8080)
    assert reachable(lab, 8080) == [False, False]
    (command,) = ctl.commands()
    assert command == "nft insert rule inet filter forward ct mark and 0x10000 == 0x10000 accept"
    lab.server.run(*command.split())
    assert reachable(lab, 8080) == [True, True]
    assert ctl.check()["exit"] == 0


REPLY_BLOCKS = {
    "policy": "type filter hook output priority filter; policy drop\nct state established,related accept\n"
    "meta l4proto ipv6-icmp accept",
    "untracked": "type filter hook output priority filter; policy accept\n"
    "meta l4proto ipv6-icmp accept\nct state untracked drop",
}


@pytest.mark.parametrize("block", REPLY_BLOCKS)
def test_replies_that_would_not_leave(lab, ctl, block):
    nft.load(lab.server, "table inet filter { chain output { %s\n}\n}" % REPLY_BLOCKS[block])
    ctl.configure("closed")
    ctl.ok("install")

    def replies(address):
        family = connect.family(address)
        with lab.client.socket(family, socket.SOCK_DGRAM) as ear, lab.server.socket(family, socket.SOCK_DGRAM) as s:
            ear.settimeout(0.3)
            ear.bind((address, 0))
            s.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 0x100000)
            s.bind(("", 20123))
            with contextlib.suppress(TimeoutError, PermissionError):
                s.sendto(b"reply", ear.getsockname()[:2])
                return ear.recv(10) == b"reply"

    assert not replies(C4) and not replies(C6)
    (command,) = ctl.commands()
    assert command == "nft insert rule inet filter output meta mark and 0x100000 == 0x100000 accept"
    lab.server.run(*command.split())
    assert replies(C4) and replies(C6)
    assert ctl.check()["exit"] == 0


def test_invalid_is_dropped_without_harm_to_replies(lab, ctl):
    nft.load(lab.server, "table inet filter { chain output { type filter hook output priority filter; policy accept\n"
             "ct state invalid drop\n}\n}")  # fmt: skip
    ctl.configure("closed")
    ctl.ok("install")
    assert ctl.check()["exit"] == 0


SILENCES = [
    ("", "closed"),
    (nft.DROP_HOST, "drop"),
    (nft.FIREWALLD_LIKE, "drop"),
    ("table inet f { chain input { %s accept\ntcp dport 1-1000 drop\nudp dport 1-1000 drop\n}\n}" % INPUT, "drop"),
    ("table inet f { chain input { %s accept\nmeta l4proto tcp reject with tcp reset\nreject\n}\n}" % INPUT, "closed"),
]


@pytest.mark.parametrize("rules,fits", SILENCES)
@pytest.mark.parametrize("configured", ["drop", "closed"])
def test_which_silence_fits(lab, ctl, rules, fits, configured):
    nft.load(lab.server, rules)
    ctl.configure(configured)
    ctl.ok("install")
    said = " ".join(a["text"] for a in ctl.advice())
    assert (f"silence = {fits}" in said) == (configured != fits)
    assert f"silence = {'drop' if fits == 'closed' else 'closed'}" not in said


def test_what_check_says_of_the_table(lab, ctl):
    ctl.configure("closed", 'service "more" { proto = tcp port = {8000, "8001-8003"} }\n')
    nothing = ctl.check()
    assert (nothing["installed"], nothing["armed"], nothing["exit"]) == (False, False, ADVICE)
    ctl.ok("install")
    fine = ctl.check()
    assert (fine["installed"], fine["armed"], fine["as_configured"], fine["exit"]) == (True, True, True, 0)
    with Backend(lab.server, [("ssh", 6, 22)]) as backend:  # doors are no difference
        backend.ok("open", "ssh", "10.0.0.0/8", 60)
        backend.ok("open", "ssh", "10.0.0.1", 60)
        backend.ok("open", "ssh", "fd00::/64", 60)
    assert ctl.check()["exit"] == 0
    lab.server.run("nft", "insert", "rule", "inet", "postern", "guard", "accept")
    assert ctl.check()["as_configured"] is False and ctl.check()["exit"] == ADVICE
    ctl.ok("install")
    assert ctl.check()["exit"] == 0
    lab.server.run("nft", "flush", "set", "inet", "postern", "guarded")
    assert ctl.check()["armed"] is False and ctl.check()["exit"] == ADVICE
    assert nft.others(lab.server) == ""


def test_show(lab, ctl):
    shown = ctl.ok("show")
    assert "table inet postern" in shown and nft.listing(lab.server) == ""
    lab.server.run("nft", "-c", "-f", "-", stdin=shown)  # nft would take it
    ctl.ok("install")
    open_doors(lab.server, C4)
    said = json.loads(ctl.ok("show", "--json"))
    assert said["installed"] and said["guarded"] == [{"protocol": "tcp", "port": 22, "guarded": "for good", "rest_s": None}]
    (door,) = said["doors"]
    assert door["from"] == C4 and 55 <= door["rest_s"] <= 60


def test_try_confirm_install_remove(lab, ctl):
    assert ctl("confirm").returncode == 1
    start = time.monotonic()
    ctl.ok("try", "--for", "2")
    assert reachable(lab) == [False, False]
    until(lambda: all(reachable(lab)), 4, "the end of the trial")
    assert time.monotonic() - start > 1.7
    assert "trial has ended" in ctl("confirm").stderr
    ctl.ok("try", "--for=30")
    ctl.ok("confirm")
    assert reachable(lab) == [False, False]
    assert "nothing to try" in ctl.ok("try")
    ctl.ok("remove")
    assert all(reachable(lab)) and nft.listing(lab.server) == ""
    ctl.ok("remove")  # again is fine


@pytest.mark.parametrize("words", [[], ["shut"], ["try", "--for"], ["try", "--for", "0"], ["try", "--for", "1x"],
                                   ["show", "--force"], ["install", "now"]])  # fmt: skip
def test_bad_usage(lab, ctl, words):
    assert ctl(*words).returncode == 2
    assert nft.listing(lab.server) == ""


# --- the administrator's own session ---


LEADING = """
service "four" { proto = tcp  port = 81  forward = "10.0.0.5:80" }
service "six" { proto = tcp  port = 82  forward = "[fd00::5]:80" }
"""


def test_doors_that_lead_on_where_the_kernel_forwards_nothing_are_told_of(lab, ctl):
    switches = ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding")

    def missing(more):
        """The switches that are to be turned, with the others as they are."""
        ctl.configure(more=more)
        said = [a["text"] for a in ctl.advice() if "forwards no packets" in a["text"]]
        return [s for s in switches if any(f"sysctl -w {s}=1" in text for text in said)]

    def turn(*to):
        for switch, value in zip(switches, to, strict=True):
            lab.server.sysctl(switch, value)

    turn(0, 0)
    assert missing(LEADING) == list(switches)
    assert missing('service "here" { proto = tcp  port = 81  forward = 22 }\n') == []
    gateway = 'gateway "net" { inside = lan0  outside = eth0 }\n'
    assert missing(gateway) == ["net.ipv4.ip_forward"]
    turn(0, 1)  # one family alone may be what the gateway is for
    assert missing(gateway) == [] and missing(LEADING) == ["net.ipv4.ip_forward"]
    turn(1, 0)
    assert missing(gateway) == [] and missing(LEADING) == ["net.ipv6.conf.all.forwarding"]
    turn(1, 1)
    assert missing(gateway) == missing(LEADING) == []


@contextlib.contextmanager
def session(lab, client=C4, server=S4, port=22):
    """A connection to the server, and what sshd would call it."""
    with lab.client.socket(connect.family(server)) as s:
        s.settimeout(3)
        s.connect((server, port))
        assert s.recv(10) == b"hello"
        yield s, {"SSH_CONNECTION": f"{client} {s.getsockname()[1]} {server} {port}"}


def lives(s):
    """What the client sends is acknowledged."""

    def unacknowledged():
        return struct.unpack("i", fcntl.ioctl(s, termios.TIOCOUTQ, bytes(4)))[0]

    s.send(b"x")
    until(lambda: unacknowledged() == 0, 10, "the acknowledgement")
    return True


@pytest.mark.parametrize("client,server", [(C4, S4), (C6, S6)], ids=["v4", "v6"])
@pytest.mark.parametrize("words", [["try", "--for", "20"], ["install"]], ids=lambda w: w[0])
def test_the_session_it_runs_in_lives_on(lab, ctl, client, server, words):
    with session(lab, client, server) as (s, env):
        assert "lives on" in ctl.ok(*words, env=env)
        assert reachable(lab) == [False, False]
        assert lives(s)


def outlives_s(lab, s):
    """For how many seconds without a packet the server's kernel remembers the connection."""
    port = s.getsockname()[1]
    return max(int(line.split()[4]) for line in tracked(lab.server) if f" sport={port} " in line)


def exchange(sender, receiver):
    """As much as there is room for on the way, and all of it is taken."""
    sent = 0
    sender.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            sent += sender.send(bytes(65536))
    receiver.settimeout(5)
    while sent > 0:
        got = len(receiver.recv(65536))
        assert got > 0
        sent -= got


@pytest.mark.parametrize("client,server", [(C4, S4), (C6, S6)], ids=["v4", "v6"])
def test_a_session_that_lives_on_may_be_idle(lab, ctl, client, server):
    """Also when both sides sent more than their windows seem to be that nobody knows the scale of."""
    ctl.configure(more='service "other" { proto = tcp  port = 2222 }\n')
    with lab.server.socket(connect.family(server)) as listening, lab.client.socket(connect.family(server)) as near:
        listening.bind((server, 2222))
        listening.listen()
        near.connect((server, 2222))
        far, _ = listening.accept()
        with far:
            ctl.ok("install")
            for _ in range(2):
                exchange(far, near)
                exchange(near, far)
            until(lambda: outlives_s(lab, near) > HOUR_S, 10, "a connection that may be idle")


@pytest.mark.parametrize("words", [["try", "--for", "20"], ["install"]], ids=lambda w: w[0])
def test_a_session_that_would_be_cut_is_warned_of(lab, ctl, words):
    """The kernel tracks no such connection: an end of it may be in another namespace, for example."""
    env = {"SSH_CONNECTION": f"{C4} 50000 {S4} 22"}
    done = ctl(*words, env=env)
    assert done.returncode == 1 and "ssh" in done.stderr and "--force" in done.stderr
    assert nft.listing(lab.server) == "" and all(reachable(lab))
    ctl.ok(*words, "--force", env=env)
    assert reachable(lab) == [False, False]


def test_sessions_that_are_none_of_the_guards_business(lab, ctl):
    for connection in (f"{C4} 50000 {S4} 2222", "", "nonsense", "1 2 3 4"):
        ctl.ok("install", env={"SSH_CONNECTION": connection})
        ctl.ok("remove")


def test_the_session_is_found_behind_sudo(lab, ctl):
    """An ancestor has the variable, we have not."""
    command = f"env -u SSH_CONNECTION {ctl.program} -c {ctl.path} firewall install; true"
    env = {"SSH_CONNECTION": f"{C4} 50000 {S4} 22"}
    done = lab.server.run("sh", "-c", command, env=env)
    assert "--force" in done.stderr and nft.listing(lab.server) == ""


def test_a_session_through_dnat_is_judged_by_the_outer_port(lab, ctl):
    """sshd knows the inner port alone; the guard sees the outer one."""
    for family in ("ip", "ip6"):
        nft.load(lab.server, f"table {family} nat {{ chain pre {{ type nat hook prerouting priority dstnat; policy accept\n"
                 "tcp dport 2222 redirect to :22\n}\n}")  # fmt: skip
    ctl.configure("drop", 'service "outer" { proto = tcp  port = 2222  hold = 60  max-hold = 60 }\n')
    with lab.client.socket(socket.AF_INET) as s:
        s.settimeout(3)
        s.connect((S4, 2222))
        assert s.recv(10) == b"hello"
        env = {"SSH_CONNECTION": f"{C4} {s.getsockname()[1]} {S4} 22"}
        assert "lives on" in ctl.ok("try", "--for", "20", env=env)
        assert lives(s)
