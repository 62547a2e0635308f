"""Webhooks: what is told of an event, and how it is signed (Standard Webhooks 1.0.0).

The signed content is `{webhook-id}.{webhook-timestamp}.{body}`; the signature is the base64 of its
HMAC-SHA256 after `v1,`. A secret is `whsec_` and the base64 of 24 to 64 random bytes.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from services.local.mock_psp.books import Event

_SECRET_PREFIX = "whsec_"  # noqa: S105 - the public prefix of every secret is no secret.
_SECRET_BYTES = range(24, 65)


class Forgery(StrEnum):
    """What is wrong with a delivery's signature."""

    NONE = "none"
    BAD_SIGNATURE = "bad_signature"
    OLD_KEY = "old_key"
    FUTURE_TIMESTAMP = "future_timestamp"


@dataclass(frozen=True, slots=True)
class Dispatch:
    """One webhook to deliver, `copies` times; every copy and retry has the same id and body."""

    webhook_id: str
    event_type: str
    object_id: str
    """Webhooks about one object are delivered in order."""
    reference: str
    body: bytes
    forgery: Forgery = Forgery.NONE
    copies: int = 1
    withheld: bool = False
    """It is listed but not delivered, unless it is resent."""


def dispatch_of(
    event: Event,
    provider_account: str,
    mode: str,
    *,
    webhook_id: str | None = None,
    event_type: str | None = None,
) -> Dispatch:
    """Return the webhook that tells an event, under the event's own id and type unless given."""
    sent_id, sent_type = webhook_id or event.event_id, event_type or event.event_type
    payload = {
        "id": sent_id,
        "type": sent_type,
        "created": event.created_at.isoformat().replace("+00:00", "Z"),
        "account": provider_account,
        "mode": mode,
        "data": {
            "object_id": event.object_id,
            "movement_id": event.movement_key,
            "payment_intent_id": event.parent_id,
            "reference": event.reference,
            "currency": event.currency,
            "amount_minor": event.amount_minor,
            "fee_minor": event.fee_minor,
            "number": event.number,
            "state": event.state,
            "code": event.code,
            "origin": event.origin,
        },
    }
    return Dispatch(
        webhook_id=sent_id,
        event_type=sent_type,
        object_id=event.parent_id or event.object_id,
        reference=event.reference,
        body=json.dumps(payload, separators=(",", ":")).encode(),
    )


def decoded_secret(secret: str) -> bytes:
    """Return the key of a `whsec_` secret.

    Raises:
        ValueError: the secret is not well formed.
    """
    if not secret.startswith(_SECRET_PREFIX):
        raise ValueError("A webhook secret starts with whsec_")
    key = base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
    if len(key) not in _SECRET_BYTES:
        raise ValueError("A webhook secret has 24 to 64 bytes")
    return key


def encoded_secret(key: bytes) -> str:
    """Return the `whsec_` secret of a key."""
    return _SECRET_PREFIX + base64.b64encode(key).decode()


def signed_headers(
    dispatch: Dispatch, unix_s: int, *, key: bytes, old_key: bytes | None
) -> Mapping[str, str]:
    """Return the headers of one attempt to deliver.

    Args:
        dispatch: what is delivered.
        unix_s: the time of this attempt, in whole seconds.
        key: signs every delivery.
        old_key: signs beside it, as while an operator changes keys; None when there is none.
    """
    keys = [key] if old_key is None else [key, old_key]
    if dispatch.forgery is Forgery.OLD_KEY and old_key is not None:
        keys = [old_key]
    elif dispatch.forgery in (Forgery.OLD_KEY, Forgery.BAD_SIGNATURE):
        keys = [hashlib.sha256(key).digest()]
    elif dispatch.forgery is Forgery.FUTURE_TIMESTAMP:
        unix_s += 86_400
    content = f"{dispatch.webhook_id}.{unix_s}.".encode() + dispatch.body
    return {
        "content-type": "application/json",
        "webhook-id": dispatch.webhook_id,
        "webhook-timestamp": str(unix_s),
        "webhook-signature": " ".join(_signature(one, content) for one in keys),
    }


def _signature(key: bytes, content: bytes) -> str:
    return "v1," + base64.b64encode(hmac.digest(key, content, "sha256")).decode()
