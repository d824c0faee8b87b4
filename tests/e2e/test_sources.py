"""Several sources at once, another method in the running daemon, and sources that die."""

import json
import re
import threading
import time

import pytest
from lab import until
from lab.network import v4
from lab.programs import PLACES
from test_capture import SECOND, recorder, second_cable, works

REFUSED = 4


def configured(house, sources=None, **directives):
    house.postern.sources = sources or {}
    house.postern.directives.update({k.replace("_", "-"): v for k, v in directives.items()})
    house.postern.write_config()


def sources(house):
    return house.postern.source_rows()


def state(house, name):
    return sources(house)[name]["state"]


def capture_pids(house):
    return {name: pid for name, pid in house.postern.pids().items() if name.startswith("capture")}


class Knocking:
    """Knocks all the time, each knock once and at an even pace; whoever is not answered is remembered."""

    EACH_S = 0.02

    def __init__(self, house):
        self.knocker = house.knocker()
        # The challenge, once; from now on each knock is one message.
        assert until(lambda: self.knocker.open(seconds=0.5), 5, "a first answer").verdict in ("ok", "refreshed")
        self.sent, self.lost, self.wrong = 0, [], []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.over.is_set():
            begin = time.monotonic()
            knock = self.knocker.make()
            reply = self.knocker.exchange(knock.m1, knock, 2.0)
            self.sent += 1
            if reply is None:
                self.lost.append(round(begin, 2))
            elif reply.verdict != "refreshed":
                self.wrong.append(reply.verdict)
            self.over.wait(max(0, begin + self.EACH_S - time.monotonic()))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def some(self, count=5):
        goal = self.sent + count
        until(lambda: self.sent >= goal, 15, "more knocks")


@pytest.mark.house(setup=second_cable, start=False, alice=False)
def test_sources_of_their_own_method_and_filter(house):
    configured(
        house,
        {
            "inner": {"interface": "eth0", "capture": "pcap", "filter": f"not src host {v4('attacker')}"},
            "outer": {"interface": "eth1", "capture": "afpacket", "workers": 2},
        },
    )
    house.postern.start()
    assert sorted(capture_pids(house)) == ["capture inner", "capture outer"]
    assert len(house.postern.log_lines("capturing source=outer interface=eth1 method=afpacket")) == 2
    assert house.knocker().open().verdict == "ok"
    for _ in range(3):
        assert works(house, SECOND["server"][0])
    carol = house.postern.enrol("carol")
    house.postern.reload_and_wait()
    assert house.knocker(carol, host=house.attacker).ping(0.4) is None  # the filter
    assert house.knocker(carol).ping().verdict == "ok"
    rows = sources(house)
    assert [(r["interface"], r["method"], r["state"], r["workers"]) for r in rows.values()] == [
        ("eth0", "pcap", "up", 1),
        ("eth1", "afpacket", "up", 2),
    ]
    assert (rows["inner"]["matched"], rows["outer"]["matched"]) == (4, 3)
    # Multicast of IPv6 is none of ours, and some of it may still be waiting to be read.
    assert all(row["seen"] >= row["matched"] + row["dropped"] and row["lost"] == 0 for row in rows.values()), rows


@pytest.mark.house(start=False, alice=False)
def test_a_packet_seen_by_all_opens_once(house):
    configured(
        house,
        {
            "a": {"interface": "eth0"},
            "b": {"interface": "any", "capture": "afpacket"},
            "c": {"capture": "nflog"},
        },
    )
    house.postern.start()
    assert house.knocker().open().verdict == "ok"
    counted = until(lambda: (s := house.postern.stats())["auth.duplicate"] == 4 and s, 5, "the copies")
    assert counted["auth.received"] == 6  # the knock and its answer, three times each
    assert counted["auth.opened"] == 1 and counted["auth.sent"] == 2
    assert counted["auth.replay"] == counted["auth.answer.again"] == 0
    assert not house.postern.log_lines("auth: dropped")


@pytest.mark.parametrize("method", ["nflog", "nfqueue", "udp", "savefile"])
@pytest.mark.house(start=False, alice=False)
def test_a_filter_where_the_kernel_has_none(house, method):
    file = house.server.folder / "knocks.pcap"
    configured(house, {"only": {"capture": method, "filter": f"not src host {v4('attacker')}", "file": file}})
    if method == "savefile":
        recorder(house, file).wait_line("listening on")
    house.postern.start()
    assert works(house, v4("server"))
    assert house.knocker(host=house.attacker).ping(0.4) is None
    assert works(house, v4("server"))
    assert house.postern.stats()["capture.only.not-ours"] > 0


@pytest.mark.house(alice=False)
def test_a_filter_that_is_none_is_told(house):
    configured(house, {"a": {"filter": "not even wrong"}})
    done = house.server.run(house.postern.bin / PLACES["posternd"], "-c", house.postern.config, "--check", check=False)
    assert done.returncode == 1 and re.search(r"posternd\.conf:\d+: source \"a\": filter: ", done.stderr)
    done = house.postern.ctl("reload", check=False)
    assert done.returncode == REFUSED
    assert house.postern.log_lines(r'posternd\.conf:\d+: source "a": filter: ')
    assert works(house, v4("server")) and state(house, "eth0") == "up"


def over_all(house, methods):
    """Through all methods and back; every knock is answered, and the door and its session stay."""
    recorder(house, house.server.folder / "knocks.pcap").wait_line("listening on")
    house.postern.start()
    with Knocking(house) as knocking:
        (before,) = [row["session"] for row in house.postern.sessions()]
        for method in [*methods, *methods[::-1]]:
            said = house.postern.ctl("capture", "switch", method).stdout
            assert f"every source captures by {method}" in said
            assert [(r["method"], r["state"]) for r in sources(house).values()] == [(method, "up")]
            knocking.some()
        house.postern.reload_and_wait()
        knocking.some()
        house.postern.directives["log-level"] = "debug"  # needs new captures
        house.postern.write_config()
        house.postern.reload_and_wait()
        knocking.some()
        assert [row["session"] for row in house.postern.sessions()] == [before]
    assert not knocking.wrong and not knocking.lost, (knocking.sent, knocking.wrong, knocking.lost)
    assert knocking.sent > 50
    assert [r["method"] for r in sources(house).values()] == [house.postern.directives["capture"]]
    assert not house.postern.log_lines("child_died")
    assert house.postern.stats()["auth.replay"] == 0


OF_ALL = ("pcap", "afpacket", "savefile", "tcpdump", "nflog", "nfqueue", "udp")
OF_ONE = ("pcap", "afpacket", "savefile", "tcpdump", "xdp")


def there(house, names):
    """Those that this build has; it has none that is not tried here."""
    has = [row["method"] for row in house.postern.ctl_json("capture", "methods")["methods"]]
    assert not set(has) - {*OF_ALL, *OF_ONE}
    return [method for method in has if method in names]


KNOCKS = {"client-rate": 1000, "client-burst": 1000}


@pytest.mark.parametrize("first", ["pcap", "nflog"])
@pytest.mark.house(start=False, alice=False, interface=["any"], **KNOCKS)
def test_a_switch_over_all_methods_loses_no_knock(house, first):
    """What takes packets of all interfaces."""
    configured(house, capture=first, capture_file=house.server.folder / "knocks.pcap")
    over_all(house, there(house, OF_ALL))


@pytest.mark.house(start=False, alice=False, **KNOCKS)
def test_a_switch_at_one_interface_loses_no_knock(house):
    configured(house, capture="pcap", capture_file=house.server.folder / "knocks.pcap")
    over_all(house, there(house, OF_ONE))


@pytest.mark.house(setup=second_cable, start=False, alice=False)
def test_a_switch_of_one_source_alone(house):
    configured(house, {"a": {"interface": "eth0"}, "b": {"interface": "eth1"}})
    house.postern.start()
    pids = capture_pids(house)
    house.postern.ctl("capture", "switch", "afpacket", "--source", "b")
    assert [(r["method"], r["switched"]) for r in sources(house).values()] == [("pcap", False), ("afpacket", True)]
    until(lambda: len(capture_pids(house)) == 2 and capture_pids(house)["capture b"] != pids["capture b"], 5, "the end of the old")
    assert capture_pids(house)["capture a"] == pids["capture a"]
    assert works(house, v4("server")) and works(house, SECOND["server"][0])
    house.postern.reload_and_wait()
    assert [(r["method"], r["switched"]) for r in sources(house).values()] == [("pcap", False), ("pcap", False)]


@pytest.mark.house(alice=False, interface=["any"])
def test_the_firewalls_check_knows_what_is_captured(house):
    def like():
        return json.loads(house.postern.ctl("--json", "firewall", "check", check=False).stdout)["as_configured"]

    for method in there(house, ("nflog", "nfqueue", "udp", "pcap")):
        house.postern.ctl("capture", "switch", method)
        until(like, 5, method)
    configured(house, interface=["any"], capture="nflog")
    for level in ("info", "debug", "info"):  # each needs new captures, which take turns
        configured(house, log_level=level)
        house.postern.reload_and_wait()
        until(like, 5, level)
    house.postern.stop()
    assert like()
    house.postern.ctl("firewall", "install")
    assert like()


@pytest.mark.parametrize(
    "method, said",
    [
        ("nflog", "use interface = any"),
        ("savefile", "there is no such file"),
    ],
)
@pytest.mark.house(alice=False)
def test_a_switch_that_cannot_be_changes_nothing(house, method, said):
    pids = capture_pids(house)
    done = house.postern.ctl("capture", "switch", method, check=False)
    assert done.returncode == REFUSED and said in done.stderr
    assert "captures as before" in done.stdout
    done = house.postern.ctl("capture", "switch", "pcap", "--source", "eth7", check=False)
    assert done.returncode == REFUSED and "no such source" in done.stderr
    until(lambda: capture_pids(house) == pids, 5, "the end of what did not start")
    assert works(house, v4("server"))
    assert sources(house)["eth0"]["method"] == "pcap"


@pytest.mark.house(alice=False)
def test_switches_at_once_and_a_reload_between(house):
    """Each is done or refused with its reason, and what is left is one capture, by what was said last."""
    program = house.postern.bin / PLACES["posternctl"]

    def begin(*words):
        return house.server.start(program, "-c", house.postern.config, *words, name="-".join(words))

    for _ in range(3):
        runs = [begin("capture", "switch", method) for method in ("tcpdump", "afpacket", "tcpdump")]
        runs.append(begin("reload"))
        for run in runs:
            status = run.popen.wait(20)
            assert status == 0 or (
                status == REFUSED and re.search("another switch is under way|a reload came in|has just changed", run.output())
            ), run.output()
        until(lambda: len(capture_pids(house)) == 1 and state(house, "eth0") == "up", 10, "one capture")
        assert works(house, v4("server"))
    house.postern.ctl("capture", "switch", "afpacket")
    house.postern.ctl("reload")
    assert sources(house)["eth0"]["method"] == "pcap" and works(house, v4("server"))


@pytest.mark.house(alice=False)
def test_a_capture_that_is_killed_is_reported_and_comes_back(house):
    assert works(house, v4("server"))
    before = sources(house)["eth0"]
    assert before["state"] == "up" and before["why"] is None
    for _ in range(3):  # so that the pauses grow, and can be seen
        until(lambda: state(house, "eth0") == "up", 10, "the capture")
        house.postern.kill("capture")
        row = until(lambda: (r := sources(house)["eth0"])["state"] == "failed" and r, 5, "the report")
        assert row["why"] == "signal=9" and row["ready"] == 0 and row["since"] >= before["since"]
    assert house.postern.log_lines('child_died process="capture eth0" signal=9')
    until(lambda: state(house, "eth0") == "up", 10, "the capture")
    assert works(house, v4("server"))
    # What those that are gone had counted is not forgotten.
    assert sources(house)["eth0"]["matched"] >= before["matched"]


@pytest.mark.house(alice=False, interface=["eth0", "eth1"])
def test_an_interface_that_goes_and_comes_is_reported(house):
    row = sources(house)["eth1"]
    assert row["state"] == "waiting" and "interface" in row["why"]
    for turn in range(2):
        second_cable(house, ("server", "client") if turn == 0 else ("server",))
        until(lambda: state(house, "eth1") == "up", 10, "eth1")
        until(lambda: works(house, SECOND["server"][0], 0.4), 10, "knocks at eth1")
        house.server.ip("link", "set", "eth1", "down")
        until(lambda: state(house, "eth1") == "waiting", 5, "down")
        house.server.ip("link", "set", "eth1", "up")
        until(lambda: state(house, "eth1") == "up", 10, "up")
        house.server.ip("link", "del", "eth1")
        until(lambda: state(house, "eth1") == "waiting", 5, "gone")
        assert state(house, "eth0") == "up" and works(house, v4("server"))


@pytest.mark.house(setup=second_cable, alice=False)
def test_a_reload_is_over_when_the_new_interface_hears(house):
    """The very next knock is heard there, and none at the old one."""
    for interface, other in (("eth1", "eth0"), ("eth0", "eth1")) * 3:
        configured(house, interface=[interface])
        house.postern.ctl("reload")
        address = {"eth0": v4("server"), "eth1": SECOND["server"][0]}
        assert works(house, address[interface])
        assert not works(house, address[other], 0.4)
