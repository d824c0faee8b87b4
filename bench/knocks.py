"""What each combination of envelope, cover, carrier and confirmation costs, and what somebody with the door key can make
the server hold."""

import random
import statistics
import threading
import time

from lab import connect, nft, web
from lab.combinations import FITS, options
from lab.hybrid_house import PORTS, HybridHouse
from lab.network import v4
from lab.record import Recording
from lab.sequencer import Sequencer
from lab.wait import until
from probe import Cost, resident_kib
from wire import frames, sequence

WEB_HOST = nft.DROP_HOST.replace("tcp dport 22 accept", "tcp dport { 22, 80 } accept")
PROCESSES = ("capture", "auth", "openpgp", "monitor")
COLUMNS = ("packets there", "back", "bytes there", "back", "ms to the door", "ms of the client", *(
    f"CPU us of {name}" for name in PROCESSES))
ETHERNET = 14
FLOOD_SETS, SET_BYTES = 400, 64 * 1024


class Watch(threading.Thread):
    """Connects to the guarded port, without pause and each time anew, until it is let in."""

    def __init__(self, house):
        super().__init__(daemon=True)
        self.house, self.end = house, time.monotonic() + 30
        self.at = None

    def run(self):
        while not self.at and time.monotonic() < self.end:
            if connect.is_open(self.house.client, v4("server"), timeout=0.003):
                self.at = time.time()


class Knocks:
    def __init__(self, say, quick):
        self.say, self.count = say, 1 if quick else 3
        self.rows, self.held = {}, None

    def run(self):
        with HybridHouse(
            setup=lambda h: nft.load(h.server, WEB_HOST), client={"envelope": "any", "address": "named"}, photos=25,
            silence="drop", tcp_port=40124, icmp="yes", http_port=80,
        ) as house:  # fmt: skip
            house.client.sysctl("net.ipv4.ping_group_range", "0 2147483647")
            web.Nginx(house.server, v4("server"))
            house.alice.postern("ping", "alice", "--preset", "quick")
            for combination in FITS:
                samples = [self.sample(house, combination) for _ in range(self.count)]
                self.rows[combination] = [statistics.median(column) for column in zip(*samples)]
                self.say(f"{'-'.join(combination):40} {self.line(combination)}")
            self.memory(house)

    def sample(self, house, combination):
        """One door: what went over the wire (probes of the door are not counted), and what it cost."""
        named = ("-a", v4("client")) if combination[2] == "http" else ()
        wire = Recording(house.client, "ip and not port 22")
        pids = {name: house.postern.pid(name) for name in PROCESSES}
        # gpg's agent ends with its process, but is not below it.
        costs = {name: Cost(pid) for name, pid in pids.items() if name != "monitor"}
        whole = Cost(pids["monitor"])
        watch = Watch(house)
        watch.start()
        started = time.monotonic()
        code, said = house.alice.json("open", "alice", "ssh", "-4", *named, *options(*combination))
        took = time.monotonic() - started
        watch.join()
        if code or not watch.at:
            raise RuntimeError(f"{combination}: {said}")
        cpu = {name: cost.stop()[1] for name, cost in costs.items()}
        cpu["monitor"] = whole.stop()[1] - sum(cpu.values())
        seen = wire.stop()
        house.alice.postern("close", "alice", "--preset", "quick")
        own = bytes.fromhex(house.client.mac("eth0").replace(":", ""))
        there = [len(f) - ETHERNET for _, f in seen if f[6:12] == own]
        back = [len(f) - ETHERNET for _, f in seen if f[6:12] != own]
        door = watch.at - seen[0][0]
        return (len(there), len(back), sum(there), sum(back), door * 1000, took * 1000,
                *(cpu[name] * 1e6 for name in PROCESSES))  # fmt: skip

    def memory(self, house):
        """Sets without an end, of the largest size, from hundreds of addresses, all tags right."""
        knocker = Sequencer(house.client, house.card, PORTS, "clean")
        pid = house.postern.pid("capture")
        before, goal = resident_kib(pid), house.postern.counter(".seen")
        mac, own = house.server.mac("eth0"), house.attacker.mac("eth0")
        body = random.randbytes(SET_BYTES)
        sent = 0
        for n in range(FLOOD_SETS):
            source = f"10.88.{1 + n // 250}.{1 + n % 250}"
            whole = sequence.pieces(knocker.card.doors, PORTS, body, random.getrandbits(20), time.time(), True)
            part = whole[: 40 if n % 2 else 63]
            packets = (frames.tcp_syn(source, 5, v4("server"), p.port, p.seq, p.payload, p.tsval) for p in part)
            house.attacker.inject("eth0", [
                frames.ethernet(mac, own, frames.packet(source, v4("server"), frames.TCP, p)) for p in packets
            ])  # fmt: skip
            sent += len(part)
        until(lambda: house.postern.counter(".seen") >= goal + sent, 20, "the flood's arrival")
        after = resident_kib(pid)
        knocker.close()
        self.held = before, after, sent * len(body) // 64 // 1024

    def line(self, combination):
        return " | ".join(f"{value:,.0f}" for value in self.rows[combination])

    def table(self):
        names = ("envelope", "cover", "carrier", "confirm", *COLUMNS)
        lines = ["| " + " | ".join(names) + " |", "| --- |" * 4 + " ---: |" * len(COLUMNS)]
        lines[1] = lines[1].replace("||", "|")
        lines += ["| " + " | ".join(c) + f" | {self.line(c)} |" for c in self.rows]
        before, after, sent = self.held
        lines.append(f"\nSomebody with the door key sent {sent:,} KiB of sets that never end, from {FLOOD_SETS} addresses: the "
                     f"capture process held {after - before:,} KiB for them ({before:,} KiB before, {after:,} after; its "
                     "own bound is 8 MiB).")  # fmt: skip
        return "\n".join(lines)
