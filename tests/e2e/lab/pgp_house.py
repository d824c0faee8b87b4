"""A house in which alice knocks by OpenPGP, and her knocks made by hand, as a client gone bad would make them."""

import base64
import os
import time

from wire import openpgp, veil
from wire import request as rq
from wire.keys import SERVER_TO_CLIENT, DoorKeys, Identity
from wire.primitives import Forged, random

from .gpg import Keyring
from .house import House
from .knocker import Knocker
from .network import v4
from .postern import Postern
from .user import NOBODY, User


def profile_fields(path):
    """A profile's lines as {key: [values]}."""
    fields = {}
    for line in path.read_text().splitlines():
        key, sign, value = line.partition(" = ")
        if sign:
            fields.setdefault(key, []).append(value)
    return fields


class PgpHouse(House):
    def __init__(self, *extra, keys=("ed25519", "cv25519"), start=True, client=(), **more):
        # That bob can ask all the time how he is served meanwhile.
        rates = {"client_rate": 1000, "client_burst": 1000}
        super().__init__(*extra, alice=False, start=False, **rates, **more)
        try:
            self.alice = User(self.client, "alice")
            self.alice.env["XDG_DATA_HOME"] = str(self.alice.home / "data")
            self.ring = self.keyring(self.alice.home / "data/postern/gnupg")
            self.key = self.ring.make("alice", *keys)
            public = self.ring.export(self.key, self.folder / "alice.pub")
            self.profile = self.postern.add_client("alice", server="server.lab", openpgp=public, **dict(client))
            self.alice.import_profile(self.profile)
            if start:
                self.start()
        except BaseException:
            self.close()
            raise

    def start(self):
        self.postern.start()
        self.postern.process.wait_line("gpg_ready")

    def keyring(self, folder):
        ring = Keyring(folder, NOBODY)
        for above in (folder.parent, folder.parent.parent):
            os.chown(above, NOBODY, NOBODY)
        return ring

    def server_ring(self):
        """The server's keyring, as its own user sees it."""
        home = self.postern.state / "openpgp"
        ring = Keyring.__new__(Keyring)
        ring.folder, ring.uid = home, home.stat().st_uid
        return ring

    def close(self):
        for ring in self.__dict__.get("rings", []):
            ring.close()
        if "ring" in self.__dict__:
            self.ring.close()
        super().close()

    def by_hand(self):
        return PgpKnocker(self)


class PgpKnocker(Knocker):
    """Alice, message by message."""

    carrier = veil.UDP

    def __init__(self, house, host=None):
        fields = {k: v[0] for k, v in profile_fields(house.profile).items()}
        self.ring, self.own, self.peer = house.ring, house.key, fields["openpgp-server"]
        self.server_key = base64.b64decode(fields["server-key"])
        self.doors = DoorKeys(base64.b64decode(fields["door-key"]))
        self.who = Identity(*(base64.b64decode(fields[k]) for k in ("cid", "private-key", "secret")))
        super().__init__(host or house.client, None, v4("server"), Postern.PORT)

    def request(self, verb=rq.PING, services=(), attempt=None, flags=rq.WANT_REPLY, **more):
        self.reply_key = random(32)
        self.attempt = attempt or int.from_bytes(random(8), "big")
        extra = ((openpgp.REPLY_KEY, self.reply_key),) if flags & rq.WANT_REPLY else ()
        return rq.Request(verb, self.attempt, services=services, flags=flags, extra=extra, **more).encode()

    def signed(self, request, t):
        self.text = openpgp.signed_request(self.server_key, self.carrier, self.who.cid, t, request)
        return self.text

    def packet(self, body, t=None, kind=openpgp.PGP_REQUEST, size=None):
        """Any body, in a veil and with a label that hold."""
        label = veil.Label(self.who.cid, t or self.next_t())
        label = label.signed(self.who.label_key, kind, self.carrier, body)
        return veil.seal(self.doors, self.carrier, kind, label, body, size or veil.ROOM)

    def m1(self, t=None, **request):
        t = t or self.next_t()
        return self.packet(self.ring.seal(self.signed(self.request(**request), t), self.own, self.peer), t)

    def read(self, packet):
        """(kind, reply) of a packet of the server's; None when it is none."""
        try:
            veiled = veil.open_veil(self.doors, SERVER_TO_CLIENT, self.carrier, packet)
            if veiled.kind == openpgp.PGP_RESULT:
                return veiled.kind, rq.decode_reply(openpgp.open_result(self.reply_key, self.attempt, veiled.body))
        except (Forged, ValueError):
            return None
        self.ciphertext = veiled.body
        text = self.ring.open(veiled.body)
        self.secret, plain = openpgp.read_challenge(
            self.server_key, self.who.cid, openpgp.digest(self.text), text
        )
        return veiled.kind, rq.decode_reply(plain)

    def ask(self, packet, seconds=2.0):
        self.send(packet)
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            came = self.receive(left)
            if came and (read := self.read(came)):
                return read
        return None

    def answer_body(self, m1_t, seen):
        return openpgp.answer(self.secret, self.ciphertext, rq.encode_answer(self.attempt, m1_t, seen))

    def answer(self, m1_t, seen):
        return self.packet(self.answer_body(m1_t, seen), kind=openpgp.PGP_ANSWER)
