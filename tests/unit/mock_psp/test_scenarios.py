"""What each scenario does to an object, to what is told of it, and to the report."""

import json
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise

import pytest

from services.formats import parse
from services.formats.report import ReportFormatError
from services.kernel.errors import DomainError
from services.kernel.movements import MovementKind
from services.local.mock_psp.account import Account
from services.local.mock_psp.books import Bucket, FeeRate, Fees, PaymentIntent, Reason
from services.local.mock_psp.courier import UNKNOWN_TYPE
from services.local.mock_psp.days import Terms
from services.local.mock_psp.scenarios import SCENARIOS, Answer, plan_for, words_in
from services.local.mock_psp.webhooks import Dispatch, Forgery

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


class World:
    """An account and a clock; `told` are the webhooks of all that has happened."""

    def __init__(self, terms: Terms | None = None) -> None:
        self.account = Account("casino", terms or Terms(), seed=5, started_at=START)
        self.now = START
        self.told: list[Dispatch] = []

    def pass_time(self, span: timedelta = MINUTE) -> None:
        self.now += span
        self.account.run_until(self.now)
        self.told += self.account.courier.take()

    def deposit(self, words: str, amount_minor: int = 1_000, manual: bool = False) -> PaymentIntent:
        intent = self.account.create_intent(
            words,
            reference=f"d-1.{words}",
            amount_minor=amount_minor,
            currency="EUR",
            now=self.now,
            manual_capture=manual,
            at_once=True,
        )
        self.told += self.account.courier.take()
        return intent

    def transfer(self, words: str) -> str:
        self.account.books.funds.top_up("float", "EUR", 10_000, self.now)
        transfer = self.account.create_transfer(
            words,
            reference=f"w-1.{words}",
            amount_minor=4_001,
            currency="EUR",
            destination="token",
            now=self.now,
        )
        return transfer.transfer_id

    def types(self) -> list[str]:
        return [dispatch.event_type for dispatch in self.told]

    def buckets(self) -> dict[str, int]:
        return {
            bucket: amount for bucket, amount in self.account.books.buckets("EUR").items() if amount
        }


@pytest.mark.parametrize(
    ("word", "told", "pending"),
    [
        ("approve", ["succeeded"], 1_000),
        ("decline_insufficient_funds", ["declined"], 0),
        ("pending_ok", ["processing", "succeeded"], 1_000),
        ("pending_fail", ["processing", "declined"], 0),
        ("decline_then_paid", ["declined", "succeeded"], 1_000),
        ("fails_later", ["succeeded", "failed"], 0),
        ("challenge_ok", ["requires_action"], 0),
    ],
)
def test_payment_stories(word: str, told: list[str], pending: int) -> None:
    """A payment charged at once goes as its word says."""
    world = World()
    world.deposit(word)
    world.pass_time()

    assert world.types() == [f"payment_intent.{one}" for one in told]
    assert world.account.books.buckets("EUR")[Bucket.PENDING] == pending


@pytest.mark.parametrize(
    ("word", "state", "code"),
    [
        ("challenge_ok", "succeeded", ""),
        ("challenge_fail", "declined", "authentication_failed"),
        ("challenge_abandon", "requires_action", ""),
    ],
)
def test_a_challenge_ends_as_its_word_says(word: str, state: str, code: str) -> None:
    """The player ends the challenge, or leaves it open until it expires."""
    world = World()
    intent = world.deposit(word)

    ended = world.account.player_pays(intent.intent_id, world.now)

    assert (ended.state, ended.code) == (state, code)
    world.pass_time(timedelta(hours=1))
    after = world.account.books.payment_intents.get(intent.intent_id).state
    assert after == ("expired" if state == "requires_action" else state)


def test_an_authorisation_outlives_its_page() -> None:
    """An authorisation is open for a week, then expires; a capture ends that."""
    world = World()
    kept, taken = world.deposit("approve", manual=True), world.deposit("x", manual=True)
    world.pass_time(2 * DAY)
    world.account.capture(taken.intent_id, None, world.now)
    world.pass_time(5 * DAY)

    intents = world.account.books.payment_intents
    assert intents.get(kept.intent_id).state == "expired"
    assert intents.get(taken.intent_id).state == "succeeded"


@pytest.mark.parametrize(
    ("word", "told", "available"),
    [
        ("inquiry_only", ["inquiry_opened", "inquiry_closed"], 0),
        ("chargeback_lost", ["funds_withdrawn", "lost"], -1_000),
        ("chargeback_won", ["funds_withdrawn", "funds_reinstated"], 0),
        ("chargeback_won_in_part", ["funds_withdrawn", "funds_reinstated"], -500),
        (
            "chargeback_won_then_lost",
            ["funds_withdrawn", "funds_reinstated", "funds_withdrawn", "lost"],
            -1_000,
        ),
    ],
)
def test_dispute_stories(word: str, told: list[str], available: int) -> None:
    """A payment is disputed, and the dispute ends, as its word says."""
    world = World()
    world.deposit(word)
    world.pass_time()

    assert world.types()[1:] == [f"dispute.{one}" for one in told]
    assert world.account.books.buckets("EUR")[Bucket.AVAILABLE] == available


@pytest.mark.parametrize(
    ("word", "told", "left"),
    [
        ("approve", ["accepted", "paid"], 10_000 - 4_001),
        ("transfer_fails", ["accepted", "failed"], 10_000),
        ("transfer_never_final", ["accepted"], 10_000),
        ("transfer_returned", ["accepted", "paid", "returned"], 10_000),
        ("transfer_returned_in_parts", ["accepted", "paid", "returned", "returned"], 10_000),
        ("transfer_paid_after_failed", ["accepted", "failed", "paid"], 10_000 - 4_001),
    ],
)
def test_transfer_stories(word: str, told: list[str], left: int) -> None:
    """A transfer goes as its word says."""
    world = World()
    world.transfer(word)
    world.pass_time()

    assert world.types() == [f"transfer.{one}" for one in told]
    assert world.account.books.buckets("EUR")[Bucket.AVAILABLE] == left


def test_a_balance_can_be_called_too_low() -> None:
    """The word refuses a transfer that the balance would cover."""
    world = World()

    with pytest.raises(DomainError) as error:
        world.transfer("balance_too_low")

    assert error.value.reason == Reason.BALANCE_INSUFFICIENT


@pytest.mark.parametrize(
    ("word", "told", "available"),
    [
        ("approve", ["pending", "succeeded"], -400),
        ("refund_fails", ["pending", "failed"], 0),
        ("refund_fails_later", ["pending", "succeeded", "failed"], 0),
    ],
)
def test_refund_stories(word: str, told: list[str], available: int) -> None:
    """A refund goes as its word says."""
    world = World()
    intent = world.deposit("approve")
    world.account.create_refund(
        "r",
        intent_id=intent.intent_id,
        amount_minor=400,
        reference=f"r-1.{word}",
        now=world.now,
    )
    world.pass_time()

    assert world.types()[1:] == [f"refund.{one}" for one in told]
    assert world.account.books.buckets("EUR")[Bucket.AVAILABLE] == available


def test_a_provider_may_refund_unasked() -> None:
    """The webhook of such a refund says that the provider began it."""
    world = World()
    world.deposit("refunded_by_provider")
    world.pass_time()

    data = json.loads(world.told[-1].body)["data"]
    assert world.types()[1:] == ["refund.pending", "refund.succeeded"]
    assert (data["origin"], data["amount_minor"]) == ("provider", 1_000)


def test_duplicated_webhooks_share_an_id_and_two_ids_do_not() -> None:
    """A duplicate repeats the same webhook; two ids tell one occurrence twice."""
    world = World()
    world.deposit("webhook_duplicated")
    assert [one.copies for one in world.told] == [3]

    world = World()
    world.deposit("webhook_two_ids")
    one, two = (json.loads(dispatch.body) for dispatch in world.told)
    assert one["id"] != two["id"]
    assert one["data"] == two["data"]


def test_reordered_webhooks_come_later_first() -> None:
    """Of two webhooks about one payment the later goes first; a last one alone goes at last."""
    world = World()
    world.deposit("webhook_reordered.pending_ok.chargeback_lost")
    world.pass_time()
    assert world.types() == [
        "payment_intent.succeeded",
        "payment_intent.processing",
        "dispute.lost",
        "dispute.funds_withdrawn",
    ]

    world = World()
    world.deposit("webhook_reordered")
    assert world.types() == []
    world.pass_time(timedelta(hours=2))
    assert world.types() == ["payment_intent.succeeded"]


def test_a_delayed_webhook_comes_a_month_late() -> None:
    """Nothing is told for 30 days, then the same event as ever."""
    world = World(Terms(sweeps=False))
    world.deposit("webhook_delayed")
    world.pass_time(29 * DAY)
    assert "payment_intent.succeeded" not in world.types()

    world.pass_time(DAY)

    sent = next(one for one in world.told if one.event_type == "payment_intent.succeeded")
    assert json.loads(sent.body)["created"] == "2026-03-02T09:00:00Z"


@pytest.mark.parametrize(
    ("word", "forgery"),
    [
        ("webhook_bad_signature", Forgery.BAD_SIGNATURE),
        ("webhook_old_key", Forgery.OLD_KEY),
        ("webhook_future_timestamp", Forgery.FUTURE_TIMESTAMP),
    ],
)
def test_forged_webhooks(word: str, forgery: Forgery) -> None:
    """The word decides what is wrong with the signature."""
    world = World()
    world.deposit(word)

    assert [one.forgery for one in world.told] == [forgery]


def test_a_webhook_can_be_withheld() -> None:
    """A webhook that never comes is listed, so that it can be resent."""
    world = World()
    world.deposit("webhook_never")

    assert [one.withheld for one in world.told] == [True]


def test_unknown_webhooks_come_beside_the_known() -> None:
    """One of an unknown type goes before each; a payment that nobody asked for is real money."""
    world = World()
    world.deposit("webhook_unknown_type")
    assert world.types() == [UNKNOWN_TYPE, "payment_intent.succeeded"]

    world = World()
    world.deposit("webhook_unknown_reference")
    references = [one.reference for one in world.told]
    assert references == ["d-1.webhook_unknown_reference", "unknown-1"]
    assert world.buckets() == {Bucket.PENDING: 2_000}


@pytest.mark.parametrize(
    ("word", "grosses", "pending"),
    [
        ("approve", [1_000], 0),
        ("report_missing_line", [], 1_000),
        ("report_duplicated_line", [1_000, 1_000], 0),
        ("report_extra_line", [1_000, 1_000], 0),
        ("report_altered_line", [999], 0),
    ],
)
def test_report_faults_tie_and_lie(word: str, grosses: list[int], pending: int) -> None:
    """A faulty report ties in itself, and differs from what was told by exactly the fault."""
    world = World()
    world.deposit(word)
    world.pass_time(DAY)

    report = parse("mock", world.account.days.reports[0].content)

    paid = [line for line in report.lines if line.kind is MovementKind.CAPTURE]
    told = [one for one in world.told if one.event_type == "payment_intent.succeeded"]
    assert [line.gross_minor for line in paid] == grosses
    assert [json.loads(one.body)["data"]["amount_minor"] for one in told] == [1_000]
    assert world.account.books.buckets("EUR")[Bucket.PENDING] == pending
    assert len({line.row_id for line in paid}) == len(paid)


def test_a_report_can_have_a_wrong_total() -> None:
    """The report that lists such a payment is refused; the next day's is sound."""
    world = World()
    world.deposit("report_wrong_total")
    world.pass_time(2 * DAY)

    with pytest.raises(ReportFormatError):
        parse("mock", world.account.days.reports[0].content)
    assert parse("mock", world.account.days.reports[1].content).batch_number == 2


def test_a_day_ends_with_sweep_reserve_and_report() -> None:
    """A close makes money available, keeps its share, sweeps the rest, and lands it a day later."""
    world = World(
        Terms(
            fees=Fees(capture=FeeRate(100)),
            rolling_reserve_basis_points=500,
            rolling_reserve_days=2,
            bank_fee_minor=15,
        )
    )
    world.deposit("approve")

    world.pass_time(DAY)
    assert world.buckets() == {Bucket.ROLLING_RESERVE: 50, Bucket.IN_TRANSIT: 940}
    world.pass_time(DAY)
    assert world.buckets() == {Bucket.ROLLING_RESERVE: 50, Bucket.BANK: 925}
    world.pass_time(DAY)
    assert world.buckets() == {Bucket.IN_TRANSIT: 50, Bucket.BANK: 925}

    reports = [parse("mock", one.content) for one in world.account.days.reports]
    assert [one.batch_number for one in reports] == [1, 2, 3]
    assert [len(one.lines) for one in reports] == [3, 0, 2]
    assert all(left.period_end == right.period_start for left, right in pairwise(reports))


def test_time_passes_in_order_however_far_it_jumps() -> None:
    """One jump over days ends in the same books and reports as many small steps."""
    worlds = World(), World()
    for world in worlds:
        world.deposit("chargeback_won_then_lost")
        world.transfer("transfer_returned")
    for _ in range(3 * 24):
        worlds[0].pass_time(timedelta(hours=1))
    worlds[1].pass_time(3 * DAY)

    assert worlds[0].account.books.rows == worlds[1].account.books.rows
    assert worlds[0].account.days.reports == worlds[1].account.days.reports
    assert worlds[0].told == worlds[1].told


def test_words_stand_anywhere_in_a_reference() -> None:
    """Words are found between other characters, never inside other words."""
    assert words_in("d-17.webhook_never/pending_ok") == ("webhook_never", "pending_ok")
    assert words_in("my_webhook_never") == ()
    assert words_in("D-1:Webhook_Never") == ("webhook_never",)


def test_words_combine_and_the_last_holds() -> None:
    """Words about different things add up; of two about one thing the later wins."""
    plan = plan_for(("timeout_after", "pending_ok", "decline_expired_card"))

    assert plan.answer is Answer.TIMEOUT_AFTER
    assert (plan.intent, plan.decline_code) == ("declined", "expired_card")


def test_words_can_be_chosen_for_what_comes() -> None:
    """An admin's words hold for a reference, or for the next object of a kind and only for it."""
    world = World()
    world.account.choose(("webhook_never",), "d-9")
    world.account.choose_next(("pending_ok",), "payment_intent")

    assert world.account.expect("payment_intent", "d-9").delivery == "never"
    assert world.account.expect("refund", "d-10").intent == "paid"
    assert world.account.expect("payment_intent", "d-10").intent == "pending_paid"
    assert world.account.expect("payment_intent", "d-10").intent == "pending_paid"
    assert world.account.expect("payment_intent", "d-11").intent == "paid"


def test_every_scenario_does_something_of_its_own() -> None:
    """No two words mean the same, and only `approve` means nothing."""
    plans = [(repr(plan_for((word,))), word) for word in SCENARIOS]
    shared = [
        words
        for _, group in groupby(sorted(plans), key=lambda pair: pair[0])
        if len(words := [word for _, word in group]) > 1
    ]

    # A payment is declined for no stated reason unless the word gives one.
    assert shared == []
    assert plan_for(("approve",)) == plan_for(())
