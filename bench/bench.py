"""postern, fwknopd and knockd, measured in one run on one machine. bench/README.md says what and how."""

import argparse
import contextlib
import os
import platform
import re
import shutil
import signal
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "e2e"))

from captures import METHODS, Captures  # noqa: E402
from knocks import Knocks  # noqa: E402
from lab import Lab  # noqa: E402
from peers import ADDRESSES, DROP_BY_DEFAULT, SERVICE_PORT, Fwknop, Knockd, Ours, blast_argv  # noqa: E402
from probe import Cost, resident_kib  # noqa: E402
from sessions import Sessions  # noqa: E402

PARTS = ("ours", "fwknop", "knockd", "capture", "knocks", "sessions")
BANNED = ", somebody banned"
LISTENER = f"""
import socket
s = socket.create_server(("", {SERVICE_PORT}), backlog=512)
print("listening", flush=True)
while True:
    s.accept()[0].close()
"""


class Bench:
    def __init__(self, lab, build, quick):
        self.lab, self.build, self.quick = lab, build, quick
        self.results = {}
        self.captures = self.knocked = self.opened = self._ours = None
        self.methods = []
        self.has_peers = shutil.which("fwknopd") is not None

    def our_peer(self):
        """One installation for all that is measured of it."""
        self._ours = self._ours or Ours(self.lab, self.build)
        return self._ours

    def say(self, text):
        print(f"  {text}", file=sys.stderr, flush=True)

    def keep(self, peer, what, value):
        self.results.setdefault(what, {})[peer.name] = value
        self.say(f"{peer.name:8} {what}: {value}")

    # --- one measure each ---

    def latency(self, peer, count):
        got = peer.doors(count)
        self.keep(peer, "door open, ms (median)", round(got["open_us"].get("p50", 0) / 1000, 2))
        self.keep(peer, "door open, ms (99th)", round(got["open_us"].get("p99", 0) / 1000, 2))
        self.keep(peer, "doors opened of tried", f'{got["opened"]}/{got["tried"]}')

    def latency_in_flood(self, peer, count, rate):
        flood = self.lab.attacker.start(*blast_argv(self.lab, rate * 120, rate), name="flood")
        got = peer.doors(count)
        flood.kill()
        self.keep(peer, f"among {rate} strangers/s: ms (median)", round(got["open_us"].get("p50", 0) / 1000, 2))
        self.keep(peer, f"among {rate} strangers/s: opened", f'{got["opened"]}/{got["tried"]}')

    def stranger(self, peer, clients, count, rate):
        cost = Cost(peer.pid)
        peer.strangers(count, rate)
        self.settle(peer)
        user, whole = cost.stop()
        label = f"CPU us a stranger's packet, {clients} clients"
        self.keep(peer, label, f"{user / count * 1e6:.2f} user, {whole / count * 1e6:.2f} all")

    def settle(self, peer):
        """Until the daemon has worked off what it holds."""
        while True:
            cost = Cost(peer.pid)
            time.sleep(0.5)
            if cost.stop()[1] < 0.02:
                return

    def our_valid(self, ours, clients, count, more=""):
        cost = Cost(ours.pid)
        ours.knocks(count, 1000, max(0, clients - 100), min(clients, 100))
        self.keep(ours, f"CPU us a valid knock, {clients} clients{more}", round(cost.stop()[1] / count * 1e6, 1))

    def our_valid_with_bans(self, ours, clients, count):
        ours.start(clients, ban_after=5)
        ours.ban_somebody()
        ours.stop()
        ours.start(clients, ban_after=5)
        self.our_valid(ours, clients, count, BANNED)
        self.our_rate(ours, BANNED)

    def our_knocks(self, ours, clients, count):
        first = max(0, clients - 100)
        self.our_valid(ours, clients, count)
        replay = ours.replays(count, 1000, first, min(clients, 100), 10)
        self.keep(ours, f"CPU us a replay, {clients} clients", round(replay / count / 10 * 1e6, 2))

    def our_rate(self, ours, more=""):
        best = 0
        for rate in (1000, 2000, 3000, 4000, 5000, 6000, 8000):
            got = ours.knocks(rate * (2 if self.quick else 4), rate, 0, 100)
            self.say(f'postern  {rate}/s: {got["granted"]} of {got["sent"]} confirmed in {got["seconds"]} s')
            if got["granted"] < got["sent"]:
                break
            best = rate
        self.keep(ours, f"confirmed knocks/s without loss{more}", best)

    def fwknop_rate(self, fwknop):
        best = 0
        for rate in (30, 60, 90, 120, 150):
            fwknop.start()
            count = rate * (3 if self.quick else 6)
            got = fwknop.accepted(count, rate)
            self.say(f"fwknopd  {rate}/s: {got} of {count} opened")
            fwknop.stop()
            if got < count:
                break
            best = rate
        self.keep(fwknop, "confirmed knocks/s without loss", f"{best} (unconfirmed)")

    def fwknop_knocks(self, fwknop, clients, count):
        cost = Cost(fwknop.pid)
        fwknop.accepted(count, 20)
        self.keep(fwknop, f"CPU us a valid knock, {clients} clients", round(cost.stop()[1] / count * 1e6, 1))

    # --- one system each ---

    def ours(self):
        ours = self.our_peer()
        for clients in (1, 1000, 100000):
            ours.start(clients)
            self.keep(ours, f"start, s, {clients} clients", round(ours.start_s, 3))
            self.keep(ours, f"resident KiB, {clients} clients", resident_kib(ours.pid))
            self.stranger(ours, clients, 200000 if self.quick else 1000000, 200000)
            if clients == 1:
                self.latency(ours, len(ADDRESSES))
                ours.clear()
                ours.start(clients)
                self.latency_in_flood(ours, len(ADDRESSES), 20000)
                ours.clear()
                ours.start(clients)
            count = 2000 if self.quick else 5000
            self.our_knocks(ours, clients, count)
            if clients == 1000:
                self.our_rate(ours)
                ours.clear()
                self.our_valid_with_bans(ours, clients, count)
            ours.clear()

    def fwknop(self):
        fwknop = Fwknop(self.lab, self.build)
        for clients, junk in ((1, 4000), (1000, 60)):
            fwknop.start(clients)
            self.keep(fwknop, f"start, s, {clients} clients", round(fwknop.start_s, 3))
            self.keep(fwknop, f"resident KiB, {clients} clients", resident_kib(fwknop.pid))
            self.stranger(fwknop, clients, junk, 900 if clients == 1 else 50)
            if clients == 1:
                self.latency(fwknop, 20 if self.quick else 50)
                fwknop.clear()
                fwknop.start(clients)
                self.latency_in_flood(fwknop, 11, 20000)
                fwknop.clear()
                fwknop.start(clients)
            self.fwknop_knocks(fwknop, clients, 60)
            fwknop.clear()
        self.fwknop_rate(fwknop)

    def knockd(self):
        knockd = Knockd(self.lab, self.build)
        knockd.start()
        self.keep(knockd, "start, s, 1 clients", round(knockd.start_s, 3))
        self.keep(knockd, "resident KiB, 1 clients", resident_kib(knockd.pid))
        self.latency(knockd, 20 if self.quick else 50)
        knockd.clear()
        knockd.start()
        self.latency_in_flood(knockd, 11, 20000)
        knockd.clear()

    def run(self, only):
        for line in DROP_BY_DEFAULT.strip().splitlines():
            self.lab.server.run(*line.split())
        for address in ADDRESSES:
            self.lab.client.ip("addr", "add", f"{address}/24", "dev", "eth0")
        listener = self.lab.server.start("/usr/bin/python3", "-c", LISTENER, name="listener")
        listener.wait_line("listening")
        for name in PARTS:
            if not only or name in only:
                getattr(self, name)()

    def knocks(self):
        """In hosts of its own, with all carriers and keys."""
        self.knocked = Knocks(self.say, self.quick)
        self.knocked.run()

    def sessions(self):
        self.opened = Sessions(self.say, self.quick)
        self.opened.run()

    def capture(self):
        self.captures = Captures(self, self.methods)
        self.captures.run()


def table(results):
    names = ["postern", "fwknopd", "knockd"]
    lines = ["| measure | " + " | ".join(names) + " |", "| --- |" + " --- |" * len(names)]
    for what, values in sorted(results.items()):
        lines.append(f"| {what} | " + " | ".join(str(values.get(n, "–")) for n in names) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=Path)
    parser.add_argument("--quick", action="store_true", help="fewer samples")
    parser.add_argument("--only", action="append", choices=PARTS)
    parser.add_argument("--method", action="append", choices=METHODS, help="of the ways to capture this one")
    parser.add_argument("--write", action="store_true", help="keep the table in bench/RESULTS.md")
    args = parser.parse_args()
    os.environ["POSTERN_BUILD"] = str(args.build.resolve())  # where the laboratory's own houses look
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with contextlib.closing(Lab("attacker", build=args.build)) as lab:
        bench = Bench(lab, args.build.resolve(), args.quick)
        bench.methods = args.method
        bench.run(args.only)
    head = f"{platform.release()}, {os.cpu_count()} processors, {time.strftime('%Y-%m-%d')}"
    parts = {}
    if bench.results:
        parts["# One run of `bench/run`"] = f"{head}\n\n{table(bench.results)}\n"
    if bench.captures:
        parts["# The ways to capture"] = f"{head}\n\n{bench.captures.table()}\n"
    if bench.knocked:
        parts["# Each combination"] = f"{head}\n\n{bench.knocked.table()}\n"
    if bench.opened:
        parts["# Ten thousand sessions"] = f"{head}\n\n{bench.opened.table()}\n"
    for title, text in parts.items():
        print(f"{title}\n\n{text}")
    if args.write:
        write(HERE / "RESULTS.md", parts)


def write(file, parts):
    """Replaces the parts that were measured; the others stay as they were."""
    kept = re.split(r"^(?=# )", file.read_text() if file.exists() else "", flags=re.M)
    old = {part.split("\n", 1)[0]: part.split("\n", 1)[1].strip() + "\n" for part in kept if part.strip()}
    file.write_text("\n".join(f"{title}\n\n{text}" for title, text in (old | parts).items()))


if __name__ == "__main__":
    main()
