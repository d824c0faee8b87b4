"""Each way to capture among so many strangers that the first valid knock is lost; beside each a reader of the same kind
that only counts (counter_main.c), and fwknopd.

All on one core: what the kernel does with a packet before a reader gets it is steered to the reader's processor (RPS),
and the other one sends. (Native XDP is the exception: on veth it runs where the sender is.)"""

import json
import re
import signal
import time

from lab.process import children
from lab.wait import Timeout
from peers import DAEMON_CPU, KNOCK_PORT, Fwknop, blast_argv
from probe import Cost

HALVINGS = 5  # of the rates between nothing and the most that can be sent
FWKNOP_LADDER = (5_000, 2_000, 1_000, 500, 200, 100)
KNOCKS, KNOCK_RATE, CLIENTS = 500, 125, 100
KNOCKS_AT_FULL_SPEED = 2000
NUMBER = 4500  # of the counting readers' group and queue
METHODS = ("pcap", "afpacket", "tcpdump", "nflog", "nfqueue", "udp", "xdp")
EVERYWHERE = ("nflog", "nfqueue", "udp")
COLUMNS = ("posternd: strangers/s, no knock lost", "reader: packets/s, as few lost", "of the reader's",
           "posternd: CPU us a packet", "reader: CPU us a packet", "knocks answered at the sender's full speed")


def sent_by(host):
    """Packets that a host has sent so far."""
    return json.loads(host.ip("-j", "-s", "link", "show", "eth0"))[0]["stats64"]["tx"]["packets"]


def highest(attempt):
    """attempt(rate), 0 for the most, returns (did all come, real rate, more): those of the highest rate at which all did,
    and whether that was the most; None when there was none."""
    good, most, more = attempt(0)
    if good:
        return most, more, True
    low, high, best = 0, most, None
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        good, real, more = attempt(int(middle))
        if good:
            low, best = middle, (real, more, False)
        else:
            high = middle
    return best


class Captures:
    def __init__(self, bench, methods):
        self.bench, self.lab, self.build = bench, bench.lab, bench.build
        self.rows = {method: dict.fromkeys(COLUMNS, "–") for method in methods or METHODS}
        self.unmet = {}  # (method, who): took all that could be sent
        self.fwknop = "–"
        self.most = 0  # that was ever sent in a second

    def flood(self, rate):
        """Strangers until they are killed."""
        return self.lab.attacker.start(*blast_argv(self.lab, 100_000_000, rate), name="flood")

    def admit(self, verb, method):
        """A socket hears what the host's own firewall lets in alone."""
        if method == "udp":
            rule = ["-p", "udp", "--dport", str(KNOCK_PORT), "-j", "ACCEPT"]
            self.lab.server.run("iptables-nft", verb, "INPUT", *rule)

    # --- posternd ---

    def start_ours(self, method):
        ours = self.bench.our_peer()
        interface = "any" if method in EVERYWHERE else "eth0"
        ours.postern.directives.update({"capture": method, "interface": [interface]})
        ours.postern.write_config()
        ours.start(CLIENTS)
        ours.postern.process = ours.process
        ours.knocks(CLIENTS, KNOCK_RATE, 0, CLIENTS)  # all have proven themselves from here on
        return ours

    def knock_among(self, ours, rate, knocks):
        """(knocks answered, strangers a second, CPU us of the capture a packet)."""
        try:
            running = ours.begin_knocks(knocks, KNOCK_RATE, 0, CLIENTS)
        except Timeout:  # after a flood that it has not got over: not even one client could prove itself
            return 0, 0, 0
        cost, sent, began = Cost(ours.postern.pid("capture")), sent_by(self.lab.attacker), time.monotonic()
        flood = self.flood(rate)
        time.sleep(knocks / KNOCK_RATE)
        packets, seconds = sent_by(self.lab.attacker) - sent, time.monotonic() - began
        flood.kill()
        running.popen.wait(60)
        granted = json.loads(running.output().splitlines()[-1])["granted"]
        self.most = max(self.most, packets / seconds)
        return granted, packets / seconds, cost.stop()[1] / (packets + knocks) * 1e6

    def ours(self, method):
        ours, row = self.start_ours(method), self.rows[method]

        def attempt(rate):
            knocks = KNOCKS if rate else KNOCKS_AT_FULL_SPEED
            granted, real, cpu = self.knock_among(ours, rate, knocks)
            self.bench.say(f"{method:9} {real:8.0f} strangers/s: {granted} of {knocks} answered, {cpu:.2f} us a packet")
            if not rate:
                row[COLUMNS[5]] = f"{granted / knocks:.1%}"
            return granted == knocks, real, cpu

        found = highest(attempt)
        if found:
            row[COLUMNS[0]], row[COLUMNS[3]], self.unmet[method, "ours"] = found
        ours.clear()

    # --- who only counts ---

    def start_reader(self, method):
        server = self.lab.server
        tool = self.build / "bench" / "bench-counter"
        if method == "tcpdump":
            command = f"tcpdump --immediate-mode -B 16384 -i eth0 -Q in -nn -w - udp dst port {KNOCK_PORT} | cat > /dev/null"
            reader, ready = server.start("taskset", "-c", DAEMON_CPU, "sh", "-c", command, name="reader"), "listening on"
        else:
            source = [str(NUMBER)] if method in ("nflog", "nfqueue") else ["eth0", str(KNOCK_PORT)]
            reader, ready = server.start("taskset", "-c", DAEMON_CPU, tool, method, *source, name="reader"), "ready"
        reader.wait_line(ready)
        return reader

    def rules(self, method):
        """What hands packets over, and what keeps the kernel from answering them, as the guard does."""
        server = self.lab.server
        log = f"log group {NUMBER} queue-threshold 1" if method == "nflog" else ""
        drop = "" if method in ("udp", "nfqueue") else "drop"
        rule = f"udp dport {KNOCK_PORT} {log} {drop}" if log or drop else ""
        hook = "type filter hook prerouting priority raw; policy accept;"
        server.run("nft", "-f", "-", stdin=f"table inet reader {{\nchain c {{ {hook}\n{rule}\n}}\n}}\n")
        self.queue("-A", method)

    def queue(self, verb, method):
        if method == "nfqueue":
            where = ["-t", "raw", verb, "PREROUTING", "-p", "udp", "--dport", str(KNOCK_PORT)]
            self.lab.server.run("iptables-nft", *where, "-j", "NFQUEUE", "--queue-num", str(NUMBER), "--queue-bypass")

    def read(self, method, rate):
        """(packets sent, packets seen, a second, CPU us a packet)."""
        reader = self.start_reader(method)
        cost, count = Cost(reader.pid), max(2000, (rate or 200_000) * 2)
        done = self.lab.attacker.run(*blast_argv(self.lab, count, rate), timeout=120)
        time.sleep(0.5)
        cpu = cost.stop()[1]
        if method == "tcpdump":
            for pid in children(children(reader.pid)[0]) or children(reader.pid):
                self.lab.server.run("kill", "-INT", str(pid), check=False)
        else:
            reader.signal(signal.SIGTERM)
        reader.popen.wait(10)
        found = re.search(r'"seen":(\d+)|(\d+) packets captured', reader.output())
        seen = int(found[1] or found[2])
        real = float(re.search(r"([\d.]+) a second", done.stdout)[1])
        return count, seen, real, cpu / max(seen, 1) * 1e6

    def reader(self, method):
        row = self.rows[method]

        def attempt(rate):
            count, seen, real, cpu = self.read(method, rate)
            self.bench.say(f"{method:9} {real:8.0f} packets/s: the reader saw {seen} of {count}, {cpu:.2f} us a packet")
            # A knock in so many is lost where one packet in so many is.
            return count - seen < count / (KNOCKS if rate else KNOCKS_AT_FULL_SPEED), real, cpu

        self.rules(method)
        found = highest(attempt)
        if found:
            row[COLUMNS[1]], row[COLUMNS[4]], self.unmet[method, "reader"] = found
        self.queue("-D", method)
        self.lab.server.run("nft", "delete", "table", "inet", "reader")

    # --- fwknopd ---

    def other(self):
        fwknop = Fwknop(self.lab, self.build)
        count, rate = 60, 20
        for strangers in FWKNOP_LADDER:
            fwknop.start()
            flood = self.flood(strangers)
            got = fwknop.accepted(count, rate)
            flood.kill()
            fwknop.clear()
            self.bench.say(f"fwknopd   {strangers:8} strangers/s: {got} of {count} opened")
            if got == count:
                self.fwknop = strangers
                return
        self.fwknop = f"under {FWKNOP_LADDER[-1]}"

    def run(self):
        steer = "/sys/class/net/eth0/queues/rx-0/rps_cpus"
        self.lab.server.run("sh", "-c", f"echo {1 << int(DAEMON_CPU):x} > {steer}")
        for method in self.rows:
            self.admit("-I", method)
            self.ours(method)
            self.reader(method)
            self.admit("-D", method)
        if self.bench.has_peers:
            self.other()

    # --- the table ---

    @staticmethod
    def number(value):
        if isinstance(value, str):
            return value
        return f"{value:.2f}" if value < 100 else f"{round(value, -2):,.0f}"

    def table(self):
        lines = ["| method | " + " | ".join(COLUMNS) + " |", "| --- |" + " --- |" * len(COLUMNS)]
        for method, row in self.rows.items():
            ours, reader = row[COLUMNS[0]], row[COLUMNS[1]]
            if self.unmet.get((method, "ours")) and self.unmet.get((method, "reader")):
                row[COLUMNS[2]] = "both took all"
            elif not isinstance(ours, str) and not isinstance(reader, str):
                row[COLUMNS[2]] = f"{ours / reader:.0%}"
            lines.append(f"| {method} | " + " | ".join(self.number(row[c]) for c in COLUMNS) + " |")
        lines.append(f"\nfwknopd (libpcap) without a lost knock: {self.number(self.fwknop)} strangers/s. The other "
                     f"processor sent at most {self.most:,.0f} packets/s while it knocked; \"both took all\" means that "
                     "it could send no more than either takes.")
        return "\n".join(lines)
