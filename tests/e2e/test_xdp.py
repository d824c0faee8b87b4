"""capture = xdp: knocks through the kernel's program, strangers no further than it."""

import json
import os
import socket

import pytest
from lab import until
from lab.network import v4, v6
from lab.postern import Postern
from lab.process import status
from lab.tunnel import Tun
from lab.user import GRANTED
from test_capture import TAGS, arrives, opens_both, works
from test_guard import ethernet, plain, tagged
from wire import frames

JUNK = 50  # as many as wait in a socket that nobody reads


def program(host, device="eth0"):
    """What is attached to a device: None, or "native" or "generic"."""
    link = json.loads(host.ip("-j", "link", "show", "dev", device))[0]
    return {None: None, 1: "native", 2: "generic"}[link.get("xdp", {}).get("mode")]


def stacked(lab):
    """The server's addresses on a device without a driver, above eth0: there the program runs before the stack."""
    host = lab.server
    host.ip("addr", "flush", "dev", "eth0")
    host.ip("link", "add", "top0", "link", "eth0", "address", "02:88:00:00:00:51", "type", "macvlan", "mode", "private")
    host.sysctl("net.ipv6.conf.top0.accept_dad", 0)
    host.ip("addr", "add", v4("server") + "/24", "brd", "+", "dev", "top0")
    host.ip("link", "set", "top0", "up")
    host.ip("addr", "add", v6("server") + "/64", "dev", "top0", "nodad")
    host.sync_link("top0")


class Ear:
    """What an AF_PACKET socket of the server hears of datagrams to the knock port, as tcpdump would."""

    def __init__(self, house):
        self.socket = house.server.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.bind(("eth0", 3))
        self.socket.setblocking(False)

    def heard(self, marker):
        """Since it was asked last."""
        count = 0
        while True:
            try:
                frame, (_, _, kind, *_) = self.socket.recvfrom(4096)
            except BlockingIOError:
                return count
            count += kind != socket.PACKET_OUTGOING and marker in frame


def junk(house, dst, wrap=frames.packet, mac=None):
    """A stranger's datagram to the knock port, in frames by hand; and what it can be told by."""
    marker = os.urandom(16)
    src = v6("client") if ":" in dst else v4("client")
    datagram = frames.udp(src, 5555, dst, Postern.PORT, marker + os.urandom(400))
    return ethernet(house, wrap(src, dst, frames.UDP, datagram), mac=mac), marker


def reaches(house, ear, frame, marker, count=JUNK):
    """How many of them come past the program."""
    before = house.postern.counter(".gate")
    house.client.inject("eth0", [frame] * count)
    # What it drops it counts itself; what it lets pass the slow path counts.
    until(lambda: house.postern.counter(".gate") == before + count, 10, "all of them")
    return ear.heard(marker)


@pytest.mark.house(capture="xdp", interface=["eth0"])
def test_opens_the_real_door_native(house):
    assert program(house.server) == "native"
    opens_both(house)


@pytest.mark.house(capture="xdp", interface=["top0"], setup=stacked)
def test_opens_the_real_door_generic(house):
    assert program(house.server, "top0") == "generic"
    opens_both(house)


@pytest.mark.parametrize("tags", TAGS)
@pytest.mark.parametrize("six", [False, True], ids=["v4", "v6"])
@pytest.mark.house(capture="xdp", interface=["eth0"], alice=False, sshd=False)
def test_knocks_under_tags(house, tags, six):
    """One and two, in the frame: the program itself takes them, so nobody behind it sees them."""
    ear, ends = Ear(house), []

    def make(src, dst, datagram):
        ends.append(datagram[:4])  # both ports: two bytes alone may be in any packet
        return tagged(*TAGS[tags])(house, frames.packet(src, dst, frames.UDP, datagram))

    assert arrives(house, make, six) == "ok"
    assert ear.heard(ends[0]) == 0


@pytest.mark.parametrize("carrier", ["tcp", "icmp", "sequence"])
@pytest.mark.house(capture="xdp", interface=["eth0"], tcp_port=14124, icmp="yes", sequence=[7001, 7312, 4099, 31000, 1234])
def test_other_carriers_open_the_door(house, carrier):
    """The program knows the first two; pieces pass it, and the ring beside it hears them."""
    house.client.sysctl("net.ipv4.ping_group_range", "0 2147483647")
    assert house.alice.postern("open", "alice", "ssh", "--carrier", carrier).returncode == GRANTED
    assert house.is_open() and house.is_open(six=True)
    assert not house.is_open(house.attacker)
    house.alice.postern("close", "alice", "ssh", "--carrier", carrier)
    assert house.all_closed()


@pytest.mark.parametrize("how", ["options", "extensions"])
@pytest.mark.house(capture="xdp", interface=["eth0"], alice=False, sshd=False)
def test_what_the_program_does_not_understand_takes_the_slow_path(house, how):
    six = how == "extensions"
    ear = Ear(house)
    frame, marker = junk(house, v6("server") if six else v4("server"), wrap_slow(six))
    assert reaches(house, ear, frame, marker) == JUNK

    def make(src, dst, datagram):
        return plain(house, wrap_slow(six)(src, dst, frames.UDP, datagram))

    assert arrives(house, make, six) == "ok"


def wrap_slow(six):
    if six:
        return lambda *words: frames.with_extensions(*words, [frames.HOP_BY_HOP, frames.DESTINATION])
    return lambda *words: frames.ipv4(*words, options=b"\1" * 8)


@pytest.mark.house(capture="xdp", interface=["eth0"], alice=False, sshd=False)
def test_strangers_end_in_the_kernel(house):
    """Nobody behind the program sees them; those to other hosts, or to other machines of this one, it leaves alone."""
    assert works(house, v4("server")) and works(house, v6("server"))
    ear = Ear(house)
    for dst in house.addresses():
        assert reaches(house, ear, *junk(house, dst)) == 0
    for dst in ("10.99.0.1", "fd99::1"):
        # To be forwarded, if this host were a router; and a machine of its own on this cable.
        assert reaches(house, ear, *junk(house, dst)) == JUNK
    assert reaches(house, ear, *junk(house, v4("server"), mac="02:88:00:00:00:77")) == JUNK
    assert works(house, v4("server")) and works(house, v6("server"))


@pytest.mark.parametrize("address", ["10.88.0.77/24", "fd88::77/64"])
@pytest.mark.house(capture="xdp", interface=["eth0"], alice=False, sshd=False)
def test_addresses_that_come_and_go(house, address):
    """The process that keeps the list has no privilege left, and hears of them all the same."""
    dst = address.split("/")[0]
    ear = Ear(house)
    assert works(house, v4("server"))
    assert reaches(house, ear, *junk(house, dst)) == JUNK
    house.server.ip("addr", "add", address, "dev", "eth0", *(["nodad"] if ":" in dst else []))
    until(lambda: reaches(house, ear, *junk(house, dst), count=1) == 0, 5, "the address is known")
    assert reaches(house, ear, *junk(house, dst)) == 0
    assert works(house, dst)
    house.server.ip("addr", "del", address, "dev", "eth0")
    until(lambda: reaches(house, ear, *junk(house, dst), count=1) == 1, 5, "the address is forgotten")
    assert reaches(house, ear, *junk(house, dst)) == JUNK


@pytest.mark.house(capture="xdp", interface=["eth0"])
def test_when_it_dies_the_program_goes_and_the_guard_stays(house):
    house.postern.stop()
    house.postern.start()
    ear = Ear(house)
    pid = house.postern.pid("capture")
    os.kill(house.postern.pid("monitor"), 19)  # nobody starts another one
    os.kill(pid, 9)
    until(lambda: program(house.server) is None, 5, "the program is gone")
    frame, marker = junk(house, v4("server"))
    house.client.inject("eth0", [frame] * JUNK)
    heard = []
    until(lambda: heard.append(ear.heard(marker)) or sum(heard) == JUNK, 5, "all of them")
    assert house.all_closed()
    os.kill(house.postern.pid("monitor"), 18)
    until(lambda: program(house.server) == "native", 15, "the next one")
    until(lambda: works(house, v4("server"), 0.4), 15, "an answer")
    opens_both(house)


@pytest.mark.house(capture="xdp", interface=["eth0"])
def test_to_other_methods_and_back_in_a_running_daemon(house):
    for method in ("pcap", "xdp", "afpacket", "xdp"):
        house.postern.directives["capture"] = method
        house.postern.write_config()
        house.postern.reload_and_wait()
        until(lambda: (program(house.server) is not None) == (method == "xdp"), 15, method)
        until(lambda: works(house, v4("server"), 0.4), 15, method)
    # One has to go before the next one comes.
    house.postern.directives["log-level"] = "debug"
    house.postern.write_config()
    house.postern.reload_and_wait()
    until(lambda: program(house.server) == "native", 15, "xdp again")
    until(lambda: works(house, v6("server"), 0.4), 15, "xdp again")
    opens_both(house)


@pytest.mark.house(capture="xdp", interface=["eth0"], alice=False, sshd=False)
def test_the_process_keeps_nothing(house):
    found = status(house.postern.pid("capture"))
    for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb", "CapBnd"):
        assert int(found[kind], 16) == 0 or kind == "CapBnd", kind
    assert found["NoNewPrivs"] == "1" and found["Seccomp"] == "2"
    assert "0" not in found["Uid"].split() + found["Gid"].split() + found["Groups"].split()
    # Also when all its work was done once: knocks, strangers, an address, the cable out and in.
    assert works(house, v4("server"))
    house.server.ip("addr", "add", "10.88.0.78/24", "dev", "eth0")
    house.server.ip("link", "set", "eth0", "down")
    house.server.ip("link", "set", "eth0", "up")
    house.switch.sync_link("server-eth0")
    until(lambda: works(house, v4("server"), 0.4), 15, "v4 again")
    assert not house.postern.log_lines("signal=31|SIGSYS|[Bb]ad system call")


@pytest.mark.house(capture="xdp", interface=["eth0"], alice=False, sshd=False)
def test_the_knock_port_answers_where_closed_ports_do(house):
    """As any other: the program must not make it stand out."""
    for silence, error in (("drop", TimeoutError), ("closed", ConnectionRefusedError)):
        house.postern.directives["silence"] = silence
        house.postern.write_config()
        house.postern.reload_and_wait()
        for address in house.addresses():
            until(lambda a=address: works(house, a, 0.4), 15, "an answer")
            until(lambda a=address, e=error: ask(house, a) is e, 15, f"{address} {silence}")
            assert works(house, address)


def ask(house, address):
    """What a stranger hears from the knock port."""
    with house.attacker.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(0.3)
        s.connect((address, Postern.PORT))
        s.send(os.urandom(400))
        try:
            s.recv(100)
        except OSError as error:
            return type(error)


@pytest.mark.house(capture="xdp", interface=["tun0"], start=False, alice=False, sshd=False)
def test_a_device_without_ethernet_is_refused(house):
    tun = Tun(house.server, "tun0", "10.77.0.1/24")
    house.postern.start(wait=False)
    house.postern.process.wait_line("interface=tun0 .*not Ethernet's; use capture = afpacket")
    tun.close()


@pytest.mark.house(capture="xdp", interface=["eth0"], start=False, alice=False, sshd=False)
def test_a_program_that_is_there_already_is_not_driven_out(house):
    image = house.server.folder / "pass.o"
    source = '__attribute__((section("xdp"))) int pass(void *c) { (void)c; return 2; }\n'
    house.server.run("clang", "-O2", "-target", "bpf", "-c", "-x", "c", "-", "-o", image, stdin=source)
    house.server.ip("link", "set", "dev", "eth0", "xdp", "obj", image, "sec", "xdp")
    house.postern.start(wait=False)
    house.postern.process.wait_line("another XDP program is at this interface")
    assert program(house.server) == "native"
    house.server.ip("link", "set", "dev", "eth0", "xdp", "off")
    until(lambda: works(house, v4("server"), 0.4), 15, "its turn")
