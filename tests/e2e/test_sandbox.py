"""Who is trusted with what, looked at from outside."""

import json
import os
import re
import subprocess

import pytest
from lab import until
from lab.process import alive, status
from lab.programs import PLACES, build, built
from lab.user import GRANTED
from test_capture import recorder

CAP_NET_ADMIN = 1 << 12
EVERYWHERE = ("nflog", "nfqueue", "savefile")


def methods():
    """The ways to capture that this program was built with, and what each may at its start."""
    if not built("posternctl"):
        return {}
    done = subprocess.run([build() / PLACES["posternctl"], "--json", "capture", "methods"], capture_output=True)
    return {row["method"]: row["capabilities"] for row in json.loads(done.stdout)["methods"]} if not done.returncode else {}


def children(house):
    return {role: pid for role, pid in house.postern.pids().items() if role != "monitor"}


def test_only_the_monitor_is_root(house):
    pids = house.postern.pids()
    assert {role.split()[0] for role in pids} == {"monitor", "capture", "auth"}
    users = {role.split()[0]: set(status(pid)["Uid"].split()) for role, pid in pids.items()}
    assert users["monitor"] == {"0"}
    assert "0" not in users["capture"] | users["auth"]
    assert len(users["capture"]) == len(users["auth"]) == 1 and users["capture"] != users["auth"]
    for pid in children(house).values():
        assert "0" not in status(pid)["Gid"].split() + status(pid)["Groups"].split()


def test_the_children_have_no_capability_and_a_filter(house):
    for role, pid in children(house).items():
        found = status(pid)
        for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert int(found[kind], 16) == 0, (role, kind)
        assert found["NoNewPrivs"] == "1" and found["Seccomp"] == "2", role


def test_the_monitors_capabilities_are_few(house):
    found = status(house.postern.pid("monitor"))
    capabilities = int(found["CapEff"], 16)
    assert capabilities & CAP_NET_ADMIN
    assert capabilities.bit_count() < 10
    assert int(found["CapBnd"], 16) & ~capabilities == 0


def test_the_children_see_an_empty_root_and_few_files(house):
    for role, pid in children(house).items():
        root = os.stat(f"/proc/{pid}/root/")
        assert (root.st_dev, root.st_ino) != (os.stat("/").st_dev, os.stat("/").st_ino), role
        assert os.listdir(f"/proc/{pid}/root") == [], role
        names = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        if role.startswith("capture"):
            assert not [n for n in names if n.endswith((".key", "/clients", ".mdb"))], role


def test_no_core_dumps(house):
    for pid in house.postern.pids().values():
        with open(f"/proc/{pid}/limits") as file:
            assert re.search(r"^Max core file size\s+0\s+0", file.read(), re.M)


@pytest.mark.parametrize("role", ["capture", "auth"])
@pytest.mark.house(start=False)
def test_a_forbidden_call_kills_and_the_process_comes_back(house, role):
    house.postern.start(fault=f"{role}.forbidden", wait=False)
    bob = house.knocker()
    until(lambda: bob.ping(0.3), 15, "an answer after the return")
    # It died of it (SIGSYS, 31), and was not just restarted for another reason.
    until(lambda: house.postern.log_lines(rf"{role}.*(?:signal=31|SIGSYS|[Bb]ad system call)"), 5, "the death in the log")
    assert bob.open().verdict == "ok"


@pytest.mark.parametrize("method", methods())
@pytest.mark.house(start=False, sshd=False, alice=False)
def test_each_way_to_capture_has_a_jail_of_its_own(house, method):
    """It dies of a call that it does not need; the next one has nothing but what it holds open."""
    postern, file = house.postern, house.server.folder / "knocks.pcap"
    if method == "savefile":
        recorder(house, file).wait_line("listening on")
    interface = "any" if method in EVERYWHERE else "eth0"
    postern.directives.update({"capture": method, "capture-file": file, "interface": [interface]})
    postern.write_config()
    postern.start(fault="capture.forbidden")
    until(lambda: house.knocker().ping(0.3), 15, "an answer after the return")
    until(lambda: postern.log_lines("capture.*signal=31"), 5, "the death in the log")
    pid = postern.pid("capture")
    found = status(pid)
    assert all(int(found[kind], 16) == 0 for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"))
    assert found["NoNewPrivs"] == "1" and found["Seccomp"] == "2"
    assert "0" not in found["Uid"].split() + found["Gid"].split() + found["Groups"].split()
    assert os.listdir(f"/proc/{pid}/root") == []
    # It may write to auth and the log, and by nfqueue to the monitor; what is open for writing to a file is nothing.
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with open(f"/proc/{pid}/fdinfo/{fd}") as info:
            mode = int(re.search(r"flags:\s*(\d+)", info.read())[1], 8) & 3
        target = os.readlink(f"/proc/{pid}/fd/{fd}")
        assert mode == os.O_RDONLY or target == "/dev/null" or not target.startswith("/"), (fd, target)


@pytest.mark.parametrize("role", ["capture", "auth"])
def test_killed_processes_come_back(house, role):
    for _ in range(2):
        old = house.postern.kill(role)
        until(lambda: house.postern.pid(role) not in (None, old), 15, "the new process")
        until(lambda: house.knocker().ping(0.3), 15, "an answer")


def test_when_the_monitor_dies_all_die(house):
    pids = children(house)
    house.postern.kill("monitor")
    until(lambda: not any(alive(pid) for pid in pids.values()), 5, "the end of all")
    assert house.all_closed()
    house.postern.start()
    assert house.alice.postern("open", "alice").returncode == GRANTED


def test_keys_with_loose_permissions_are_refused(house):
    house.postern.stop()
    for name in ("server.key", "door.key", "clients"):
        path = house.postern.etc / name
        mode = path.stat().st_mode & 0o777
        assert mode & 0o077 == 0, name
        path.chmod(0o644)
        process = house.postern.start(wait=False).process
        until(lambda p=process: not p.running(), 10, "the refusal")
        assert process.popen.returncode != 0 and name in process.output()
        path.chmod(mode)
    house.postern.start()
