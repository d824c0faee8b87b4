"""Many clients at once: their keys in a file, their lines in the clients file, and the benchmark's knocker for them."""

import base64
import json
import subprocess

from .network import v4
from .postern import Postern
from .programs import build

ADDRESSES = 50  # that the knocker knocks from
FIRST_ADDRESS = 100


def tool(name):
    return build() / "bench" / name


class Crowd:
    """Clients of a daemon that is not started yet, who all knock from the house's client; each may have the one service."""

    def __init__(self, house, clients, service="ssh"):
        self.house, self.clients, self.service = house, clients, service
        etc = house.postern.etc
        lines, self.keys = etc / f"crowd-{service}", etc / f"crowd-{service}.keys"
        subprocess.run([tool("bench-keys"), str(clients), service, self.keys, lines], check=True)
        # One file may hold several crowds.
        with open(etc / "clients", "a") as file:
            file.write("".join(f"{service}-{line}\n" for line in lines.read_text().splitlines()))
        for number in range(FIRST_ADDRESS, FIRST_ADDRESS + ADDRESSES):
            house.client.ip("addr", "replace", f"10.88.0.{number}/24", "dev", "eth0")

    def knock(self, count, rate, *admitted, cpu=None, first=0, clients=None):
        """By all clients, or so many from the first-th on: what bench-knock says, which has more of the arguments.

        Each knock is sent once, and its answer opened and checked.
        """
        postern = self.house.postern
        public = base64.b64encode(self.house.card.server_public).decode()
        words = [v4("server"), Postern.PORT, f"10.88.0.{FIRST_ADDRESS}", public, postern.etc / "door.key", self.keys,
                 self.service, count, rate, first, clients or self.clients, 0, *admitted]
        pinned = () if cpu is None else ("taskset", "-c", cpu)
        done = self.house.client.run(*pinned, tool("bench-knock"), *words, timeout=180)
        return json.loads(done.stdout)
