"""Refunds: money of a captured deposit that goes back to where it came from."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from services.kernel.clock import Clock
from services.kernel.money import Money
from services.psp_gateway.application.attempts import CALL_LEASE, Attempts
from services.psp_gateway.application.background import Background
from services.psp_gateway.application.deciding import Rows
from services.psp_gateway.application.facts import Facts, News
from services.psp_gateway.application.object_records import NewRefund, RefundRecord
from services.psp_gateway.application.ports import GatewayStore, GatewayUnit, NewId
from services.psp_gateway.application.providers import (
    Connection,
    Connections,
    RefundAsk,
    missing,
)
from services.psp_gateway.application.reading import ObjectReader, Request, replayed
from services.psp_gateway.application.records import FactSource, NewAttempt, Origin
from services.psp_gateway.domain import facts
from services.psp_gateway.domain import refund as machine
from services.psp_gateway.domain.facts import ObjectType
from services.psp_gateway.domain.machine import Decision, Verdict
from services.psp_gateway.domain.objects import Deposit, RefundState
from services.psp_gateway.domain.outcomes import Capability
from services.psp_gateway.domain.reasons import Reason, refusal

LEFT_AFTER = timedelta(seconds=30)
"""A refund that has been REQUESTED for so long was left by a crash, or waits for another try."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRefund:
    """A refund that a caller asks for."""

    request: Request
    deposit_id: str
    amount: Money
    requested_by: str
    comment: str


class _RequestTakenError(Exception):
    """The same request id came in between."""


class Refunds:
    """The use cases of refunds."""

    def __init__(
        self,
        store: GatewayStore,
        reader: ObjectReader,
        facts: Facts,
        attempts: Attempts,
        connections: Connections,
        background: Background,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._store = store
        self._reader = reader
        self._facts = facts
        self._attempts = attempts
        self._connections = connections
        self._background = background
        self._clock = clock
        self._new_id = new_id

    async def create(self, asked: CreateRefund) -> tuple[RefundRecord, bool]:
        """Set the player's money aside, ask the provider, and return the refund as it then is.

        Raises:
            DomainError: REQUEST_ID_REUSED, DEPOSIT_NOT_FOUND, CAPABILITY_MISSING,
                DEPOSIT_NOT_REFUNDABLE, CURRENCY_MISMATCH, REFUND_EXCEEDS_CAPTURED,
                POSTINGS_PENDING, UNAVAILABLE.
        """
        tenant_id = asked.request.tenant_id
        known = await replayed(self._reader, asked.request)
        if known is not None:
            return await self._replay(tenant_id, known), True
        deposit = await self._reader.deposit(tenant_id, asked.deposit_id)
        if deposit is None:
            raise refusal(Reason.DEPOSIT_NOT_FOUND, f"There is no deposit {asked.deposit_id}")
        if self._connections.of(tenant_id, deposit.deposit.at).refunds is None:
            raise missing(Capability.REFUNDS)
        refund_id = str(self._new_id(self._clock()))
        try:
            await self._ask_for(asked, refund_id, deposit.deposit)
        except _RequestTakenError:
            known = await replayed(self._reader, asked.request)
            return await self._replay(tenant_id, known or ""), True
        await self._background.finish(self.submit(tenant_id, refund_id))
        return await self.get(tenant_id, refund_id), False

    async def submit(self, tenant_id: str, refund_id: str) -> None:
        """Begin and make the next attempt of a refund that is REQUESTED; else do nothing.

        Raises:
            StoreUnavailableError, LedgerUnavailableError: the janitor goes on.
        """
        record = await self._reader.refund(tenant_id, refund_id)
        if record is None or record.refund.state is not RefundState.REQUESTED:
            return
        if record.standing.postings_pending:
            # The player's money is not set aside yet: the provider must not be asked.
            return
        deposit = await self._reader.deposit(tenant_id, record.refund.deposit_id)
        assert deposit is not None
        connection = self._connections.of(tenant_id, record.at)
        last = await self._reader.last_attempt(tenant_id, ObjectType.REFUND, refund_id)
        attempt = self._next_attempt(
            connection, record, deposit.standing.details.provider_object_id, last
        )

        async def also(unit: GatewayUnit, decision: Decision[object]) -> None:
            if decision.verdict is Verdict.APPLIED:
                await unit.attempts.add(attempt, self._clock())

        started = facts.RefundSubmitStarted(
            object_id=refund_id, occurred_at=self._clock(), attempt=attempt.number
        )
        brought = await self._facts.bring(
            News(
                tenant_id=tenant_id,
                fact=started,
                at=record.at,
                origin=Origin(FactSource.REQUEST),
            ),
            also=also,
        )
        if brought.verdict is Verdict.APPLIED:
            await self._attempts.send(tenant_id, attempt)

    async def get(self, tenant_id: str, refund_id: str) -> RefundRecord:
        """Return a refund.

        Raises:
            DomainError: REFUND_NOT_FOUND.
        """
        found = await self._reader.refund(tenant_id, refund_id)
        if found is None:
            raise refusal(Reason.REFUND_NOT_FOUND, f"There is no refund {refund_id}")
        return found

    async def get_by_request(self, tenant_id: str, request_id: str) -> RefundRecord:
        """Return the refund that a request created.

        Raises:
            DomainError: REFUND_NOT_FOUND.
        """
        known = await self._reader.request(tenant_id, request_id)
        if known is None or known.method != "CreateRefund":
            raise refusal(Reason.REFUND_NOT_FOUND, "No refund was created by this request")
        return await self.get(tenant_id, known.object_id)

    async def left_requested(self, tenant_id: str, limit: int) -> Sequence[str]:
        """Return refunds that nobody is submitting, the longest waiting first."""
        before = self._clock() - LEFT_AFTER
        return await self._reader.requested_refunds(tenant_id, before, limit)

    async def _ask_for(self, asked: CreateRefund, refund_id: str, deposit: Deposit) -> None:
        """Let the player's money be set aside, under the deposit's lock."""
        request = asked.request

        async def guard(unit: GatewayUnit, rows: Rows) -> None:
            assert rows.deposit is not None
            # First: the same request at once is a replay, whatever its twin has left to refund.
            if not await unit.requests.remember(
                request.request_id,
                request.method,
                request.request_hash,
                refund_id,
                self._clock(),
            ):
                raise _RequestTakenError
            refunded_minor = await unit.objects.refunded_minor(asked.deposit_id)
            machine.check_request(rows.deposit, asked.amount, refunded_minor)
            if await unit.intents.unfinished(ObjectType.DEPOSIT, asked.deposit_id, ""):
                raise refusal(
                    Reason.POSTINGS_PENDING,
                    "A posting of the deposit is not in the ledger yet; read again and retry",
                )

        async def also(unit: GatewayUnit, _decision: Decision[object]) -> None:
            new = NewRefund(
                request_id=request.request_id,
                requested_by=asked.requested_by,
                comment=asked.comment,
                reference=_reference(refund_id, 1),
            )
            await unit.objects.describe_refund(refund_id, new)

        fact = facts.RefundAskedFor(
            object_id=refund_id, occurred_at=self._clock(), amount=asked.amount
        )
        await self._facts.bring(
            News(
                tenant_id=request.tenant_id,
                fact=fact,
                at=deposit.at,
                origin=Origin(FactSource.REQUEST),
                deposit_id=asked.deposit_id,
            ),
            guard=guard,
            also=also,
        )

    async def _replay(self, tenant_id: str, refund_id: str) -> RefundRecord:
        now = self._clock()
        async with self._store.open(tenant_id) as unit:
            left = await unit.attempts.claim(ObjectType.REFUND, refund_id, now, now + CALL_LEASE)
            await unit.commit()
        if left is not None:
            await self._background.finish(self._attempts.carry_on(tenant_id, left))
        return await self.get(tenant_id, refund_id)

    def _next_attempt(
        self,
        connection: Connection,
        record: RefundRecord,
        deposit_object_id: str,
        last: NewAttempt | None,
    ) -> NewAttempt:
        if connection.refunds is None:
            raise missing(Capability.REFUNDS)
        refund, now = record.refund, self._clock()
        assert refund.amount is not None
        number = last.number + 1 if last else 1
        ask = RefundAsk(
            amount=refund.amount,
            reference=_reference(refund.refund_id, number),
            deposit_object_id=deposit_object_id,
        )
        return NewAttempt(
            object_type=ObjectType.REFUND,
            object_id=refund.refund_id,
            number=number,
            attempt_id=self._new_id(now),
            at=connection.at,
            reference=ask.reference,
            request=connection.refunds.request_of(ask),
            replay_until=now + connection.key_lifetime,
            next_check_at=now + CALL_LEASE,
        )


def _reference(refund_id: str, attempt: int) -> str:
    return f"r-{refund_id}-{attempt}"
