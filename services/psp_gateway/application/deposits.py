"""Deposits: money that players pay in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from services.kernel.clock import Clock
from services.kernel.money import Money
from services.psp_gateway.application.accounts import Accounts
from services.psp_gateway.application.attempts import CALL_LEASE, Attempts
from services.psp_gateway.application.background import Background
from services.psp_gateway.application.deciding import subject_of
from services.psp_gateway.application.object_records import (
    DepositFilter,
    DepositRecord,
    NewDeposit,
)
from services.psp_gateway.application.ports import GatewayStore, GatewayUnit, NewId
from services.psp_gateway.application.providers import (
    Connection,
    Connections,
    DepositAsk,
    missing,
)
from services.psp_gateway.application.reading import ObjectReader, Request, replayed
from services.psp_gateway.application.records import FactSource, NewAttempt, Origin
from services.psp_gateway.application.writing import Beside, write
from services.psp_gateway.domain import deposit as machine
from services.psp_gateway.domain import facts
from services.psp_gateway.domain.accounts import ProviderAccount
from services.psp_gateway.domain.facts import ObjectType
from services.psp_gateway.domain.machine import Event, Situation
from services.psp_gateway.domain.objects import Deposit
from services.psp_gateway.domain.outcomes import Capability
from services.psp_gateway.domain.reasons import Reason, refusal

CREATED = "created"
"""The fact of an object's first event: it was asked for."""

LIFETIME = timedelta(hours=1)
"""When a deposit that waits for its player is expected to be over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateDeposit:
    """A deposit that a caller asks for."""

    request: Request
    player_id: str
    amount: Money
    at: ProviderAccount
    source_token: str
    return_url: str
    metadata: Mapping[str, str]


class Deposits:
    """The use cases of deposits."""

    def __init__(
        self,
        store: GatewayStore,
        reader: ObjectReader,
        accounts: Accounts,
        attempts: Attempts,
        connections: Connections,
        background: Background,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._store = store
        self._reader = reader
        self._accounts = accounts
        self._attempts = attempts
        self._connections = connections
        self._background = background
        self._clock = clock
        self._new_id = new_id

    async def create(self, asked: CreateDeposit) -> tuple[DepositRecord, bool]:
        """Store a deposit, ask the provider, and return it as it then is; and whether replayed.

        A replay takes up the attempt that a crash left. A caller who leaves stops nothing.

        Raises:
            DomainError: REQUEST_ID_REUSED, PROVIDER_ACCOUNT_NOT_FOUND, CAPABILITY_MISSING,
                CURRENCY_NOT_SUPPORTED, AMOUNT_NOT_REPRESENTABLE, LEDGER_REFUSED, UNAVAILABLE.
        """
        tenant_id = asked.request.tenant_id
        known = await replayed(self._reader, asked.request)
        if known is not None:
            return await self._replay(tenant_id, known), True
        connection = self._connections.of(tenant_id, asked.at)
        now = self._clock()
        deposit_id = self._new_id(now)
        attempt = _first_attempt(connection, asked, deposit_id, self._new_id(now), now)
        await self._accounts.ensure_charts(
            tenant_id, asked.at, asked.player_id, asked.amount.currency_code
        )
        if not await self._insert(asked, deposit_id, attempt, now):
            # The same request came in between: the other one made the deposit.
            known = await replayed(self._reader, asked.request)
            return await self._replay(tenant_id, known or ""), True
        await self._background.finish(self._attempts.send(tenant_id, attempt))
        return await self.get(tenant_id, str(deposit_id)), False

    async def get(self, tenant_id: str, deposit_id: str) -> DepositRecord:
        """Return a deposit.

        Raises:
            DomainError: DEPOSIT_NOT_FOUND.
        """
        found = await self._reader.deposit(tenant_id, deposit_id)
        if found is None:
            raise refusal(Reason.DEPOSIT_NOT_FOUND, f"There is no deposit {deposit_id}")
        return found

    async def get_by_request(self, tenant_id: str, request_id: str) -> DepositRecord:
        """Return the deposit that a request created.

        Raises:
            DomainError: DEPOSIT_NOT_FOUND.
        """
        known = await self._reader.request(tenant_id, request_id)
        if known is None or known.method != "CreateDeposit":
            raise refusal(Reason.DEPOSIT_NOT_FOUND, "No deposit was created by this request")
        return await self.get(tenant_id, known.object_id)

    async def list(
        self, tenant_id: str, chosen: DepositFilter, after: UUID | None, limit: int
    ) -> Sequence[DepositRecord]:
        """Return deposits, the newest first, after an id."""
        return await self._reader.deposits(tenant_id, chosen, after, limit)

    async def _insert(
        self, asked: CreateDeposit, deposit_id: UUID, attempt: NewAttempt, now: datetime
    ) -> bool:
        """Store the deposit with its first events and attempt; False if the request id is taken."""
        deposit = Deposit(
            deposit_id=str(deposit_id),
            at=asked.at,
            player_id=asked.player_id,
            asked=asked.amount,
            reference=attempt.reference,
        )
        new = NewDeposit(
            deposit=deposit,
            request_id=asked.request.request_id,
            metadata=asked.metadata,
            expire_at=now + LIFETIME,
        )
        async with self._store.open(asked.request.tenant_id) as unit:
            if not await _remember(unit, asked.request, deposit.deposit_id, now):
                return False
            await unit.objects.insert_deposit(new, now)
            await unit.attempts.add(attempt, now)
            await _begin(unit, deposit, now)
            await unit.commit()
        return True

    async def _replay(self, tenant_id: str, deposit_id: str) -> DepositRecord:
        now = self._clock()
        async with self._store.open(tenant_id) as unit:
            left = await unit.attempts.claim(ObjectType.DEPOSIT, deposit_id, now, now + CALL_LEASE)
            await unit.commit()
        if left is not None:
            await self._background.finish(self._attempts.carry_on(tenant_id, left))
        return await self.get(tenant_id, deposit_id)


async def _remember(unit: GatewayUnit, request: Request, object_id: str, now: datetime) -> bool:
    return await unit.requests.remember(
        request.request_id, request.method, request.request_hash, object_id, now
    )


async def _begin(unit: GatewayUnit, deposit: Deposit, now: datetime) -> None:
    """Write that the deposit was asked for, and that its provider is about to be."""
    created = Event(
        object_type=ObjectType.DEPOSIT,
        object_id=deposit.deposit_id,
        fact=CREATED,
        state=deposit.state,
        occurred_at=now,
    )
    started = facts.DepositSubmitStarted(object_id=deposit.deposit_id, occurred_at=now, attempt=1)
    decision = machine.decide(deposit, started, Situation(now=now))
    beside = Beside(origin=Origin(FactSource.REQUEST), now=now, before=[created])
    await write(unit, subject_of(started, deposit.at), decision, beside)


def _first_attempt(
    connection: Connection, asked: CreateDeposit, deposit_id: UUID, attempt_id: UUID, now: datetime
) -> NewAttempt:
    """Check that the provider account can take this deposit, and write down what it will be sent.

    Raises:
        DomainError: CAPABILITY_MISSING, CURRENCY_NOT_SUPPORTED, AMOUNT_NOT_REPRESENTABLE.
    """
    if connection.deposits is None:
        raise missing(Capability.DEPOSITS)
    currency_code = asked.amount.currency_code
    if currency_code not in connection.currencies:
        raise refusal(
            Reason.CURRENCY_NOT_SUPPORTED,
            f"{connection.at} does not take {currency_code}",
            currency_code=currency_code,
        )
    reference = f"d-{deposit_id}"
    ask = DepositAsk(
        amount=asked.amount,
        reference=reference,
        source_token=asked.source_token,
        return_url=asked.return_url,
    )
    return NewAttempt(
        object_type=ObjectType.DEPOSIT,
        object_id=str(deposit_id),
        number=1,
        attempt_id=attempt_id,
        at=connection.at,
        reference=reference,
        request=connection.deposits.request_of(ask),
        replay_until=now + connection.key_lifetime,
        next_check_at=now + CALL_LEASE,
    )
