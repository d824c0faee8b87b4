"""Capture by tcpdump: a program of others, on a short rope."""

import os
import signal

import pytest
from lab import until
from lab.network import v4, v6
from lab.process import alive, children, cmdline, status
from test_capture import opens_both, works

CAP_NET_RAW = 1 << 13


def start(house, **directives):
    house.postern.directives.update(directives)
    house.postern.write_config()
    house.postern.start()


def family(house):
    """The capture, who holds the rope, and tcpdump."""
    capture = house.postern.pid("capture")
    (keeper,) = children(capture)
    (program,) = children(keeper)
    assert cmdline(program).startswith("/usr/bin/tcpdump ")
    return capture, keeper, program


@pytest.mark.parametrize("interface", ["eth0", "any"])
@pytest.mark.house(start=False, capture="tcpdump")
def test_tcpdump_opens_the_real_door(house, interface):
    start(house, interface=[interface])
    opens_both(house)


@pytest.mark.parametrize("commands", ["", 'command "say" { run = {"/bin/true"}  user = root }\n'], ids=["", "commands"])
@pytest.mark.house(start=False, alice=False, sshd=False, capture="tcpdump")
def test_it_may_capture_and_nothing_else(house, commands):
    """Also where the monitor keeps the rights of root for commands."""
    house.postern.write_config(house.postern.config_text() + commands)
    house.postern.start()
    capture, keeper, program = family(house)
    user = status(capture)["Uid"]
    for pid in (keeper, program):
        found = status(pid)
        assert found["Uid"] == user and "0" not in found["Uid"].split() + found["Gid"].split() + found["Groups"].split()
        assert found["NoNewPrivs"] == "1"
        may = CAP_NET_RAW if pid == program else 0
        for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert int(found[kind], 16) in (0, may), (pid, kind)
    # Of the daemon's descriptors neither has any.
    for pid, most in ((keeper, 4), (program, 8)):
        names = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        assert len(names) <= most and not [n for n in names if "memfd" in n or n.endswith((".key", "clients"))]


@pytest.mark.parametrize("killed", ["capture", "keeper", "tcpdump", "monitor"])
@pytest.mark.house(alice=False, sshd=False, capture="tcpdump")
def test_whoever_is_killed_nothing_is_left_behind(house, killed):
    pids = dict(zip(("capture", "keeper", "tcpdump"), family(house)), monitor=house.postern.pid("monitor"))
    os.kill(pids[killed], signal.SIGKILL)  # and no packet comes that would end it
    mine = [pid for name, pid in pids.items() if name != "monitor" or killed == "monitor"]
    until(lambda: not any(alive(pid) for pid in mine), 5, "the end of all")
    if killed == "monitor":
        house.postern.start()
    until(lambda: works(house, v4("server"), 0.4), 15, "the next one")
    assert works(house, v6("server"))


@pytest.mark.house(alice=False, sshd=False, capture="tcpdump")
def test_it_ends_with_the_daemon_and_tells_why_it_ended(house):
    *_, program = family(house)
    os.kill(program, signal.SIGTERM)
    until(lambda: house.postern.log_lines("program=tcpdump error=.*(?:captured|received|word)"), 5, "its last words")
    until(lambda: works(house, v4("server"), 0.4), 15, "the next one")
    *_, program = family(house)
    house.postern.stop()
    until(lambda: not alive(program), 5, "its end")


@pytest.mark.house(alice=False, sshd=False, capture="tcpdump", interface=["eth0"])
def test_an_interface_that_goes_and_comes_back(house):
    assert works(house, v4("server"))
    house.server.ip("link", "set", "eth0", "down")
    house.server.ip("link", "set", "eth0", "up")
    house.switch.sync_link("server-eth0")
    until(lambda: works(house, v4("server"), 0.4), 15, "v4 again")


@pytest.mark.house(alice=False, sshd=False, capture="tcpdump")
def test_what_the_kernel_lost_is_counted(house):
    """It is stopped, so that its ring fills; then it is asked as it is each second."""
    *_, program = family(house)
    os.kill(program, signal.SIGSTOP)
    house.blast(v4("client"), house.postern.PORT, 30000, 200, host=house.client).popen.wait(30)
    os.kill(program, signal.SIGCONT)
    until(lambda: house.postern.counter(".lost") > 0, 10, "the count")
    until(lambda: works(house, v4("server"), 0.4), 15, "an answer")
