"""The facts of a withdrawal through the one way in, on a real database and a real ledger."""

from typing import Any
from uuid import UUID

import pytest

from services.kernel.money import Money
from services.psp_gateway.application.facts import Brought, News
from services.psp_gateway.application.object_records import NewWithdrawal
from services.psp_gateway.application.ports import GatewayUnit
from services.psp_gateway.application.records import FactSource, NewAttempt, Origin
from services.psp_gateway.domain import facts
from services.psp_gateway.domain.accounts import ProviderAccount
from services.psp_gateway.domain.facts import Fact, ObjectType
from services.psp_gateway.domain.machine import Decision, Verdict
from services.psp_gateway.domain.objects import Withdrawal, WithdrawalState
from services.psp_gateway.wiring import new_id
from tests.fakes.gateway_server import ACCOUNT, PROVIDER, Stack
from vezne.psp_gateway.v1.deposit_service_pb2 import ListDepositsRequest

AT = ProviderAccount(PROVIDER, ACCOUNT)
CLEARING = f"liability/psp/{AT}/withdrawal_clearing/eur"


@pytest.fixture
async def withdrawal_id(stack: Stack) -> str:
    """A withdrawal of 1,000 with a fee of 50, of a player who paid in 2,500."""
    found = new_id(stack.clock())
    player = f"w-{found.hex[-6:]}"
    await stack.pay(f"fund-{found}", player=player)
    new = NewWithdrawal(
        withdrawal=Withdrawal(
            withdrawal_id=str(found),
            player_id=player,
            amount=Money("EUR", 1_000),
            requested_by=player,
            fee_minor=50,
        ),
        at=AT,
        request_id=f"withdraw-{found}",
        destination_token="iban_1",
        metadata={},
        attend_at=stack.clock(),
    )
    async with stack.gateway.store.open(stack.tenant) as unit:
        await unit.objects.insert_withdrawal(new, stack.clock())
        await unit.commit()
    return str(found)


async def bring(stack: Stack, fact: Fact, attempt: NewAttempt | None = None) -> Brought:
    """Bring a fact as a workflow's activity does."""

    async def also(unit: GatewayUnit, decision: Decision[Any]) -> None:
        if attempt and decision.verdict is Verdict.APPLIED:
            await unit.attempts.add(attempt, stack.clock())

    news = News(tenant_id=stack.tenant, fact=fact, at=AT, origin=Origin(FactSource.WORKFLOW))
    return await stack.gateway.facts.bring(news, also=also)


async def read(stack: Stack, withdrawal_id: str) -> Withdrawal:
    """Read the withdrawal."""
    found = await stack.gateway.reader.withdrawal(stack.tenant, withdrawal_id)
    assert found is not None
    return found.withdrawal


def attempt_of(stack: Stack, withdrawal_id: str) -> NewAttempt:
    """Return a first attempt."""
    now = stack.clock()
    return NewAttempt(
        object_type=ObjectType.WITHDRAWAL,
        object_id=withdrawal_id,
        number=1,
        attempt_id=UUID(withdrawal_id),
        at=AT,
        reference=f"w-{withdrawal_id}-1",
        request=b"{}",
        replay_until=now,
        next_check_at=now,
    )


async def test_a_withdrawal_is_reserved_submitted_and_paid(
    stack: Stack, withdrawal_id: str
) -> None:
    """Each fact moves the money to where it then is, and the attempt ends with the last."""
    common = {"object_id": withdrawal_id, "occurred_at": stack.clock()}
    player = (await read(stack, withdrawal_id)).player_id
    reserved = f"liability/player/{player}/withdrawal_reserved/eur"

    await bring(stack, facts.WithdrawalReserved(**common))
    assert (await stack.cash(player), await stack.balance(reserved)) == (1_450, 1_050)
    await bring(stack, facts.WithdrawalAutoApproved(**common))
    started = facts.WithdrawalSubmitStarted(**common, attempt=1, at=AT)
    await bring(stack, started, attempt_of(stack, withdrawal_id))
    assert (await stack.balance(reserved), await stack.balance(CLEARING)) == (0, 1_050)
    await bring(stack, facts.WithdrawalAccepted(**common, attempt=1))
    paid = facts.WithdrawalPaid(
        **common, attempt=1, amount=Money("EUR", 1_000), withdrawal_key="tr_1"
    )
    assert (await bring(stack, paid)).posted
    assert (await bring(stack, paid)).verdict is Verdict.IGNORED

    found = await read(stack, withdrawal_id)
    assert found.state is WithdrawalState.PAID
    assert found.paid_attempts == (1,)
    assert found.attempts == (AT,)
    assert await stack.balance(CLEARING) == 0
    assert await stack.balance("income/withdrawal_fees/eur") == 50
    [row] = await stack.rows(
        "SELECT end_time FROM psp_gateway.attempts WHERE object_id = $1", withdrawal_id
    )
    assert row["end_time"] is not None
    assert await stack.facts_of(withdrawal_id) == [
        "reserved",
        "auto_approved",
        "submitted.1",
        "accepted.1",
        "paid.1",
    ]


async def test_a_withdrawal_of_more_than_there_is_is_rejected(
    stack: Stack, withdrawal_id: str
) -> None:
    """The ledger's refusal is the withdrawal's state, with the ledger's reason."""
    common = {"object_id": withdrawal_id, "occurred_at": stack.clock()}
    player = (await read(stack, withdrawal_id)).player_id
    deposit = await stack.deposits.ListDeposits(
        ListDepositsRequest(tenant_id=stack.tenant, player_id=player)
    )
    await stack.admin(
        "disputes", {"payment_intent_id": deposit.deposits[0].provider_object_id, "code": "fraud"}
    )

    async def frozen() -> bool:
        return await stack.cash(player) == 0

    await stack.until(frozen)
    await bring(stack, facts.WithdrawalReserved(**common))

    record = await stack.gateway.reader.withdrawal(stack.tenant, withdrawal_id)
    assert record is not None
    assert record.withdrawal.state is WithdrawalState.REJECTED
    assert record.ledger_reason == "INSUFFICIENT_AVAILABLE"
    assert record.standing.postings_pending == 0
