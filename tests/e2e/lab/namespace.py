"""One host of the laboratory: a network namespace and what is done inside it."""

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import subprocess

from .process import Process

CLONE_NEWNET = 0x40000000
SIOCETHTOOL, ETHTOOL_GLINK = 0x8946, 0xA
_libc = ctypes.CDLL(None, use_errno=True)


def sh(*argv, check=True, **more):
    """Runs a command; its output as text. Raises with the output when it fails."""
    done = subprocess.run(argv, text=True, capture_output=True, **more)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


class Namespace:
    """`wrap` is put before each command: the jail of network.py."""

    def __init__(self, name, role, folder, wrap=()):
        self.name, self.role, self.folder, self.wrap = name, role, folder, list(wrap)
        self.processes = []
        self._logs = 0
        sh("ip", "netns", "add", name)
        self.ip("link", "set", "lo", "up")

    def ip(self, *args, check=True):
        return sh("ip", "-n", self.name, *args, check=check).stdout

    def argv(self, args):
        return ["ip", "netns", "exec", self.name, *self.wrap, *map(str, args)]

    def run(self, *args, check=True, env=None, stdin=None, timeout=60):
        """A command to its end; CompletedProcess with text output."""
        full = {**os.environ, **(env or {})}
        return sh(*self.argv(args), check=check, env=full, input=stdin, timeout=timeout)

    def start(self, *args, env=None, name=None, **more):
        """A command in the background: a Process."""
        self._logs += 1
        log = self.folder / f"{self.role}-{self._logs}-{name or os.path.basename(str(args[0]))}.log"
        process = Process(self.argv(args), log, env={**os.environ, **(env or {})}, **more)
        self.processes.append(process)
        return process

    def sysctl(self, key, value):
        with self.inside(), open("/proc/sys/" + key.replace(".", "/"), "w") as file:
            file.write(str(value))

    @contextlib.contextmanager
    def inside(self):
        """The calling thread is in the namespace within the block; sockets made there stay in it."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        there = os.open(f"/run/netns/{self.name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(there)
            yield
        finally:
            _setns(home)
            os.close(home)
            os.close(there)

    def socket(self, *args):
        with self.inside():
            return socket.socket(*args)

    def sync_link(self, device):
        """Makes the kernel notice a new carrier now; by itself it looks once a second."""
        value = ctypes.create_string_buffer(struct.pack("II", ETHTOOL_GLINK, 0))
        request = struct.pack("16sP", device.encode(), ctypes.addressof(value)).ljust(40, b"\0")
        with self.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            fcntl.ioctl(s, SIOCETHTOOL, request)

    def mac(self, device):
        with self.inside():
            raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            raw.bind((device, 0))
            with raw:
                return raw.getsockname()[4].hex(":")

    def inject(self, device, frames):
        """Sends whole Ethernet frames out of a device."""
        with self.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
            raw.bind((device, 0))
            for frame in frames:
                raw.send(frame)

    def pids(self):
        return [int(p) for p in sh("ip", "netns", "pids", self.name, check=False).stdout.split()]

    def close(self):
        for process in reversed(self.processes):
            with contextlib.suppress(OSError):
                process.kill()
        for pid in self.pids():  # what ours left behind, sshd's sessions for example
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        sh("ip", "netns", "del", self.name, check=False)
