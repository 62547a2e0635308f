"""Deliveries of our own making, soundly signed, and what became of them."""

import secrets
from datetime import UTC, datetime
from typing import Any

from services.local.mock_psp.webhooks import Dispatch, signed_headers
from tests.fakes.gateway_server import ACCOUNT, Stack
from vezne.psp_gateway.v1 import operations_service_pb2 as pb
from vezne.psp_gateway.v1.operations_service_pb2_grpc import OperationsServiceStub


def event(**changed: Any) -> dict[str, Any]:
    """Return a webhook's body: a payment that we never asked for, but for what is changed."""
    data = {
        "object_id": "pi_stranger",
        "movement_id": "pi_stranger",
        "payment_intent_id": "",
        "reference": "nobody-asked",
        "currency": "EUR",
        "amount_minor": 700,
        "fee_minor": 0,
        "number": 1,
        "state": "succeeded",
        "code": "",
        "origin": "operator",
    }
    return {
        "id": "evt_1",
        "type": "payment_intent.succeeded",
        "created": "2026-03-02T09:30:00Z",
        "account": ACCOUNT,
        "mode": "test",
        **changed,
        "data": data | changed.get("data", {}),
    }


def headers(stack: Stack, event_id: str, body: bytes, **changed: str) -> dict[str, str]:
    """Return the headers of a sound delivery, with some of them changed."""
    now = int(datetime.now(UTC).timestamp())
    signed = signed_headers(
        Dispatch(event_id, "", "", "", body), now, key=stack.webhook_key, old_key=None
    )
    return {**signed, **{name.replace("_", "-"): value for name, value in changed.items()}}


async def deliver(stack: Stack, body: bytes, event_id: str = "", **changed: str) -> int:
    """Deliver a body, soundly signed but for what is changed; return the HTTP code."""
    event_id = event_id or f"evt_{secrets.token_hex(6)}"
    response = await stack.http.post(
        stack.webhook_url, content=body, headers=headers(stack, event_id, body, **changed)
    )
    assert response.content == b""
    return response.status_code


async def inbox(stack: Stack, **chosen: Any) -> list[pb.InboxEvent]:
    """List inbox events."""
    request = pb.ListInboxEventsRequest(tenant_id=stack.tenant, **chosen)
    return list((await OperationsServiceStub(stack.channel).ListInboxEvents(request)).inbox_events)
