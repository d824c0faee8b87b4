"""posternd on a host of the laboratory, set up and looked at with posternctl."""

import base64
import json
import os
import re
import signal
import struct

from wire.keys import Identity
from wire.knock import Card
from wire.primitives import x25519_public

from . import nft
from .network import v4
from .process import alive, children, cmdline
from .programs import PLACES
from .wait import until

SSH = ("ssh", "tcp", 22, 60, 3600)


def service(name, proto, port, hold, max_hold, **more):
    lines = "".join(f"  {k.replace('_', '-')} = {v}\n" for k, v in more.items())
    return (
        f'service "{name}" {{\n  proto = {proto}\n  port = {port}\n'
        f"  hold = {hold}\n  max-hold = {max_hold}\n{lines}}}\n"
    )


def section(word, name, **more):
    lines = "".join(f"  {k} = {quoted(v)}\n" for k, v in more.items())
    return f'{word} "{name}" {{\n{lines}}}\n'


def quoted(value):
    if isinstance(value, (list, tuple)):
        return "{" + ", ".join(f'"{v}"' for v in value) + "}"
    return str(value) if isinstance(value, int) else f'"{value}"'

UNIT_UMASK = 0o077  # posternd.service has it


class Postern:
    """One installation: folders, configuration, clients, and the daemon when it runs."""

    PORT = 14123  # outside of those that the kernel gives to clients: no answer goes to it by chance

    def __init__(self, host, services=(SSH,), **directives):
        self.host = host
        self.bin = host.folder / "build"
        self.etc, self.state, self.run_dir = (host.folder / d for d in ("etc", "state", "run"))
        self.config = self.etc / "posternd.conf"
        self.process = None
        folders = [f"--{o}={p}" for o, p in zip(("config-dir", "state-dir", "run-dir"), self._folders())]
        self.init_output = host.run(self.bin / PLACES["posternctl"], "init", *folders).stdout
        self.directives = {"interface": ["eth0"], "udp-port": self.PORT, "log": "stderr", **directives}
        self.services = list(services)
        self.sources = {}  # name: directives; instead of the plain ones
        self.sequences = {}  # the same, beside the plain one
        self.write_config()

    def _folders(self):
        return self.etc, self.state, self.run_dir

    # --- configuration ---

    def config_text(self):
        paths = {"state-dir": self.state, "run-dir": self.run_dir}
        directives = {**paths, **{k.replace("_", "-"): v for k, v in self.directives.items()}}
        if self.sources:
            directives = {k: v for k, v in directives.items() if k not in ("interface", "capture", "capture-file")}
        lines = "".join(f"{name} = {quoted(value)}\n" for name, value in directives.items())
        lines += "".join(section("source", name, **more) for name, more in self.sources.items())
        lines += "".join(section("sequence", name, **more) for name, more in self.sequences.items())
        return lines + "".join(
            service(*s) if isinstance(s, tuple) else service(**s) for s in self.services
        )

    def write_config(self, text=None):
        self.config.write_text(text or self.config_text())

    # --- posternctl ---

    def ctl(self, *args, check=True):
        return self.host.run(self.bin / PLACES["posternctl"], "-c", self.config, *args, check=check)

    def add_client(self, name, services=("ssh",), server=None, **more):
        """By posternctl, as an administrator does; the profile's path."""
        profile = self.host.folder / f"{name}.postern"
        wanted = [w for s in services for w in ("--service", s)]
        server = server or v4(self.host.role)
        options = [f"--{k.replace('_', '-')}" + ("" if v is True else f"={v}") for k, v in more.items()]
        self.ctl("client", "add", name, *wanted, "--server", server, "--output", profile, *options)
        return profile

    def keys(self):
        """(server's private key, [door keys]), as its files have them."""

        def read(name):
            lines = (self.etc / name).read_text().split("\n")
            return [base64.b64decode(x) for x in lines if x and not x.startswith("#")]

        return read("server.key")[0], read("door.key")

    def card(self, identity=None):
        """A card for the Python client; with its own identity it is not enrolled yet."""
        server, doors = self.keys()
        return Card(identity or Identity.random(), x25519_public(server), doors[0])

    def client_line(self, name, identity, *options):
        words = [base64.b64encode(b).decode() for b in (identity.cid, identity.public, identity.client_secret)]
        return " ".join([name, *words, ",".join(options)]).strip() + "\n"

    def enrol(self, name, *options):
        """A client of the Python kind, written straight into the clients file: its card."""
        card = self.card()
        with open(self.etc / "clients", "a") as file:
            file.write(self.client_line(name, card.identity, *(options or ("service=ssh",))))
        return card

    # --- the daemon ---

    def start(self, *args, fault=None, clock=None, wait=True, **more):
        env = {"POSTERN_FAULT": fault} if fault else {}
        if clock:
            env |= clock.env(self.bin)
        command = [self.bin / PLACES["posternd"], "-f", "-c", self.config, *args]
        self.process = self.host.start(*command, env=env, name="posternd", umask=UNIT_UMASK, **more)
        if wait:
            self.process.wait_line("^monitor: ready")
        return self

    def stop(self):
        return self.process.stop()

    def reload(self):
        self.process.signal(signal.SIGHUP)

    def reload_and_wait(self):
        """Until the captures hear, and auth goes by it."""
        done = "monitor: reloaded", "auth: loaded"
        before = [len(self.log_lines(line)) for line in done]
        self.reload()
        until(lambda: all(len(self.log_lines(line)) > n for line, n in zip(done, before)), 15, "the reload")

    def log(self):
        return self.process.output()

    def log_lines(self, pattern):
        return re.findall(f"^.*(?:{pattern}).*$", self.log(), re.M)

    def pids(self):
        """{"monitor": pid, "auth": pid, "capture eth0": pid}; only those that live."""
        found = {"monitor": self.process.pid} if alive(self.process.pid) else {}
        for pid in children(self.process.pid):
            words = cmdline(pid)
            role = re.search(r"(?:--role[ =]|posternd: )(\w+)", words)
            device = re.search(r"(?:--source[ =]|capture )(\S+)", words)
            if role and alive(pid):
                name = role[1] + (f" {device[1]}" if role[1] == "capture" and device else "")
                found[name] = pid
        return found

    def pid(self, role):
        """The first process whose name begins so."""
        return next((p for name, p in self.pids().items() if name.startswith(role)), None)

    def kill(self, role):
        """kill -9 of one process; returns its pid."""
        pid = self.pid(role)
        os.kill(pid, signal.SIGKILL)
        until(lambda: not alive(pid), 5, f"{role}'s death")
        return pid

    def kill_all(self):
        for role in ("monitor", "auth", "capture"):
            if self.pid(role):
                self.kill(role)
        self.process.kill()

    # --- what it says and what the kernel has ---

    def ctl_json(self, *args):
        return json.loads(self.ctl("--json", *args).stdout)

    def stats(self):
        """Counters by name."""
        return {row["counter"]: row["value"] for row in self.ctl_json("stats")["counters"]}

    def source_rows(self):
        """{name: row}: how each source is doing, and its sums."""
        return {row["source"]: row for row in self.ctl_json("stats")["sources"]}

    def sessions(self):
        """Dicts of session, client, service, protocol, port, address, rest_s."""
        return self.ctl_json("sessions")["sessions"]

    def counter(self, suffix):
        """The sum of all counters whose name ends so."""
        return sum(v for k, v in self.stats().items() if k.endswith(suffix))

    def heard(self):
        """Packets that might have been knocks. The kernels' own multicast of IPv6 is seen as well, some time after a start."""
        now = self.stats()
        seen, others = (sum(v for k, v in now.items() if k.endswith(end)) for end in (".seen", ".not-ours"))
        return seen - others

    def doors(self):
        """{(address, protocol, port): rest in seconds}, as the kernel has them."""
        out = {}
        for name in ("doors4", "doors6"):
            for element in nft.elements(self.host, name):
                key = element[0] if isinstance(element, list) else element
                inner = key.get("elem", key)
                address, protocol, port = inner["val"]["concat"]
                out[str(address), protocol, port] = inner.get("expires")
        return out


class Clock:
    """A wrong clock for one process; set() makes it step while the process runs."""

    def __init__(self, folder, seconds=0):
        self.file = folder / f"clock-{id(self)}"
        self.set(seconds)

    def set(self, seconds):
        # In place: the process has the file mapped.
        with open(self.file, "r+b" if self.file.exists() else "wb") as file:
            file.write(struct.pack("=q", int(seconds * 10**9)))

    def env(self, bin_):
        return {"LD_PRELOAD": str(bin_ / PLACES["clockshift"]), "CLOCKSHIFT": str(self.file)}
