"""What is printed for people and for programs."""

import json
import sys
from collections.abc import Callable

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from services.cli import output
from services.cli.failures import Failure
from services.cli.output import Column, Output
from tests.fakes.terminal import Terminal
from vezne.psp_gateway.v1.deposit_pb2 import Deposit, DepositState
from vezne.type.v1.money_pb2 import Money

COLUMNS = (
    Column[Deposit]("deposit", lambda one: one.deposit_id),
    Column[Deposit]("amount", lambda one: output.money(one.amount), number=True),
    Column[Deposit]("reference", lambda one: one.reference, extra=True),
)
DEPOSIT = Deposit(
    deposit_id="d" * 36,
    amount=Money(currency_code="EUR", minor_units=2**62),
    reference="r" * 40,
)


def test_pipes_get_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Into a pipe go a line a row, however long, without colours, frames or spaces at the end."""
    output.print_list(Output.TABLE, [DEPOSIT], COLUMNS)

    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["deposit", "amount", "reference"]
    assert row.split() == ["d" * 36, "46116860184273879.04", "EUR", "r" * 40]
    assert "\x1b" not in head + row
    assert row == row.rstrip()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Terminal]:
    """Make standard output a terminal of so many columns."""

    def make(columns: int) -> Terminal:
        monkeypatch.setenv("COLUMNS", str(columns))
        made = Terminal()
        monkeypatch.setattr(sys, "stdout", made)
        return made

    return make


def said(terminal: Terminal) -> list[str]:
    """What a terminal shows, line by line."""
    return terminal.shown().splitlines()


@pytest.mark.parametrize("columns", range(40, 130, 5))
def test_no_terminal_cuts_an_id(columns: int, terminal: Callable[[int], Terminal]) -> None:
    """However wide a terminal is, ids, amounts and words are whole in one line that fits."""
    shown = terminal(columns)

    output.print_list(Output.TABLE, [DEPOSIT, DEPOSIT], COLUMNS)

    lines = said(shown)
    assert sum(DEPOSIT.deposit_id in line for line in lines) == 2
    assert sum("46116860184273879.04 EUR" in line for line in lines) == 2
    if columns >= len("reference") + 2 + len(DEPOSIT.reference):
        assert max(len(line) for line in lines) <= columns


def test_narrow_terminals_lose_the_last_extra_column_first(
    terminal: Callable[[int], Terminal], capsys: pytest.CaptureFixture[str]
) -> None:
    """A table loses as few extra columns as it must, and says which; empty ones go unsaid."""
    columns = (
        Column[Deposit]("deposit", lambda one: one.deposit_id),
        Column[Deposit]("player", lambda one: one.player_id, extra=True),
        Column[Deposit]("reference", lambda one: one.reference, extra=True),
        Column[Deposit]("failure", lambda one: one.failure_code, extra=True),
    )
    shown = terminal(60)
    output.print_list(Output.TABLE, [Deposit(deposit_id="d" * 36, player_id="7")], columns)
    assert said(shown)[0].split() == ["deposit", "player"]
    assert capsys.readouterr().err == ""

    shown = terminal(60)
    found = Deposit(deposit_id="d" * 36, player_id="7", reference="r" * 40)
    output.print_list(Output.TABLE, [found], columns)

    assert said(shown)[0].split() == ["deposit", "player"]
    assert said(shown)[2].split() == ["d" * 36, "7"]
    assert "no room for reference;" in capsys.readouterr().err


def test_what_has_no_room_side_by_side_is_a_block(terminal: Callable[[int], Terminal]) -> None:
    """Where not even the needed columns fit, each row is a block with all of its fields."""
    shown = terminal(60)

    output.print_list(Output.TABLE, [DEPOSIT, DEPOSIT], COLUMNS)

    block = [
        f"deposit    {'d' * 36}",
        "amount     46116860184273879.04 EUR",
        f"reference  {'r' * 40}",
        "",
    ]
    assert said(shown) == [*block, *block]


def test_sentences_are_folded_at_spaces(terminal: Callable[[int], Terminal]) -> None:
    """A sentence goes on in the next line of its column, and no word of it is broken."""
    columns = (
        Column[Deposit]("deposit", lambda one: one.deposit_id),
        Column[Deposit]("why", lambda one: one.failure_message, prose=True),
    )
    sentence = "the player's bank did not say why it had refused the card"
    shown = terminal(64)

    output.print_list(
        Output.TABLE, [Deposit(deposit_id="d" * 36, failure_message=sentence)], columns
    )

    rows = said(shown)[2:]
    assert len(rows) > 1
    assert max(map(len, rows)) <= 64
    assert " ".join(row.removeprefix("d" * 36).strip() for row in rows) == sentence


def test_what_a_provider_says_cannot_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    """A row is one line whatever is in it, and no escape sequence of its reaches the terminal."""
    found = Deposit(deposit_id="d", reference="a\nb\x1b[31mc\rd")

    output.print_list(Output.TABLE, [found], COLUMNS)

    _, row = capsys.readouterr().out.splitlines()
    assert row.split() == ["d", "a", "b", "[31mc", "d"]


def test_an_empty_list_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """That there is nothing is said beside the result; a program's list is just empty."""
    output.print_list(Output.TABLE, [], COLUMNS)
    assert capsys.readouterr().err == "there are none\n"

    output.print_list(Output.JSON, [], COLUMNS)
    assert capsys.readouterr() == ("[]\n", "")


def test_json_keeps_every_digit(capsys: pytest.CaptureFixture[str]) -> None:
    """A list is a JSON array with the contract's names, and 64-bit integers as strings."""
    output.print_list(Output.JSON, [DEPOSIT], COLUMNS)

    [found] = json.loads(capsys.readouterr().out)
    assert found["deposit_id"] == "d" * 36
    assert found["amount"] == {"currency_code": "EUR", "minor_units": str(2**62)}
    assert found["postings_pending"] == 0


def test_one_is_shown_without_what_is_empty(capsys: pytest.CaptureFixture[str]) -> None:
    """One message is a line a field; a field without a value is left out."""
    output.print_one(Output.TABLE, Deposit(deposit_id="d"), COLUMNS)

    assert capsys.readouterr().out == "deposit  d\n"


def test_enum_words_have_no_prefix() -> None:
    """Values of enums are shown and read without their prefix; an unknown number is shown."""
    assert output.word(DepositState, DepositState.DEPOSIT_STATE_REQUIRES_ACTION) == (
        "REQUIRES_ACTION"
    )
    assert output.word(DepositState, 0) == ""
    assert output.word(DepositState, 99) == "99"
    assert (
        output.value_of(DepositState, "requires-action", "--state")
        == DepositState.DEPOSIT_STATE_REQUIRES_ACTION
    )
    with pytest.raises(Failure, match="no value of --state"):
        output.value_of(DepositState, "paid", "--state")


def test_times_are_utc_to_the_second() -> None:
    """A time is shown in UTC to the second, and one that is not set is not shown."""
    assert output.moment(Timestamp(seconds=1_700_000_000, nanos=5)) == "2023-11-14 22:13:20"
    assert output.moment(Timestamp()) == ""
