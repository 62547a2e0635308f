"""A gateway whose withdrawals run on a real Temporal server, and what people do with it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker

from services.kernel.clock import utc_now
from services.local.databases import Databases
from services.psp_gateway.adapters.ledger import GrpcLedger
from services.psp_gateway.adapters.providers.calling import CallLimits
from services.psp_gateway.adapters.temporal.workflows import TemporalWorkflows
from services.psp_gateway.application.ports import Ledger
from services.psp_gateway.application.withdrawal_ports import Workflows
from services.psp_gateway.domain.postings import Posting
from services.psp_gateway.domain.withdrawal_steps import Rhythm, WithdrawalTimes
from services.psp_gateway.worker import gateway_worker
from services.psp_gateway.workflows.models import PersonsDecision
from services.psp_gateway.workflows.withdrawal import WithdrawalWorkflow
from tests.fakes.gateway_server import ACCOUNT, PROVIDER, Clock, Stack, running_stack
from tests.fakes.temporal_server import TemporalServer
from vezne.psp_gateway.v1.withdrawal_pb2 import Withdrawal, WithdrawalState, WithdrawalWait
from vezne.psp_gateway.v1.withdrawal_service_pb2 import (
    CreateWithdrawalRequest,
    CreateWithdrawalResponse,
    GetWithdrawalRequest,
)
from vezne.psp_gateway.v1.withdrawal_service_pb2_grpc import WithdrawalServiceStub
from vezne.type.v1.money_pb2 import Money

APPROVAL_RULES = """
expires_after_hours = 72

[[band]]
currency = "EUR"
amount_minor_max = 10_000
approvers = 0

[[band]]
currency = "EUR"
amount_minor_max = 50_000
approvers = 1
"""
AUTOMATIC, ONE_APPROVER, TWO_APPROVERS = 2_500, 20_000, 60_000
"""Amounts, in minor units of EUR, of each band of the rules."""


class PresentLedger(GrpcLedger):
    """A ledger for whoever skips time: it takes no posting from the future, so each is of today."""

    def __init__(self, ledger: Ledger) -> None:
        assert isinstance(ledger, GrpcLedger)
        self.__dict__.update(vars(ledger))

    def request_of(self, tenant_id: str, posting: Posting) -> bytes:
        """Return the bytes that ask for the posting, as of now at the latest."""
        today = replace(posting, effective_time=min(posting.effective_time, utc_now()))
        return super().request_of(tenant_id, today)


SILENT = WithdrawalTimes(ask=Rhythm(timedelta(hours=1), timedelta(hours=1)))
"""For tests in real time: nobody asks the provider, so only its webhooks tell."""

SELDOM = WithdrawalTimes(ask=Rhythm(timedelta(hours=6), timedelta(days=1)))
"""For tests that skip time: the server needs a second for each skip, however long."""

_IN_THE_BOOKS = """
SELECT
    (SELECT coalesce(sum(amount_minor + player_fee_minor), 0)::bigint FROM psp_gateway.withdrawals
     WHERE tenant_id = $1 AND state IN ('RESERVED', 'IN_REVIEW', 'APPROVED')) AS reserved,
    (SELECT coalesce(sum(amount_minor + player_fee_minor), 0)::bigint FROM psp_gateway.withdrawals
     WHERE tenant_id = $1 AND state IN ('SUBMITTING', 'SUBMIT_UNKNOWN', 'SUBMITTED')) AS submitted
"""
_PLAYERS = "SELECT DISTINCT player_id FROM psp_gateway.withdrawals WHERE tenant_id = $1"


@dataclass
class Desk:
    """What a test of withdrawals talks to."""

    stack: Stack
    temporal: TemporalServer
    client: Client
    withdrawals: WithdrawalServiceStub = field(init=False)
    asked: int = 0

    def __post_init__(self) -> None:
        self.withdrawals = WithdrawalServiceStub(self.stack.channel)

    # --- what callers do -------------------------------------------------------------------------

    async def fund(self, player: str, minor_units: int) -> None:
        """Give a player money, and our provider account the same and more."""
        request_id = f"fund-{player}-{minor_units}"
        deposit = await self.stack.pay(request_id, minor_units, player=player)
        await self.stack.until_state(deposit.deposit_id, "CAPTURED")
        await self.stack.admin(
            "top_ups", {"key": request_id, "currency": "EUR", "amount_minor": 2 * minor_units}
        )

    def request(self, player: str, minor_units: int, **others: Any) -> CreateWithdrawalRequest:
        """Return the request of a withdrawal, with a new request id unless given."""
        self.asked += 1
        fields: dict[str, Any] = {
            "tenant_id": self.stack.tenant,
            "request_id": f"withdrawal-{self.asked}",
            "player_id": player,
            "amount": Money(currency_code="EUR", minor_units=minor_units),
            "provider": PROVIDER,
            "provider_account": ACCOUNT,
            "destination_token": "iban_tok_1",
            "requested_by": player,
        }
        return CreateWithdrawalRequest(**{**fields, **others})

    async def create(self, request: CreateWithdrawalRequest) -> CreateWithdrawalResponse:
        """Ask for a withdrawal."""
        return await self.withdrawals.CreateWithdrawal(request)

    async def withdraw(
        self, player: str, minor_units: int, *, words: Sequence[str] = (), **others: Any
    ) -> str:
        """Ask for a withdrawal whose transfer goes as these words say; return its id."""
        if words:
            await self.stack.scenario(*words, kind="transfer")
        response = await self.create(self.request(player, minor_units, **others))
        return response.withdrawal.withdrawal_id

    async def get(self, withdrawal_id: str) -> Withdrawal:
        """Read a withdrawal."""
        request = GetWithdrawalRequest(tenant_id=self.stack.tenant, withdrawal_id=withdrawal_id)
        return (await self.withdrawals.GetWithdrawal(request)).withdrawal

    async def state(self, withdrawal_id: str) -> str:
        """Return a withdrawal's state, without its prefix."""
        found = await self.get(withdrawal_id)
        return WithdrawalState.Name(found.state).removeprefix("WITHDRAWAL_STATE_")

    async def until(self, withdrawal_id: str, state: str, within_s: float = 20) -> Withdrawal:
        """Wait until it is in a state and all its postings stand, with the janitor at work."""

        async def there() -> bool:
            found = await self.get(withdrawal_id)
            name = WithdrawalState.Name(found.state).removeprefix("WITHDRAWAL_STATE_")
            return name == state and not found.postings_pending

        await self.stack.until(there, within_s)
        return await self.get(withdrawal_id)

    async def until_waiting(
        self, withdrawal_id: str, waiting_for: str, within_s: float = 20
    ) -> Withdrawal:
        """Wait until it waits for something."""
        async with asyncio.timeout(within_s):
            while True:
                found = await self.get(withdrawal_id)
                name = WithdrawalWait.Name(found.waiting_for)
                if name == f"WITHDRAWAL_WAIT_{waiting_for}":
                    return found
                await asyncio.sleep(0.02)

    async def resend_webhooks(self, withdrawal_id: str) -> None:
        """Let the provider deliver what was lost: what a withdrawal costs, only webhooks tell."""
        found = await self.get(withdrawal_id)
        for attempt in found.attempts:
            answer = await self.stack.look("deliveries", reference=attempt.reference)
            for delivery in answer["data"]:
                await self.stack.admin(f"deliveries/{delivery['webhook_id']}/resend")

    # --- its workflow ----------------------------------------------------------------------------

    def workflow(self, withdrawal_id: str) -> "WorkflowHandle[WithdrawalWorkflow, str]":
        """Return the handle of its workflow."""
        workflow_id = f"withdrawal/{self.stack.tenant}/{withdrawal_id}"
        return self.client.get_workflow_handle_for(WithdrawalWorkflow.run, workflow_id)

    async def ended(self, withdrawal_id: str, within_s: float = 20) -> str:
        """Wait for the end of its workflow, and return the state in which that was."""
        async with asyncio.timeout(within_s):
            while True:
                try:
                    return await self.workflow(withdrawal_id).result()
                except RPCError as error:
                    # The answer to the request does not wait for the start.
                    if error.status is not RPCStatusCode.NOT_FOUND:
                        raise
                    await asyncio.sleep(0.02)

    async def decides(self, withdrawal_id: str, update: Any, person: str, decision_id: str) -> str:
        """Let a person decide; return the state afterwards, or the reason of the refusal."""
        decision = PersonsDecision(decision_id=decision_id, decided_by=person)
        try:
            standing = await self.workflow(withdrawal_id).execute_update(update, decision)
        except WorkflowUpdateFailedError as error:
            cause: BaseException | None = error.cause
            while cause is not None and not isinstance(cause, ApplicationError):
                cause = cause.__cause__
            assert isinstance(cause, ApplicationError)
            return cause.type or ""
        return str(standing.state)

    async def forget_workflows(self) -> None:
        """Let the janitor look after every workflow in its next round."""
        await self.stack.rows(
            "UPDATE psp_gateway.withdrawals SET next_attend_time = create_time"
            " WHERE tenant_id = $1 RETURNING 1",
            self.stack.tenant,
        )

    # --- the books -------------------------------------------------------------------------------

    async def in_the_books(self) -> None:
        """Check that the clearing accounts hold what is open, and the provider has what we have."""

        async def agree() -> bool:
            try:
                await self.stack.agrees()
            except AssertionError:
                return False
            return True

        await self.stack.until(agree)
        [row] = await self.stack.rows(_IN_THE_BOOKS, self.stack.tenant)
        players = await self.stack.rows(_PLAYERS, self.stack.tenant)
        reserved = [
            await self.stack.balance(f"liability/player/{one['player_id']}/withdrawal_reserved/eur")
            for one in players
        ]
        clearing = f"liability/psp/{PROVIDER}/{ACCOUNT}/withdrawal_clearing/eur"
        assert (row["reserved"], row["submitted"]) == (
            sum(reserved),
            await self.stack.balance(clearing),
        )


@asynccontextmanager
async def running_desk(
    databases: Databases,
    folder: Path,
    tenant: str,
    temporal: TemporalServer,
    client: Client,
    *,
    clock: Clock | None = None,
    times: WithdrawalTimes = SILENT,
    workflows: Workflows | None = None,
    works: bool = True,
) -> AsyncIterator[Desk]:
    """Run a gateway with a worker, unless it is not to work; workflows start through a client."""
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(
            running_stack(
                databases,
                folder,
                tenant,
                wrap_ledger=PresentLedger,
                limits=CallLimits(timeout_s=1.0, breaker_pause_s=0.2),
                clock=clock,
                workflows=workflows or TemporalWorkflows(client),
                times=times,
                approval_rules=APPROVAL_RULES,
            )
        )
        if works:
            worker: Worker = gateway_worker(client, running.gateway, 5)
            await stack.enter_async_context(worker)
        yield Desk(running, temporal, client)
