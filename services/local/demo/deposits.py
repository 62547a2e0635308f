"""Money in: deposits by card and on the hosted page, with the misfortunes of a day."""

import asyncio
from dataclasses import dataclass

from services.local.demo.day import Advance, Day, Purse, until
from services.local.provider_accounts import PROVIDER, PROVIDER_ACCOUNT
from vezne.psp_gateway.v1.deposit_pb2 import (
    DEPOSIT_STATE_CAPTURED,
    DEPOSIT_STATE_DECLINED,
    Deposit,
    DepositState,
)
from vezne.psp_gateway.v1.deposit_service_pb2 import (
    CreateDepositRequest,
    CreateRefundRequest,
    GetDepositRequest,
    GetRefundRequest,
    ListDisputesRequest,
)
from vezne.psp_gateway.v1.deposit_service_pb2_grpc import DepositServiceStub
from vezne.psp_gateway.v1.dispute_pb2 import DISPUTE_STATE_LOST
from vezne.psp_gateway.v1.refund_pb2 import REFUND_STATE_SUCCEEDED
from vezne.type.v1.money_pb2 import Money

_AT_ONCE = 8
_STORED_CARD = "card_demo"
REFUND_MINOR = 30_00


@dataclass(frozen=True, slots=True)
class Story:
    """A deposit with a misfortune: who, how much, and the word that makes the provider do it."""

    name: str
    word: str
    amount_minor: int
    on_page: bool = False
    ends_as: DepositState.ValueType = DEPOSIT_STATE_CAPTURED


LOST, DUPLICATE = "lost-webhook", "duplicate"

STORIES = (
    Story(LOST, "webhook_never", 75_00, on_page=True),
    Story(DUPLICATE, "webhook_duplicated", 60_00, on_page=True),
    Story("declined", "decline_insufficient_funds", 90_00, ends_as=DEPOSIT_STATE_DECLINED),
    Story("chargeback", "chargeback_lost", 110_00),
    Story("refunded", "approve", 100_00),
    Story("report-missing", "report_missing_line", 41_00),
    Story("report-altered", "report_altered_line", 42_00),
    Story("report-extra", "report_extra_line", 43_00),
    Story("report-twice", "report_duplicated_line", 44_00),
)

PLAIN = tuple(
    (Purse(f"player-{number:02d}", "EUR" if number % 3 else "JPY"), number)
    for number in range(1, 25)
)
"""The players without a misfortune; each pays in something else."""


def amount_of(purse: Purse, number: int) -> int:
    """Return what a plain player pays in, in minor units."""
    return 2_500 + 350 * number if purse.currency_code == "EUR" else 3_000 + 500 * number


async def pay_in(day: Day, advance: Advance) -> None:
    """Let everybody pay in: those with a story one by one, the others side by side."""
    for story in STORIES:
        await day.mock.choose_next("payment_intent", story.word)
        purse = Purse(story.name, "EUR")
        day.deposits[story.name] = await _pay(day, purse, story.amount_minor, on_page=story.on_page)
        if story.ends_as == DEPOSIT_STATE_CAPTURED:
            day.cash_minor[purse] += story.amount_minor
        advance()
    at_once = asyncio.Semaphore(_AT_ONCE)

    async def plainly(purse: Purse, number: int) -> None:
        async with at_once:
            amount_minor = amount_of(purse, number)
            day.deposits[purse.player_id] = await _pay(
                day, purse, amount_minor, on_page=number % 2 == 0
            )
            day.cash_minor[purse] += amount_minor
            advance()

    await asyncio.gather(*(plainly(purse, number) for purse, number in PLAIN))


async def _pay(day: Day, purse: Purse, amount_minor: int, *, on_page: bool) -> Deposit:
    response = await DepositServiceStub(day.gateway).CreateDeposit(
        CreateDepositRequest(
            tenant_id=day.tenant,
            request_id=f"demo:deposit:{purse.player_id}",
            player_id=purse.player_id,
            amount=Money(currency_code=purse.currency_code, minor_units=amount_minor),
            provider=PROVIDER,
            provider_account=PROVIDER_ACCOUNT,
            source_token="" if on_page else _STORED_CARD,
        )
    )
    if on_page:
        await day.mock.pay_on_page(response.deposit.next_action.redirect.url)
    return response.deposit


async def until_webhooks_have_told(day: Day, advance: Advance) -> None:
    """Wait until every deposit is where its story ends, but the one whose webhook is lost."""
    for name in day.deposits:
        if name != LOST:
            await _until_it_has_ended(day, name)
            advance()


async def until_the_lost_one_is_found(day: Day, _advance: Advance) -> None:
    """Wait until the janitor has asked the provider about the deposit that nobody told of."""
    await _until_it_has_ended(day, LOST)


async def _until_it_has_ended(day: Day, name: str) -> None:
    ends = {story.name: story.ends_as for story in STORIES}
    wanted = ends.get(name, DEPOSIT_STATE_CAPTURED)
    request = GetDepositRequest(tenant_id=day.tenant, deposit_id=day.deposits[name].deposit_id)
    found = await until(
        f"the deposit of {name} becoming {DepositState.Name(wanted)}",
        lambda: DepositServiceStub(day.gateway).GetDeposit(request),
        lambda found: found.deposit.state == wanted and not found.deposit.postings_pending,
    )
    day.deposits[name] = found.deposit


async def refund(day: Day, _advance: Advance) -> None:
    """Give a player a part of a deposit back, and wait until it has arrived."""
    deposits = DepositServiceStub(day.gateway)
    asked = await deposits.CreateRefund(
        CreateRefundRequest(
            tenant_id=day.tenant,
            request_id="demo:refund",
            deposit_id=day.deposits["refunded"].deposit_id,
            amount=Money(currency_code="EUR", minor_units=REFUND_MINOR),
            requested_by="demo",
            comment="The player asked for it.",
        )
    )
    request = GetRefundRequest(tenant_id=day.tenant, refund_id=asked.refund.refund_id)
    await until(
        "the refund's success",
        lambda: deposits.GetRefund(request),
        lambda found: found.refund.state == REFUND_STATE_SUCCEEDED,
    )
    day.cash_minor[Purse("refunded", "EUR")] -= REFUND_MINOR


async def until_chargeback_is_lost(day: Day, _advance: Advance) -> None:
    """Wait until the player's bank has taken the disputed deposit back for good."""
    request = ListDisputesRequest(
        tenant_id=day.tenant, deposit_id=day.deposits["chargeback"].deposit_id
    )
    await until(
        "the loss of the chargeback",
        lambda: DepositServiceStub(day.gateway).ListDisputes(request),
        lambda found: any(
            one.state == DISPUTE_STATE_LOST and not one.postings_pending for one in found.disputes
        ),
    )
    purse = Purse("chargeback", "EUR")
    day.cash_minor[purse] -= day.deposits["chargeback"].captured_amount.minor_units
