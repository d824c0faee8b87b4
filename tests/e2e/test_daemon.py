"""posternd as a daemon: one of it, what it leaves behind, what it survives, what it tells the service manager."""

import os
import re
import signal
import socket
import time

import pytest
from lab import until
from lab.process import alive
from lab.programs import PLACES

SIGNAL_GRACE = 2  # seconds between SIGTERM and SIGKILL


def again(house, *args):
    """A second daemon with the same configuration, to its end."""
    return house.server.run(house.postern.bin / PLACES["posternd"], "-c", house.postern.config, *args, check=False)


def names(folder):
    return sorted(os.listdir(folder))


def tables(house):
    return house.server.run("nft", "list", "tables").stdout


def test_there_is_one_daemon(house):
    pids = house.postern.pids()
    for args in (["-f"], []):
        done = again(house, *args)
        assert done.returncode == 1
        assert f"pid {house.postern.process.pid}" in done.stderr and "stop it first" in done.stderr
    assert house.postern.pids() == pids
    assert house.knocker().open().verdict == "ok"


def test_a_stop_leaves_guard_and_doors_and_nothing_else(house):
    assert house.knocker().open().verdict == "ok"
    before = house.postern.pids()
    assert names(house.postern.run_dir) == ["control.sock", "empty", "posternd.pid"]
    assert house.postern.stop() == 0
    assert not any(alive(pid) for pid in before.values())
    assert names(house.postern.run_dir) == ["empty"]
    assert "inet postern" in tables(house) and len(house.postern.doors()) == 1
    assert house.is_open() and not house.is_open(house.attacker)


def test_what_a_killed_daemon_left_is_no_hindrance(house):
    house.postern.kill_all()
    assert "control.sock" in names(house.postern.run_dir)
    house.postern.start()
    assert house.knocker().open().verdict == "ok"
    assert house.postern.ctl("sessions").returncode == 0


@pytest.mark.parametrize("role", ["capture", "auth"])
def test_a_process_that_hangs_does_not_hold_up_the_stop(house, role):
    pids = house.postern.pids()
    os.kill(house.postern.pid(role), signal.SIGSTOP)
    begin = time.monotonic()
    assert house.postern.stop() == 0
    assert SIGNAL_GRACE - 0.5 < time.monotonic() - begin < SIGNAL_GRACE + 8
    assert not any(alive(pid) for pid in pids.values())


def test_the_guard_is_put_back(house):
    house.server.run("nft", "flush", "ruleset")
    until(lambda: house.postern.log_lines("guard_restored"), 5, "the word in the log")
    assert house.all_closed()
    assert house.knocker().open().verdict in ("ok", "refreshed")


def test_more_and_more_time_between_starts(house):
    """A capture that cannot live is not started in a tight loop."""
    for _ in range(3):
        old = house.postern.kill("capture")
        until(lambda before=old: house.postern.pid("capture") not in (None, before), 5, "the next one")
    begin = time.monotonic()
    old = house.postern.kill("capture")
    until(lambda: house.postern.pid("capture") not in (None, old), 5, "the next one")
    assert time.monotonic() - begin > 0.5  # 0.8 s by then


@pytest.mark.house(start=False)
def test_what_it_tells_the_service_manager(house):
    name = f"\0postern-{os.getpid()}-{id(house)}"
    house.postern.directives["interface"] = ["eth0", "late0"]
    house.postern.write_config()
    with house.server.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name)
        manager.settimeout(5)
        os.environ["NOTIFY_SOCKET"] = "@" + name[1:]
        try:
            house.postern.start()
        finally:
            del os.environ["NOTIFY_SOCKET"]
        assert manager.recv(4096) == b"READY=1\nSTATUS=listening on 1 of 2 interfaces\n"
        house.server.ip("link", "add", "late0", "type", "veth", "peer", "name", "late1")
        house.server.ip("link", "set", "late0", "up")
        assert manager.recv(4096) == b"READY=1\nSTATUS=listening on 2 of 2 interfaces\n"
        house.postern.reload()
        before = time.monotonic_ns() // 1000
        words = dict(line.split("=", 1) for line in manager.recv(4096).decode().splitlines())
        assert words["RELOADING"] == "1" and abs(int(words["MONOTONIC_USEC"]) - before) < 5_000_000
        assert manager.recv(4096).startswith(b"READY=1\n")
        house.postern.stop()
        assert manager.recv(4096).startswith(b"STOPPING=1\n")


@pytest.mark.house(start=False)
def test_a_start_in_the_background_that_fails_says_so(house):
    (house.postern.etc / "door.key").write_text("not a key\n")
    done = again(house)
    assert done.returncode == 1 and "did not start" in done.stderr
    (house.postern.etc / "door.key").chmod(0o640)
    done = again(house)
    assert done.returncode == 1 and "door.key" in done.stderr and "0600" in done.stderr
    assert names(house.postern.run_dir) in ([], ["empty"])


# A /dev with what a daemon needs, and our own socket as its log; seen by that daemon alone.
WITH_LOG = (
    'mkdir "$1/dev" && mount -t tmpfs tmpfs "$1/dev" && for f in null zero random urandom; do '
    ': >"$1/dev/$f" && mount --bind "/dev/$f" "$1/dev/$f" || exit; done; '
    'ln -s "$1/syslog" "$1/dev/log" && mount --rbind "$1/dev" /dev && shift && exec "$@"'
)


@pytest.mark.house(start=False, log="syslog")
def test_in_the_background_all_processes_log_to_syslog(house):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(str(house.folder / "syslog"))
        log.settimeout(5)
        program = house.postern.bin / PLACES["posternd"]
        words = ("sh", "-c", WITH_LOG, "sh", house.folder, program, "-c", house.postern.config)
        done = house.server.run(*words)
        assert done.stdout == done.stderr == ""
        pid = int((house.postern.run_dir / "posternd.pid").read_text())
        assert house.knocker().open().verdict == "ok"
        lines, wanted = [], ("monitor: ready", "capture eth0: capture_ready", "auth: granted client=bob")
        while not all(any(word in line for line in lines) for word in wanted):
            lines.append(log.recv(4096).decode("ascii"))
        assert all(re.fullmatch(rf"<30>[^\n]+ posternd\[{pid}\]: [^\n]+", line) for line in lines), lines
        os.kill(pid, signal.SIGTERM)
        until(lambda: not alive(pid), 5, "its end")


@pytest.mark.house(start=False)
def test_a_run_dir_that_others_can_write_is_refused(house):
    house.postern.run_dir.mkdir(exist_ok=True)
    house.postern.run_dir.chmod(0o777)
    done = again(house, "-f")
    assert done.returncode == 1 and "others can write" in done.stderr
    assert "inet postern" not in tables(house)


@pytest.mark.house(start=False)
def test_an_account_that_is_missing_is_told_at_once(house):
    house.postern.directives["capture-user"] = "nobody-knows"
    house.postern.write_config()
    done = again(house, "-f")
    assert done.returncode == 1 and "nobody-knows" in done.stderr


@pytest.mark.parametrize("args", [["--nonsense"], ["-c"], ["word"], ["--role", "root"], ["--index", "-1"]])
@pytest.mark.house(start=False)
def test_wrong_usage_is_one_sentence(house, args):
    done = house.server.run(house.postern.bin / PLACES["posternd"], *args, check=False)
    assert done.returncode == 3 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and "--help" in done.stderr
