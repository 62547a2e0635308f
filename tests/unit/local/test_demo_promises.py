"""Each promise of the demo is broken by what it promises, and by nothing else."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest

from services.cli.demo import show
from services.cli.failures import ExitCode, Failure
from services.local.demo.day import Advance, Day
from services.local.demo.deposits import DUPLICATE, LOST
from services.local.demo.run import SCENES, Scene, play_scenes
from tests.fakes.demo_day_server import FIRST, LAST, PLAYER, Evening, check_all, evening_of
from vezne.reconciliation.v1.break_pb2 import Break
from vezne.reconciliation.v1.run_pb2 import VERDICT_RECONCILED
from vezne.reconciliation.v1.run_service_pb2 import (
    PROOF_OUTCOME_FAILED,
    PROOF_OUTCOME_UNSPECIFIED,
)

Spoil = Callable[[Evening], object]


def _post(path: str, amount_minor: int) -> Spoil:
    return lambda evening: evening.posted_minor.update({path: amount_minor})


def _hold(code: str, bucket: str, amount_minor: int) -> Spoil:
    return lambda evening: evening.held[code].update({bucket: amount_minor})


def _total(code: str, *sides: int) -> Spoil:
    return lambda evening: evening.totals_minor.update({code: sides})


def _prove(day: str, number: int, outcome: int) -> Spoil:
    return lambda evening: setattr(evening.statements[day].proofs[number - 1], "outcome", outcome)


def _conclude(day: str) -> Spoil:
    return lambda evening: setattr(evening.statements[day].run, "verdict", VERDICT_RECONCILED)


def _lose(day: str, number: int) -> Spoil:
    return lambda evening: evening.found[day].pop(number)


def _invent(day: str) -> Spoil:
    stray = Break(key="pi_9", kind="capture", currency_code="EUR", difference_minor=1)
    return lambda evening: evening.found[day].append(stray)


def _delay(evening: Evening) -> None:
    """What was pending in the first run is still called so in the last."""
    evening.found[LAST][0].break_class = evening.found[FIRST][0].break_class


_HELD = "what the provider holds in {} differs from our books by its mistakes: {}"
_CLEARED = "nothing is left in a clearing account"
_CAME = "one webhook came more than once, and one never came"
_CASH = "each of 1 players has his money to the cent"
_SAME = "{} in {} is the same at the provider and in our books"

BROKEN: list[tuple[Spoil, str]] = [
    (_total("EUR", 2, 1), "the trial balance is zero in EUR"),
    (_total("JPY", 1, 2), "the trial balance is zero in JPY"),
    (lambda evening: evening.totals_minor.pop("JPY"), "the trial balance is zero in JPY"),
    (_post(PLAYER.cash, 699), _CASH),
    (lambda evening: evening.attempts.update({DUPLICATE: 1}), _CAME),
    (lambda evening: evening.attempts.update({LOST: 1}), _CAME),
    (_post("liability/psp/mock/main/withdrawal_clearing/eur", 1), _CLEARED),
    (_post("liability/psp/mock/main/refund_clearing/jpy", -1), _CLEARED),
    (_post("asset/psp/mock/main/disputes/eur", 1), _CLEARED),
    (_hold("EUR", "available", 901), _HELD.format("EUR", "-0.01")),
    (_hold("EUR", "pending", 1), _HELD.format("EUR", "-0.01")),
    (_hold("JPY", "available", 1), _HELD.format("JPY", "0")),
    *(
        (_hold(code, bucket, 1), _SAME.format(bucket, code))
        for code in ("EUR", "JPY")
        for bucket in ("in_transit", "rolling_reserve")
    ),
    *(
        (spoil, f"{day}: {promise}")
        for day in (FIRST, LAST)
        for spoil, promise in (
            (_prove(day, 6, PROOF_OUTCOME_FAILED), "every proof of the run holds"),
            (_prove(day, 1, PROOF_OUTCOME_UNSPECIFIED), "every proof of the run holds"),
            (
                lambda evening, day=day: evening.statements[day].ClearField("proofs"),
                "every proof of the run holds",
            ),
            (_conclude(day), "the verdict is BREAKS"),
            (_lose(day, 1), "a payment has 0.01 less, found as AMOUNT_UNDER"),
            (_invent(day), "no break is found that was not seeded"),
        )
    ),
    (_lose(FIRST, 0), f"{FIRST}: a payment is missing, found as PENDING_SETTLEMENT"),
    (_lose(LAST, 0), f"{LAST}: a payment is missing, found as MISSING_IN_SETTLEMENT"),
    (_delay, f"{LAST}: a payment is missing, found as MISSING_IN_SETTLEMENT"),
]


async def test_a_good_day_keeps_every_promise() -> None:
    """Where all is as it must be no promise is broken, and each one is broken by a case below."""
    async with evening_of(Evening()) as day:
        broken = await check_all(day)

    show(day.findings)
    assert broken == []
    assert {one.text for one in day.findings.promises} == {text for _, text in BROKEN}


@pytest.mark.parametrize(
    ("spoil", "promise"),
    [pytest.param(*case, id=f"{number}-{case[1]}") for number, case in enumerate(BROKEN)],
)
async def test_what_is_wrong_breaks_its_promise_only(spoil: Spoil, promise: str) -> None:
    """One wrong answer breaks the promise about it and no other; the command ends with 1."""
    evening = Evening()
    spoil(evening)

    async with evening_of(evening) as day:
        broken = await check_all(day)
    with pytest.raises(Failure) as failed:
        show(day.findings)

    assert broken == [promise]
    assert failed.value.exit_code is ExitCode.REFUSED
    assert str(failed.value).endswith(f"promises do not hold: {promise}")


def _nothing_but(played: list[str], text: str) -> Callable[[Day, Advance], Awaitable[None]]:
    async def act(_day: Day, _advance: Advance) -> None:
        played.append(text)

    return act


@contextmanager
def _silent(_text: str, _parts: int = 0) -> Iterator[Advance]:
    yield lambda: None


async def test_a_scene_that_cannot_be_played_is_a_broken_promise() -> None:
    """Every scene is played or reported: without a part of the stack the demo does not hold."""
    played: list[str] = []
    scenes = [Scene(scene.text, scene.needs, _nothing_but(played, scene.text)) for scene in SCENES]
    everything = frozenset[str]().union(*(scene.needs for scene in SCENES))

    for name in sorted(everything):
        played.clear()
        async with evening_of(Evening()) as day:
            await play_scenes(scenes, day, everything - {name}, _silent)

        broken = [one for one in day.findings.promises if not one.holds]
        assert broken
        assert {one.detail for one in broken} == {f"without {name}"}
        assert sorted([*played, *(one.text.removesuffix(": it is played") for one in broken)]) == (
            sorted(scene.text for scene in SCENES)
        )
