#!/usr/bin/python3
"""Write the seeds of fuzz_recording, fuzz_nflog and fuzz_nfqueue: what tcpdump, dumpcap and the kernel really write.

Run as root: it makes a network namespace of its own and sends a few packets to itself there.
"""

import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
PORT, NUMBER = 62201, 4477
NETFILTER, LOG, QUEUE = 12, 4, 3


def write(target, name, data):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def talk():
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        for size in (1, 60):
            with socket.socket(family, socket.SOCK_DGRAM) as s:
                s.sendto(b"x" * size, (address, PORT))


def anonymous(data):
    """dumpcap writes down what machine it ran on: that is nobody's business."""
    cpu = next((x.split(": ")[1].strip() for x in open("/proc/cpuinfo") if x.startswith("model name")), "?")
    for text in (f"{os.uname().sysname} {os.uname().release}", cpu):
        data = re.sub(re.escape(text.encode()) + rb"[ -~]*", lambda m: b"-" * len(m[0]), data)
    return data


def record(name, *argv):
    """A recorder's file; one byte before it says how the target cuts it."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        path = Path(folder) / "file"
        process = subprocess.Popen([*argv, "-w", str(path)], stderr=subprocess.PIPE)
        for line in process.stderr:
            if b"istening on" in line or b"File:" in line:
                break
        time.sleep(0.5)
        talk()
        time.sleep(0.5)
        process.terminate()
        process.wait(10)
        write("recording", name, bytes([len(name)]) + anonymous(path.read_bytes()))


def attribute(kind, data):
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def ask(sock, kind, attributes):
    body = struct.pack("=BBH", 0, 0, socket.htons(NUMBER)) + attributes
    sock.send(struct.pack("=IHHII", 16 + len(body), kind, 5, 0, 0) + body)  # a request that wants an answer
    answer = sock.recv(65536)
    assert struct.unpack_from("=i", answer, 16)[0] == 0, answer


def overheard(target, subsystem, attributes):
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETFILTER) as s:
        s.bind((0, 0))
        ask(s, subsystem << 8 | (1 if target == "nflog" else 2), attributes)
        talk()
        for number in range(4):
            packet = s.recv(65536)
            write(target, f"packet-{number}", packet)
            # Lengths that the kernel never writes, and that libmnl believes.
            write(target, f"odd-{number}", struct.pack("=I", len(packet) - 3) + packet[4:-3])
            write(target, f"negative-{number}", struct.pack("=I", 0xFFFF0024) + packet[4:])
        error = struct.pack("=IHHIIi", 36, 2, 0, 0, 0, -2) + bytes(16)
        write(target, "error", error)


def main():
    if os.environ.get("INSIDE") != "yes":
        sys.exit(subprocess.call(["unshare", "-n", sys.executable, __file__], env={**os.environ, "INSIDE": "yes"}))
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    recorder = ["tcpdump", "-nn", "-U", "--immediate-mode", "-Z", "root", "udp"]
    record("tcpdump-lo", *recorder, "-i", "lo")
    record("tcpdump-any-nano", *recorder, "-i", "any", "--time-stamp-precision=nano")
    record("tcpdump-sll", *recorder, "-i", "any", "-y", "LINUX_SLL")
    if shutil.which("dumpcap"):
        record("dumpcap-lo", "dumpcap", "-i", "lo", "-f", "udp")
        record("dumpcap-two", "dumpcap", "-i", "lo", "-i", "any", "-f", "udp")
    rules = f"table inet t {{ chain c {{ type filter hook prerouting priority -310; udp dport {PORT} log group {NUMBER} queue-threshold 1\n }}\n }}"
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)
    overheard("nflog", LOG, attribute(1, b"\1") + attribute(2, struct.pack(">IBB", 2048, 2, 0)) + attribute(5, struct.pack(">I", 1)) + attribute(6, struct.pack(">H", 1)))
    for tool in ("iptables", "ip6tables"):
        words = f"{tool} -t raw -A PREROUTING -p udp --dport {PORT} -j NFQUEUE --queue-num {NUMBER} --queue-bypass"
        subprocess.run(words.split(), check=True)
    overheard("nfqueue", QUEUE, attribute(1, b"\1\0\0\0") + attribute(2, struct.pack(">IB", 32, 2)))


if __name__ == "__main__":
    main()
