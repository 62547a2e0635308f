"""What commands print: tables for people, JSON for programs; no colours into pipes."""

import json
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, Generic, Protocol, TypeVar

import typer
from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from services.cli.failures import wrong_use
from services.kernel.money import format_amount
from vezne.type.v1.money_pb2 import Money

# Nothing is folded or cut where a program reads.
_PIPE_WIDTH = 10_000

Shown = TypeVar("Shown")
ShownMessage = TypeVar("ShownMessage", bound=Message)


class Output(StrEnum):
    """How a result is printed."""

    TABLE = "table"
    JSON = "json"


@dataclass(frozen=True)  # Without slots: with them a generic one cannot be made (Python 3.11).
class Column(Generic[Shown]):
    """A column of a table.

    Args:
        title: its head.
        of: gives a row's cell.
        number: whether it is set to the right.
        extra: whether it is left out where the terminal is too narrow for all.
    """

    title: str
    of: Callable[[Shown], str]
    number: bool = False
    extra: bool = False


def print_list(
    output: Output, messages: Sequence[ShownMessage], columns: Sequence[Column[ShownMessage]]
) -> None:
    """Print messages, a row each, or as a JSON array."""
    if output is Output.JSON:
        print_json([as_json(message) for message in messages])
    else:
        print_table(columns, messages)


def print_one(
    output: Output, message: ShownMessage, columns: Sequence[Column[ShownMessage]]
) -> None:
    """Print one message, a line a field, or as a JSON object."""
    if output is Output.JSON:
        print_json(as_json(message))
    else:
        print_fields([(column.title, column.of(message)) for column in columns])


def print_table(columns: Sequence[Column[Shown]], rows: Sequence[Shown], title: str = "") -> None:
    """Print a table; columns that are extra are left out where they would not fit."""
    terminal = Console()
    if not terminal.is_terminal:
        _print_plainly(_table(columns, rows, title, plain=True))
        return
    table = _table(columns, rows, title, plain=False)
    if _width(terminal, table) > terminal.width:
        needed = [column for column in columns if not column.extra]
        table = _table(needed, rows, title, plain=False)
    terminal.print(table)


def print_fields(fields: Sequence[tuple[str, str]]) -> None:
    """Print names and values, a line each, without those that are empty."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in fields:
        if value:
            table.add_row(name, Text(value))
    terminal = Console()
    if terminal.is_terminal:
        terminal.print(table)
    else:
        _print_plainly(table)


def print_json(value: object) -> None:
    """Print JSON."""
    sys.stdout.write(f"{json.dumps(value, indent=2, ensure_ascii=False)}\n")


def note(sentence: str) -> None:
    """Say something beside the result, on standard error."""
    typer.echo(sentence, err=True)


def as_json(message: Message) -> object:
    """Return a message as proto3's JSON: 64-bit integers are strings, so that no digit is lost."""
    return MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def _table(
    columns: Sequence[Column[Shown]], rows: Sequence[Shown], title: str, *, plain: bool
) -> Table:
    table = Table(
        title=title or None,
        title_justify="left",
        box=None if plain else box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for column in columns:
        table.add_column(
            column.title, justify="right" if column.number else "left", overflow="fold"
        )
    for row in rows:
        table.add_row(*(Text(column.of(row)) for column in columns))
    return table


def _print_plainly(table: Table) -> None:
    """Print a table into a pipe: a line a row however long, no colours, no spaces at the ends."""
    console = Console(width=_PIPE_WIDTH, no_color=True, highlight=False)
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        sys.stdout.write(f"{line.rstrip()}\n")


def _width(target: Console, table: Table) -> int:
    wide = target.options.update(width=_PIPE_WIDTH, max_width=_PIPE_WIDTH)
    return Measurement.get(target, wide, table).maximum


def money(amount: Money) -> str:
    """Return an amount with its currency, or nothing if it is not set."""
    if not amount.currency_code:
        return ""
    return f"{format_amount(amount.minor_units, amount.currency_code)} {amount.currency_code}"


def moment(timestamp: Timestamp) -> str:
    """Return a time in UTC to the second, or nothing if it is not set."""
    if not timestamp.seconds:
        return ""
    return timestamp.ToDatetime().strftime("%Y-%m-%d %H:%M:%S")


class EnumType(Protocol):
    """A generated enum."""

    @property
    def DESCRIPTOR(self) -> EnumDescriptor: ...  # noqa: N802 - protobuf names it.


def word(enum: EnumType, value: int) -> str:
    """Return the name of an enum's value without its prefix; nothing if it is not set."""
    if not value:
        return ""
    found = enum.DESCRIPTOR.values_by_number.get(value)
    return found.name.removeprefix(_prefix(enum.DESCRIPTOR.name)) if found else str(value)


def value_of(enum: EnumType, text: str, option: str) -> Any:
    """Return the value of an enum that a user wrote without its prefix, in any case; "" is not set.

    Raises:
        Failure: there is none of that name.
    """
    if not text:
        return 0
    prefix = _prefix(enum.DESCRIPTOR.name)
    wanted = text.upper().replace("-", "_")
    found = enum.DESCRIPTOR.values_by_name.get(f"{prefix}{wanted}")
    if found is None or not found.number:
        names = [value.name.removeprefix(prefix) for value in enum.DESCRIPTOR.values[1:]]
        raise wrong_use(f"{text!r} is no value of {option}", f"there are: {', '.join(names)}")
    return found.number


def values_of(enum: EnumType, texts: Sequence[str] | None, option: str) -> list[Any]:
    """Return the values of an option that may be repeated; none if it was not given.

    Raises:
        Failure: there is none of one's name.
    """
    return [value_of(enum, text, option) for text in texts or ()]


@cache
def _prefix(name: str) -> str:
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper()
    return f"{snake}_"
