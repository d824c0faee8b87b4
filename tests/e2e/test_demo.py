"""demo.py: what it shows is true, and it cleans up after itself however it ends."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from lab import until
from lab.process import Process, alive, children
from lab.programs import build

DEMO = Path(__file__).with_name("demo.py")


def start(folder, **env):
    return Process([sys.executable, "-B", DEMO], folder / "demo.log", env={**os.environ, "POSTERN_BUILD": str(build()), **env})


def left_of(pid):
    """Namespaces and folders that bear its process id."""
    spaces = subprocess.run(["ip", "netns", "list"], text=True, capture_output=True, check=True).stdout
    tag = f"postern-lab-{pid}-"
    found = [line.split()[0] for line in spaces.splitlines() if line.startswith(tag)]
    return found + [str(p) for p in Path(tempfile.gettempdir()).glob(tag + "*")]


def everybody(pid):
    below = children(pid)
    return below + [p for child in below for p in everybody(child)]


def test_all_of_it(tmp_path):
    demo = start(tmp_path)
    assert demo.popen.wait(120) == 0, demo.output()
    said = demo.output()
    assert said.count(" yes") >= 12 and " NO" not in said
    for word in ("nmap", "granted", "logs in", "closes the door", "sent again, gets silence", "closed in the same way"):
        assert word in said
    assert left_of(demo.pid) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("moment", ["A server at", "Alice knocks"])
def test_interrupted(tmp_path, number, moment):
    demo = start(tmp_path)
    demo.wait_line(moment, 60)
    assert left_of(demo.pid)
    processes = everybody(demo.pid)
    assert processes
    demo.signal(number)
    assert demo.popen.wait(20) != 0
    assert left_of(demo.pid) == []
    until(lambda: not any(alive(pid) for pid in processes), 5, "the end of all that it started")


def test_what_is_not_true_is_told_by_the_exit_status(tmp_path):
    """With a client program that grants without a knock, the demo says NO and fails."""
    fake = tmp_path / "build"
    fake.mkdir()
    for entry in build().iterdir():
        (fake / entry.name).symlink_to(entry)
    (fake / "client").unlink()
    (fake / "client").mkdir()
    liar = fake / "client" / "postern"
    liar.write_text("#!/bin/sh\necho ssh is open\n")
    for path in (*tmp_path.parents, tmp_path, fake, fake / "client"):
        if path.owner() == "root" and str(path).startswith(tempfile.gettempdir() + "/"):
            path.chmod(0o755)
    liar.chmod(0o755)
    demo = start(tmp_path, POSTERN_BUILD=str(fake))
    assert demo.popen.wait(120) != 0
    assert " NO" in demo.output() and left_of(demo.pid) == []
