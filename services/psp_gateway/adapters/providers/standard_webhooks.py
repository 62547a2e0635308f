"""Verifies deliveries of Standard Webhooks 1.0.0, stricter than its own libraries.

The signed content is `{webhook-id}.{webhook-timestamp}.{body}`; `webhook-signature` holds tokens
`v1,<base64>` (HMAC-SHA256) and `v1a,<base64>` (ed25519), separated by spaces, one of which must be
that of a key of ours. A token that is malformed, or of another scheme, is skipped.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from services.psp_gateway.application.providers import VerificationError

TOLERANCE = timedelta(minutes=5)
"""How far a timestamp may lie in the past, and in the future."""

_ID = re.compile(r"[!-\-/-~]{1,255}")
# `1e9`, `123.0`, `+1`, leading zeros and digits of other scripts are no timestamps.
_TIMESTAMP = re.compile(r"[1-9][0-9]{0,11}")
_SIGNATURES_LENGTH_MAX = 4_096
_SECRET_BYTES = range(24, 65)
_HMAC_BYTES = 32
_ED25519_BYTES = 64
_ED25519_KEY_BYTES = 32


class KeyFormatError(ValueError):
    """A signing key is not well formed; the message never holds it."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that may sign deliveries, while it is valid.

    Args:
        kid: its name in the settings; recorded with each delivery that it proves.
        secret: of `v1`; empty for a key of `v1a`.
        public_key: of `v1a`; None for a key of `v1`.
        not_before: valid from then on; None for always.
        not_after: valid before then; None for ever.
    """

    kid: str
    secret: bytes = b""
    public_key: Ed25519PublicKey | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None

    def is_valid(self, now: datetime) -> bool:
        """Return whether it may sign at `now`."""
        if self.not_before is not None and now < self.not_before:
            return False
        return self.not_after is None or now < self.not_after


def read_key(
    kid: str,
    text: bytes,
    not_before: datetime | None = None,
    not_after: datetime | None = None,
) -> SigningKey:
    """Read a key as providers give it: `whsec_` and the base64 of 24 to 64 bytes, or `whpk_`.

    Raises:
        KeyFormatError: it is none.
    """
    prefix, _, encoded = text.partition(b"_")
    try:
        raw = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raw = b""
    if prefix == b"whsec" and len(raw) in _SECRET_BYTES:
        return SigningKey(kid, raw, None, not_before, not_after)
    if prefix == b"whpk" and len(raw) == _ED25519_KEY_BYTES:
        public_key = Ed25519PublicKey.from_public_bytes(raw)
        return SigningKey(kid, b"", public_key, not_before, not_after)
    raise KeyFormatError(f"the webhook key {kid} is neither whsec_ nor whpk_ with a sound base64")


@dataclass(frozen=True, slots=True)
class Verified:
    """A delivery that is proven: its id, and the key that proves it."""

    webhook_id: str
    kid: str


def verify(
    keys: Sequence[SigningKey], headers: Mapping[str, str], body: bytes, now: datetime
) -> Verified:
    """Check a delivery.

    Args:
        keys: those of the provider account; only those valid now count.
        headers: by lower-case name.
        body: the raw bytes, as they came.
        now: our time.

    Raises:
        VerificationError: a header is missing or malformed, the timestamp is more than five minutes
            away in either direction, or no token is that of a valid key.
    """
    webhook_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    if not _ID.fullmatch(webhook_id):
        raise VerificationError("webhook-id is missing or malformed")
    if not _TIMESTAMP.fullmatch(timestamp):
        raise VerificationError("webhook-timestamp is missing or malformed")
    try:
        sent_at = datetime.fromtimestamp(int(timestamp), UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise VerificationError("webhook-timestamp is no moment") from error
    if abs(now - sent_at) > TOLERANCE:
        raise VerificationError("webhook-timestamp is too far from now")
    content = b".".join((webhook_id.encode(), timestamp.encode(), body))
    valid = [key for key in keys if key.is_valid(now)]
    for scheme, signature in _tokens(headers.get("webhook-signature", "")):
        for key in valid:
            if _proves(key, scheme, signature, content):
                return Verified(webhook_id, key.kid)
    raise VerificationError("no signature is that of a valid key")


def _tokens(header: str) -> Iterator[tuple[str, bytes]]:
    """Yield the scheme and signature of each sound token."""
    if len(header) > _SIGNATURES_LENGTH_MAX:
        return
    for token in header.split(" "):
        scheme, _, encoded = token.partition(",")
        try:
            yield scheme, base64.b64decode(encoded.encode("ascii"), validate=True)
        except (binascii.Error, UnicodeEncodeError):
            continue


def _proves(key: SigningKey, scheme: str, signature: bytes, content: bytes) -> bool:
    if scheme == "v1" and key.secret and len(signature) == _HMAC_BYTES:
        return hmac.compare_digest(hmac.digest(key.secret, content, "sha256"), signature)
    if scheme == "v1a" and key.public_key is not None and len(signature) == _ED25519_BYTES:
        try:
            key.public_key.verify(signature, content)
        except InvalidSignature:
            return False
        return True
    return False
