"""Ten thousand doors open at once: what the last costs against the first, and what the daemon does with all of them."""

import itertools
import os
import signal
import threading
import time
from pathlib import Path

from lab import nft
from lab.crowd import Crowd
from lab.house import House
from lab.process import resident_kib
from lab.wait import until

MANY, FEW, QUICK = 10_000, 2_000, 1_000
EACH, RATE = 50, 1000  # sessions of one client; knocks a second
HOUR = {"proto": "tcp", "hold": 3600, "max_hold": 3600}
KINDS = (
    # what the service asks of its doors, and in which set the kernel has such
    ("plain", {}, "doors4"),
    ("idle", {"idle": 600}, "held4_600"),
    ("single-use", {"single_use": "yes"}, "once4"),
)
PROCESSES = ("capture", "auth", "monitor")


def slab_kib():
    """The kernel's memory for what it allocates in small pieces, elements of sets among them."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("Slab:"):
            return int(line.split()[1])
    return 0


class Pings(threading.Thread):
    """A client that asks again and again, and how long each answer took."""

    def __init__(self, house, card):
        super().__init__(daemon=True)
        self.knocker = house.knocker(card)
        self.knocker.ping()
        self.ms, self.lost, self.done = [], 0, threading.Event()

    def run(self):
        while not self.done.is_set():
            knock = self.knocker.make((), verb=4)
            began = time.perf_counter()
            if self.knocker.exchange(knock.m1, knock, 2):
                self.ms.append((time.perf_counter() - began) * 1000)
            else:
                self.lost += 1
            time.sleep(0.002)

    def stop(self):
        self.done.set()
        self.join()
        self.knocker.close()
        return max(self.ms), self.lost


class Sessions:
    def __init__(self, say, quick):
        self.say, self.quick = say, quick
        self.columns = {}

    def keep(self, kind, what, value):
        self.columns.setdefault(kind, {})[what] = value
        self.say(f"{kind:10} {what}: {value}")

    def run(self):
        for kind, narrow, name in KINDS:
            with self.house(narrow) as house:
                count = QUICK if self.quick else MANY if kind == "plain" else FEW
                self.one(house, kind, count, name)

    def house(self, narrow):
        service = {"name": "ssh", "port": 22, **HOUR, **narrow}
        return House(start=False, sshd=False, alice=False, services=(service,), client_rate=1000, client_burst=1000)

    def timed(self, kind, what, step):
        began = time.monotonic()
        value = step()
        self.keep(kind, f"{what}, ms", f"{(time.monotonic() - began) * 1000:,.0f}")
        return value

    def memory(self, postern):
        return {name: resident_kib(postern.pid(name)) for name in PROCESSES}

    def one(self, house, kind, count, name):
        postern = house.postern
        watcher = postern.enrol("watcher")
        self.crowd = Crowd(house, count // EACH)
        postern.start()
        self.opening(house, kind, count, name)
        self.timed(kind, "`posternctl sessions`", lambda: postern.ctl("sessions"))
        rows = self.timed(kind, "`posternctl --json sessions`", postern.sessions)
        self.expect(len(rows), count)
        self.restarts(house, kind, count, watcher)
        pings = Pings(house, watcher)
        pings.start()
        self.timed(kind, "reload", lambda: postern.ctl("reload"))
        self.revoke(postern, kind)
        self.tell_pings(kind, "reload and the end of all by revoking", pings)
        self.expect(len(postern.sessions()), 0)
        self.common_end(house, kind, watcher, name)

    def expect(self, found, wanted):
        if found != wanted:
            raise RuntimeError(f"{found} doors, not {wanted}")

    def opening(self, house, kind, count, name):
        before, slab = self.memory(house.postern), slab_kib()
        got = self.crowd.knock(count, RATE, "10.50.0.0", cpu="0")
        self.expect(got["granted"], count)
        self.keep(kind, "sessions", f"{count:,}")
        for part in ("first", "middle", "last"):
            times = got[f"{part}_us"]
            self.keep(kind, f"answer, ms: the {part} 100 (median, 99th)",
                      f'{times["p50"] / 1000:.2f}, {times["p99"] / 1000:.2f}')
        self.expect(len(nft.elements(house.server, name)), count)
        after = self.memory(house.postern)
        for role in PROCESSES:
            self.keep(kind, f"resident KiB of {role}: without, with them", f"{before[role]:,}, {after[role]:,}")
        self.keep(kind, "kernel's slabs, KiB more (the machine's)", f"{slab_kib() - slab:,}")

    def restarts(self, house, kind, count, watcher):
        """From kill -9 to an answer."""
        postern, asker = house.postern, house.knocker(watcher)

        def answers():
            return asker.ping(seconds=0.05)

        def killed():
            postern.kill("auth")
            until(answers, 20, "an answer", 0)

        def started():
            postern.kill_all()
            postern.start()
            until(answers, 20, "an answer", 0)

        answers()
        self.timed(kind, "auth killed: to the next answer", killed)
        self.expect(len(postern.sessions()), count)
        self.timed(kind, "all killed, started: to the next answer", started)
        self.expect(len(postern.sessions()), count)
        asker.close()

    def revoke(self, postern, kind):
        """All but the watcher leave the clients file."""
        file = postern.etc / "clients"
        self.lines = file.read_text().splitlines(keepends=True)
        file.write_text("".join(line for line in self.lines if line.startswith("watcher ")))
        before = postern.counter("auth.closed")

        def gone():
            postern.ctl("reload")
            until(lambda: not postern.sessions(), 30, "the end of all", 0.01)

        self.timed(kind, "all revoked: to the end of the last", gone)
        self.expect(postern.counter("auth.closed") - before, int(self.columns[kind]["sessions"].replace(",", "")))
        file.write_text("".join(self.lines))
        postern.ctl("reload")

    def common_end(self, house, kind, watcher, name):
        """All end in the same second, while somebody asks; then once more with auth held up over it."""
        postern, count = house.postern, int(self.columns[kind]["sessions"].replace(",", ""))
        for held in (False, True):
            lasts = count // RATE + 6
            ended = postern.counter("auth.ended")
            got = self.crowd.knock(count, RATE, "10.60.0.0", lasts, cpu="0")
            self.expect(got["granted"], count)
            auth = postern.pid("auth")
            if held:
                os.kill(auth, signal.SIGSTOP)
                time.sleep(max(0, got["began"] + lasts + 1.5 - time.monotonic()))
                os.kill(auth, signal.SIGCONT)
            pings = Pings(house, watcher)
            pings.start()
            until(lambda: postern.counter("auth.ended") - ended >= count, lasts + 10, "the end of all", 0.05)
            self.tell_pings(kind, "all end at once" if held else "all end in one second", pings)
        self.expect(postern.counter("auth.journal-lost"), 0)
        self.expect(len(nft.elements(house.server, name)), 0)

    def tell_pings(self, kind, what, pings):
        worst, lost = pings.stop()
        self.keep(kind, f"{what}: slowest answer meanwhile, ms", f"{worst:.1f}" + (f", {lost} lost" if lost else ""))

    def table(self):
        names = [kind for kind, *_ in KINDS]
        rows = list(dict.fromkeys(itertools.chain(*(self.columns[kind] for kind in names))))
        lines = ["| measure | " + " | ".join(names) + " |", "| --- |" + " ---: |" * len(names)]
        lines += ["| " + " | ".join([row, *(self.columns[kind].get(row, "–") for kind in names)]) + " |" for row in rows]
        return "\n".join(lines)
