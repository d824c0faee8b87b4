"""Noise_IKpsk1_25519_ChaChaPoly_BLAKE2b (and IK without psk, for the vectors), both sides."""

import struct

from .primitives import (
    Forged,
    blake2b,
    chacha_open,
    chacha_seal,
    hmac_blake2b,
    random,
    x25519,
    x25519_public,
)


def hkdf(chaining_key, material, outputs):
    secret = hmac_blake2b(chaining_key, material)
    out, last = [], b""
    for i in range(1, outputs + 1):
        last = hmac_blake2b(secret, last + bytes([i]))
        out.append(last)
    return out


class Symmetric:
    """Noise's SymmetricState with its CipherState."""

    def __init__(self, name):
        self.h = name + bytes(64 - len(name)) if len(name) <= 64 else blake2b(name)
        self.ck = self.h
        self.key, self.nonce = None, 0

    def mix_hash(self, data):
        self.h = blake2b(self.h + data)

    def mix_key(self, material):
        self.ck, key = hkdf(self.ck, material, 2)
        self.key, self.nonce = key[:32], 0

    def mix_psk(self, psk):
        self.ck, mixed, key = hkdf(self.ck, psk, 3)
        self.mix_hash(mixed)
        self.key, self.nonce = key[:32], 0

    def encrypt(self, plain):
        sealed = chacha_seal(self.key, self.nonce, self.h, plain) if self.key else plain
        self.nonce += 1
        self.mix_hash(sealed)
        return sealed

    def decrypt(self, sealed):
        plain = chacha_open(self.key, self.nonce, self.h, sealed) if self.key else sealed
        self.nonce += 1
        self.mix_hash(sealed)
        return plain

    def split(self):
        first, second = hkdf(self.ck, b"", 2)
        return Transport(first[:32]), Transport(second[:32])


class Transport:
    """One direction after the handshake."""

    def __init__(self, key):
        self.key, self.nonce = key, 0

    def encrypt(self, plain):
        sealed = chacha_seal(self.key, self.nonce, b"", plain)
        self.nonce += 1
        return sealed

    def decrypt(self, sealed):
        plain = chacha_open(self.key, self.nonce, b"", sealed)
        self.nonce += 1
        return plain


class Handshake:
    """One side of IK or IKpsk1. After M2, `send` and `receive` are Transports."""

    def __init__(self, initiator, static, remote_static=None, psk=None, prologue=b"", ephemeral=None):
        self.initiator, self.psk = initiator, psk
        self.s, self.rs = static, remote_static
        self.e, self.re = ephemeral or random(32), None
        pattern = b"IKpsk1" if psk else b"IK"
        self.state = Symmetric(b"Noise_" + pattern + b"_25519_ChaChaPoly_BLAKE2b")
        self.state.mix_hash(prologue)
        self.state.mix_hash(remote_static if initiator else x25519_public(static))

    def _mix_ephemeral(self, public):
        self.state.mix_hash(public)
        if self.psk:
            self.state.mix_key(public)

    def write_m1(self, payload):
        st, public = self.state, x25519_public(self.e)
        self._mix_ephemeral(public)
        st.mix_key(x25519(self.e, self.rs))
        sealed_static = st.encrypt(x25519_public(self.s))
        st.mix_key(x25519(self.s, self.rs))
        if self.psk:
            st.mix_psk(self.psk)
        return public + sealed_static + st.encrypt(payload)

    def read_m1(self, message):
        st = self.state
        if len(message) < 96:
            raise Forged
        self.re = message[:32]
        self._mix_ephemeral(self.re)
        st.mix_key(x25519(self.s, self.re))
        self.rs = st.decrypt(message[32:80])
        st.mix_key(x25519(self.s, self.rs))
        if self.psk:
            st.mix_psk(self.psk)
        return st.decrypt(message[80:])

    def write_m2(self, payload):
        st, public = self.state, x25519_public(self.e)
        self._mix_ephemeral(public)
        st.mix_key(x25519(self.e, self.re))
        st.mix_key(x25519(self.e, self.rs))
        message = public + st.encrypt(payload)
        self.receive, self.send = st.split()
        return message

    def read_m2(self, message):
        st = self.state
        if len(message) < 48:
            raise Forged
        self.re = message[:32]
        self._mix_ephemeral(self.re)
        st.mix_key(x25519(self.e, self.re))
        st.mix_key(x25519(self.s, self.re))
        payload = st.decrypt(message[32:])
        self.send, self.receive = st.split()
        return payload


def prologue(carrier, cid, t):
    return b"postern 1" + bytes([carrier]) + cid + struct.pack(">Q", t)
