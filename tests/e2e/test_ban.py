"""Bans, on the real kernel: who is dropped, what goes on, who is heard all the same, and what ends it."""

import socket

import pytest
from lab import connect, nft, until
from lab.network import v4, v6
from lab.user import DENIED, GRANTED
from test_backends import tables
from test_who import PIN, pin_file, set_pin
from wire import request as rq

OPEN_PORT = 8080  # of a service that nobody guards
WRONG = "barley 47,11"
AFTER, FOR_S = 3, 600
METHODS = {
    "nftables": ("afpacket", "tcpdump", "nflog", "nfqueue", "udp", "pcap"),
    "ipset": ("afpacket", "nflog", "nfqueue", "udp"),  # those that its rules make a difference to, and one
}
ROOM = 16384  # for bans of each family


def by_each_firewall(**directives):
    houses = {name: pytest.mark.house(firewall=name, **directives) for name in ("nftables", "ipset")}
    return pytest.mark.parametrize("firewall", [pytest.param(n, marks=mark, id=n) for n, mark in houses.items()])


def serve(house):
    """The kernel completes connections to it; nobody needs to take them."""
    listener = house.server.socket(socket.AF_INET6, socket.SOCK_STREAM)
    listener.bind(("::", OPEN_PORT))
    listener.listen(64)
    return listener


def reach(house, host=None, six=False):
    address = v6("server") if six else v4("server")
    return connect.tcp(host or house.client, address, OPEN_PORT)


def bans(house):
    return {row["address"]: row["rest_s"] for row in house.postern.ctl_json("bans")["bans"]}


def events(house, *which):
    rows = house.postern.ctl_json("log")["log"]
    return [(r["event"], r["client"], r["from"], r["reason"]) for r in rows if r["event"] in which]


def try_pin(house, pin):
    return house.alice.postern("open", "alice", "-4", pin_file(house, pin)).returncode


def try_forbidden(knocker, proven):
    flags = rq.WANT_REPLY | (rq.WANT_CHALLENGE if proven else 0)
    assert knocker.open(("nothing",), flags=flags).verdict == "denied"


def ban_by_hand(house, *addresses):
    for address in addresses:
        name = "banned6" if ":" in address else "banned4"
        if house.postern.directives.get("firewall") == "ipset":
            house.server.run("ipset", "add", "-exist", f"postern-{name}", address, "timeout", FOR_S)
        else:
            nft.load(house.server, f"add element inet postern {name} {{ {address} timeout {FOR_S}s }}\n")


@by_each_firewall(start=False, ban_after=AFTER, ban_for=FOR_S, suspend_after=0)
def test_wrong_pins_ban_and_a_right_one_lifts(house, firewall):
    set_pin(house)
    house.postern.start()
    listener, knocker = serve(house), house.knocker()
    assert knocker.ping().verdict == "ok"
    # What only says where it comes from counts for nothing.
    for _ in range(AFTER + 1):
        try_forbidden(knocker, proven=False)
    assert bans(house) == {} and reach(house) == "open"
    assert try_pin(house, PIN) == GRANTED
    up = connect.held(house.client, v4("server"))
    assert up.recv(4) == b"SSH-"
    for _ in range(AFTER):
        assert reach(house) == "open"
        assert try_pin(house, WRONG) == DENIED
    until(lambda: v4("client") in bans(house), 10, "the ban")
    assert FOR_S - 30 < bans(house)[v4("client")] <= FOR_S
    until(lambda: events(house, "banned"), 10, "the record")
    assert events(house, "banned") == [("banned", "alice", v4("client"), "code-or-pin")]
    # The whole host is silent to it, its open door included, and to nobody else.
    assert reach(house) == connect.tcp(house.client, v4("server"), 22) == "silent"
    assert reach(house, house.attacker) == reach(house, six=True) == "open"
    # What is up goes on: sshd answers with its keys.
    up.sendall(b"SSH-2.0-lab\r\n")
    up.settimeout(5)
    heard = b""
    while b"curve25519" not in heard:
        more = up.recv(4096)
        assert more, heard
        heard += more
    # It outlives every process of ours.
    house.postern.kill_all()
    assert reach(house) == "silent" and v4("client") in bans(house)
    house.postern.start()
    assert reach(house) == "silent"
    assert try_pin(house, PIN) == GRANTED
    assert reach(house) == connect.tcp(house.client, v4("server"), 22) == "open"
    assert bans(house) == {}
    until(lambda: events(house, "unbanned"), 10, "the record")
    assert events(house, "unbanned") == [("unbanned", "alice", v4("client"), "knock")]
    up.close()
    listener.close()


@pytest.mark.house(ban_after=AFTER, ban_for=FOR_S, suspend_after=0)
def test_what_ends_a_ban(house):
    listener, knocker = serve(house), house.knocker(six=True)
    # Whoever else sends what was proven once, or from there what is not, adds nothing.
    knock = knocker.make(("nothing",))
    assert knocker.exchange(knock.m1, knock).verdict == "challenge"
    answer = knock.answer(t=knocker.next_t())
    assert knocker.exchange(answer, knock).verdict == "denied"
    for _ in range(2 * AFTER):
        knocker.send(answer)
        knocker.send(knock.answer(t=knocker.next_t()))
    assert knocker.ping().verdict == "ok"
    assert house.postern.stats()["auth.ban-strike"] == 1
    # The administrator, with and without the daemon.
    for _ in range(AFTER):
        try_forbidden(knocker, proven=True)
    until(lambda: v6("client") in bans(house), 10, "the ban")
    assert reach(house, six=True) == "silent" and reach(house) == reach(house, house.attacker, True) == "open"
    assert "let in again" in house.postern.ctl("unban", v6("client")).stdout
    assert reach(house, six=True) == "open" and bans(house) == {}
    assert "was not banned" in house.postern.ctl("unban", "all").stdout
    assert ("unbanned", None, v6("client"), "administrator") in events(house, "unbanned")
    for wrong in ("everybody", "::", "127.0.0.1"):
        assert house.postern.ctl("unban", wrong, check=False).returncode == 2
    ban_by_hand(house, v4("client"), v6("client"))
    house.postern.kill_all()
    assert len(bans(house)) == 2 and reach(house) == "silent"
    assert "let in again" in house.postern.ctl("unban", "all").stdout
    assert reach(house) == "open"
    # What the configuration no longer bans; and the kernel alone, by its clock.
    ban_by_hand(house, v4("client"))
    house.postern.directives |= {"ban_except": [v4("client")], "ban_for": 5}
    house.postern.write_config()
    knocker = house.knocker(house.postern.enrol("carol"), six=True)  # who is not slowed down yet
    house.postern.start()
    assert reach(house) == "open"
    for _ in range(AFTER):
        try_forbidden(knocker, proven=True)
    until(lambda: v6("client") in bans(house), 10, "the ban")
    house.postern.kill_all()
    assert reach(house, six=True) == "silent"
    until(lambda: reach(house, six=True) == "open", 15, "the end by the kernel's clock")
    listener.close()


@by_each_firewall(start=False, interface=["any"], ban_after=AFTER, ban_for=FOR_S)
def test_every_capture_hears_a_banned_address(house, firewall):
    listener, knockers = serve(house), [house.knocker(), house.knocker(six=True)]
    house.postern.start()
    for knocker in knockers:
        assert knocker.ping().verdict == "ok"
    ban_by_hand(house, v4("client"), v6("client"))
    house.postern.kill_all()
    house.postern.start()
    for method in METHODS[firewall]:
        house.postern.ctl("capture", "switch", method)
        for six, knocker in enumerate(knockers):
            ban_by_hand(house, v6("client") if six else v4("client"))
            assert reach(house, six=six) == "silent", method
            assert knocker.ping().verdict == "ok", method
            until(lambda six=six: reach(house, six=six) == "open", 10, f"the end of the ban, by {method}")
    listener.close()


@pytest.mark.house(
    firewall="ipset", start=False, sshd=False, alice=False, ban_after=AFTER, ban_for=5, silence="closed", suspend_after=0
)
def test_bans_in_sets_of_ipset(house):
    listener = serve(house)
    knockers = [house.knocker(house.postern.enrol(name), six=True) for name in ("carol", "dave")]
    house.postern.start()
    for knocker in knockers:
        assert knocker.ping().verdict == "ok"
    for _ in range(AFTER):
        try_forbidden(knockers[0], proven=True)
    until(lambda: v6("client") in bans(house), 10, "the ban")
    assert reach(house, six=True) == "silent" and reach(house) == reach(house, house.attacker, True) == "open"
    house.postern.kill_all()
    until(lambda: reach(house, six=True) == "open", 15, "the end by the kernel's clock")
    # The administrator, without the daemon and with it; and whom the configuration excepts by now.
    ban_by_hand(house, v4("client"), v6("client"))
    assert len(bans(house)) == 2 and reach(house) == reach(house, six=True) == "silent"
    assert "let in again" in house.postern.ctl("unban", v6("client")).stdout
    assert reach(house, six=True) == "open" and list(bans(house)) == [v4("client")]
    assert "was not banned" in house.postern.ctl("unban", v6("client")).stdout
    house.postern.directives["ban_except"] = [v4("client")]
    house.postern.write_config()
    house.postern.start()
    assert reach(house) == "open" and bans(house) == {}
    ban_by_hand(house, v4("attacker"), v6("attacker"))
    assert reach(house, house.attacker) == reach(house, house.attacker, True) == "silent"
    assert "let in again" in house.postern.ctl("unban", "all").stdout
    assert reach(house, house.attacker) == "open"
    assert "was not banned" in house.postern.ctl("unban", "all").stdout
    # Where there is no room for one more nobody is dropped in another's place, and the log says so. With a set
    # of one: how many more the kernel takes than it should depends on where in its table they fall.
    assert f"maxelem {ROOM}" in house.server.run("ipset", "list", "-t", "postern-banned6").stdout
    house.server.run("ipset", "create", "small", *"hash:ip family inet6 maxelem 1 timeout 1".split())
    house.server.run("ipset", "swap", "small", "postern-banned6")
    ban_by_hand(house, v6("attacker"))
    for _ in range(AFTER):
        try_forbidden(knockers[1], proven=True)
    until(lambda: house.postern.log_lines("not-banned.*no room"), 10, "the word that there is no room")
    assert list(bans(house)) == [v6("attacker")]
    house.server.run("ipset", "swap", "small", "postern-banned6")
    house.server.run("ipset", "destroy", "small")
    # Who bans nobody has no sets of that kind; and in the end there is nothing of ours.
    assert "postern-banned6" in tables(house.server, "nft")
    house.postern.stop()
    for after in (0, AFTER):
        house.postern.directives["ban_after"] = after
        house.postern.write_config()
        house.postern.ctl("firewall", "install")
        assert bans(house) == {} and ("postern-banned6" in tables(house.server, "nft")) == (after > 0)
    ban_by_hand(house, v6("client"))
    house.postern.ctl("firewall", "remove")
    assert tables(house.server, "nft") == [] and reach(house, six=True) == "open"
    listener.close()
