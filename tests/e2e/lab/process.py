"""Processes by their pid: output in a file, waiting for a line, ending them, and /proc."""

import os
import re
import signal
import subprocess
import time

from .wait import Timeout, until


class Process:
    """A command in the background. Its standard error (and output) goes to a file."""

    def __init__(self, argv, log, env=None, cwd=None, stdin=subprocess.DEVNULL, stdout=None, umask=-1):
        self.log = log
        with open(log, "ab") as out:
            self.popen = subprocess.Popen(
                argv, stdin=stdin, stdout=stdout or out, stderr=out, env=env, cwd=cwd, umask=umask, start_new_session=True
            )

    @property
    def pid(self):
        return self.popen.pid

    def output(self):
        return self.log.read_text(errors="backslashreplace")

    def running(self):
        return self.popen.poll() is None

    def wait_line(self, pattern, seconds=20):
        """Waits for a line in the output; fails at once when the process ends without it."""

        def found():
            running = self.running()
            match = re.search(pattern, self.output(), re.M)
            if not match and not running:
                raise Timeout(f"ended with {self.popen.returncode} before {pattern!r}:\n{self.output()}")
            return match

        return until(found, seconds, f"{pattern!r} in {self.log}")

    def signal(self, number):
        os.kill(self.pid, number)

    def stop(self, seconds=15):
        """SIGTERM, then SIGKILL. Returns the exit status."""
        if self.running():
            self.popen.terminate()
            try:
                self.popen.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.popen.returncode

    def kill(self):
        if self.running():
            self.popen.send_signal(signal.SIGKILL)
        self.popen.wait()


def children(pid):
    """Process ids of the children of pid."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(word) for word in file.read().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def cmdline(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode(errors="replace").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def status(pid):
    """/proc/PID/status as a dict."""
    with open(f"/proc/{pid}/status") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def alive(pid):
    try:
        return status(pid)["State"][0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def resident_kib(pid):
    return int(status(pid)["VmRSS"].split()[0])


def cpu_s(pid):
    """What all threads of a process had of processors, to the nanosecond: clock_getcpuclockid(3) without the C library."""
    return time.clock_gettime(~pid << 3 | 2)


def user_cpu_s(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return int(fields[11]) / os.sysconf("SC_CLK_TCK")
