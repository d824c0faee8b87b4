"""capture = xdp: knocks through the kernel's program, strangers no further than it."""

import json
import re

import pytest
from lab import connect, until
from lab.knocker import Knocker
from lab.network import v4, v6
from lab.postern import Postern
from test_capture import TAGS, arrives, opens_both, works
from test_guard import ethernet, plain, tagged
from wire import frames

CAP_BPF = 1 << 39
JUNK = 400


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


def counters(house):
    """Those of the one source, by their last word."""
    return {name.rsplit(".", 1)[1]: value for name, value in house.postern.stats().items() if ".auth" not in name}


def junk(house, make, count=JUNK):
    house.client.inject("eth0", make * count if isinstance(make, list) else [make] * count)


@pytest.mark.house(capture="xdp", interface=["eth0"])
def test_opens_the_real_door_native(house):
    assert program(house.server) == "native"
    opens_both(house)


@pytest.mark.house(capture="xdp", interface=["top0"], setup=stacked)
def test_opens_the_real_door_generic(house):
    assert program(house.server, "top0") == "generic"
    opens_both(house)
