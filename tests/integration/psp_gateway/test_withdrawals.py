"""Every way a withdrawal can go at the mock PSP, on a real database and a real ledger.

Its steps are taken here one by one, as its workflow takes them; its pauses pass on the clock alone.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import orjson
import pytest

from services.kernel.errors import DomainError
from services.local.databases import Databases
from services.local.mock_psp.scenarios import SCENARIOS
from services.psp_gateway.adapters.providers.calling import CallLimits
from services.psp_gateway.application.withdrawal_steps import Standing
from services.psp_gateway.domain.reasons import Reason
from services.psp_gateway.domain.withdrawal_steps import Step, WaitingFor
from tests.fakes.gateway_server import ACCOUNT, running_stack
from tests.fakes.signed_webhooks import deliver, event, inbox
from tests.fakes.withdrawal_desk import APPROVAL_RULES, AUTOMATIC, Desk, PresentLedger
from vezne.psp_gateway.v1 import operations_service_pb2 as pb

LATE = "webhook_delayed"
WORDS = [
    word
    for word, one in SCENARIOS.items()
    if one.applies_to in ("any", "transfer") and word != LATE
]
ENDS = {
    "transfer_fails": "FAILED",
    "transfer_never_final": "SUBMITTED",
    "transfer_returned": "RETURNED",
    "transfer_returned_in_parts": "RETURNED",
}
"""Where a withdrawal ends, if not PAID."""
STEPS_MAX = 100


@pytest.fixture(scope="module")
async def desk(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Desk]:
    """A running gateway without Temporal, whose time can pass faster than the ledger's."""
    async with running_stack(
        databases,
        tmp_path_factory.mktemp("gateway"),
        "acme",
        wrap_ledger=PresentLedger,
        limits=CallLimits(timeout_s=0.5, breaker_pause_s=0.1),
        approval_rules=APPROVAL_RULES,
    ) as stack:
        yield Desk(stack)


async def step(desk: Desk, withdrawal_id: str, standing: Standing) -> Standing:
    """Let the pause pass and take the next step, as the workflow does."""
    steps = desk.stack.gateway.withdrawal_steps
    desk.stack.clock.advance(seconds=standing.plan.pause.total_seconds())
    take = {
        Step.RESERVE: steps.reserve,
        Step.ASK_RULES: steps.ask_rules,
        Step.EXPIRE: steps.expire,
        Step.SUBMIT: steps.submit,
        Step.GIVE_UP: steps.give_up,
        Step.ASK_PROVIDER: steps.ask,
    }[standing.plan.step]
    async with asyncio.timeout(10):
        while True:
            try:
                return await take("acme", withdrawal_id)
            except DomainError as error:
                # Whoever brought the news before still calls the ledger: the workflow waits too.
                if error.reason != Reason.POSTINGS_PENDING:
                    raise
                await asyncio.sleep(0.02)


async def until_it_ends(desk: Desk, withdrawal_id: str) -> Standing:
    """Take its steps until it ends, or only a person can go on with it."""
    standing = await desk.stack.gateway.withdrawal_steps.look("acme", withdrawal_id)
    for _ in range(STEPS_MAX):
        if standing.plan.step is Step.NOTHING:
            return standing
        if standing.record.waiting_for == WaitingFor.EXCEPTION:
            return standing
        standing = await step(desk, withdrawal_id, standing)
    raise AssertionError(f"it is still {standing.record.withdrawal.state}")


async def begun(desk: Desk, player: str, *words: str, steps: int = 3) -> tuple[str, Standing]:
    """Ask for a withdrawal whose transfer goes as these words say, and take its first steps.

    Two reserve it and approve it, the third submits it.
    """
    await desk.fund(player, 10_000)
    withdrawal_id = await desk.withdraw(player, AUTOMATIC, words=words)
    standing = await desk.stack.gateway.withdrawal_steps.look("acme", withdrawal_id)
    for _ in range(steps):
        standing = await step(desk, withdrawal_id, standing)
    return withdrawal_id, standing


@contextmanager
def refusing_every_call(desk: Desk) -> Iterator[None]:
    """Let the provider refuse our token, before it looks at anything else."""
    secrets = desk.stack.mock.world.secrets
    token = secrets[ACCOUNT]
    secrets[ACCOUNT] = "another token altogether"
    try:
        yield
    finally:
        secrets[ACCOUNT] = token


@pytest.mark.parametrize("word", WORDS)
async def test_whatever_the_provider_does_the_books_agree(desk: Desk, word: str) -> None:
    """Whether it is paid, failed, returned or open, each account holds what it should."""
    player = word.replace("_", "-")
    await desk.fund(player, 10_000)

    withdrawal_id = await desk.withdraw(player, AUTOMATIC, words=[word], player_fee_minor=150)
    await until_it_ends(desk, withdrawal_id)
    found = await desk.until(withdrawal_id, ENDS.get(word, "PAID"))

    if word == "transfer_returned_in_parts":
        found = await desk.until_returned(withdrawal_id, AUTOMATIC)
    await desk.in_the_books(lost=withdrawal_id)
    taken = 0 if ENDS.get(word) == "FAILED" else AUTOMATIC + 150
    assert await desk.stack.cash(player) == 10_000 - taken + found.returned_minor


@pytest.mark.parametrize(
    "words",
    [
        ["transfer_fails", "webhook_reordered"],
        ["timeout_after", "transfer_fails", "webhook_never"],
        ["transfer_returned", "webhook_never"],
        ["transfer_paid_after_failed", "webhook_duplicated"],
        ["error_after", "transfer_returned_in_parts", "webhook_two_ids"],
    ],
    ids="+".join,
)
async def test_misfortunes_together_are_no_worse(desk: Desk, words: Sequence[str]) -> None:
    """Several misfortunes of one withdrawal leave the books as right as one."""
    player = f"both-{len(words)}-{words[0].replace('_', '-')}"
    await desk.fund(player, 10_000)

    withdrawal_id = await desk.withdraw(player, AUTOMATIC, words=words)
    await until_it_ends(desk, withdrawal_id)

    await desk.in_the_books(lost=withdrawal_id)


async def test_a_repeated_call_that_was_kept_back_proves_nothing(desk: Desk) -> None:
    """The first call was done and never answered; that the second is refused makes no second one.

    The provider refuses our token for a while, before it looks at the key: not sent, that call.
    """
    withdrawal_id, standing = await begun(desk, "kept-back", "timeout_after", "webhook_never")
    assert standing.record.withdrawal.state == "SUBMIT_UNKNOWN"

    with refusing_every_call(desk):
        for _ in range(3):
            standing = await step(desk, withdrawal_id, standing)
            assert standing.record.withdrawal.state == "SUBMIT_UNKNOWN"

    standing = await until_it_ends(desk, withdrawal_id)
    assert standing.record.withdrawal.state == "PAID"
    assert len(standing.record.attempts) == 1
    await desk.in_the_books(lost=withdrawal_id)


async def test_paid_after_not_sent_is_believed_from_the_provider_only(desk: Desk) -> None:
    """A signed webhook that takes back an end is a hint: the provider does not confirm this one."""
    withdrawal_id, standing = await begun(desk, "hearsay", steps=2)
    with refusing_every_call(desk):
        standing = await step(desk, withdrawal_id, standing)
    [attempt] = standing.record.attempts
    assert standing.record.withdrawal.state == "APPROVED"
    hearsay = event(
        type="transfer.paid",
        data={
            "object_id": "tr_hearsay",
            "movement_id": "tr_hearsay",
            "reference": attempt.reference,
            "amount_minor": AUTOMATIC,
            "state": "paid",
        },
    )
    assert await deliver(desk.stack, orjson.dumps(hearsay), "evt_hearsay") == 200

    async def waits() -> bool:
        [found] = await inbox(desk.stack, dedupe_key="evt_hearsay")
        return found.state == pb.INBOX_EVENT_STATE_RETRY

    await desk.stack.until(waits)
    [found] = await inbox(desk.stack, dedupe_key="evt_hearsay")
    assert "does not know" in found.last_error
    assert "paid.1" not in await desk.stack.facts_of(withdrawal_id)

    standing = await until_it_ends(desk, withdrawal_id)
    assert standing.record.withdrawal.paid_attempts == (2,)
    await desk.in_the_books(lost=withdrawal_id)
    assert await desk.stack.cash("hearsay") == 10_000 - AUTOMATIC


async def test_a_step_that_is_taken_twice_is_taken_once(desk: Desk) -> None:
    """Whoever was thought dead and comes late with a step finds it done, and does nothing."""
    withdrawal_id, _ = await begun(desk, "twice")
    steps = desk.stack.gateway.withdrawal_steps

    for take in (steps.reserve, steps.ask_rules, steps.submit, steps.give_up, steps.expire):
        await take("acme", withdrawal_id)
    await until_it_ends(desk, withdrawal_id)

    done = await desk.stack.facts_of(withdrawal_id)
    assert len(done) == len(set(done))
    assert done[:4] == ["created", "reserved", "auto_approved", "submitted.1"]
    await desk.in_the_books()


async def test_a_provider_that_takes_nothing_for_a_day_is_given_up(desk: Desk) -> None:
    """Nothing was sent, for certain: the player has his money again, after many attempts."""
    await desk.fund("nobody-home", 10_000)

    with refusing_every_call(desk):
        withdrawal_id = await desk.withdraw("nobody-home", AUTOMATIC)
        standing = await until_it_ends(desk, withdrawal_id)

    assert standing.record.withdrawal.state == "FAILED"
    assert await desk.stack.cash("nobody-home") == 10_000
    first, last = standing.record.attempts[0], standing.record.attempts[-1]
    assert last.created_at - first.created_at >= timedelta(days=1)
    await desk.in_the_books()


async def test_a_webhook_that_comes_a_month_late_changes_what_is_left(desk: Desk) -> None:
    """What it tells is known since the first question, but for what the withdrawal cost."""
    await desk.fund("late", 10_000)
    withdrawal_id = await desk.withdraw("late", AUTOMATIC, words=[LATE])
    standing = await until_it_ends(desk, withdrawal_id)
    assert standing.record.withdrawal.state == "PAID"
    costs = await desk.stack.balance("expense/withdrawal_costs/eur")

    await desk.stack.admin_clock(days=31)

    async def told() -> bool:
        return await desk.stack.balance("expense/withdrawal_costs/eur") > costs

    await desk.stack.until(told)
    assert await desk.state(withdrawal_id) == "PAID"
    await desk.in_the_books()
