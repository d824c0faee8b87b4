"""The service under a systemd of its own, from README's `systemctl start` on, with what `ninja install` leaves behind."""

import re
import subprocess
import time
from pathlib import Path

import pytest
from test_hardening import ROOT

HERE = Path(__file__).resolve().parent
MANUAL = HERE.parents[1] / "doc/posternd.conf.5.scd"
PATH = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
NOT_HERE = 77
PATIENCE_S = 60
UP = "alone"  # a service to be started again
RIGHTS = "grep -E '^(CapBnd|NoNewPrivs)' /proc/self/status; echo was here >/etc/was-here"
CONFIG = f"""
command "again" {{ run = {{"/usr/bin/systemctl", "restart", "{UP}"}}  user = root }}
command "rights" {{ run = {{"/bin/sh", "-c", "{RIGHTS}"}}  user = root }}
"""


class Machine:
    def __init__(self, folder):
        self.log = folder / "log"
        (folder / "files").mkdir()
        with open(self.log, "wb") as out:
            self.outer = subprocess.Popen(
                ["unshare", "-m", HERE / "boot.sh", folder / "files", ROOT], stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        self.pid = None
        end = time.monotonic() + PATIENCE_S
        while not self.is_up():
            if self.outer.poll() == NOT_HERE:
                pytest.skip(f"no systemd can be started on this host: {self.log.read_text()}")
            assert self.outer.poll() is None and time.monotonic() < end, self.log.read_text()
            time.sleep(0.05)

    def is_up(self):
        """The first process in there is the only child of unshare's, which is that of the script."""
        found = self.outer.pid
        for _ in range(2):
            children = Path(f"/proc/{found}/task/{found}/children").read_text().split()
            if len(children) != 1:
                return False
            found = int(children[0])
        self.pid = found
        # What else of this host does not start in there is none of ours.
        return self.run("systemctl", "is-system-running", check=False).stdout.strip() in ("running", "degraded")

    def run(self, *words, check=True, stdin=None):
        argv = ["nsenter", "-t", str(self.pid), "-a", "-r", "-w", "env", "-i", PATH, "HOME=/root", *map(str, words)]
        done = subprocess.run(argv, text=True, capture_output=True, input=stdin, timeout=PATIENCE_S)
        if check and done.returncode:
            raise AssertionError(f"{words}: {done.returncode}\n{done.stdout}{done.stderr}{self.journal()}")
        return done

    def journal(self):
        return self.run("journalctl", "--no-pager", "-o", "cat", "-u", "posternd", check=False).stdout

    def main_pid(self, unit):
        return int(self.run("systemctl", "show", "-P", "MainPID", unit).stdout)

    def append(self, path, text):
        self.run("sh", "-c", f"mkdir -p {Path(path).parent} && cat >>{path}", stdin=text)

    def end(self):
        if self.outer.poll() is None:
            self.run("kill", "-9", "1", check=False)
            if self.pid:
                subprocess.run(["kill", "-9", str(self.pid)], check=False)
            self.outer.wait(PATIENCE_S)


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    made = Machine(tmp_path_factory.mktemp("systemd"))
    try:
        made.run("posternctl", "init")
        made.append("/etc/postern/posternd.conf", CONFIG)
        made.append(f"/etc/systemd/system/{UP}.service", "[Service]\nExecStart=/bin/sleep 1000\n")
        made.run("systemctl", "daemon-reload")
        made.run("systemctl", "start", UP)
        names = [word for name in ("again", "rights") for word in ("--command", name)]
        made.run("posternctl", "client", "add", "alice", "--service", "ssh", *names, "--server", "127.0.0.1", "--output", "/root/alice")
        made.run("postern", "import", "/root/alice")
        made.run("systemctl", "start", "posternd")
        yield made
    finally:
        made.end()


def test_it_starts_and_is_heard_through_reload_and_restart(machine):
    machine.run("postern", "ping", "alice")
    machine.run("systemctl", "reload", "posternd")
    machine.run("postern", "ping", "alice")
    machine.run("systemctl", "restart", "posternd")
    machine.run("postern", "ping", "alice")
    machine.run("systemctl", "stop", "posternd")
    assert "chain" in machine.run("nft", "list", "table", "inet", "postern").stdout
    machine.run("systemctl", "start", "posternd")
    machine.run("postern", "ping", "alice")


def test_it_is_started_again_when_it_is_killed(machine):
    before = machine.main_pid("posternd")
    machine.run("kill", "-9", before)
    end = time.monotonic() + PATIENCE_S
    while machine.main_pid("posternd") in (0, before) or "listening" not in machine.run("systemctl", "status", "posternd", check=False).stdout:
        assert time.monotonic() < end, machine.journal()
        time.sleep(0.1)
    machine.run("postern", "ping", "alice")


def test_what_commands_may_do(machine):
    """The manual's example works with the unit as it is; with the manual's drop-in the rights of root are there."""
    before = machine.main_pid(UP)
    machine.run("postern", "run", "alice", "again")
    assert machine.main_pid(UP) not in (0, before)

    limited = machine.run("postern", "run", "alice", "rights", check=False)
    assert limited.returncode != 0 and "NoNewPrivs:\t1" in limited.stdout and "Read-only" in limited.stdout
    assert "programs_limited" in machine.journal()

    (drop_in,) = re.findall(r"^```\n(\[Service\]\n.*?)^```$", MANUAL.read_text(), re.M | re.S)
    machine.append("/etc/systemd/system/posternd.service.d/commands.conf", drop_in)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "posternd")
    free = machine.run("postern", "run", "alice", "rights").stdout
    assert "NoNewPrivs:\t0" in free
    assert int(re.search(r"CapBnd:\t(\w+)", free)[1], 16) & 0b11 == 0b11  # CAP_CHOWN, CAP_DAC_OVERRIDE
    machine.run("test", "-e", "/etc/was-here")
