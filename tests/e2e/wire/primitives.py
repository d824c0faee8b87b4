"""The primitives, by the names that the protocol has for them; all libsodium's or the standard library's."""

import hashlib
import hmac
import os

from nacl import bindings
from nacl.exceptions import CryptoError


class Forged(Exception):
    """An authenticator does not match."""


def siphash(key, data):
    return bindings.crypto_shorthash_siphash24(data, key)


def kdf(key, number, context, length):
    """libsodium's crypto_kdf_derive_from_key: keyed BLAKE2b with the number as salt and the context as person."""
    salt = number.to_bytes(8, "little") + bytes(8)
    return hashlib.blake2b(
        b"", digest_size=length, key=key, salt=salt, person=context + bytes(8)
    ).digest()


def random(length):
    return os.urandom(length)


def xchacha_seal(key, nonce, ad, plain):
    return bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(plain, ad, nonce, key)


def xchacha_open(key, nonce, ad, sealed):
    try:
        return bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, ad, nonce, key)
    except CryptoError:
        raise Forged from None


def chacha_seal(key, counter, ad, plain):
    nonce = bytes(4) + counter.to_bytes(8, "little")
    return bindings.crypto_aead_chacha20poly1305_ietf_encrypt(plain, ad, nonce, key)


def chacha_open(key, counter, ad, sealed):
    nonce = bytes(4) + counter.to_bytes(8, "little")
    try:
        return bindings.crypto_aead_chacha20poly1305_ietf_decrypt(sealed, ad, nonce, key)
    except CryptoError:
        raise Forged from None


def blake2b(data):
    return hashlib.blake2b(data).digest()


def hmac_blake2b(key, data):
    return hmac.new(key, data, hashlib.blake2b).digest()


def x25519(secret, public):
    try:
        return bindings.crypto_scalarmult(secret, public)
    except RuntimeError:  # libsodium refuses a low-order point
        raise Forged from None


def x25519_public(secret):
    return bindings.crypto_scalarmult_base(secret)
