"""The three systems under measurement, each set up as its manual says, guarding TCP port 2222 of the same host."""

import base64
import json
import os
import struct
import subprocess
import time

from lab.network import v4
from lab.postern import Postern
from lab.wait import until
from probe import Cost

SERVICE_PORT = 2222
KNOCK_PORT = 62201
BASE = "10.88.0.100"
ADDRESSES = [f"10.88.0.{n}" for n in range(100, 160)]  # fewer than one client may have doors
DAEMON_CPU, LOAD_CPU = "1", "0"

DROP_BY_DEFAULT = """
iptables -P INPUT DROP
iptables -A INPUT -i lo -j ACCEPT
iptables -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT
"""


def blast_argv(lab, count, rate, size=204):
    """A sender of random datagrams to the knock port, all from one address."""
    tool = lab.server.folder / "build" / "tests" / "e2e" / "tools" / "blast"
    return ["taskset", "-c", LOAD_CPU, tool, "eth0", lab.server.mac("eth0"), v4("attacker"), v4("server"),
            str(KNOCK_PORT), str(count), str(size), str(rate)]


class Peer:
    name = ""

    def __init__(self, lab, build):
        self.lab, self.host, self.build = lab, lab.server, build
        self.process = None
        self.start_s = 0.0
        self.runs = 0

    def launch(self, argv, ready):
        """Start pinned; start_s is from exec to the line that says ready."""
        began = time.monotonic()
        self.runs += 1
        self.process = self.host.start("taskset", "-c", DAEMON_CPU, *argv, name=f"{self.name}-{self.runs}")
        self.process.wait_line(ready, 60)
        self.start_s = time.monotonic() - began

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        self.process.stop()

    def client(self, *argv, timeout=600):
        """A load tool on the client's host; its JSON."""
        out = self.lab.client.run("taskset", "-c", LOAD_CPU, *argv, timeout=timeout).stdout
        return json.loads(out)

    def door_tool(self, knock_port, count, *how):
        tool = self.build / "bench" / "bench-door"
        return self.client(tool, v4("server"), str(knock_port), str(SERVICE_PORT), BASE, str(count), *how)


class Ours(Peer):
    name = "postern"

    def __init__(self, lab, build):
        super().__init__(lab, build)
        service = ("door", "tcp", SERVICE_PORT, 60, 3600)
        self.postern = Postern(self.host, services=(service,), udp_port=KNOCK_PORT,
                               client_rate=100000, client_burst=100000, max_sessions=65536)
        self.postern.write_config()
        # The one rule that `posternctl firewall check` advises where another chain drops by default.
        self.host.run("iptables-nft", "-I", "INPUT", "-m", "connmark", "--mark", "0x10000/0x10000", "-j", "ACCEPT")
        self.keys = self.host.folder / "population.keys"
        self.clients = 0

    def ban_somebody(self):
        """From the next start on the daemon knows that there are bans."""
        self.host.run("nft", "add", "element", "inet", "postern", "banned4", "{ 192.0.2.1 timeout 1h }")

    def populate(self, clients):
        self.clients = clients
        tool = self.build / "bench" / "bench-keys"
        subprocess.run([tool, str(clients), "door", self.keys, self.postern.etc / "clients"], check=True)

    def start(self, clients=1, ban_after=0):
        if clients != self.clients:
            self.populate(clients)
        self.postern.directives["ban-after"] = ban_after
        self.postern.write_config()
        daemon = self.postern.bin / "daemon" / "posternd"
        self.launch([daemon, "-f", "-c", self.postern.config], r"\bready\b")

    def _public(self):
        return base64.b64encode(self.postern.card().server_public).decode()

    def doors(self, count):
        return self.door_tool(KNOCK_PORT, count, "postern", self._public(), str(self.postern.etc / "door.key"),
                              str(self.keys), "door")

    def _knock_argv(self, *numbers):
        tool = self.build / "bench" / "bench-knock"
        return [tool, v4("server"), str(KNOCK_PORT), BASE, self._public(), self.postern.etc / "door.key", self.keys,
                "door", *map(str, numbers)]

    def knocks(self, count, rate, first=0, clients=1):
        return self.client(*self._knock_argv(count, rate, first, clients, 0))

    def begin_knocks(self, count, rate, first=0, clients=1):
        """The same in the background, from where it begins to send: the Process, whose last line is the JSON."""
        argv = ["taskset", "-c", LOAD_CPU, *self._knock_argv(count, rate, first, clients, 0)]
        running = self.lab.client.start(*argv, name="knocks")
        running.wait_line("^sending", 60)
        return running

    def replays(self, count, rate, first, clients, times):
        """The daemon's cost while count spent knocks come again, times over: CPU seconds."""
        argv = self.lab.client.argv(["taskset", "-c", LOAD_CPU, *self._knock_argv(count, rate, first, clients, times)])
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as running:
            json.loads(running.stdout.readline())  # printed when the knocks themselves were answered
            cost = Cost(self.pid)
        if running.returncode:
            raise RuntimeError("a replay was answered")
        return cost.stop()[1]

    def strangers(self, count, rate):
        """Random datagrams to the knock port."""
        self.lab.attacker.run(*blast_argv(self.lab, count, rate), timeout=300)

    def clear(self):
        """Close every door between two measurements."""
        self.stop()
        self.host.run("nft", "delete", "table", "inet", "postern")


class Fwknop(Peer):
    name = "fwknopd"

    def __init__(self, lab, build):
        super().__init__(lab, build)
        self.dir = self.host.folder / "fwknop"
        self.dir.mkdir(mode=0o700)
        self.key = base64.b64encode(os.urandom(32)).decode()
        self.hmac = base64.b64encode(os.urandom(64)).decode()

    def start(self, clients=1):
        config = self.dir / "fwknopd.conf"
        config.write_text(
            f"PCAP_INTF eth0;\nPCAP_FILTER udp port {KNOCK_PORT};\nFIREWALL_EXE /usr/sbin/iptables-nft;\n"
            f"FWKNOP_RUN_DIR {self.dir};\nDIGEST_DB_FILE {self.dir}/digest.{self.runs};\n"
        )
        config.chmod(0o600)
        access = self.dir / "access.conf"
        with open(access, "w") as out:
            for i in range(clients):
                last = i == clients - 1
                key = self.key if last else base64.b64encode(os.urandom(32)).decode()
                hmac = self.hmac if last else base64.b64encode(os.urandom(64)).decode()
                out.write(f"SOURCE ANY\nKEY_BASE64 {key}\nHMAC_KEY_BASE64 {hmac}\nFW_ACCESS_TIMEOUT 60\n\n")
        access.chmod(0o600)
        self.launch(["fwknopd", "-f", "-c", config, "-a", access], r"Starting fwknopd main event loop")

    def datagrams(self, addresses):
        """Made by fwknop's own client: one for each address."""
        path = self.dir / "datagrams"
        with open(path, "wb") as out:
            for address in addresses:
                saved = self.dir / "packet"
                subprocess.run(
                    ["fwknop", "-A", f"tcp/{SERVICE_PORT}", "-D", v4("server"), "-a", address, "--no-rc-file",
                     "--key-base64-rijndael", self.key, "--use-hmac", "--key-base64-hmac", self.hmac, "--test",
                     "-B", saved], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                    env={**os.environ, "HOME": str(self.dir)})
                packet = saved.read_bytes().strip()
                out.write(struct.pack(">H", len(packet)) + packet)
        return path

    def doors(self, count):
        return self.door_tool(KNOCK_PORT, count, "file", str(self.datagrams(ADDRESSES[:count])))

    def rules(self):
        out = self.host.run("iptables-nft", "-S", "FWKNOP_INPUT", check=False).stdout
        return out.count(f"--dport {SERVICE_PORT}")

    def strangers(self, count, rate):
        """Forged packets that pass its checks of form: base64 of a valid packet's length."""
        with self.lab.attacker.socket(2, 2) as sock:
            began = time.monotonic()
            for i in range(count):
                while time.monotonic() < began + i / rate:
                    time.sleep(0.0002)
                sock.sendto(base64.b64encode(os.urandom(153)), (v4("server"), KNOCK_PORT))

    def accepted(self, count, rate):
        """Send count valid packets at a rate; how many opened within their time."""
        path = self.datagrams([f"10.99.{i // 250}.{i % 250 + 1}" for i in range(count)])
        data, at = path.read_bytes(), 0
        with self.lab.client.socket(2, 2) as sock:
            began = time.monotonic()
            for i in range(count):
                length = struct.unpack_from(">H", data, at)[0]
                while time.monotonic() < began + i / rate:
                    time.sleep(0.0002)
                sock.sendto(data[at + 2:at + 2 + length], (v4("server"), KNOCK_PORT))
                at += 2 + length
        seen, still_since = -1, time.monotonic()
        while time.monotonic() - still_since < 2:  # until it has worked off what it holds
            now = self.rules()
            if now != seen:
                seen, still_since = now, time.monotonic()
            time.sleep(0.2)
        return seen

    def clear(self):
        self.stop()


class Knockd(Peer):
    name = "knockd"
    SEQUENCE = "7000,8000,9000"

    def start(self, clients=1):
        config = self.host.folder / "knockd.conf"
        open_it = f"/usr/sbin/iptables-nft -I INPUT -s %IP% -p tcp --dport {SERVICE_PORT} -j ACCEPT"
        config.write_text(
            f"[options]\n  logfile = {self.host.folder}/knockd.out\n\n[open]\n  sequence = {self.SEQUENCE}\n"
            f"  seq_timeout = 5\n  tcpflags = syn\n  start_command = {open_it}\n  cmd_timeout = 60\n"
            f"  stop_command = {open_it.replace('-I', '-D')}\n"
        )
        # It says nothing when it begins; the capture socket in /proc/net/packet does.
        began = time.monotonic()
        self.process = self.host.start("taskset", "-c", DAEMON_CPU, "knockd", "-i", "eth0", "-c", config, name="knockd")
        until(lambda: len(self.host.run("cat", "/proc/net/packet").stdout.splitlines()) > 1, 10, "knockd's capture")
        self.start_s = time.monotonic() - began

    def doors(self, count):
        return self.door_tool(0, count, "syn", self.SEQUENCE)

    def clear(self):
        """It leaves its rules behind when it is stopped."""
        self.stop()
        rule = ["-p", "tcp", "--dport", str(SERVICE_PORT), "-j", "ACCEPT"]
        for address in ADDRESSES:
            self.host.run("iptables-nft", "-D", "INPUT", "-s", address, *rule, check=False)
