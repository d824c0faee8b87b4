"""Hosts, and a switch between them."""

import contextlib
import itertools
import os
import shutil
import tempfile
from pathlib import Path

from .namespace import Namespace, sh

_count = itertools.count(1)
PREFIX = "postern-lab"
NUMBERS = {"server": 1, "client": 2, "attacker": 3, "other": 4, "backend": 5}
ACCOUNTS = ("_postern-capture", "_postern-auth", "_postern-openpgp")


def v4(role):
    return f"10.88.0.{NUMBERS[role]}"


def v6(role):
    return f"fd88::{NUMBERS[role]}"


def sweep():
    """Takes away what laboratories of dead processes left (after a SIGKILL, say)."""
    for line in sh("ip", "netns", "list").stdout.splitlines():
        name = line.split()[0]
        if name.startswith(PREFIX + "-") and not os.path.exists("/proc/" + name.split("-")[2]):
            for pid in sh("ip", "netns", "pids", name, check=False).stdout.split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), 9)
            sh("ip", "netns", "del", name, check=False)
    for folder in Path(tempfile.gettempdir()).glob(PREFIX + "-*"):
        if not os.path.exists("/proc/" + folder.name.split("-")[2]):
            shutil.rmtree(folder, ignore_errors=True)


class Lab:
    """Hosts with a device eth0 each, on one switch. lab.server, lab.client ... are Namespaces."""

    def __init__(self, *extra, build=None):
        self.tag = f"{PREFIX}-{os.getpid()}-{next(_count)}"
        self.folder = Path(tempfile.gettempdir()) / self.tag
        self.folder.mkdir(mode=0o755)
        self.spaces, self.roles = [], []
        self._accounts()
        self.build = self._origin(build) if build else None
        try:
            self.switch = self._namespace("switch")
            self.switch.ip("link", "add", "sw", "type", "bridge", "mcast_snooping", "0")
            self.switch.ip("link", "set", "sw", "up")
            for role in ("server", "client", *extra):
                self.add_host(role)
        except BaseException:
            self.close()
            raise

    def _accounts(self):
        """Files of /etc for the jail: the daemon's accounts, and a name for each host (server.lab ...)."""
        passwd, group = Path("/etc/passwd").read_text(), Path("/etc/group").read_text()
        for number, name in enumerate(ACCOUNTS, 64801):
            if f"\n{name}:" not in passwd:
                passwd += f"{name}:x:{number}:{number}::/nonexistent:/usr/sbin/nologin\n"
                group += f"{name}:x:{number}:\n"
        (self.folder / "passwd").write_text(passwd)
        (self.folder / "group").write_text(group)
        hosts = ["127.0.0.1 localhost\n::1 localhost\n"]
        hosts += [f"{address(role)} {role}.lab\n" for role in NUMBERS for address in (v4, v6)]
        (self.folder / "hosts").write_text("".join(hosts))
        # sshd without PAM refuses an account whose password is locked, as root's may be here.
        (self.folder / "shadow").write_text("root:*:19000:0:99999:7:::\n")
        (self.folder / "shadow").chmod(0o600)

    def _origin(self, build):
        (self.folder / "origin").symlink_to(Path(build).resolve())
        (self.folder / "build").mkdir()
        return self.folder / "build"

    def _namespace(self, role):
        jail = Path(__file__).with_name("jail.sh")
        space = Namespace(f"{self.tag}-{role}", role, self.folder, [str(jail), str(self.folder)])
        self.spaces.append(space)
        return space

    def be_chatty(self, role="server"):
        """Takes the kernel's limits off ICMP errors, so that scans see closed ports and not the limit."""
        host = getattr(self, role)
        for key, value in (
            ("net.ipv4.icmp_ratelimit", 0),
            ("net.ipv6.icmp.ratelimit", 0),
            ("net.ipv4.icmp_msgs_per_sec", 100000),
            ("net.ipv4.icmp_msgs_burst", 100000),
        ):
            host.sysctl(key, value)

    def add_host(self, role):
        host = self._namespace(role)
        self.roles.append(role)
        setattr(self, role, host)
        host.sysctl("net.ipv4.conf.all.arp_ignore", 1)  # all cables end in one switch
        self.connect(host, "eth0", NUMBERS[role])
        host.ip("addr", "add", v4(role) + "/24", "brd", "+", "dev", "eth0")
        host.ip("addr", "add", v6(role) + "/64", "dev", "eth0", "nodad")
        return host

    def connect(self, host, device, number):
        """A cable from a host to the switch. The switch's end is called ROLE-DEVICE."""
        port = f"{host.role}-{device}"[:15]
        host.ip("link", "add", device, "type", "veth", "peer", "name", port)
        host.ip("link", "set", port, "netns", self.switch.name)
        host.sysctl(f"net.ipv6.conf.{device}.accept_dad", 0)
        host.sysctl(f"net.ipv6.conf.{device}.dad_transmits", 0)
        host.ip("link", "set", device, "address", f"02:88:00:00:00:{number:02x}")
        host.ip("link", "set", device, "up")
        self.switch.sysctl(f"net.ipv6.conf.{port}.disable_ipv6", 1)
        self.switch.ip("link", "set", port, "master", "sw", "up")
        self.switch.sync_link(port)
        return port

    def loss(self, percent, role="client"):
        """Loses so many of a hundred packets, each way, on a host's cable; 0 ends it."""
        port = f"{role}-eth0"
        rules = "table netdev loss\ndelete table netdev loss\n"
        if percent:
            rules += "table netdev loss {\n"
            for device in (port, *(f"{r}-eth0" for r in self.roles if r != role)):
                rules += (
                    f'chain {device} {{ type filter hook ingress device "{device}" priority 0; policy accept;\n'
                    f"meta protocol {{ ip, ip6 }} numgen random mod 100 < {percent} counter drop\n}}\n"
                )
            rules += "}\n"
        self.switch.run("nft", "-f", "-", stdin=rules)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for space in reversed(self.spaces):
            space.close()
        self.spaces = []
        if not os.environ.get("POSTERN_KEEP_LOGS"):
            shutil.rmtree(self.folder, ignore_errors=True)
