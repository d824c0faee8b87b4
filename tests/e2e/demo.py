"""A knock opens a real sshd, shown in short lines. Run by demo.sh."""

import signal
import sys
import time

from lab import connect, nft, record, scan, sweep
from lab.house import House
from lab.hybrid_house import PORTS as SEQUENCE
from lab.hybrid_house import HybridHouse
from lab.network import v4, v6
from lab.postern import Postern

HOLD = 6
PORTS = "1-1000"
ENDS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP  # from the keyboard, by kill, with the terminal
GREEN, RED, DIM, END = ("\033[32m", "\033[31m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("",) * 4


class Show:
    """Says things, and remembers whether all of them were true."""

    def __init__(self):
        self.true = True

    def title(self, text):
        print(f"\n{text}", flush=True)

    def fact(self, text, truth, detail=""):
        self.true = self.true and bool(truth)
        mark = f"{GREEN}yes{END}" if truth else f"{RED}NO{END}"
        print(f"  {text:<58} {mark}  {DIM}{detail}{END}".rstrip(), flush=True)

    def note(self, text):
        print(f"  {DIM}{text}{END}", flush=True)


def nothing_to_see(house):
    """nmap over both families, TCP and the knock port: what it finds other than silence."""
    seen = []
    for address in house.addresses():
        result = scan.syn(house.client, address, PORTS, rate=2000) | scan.udp(house.client, address, str(Postern.PORT))
        seen += [key for key, (state, *_) in result.items() if state not in ("filtered", "open|filtered")]
    return seen


def look(show, house):
    seen = nothing_to_see(house)
    show.fact(f"nmap of {PORTS} and the knock port, IPv4 and IPv6: nothing", not seen, " ".join(map(str, seen)))
    for address in house.addresses():
        show.fact(f"ssh {address} gets no answer", connect.tcp(house.client, address, 22, 1) == "silent")


def knock(show, house):
    start = time.monotonic()
    done = house.alice.postern("open", "alice", "ssh")
    took = (time.monotonic() - start) * 1000
    for line in (done.stdout + done.stderr).splitlines():
        show.note(f"$ postern open alice ssh: {line}")
    show.fact("a knock is granted", done.returncode == 0, f"{took:.0f} ms from the command to its end")
    opened = time.monotonic()
    for address in house.addresses():
        show.fact(f"ssh {address} logs in", house.sshd.login(house.client, address))
    show.fact("a stranger next door still gets no answer", connect.tcp(house.attacker, v4("server"), 22, 1) == "silent")
    return opened


def close(show, house, opened):
    connect.closes(house.client, v4("server"), seconds=HOLD + 3)
    took = time.monotonic() - opened
    show.fact(f"the kernel closes the door after its {HOLD} seconds", HOLD - 1 < took < HOLD + 1.5, f"{took:.1f} s")
    show.fact("and the IPv6 one", connect.tcp(house.client, v6("server"), 22, 1) == "silent")


def replay(show, house, knocks):
    heard = record.Recording(house.server, f"udp src port {Postern.PORT}", direction="out")
    for source, sport, _, _, payload in knocks:
        with house.client.socket(connect.family(source), 2) as s:
            s.bind((source, sport))
            s.sendto(payload, (house.addresses()[":" in source], Postern.PORT))
    time.sleep(1)  # the time in which an answer would have come
    answers = heard.stop()
    show.fact("the recorded knock, sent again, gets silence", knocks and not answers, f"{len(knocks)} packets")
    show.fact("and opens nothing", house.all_closed() and not house.postern.doors())


def everything(show, house):
    """OpenPGP, a picture, a sequence and a challenge, in one."""
    seen = record.Recording(house.client, "tcp and not port 22 or udp or icmp")
    code, said = house.alice.json("open", "alice", "ssh", "-4", "--preset", "hybrid")
    show.note(f"$ postern open alice ssh --preset hybrid: {said['result']}")
    answer = said["answers"][0]
    show.fact("signed, encrypted, in a picture, challenged: granted", code == 0 and answer["challenged"])
    frames = [f for _, f in seen.stop()]
    there = [f for f in frames if f[34 + 13] == 2 and int.from_bytes(f[36:38], "big") in SEQUENCE]
    ports = len({f[36:38] for f in there})
    back = [f for f in frames if f[34 + 13] == 0x14]
    show.fact("what went there were SYNs with data, to the secret ports", len(there) + len(back) == len(frames),
              f"{len(there)} to {ports} ports, {sum(map(len, there)) // 1000} kB")  # fmt: skip
    show.fact("what came back were a challenge and a verdict", len(back) == 2)
    show.fact("ssh logs in", house.sshd.login(house.client, v4("server")))
    code, said = house.alice.json("close", "alice", "ssh", "-4", "--preset", "hybrid")
    show.fact("closed in the same way, at once", code == 0 and house.all_closed() and not house.postern.doors())


def interrupted(*_):
    """The first signal ends the show; more of them do not end the cleaning up."""
    for number in ENDS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main():
    for number in ENDS:
        signal.signal(number, interrupted)
    sweep()
    show = Show()
    with House(silence="drop", services=(("ssh", "tcp", 22, HOLD, 3600),), setup=darken) as house:
        show.title(f"A server at {v4('server')} and {v6('server')}, with a real sshd that postern guards")
        look(show, house)
        show.title("Alice knocks")
        recording = record.Recording(house.server, f"udp dst port {Postern.PORT}", direction="in")
        opened = knock(show, house)
        knocks = [record.udp_payload(frame) for _, frame in recording.stop()]
        show.title("Nobody does anything")
        close(show, house, opened)
        look(show, house)
        show.title("Somebody recorded the knock")
        replay(show, house, knocks)
    with HybridHouse(silence="drop", setup=darken, sequence_cover=["png"], sequence_pieces=["clean"]) as house:
        show.title("Another server, and a knock with everything: OpenPGP, a picture, a secret sequence of ports")
        everything(show, house)
    print()
    return 0 if show.true else 1


def darken(house):
    nft.load(house.server, nft.DROP_HOST)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted; everything is taken away")
