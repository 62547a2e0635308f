"""Encrypts what is stored of webhooks: AES-256-GCM, a new nonce each time. Implements `Sealer`."""

import base64
import binascii
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.platform.settings import SettingsError, read_secret
from services.psp_gateway.application.inbox import SealBrokenError

_KEY_BYTES = 32
_NONCE_BYTES = 12
# Names the format, so that another can follow it.
_FORMAT = b"\x01"


class AesGcmSealer:
    """Seals with one key. A body that is moved to another event does not open: `bound_to`."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, content: bytes, bound_to: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return _FORMAT + nonce + self._cipher.encrypt(nonce, content, bound_to)

    def open(self, sealed: bytes, bound_to: bytes) -> bytes:
        if sealed[:1] != _FORMAT:
            raise SealBrokenError
        nonce, content = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, content, bound_to)
        except (InvalidTag, ValueError) as error:
            raise SealBrokenError from error


def read_key(path: Path) -> bytes:
    """Read the key's file: 32 bytes in base64.

    Raises:
        SettingsError: it cannot be read, or is no such key.
    """
    try:
        key = base64.b64decode(read_secret(path), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != _KEY_BYTES:
        raise SettingsError([f"secret file {path}: is not the base64 of {_KEY_BYTES} bytes"])
    return key
