"""Withdrawals as their callers and the books see them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from services.kernel.clock import utc_now
from services.psp_gateway.adapters.ledger import GrpcLedger
from services.psp_gateway.application.ports import Ledger
from services.psp_gateway.domain.postings import Posting
from tests.fakes.gateway_server import ACCOUNT, PROVIDER, Stack
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
    """What a test of withdrawals talks to, whatever goes on with them."""

    stack: Stack
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

    async def until(self, withdrawal_id: str, state: str, within_s: float = 60) -> Withdrawal:
        """Wait until it is in a state and all its postings stand, with the janitor at work."""

        async def there() -> bool:
            found = await self.get(withdrawal_id)
            name = WithdrawalState.Name(found.state).removeprefix("WITHDRAWAL_STATE_")
            return name == state and not found.postings_pending

        await self.stack.until(there, within_s)
        return await self.get(withdrawal_id)

    async def until_waiting(
        self, withdrawal_id: str, waiting_for: str, within_s: float = 60
    ) -> Withdrawal:
        """Wait until it waits for something."""
        async with asyncio.timeout(within_s):
            while True:
                found = await self.get(withdrawal_id)
                name = WithdrawalWait.Name(found.waiting_for)
                if name == f"WITHDRAWAL_WAIT_{waiting_for}":
                    return found
                await asyncio.sleep(0.02)

    async def until_returned(self, withdrawal_id: str, minor_units: int) -> Withdrawal:
        """Wait until so much has come back of it."""

        async def there() -> bool:
            return (await self.get(withdrawal_id)).returned_minor == minor_units

        await self.stack.until(there)
        return await self.get(withdrawal_id)

    async def resend_webhooks(self, withdrawal_id: str) -> None:
        """Let the provider deliver what was lost: what a withdrawal costs, only webhooks tell."""
        found = await self.get(withdrawal_id)
        for attempt in found.attempts:
            answer = await self.stack.look("deliveries", reference=attempt.reference)
            for delivery in answer["data"]:
                await self.stack.admin(f"deliveries/{delivery['webhook_id']}/resend")

    async def forget_workflows(self) -> None:
        """Let the janitor look after every workflow in its next round."""
        await self.stack.rows(
            "UPDATE psp_gateway.withdrawals SET next_attend_time = create_time"
            " WHERE tenant_id = $1 RETURNING 1",
            self.stack.tenant,
        )

    # --- the books -------------------------------------------------------------------------------

    async def in_the_books(self, lost: str = "") -> None:
        """Check that the clearing accounts hold what is open, and the provider has what we have.

        Args:
            lost: a withdrawal whose webhooks were lost: the provider delivers them once more.
        """

        async def agree() -> bool:
            if lost:
                await self.resend_webhooks(lost)
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
