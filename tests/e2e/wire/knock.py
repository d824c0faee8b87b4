"""One attempt of a client, message by message, with every part in the test's hands."""

import copy
import random as chance
import time
from dataclasses import dataclass, field

from . import request as rq
from . import veil
from .keys import CLIENT_TO_SERVER, SERVER_TO_CLIENT, DoorKeys, Identity
from .noise import Handshake, prologue
from .primitives import Forged, random


def now_ns():
    return time.time_ns()


def padded(kind, body, room=veil.ROOM):
    least = max(veil.need(kind, len(body)), veil.CLIENT_MIN)
    return chance.randint(least, room)


@dataclass
class Card:
    """All that a profile tells: who I am, whom I knock at."""

    identity: Identity
    server_public: bytes
    door_key: bytes
    host: str = None
    port: int = None

    @property
    def doors(self):
        return DoorKeys(self.door_key)


@dataclass
class Knock:
    """An M1 and what may follow it. Build it, then send `m1` as often and from wherever you like."""

    card: Card
    request: rq.Request
    t: int = None
    carrier: int = veil.UDP
    size: int = None
    plain: bytes = None  # sent instead of the encoded request
    handshake: Handshake = field(init=False)
    m1: bytes = field(init=False)
    reply: rq.Reply = field(init=False, default=None)

    def __post_init__(self):
        who = self.card.identity
        self.t = now_ns() if self.t is None else self.t
        if not self.request.attempt:
            self.request.attempt = int.from_bytes(random(8), "big")
        self.handshake = Handshake(
            True, who.secret, self.card.server_public, who.psk, prologue(self.carrier, who.cid, self.t)
        )
        self.m1_body = self.handshake.write_m1(self.request.encode() if self.plain is None else self.plain)
        self.m1 = self.wrap(veil.M1, self.t, self.m1_body, self.size)

    def wrap(self, kind, t, body, size=None):
        who = self.card.identity
        label = veil.Label(who.cid, t).signed(who.label_key, kind, self.carrier, body)
        total = size or padded(kind, body)
        return veil.seal(self.card.doors, self.carrier, kind, label, body, total)

    def read(self, packet):
        """The reply in an M2 or M4; None when the packet is not for this knock."""
        try:
            veiled = veil.open_veil(self.card.doors, SERVER_TO_CLIENT, self.carrier, packet)
            if veiled.kind == veil.M2:
                # Only an M2 that fits moves the handshake on: a knock may hear others before it.
                trial = copy.deepcopy(self.handshake)
                plain = trial.read_m2(veiled.body)
                self.handshake = trial
            else:
                plain = self.handshake.receive.decrypt(veiled.body)
        except (Forged, veil.Malformed, AttributeError):
            return None
        self.reply = rq.decode_reply(plain)
        return self.reply

    def answer(self, t=None, seen=None, code=None, pin=None):
        """M3 to the challenge that was read, as bytes in a veil; its body stays in m3_body."""
        body = rq.encode_answer(self.request.attempt, self.t, seen or self.reply.address_seen, code, pin)
        self.m3_body = self.handshake.send.encrypt(body)
        return self.rewrap_m3(t)

    def rewrap_m3(self, t=None):
        """The same M3 in a new veil."""
        return self.wrap(veil.M3, t or max(now_ns(), self.t + 1), self.m3_body)


class Responder:
    """The server's side of one client, for the tests of this package itself."""

    def __init__(self, secret, door_key, identity):
        self.secret, self.doors, self.identity = secret, DoorKeys(door_key), identity

    def read_m1(self, packet, carrier=veil.UDP):
        veiled = veil.open_veil(self.doors, CLIENT_TO_SERVER, carrier, packet)
        label = veiled.label
        if label.sum(self.identity.label_key, veiled.kind, carrier, veiled.body) != label.mac:
            raise Forged
        self.handshake = Handshake(
            False, self.secret, None, self.identity.psk, prologue(carrier, label.cid, label.t)
        )
        return label, self.handshake.read_m1(veiled.body)

    def read_m3(self, packet, carrier=veil.UDP):
        veiled = veil.open_veil(self.doors, CLIENT_TO_SERVER, carrier, packet)
        return self.handshake.receive.decrypt(veiled.body)

    def write(self, kind, plain, answered, carrier=veil.UDP):
        body = self.handshake.write_m2(plain) if kind == veil.M2 else self.handshake.send.encrypt(plain)
        total = chance.randint(veil.need(kind, len(body)), answered)
        return veil.seal(self.doors, carrier, kind, None, body, total)
