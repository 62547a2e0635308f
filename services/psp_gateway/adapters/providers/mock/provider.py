"""The mock PSP's capabilities over its HTTP API."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from services.kernel.clock import Clock
from services.psp_gateway.adapters.providers import standard_webhooks
from services.psp_gateway.adapters.providers.calling import Answered, ProviderCalls
from services.psp_gateway.adapters.providers.mock import reading, shapes
from services.psp_gateway.adapters.providers.standard_webhooks import SigningKey
from services.psp_gateway.application.providers import (
    Answer,
    Connection,
    DepositAsk,
    FeeTerms,
    Notice,
    ProviderUnavailableError,
    RefundAsk,
    UnreadableError,
    VerificationError,
    WebhookItem,
    WithdrawalAsk,
)
from services.psp_gateway.domain.accounts import ProviderAccount
from services.psp_gateway.domain.facts import ObjectType
from services.psp_gateway.domain.outcomes import (
    Failure,
    Outcome,
    outcome_of_failure,
    outcome_of_http_code,
)

KEY_LIFETIME = timedelta(hours=23)
"""The provider remembers a key for 24 hours; the margin is for clocks and slow calls."""

UNREADABLE = "unreadable"
"""The event type of a delivery that is proven to be the provider's, and is no event."""

_REPORT_TIMEOUT_S = 60.0
_FUNDING = "balance_insufficient"
_NOT_FOUND = 404
_ENDED_BADLY = frozenset({"declined", "cancelled", "expired", "failed"})
_KEPT_HEADERS = ("content-type", "user-agent", "webhook-id", "webhook-timestamp")

Shape = TypeVar("Shape", bound=BaseModel)
Read = Callable[[bytes, datetime], tuple[Notice, Outcome]]


class _Sender:
    """Sends attempts to one path."""

    def __init__(self, calls: ProviderCalls, clock: Clock, path: str, read: Read) -> None:
        self._calls = calls
        self._clock = clock
        self._path = path
        self._read = read

    async def send(self, key: str, request: bytes) -> Answer:
        return await self._sent(self._path, request, {"idempotency-key": key})

    async def _sent(self, path: str, request: bytes, headers: Mapping[str, str]) -> Answer:
        result = await self._calls.call(
            "POST",
            path,
            content=request,
            headers={"content-type": "application/json", **headers},
        )
        if isinstance(result, Failure):
            return Answer(outcome=outcome_of_failure(result), failure_code=result.lower())
        outcome = outcome_of_http_code(result.http_code)
        if outcome is not None:
            return _refused(result, outcome)
        try:
            notice, outcome = self._read(result.body, self._clock())
        except ValidationError:
            code = Failure.UNDECODABLE
            return Answer(outcome=outcome_of_failure(code), failure_code=code.lower())
        return Answer(outcome=outcome, notice=notice)


class MockDeposits(_Sender):
    """Payment intents."""

    def request_of(self, ask: DepositAsk) -> bytes:
        body: dict[str, object] = {
            "reference": ask.reference,
            "amount_minor": ask.amount.minor_units,
            "currency": ask.amount.currency_code,
        }
        if ask.source_token:
            body["stored_card"] = ask.source_token
        if ask.return_url:
            body["return_url"] = ask.return_url
        return orjson.dumps(body)

    async def cancel(self, provider_object_id: str) -> Answer:
        return await self._sent(f"{self._path}/{provider_object_id}/cancel", b"{}", {})


class MockRefunds(_Sender):
    """Refunds."""

    def request_of(self, ask: RefundAsk) -> bytes:
        return orjson.dumps(
            {
                "payment_intent_id": ask.deposit_object_id,
                "amount_minor": ask.amount.minor_units,
                "reference": ask.reference,
            }
        )


class MockWithdrawals(_Sender):
    """Transfers."""

    def request_of(self, ask: WithdrawalAsk) -> bytes:
        return orjson.dumps(
            {
                "reference": ask.reference,
                "amount_minor": ask.amount.minor_units,
                "currency": ask.amount.currency_code,
                "destination": ask.destination_token,
            }
        )


class MockQuery:
    """Looks objects up; the mock PSP's lookup sees every finished write at once."""

    lookup_is_consistent = True

    def __init__(self, calls: ProviderCalls, clock: Clock) -> None:
        self.answers_about: Collection[ObjectType] = _LOOKUPS.keys()
        self._calls = calls
        self._clock = clock

    async def ask(
        self, object_type: ObjectType, provider_object_id: str, reference: str
    ) -> Notice | None:
        path, read = _LOOKUPS[object_type]
        if provider_object_id:
            result = await self._calls.call("GET", f"{path}/{provider_object_id}")
        else:
            result = await self._calls.call("GET", path, query={"reference": reference})
        if isinstance(result, Answered) and result.http_code == _NOT_FOUND:
            return None
        if isinstance(result, Failure) or outcome_of_http_code(result.http_code) is not None:
            raise ProviderUnavailableError(f"The provider did not say how {path} stands")
        try:
            body = result.body
            if not provider_object_id:
                found = shapes.Found.model_validate_json(body).data
                if not found:
                    return None
                # Of several with our reference the last is the one that was taken up.
                body = orjson.dumps(found[-1])
            return read(body, self._clock())[0]
        except ValidationError as error:
            raise ProviderUnavailableError("The provider's answer cannot be read") from error


class MockWebhooks:
    """Standard Webhooks, one item a delivery."""

    def __init__(
        self, keys: Sequence[SigningKey], at: ProviderAccount, mode: str, bank_account: str
    ) -> None:
        self._keys = keys
        self._at = at
        self._mode = mode
        self._bank_account = bank_account

    def verify(
        self, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> Sequence[WebhookItem]:
        verified = standard_webhooks.verify(self._keys, headers, body, now)
        webhook_id = verified.webhook_id
        event_type, semantic_key, lane = UNREADABLE, webhook_id, webhook_id
        try:
            event = shapes.Event.model_validate_json(body)
        except ValidationError:
            # It is the provider's all the same: it is stored, and people are told.
            pass
        else:
            if event.mode != self._mode or event.account != self._at.provider_account:
                raise VerificationError("the event is another mode's or account's")
            event_type, data = event.type, event.data
            semantic_key = f"{data.object_id}:{event.type}:{data.number}"
            lane = data.payment_intent_id or data.object_id
        return [
            WebhookItem(
                dedupe_key=webhook_id,
                semantic_key=semantic_key,
                event_type=event_type,
                body=body,
                signing_key=verified.kid,
                headers={name: headers[name] for name in _KEPT_HEADERS if name in headers},
                lane=lane,
            )
        ]

    def read(self, body: bytes) -> Notice | None:
        try:
            event = shapes.Event.model_validate_json(body)
        except ValidationError as error:
            # What it holds is never repeated: it may be anybody's data.
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise UnreadableError(f"it cannot be read: {where or 'body'}: {first['msg']}") from None
        return reading.of_event(event, self._bank_account)


class MockReports:
    """Settlement reports by business date; the mock PSP's days end at midnight UTC."""

    def __init__(self, calls: ProviderCalls) -> None:
        self._calls = calls

    async def fetch(self, business_date: date) -> Sequence[bytes] | None:
        result = await self._calls.call(
            "GET",
            f"/v1/settlement_reports/{business_date.isoformat()}",
            timeout_s=_REPORT_TIMEOUT_S,
        )
        if isinstance(result, Answered) and result.http_code == _NOT_FOUND:
            return None
        if isinstance(result, Failure) or outcome_of_http_code(result.http_code) is not None:
            raise ProviderUnavailableError("The provider did not hand out its report")
        return [result.body]


def connect_mock(
    calls: ProviderCalls,
    clock: Clock,
    *,
    tenant_id: str,
    at: ProviderAccount,
    currencies: Sequence[str],
    bank_account: str,
    mode: str,
    report_format: str,
    keys: Sequence[SigningKey],
    fee_terms: FeeTerms | None,
) -> Connection:
    """Return a provider account of the mock PSP."""
    return Connection(
        tenant_id=tenant_id,
        at=at,
        currencies=frozenset(currencies),
        bank_account=bank_account,
        report_format=report_format,
        fee_terms=fee_terms,
        key_lifetime=KEY_LIFETIME,
        deposits=MockDeposits(calls, clock, "/v1/payment_intents", _intent),
        refunds=MockRefunds(calls, clock, "/v1/refunds", _refund),
        withdrawals=MockWithdrawals(calls, clock, "/v1/transfers", _transfer),
        query=MockQuery(calls, clock),
        webhooks=MockWebhooks(keys, at, mode, bank_account),
        reports=MockReports(calls),
    )


def _refused(result: Answered, outcome: Outcome) -> Answer:
    """Return what an answer that is no success came to, with the provider's words for it."""
    try:
        problem = shapes.Refused.model_validate_json(result.body).error
    except ValidationError:
        problem = shapes.Problem()
    needs_funding = outcome is Outcome.DECLINED and problem.code == _FUNDING
    return Answer(
        # A balance of ours that is too low is our matter, never the player's failure.
        outcome=Outcome.NOT_SENT if needs_funding else outcome,
        failure_code=problem.code or f"http_{result.http_code}",
        failure_message=problem.message,
        needs_funding=needs_funding,
    )


def _intent(body: bytes, now: datetime) -> tuple[Notice, Outcome]:
    intent = shapes.Intent.model_validate_json(body)
    ended = intent.state == "succeeded" or intent.state in _ENDED_BADLY
    return reading.of_intent(intent, now), Outcome.DONE if ended else Outcome.PENDING


def _refund(body: bytes, now: datetime) -> tuple[Notice, Outcome]:
    refund = shapes.Refund.model_validate_json(body)
    pending = refund.state == "pending"
    return reading.of_refund(refund, now), Outcome.PENDING if pending else Outcome.DONE


def _transfer(body: bytes, now: datetime) -> tuple[Notice, Outcome]:
    transfer = shapes.Transfer.model_validate_json(body)
    pending = transfer.state == "accepted"
    return reading.of_transfer(transfer, now), Outcome.PENDING if pending else Outcome.DONE


_LOOKUPS: Mapping[ObjectType, tuple[str, Read]] = {
    ObjectType.DEPOSIT: ("/v1/payment_intents", _intent),
    ObjectType.REFUND: ("/v1/refunds", _refund),
    ObjectType.WITHDRAWAL: ("/v1/transfers", _transfer),
}
