"""Withdrawals as callers ask for them and read them. What becomes of one is its workflow's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from services.kernel.clock import Clock
from services.kernel.money import Money, OutOfRangeError
from services.psp_gateway.application.accounts import Accounts
from services.psp_gateway.application.background import Background
from services.psp_gateway.application.deposits import CREATED
from services.psp_gateway.application.facts import Wake
from services.psp_gateway.application.object_records import NewWithdrawal, WithdrawalRecord
from services.psp_gateway.application.ports import GatewayStore, NewId
from services.psp_gateway.application.providers import (
    Connection,
    Connections,
    WithdrawalAsk,
    missing,
)
from services.psp_gateway.application.reading import ObjectReader, Request, replayed
from services.psp_gateway.application.records import FactSource, Origin
from services.psp_gateway.application.withdrawal_ports import (
    WithdrawalFilter,
    WithdrawalReader,
    Workflows,
    WorkflowsUnavailableError,
)
from services.psp_gateway.domain.accounts import ProviderAccount
from services.psp_gateway.domain.facts import Fact, ObjectType
from services.psp_gateway.domain.machine import Event
from services.psp_gateway.domain.objects import Withdrawal
from services.psp_gateway.domain.outcomes import Capability
from services.psp_gateway.domain.reasons import Reason, refusal

METHOD = "CreateWithdrawal"

START_LEASE = timedelta(seconds=15)
"""How long the janitor leaves the start of a workflow to whoever stored the withdrawal."""

ATTENDED_FOR = timedelta(minutes=5)
"""How long the janitor takes it for granted that a workflow which it saw to is running."""

log = structlog.get_logger("vezne.withdrawals")


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateWithdrawal:
    """A withdrawal that a caller asks for."""

    request: Request
    player_id: str
    amount: Money
    player_fee_minor: int
    at: ProviderAccount
    destination_token: str
    requested_by: str
    metadata: Mapping[str, str]


class Withdrawals:
    """The use cases of whoever asks for withdrawals, and of the janitor."""

    def __init__(
        self,
        store: GatewayStore,
        objects: ObjectReader,
        reader: WithdrawalReader,
        accounts: Accounts,
        connections: Connections,
        workflows: Workflows,
        background: Background,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._store = store
        self._objects = objects
        self._reader = reader
        self._accounts = accounts
        self._connections = connections
        self._workflows = workflows
        self._background = background
        self._clock = clock
        self._new_id = new_id

    async def create(self, asked: CreateWithdrawal) -> tuple[WithdrawalRecord, bool]:
        """Store a withdrawal, let its workflow start, and return it; and whether it is a replay.

        The start is not waited for: one that fails is taken up by the janitor.

        Raises:
            DomainError: REQUEST_ID_REUSED, PROVIDER_ACCOUNT_NOT_FOUND, CAPABILITY_MISSING,
                CURRENCY_NOT_SUPPORTED, AMOUNT_NOT_REPRESENTABLE, OUT_OF_RANGE, LEDGER_REFUSED,
                UNAVAILABLE.
        """
        tenant_id = asked.request.tenant_id
        known = await replayed(self._objects, asked.request)
        if known is not None:
            return await self.get(tenant_id, known), True
        _check(self._connections.of(tenant_id, asked.at), asked)
        await self._accounts.ensure_charts(
            tenant_id, asked.at, asked.player_id, asked.amount.currency_code
        )
        now = self._clock()
        withdrawal_id = self._new_id(now)
        if not await self._insert(asked, withdrawal_id, now):
            # The same request came in between: the other one made the withdrawal.
            known = await replayed(self._objects, asked.request)
            return await self.get(tenant_id, known or ""), True
        self._background.start(self._start(tenant_id, str(withdrawal_id)))
        return await self.get(tenant_id, str(withdrawal_id)), False

    async def get(self, tenant_id: str, withdrawal_id: str) -> WithdrawalRecord:
        """Return a withdrawal.

        Raises:
            DomainError: WITHDRAWAL_NOT_FOUND.
        """
        found = await self._objects.withdrawal(tenant_id, withdrawal_id)
        if found is None:
            message = f"There is no withdrawal {withdrawal_id}"
            raise refusal(Reason.WITHDRAWAL_NOT_FOUND, message)
        return found

    async def get_by_request(self, tenant_id: str, request_id: str) -> WithdrawalRecord:
        """Return the withdrawal that a request created.

        Raises:
            DomainError: WITHDRAWAL_NOT_FOUND.
        """
        known = await self._objects.request(tenant_id, request_id)
        if known is None or known.method != METHOD:
            message = "No withdrawal was created by this request"
            raise refusal(Reason.WITHDRAWAL_NOT_FOUND, message)
        return await self.get(tenant_id, known.object_id)

    async def list(
        self, tenant_id: str, chosen: WithdrawalFilter, after: UUID | None, limit: int
    ) -> Sequence[WithdrawalRecord]:
        """Return withdrawals, the newest first, after an id; each with its last attempt only."""
        return await self._reader.list(tenant_id, chosen, after, limit)

    async def attend(self, tenant_id: str, limit: int) -> int:
        """See to it that the workflows of withdrawals that have not ended run; return how many.

        One that was never started, or was terminated, goes on from the row.

        Raises:
            StoreUnavailableError.
        """
        now = self._clock()
        async with self._store.open(tenant_id) as unit:
            left = await unit.withdrawals.claim_unattended(now, now + ATTENDED_FOR, limit)
            await unit.commit()
        for withdrawal_id in left:
            await self._start(tenant_id, withdrawal_id)
        return len(left)

    async def _insert(self, asked: CreateWithdrawal, withdrawal_id: UUID, now: datetime) -> bool:
        """Store the withdrawal with its first event; False if the request id is taken."""
        request = asked.request
        withdrawal = Withdrawal(
            withdrawal_id=str(withdrawal_id),
            player_id=asked.player_id,
            amount=asked.amount,
            requested_by=asked.requested_by,
            fee_minor=asked.player_fee_minor,
        )
        new = NewWithdrawal(
            withdrawal=withdrawal,
            at=asked.at,
            request_id=request.request_id,
            destination_token=asked.destination_token,
            metadata=asked.metadata,
            attend_at=now + START_LEASE,
        )
        created = Event(
            object_type=ObjectType.WITHDRAWAL,
            object_id=withdrawal.withdrawal_id,
            fact=CREATED,
            state=withdrawal.state,
            occurred_at=now,
        )
        async with self._store.open(request.tenant_id) as unit:
            if not await unit.requests.remember(
                request.request_id,
                request.method,
                request.request_hash,
                withdrawal.withdrawal_id,
                now,
            ):
                return False
            await unit.objects.insert_withdrawal(new, now)
            origin = Origin(FactSource.REQUEST)
            sequence = await unit.history.append([created], asked.at, origin, now)
            await unit.objects.save(withdrawal, sequence, now)
            await unit.commit()
        return True

    async def _start(self, tenant_id: str, withdrawal_id: str) -> None:
        try:
            await self._workflows.start(tenant_id, withdrawal_id)
        except WorkflowsUnavailableError as error:
            log.warning("workflow_not_started", withdrawal_id=withdrawal_id, error=str(error))


def waking(workflows: Workflows) -> Wake:
    """Return what tells a withdrawal's workflow of each fact that was applied to it."""

    async def wake(tenant_id: str, fact: Fact) -> None:
        if fact.object_type is ObjectType.WITHDRAWAL:
            await workflows.wake(tenant_id, fact.object_id)

    return wake


def _check(connection: Connection, asked: CreateWithdrawal) -> None:
    """Check that the provider account can pay this, and that its sum can be booked.

    Raises:
        DomainError: CAPABILITY_MISSING, CURRENCY_NOT_SUPPORTED, AMOUNT_NOT_REPRESENTABLE,
            OUT_OF_RANGE.
    """
    if connection.withdrawals is None:
        raise missing(Capability.WITHDRAWALS)
    currency_code = asked.amount.currency_code
    if currency_code not in connection.currencies:
        raise refusal(
            Reason.CURRENCY_NOT_SUPPORTED,
            f"{connection.at} does not pay {currency_code}",
            currency_code=currency_code,
        )
    # Whether the provider's own scale can hold the amount does not depend on the attempt.
    connection.withdrawals.request_of(
        WithdrawalAsk(amount=asked.amount, reference="", destination_token=asked.destination_token)
    )
    try:
        _ = asked.amount + Money(currency_code, asked.player_fee_minor)
    except OutOfRangeError as error:
        message = "The amount with the player's fee does not fit 64 bits"
        raise refusal(Reason.OUT_OF_RANGE, message) from error
