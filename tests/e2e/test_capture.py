"""Where knocks come in: interfaces one, many, any; down, up and late; tags, options and extension headers."""

import os

import pytest
from lab import connect, until
from lab.knocker import Knocker
from lab.network import v4, v6
from lab.postern import Postern
from lab.tunnel import Tun
from lab.user import GRANTED
from test_guard import ethernet, plain, tagged
from wire import frames

SECOND = {"server": ("10.66.0.1", "fd66::1"), "client": ("10.66.0.2", "fd66::2")}


def second_cable(lab, roles=("server", "client")):
    """eth1 on both, with addresses of its own."""
    for number, role in enumerate(roles, 40):
        host = getattr(lab, role)
        lab.connect(host, "eth1", number)
        host.ip("addr", "add", SECOND[role][0] + "/24", "dev", "eth1")
        host.ip("addr", "add", SECOND[role][1] + "/64", "dev", "eth1", "nodad")


def knocker(house, address):
    return Knocker(house.client, house.card, address, Postern.PORT)


def works(house, address, seconds=3):
    reply = knocker(house, address).ping(seconds)
    return reply and reply.verdict == "ok"


@pytest.mark.parametrize("interface", [["eth0", "eth1"], ["any"]], ids=["two", "any"])
@pytest.mark.house(setup=second_cable, start=False, alice=False)
def test_several_interfaces(house, interface):
    house.postern.directives["interface"] = interface
    house.postern.write_config()
    house.postern.start()
    for address in (*house.addresses(), *SECOND["server"]):
        reply = knocker(house, address).open()
        assert reply.verdict in ("ok", "refreshed"), address
        assert connect.is_open(house.client, address)


@pytest.mark.house(setup=second_cable, alice=False)
def test_one_interface_alone(house):
    assert works(house, v4("server"))
    assert not works(house, SECOND["server"][0], 0.4)


@pytest.mark.house(interface=["any"], alice=False)
def test_any_hears_the_loopback(house):
    for address in ("127.0.0.1", "::1", v4("server")):
        reply = Knocker(house.server, house.card, address, Postern.PORT).ping()
        assert reply.verdict == "ok" and reply.address_seen in (address, v4("server"))


@pytest.mark.parametrize("interface", ["eth0", "any"])
@pytest.mark.house(alice=False, start=False)
def test_down_and_up(house, interface):
    house.postern.directives["interface"] = [interface]
    house.postern.write_config()
    house.postern.start()
    assert works(house, v4("server"))
    for _ in range(2):
        house.server.ip("link", "set", "eth0", "down")
        assert not works(house, v4("server"), 0.4)
        house.server.ip("link", "set", "eth0", "up")
        house.server.ip("addr", "replace", v6("server") + "/64", "dev", "eth0", "nodad")
        house.switch.sync_link("server-eth0")
        until(lambda: works(house, v4("server"), 0.4), 15, "v4 again")
        until(lambda: works(house, v6("server"), 0.4), 15, "v6 again")


@pytest.mark.house(alice=False, interface=["eth0", "eth1"])
def test_late_gone_and_new(house):
    """eth1 is not there when the daemon starts; it comes, goes and comes again, a new one of the same name."""
    assert works(house, v4("server"))
    for turn in range(2):
        second_cable(house, ("server", "client") if turn == 0 else ("server",))
        until(lambda: works(house, SECOND["server"][0], 0.4), 15, "eth1")
        house.server.ip("link", "del", "eth1")
        assert works(house, v4("server"))


def arrives(house, make, six=False, seconds=3):
    """A valid knock in a frame made by hand; does it get its answer?"""
    bob = house.knocker(six=six)
    # No challenge from now on. A capture that a reload brings may take a moment.
    assert until(lambda: bob.ping(0.4), 10, "a ping").verdict == "ok"
    knock = bob.make(hold=30)
    src, dst = (v6("client"), v6("server")) if six else (v4("client"), v4("server"))
    datagram = frames.udp(src, bob.socket.getsockname()[1], dst, Postern.PORT, knock.m1)
    house.client.inject("eth0", make(src, dst, datagram))
    reply = bob.reply_to(knock, seconds)
    return reply and reply.verdict


TAGS = {
    "no tag": (),
    "one tag": ((0x8100, 5),),
    "two tags": ((0x88A8, 5), (0x8100, 6)),
    "priority tag": ((0x8100, 0xE000),),
}


@pytest.mark.parametrize("tags", TAGS)
@pytest.mark.parametrize("six", [False, True], ids=["v4", "v6"])
@pytest.mark.house(alice=False, sshd=False)
def test_vlan_tags(house, tags, six):
    def make(src, dst, datagram):
        return tagged(*TAGS[tags])(house, frames.packet(src, dst, frames.UDP, datagram))

    assert arrives(house, make, six) == "ok"


@pytest.mark.parametrize("options", [4, 8, 20, 40])
@pytest.mark.parametrize("interface", ["eth0", "any"])
@pytest.mark.house(alice=False, sshd=False)
def test_ipv4_options(house, options, interface):
    house.postern.directives["interface"] = [interface]
    house.postern.write_config()
    house.postern.reload_and_wait()

    def make(src, dst, datagram):
        return plain(house, frames.ipv4(src, dst, frames.UDP, datagram, options=b"\1" * options))

    assert arrives(house, make) == "ok"


@pytest.mark.parametrize(
    "kinds",
    [[frames.HOP_BY_HOP], [frames.DESTINATION], [frames.HOP_BY_HOP, frames.DESTINATION, frames.DESTINATION]],
)
@pytest.mark.house(alice=False, sshd=False)
def test_ipv6_extension_headers(house, kinds):
    def make(src, dst, datagram):
        return plain(house, frames.with_extensions(src, dst, frames.UDP, datagram, kinds))

    assert arrives(house, make, six=True) == "ok"


@pytest.mark.parametrize("six", [False, True], ids=["v4", "v6"])
@pytest.mark.house(alice=False, sshd=False)
def test_fragments_are_counted_and_dropped(house, six):
    """A knock is never fragmented, so what is, is none."""

    def make(src, dst, datagram):
        return [ethernet(house, p) for p in frames.fragments(src, dst, frames.UDP, datagram, 256)]

    assert arrives(house, make, six, 0.5) is None
    assert not house.postern.doors()


@pytest.mark.house(alice=False, sshd=False)
def test_padding_of_short_frames_is_no_part_of_the_knock(house):
    """Ethernet may leave bytes behind the packet; the IP header says where it ends."""

    def make(src, dst, datagram):
        return [ethernet(house, frames.packet(src, dst, frames.UDP, datagram)) + b"trailer!"]

    assert arrives(house, make) == "ok"


@pytest.mark.parametrize("interface", ["tun0", "any"])
@pytest.mark.parametrize("server, client", [("10.77.0.1", "10.77.0.2"), ("fd77::1", "fd77::2")])
@pytest.mark.parametrize("method", ["pcap", "afpacket"])
@pytest.mark.house(alice=False, sshd=False, start=False)
def test_a_device_without_ethernet(house, interface, server, client, method):
    """Raw IP, as tunnels and VPNs have it."""
    house.postern.directives["capture"] = method
    tun = Tun(house.server, "tun0", "10.77.0.1/24", "fd77::1/64")
    house.postern.directives["interface"] = [interface]
    house.postern.write_config()
    house.postern.start()
    bob = house.knocker()
    knock = bob.make()
    tun.send(frames.udp_packet(client, 5555, server, Postern.PORT, knock.m1))

    def answered():
        head = 48 if ":" in client else 28
        return any(knock.read(packet[head:]) for packet in tun.packets())

    until(answered, 10, "the answer")
    tun.send(frames.udp_packet(client, 5555, server, Postern.PORT, knock.answer()))
    until(answered, 10, "the result")
    tun.close()
    assert knock.reply.verdict == "ok" and knock.reply.address_seen == client
    assert list(house.postern.doors()) == [(client, "tcp", 22)]


METHODS = ["pcap", "afpacket"]


@pytest.mark.parametrize("interface", ["eth0", "any"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.house(start=False)
def test_every_method_opens_the_real_door(house, method, interface):
    """Both families, by the program; who did not knock stays outside."""
    house.postern.directives.update({"capture": method, "interface": [interface]})
    house.postern.write_config()
    house.postern.start()
    assert f"method={method}" in house.postern.log()
    opens_both(house)


@pytest.mark.parametrize("tags", ["no tag", "one tag", "priority tag"])
@pytest.mark.parametrize("six", [False, True], ids=["v4", "v6"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.house(alice=False, sshd=False, start=False)
def test_every_method_reads_under_tags(house, method, six, tags):
    house.postern.directives["capture"] = method
    house.postern.write_config()
    house.postern.start()

    def make(src, dst, datagram):
        return tagged(*TAGS[tags])(house, frames.packet(src, dst, frames.UDP, datagram))

    assert arrives(house, make, six) == "ok"


@pytest.mark.parametrize("silence", ["drop", "closed"])
@pytest.mark.house(start=False, capture="nflog", interface=["any"])
def test_the_firewalls_log_opens_the_real_door(house, silence):
    house.postern.directives["silence"] = silence
    house.postern.write_config()
    house.postern.start()
    if silence == "drop":
        opens_both(house)
    else:
        assert house.alice.postern("open", "alice", "ssh").returncode == GRANTED
        assert all(house.sshd.login(house.client, address) for address in house.addresses())


@pytest.mark.house(interface=["any"])
def test_to_the_firewalls_log_and_back_in_a_running_daemon(house):
    for method in ("nflog", "pcap", "nflog"):
        before = len(house.postern.log_lines(f"capture_ready.*method={method}"))
        house.postern.directives["capture"] = method
        house.postern.write_config()
        house.postern.reload_and_wait()
        until(lambda: len(house.postern.log_lines(f"capture_ready.*method={method}")) > before, 5, method)
        until(lambda: works(house, v4("server"), 0.4), 15, method)
        until(lambda: works(house, v6("server"), 0.4), 15, method)
    # The group has one reader: the next one waits until the one before has gone.
    house.postern.directives["log-level"] = "debug"
    house.postern.write_config()
    house.postern.reload_and_wait()
    until(lambda: works(house, v4("server"), 0.4), 15, "nflog again")


def recorder(house, target, **more):
    """tcpdump that writes what comes to the knock port."""
    where = ["-i", "any", "-Q", "in", "-nn", "-U", "--immediate-mode", "-Z", "root", "-w", target]
    return house.server.start("tcpdump", *where, "udp", "port", Postern.PORT, name="tcpdump", **more)


def opens_both(house):
    assert house.all_closed()
    assert house.alice.postern("open", "alice", "ssh").returncode == GRANTED
    for address in house.addresses():
        assert house.sshd.login(house.client, address)
        assert connect.tcp(house.attacker, address, 22) == "silent"


@pytest.mark.parametrize("kind", ["file", "fifo", "stdin"])
@pytest.mark.house(start=False, capture="savefile", interface=["any"])
def test_a_recording_opens_the_real_door(house, kind):
    file = house.server.folder / "knocks.pcap"
    house.postern.directives["capture-file"] = "-" if kind == "stdin" else file
    house.postern.write_config()
    if kind == "stdin":
        readable, writable = os.pipe()
        house.postern.start(stdin=readable)
        process = recorder(house, "-", stdout=writable)
        os.close(readable)
        os.close(writable)
    else:
        if kind == "fifo":
            os.mkfifo(file)
        process = recorder(house, file)
        until(file.exists, 5, "the file")
        house.postern.start()
    process.wait_line("listening on")
    opens_both(house)


@pytest.mark.parametrize("kind", ["file", "fifo"])
@pytest.mark.house(start=False, capture="savefile", interface=["any"])
def test_a_recording_is_followed_to_the_next(house, kind):
    """By name, when another file takes it; through the FIFO, when another writer comes."""
    file = house.server.folder / "knocks.pcap"
    house.postern.directives["capture-file"] = file
    house.postern.write_config()
    if kind == "fifo":
        os.mkfifo(file)
    first = recorder(house, file)
    until(file.exists, 5, "the file")
    house.postern.start()
    first.wait_line("listening on")
    assert works(house, v4("server"))
    first.stop()
    if kind == "file":
        file.rename(file.with_suffix(".1"))
    recorder(house, file).wait_line("listening on")
    until(lambda: works(house, v4("server"), 0.4), 15, "the next one")
    opens_both(house)


@pytest.mark.house(start=False, capture="savefile", interface=["any"])
def test_a_recording_that_is_not_there_yet(house):
    file = house.server.folder / "knocks.pcap"
    house.postern.directives["capture-file"] = file
    house.postern.write_config()
    house.postern.start(wait=False)
    house.postern.process.wait_line("there is no such file")
    recorder(house, file).wait_line("listening on")
    until(lambda: works(house, v4("server"), 0.4), 15, "the file")
