"""The usual scene: a server with sshd and postern, a client with a profile, and somebody who means no good."""

from . import connect
from .knocker import Knocker
from .network import Lab, v4, v6
from .postern import SSH, Postern
from .programs import build, built
from .ssh import Sshd
from .user import User
from .wait import until


class House(Lab):
    """A Lab in which postern guards ssh and alice is enrolled. Directives of posternd.conf are keywords."""

    def __init__(self, *extra, sshd=True, start=True, alice=True, services=(SSH,), setup=None, **directives):
        if not built("posternd"):
            raise RuntimeError(f"{build()} has no posternd: build first, or set POSTERN_BUILD")
        super().__init__("attacker", *extra, build=build())
        try:
            self.be_chatty()
            if setup:
                setup(self)
            self.sshd = Sshd(self.server) if sshd else None
            self.postern = Postern(self.server, services=services, **directives)
            if alice:
                self.alice = User(self.client, "alice")
                self.profile = self.postern.add_client("alice", server="server.lab")
                self.alice.import_profile(self.profile)
            self.card = self.postern.enrol("bob")
            if start:
                self.postern.start()
        except BaseException:
            self.close()
            raise

    def knocker(self, card=None, host=None, six=False, source=None):
        address = v6("server") if six else v4("server")
        return Knocker(host or self.client, card or self.card, address, Postern.PORT, source)

    def feed(self, knocker, packets, portion=200):
        """Sends many packets, each portion when the daemon is through with the one before: no queue overflows."""
        packets = list(packets)
        for at in range(0, len(packets), portion):
            part = packets[at : at + portion]
            goal = self.postern.heard() + len(part)
            for packet in part:
                knocker.send(packet)
            until(lambda goal=goal: self._through(goal), 10, "the end of a portion")

    def _through(self, goal):
        """So many packets were heard, and all that were handed over have arrived."""
        if self.postern.heard() < goal:
            return False
        now = self.postern.stats()
        return now["auth.received"] >= sum(v for k, v in now.items() if k.endswith(".matched"))

    def addresses(self):
        return v4("server"), v6("server")

    def is_open(self, host=None, six=False, port=22):
        return connect.is_open(host or self.client, v6("server") if six else v4("server"), port)

    def all_closed(self, port=22):
        """Nobody gets in, over neither family."""
        return not any(
            connect.is_open(host, address, port, 0.15)
            for host in (self.client, self.attacker)
            for address in self.addresses()
        )

    def blast(self, source, dport, count, size, rate=0, host=None, six=False):
        """Junk from a host (not waited for): the Process."""
        destination = v6("server") if six else v4("server")
        program = self.build / "tests/e2e/tools/blast"
        words = (self.server.mac("eth0"), source, destination, dport, count, size, rate)
        return (host or self.attacker).start(program, "eth0", *words, name="blast")
