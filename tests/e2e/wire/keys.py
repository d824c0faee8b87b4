"""What the two sides hold, and what they derive from it."""

from dataclasses import dataclass, field

from .primitives import kdf, random, x25519_public

CLIENT_TO_SERVER, SERVER_TO_CLIENT = 0, 1


@dataclass
class DoorKeys:
    """All that comes from a door key; veil and gate by direction."""

    door_key: bytes
    veil: tuple = field(init=False)
    gate: tuple = field(init=False)

    def __post_init__(self):
        def derive(number, length):
            return kdf(self.door_key, number, b"postern1", length)

        self.veil = derive(1, 32), derive(2, 32)
        self.gate = derive(3, 16), derive(4, 16)
        self.sequence_tag, self.sequence_mask = derive(5, 16), derive(6, 16)
        self.picture, self.ports = derive(7, 32), derive(8, 32)


@dataclass
class Identity:
    """A client as it knows itself."""

    cid: bytes
    secret: bytes  # its X25519 private key
    client_secret: bytes

    @property
    def public(self):
        return x25519_public(self.secret)

    @property
    def psk(self):
        return kdf(self.client_secret, 1, b"postcli1", 32)

    @property
    def label_key(self):
        return kdf(self.client_secret, 2, b"postcli1", 16)

    @classmethod
    def random(cls):
        return cls(random(8), random(32), random(32))
