"""The matcher against an oracle in dictionaries, on worlds that Hypothesis makes."""

import random
from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from services.formats.report import ReportLine
from services.kernel.movements import MovementKind, Pot
from services.reconciliation.domain.staging import gateway_rows, ledger_rows, settlement_rows
from tests.fakes import recon_oracle
from tests.fakes.recon_days import MONDAY, POTS, Days, Done, account, line, movement

KINDS = [MovementKind.CAPTURE, MovementKind.ACCOUNT_FEE, MovementKind.UNCLASSIFIED]
AMOUNTS = [100, 100, 200, -100, 300]

Happening = tuple[str, int, MovementKind, int, str, Pot]

happening = st.tuples(
    st.sampled_from("SSGLLUB"),  # U: an unkeyed posting. B: gateway and ledger alike.
    st.integers(0, 3),
    st.sampled_from(KINDS),
    st.sampled_from(AMOUNTS),
    st.sampled_from(["EUR", "EUR", "USD"]),
    st.sampled_from([Pot.PROVIDER, Pot.PROVIDER, Pot.CLEARING, Pot.ROLLING_RESERVE]),
)
worlds = st.lists(st.lists(happening, max_size=40), min_size=2, max_size=3)


def play(days: Days, happenings: list[Happening]) -> list[ReportLine]:
    """Fill the books with a day's happenings and return its report lines."""
    lines = []
    for who, item, kind, amount, currency, pot in happenings:
        key = f"ch{item}"
        moved = movement(amount, key, kind, pot=pot, currency=currency)
        if who == "S":
            lines.append(line(len(lines) + 1, kind, key, amount, currency=currency))
        if who in "GB":
            days.books.happen(f"dep/{item}", "captured", moved)
        if who in "LB":
            days.books.book(f"dep/{item}", "captured", moved)
        if who == "U":
            days.books.post([(account(pot, currency), currency, amount)], movement_key=key)
    return lines


def found(done: Done, comparison: str) -> recon_oracle.Day:
    """What the matcher found, in the oracle's words."""
    matches = defaultdict(set)
    for row in done.rows(f"{comparison}/closed.parquet"):
        matches[row["method"], row["match_id"]].add(f"{row['side']} {row['row_id']}")
    breaks = [
        ((row["pot"], row["key"], row["kind"], row["currency_code"]), row)
        for row in done.rows(f"{comparison}/breaks.parquet")
        if row["lifecycle"] != "RESOLVED"
    ]
    return recon_oracle.Day(
        open_rows={
            f"{row['side']} {row['row_id']}": (
                (row["pot"], row["key"], row["kind"], row["currency_code"]),
                row["first_date"],
                row["break_date"],
            )
            for row in done.rows(f"{comparison}/open.parquet")
        },
        closed={(method, frozenset(rows)) for (method, _), rows in matches.items()},
        classes={group: row["class"] for group, row in breaks},
        amounts={group: (row["outside_minor"], row["ledger_minor"]) for group, row in breaks},
        occurrences={group: row["occurrence"] for group, row in breaks},
    )


@settings(max_examples=12, deadline=None)
@given(world=worlds)
def test_the_matcher_agrees_with_the_oracle(world: list[list[Happening]]) -> None:
    """Day after day both find the same matches, open rows, dates, classes and occurrences.

    And every proof holds on what was found.
    """
    with TemporaryDirectory() as root:
        days = Days(Path(root))
        oracles = {name: recon_oracle.Oracle(name) for name in ("booking", "provider")}
        for number, happenings in enumerate(world, start=1):
            seen = (len(days.books.events), len(days.books.transactions))
            lines = play(days, happenings)
            staged = [row for each in lines for row in settlement_rows(number, each)]
            for event in days.books.events[seen[0] :]:
                staged += gateway_rows(event)
            for transaction in days.books.transactions[seen[1] :]:
                staged += ledger_rows(transaction, POTS)
            done = days.run(days.report(number, *lines))
            for name, oracle in oracles.items():
                expected = oracle.run(MONDAY + timedelta(days=number - 1), staged)
                assert found(done, name) == expected
            assert done.failed() == {}


@settings(max_examples=6, deadline=None)
@given(happenings=st.lists(happening, min_size=5, max_size=60), seed=st.integers(0, 2**16))
def test_the_order_of_the_lines_changes_nothing(happenings: list[Happening], seed: int) -> None:
    """A report with its lines in another order gives the same classes and amounts."""
    results = []
    for shuffled in (False, True):
        with TemporaryDirectory() as root:
            days = Days(Path(root))
            if shuffled:
                random.Random(seed).shuffle(happenings)  # noqa: S311 - no secret.
            done = days.run(days.report(1, *play(days, happenings)))
            day = found(done, "provider")
            results.append(
                (
                    {group: cls for group, cls in day.classes.items() if group[2]},
                    {group: amounts for group, amounts in day.amounts.items() if group[2]},
                    sorted(method for method, _ in day.closed),
                )
            )
    assert results[0] == results[1]
