"""What is printed for people and for programs."""

import io
import json
import re
import sys

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from services.cli import output
from services.cli.failures import Failure
from services.cli.output import Column, Output
from vezne.psp_gateway.v1.deposit_pb2 import Deposit, DepositState
from vezne.type.v1.money_pb2 import Money

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
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


class Terminal(io.StringIO):
    """Standard output as a terminal is."""

    def isatty(self) -> bool:
        """Say that it is one."""
        return True


def test_pipes_get_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Into a pipe go a line a row, however long, without colours, frames or spaces at the end."""
    output.print_list(Output.TABLE, [DEPOSIT], COLUMNS)

    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["deposit", "amount", "reference"]
    assert row.split() == ["d" * 36, "46116860184273879.04", "EUR", "r" * 40]
    assert "\x1b" not in head + row
    assert row == row.rstrip()


def test_narrow_terminals_lose_extra_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """On 60 columns every line fits, and what is extra is left out before anything is folded."""
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)

    output.print_list(Output.TABLE, [DEPOSIT], COLUMNS)

    said = COLOURS.sub("", terminal.getvalue())
    assert "reference" not in said
    assert max(len(line) for line in said.splitlines()) <= 60
    assert DEPOSIT.deposit_id[:20] in said


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
