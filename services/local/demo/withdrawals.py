"""Money out: top-ups at the provider, and withdrawals, each a workflow of its own."""

from dataclasses import dataclass

from services.local.demo.day import Advance, Day, Purse, until
from services.local.provider_accounts import PROVIDER, PROVIDER_ACCOUNT
from vezne.psp_gateway.v1.withdrawal_pb2 import (
    WITHDRAWAL_STATE_PAID,
    WITHDRAWAL_STATE_REJECTED,
    WITHDRAWAL_STATE_RETURNED,
    Withdrawal,
    WithdrawalState,
)
from vezne.psp_gateway.v1.withdrawal_service_pb2 import (
    CreateWithdrawalRequest,
    GetWithdrawalRequest,
)
from vezne.psp_gateway.v1.withdrawal_service_pb2_grpc import WithdrawalServiceStub
from vezne.type.v1.money_pb2 import Money

_TOP_UPS_MINOR = {"EUR": 5_000_00, "JPY": 500_000}
_FEE_MINOR = 50


@dataclass(frozen=True, slots=True)
class Story:
    """A withdrawal: whose, how much, and what becomes of it."""

    purse: Purse
    amount_minor: int
    ends_as: WithdrawalState.ValueType
    word: str = "approve"


STORIES = (
    Story(Purse("duplicate", "EUR"), 20_00, WITHDRAWAL_STATE_RETURNED, "transfer_returned"),
    Story(Purse("refunded", "EUR"), 15_00, WITHDRAWAL_STATE_PAID),
    Story(Purse("report-missing", "EUR"), 10_00, WITHDRAWAL_STATE_PAID),
    Story(Purse("player-06", "JPY"), 500, WITHDRAWAL_STATE_PAID),
    Story(Purse("report-extra", "EUR"), 9_999_00, WITHDRAWAL_STATE_REJECTED),
)


async def top_up(day: Day, _advance: Advance) -> None:
    """Pay money in at the provider, from which withdrawals are paid."""
    for code, amount_minor in _TOP_UPS_MINOR.items():
        await day.mock.top_up(f"demo-{code}", code, amount_minor)


async def cash_out(day: Day, advance: Advance) -> None:
    """Let players withdraw, and wait until each withdrawal is where its story ends.

    One is returned by the player's bank after it was paid, and one the ledger refuses.
    """
    withdrawals = WithdrawalServiceStub(day.gateway)
    for story in STORIES:
        if story.ends_as != WITHDRAWAL_STATE_REJECTED:
            await day.mock.choose_next("transfer", story.word)
        response = await withdrawals.CreateWithdrawal(
            CreateWithdrawalRequest(
                tenant_id=day.tenant,
                request_id=f"demo:withdrawal:{story.purse.player_id}",
                player_id=story.purse.player_id,
                amount=Money(
                    currency_code=story.purse.currency_code, minor_units=story.amount_minor
                ),
                player_fee_minor=_FEE_MINOR,
                provider=PROVIDER,
                provider_account=PROVIDER_ACCOUNT,
                destination_token=f"iban_{story.purse.player_id}",
                requested_by="demo",
            )
        )
        await _until_it_has_ended(day, response.withdrawal, story)
        if story.ends_as != WITHDRAWAL_STATE_REJECTED:
            day.cash_minor[story.purse] -= story.amount_minor + _FEE_MINOR
        if story.ends_as == WITHDRAWAL_STATE_RETURNED:
            day.cash_minor[story.purse] += story.amount_minor
        advance()


async def _until_it_has_ended(day: Day, withdrawal: Withdrawal, story: Story) -> None:
    request = GetWithdrawalRequest(tenant_id=day.tenant, withdrawal_id=withdrawal.withdrawal_id)
    await until(
        f"the withdrawal of {story.purse.player_id} becoming {WithdrawalState.Name(story.ends_as)}",
        lambda: WithdrawalServiceStub(day.gateway).GetWithdrawal(request),
        lambda found: (
            found.withdrawal.state == story.ends_as and not found.withdrawal.postings_pending
        ),
    )
