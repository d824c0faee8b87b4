"""The guard itself: no way round it, no harm to the host's own traffic, no touch of anybody else's rules."""

import re

import pytest
from lab import connect, nft, until
from lab.network import v4, v6
from lab.postern import SSH, Postern
from lab.user import GRANTED
from wire import frames

DNS = ("dns", "udp", 5353, 60, 3600)
WEB = ("web", "tcp", 8080, 60, 3600)
GUARDED = pytest.mark.house(services=(SSH, DNS), sshd=False, alice=False)
OPEN_PORT = 5354  # a service beside it that is not guarded: the control


def tagged(*tags):
    return lambda house, ip: [ethernet(house, ip, tags)]


def ethernet(house, ip, vlans=(), mac=None):
    return frames.ethernet(mac or house.server.mac("eth0"), house.client.mac("eth0"), ip, vlans)


def broadcast(house, ip):
    return [ethernet(house, ip, mac="ff:ff:ff:ff:ff:ff")]


def multicast(house, ip):
    """To the hardware address that belongs to the group."""
    dst = ip[24:40] if ip[0] >> 4 == 6 else ip[16:20]
    mac = "33:33:" + dst[-4:].hex(":") if len(dst) == 16 else f"01:00:5e:{dst[1] & 127:02x}:{dst[2:].hex(':')}"
    return [ethernet(house, ip, mac=mac)]


def plain(house, ip):
    return [ethernet(house, ip)]


def ways(dport):
    """Name, and the frames of a datagram to a port, sent in every way that might get round a guard."""
    c4, c6, s4, s6 = v4("client"), v6("client"), v4("server"), v6("server")

    def udp(src, dst, size=64):
        return frames.udp(src, 7777, dst, dport, b"x" * size)

    def v4_to(dst):
        return frames.ipv4(c4, dst, frames.UDP, udp(c4, dst))

    def v6_to(dst):
        return frames.ipv6(c6, dst, frames.UDP, udp(c6, dst))

    def extended(*kinds):
        return frames.with_extensions(c6, s6, frames.UDP, udp(c6, s6), kinds)

    atomic = frames.ipv6(c6, s6, frames.FRAGMENT,
                         frames.fragment_header(frames.UDP, 0, False, 9) + udp(c6, s6))
    yield "plain v4", plain, [v4_to(s4)]
    yield "plain v6", plain, [v6_to(s6)]
    yield "subnet broadcast", broadcast, [v4_to("10.88.0.255")]
    yield "limited broadcast", broadcast, [v4_to("255.255.255.255")]
    yield "v4 multicast", multicast, [v4_to("224.0.0.1")]
    yield "v6 multicast", multicast, [v6_to("ff02::1")]
    yield "v4 fragments", plain, frames.fragments(c4, s4, frames.UDP, udp(c4, s4, 256), 64)
    yield "v4 fragments that split the header", plain, frames.fragments(c4, s4, frames.UDP, udp(c4, s4), 8)
    yield "v6 fragments", plain, frames.fragments(c6, s6, frames.UDP, udp(c6, s6, 256), 64)
    yield "v6 atomic fragment", plain, [atomic]
    yield "v6 hop-by-hop", plain, [extended(frames.HOP_BY_HOP)]
    yield "v6 destination options", plain, [extended(frames.DESTINATION)]
    yield "v6 both, twice", plain, [extended(frames.HOP_BY_HOP, *[frames.DESTINATION] * 2)]
    yield "v4 options", plain, [frames.ipv4(c4, s4, frames.UDP, udp(c4, s4), options=b"\1" * 8)]
    yield "VLAN 0", tagged((0x8100, 0)), [v4_to(s4)]
    yield "VLAN 0 v6", tagged((0x8100, 0)), [v6_to(s6)]


def test_every_way_reaches_a_port_that_is_not_guarded(lab):
    """Else the next test could not fail."""
    echo = connect.UdpEcho(lab.server, OPEN_PORT)
    for expected, (name, frame, packets) in enumerate(ways(OPEN_PORT), 1):
        for packet in packets:
            lab.client.inject("eth0", frame(lab, packet))
        until(lambda: echo.heard() == expected, 10, name)


@GUARDED
@pytest.mark.parametrize("silence", ["drop", "closed"])
def test_no_way_round_it(house, silence):
    house.postern.directives["silence"] = silence
    house.postern.write_config()
    house.postern.reload_and_wait()
    guarded, control = connect.UdpEcho(house.server, 5353), connect.UdpEcho(house.server, OPEN_PORT)
    for expected, ((name, frame, packets), (_, _, same)) in enumerate(zip(ways(5353), ways(OPEN_PORT)), 1):
        for packet in packets:
            house.client.inject("eth0", frame(house, packet))
        for packet in same:
            house.client.inject("eth0", frame(house, packet))
        # The control, sent later by the same way, arrived: so the other had its time.
        until(lambda: control.heard() == expected, 10, f"the control by {name}")
        assert guarded.heard() == 0, name


@GUARDED
def test_other_tags_reach_nobody_at_all(house):
    """This kernel takes frames of VLAN 0 alone; nothing of ours changes that."""
    control = connect.UdpEcho(house.server, OPEN_PORT)
    packet = frames.udp_packet(v4("client"), 7777, v4("server"), OPEN_PORT, b"x")
    for tags in (((0x8100, 5),), ((0x88A8, 5), (0x8100, 6))):
        house.client.inject("eth0", tagged(*tags)(house, packet))
    house.client.inject("eth0", plain(house, packet))
    until(lambda: control.heard() == 1, 10, "the plain one")


@pytest.mark.parametrize("silence", ["drop", "closed"])
def test_the_host_reaches_its_own_services(house, silence):
    house.postern.directives["silence"] = silence
    house.postern.write_config()
    house.postern.reload_and_wait()
    for address in ("127.0.0.1", "::1", v4("server"), v6("server")):
        assert house.sshd.login(house.server, address), address
    assert house.all_closed()


LISTENER = (
    "import socket,sys\n"
    "s=socket.create_server(('::',int(sys.argv[1])),family=socket.AF_INET6,dualstack_ipv6=True)\n"
    "print('ready',flush=True)\n"
    "while True:\n    c,a=s.accept()\n    c.sendall(b'backend')\n    c.close()\n"
)


def publish(lab, outer=8080):
    """A backend behind the server, published by DNAT as Docker does it, IPv4 and IPv6."""
    backend = lab._namespace("backend")
    lab.server.ip("link", "add", "inner0", "type", "veth", "peer", "name", "eth0", "netns", backend.name)
    for host, device, n in ((lab.server, "inner0", 1), (backend, "eth0", 2)):
        host.ip("link", "set", device, "up")
        host.ip("addr", "add", f"10.89.0.{n}/24", "dev", device)
        host.ip("addr", "add", f"fd89::{n}/64", "dev", device, "nodad")
    backend.ip("route", "add", "default", "via", "10.89.0.1")
    backend.ip("-6", "route", "add", "default", "via", "fd89::1")
    lab.server.sysctl("net.ipv4.ip_forward", 1)
    lab.server.sysctl("net.ipv6.conf.all.forwarding", 1)
    backend.start("/usr/bin/python3", "-c", LISTENER, 80, name="listener").wait_line("ready")
    rules = nft.DOCKER_LIKE % {"outer": outer, "inner": "10.89.0.2:80"}
    nft.load(lab.server, rules + rules.replace("table ip ", "table ip6 ").replace("10.89.0.2:80", "[fd89::2]:80"))
    for address in (v4("server"), v6("server")):
        until(lambda a=address: connect.is_open(lab.client, a, outer), 10, "the published port")


@pytest.mark.house(services=(SSH, WEB), sshd=False, setup=publish)
def test_a_port_published_by_dnat_is_guarded(house):
    assert house.all_closed(8080)
    card = house.postern.enrol("carol", "service=web")
    house.postern.reload_and_wait()
    assert house.knocker(card).open(("web",)).verdict == "ok"
    assert house.is_open(port=8080)
    assert not house.is_open(house.attacker, port=8080) and not house.is_open(six=True, port=8080)
    assert house.knocker(card, six=True).open(("web",)).verdict == "ok"
    assert house.is_open(port=8080, six=True)


def advised_rule(text):
    """The one rule that `firewall check` says to add, as an nft command."""
    rule = re.search(r"^\s*(?:nft )?((?:add|insert) rule .*)$", text, re.M)
    assert rule, text
    return rule[1]


@pytest.mark.house(setup=lambda h: nft.load(h.server, nft.DARK_HOST))
def test_a_host_that_drops_by_default_gets_the_right_advice(house):
    assert house.alice.postern("open", "alice").returncode == GRANTED
    assert not house.is_open() and not house.is_open(six=True)  # its own chain drops
    done = house.postern.ctl("firewall", "check", check=False)
    nft.load(house.server, advised_rule(done.stdout + done.stderr) + "\n")
    assert house.is_open() and house.is_open(six=True)
    assert not house.is_open(house.attacker)
    done = house.postern.ctl("firewall", "check", check=False)
    assert not re.search(r"(?:add|insert) rule", done.stdout + done.stderr)


@pytest.mark.parametrize("drops", [True, False])
@pytest.mark.house(start=False)
def test_check_finds_out_which_silence_fits(house, drops):
    nft.load(house.server, nft.DROP_HOST if drops else "")
    house.postern.directives["silence"] = "closed" if drops else "drop"
    house.postern.write_config()
    done = house.postern.ctl("firewall", "check", check=False)
    assert re.search(rf"silence = {'drop' if drops else 'closed'}", done.stdout + done.stderr)


@pytest.mark.parametrize("rules", ["UFW_LIKE", "FIREWALLD_LIKE", "DROP_HOST", "all"])
@pytest.mark.house(start=False)
def test_other_rulesets_stay_untouched_byte_for_byte(house, rules):
    text = nft.UFW_LIKE + nft.FIREWALLD_LIKE + nft.DROP_HOST if rules == "all" else getattr(nft, rules)
    nft.load(house.server, text)
    before = nft.listing(house.server)
    house.postern.start()
    house.alice.postern("open", "alice")
    house.alice.postern("close", "alice")
    house.postern.reload_and_wait()
    house.knocker().open(hold=1)
    house.postern.kill("auth")
    assert nft.others(house.server) == before
    house.postern.stop()
    assert nft.others(house.server) == before
    house.postern.ctl("firewall", "remove")
    assert nft.listing(house.server) == before


def test_who_flushes_the_ruleset_does_not_leave_us_open(house):
    """`nft flush ruleset` by a script of the host: the guard is back at once, and plain doors for their rest."""
    assert house.alice.postern("open", "alice", "--hold", "60").returncode == GRANTED
    assert house.alice.postern("open", "alice", "-a", "10.88.0.9", "--single-use").returncode == GRANTED
    before = {s["session"]: s["rest_s"] for s in house.postern.sessions()}
    house.server.run("nft", "flush", "ruleset")
    until(lambda: house.postern.log_lines("doors-lost put_back=[12] gone=1"), 10, "the doors")
    assert "postern" in nft.listing(house.server) and not house.is_open(house.attacker)
    assert house.is_open()
    after = until(lambda: len(s := house.postern.sessions()) < len(before) and s, 10, "the end of the other")
    assert all(0 < s["rest_s"] <= before[s["session"]] for s in after)
    assert house.postern.log_lines("address=10.88.0.9 .*why=gone")
    assert house.alice.postern("open", "alice").returncode == GRANTED
    assert house.is_open()


def doors_lost(house, times):
    house.server.run("nft", "flush", "ruleset")
    return until(lambda: len(lines := house.postern.log_lines("doors-lost")) == times and lines[-1], 10, "the doors")


@pytest.mark.house(services=(SSH, WEB))
def test_a_flush_opens_nothing_that_was_closed_before(house):
    """A door that a reload closed is nobody's any more, though its service comes back."""
    card = house.postern.enrol("carol", "service=web")
    house.postern.reload_and_wait()
    assert house.knocker(card).open(("web",)).verdict == "ok"
    assert house.alice.postern("open", "alice", "-4", "--hold", "60").returncode == GRANTED
    for services in ((SSH, (*WEB[:2], 8081, *WEB[3:])), (SSH, WEB)):
        house.postern.services = services
        house.postern.write_config()
        house.postern.reload_and_wait()
    assert "put_back=1 gone=0" in doors_lost(house, 1)
    assert [port for _, _, port in house.postern.doors()] == [22] and house.is_open()
    # And again, so soon that a reload comes before the guard is looked after the next time.
    house.server.run("nft", "flush", "ruleset")
    house.postern.reload_and_wait()
    until(lambda: len(house.postern.log_lines("doors-lost put_back=1 gone=0")) == 2, 10, "the door")
    assert len(house.postern.sessions()) == 1 and house.is_open()


def element(house, verb, address, more=""):
    house.server.run("nft", verb, "element", "inet", "postern", "doors4", f"{{ {address} . tcp . 22 {more} }}")


def test_doors_that_somebody_else_puts_there_or_takes_away(house):
    assert house.alice.postern("open", "alice", "-4").returncode == GRANTED
    for times, more in enumerate(("", "timeout 30s"), 1):
        element(house, "add", v4("attacker"), more)
        until(lambda: len(house.postern.log_lines(f"door_taken_away .*from={v4('attacker')} ")) == times, 10, "notice")
        assert not house.is_open(house.attacker) and house.is_open()
    element(house, "delete", v4("client"))
    until(lambda: not house.postern.sessions(), 10, "the end of the session")
    assert not house.is_open()  # who closes one door by hand wants it closed
    assert house.postern.log_lines("ended client=alice .*why=gone")
    assert house.alice.postern("open", "alice", "-4", "--hold", "60").returncode == GRANTED
    assert "The door for" not in house.postern.ctl("firewall", "check", check=False).stdout
    house.postern.stop()
    element(house, "add", v4("attacker"))
    check = house.postern.ctl("firewall", "check", check=False)
    assert check.returncode == 5 and v4("attacker") in check.stdout and "no end" in check.stdout
    house.postern.start()
    assert not house.is_open(house.attacker) and house.is_open()
    assert "The door for" not in house.postern.ctl("firewall", "check", check=False).stdout


def test_a_door_is_for_one_port_and_one_protocol(house):
    assert house.knocker().open().verdict == "ok"
    assert house.is_open()
    for port in (23, 80, Postern.PORT):
        assert not house.is_open(port=port)


def test_established_flows_are_not_cut_when_the_guard_comes(house):
    """A session that is there when the daemon starts lives on."""
    house.postern.stop()
    house.postern.ctl("firewall", "remove")
    with house.client.socket() as s:
        s.connect((v4("server"), 22))
        assert s.recv(100).startswith(b"SSH-")
        house.postern.start()
        assert not house.is_open()
        s.settimeout(5)
        s.sendall(b"SSH-2.0-lab\r\n")
        assert s.recv(100)
