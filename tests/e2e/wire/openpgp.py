"""What the envelope `openpgp` signs and encrypts, and what it says without OpenPGP. The signing is the caller's."""

import hashlib

from .primitives import kdf, random, xchacha_open, xchacha_seal

REQUEST_WORDS = b"postern 1 pgp request\0"
CHALLENGE_WORDS = b"postern 1 pgp challenge\0"
CONTEXT = b"postpgp1"
PGP_REQUEST, PGP_CHALLENGE, PGP_ANSWER, PGP_RESULT = 5, 6, 7, 8
REPLY_KEY = 15  # TLV of the request


class Strange(Exception):
    """Signed by the right key, and not what was expected."""


def digest(data):
    return hashlib.blake2b(data, digest_size=32).digest()


def signed_request(server_public, carrier, cid, t, request):
    return REQUEST_WORDS + server_public + bytes([carrier]) + cid + t.to_bytes(8, "big") + request


def signed_challenge(server_public, cid, request_hash, secret, reply):
    return CHALLENGE_WORDS + server_public + cid + request_hash + secret + reply


def read_challenge(server_public, cid, request_hash, text):
    """The challenge's secret, and its reply."""
    head = CHALLENGE_WORDS + server_public + cid + request_hash
    if text[: len(head)] != head or len(text) < len(head) + 32:
        raise Strange
    return text[len(head) : len(head) + 32], text[len(head) + 32 :]


def answer(secret, ciphertext, plain, nonce=None):
    nonce = nonce or random(24)
    key = kdf(secret, 1, CONTEXT, 32)
    return nonce + xchacha_seal(key, nonce, digest(ciphertext), plain)


def result(reply_key, attempt, plain, nonce=None):
    nonce = nonce or random(24)
    key = kdf(reply_key, 1, CONTEXT, 32)
    return nonce + xchacha_seal(key, nonce, attempt.to_bytes(8, "big"), plain)


def open_result(reply_key, attempt, body):
    key = kdf(reply_key, 1, CONTEXT, 32)
    return xchacha_open(key, body[:24], attempt.to_bytes(8, "big"), body[24:])
