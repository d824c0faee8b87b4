"""Every capture method under the same loads: the real door over all ways to it, strangers, and knocks by the thousand.

One daemon for each method and its loads, since what is asked of it there is also that it is the same one at the end.
"""

import json
import os
import subprocess

import pytest
from lab import connect, until
from lab.crowd import Crowd
from lab.house import House
from lab.network import v4, v6
from lab.postern import Postern
from lab.process import resident_kib
from lab.programs import PLACES, build, built
from lab.user import GRANTED
from test_capture import TAGS, arrives, recorder
from test_guard import tagged
from wire import frames

STRANGERS, STRANGERS_RATE = 200_000, 50_000
KNOCKS, RATE, CLIENTS = 10_000, 1000, 100
# The firewall and its kind hear of all interfaces, but not of tags that no VLAN interface takes off.
BEHIND_THE_STACK = ("nflog", "nfqueue", "udp")


def methods():
    """Of the program as it was built: what is left out there is not tested."""
    if not built("posternctl"):
        return []
    done = subprocess.run([build() / PLACES["posternctl"], "--json", "capture", "methods"], capture_output=True, check=True)
    return [row["method"] for row in json.loads(done.stdout)["methods"]]


class Loaded:
    """A house whose daemon captures by one method, with a crowd of clients."""

    def __init__(self, method):
        self.method = method
        self.house = House(start=False, client_rate=1000, client_burst=1000, max_sessions=65536)
        try:
            self.prepare()
        except BaseException:
            self.house.close()
            raise

    def prepare(self):
        house, postern = self.house, self.house.postern
        postern.directives["capture"] = self.method
        postern.directives["interface"] = ["any" if self.method in (*BEHIND_THE_STACK, "savefile") else "eth0"]
        writer = self.record() if self.method == "savefile" else None
        postern.write_config()
        self.crowd = Crowd(house, CLIENTS)
        postern.start()
        if writer:
            writer.wait_line("listening on")
        self.pids = postern.pids()

    def record(self):
        """tcpdump on the other end of a FIFO, as an administrator who lets only that capture would have it."""
        fifo = self.house.server.folder / "knocks.pcap"
        os.mkfifo(fifo)
        self.house.postern.directives["capture-file"] = fifo
        return recorder(self.house, fifo)

    def capture_pid(self):
        return next(pid for name, pid in self.pids.items() if name.startswith("capture"))

    def resident_kib(self):
        return resident_kib(self.capture_pid())


@pytest.fixture(scope="module", params=methods())
def loaded(request):
    made = Loaded(request.param)
    yield made
    made.house.close()


@pytest.mark.parametrize("six", [False, True], ids=["v4", "v6"])
def test_the_real_door(loaded, six):
    house, address = loaded.house, (v6 if six else v4)("server")
    assert connect.tcp(house.client, address, 22) == "silent"
    done = house.alice.postern("open", "alice", "ssh", "-6" if six else "-4")
    assert done.returncode == GRANTED, done.stdout + done.stderr
    assert house.sshd.login(house.client, address)
    assert connect.tcp(house.attacker, address, 22) == "silent"


@pytest.mark.parametrize("six", [False, True], ids=["v4", "v6"])
def test_the_real_door_by_a_tagged_knock(loaded, six):
    house, address = loaded.house, (v6 if six else v4)("server")
    for tags in ("priority tag",) if loaded.method in BEHIND_THE_STACK else ("priority tag", "one tag"):
        for client in ("alice", "bob"):
            house.postern.ctl("close", "--client", client, check=False)
        assert connect.closes(house.client, address)

        def make(src, dst, datagram, tags=tags):
            return tagged(*TAGS[tags])(house, frames.packet(src, dst, frames.UDP, datagram))

        assert arrives(house, make, six) == "ok"
        assert house.sshd.login(house.client, address)


@pytest.mark.alone
def test_a_knock_among_strangers(loaded):
    """Two hundred thousand packets; the client gets in by its own retries, and nothing grows or dies."""
    house = loaded.house
    before = loaded.resident_kib()
    flood = house.blast("random", Postern.PORT, STRANGERS, 400, STRANGERS_RATE)
    until(lambda: house.postern.counter(".gate") > STRANGERS / 10, 20, "the middle of it")
    assert house.alice.postern("open", "alice", "ssh", "-4").returncode == GRANTED
    assert flood.running() or f"sent {STRANGERS}" in flood.output()
    flood.popen.wait(60)
    assert house.alice.postern("open", "alice", "ssh", "-6").returncode == GRANTED
    assert house.postern.pids() == loaded.pids
    # What it was given to begin with, ring included, it may now have used.
    assert loaded.resident_kib() < before + (20 << 10)
    assert house.postern.counter(".gate") <= STRANGERS


@pytest.mark.alone
def test_no_knock_of_a_thousand_a_second_is_lost(loaded):
    got = loaded.crowd.knock(KNOCKS, RATE)
    assert got["seconds"] < KNOCKS / RATE * 1.2, "this machine is too slow to send them"
    assert (got["sent"], got["granted"], got["refused"]) == (KNOCKS, KNOCKS, 0), got
    assert loaded.house.postern.pids() == loaded.pids
